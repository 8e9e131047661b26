package telemetrytest

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.opentelemetry.io/proto/otlp/metrics/v1"
	spanv1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector stands in for an OpenTelemetry collector: it takes OTLP over HTTP and remembers what it was sent.
type Collector struct {
	// URL is the base URL, as OTEL_EXPORTER_OTLP_ENDPOINT has it.
	URL string

	mu      sync.Mutex
	metrics []*v1.ResourceMetrics
	spans   []*spanv1.ResourceSpans
}

// NewCollector starts a collector that ends with the test.
func NewCollector(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		var in metricsv1.ExportMetricsServiceRequest
		if read(w, r, &in) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.metrics = append(c.metrics, in.GetResourceMetrics()...)
		}
	})
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var in tracev1.ExportTraceServiceRequest
		if read(w, r, &in) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.spans = append(c.spans, in.GetResourceSpans()...)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// read decodes a request and answers it.
func read(w http.ResponseWriter, r *http.Request, into proto.Message) bool {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return false
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	if err != nil || proto.Unmarshal(raw, into) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return false
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	return true
}

// Counter returns the last value sent of a counter or gauge with the labels (name, value, name, value, ...), and
// whether there was one.
func (c *Collector) Counter(name string, labels ...string) (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, found := 0.0, false
	for _, resource := range c.metrics {
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				if metric.GetName() != name {
					continue
				}
				for _, point := range append(metric.GetSum().GetDataPoints(), metric.GetGauge().GetDataPoints()...) {
					if has(point, labels) {
						value, found = point.GetAsDouble(), true
					}
				}
			}
		}
	}
	return value, found
}

// has reports whether a point has the labels, among others.
func has(point *v1.NumberDataPoint, labels []string) bool {
	have := make(map[string]string)
	for _, a := range point.GetAttributes() {
		have[a.GetKey()] = a.GetValue().GetStringValue()
	}
	for i := 0; i+1 < len(labels); i += 2 {
		if have[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

// Spans returns the spans sent.
func (c *Collector) Spans() []*spanv1.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var spans []*spanv1.Span
	for _, resource := range c.spans {
		for _, scope := range resource.GetScopeSpans() {
			spans = append(spans, scope.GetSpans()...)
		}
	}
	return spans
}

// Services returns the service.name of every sender, in the order of what they sent: metrics first.
func (c *Collector) Services() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, m := range c.metrics {
		for _, a := range m.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				names = append(names, a.GetValue().GetStringValue())
			}
		}
	}
	for _, s := range c.spans {
		for _, a := range s.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				names = append(names, a.GetValue().GetStringValue())
			}
		}
	}
	return names
}
