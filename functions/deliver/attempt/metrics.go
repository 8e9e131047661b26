package attempt

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Metrics counts what deliver does.
type Metrics struct {
	register      prometheus.Registerer
	attempts      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	ended         *prometheus.CounterVec
	queueAge      prometheus.Histogram
	toSuccess     prometheus.Histogram
	claims        *prometheus.CounterVec
	claimSize     prometheus.Histogram
	claimSeconds  prometheus.Histogram
	recordSize    prometheus.Histogram
	recordSeconds prometheus.Histogram
}

// NewMetrics makes the metrics of deliver and registers them, each label value from the start so that rates begin at
// zero.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	histogram := func(name, help string, start float64, count int) prometheus.Histogram {
		return f.NewHistogram(prometheus.HistogramOpts{
			Name: "homing_deliver_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(start, 2, count),
		})
	}
	m := &Metrics{
		register: r,
		attempts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_deliver_attempts_total", Help: "Attempts made, by outcome.",
		}, []string{"outcome"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "homing_deliver_attempt_seconds", Help: "Time that an attempt took at the endpoint, by whether it succeeded.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"success"}),
		ended: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_deliver_ended_total", Help: "Deliveries that an attempt ended, by state.",
		}, []string{"state"}),
		queueAge: histogram("queue_age_seconds", "Time from when an attempt was due to when it was claimed.", 0.001, 22),
		toSuccess: histogram("delivery_seconds", "Time from when a delivery was made, with its event or by a replay, to its "+
			"success.", 0.004, 26),
		claims: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_deliver_claims_total",
			Help: "Deliveries claimed, by what named them: accept is those claimed as they were stored.",
		}, []string{"by"}),
		claimSize:     histogram("claim_items", "Deliveries that one claim asked for by name, or pulled.", 1, 10),
		claimSeconds:  histogram("claim_seconds", "Time that one claim took.", 0.0005, 14),
		recordSize:    histogram("record_items", "Outcomes recorded by one commit.", 1, 10),
		recordSeconds: histogram("record_seconds", "Time that one recording took.", 0.0005, 14),
	}
	for _, o := range webhook.Outcomes {
		m.attempts.WithLabelValues(string(o))
	}
	for _, s := range []webhook.State{webhook.StateSucceeded, webhook.StateExhausted} {
		m.ended.WithLabelValues(string(s))
	}
	for _, by := range []string{"accept", "hint", "pull"} {
		m.claims.WithLabelValues(by)
	}
	for _, success := range []string{"true", "false"} {
		m.seconds.WithLabelValues(success)
	}
	return m
}

// watch exports how many slots are held and how many endpoints have a backlog.
func (m *Metrics) watch(inFlight func() (used, behind int)) {
	f := promauto.With(m.register)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "homing_deliver_slots_held", Help: "Slots held by attempts in flight.",
	}, func() float64 { used, _ := inFlight(); return float64(used) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "homing_deliver_endpoints_behind", Help: "Endpoints with more work than slots.",
	}, func() float64 { _, behind := inFlight(); return float64(behind) })
}

func (m *Metrics) attempted(r *store.Result, late, sinceMade time.Duration) {
	m.attempts.WithLabelValues(string(r.Attempt.Outcome)).Inc()
	success := "false"
	if r.Attempt.Outcome == webhook.OutcomeSuccess {
		success = "true"
	}
	m.seconds.WithLabelValues(success).Observe(r.Attempt.Latency.Total.Seconds())
	m.queueAge.Observe(max(late, 0).Seconds())
	if r.Attempt.Outcome == webhook.OutcomeSuccess {
		m.toSuccess.Observe(max(sinceMade, 0).Seconds())
	}
	if r.Next.Terminal() {
		m.ended.WithLabelValues(string(r.Next)).Inc()
	}
}

func (m *Metrics) claimed(by string, n int) { m.claims.WithLabelValues(by).Add(float64(n)) }

func (m *Metrics) claimGroup(n int, took time.Duration) {
	m.claimSize.Observe(float64(n))
	m.claimSeconds.Observe(took.Seconds())
}

func (m *Metrics) recordGroup(n int, took time.Duration) {
	m.recordSize.Observe(float64(n))
	m.recordSeconds.Observe(took.Seconds())
}
