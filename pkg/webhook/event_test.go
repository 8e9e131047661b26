package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestIdentityKey(t *testing.T) {
	t.Parallel()

	t.Run("StaysAsItIsInTheStore", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "750410152158e74c4b4fc5c65e76adee", fmt.Sprintf("%x", webhook.IdentityKey("acme", "/shop", "1")))
	})
	t.Run("DiffersWhereverTheIdentityDoes", func(t *testing.T) {
		t.Parallel()
		seen := make(map[webhook.Key][3]string)
		parts := []string{"", "a", "b", "ab", "aa", "a\x00", "\x00"}
		for _, tenant := range parts {
			for _, source := range parts {
				for _, id := range parts {
					key := webhook.IdentityKey(tenant, source, id)
					require.Equal(t, key, webhook.IdentityKey(tenant, source, id))
					require.NotContains(t, seen, key, "%v", seen[key])
					seen[key] = [3]string{tenant, source, id}
				}
			}
		}
	})
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	var source webhook.IDSource
	event, endpoint, other := source.New(now), source.New(now), source.New(now)
	id := webhook.MessageID(event, endpoint)
	require.Equal(t, "msg_"+event.String()+"_"+endpoint.String(), id)
	require.NotContains(t, id, ".")
	require.NotEqual(t, id, webhook.MessageID(event, other))

	accepted := webhook.Event{ID: event}
	replayed := webhook.Event{ID: other, Origin: accepted.OriginID()}
	again := webhook.Event{ID: endpoint, Origin: replayed.OriginID()}
	require.Equal(t, event, again.OriginID(), "a replay of a replay is still the event first accepted")
}

func TestKeysOfSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	key := []byte("SECRETKEY")
	secret := webhook.Secret{Kind: webhook.SecretHMAC, Key: key}
	type holder struct{ Secrets []webhook.Secret }
	var log bytes.Buffer
	for _, logger := range []*slog.Logger{
		slog.New(slog.NewJSONHandler(&log, nil)), slog.New(slog.NewTextHandler(&log, nil)),
	} {
		logger.Info("x", "secret", secret, "pointer", &secret, "held", holder{[]webhook.Secret{secret}})
	}
	for _, value := range []any{secret, &secret, holder{[]webhook.Secret{secret}}, &holder{[]webhook.Secret{secret}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&log, verb, value)
		}
		text, err := json.Marshal(value)
		require.NoError(t, err)
		log.Write(text)
	}
	encoded, err := json.Marshal(key)
	require.NoError(t, err)
	shown := log.String()
	for _, leak := range []string{
		string(key), strings.Trim(string(encoded), `"`), fmt.Sprintf("%x", key), fmt.Sprintf("%X", key),
		strings.Trim(fmt.Sprintf("%d", key), "[]"), "0x53, 0x45",
	} {
		require.NotContains(t, shown, leak)
	}
	require.Contains(t, shown, "(redacted)")
}

func TestBodyFormats(t *testing.T) {
	t.Parallel()
	for _, f := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured, webhook.FormatStandard} {
		require.True(t, f.Valid())
	}
	for _, f := range []webhook.BodyFormat{"", "BINARY", "xml"} {
		require.False(t, f.Valid())
	}
}

func BenchmarkIdentityKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		webhook.IdentityKey("acme", "https://example.com/shop/orders", "01890a5d-ac96-774b-bcce-b302099a8057")
	}
}

func BenchmarkMessageID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		webhook.MessageID(webhook.ID{1}, webhook.ID{2})
	}
}
