package api

import (
	"context"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// maxBuckets bounds the buckets of one answer.
const maxBuckets = 1000

// Stats is what was counted, bucket by bucket.
type Stats struct {
	From   time.Time `json:"from" doc:"The beginning of the first bucket."`
	To     time.Time `json:"to" doc:"The end of the last bucket."`
	Bucket string    `json:"bucket" enum:"5m,1h,1d"`
	//nolint:lll // a tag cannot be broken
	AsOf  time.Time     `json:"as_of" doc:"Up to when everything has been counted: not longer ago than the interval between ticks, a minute as a rule, unless Homing has been away."`
	Total Counts        `json:"total" doc:"Over all buckets."`
	Data  []StatsBucket `json:"data" nullable:"false" doc:"Those with something in them, in order."`
}

// StatsBucket is one span of time.
type StatsBucket struct {
	At time.Time `json:"at" doc:"Its beginning, in UTC."`
	Counts
}

// Counts is what was recorded in a span of time.
type Counts struct {
	Events     *int64 `json:"events,omitempty" doc:"Events accepted, without replays; missing for an endpoint."`
	Deliveries Ended  `json:"deliveries"`
	Attempts   int64  `json:"attempts" doc:"Attempts that were sent and whose outcome was recorded in this time."`
	//nolint:lll // a tag cannot be broken
	Outcomes map[string]int64 `json:"outcomes" nullable:"false" doc:"Attempts by outcome, also those that were interrupted or given back unsent."`
	//nolint:lll // a tag cannot be broken
	SuccessRate *float64 `json:"success_rate,omitempty" minimum:"0" maximum:"1" doc:"The share of the attempts that succeeded; missing when there were none."`
	//nolint:lll // a tag cannot be broken
	LatencyMS *Percentiles `json:"latency_ms,omitempty" doc:"How long whole attempts took, to within 5 %; missing when there were none."`
}

// Ended is how many deliveries ended.
type Ended struct {
	Succeeded int64 `json:"succeeded"`
	Exhausted int64 `json:"exhausted" doc:"Given up."`
}

// Percentiles are of the time that attempts took, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// showCounts shows what was counted.
func showCounts(t *store.Tally, withEvents bool) Counts {
	out := Counts{
		Deliveries: Ended{Succeeded: t.Succeeded, Exhausted: t.Exhausted}, Attempts: t.Sent(),
		Outcomes: make(map[string]int64, len(t.Outcomes)),
	}
	for outcome, n := range t.Outcomes {
		out.Outcomes[string(outcome)] = n
	}
	if withEvents {
		out.Events = &t.Events
	}
	if sent := t.Sent(); sent > 0 {
		rate := float64(t.Outcomes[webhook.OutcomeSuccess]) / float64(sent)
		out.SuccessRate = &rate
	}
	if len(t.Latency) > 0 {
		ms := func(q float64) float64 { return float64(t.Latency.Quantile(q).Microseconds()) / 1000 }
		out.LatencyMS = &Percentiles{P50: ms(0.5), P95: ms(0.95), P99: ms(0.99)}
	}
	return out
}

type statsInput struct {
	ForTenant
	Endpoint webhook.ID `query:"endpoint" format:"uuid" doc:"Only of this endpoint; of the tenant as a whole without it."`
	From     time.Time  `query:"from" doc:"From when on, to the bucket; 24 hours (1d: 30 days) before the end without it."`
	To       time.Time  `query:"to" doc:"Until when, to the bucket; now without it."`
	//nolint:lll // a tag cannot be broken
	Bucket string `query:"bucket" enum:"5m,1h,1d" default:"1h" doc:"How long each bucket is, in UTC. Five minutes are kept for a week, hours and days for the retention of statistics."`
}

// buckets are the lengths of buckets.
var buckets = map[string]time.Duration{"5m": store.TallySpan, "1h": time.Hour, "1d": 24 * time.Hour}

func (a *API) registerStats() {
	register(a, operation{
		id: "getStats", method: http.MethodGet, path: "/v1/stats", tag: "Statistics", scope: webhook.ScopeDeliveriesRead,
		errors: []int{http.StatusUnprocessableEntity}, summary: "Get statistics",
		description: "What was accepted, attempted and ended, in buckets of time. An attempt counts when its outcome was " +
			"recorded. At most 1,000 buckets at a time.",
	}, a.getStats)
	register(a, operation{
		id: "getEndpointHealth", method: http.MethodGet, path: "/v1/endpoints/{endpoint}/health", tag: "Endpoints",
		scope: webhook.ScopeEndpointsRead, summary: "Get the health of an endpoint",
		description: "How it has been doing for the last 24 hours, what happened last, and what waits for it.",
	}, a.getHealth)
}

// span reads the span of time and the length of its buckets. Errors: store.ErrInvalid.
func (in *statsInput) span(now time.Time) (from, to time.Time, bucket time.Duration, err error) {
	bucket = buckets[in.Bucket]
	from, to = in.From.UTC(), in.To.UTC()
	if in.To.IsZero() {
		to = now.UTC()
	}
	if in.From.IsZero() {
		from = to.Add(-24 * time.Hour)
		if in.Bucket == "1d" {
			from = to.Add(-30 * 24 * time.Hour)
		}
	}
	if !from.Before(to) {
		return from, to, bucket, invalid(server.Fault{Field: "from", Detail: "must be before to"})
	}
	from, to = from.Truncate(bucket), to.Add(bucket-1).Truncate(bucket)
	if to.Sub(from)/bucket > maxBuckets {
		return from, to, bucket, invalid(server.Fault{
			Field: "bucket", Detail: "the span has more than 1,000 of them: choose longer ones, or a shorter span",
		})
	}
	return from, to, bucket, nil
}

type statsAnswer struct{ Body Stats }

func (a *API) getStats(ctx context.Context, in *statsInput) (*statsAnswer, error) {
	from, to, bucket, err := in.span(a.cfg.Now())
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	if !in.Endpoint.IsZero() {
		if _, err := a.endpoint(ctx, in.Endpoint); err != nil {
			return nil, err
		}
	}
	asOf, err := a.cfg.Store.TalliedAt(ctx)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.Tallies(ctx, store.TallyQuery{
		Tenant: c.tenant, Endpoint: in.Endpoint, From: from, Until: to, Hourly: bucket > store.TallySpan,
	})
	if err != nil {
		return nil, err
	}
	withEvents := in.Endpoint.IsZero()
	sums, total := inBuckets(list, bucket)
	out := &statsAnswer{Body: Stats{
		From: from, To: to, Bucket: in.Bucket, AsOf: asOf, Total: showCounts(total, withEvents),
		Data: make([]StatsBucket, 0, len(sums)),
	}}
	for _, t := range sums {
		out.Body.Data = append(out.Body.Data, StatsBucket{At: t.At, Counts: showCounts(t, withEvents)})
	}
	return out, nil
}

// inBuckets adds up counts, which are in order, by buckets, and altogether.
func inBuckets(list []store.Tally, bucket time.Duration) (sums []*store.Tally, total *store.Tally) {
	empty := func(at time.Time) *store.Tally {
		return &store.Tally{At: at, Outcomes: map[webhook.Outcome]int64{}, Latency: store.Histogram{}}
	}
	total = empty(time.Time{})
	for i := range list {
		at := list[i].At.UTC().Truncate(bucket)
		if len(sums) == 0 || !sums[len(sums)-1].At.Equal(at) {
			sums = append(sums, empty(at))
		}
		sums[len(sums)-1].Merge(&list[i])
		total.Merge(&list[i])
	}
	return sums, total
}
