package schedule

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Metrics counts what retry does.
type Metrics struct {
	ticks, timersSet, timersFired, timersLost, publishFailures, drained prometheus.Counter
	redriven, spansTallied                                              prometheus.Counter
	reconciled, housekeeping, told                                      *prometheus.CounterVec
	lateness                                                            prometheus.Histogram
	live, oldestDue, parked                                             prometheus.Gauge
	endpoints                                                           *prometheus.GaugeVec
	jobFailures                                                         prometheus.Counter
	jobChunks, jobRows, jobsEnded                                       *prometheus.CounterVec
}

// NewMetrics makes the metrics of retry and registers them, each label value from the start so that rates begin at
// zero.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "homing_retry_" + name, Help: help})
	}
	m := &Metrics{
		ticks:           counter("ticks_total", "Ticks taken."),
		timersSet:       counter("timers_set_total", "Timers set."),
		timersFired:     counter("timers_fired_total", "Timers whose hint was published."),
		timersLost:      counter("timers_lost_total", "Timers that could not be set; the reconciler finds their deliveries."),
		publishFailures: counter("publish_failures_total", "Publications of hints that failed."),
		drained:         counter("drained_total", "Parked events that were stored or rejected."),
		spansTallied:    counter("spans_tallied_total", "Spans of time whose attempts were counted for the statistics."),
		told: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_retry_notices_total", Help: "Notices passed on to those who subscribe to them, by kind.",
		}, []string{"kind"}),
		redriven: counter("redriven_total", "Rejected events that were taken again, whatever became of them."),
		reconciled: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_retry_reconciled_total", Help: "Deliveries that the reconciler moved, by action.",
		}, []string{"action"}),
		housekeeping: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_retry_housekeeping_total", Help: "Things made or dropped by housekeeping.",
		}, []string{"what"}),
		lateness: f.NewHistogram(prometheus.HistogramOpts{
			Name: "homing_retry_timer_lateness_seconds", Help: "How long after its time a timer was fired.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 17),
		}),
		live: f.NewGauge(prometheus.GaugeOpts{
			Name: "homing_deliveries_live", Help: "Deliveries accepted and not ended, at the last tick.",
		}),
		oldestDue: f.NewGauge(prometheus.GaugeOpts{
			Name: "homing_deliveries_oldest_due_seconds",
			Help: "How long the oldest delivery that could be sent has been due, at the last tick.",
		}),
		endpoints: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "homing_endpoints", Help: "Endpoints of all tenants by health, at the last tick.",
		}, []string{"health"}),
		parked: f.NewGauge(prometheus.GaugeOpts{
			Name: "homing_retry_parked", Help: "Parked events that wait to be stored, at the last tick.",
		}),
	}
	m.forJobs(f)
	telemetry.Precreate(m.reconciled, telemetry.Values(webhook.Actions))
	telemetry.Precreate(m.told, telemetry.Values(store.NoticeKinds))
	m.housekept(store.Housekept{})
	m.tookStock(&store.Stats{})
	return m
}

// forJobs makes the metrics of jobs.
func (m *Metrics) forJobs(f promauto.Factory) {
	m.jobFailures = f.NewCounter(prometheus.CounterOpts{
		Name: "homing_jobs_failures_total", Help: "Chunks of jobs that went wrong, and are tried again.",
	})
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "homing_jobs_" + name, Help: help}, labels)
	}
	m.jobChunks = vec("chunks_total", "Chunks of jobs committed, by kind of job.", "kind")
	m.jobRows = vec("rows_total", "Rows that jobs changed, by kind of job.", "kind")
	m.jobsEnded = vec("ended_total", "Jobs that ended or failed, by kind and state.", "kind", "state")
	kinds := telemetry.Values(store.JobKinds)
	telemetry.Precreate(m.jobChunks, kinds)
	telemetry.Precreate(m.jobRows, kinds)
	telemetry.Precreate(m.jobsEnded, kinds, []string{
		string(store.JobDone), string(store.JobCancelled), string(store.JobFailed),
	})
}

func (m *Metrics) housekept(k store.Housekept) {
	for what, n := range map[string]int{
		"partition_made": k.PartitionsMade, "partition_dropped": k.PartitionsDropped, "partition_kept": k.PartitionsKept,
		"key_expired": k.KeysExpired, "rejected_dropped": k.RejectedDropped,
	} {
		m.housekeeping.WithLabelValues(what).Add(float64(n))
	}
}

// tookStock sets what is known of the work outstanding.
func (m *Metrics) tookStock(stats *store.Stats) {
	m.live.Set(float64(stats.Live))
	m.oldestDue.Set(stats.OldestDue.Seconds())
	for health, n := range map[string]int{
		"active": stats.Endpoints.Active, "failing": stats.Endpoints.Failing,
		"paused": stats.Endpoints.Paused, "disabled": stats.Endpoints.Disabled,
	} {
		m.endpoints.WithLabelValues(health).Set(float64(n))
	}
}
