package signature_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var at = time.Unix(1_700_000_000, 999)

func newSecret(t testing.TB, kind webhook.SecretKind) webhook.Secret {
	s, err := signature.NewSecret(kind)
	require.NoError(t, err)
	return s
}

func format(t testing.TB, s webhook.Secret) string {
	text, err := signature.Format(s)
	require.NoError(t, err)
	return text
}

// signed returns the headers of a POST signed with the secrets.
func signed(t testing.TB, id string, when time.Time, body []byte, secrets ...webhook.Secret) http.Header {
	header, err := signature.Sign(secrets, id, when, body)
	require.NoError(t, err)
	h := http.Header{}
	h.Set(signature.HeaderID, id)
	h.Set(signature.HeaderTimestamp, signature.Timestamp(when))
	h.Set(signature.HeaderSignature, header)
	return h
}

// TestGolden holds the signatures to vectors: that of the specification's own Go library for v1, and one made with
// another implementation of Ed25519 (OpenSSL) for v1a.
func TestGolden(t *testing.T) {
	t.Parallel()
	hmac, err := signature.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	private := webhook.Secret{Kind: webhook.SecretEd25519, Key: ed25519.NewKeyFromSeed(seed)}
	require.Equal(t,
		"whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==", format(t, private))
	public, err := signature.PublicKey(private)
	require.NoError(t, err)
	require.Equal(t, "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", public)

	header, err := signature.Sign([]webhook.Secret{hmac, private}, "msg_p5jXN8AQM9LWM0D4loKWxJek",
		time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "+
		"v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ==", header)
}

func TestStandardWebhooksLibraryVerifiesWhatIsSigned(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":1}` + "\n\x00 not only text \xff")
	older, newer, private := newSecret(t, webhook.SecretHMAC), newSecret(t, webhook.SecretHMAC), newSecret(t,
		webhook.SecretEd25519)
	h := signed(t, "msg_1_2", time.Now(), body, newer, private, older)
	for name, known := range map[string]webhook.Secret{"NewSecret": newer, "OldSecretDuringRotation": older} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			library, err := standardwebhooks.NewWebhook(format(t, known))
			require.NoError(t, err)
			require.NoError(t, library.Verify(body, h))
			require.Error(t, library.Verify(append(body, ' '), h))
		})
	}
	t.Run("NotByASecretThatDidNotSign", func(t *testing.T) {
		t.Parallel()
		library, err := standardwebhooks.NewWebhook(format(t, newSecret(t, webhook.SecretHMAC)))
		require.NoError(t, err)
		require.ErrorIs(t, library.Verify(body, h), standardwebhooks.ErrNoMatchingSignature)
	})
}

func TestVerifiesWhatTheStandardWebhooksLibrarySigns(t *testing.T) {
	t.Parallel()
	secret := newSecret(t, webhook.SecretHMAC)
	library, err := standardwebhooks.NewWebhook(format(t, secret))
	require.NoError(t, err)
	header, err := library.Sign("msg_1", at, []byte("body"))
	require.NoError(t, err)
	h := http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {"1700000000"}, "Webhook-Signature": {header}}
	verifier, err := signature.NewVerifier(format(t, secret))
	require.NoError(t, err)
	require.NoError(t, verifier.Verify(h, []byte("body"), at))
}

func TestSign(t *testing.T) {
	t.Parallel()

	t.Run("SignsWithEverySecretInOrder", func(t *testing.T) {
		t.Parallel()
		a, b, c := newSecret(t, webhook.SecretHMAC), newSecret(t, webhook.SecretEd25519), newSecret(t, webhook.SecretHMAC)
		parts := strings.Split(signed(t, "m", at, nil, a, b, c).Get(signature.HeaderSignature), " ")
		require.Len(t, parts, 3)
		for i, prefix := range []string{"v1,", "v1a,", "v1,"} {
			require.True(t, strings.HasPrefix(parts[i], prefix))
		}
		for i, s := range []webhook.Secret{a, b, c} {
			require.Equal(t, parts[i], signed(t, "m", at, nil, s).Get(signature.HeaderSignature))
		}
	})
	t.Run("OneSignerServesManyGoroutines", func(t *testing.T) {
		t.Parallel()
		secrets := []webhook.Secret{newSecret(t, webhook.SecretHMAC), newSecret(t, webhook.SecretEd25519)}
		signer, err := signature.NewSigner(secrets)
		require.NoError(t, err)
		var group sync.WaitGroup
		for worker := range 8 {
			group.Go(func() {
				for i := range 50 {
					id, body := fmt.Sprintf("m%d", worker), []byte(strings.Repeat("x", worker*i*100))
					got, err := signer.Sign(id, at, body)
					want, _ := signature.Sign(secrets, id, at, body)
					if err != nil || got != want {
						t.Errorf("signed %q instead of %q: %v", got, want, err)
					}
				}
			})
		}
		group.Wait()
	})
	t.Run("RefusesWhatMustNotBeSigned", func(t *testing.T) {
		t.Parallel()
		signer, err := signature.NewSigner([]webhook.Secret{newSecret(t, webhook.SecretHMAC)})
		require.NoError(t, err)
		for _, id := range []string{"", "a.b", "."} {
			_, err := signer.Sign(id, at, nil)
			require.ErrorIs(t, err, signature.ErrMessageID)
		}
		_, err = signer.Sign("m", time.Unix(-1, 0), nil)
		require.ErrorIs(t, err, signature.ErrTimestamp)
	})
	t.Run("RefusesSecretsThatCannotSign", func(t *testing.T) {
		t.Parallel()
		_, err := signature.NewSigner(nil)
		require.ErrorIs(t, err, signature.ErrNoSecret)
		good := newSecret(t, webhook.SecretEd25519)
		mixed := append(append([]byte{}, good.Key[:32]...), newSecret(t, webhook.SecretEd25519).Key[32:]...)
		for want, bad := range map[error]webhook.Secret{
			signature.ErrKind:      {Kind: "v2", Key: good.Key},
			signature.ErrKeyLength: {Kind: webhook.SecretHMAC, Key: good.Key[:23]},
			signature.ErrKeyPair:   {Kind: webhook.SecretEd25519, Key: mixed},
		} {
			_, err := signature.Sign([]webhook.Secret{good, bad}, "m", at, nil)
			require.ErrorIs(t, err, want)
		}
		_, err = signature.Sign([]webhook.Secret{{Kind: webhook.SecretEd25519, Key: good.Key[:32]}}, "m", at, nil)
		require.ErrorIs(t, err, signature.ErrKeyLength)
	})
}

