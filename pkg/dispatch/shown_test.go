package dispatch

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestHeadersShownAreThoseSent holds what is shown of an attempt to what build would send, but for what is redacted.
func TestHeadersShownAreThoseSent(t *testing.T) {
	t.Parallel()
	d := New(Config{Version: "1.2.3"})
	t.Cleanup(d.Close)
	var ids webhook.IDSource
	id := func() webhook.ID { return ids.New(time.Now()) }
	secret := webhook.Secret{ID: id(), Kind: webhook.SecretHMAC, Key: []byte("0123456789abcdef01234567")}
	event := webhook.Event{
		ID: id(), CEID: "1 2", Source: "/s", Type: "t", Subject: "sü", DataType: "application/json", Data: []byte(`{}`),
		Time: time.Now(), Extensions: map[string]any{"region": "eu", "n": int32(3)},
	}
	for _, format := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured, webhook.FormatStandard} {
		for _, replay := range []bool{false, true} {
			r := &Request{
				Endpoint: &webhook.Endpoint{
					ID: id(), URL: "https://receiver.example", Format: format,
					Headers: map[string]string{"x-api-token": "opensesame", "User-Agent": "mine"},
				},
				Secrets: []webhook.Secret{secret}, Event: &event, Delivery: id(), Attempt: 3, Replay: replay, Now: time.Now(),
			}
			sent, err := d.build(t.Context(), r)
			require.NoError(t, err)
			r.Secrets = nil
			shown, err := r.Headers()
			require.NoError(t, err)
			redacted := []string{"X-Api-Token", "User-Agent", keySignature}
			want := sent.Header.Clone()
			for _, name := range redacted {
				require.NotEmpty(t, want.Get(name))
				want.Set(name, Redacted)
			}
			require.Equal(t, want, shown, format)

			r.EndpointID, r.Endpoint = r.Endpoint.ID, nil
			partial, err := r.Headers()
			require.NoError(t, err)
			for name := range partial {
				require.Equal(t, want.Get(name), partial.Get(name))
			}
			names := []string{keyAttempt, keyID, keySignature, keyTimestamp}
			if replay {
				names = append(names, keyReplay)
			}
			require.ElementsMatch(t, names, slices.Collect(maps.Keys(partial)))
		}
	}
	plain := &Request{Endpoint: &webhook.Endpoint{ID: id(), Format: webhook.FormatBinary}, Event: &event, Now: time.Now()}
	shown, err := plain.Headers()
	require.NoError(t, err)
	require.Equal(t, "Homing/"+Redacted, shown.Get("User-Agent"))
	plain.Endpoint.Format = "xml"
	_, err = plain.Headers()
	require.ErrorIs(t, err, outcome.ErrConfig)
}
