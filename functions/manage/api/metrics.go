package api

import (
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of manage.
type Metrics struct {
	requests *prometheus.HistogramVec
}

// NewMetrics registers the metrics of manage.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "homing_manage_request_seconds",
		Help:    "How long requests to the management API took, by operation and status.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 5},
	}, []string{"operation", "status"})}
	r.MustRegister(m.requests)
	return m
}

// precreate makes the series of what goes well, so that rates begin at zero. Operations that others serve have none.
func (m *Metrics) precreate(document *huma.OpenAPI) {
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && op.Metadata[metadata] != nil {
				m.requests.WithLabelValues(op.OperationID, strconv.Itoa(op.DefaultStatus))
			}
		}
	}
}

// measure notes how long each request took.
func (a *API) measure(ctx huma.Context, next func(huma.Context)) {
	began := time.Now()
	next(ctx)
	a.cfg.Metrics.requests.WithLabelValues(ctx.Operation().OperationID, strconv.Itoa(statusOf(ctx))).
		Observe(time.Since(began).Seconds())
}
