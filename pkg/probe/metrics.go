package probe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/homing-hooks/homing/pkg/telemetry"
)

// Name is which probe.
type Name string

// The probes.
const (
	Direct   Name = "direct"
	Brokered Name = "brokered"
	Retry    Name = "retry"
	Manage   Name = "manage"
)

// Names are all probes.
var Names = []Name{Direct, Brokered, Retry, Manage}

// Outcome is what became of a probe.
type Outcome string

// The outcomes.
const (
	// Success: what was expected came in time.
	Success Outcome = "success"
	// Refused: the API, ingest or the broker did not take what it was asked, or did not answer.
	Refused Outcome = "refused"
	// Missing: it was taken, and what was expected then did not come in time.
	Missing Outcome = "missing"
	// Corrupt: a webhook came with a signature that does not verify, with another body than was sent, or for the second
	// time with another webhook-id.
	Corrupt Outcome = "corrupt"
)

// Outcomes are all outcomes.
var Outcomes = []Outcome{Success, Refused, Missing, Corrupt}

// Metrics are those of the program.
type Metrics struct {
	runs        *prometheus.CounterVec // by probe and outcome
	seconds     *prometheus.HistogramVec
	lastSuccess *prometheus.GaugeVec
	interval    prometheus.Gauge
}

// NewMetrics registers the metrics of the probes that are on, with now as the time of their last success.
func NewMetrics(r prometheus.Registerer, interval time.Duration, now time.Time, on ...Name) *Metrics {
	f := promauto.With(r)
	m := &Metrics{
		runs: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_probe_runs_total", Help: "Probes that were made, by outcome.",
		}, []string{"probe", "outcome"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "homing_probe_seconds",
			Help:    "How long probes that succeeded took, to the webhook that was expected.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 14),
		}, []string{"probe"}),
		lastSuccess: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "homing_probe_last_success_timestamp_seconds",
			Help: "When a probe succeeded last, or when the program started if none has since.",
		}, []string{"probe"}),
		interval: f.NewGauge(prometheus.GaugeOpts{
			Name: "homing_probe_interval_seconds", Help: "The time between two rounds of probes.",
		}),
	}
	telemetry.Precreate(m.runs, telemetry.Values(on), telemetry.Values(Outcomes))
	telemetry.Precreate(m.seconds, telemetry.Values(on))
	for _, name := range on {
		m.lastSuccess.WithLabelValues(string(name)).Set(unix(now))
	}
	m.interval.Set(interval.Seconds())
	return m
}

func (m *Metrics) observe(name Name, o Outcome, took time.Duration, now time.Time) {
	m.runs.WithLabelValues(string(name), string(o)).Inc()
	if o == Success {
		m.seconds.WithLabelValues(string(name)).Observe(took.Seconds())
		m.lastSuccess.WithLabelValues(string(name)).Set(unix(now))
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
