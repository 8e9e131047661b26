package signature_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func verifier(t testing.TB, keys ...string) *signature.Verifier {
	v, err := signature.NewVerifier(keys...)
	require.NoError(t, err)
	return v
}

func public(t testing.TB, s webhook.Secret) string {
	text, err := signature.PublicKey(s)
	require.NoError(t, err)
	return text
}

func TestVerify(t *testing.T) {
	t.Parallel()
	body := []byte("body")
	old, current, private := newSecret(t, webhook.SecretHMAC), newSecret(t, webhook.SecretHMAC), newSecret(t,
		webhook.SecretEd25519)
	other := newSecret(t, webhook.SecretHMAC)

	t.Run("AcceptsAnyKeyThatSigned", func(t *testing.T) {
		t.Parallel()
		h := signed(t, "m", at, body, current, old, private)
		for _, key := range []string{format(t, old), format(t, current), format(t, private), public(t, private)} {
			require.NoError(t, verifier(t, key).Verify(h, body, at))
			require.NoError(t, verifier(t, format(t, other), key).Verify(h, body, at))
			require.ErrorIs(t, verifier(t, key).Verify(h, []byte("bodY"), at), signature.ErrNoMatch)
		}
		require.ErrorIs(t, verifier(t, format(t, other)).Verify(h, body, at), signature.ErrNoMatch)
		stranger := public(t, newSecret(t, webhook.SecretEd25519))
		require.ErrorIs(t, verifier(t, stranger).Verify(h, body, at), signature.ErrNoMatch)
	})
	t.Run("SignsIDAndTimestampToo", func(t *testing.T) {
		t.Parallel()
		for _, secret := range []webhook.Secret{current, private} {
			h := signed(t, "m", at, body, secret)
			h.Set(signature.HeaderID, "n")
			require.ErrorIs(t, verifier(t, format(t, secret)).Verify(h, body, at), signature.ErrNoMatch)
			h = signed(t, "m", at, body, secret)
			h.Set(signature.HeaderTimestamp, "1700000001")
			require.ErrorIs(t, verifier(t, format(t, secret)).Verify(h, body, at), signature.ErrNoMatch)
		}
	})
	t.Run("PassesOverUnknownVersions", func(t *testing.T) {
		t.Parallel()
		h := signed(t, "m", at, body, current)
		own := h.Get(signature.HeaderSignature)
		h.Set(signature.HeaderSignature, "v2,AAAA v1,!notbase64! "+own+" v9,")
		require.NoError(t, verifier(t, format(t, current)).Verify(h, body, at))
		h.Set(signature.HeaderSignature, "v2"+strings.TrimPrefix(own, "v1"))
		require.ErrorIs(t, verifier(t, format(t, current)).Verify(h, body, at), signature.ErrNoScheme)
		h.Set(signature.HeaderSignature, own)
		require.ErrorIs(t, verifier(t, public(t, private)).Verify(h, body, at), signature.ErrNoScheme)
		h.Set(signature.HeaderSignature, "v1a"+strings.TrimPrefix(own, "v1"))
		require.ErrorIs(t, verifier(t, format(t, current), public(t, private)).Verify(h, body, at), signature.ErrNoMatch)
	})
	t.Run("AcceptsTimesWithinTheTolerance", func(t *testing.T) {
		t.Parallel()
		h := signed(t, "m", at, body, current)
		v := verifier(t, format(t, current))
		sent := at.Truncate(time.Second)
		require.NoError(t, v.Verify(h, body, sent.Add(signature.DefaultTolerance)))
		require.NoError(t, v.Verify(h, body, sent.Add(-signature.DefaultTolerance)))
		require.ErrorIs(t, v.Verify(h, body, sent.Add(signature.DefaultTolerance+1)), signature.ErrTooOld)
		require.ErrorIs(t, v.Verify(h, body, sent.Add(-signature.DefaultTolerance-1)), signature.ErrTooNew)
		require.ErrorIs(t, v.Verify(h, body, time.Time{}), signature.ErrTooNew)
		v.Tolerance = time.Second
		require.NoError(t, v.Verify(h, body, sent.Add(time.Second)))
		require.ErrorIs(t, v.Verify(h, body, sent.Add(2*time.Second)), signature.ErrTooOld)
	})
	t.Run("NamesTheHeaderThatIsWrong", func(t *testing.T) {
		t.Parallel()
		v := verifier(t, format(t, current))
		for _, name := range []string{signature.HeaderID, signature.HeaderTimestamp, signature.HeaderSignature} {
			for _, spoil := range []func(http.Header){
				func(h http.Header) { h.Del(name) },
				func(h http.Header) { h.Set(name, "") },
				func(h http.Header) { h.Add(name, h.Get(name)) },
			} {
				h := signed(t, "m", at, body, current)
				spoil(h)
				err := v.Verify(h, body, at)
				require.ErrorIs(t, err, signature.ErrHeaderMissing)
				require.ErrorContains(t, err, name)
			}
		}
		for name, bad := range map[string][]string{
			signature.HeaderID: {"a.b"},
			signature.HeaderTimestamp: {"x", "-1", "+1700000000", "1.7e9", " 1700000000", "99999999999999999999",
				"1099511627776"},
			signature.HeaderSignature: {"v1", "v1;x", strings.Repeat("v1,AAAA ", signature.MaxSignatures+1)},
		} {
			for _, value := range bad {
				h := signed(t, "m", at, body, current)
				h.Set(name, value)
				err := v.Verify(h, body, at)
				require.ErrorIs(t, err, signature.ErrHeaderMalformed, value)
				require.ErrorContains(t, err, name)
			}
		}
	})
	t.Run("NeedsKeysThatItCanRead", func(t *testing.T) {
		t.Parallel()
		for text, want := range map[string]error{
			"nonsense": signature.ErrPrefix, "whpk_AAAA": signature.ErrKeyLength, "whsec_": signature.ErrKeyLength,
			"whpk_?": signature.ErrEncoding,
		} {
			_, err := signature.NewVerifier(format(t, current), text)
			require.ErrorIs(t, err, want)
		}
		_, err := signature.NewVerifier()
		require.ErrorIs(t, err, signature.ErrNoSecret)
	})
}

