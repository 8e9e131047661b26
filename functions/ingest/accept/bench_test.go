package accept_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/ingest/accept"
)

// BenchmarkDecode is what reading an event of 1 KiB from a request costs, in each mode.
func BenchmarkDecode(b *testing.B) {
	data := bytes.Repeat([]byte{'x'}, 1<<10)
	for _, mode := range []struct {
		name   string
		header map[string]string
		body   []byte
	}{
		{"Binary", map[string]string{
			"Ce-Specversion": "1.0", "Ce-Id": "order-1", "Ce-Source": "/shop", "Ce-Type": "order.paid", "Ce-Subject": "eu-1",
			"Ce-Time": "2026-11-25T12:00:00Z", "Content-Type": "text/plain",
		}, data},
		{"Structured", map[string]string{"Content-Type": "application/cloudevents+json"}, fmt.Appendf(nil,
			`{"specversion":"1.0","id":"order-1","source":"/shop","type":"order.paid","subject":"eu-1",`+
				`"time":"2026-11-25T12:00:00Z","datacontenttype":"text/plain","data":%q}`, data)},
	} {
		b.Run(mode.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				r := httptest.NewRequest(http.MethodPost, accept.EventsPath, bytes.NewReader(mode.body))
				for name, value := range mode.header {
					r.Header.Set(name, value)
				}
				b.StartTimer()
				raw, err := accept.ReadRaw(nil, r, 1<<20)
				require.NoError(b, err)
				events, err := accept.Decode(b.Context(), raw, true)
				require.NoError(b, err)
				require.Len(b, events, 1)
			}
		})
	}
}
