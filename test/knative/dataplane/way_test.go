package dataplane_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
	"github.com/homing-hooks/homing/test/homingtest"
)

// The producer's span.
const producersTrace, producersSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

// TestTheWholeWay sends an event through the broker to an endpoint that fails at first: ingress, dispatcher, ingest, a
// hint, ingress, dispatcher, deliver; then rescheduled, retry, due, and deliver again. All of it is one trace in one
// piece, those of the broker's programs included.
func TestTheWholeWay(t *testing.T) {
	collector := telemetrytest.NewCollector(t)
	p := deploy(t, on{
		settings: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL},
		observability: fmt.Sprintf(`{"tracing":{"protocol":"http/protobuf","endpoint":%q,"samplingRate":1}}`,
			collector.URL+"/v1/traces"),
	})
	p.Subscribe("flaky", homingtest.Failing(1, http.StatusInternalServerError))
	tr := p.produce(0, 0)
	brokered := homingtest.Orders("brokered", 1)[0]
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), spanContext(t))
	require.NoError(t, p.Events.Publish(ctx, bus.BrokerEvents, brokered.Brokered(t, p.Tenant)))
	tr.Took(brokered)
	direct := homingtest.Orders("direct", 1)
	tr.Send(direct...)
	require.Equal(t, homingtest.Balance{Expected: 2}, p.Settle(tr.Producer))
	p.requireOneTrace(collector)
}

func spanContext(t testing.TB) trace.SpanContext {
	t.Helper()
	id, err := trace.TraceIDFromHex(producersTrace)
	require.NoError(t, err)
	span, err := trace.SpanIDFromHex(producersSpan)
	require.NoError(t, err)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled})
}

// requireOneTrace waits until the spans of the whole way are there, and checks that both attempts descend from the
// producer's span by way of ingress, dispatcher and acceptance. (A hint names deliveries of many events, so hints are
// in no event's trace: the context of the acceptance comes with the delivery.)
func (p *plane) requireOneTrace(c *telemetrytest.Collector) {
	p.T.Helper()
	for _, function := range p.functions {
		function.Stop() // sends the rest of its spans
	}
	want := []string{"homing.deliver.attempt", "homing.ingest.accept", "rabbitmq-dispatcher", "kncloudevents.receive"}
	homingtest.Wait(p.T, homingtest.Patience, "everybody has sent their spans", func() bool {
		names, _ := spansOf(c)
		have := slices.Collect(maps.Values(names))
		return !slices.ContainsFunc(want, func(name string) bool { return !slices.Contains(have, name) })
	})
	names, parents := spansOf(c)
	attempts := 0
	for id, name := range names {
		if name != want[0] {
			continue
		}
		attempts++
		way := []string{}
		for id != producersSpan {
			require.Contains(p.T, names, id, "a parent that nobody knows, after %v", way)
			way = append(way, names[id])
			id = parents[id]
		}
		require.Subset(p.T, way, want)
	}
	require.Equal(p.T, 2, attempts)
}

// spansOf returns the spans of the producer's trace by id: their names, and their parents.
func spansOf(c *telemetrytest.Collector) (names, parents map[string]string) {
	names, parents = make(map[string]string), make(map[string]string)
	for _, s := range c.Spans() {
		if hex.EncodeToString(s.GetTraceId()) == producersTrace {
			id := hex.EncodeToString(s.GetSpanId())
			names[id], parents[id] = s.GetName(), hex.EncodeToString(s.GetParentSpanId())
		}
	}
	return names, parents
}