func TestSecretTexts(t *testing.T) {
	t.Parallel()

	t.Run("ReadBackAsTheyWereWritten", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []webhook.SecretKind{webhook.SecretHMAC, webhook.SecretEd25519} {
			s := newSecret(t, kind)
			require.NotEqual(t, s.Key, newSecret(t, kind).Key)
			parsed, err := signature.ParseSecret(format(t, s))
			require.NoError(t, err)
			require.Equal(t, s, parsed)
		}
	})
	t.Run("BoundTheLengthOfKeys", func(t *testing.T) {
		t.Parallel()
		for length, want := range map[int]error{
			0: signature.ErrKeyLength, 23: signature.ErrKeyLength, 24: nil, 64: nil, 65: signature.ErrKeyLength,
		} {
			text := signature.PrefixHMAC + base64.StdEncoding.EncodeToString(make([]byte, length))
			_, err := signature.ParseSecret(text)
			require.ErrorIs(t, err, want, length)
		}
	})
	t.Run("AreRefusedInAnyOtherForm", func(t *testing.T) {
		t.Parallel()
		text := format(t, newSecret(t, webhook.SecretHMAC))
		for _, bad := range []string{
			text + "\n", text[:20] + "\n" + text[20:], strings.TrimRight(text, "="), text + "=", text[:6] + "%" + text[7:],
		} {
			_, err := signature.ParseSecret(bad)
			require.ErrorIs(t, err, signature.ErrEncoding)
			require.NotContains(t, err.Error(), text[10:20])
		}
		padded := signature.PrefixHMAC + base64.StdEncoding.EncodeToString(make([]byte, 25))
		_, err := signature.ParseSecret(strings.Replace(padded, "A==", "B==", 1))
		require.ErrorIs(t, err, signature.ErrEncoding, "bits that no byte has")
		for _, bad := range []string{"", text[6:], "WHSEC_" + text[6:], "whpk_" + text[6:]} {
			_, err := signature.ParseSecret(bad)
			require.ErrorIs(t, err, signature.ErrPrefix)
		}
	})
	t.Run("OfPublicKeysComeFromEd25519Only", func(t *testing.T) {
		t.Parallel()
		_, err := signature.PublicKey(newSecret(t, webhook.SecretHMAC))
		require.ErrorIs(t, err, signature.ErrKind)
		s := newSecret(t, webhook.SecretEd25519)
		text, err := signature.PublicKey(s)
		require.NoError(t, err)
		key, err := signature.ParsePublicKey(text)
		require.NoError(t, err)
		require.Equal(t, ed25519.PublicKey(s.Key[32:]), key)
		_, err = signature.ParsePublicKey(format(t, s))
		require.ErrorIs(t, err, signature.ErrPrefix)
		_, err = signature.ParsePublicKey(signature.PrefixPublic + "AAAA")
		require.ErrorIs(t, err, signature.ErrKeyLength)
	})
	t.Run("OfUnknownKindsDoNotExist", func(t *testing.T) {
		t.Parallel()
		_, err := signature.NewSecret("v3")
		require.ErrorIs(t, err, signature.ErrKind)
		_, err = signature.Format(webhook.Secret{})
		require.ErrorIs(t, err, signature.ErrKind)
	})
}

func TestKeysDoNotReachPrints(t *testing.T) {
	t.Parallel()
	secret := webhook.Secret{Kind: webhook.SecretHMAC, Key: []byte("SECRETSECRETSECRETSECRET")}
	signer, err := signature.NewSigner([]webhook.Secret{secret})
	require.NoError(t, err)
	verifier, err := signature.NewVerifier(format(t, secret))
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb+verb+verb, signer, verifier, secret)
		for _, leak := range []string{"SECRET", "83 69 67", "0x53, 0x45", fmt.Sprintf("%x", "SECRET")} {
			require.NotContains(t, text, leak, verb)
		}
	}
}