func FuzzVerify(f *testing.F) {
	secret, private := newSecret(f, webhook.SecretHMAC), newSecret(f, webhook.SecretEd25519)
	h := signed(f, "m", at, []byte("body"), secret, private)
	right := h.Get(signature.HeaderSignature)
	v := verifier(f, format(f, secret), public(f, private))
	f.Add("m", "1700000000", right, []byte("body"))
	f.Add("m", "1700000000", "v1, v1a, ,", []byte(""))
	f.Add("", "01700000000", "v1a,"+strings.Repeat("A", 88), []byte("body"))
	f.Fuzz(func(t *testing.T, id, stamp, header string, body []byte) {
		err := v.Verify(http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {header}}, body,
			at)
		if err != nil {
			return
		}
		// Nobody without the keys gets through: what does was signed above.
		require.Equal(t, "m.1700000000.body", id+"."+stamp+"."+string(body))
		require.True(t, strings.Contains(header, right[:47]) || strings.Contains(header, right[48:]))
	})
}

func FuzzParseSecret(f *testing.F) {
	f.Add(format(f, newSecret(f, webhook.SecretHMAC)))
	f.Add(format(f, newSecret(f, webhook.SecretEd25519)))
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := signature.ParseSecret(text)
		if err != nil {
			require.Zero(t, secret)
			return
		}
		require.Equal(t, text, format(t, secret), "a key has one text form")
		_, err = signature.Sign([]webhook.Secret{secret}, "m", at, nil)
		require.NoError(t, err, "what is read can sign")
	})
}

func BenchmarkSign(b *testing.B) {
	body := make([]byte, 2048)
	hmac, private := newSecret(b, webhook.SecretHMAC), newSecret(b, webhook.SecretEd25519)
	id := webhook.MessageID(webhook.ID{1}, webhook.ID{2})
	for _, c := range []struct {
		name    string
		secrets []webhook.Secret
	}{
		{"v1", []webhook.Secret{hmac}}, {"v1-rotating", []webhook.Secret{hmac, hmac}}, {"v1a", []webhook.Secret{private}},
	} {
		signer, err := signature.NewSigner(c.secrets)
		require.NoError(b, err)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signer.Sign(id, at, body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/once", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signature.Sign(c.secrets, id, at, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	body := make([]byte, 2048)
	for _, kind := range []webhook.SecretKind{webhook.SecretHMAC, webhook.SecretEd25519} {
		secret := newSecret(b, kind)
		h, v := signed(b, "m", at, body, secret), verifier(b, format(b, secret))
		b.Run(string(kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Verify(h, body, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
