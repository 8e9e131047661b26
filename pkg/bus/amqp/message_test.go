package amqp

import (
	"context"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// FuzzDecode reads messages that anybody may have put into the broker: what is read as an event is a valid one, and
// means the same after it was sent on.
func FuzzDecode(f *testing.F) {
	f.Add("1.0", "1", "/source", "type", "2026-03-01T12:00:00Z", "application/json", "tenant", "acme", []byte(`{}`))
	f.Add("1.0", "1", "/source", "type", "0001-01-01T00:00:00Z", "", "x-death", "", []byte(nil))
	f.Add("0.3", "", ":", "", "yesterday", "text/plain", "traceparent", "00-0", []byte{0})
	f.Fuzz(func(t *testing.T, version, id, source, eventType, at, contentType, name, value string, body []byte) {
		ctx, e, err := decode(t.Context(), &amqp091.Delivery{Body: body, Headers: amqp091.Table{
			headerSpecVersion: version, headerID: id, headerSource: source, headerType: eventType, headerTime: at,
			headerContentType: contentType, name: value,
		}})
		if err != nil {
			return
		}
		require.NoError(t, e.Validate())
		sent, err := encode(ctx, &e)
		if err != nil {
			return // its names do not fit a message; it came in one that no client of ours makes
		}
		_, again, err := decode(context.Background(), &amqp091.Delivery{
			Headers: sent.Headers, Body: sent.Body, ContentType: sent.ContentType,
		})
		require.NoError(t, err)
		require.Equal(t, e.String(), again.String())
		require.Equal(t, e.Data(), again.Data())
	})
}
