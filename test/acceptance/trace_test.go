package acceptance_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	spanv1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
)

// The producers' spans.
const (
	directTrace, directSpan     = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	brokeredTrace, brokeredSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
)

// TestOneTraceFromProducerToReceiver: a retry that a timer brings is in the producer's trace still, whether the event
// came directly or through the broker.
func TestOneTraceFromProducerToReceiver(t *testing.T) {
	t.Parallel()
	collector := telemetrytest.NewCollector(t)
	h := install(t, allServices, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	e := h.Subscribe("flaky", failing(1, http.StatusInternalServerError))
	all := h.Start()
	p := h.Producer(all)
	direct, brokered := orders("direct", 1)[0], orders("brokered", 1)[0]
	direct.Header = map[string]string{"Traceparent": "00-" + directTrace + "-" + directSpan + "-01"}
	p.Send(direct)
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), spanContext(t, brokeredTrace, brokeredSpan))
	require.NoError(t, h.Broker().Publish(ctx, bus.BrokerEvents, brokered.Brokered(t, h.Tenant)))
	p.Took(brokered)
	require.Equal(t, balance{Expected: 2}, h.Settle(p))
	all.Stop() // sends the rest of the spans

	for _, c := range []struct{ event, trace, span string }{
		{direct.ID, directTrace, directSpan}, {brokered.ID, brokeredTrace, brokeredSpan},
	} {
		parents := make(map[string]string) // of the spans of the attempts
		root := ""
		for _, s := range spansOf(collector, c.trace) {
			switch s.GetName() {
			case "homing.deliver.attempt":
				parents[hex.EncodeToString(s.GetSpanId())] = hex.EncodeToString(s.GetParentSpanId())
			case "homing.ingest.accept":
				root = hex.EncodeToString(s.GetSpanId())
				require.Equal(t, c.span, hex.EncodeToString(s.GetParentSpanId()), "accepted as a part of the producer's span")
			}
		}
		require.NotEmpty(t, root, "%s: it was accepted in the producer's trace", c.event)
		require.Len(t, parents, 2, "%s: both attempts are in the producer's trace", c.event)
		attempt := 0
		for _, sent := range h.Receiver.All(e) {
			if sent.Header.Get("Ce-Id") != c.event {
				continue
			}
			attempt++
			require.Equal(t, attempt, sent.Attempt)
			got := strings.Split(sent.Header.Get("Traceparent"), "-")
			require.Len(t, got, 4)
			require.Equal(t, c.trace, got[1])
			require.Equal(t, root, parents[got[2]], "the receiver's parent is the attempt, whose parent is the acceptance")
			delete(parents, got[2])
		}
		require.Empty(t, parents, "each attempt was a POST")
	}
}

func spanContext(t testing.TB, traceID, spanID string) trace.SpanContext {
	t.Helper()
	id, err := trace.TraceIDFromHex(traceID)
	require.NoError(t, err)
	span, err := trace.SpanIDFromHex(spanID)
	require.NoError(t, err)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled})
}

func spansOf(c *telemetrytest.Collector, traceID string) []*spanv1.Span {
	return slices.DeleteFunc(c.Spans(), func(s *spanv1.Span) bool { return fmt.Sprintf("%x", s.GetTraceId()) != traceID })
}
