package accept

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Metrics counts what ingest does.
type Metrics struct {
	events       *prometheus.CounterVec
	deliveries   prometheus.Counter
	requests     *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	groupSize    prometheus.Histogram
	groupSeconds prometheus.Histogram
	rejected     *prometheus.CounterVec
	parked       prometheus.Counter
	filterFaults prometheus.Counter
	violations   *prometheus.CounterVec
}

// The faces, as the label of metrics.
const (
	facePublic = "public"
	faceBroker = "broker"
)

// rejectReasons is the closed set of reasons for which a brokered event is rejected.
var rejectReasons = []string{
	rejectUndecodable, rejectInvalid, rejectSchema, rejectTenant, rejectSignature, rejectTooLarge,
}

// NewMetrics makes the metrics of ingest and registers them, each label value from the start so that rates begin at
// zero.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	m := &Metrics{
		events: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_ingest_events_total", Help: "Events that were answered for, by what became of them.",
		}, []string{"status"}),
		deliveries: f.NewCounter(prometheus.CounterOpts{
			Name: "homing_ingest_deliveries_total", Help: "Deliveries stored with accepted events.",
		}),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_ingest_requests_total", Help: "Requests answered, by face and HTTP status class.",
		}, []string{"face", "class"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "homing_ingest_request_seconds", Help: "Time from a request's arrival to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"face"}),
		groupSize: f.NewHistogram(prometheus.HistogramOpts{
			Name: "homing_ingest_group_events", Help: "Events stored by one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		groupSeconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "homing_ingest_group_seconds", Help: "Time that one commit took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		rejected: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_ingest_rejected_total", Help: "Brokered events that cannot be accepted, by reason.",
		}, []string{"reason"}),
		parked: f.NewCounter(prometheus.CounterOpts{
			Name: "homing_ingest_parked_total", Help: "Brokered events parked because the store was away.",
		}),
		filterFaults: f.NewCounter(prometheus.CounterOpts{
			Name: "homing_ingest_filter_faults_total", Help: "Filters or schemas that could not be compiled or evaluated.",
		}),
		violations: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_ingest_schema_violations_total",
			Help: "Events whose data do not satisfy the schema of their type, by what its policy does with them.",
		}, []string{"policy"}),
	}
	for _, s := range []store.AcceptStatus{
		store.AcceptStored, store.AcceptDuplicate, store.AcceptStale, store.AcceptRefused,
	} {
		m.events.WithLabelValues(string(s))
	}
	for _, face := range []string{facePublic, faceBroker} {
		m.seconds.WithLabelValues(face)
		for _, class := range []string{"2xx", "4xx", "5xx"} {
			m.requests.WithLabelValues(face, class)
		}
	}
	for _, p := range []webhook.SchemaPolicy{webhook.SchemaFlag, webhook.SchemaReject} {
		m.violations.WithLabelValues(string(p))
	}
	for _, reason := range rejectReasons {
		m.rejected.WithLabelValues(reason)
	}
	return m
}

func (m *Metrics) accepted(s store.AcceptStatus, deliveries int) {
	m.events.WithLabelValues(string(s)).Inc()
	if s == store.AcceptStored {
		m.deliveries.Add(float64(deliveries))
	}
}

func (m *Metrics) group(n int, took time.Duration) {
	m.groupSize.Observe(float64(n))
	m.groupSeconds.Observe(took.Seconds())
}

func (m *Metrics) answered(face string, status int, began time.Time) {
	class := "5xx"
	switch {
	case status < 400:
		class = "2xx"
	case status < 500:
		class = "4xx"
	}
	m.requests.WithLabelValues(face, class).Inc()
	m.seconds.WithLabelValues(face).Observe(time.Since(began).Seconds())
}
