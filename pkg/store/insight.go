package store

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Insight is what becomes of everything that is recorded: counts, and notices.
type Insight interface {
	Statistics
	Notices
}

// Statistics is what retry needs to count what was recorded, and manage to show it.
type Statistics interface {
	// Tally counts what was recorded since the last time, and then judges which endpoints fail. What was recorded within
	// TallySettled is counted anew by every call: until then something may be recorded with an earlier time. It is counted
	// piece by piece, so that no call depends on how much that is. An attempt counts when its outcome is recorded, by that
	// outcome; one that was recorded as interrupted and corrected later may count both times. It may be called at any time
	// by any number of processes; while Agenda says that nothing is uncounted it need not be.
	Tally(ctx context.Context, r TallyRequest) (Tallied, error)
	// Tallies returns what was counted. Errors: ErrInvalid when the span of time has no beginning or no end.
	Tallies(ctx context.Context, q TallyQuery) ([]Tally, error)
	// TalliedAt returns up to when what was recorded has been counted.
	TalliedAt(ctx context.Context) (time.Time, error)
	// Health returns what is known of an endpoint besides its settings. Errors: ErrNotFound.
	Health(ctx context.Context, tenant string, endpoint webhook.ID) (Health, error)
	// HealthPage returns what can be had cheaply of many endpoints, by their ids: at most 1000 in one query, without
	// Waiting. Attempts are those counted since a time, by whole hours where those are made. Endpoints that are not the
	// tenant's are left out. Errors: ErrInvalid for more endpoints.
	HealthPage(ctx context.Context, tenant string, endpoints []webhook.ID, since time.Time) (map[webhook.ID]Summary, error)
}

const (
	// TallySpan is the shortest span that is counted by. A longer one is an hour.
	TallySpan = 5 * time.Minute
	// TallySettled is how long after a moment nothing can be recorded with its time any more: longer than any statement
	// that records may take.
	TallySettled = time.Minute
	// TallyKept is how long short spans are kept; hours stay for Retention.Tallies.
	TallyKept = 7 * 24 * time.Hour
)

// TallyRequest bounds one call.
type TallyRequest struct {
	// Spans bounds how many spans, or parts of one, are counted: after an outage, several calls catch up.
	Spans int
	// Failing says which endpoints fail.
	Failing webhook.FailingRule
}

// Tallied is what one call did.
type Tallied struct {
	// Spans is how many spans, or parts of one, were counted.
	Spans int
	// More is whether there is more to count now.
	More bool
}

// TallyQuery selects counts.
type TallyQuery struct {
	Tenant   string
	Endpoint webhook.ID // zero: the tenant as a whole
	// From and Until bound the beginnings of the spans; Until is not in it.
	From, Until time.Time
	// Hourly asks for hours where they are made, and for short spans after them only.
	Hourly bool
}

// Tally is what was recorded in one span of time.
type Tally struct {
	// At is the beginning of the span.
	At time.Time
	// Events is how many were accepted, without copies made by replays; of a tenant as a whole only.
	Events int64
	// Succeeded and Exhausted are how many deliveries ended so.
	Succeeded, Exhausted int64
	// Outcomes counts the attempts.
	Outcomes map[webhook.Outcome]int64
	// Latency is of the attempts that were sent.
	Latency Histogram
}

// Merge adds what was recorded in another span; At stays.
func (t *Tally) Merge(other *Tally) {
	t.Events += other.Events
	t.Succeeded += other.Succeeded
	t.Exhausted += other.Exhausted
	for outcome, n := range other.Outcomes {
		t.Outcomes[outcome] += n
	}
	t.Latency.Merge(other.Latency)
}

// Sent is how many attempts were sent, as far as is known: not the interrupted ones and those given back unsent.
func (t *Tally) Sent() int64 {
	var sent int64
	for outcome, n := range t.Outcomes {
		if outcome != webhook.OutcomeInterrupted && outcome != webhook.OutcomeUnsent {
			sent += n
		}
	}
	return sent
}

// Health is what is known of an endpoint besides its settings. All but StatusAt and Waiting is as of AsOf.
type Health struct {
	// StatusAt is since when it has its status; zero when it was not changed since that is noted.
	StatusAt time.Time
	// LastSuccessAt is when a success was recorded last; zero when never.
	LastSuccessAt time.Time
	// LastFailure is the attempt that failed last.
	LastFailure Failure
	// FailingSince is since when it fails by the rule of the deployment; zero when it does not.
	FailingSince time.Time
	// Waiting is how many live deliveries it has; beyond HealthCap it is a lower bound.
	Waiting int
	// AsOf is up to when what was recorded has been counted.
	AsOf time.Time
}

// Summary is the health of an endpoint in a list.
type Summary struct {
	Health
	// Sent and Succeeded are how many attempts were sent, and how many of them succeeded.
	Sent, Succeeded int64
}

// HealthCap is up to where Health counts exactly.
const HealthCap = 10_000

// Failure is an attempt that failed; zero when none did.
type Failure struct {
	At       time.Time
	Delivery webhook.ID
	Outcome  webhook.Outcome
	Status   int
}

// NoticeKind says what a notice tells of.
type NoticeKind string

// The kinds of notice.
const (
	// NoticeDisabled: an endpoint was disabled, by its answer or by hand.
	NoticeDisabled NoticeKind = "endpoint.disabled"
	// NoticeFailing and NoticeRecovered: an endpoint has begun to fail by the rule of the deployment, or has ceased to.
	NoticeFailing   NoticeKind = "endpoint.failing"
	NoticeRecovered NoticeKind = "endpoint.recovered"
	// NoticeExhausted: a delivery was given up.
	NoticeExhausted NoticeKind = "delivery.exhausted"
)

// NoticeKinds lists every kind, for metrics and for tests.
var NoticeKinds = []NoticeKind{NoticeDisabled, NoticeFailing, NoticeRecovered, NoticeExhausted}

// Notice is something that somebody may want to be told of. It is written in the transaction of what it tells of.
type Notice struct {
	ID       webhook.ID
	At       time.Time
	Kind     NoticeKind
	Tenant   string
	Endpoint webhook.ID
	// Delivery and Event are those of NoticeExhausted.
	Delivery, Event webhook.ID
	// Reason is the endpoint's or the delivery's.
	Reason string
	// Attempts is how many a delivery took, or how many an endpoint was judged by; Succeeded how many of those succeeded.
	Attempts, Succeeded int64
}

// Notices is what retry needs to pass notices on.
type Notices interface {
	// Untold lists notices that were not passed on yet, oldest first.
	Untold(ctx context.Context, limit int) ([]Notice, error)
	// Tell accepts the events that tell of notices, as Accept would, and marks the notices as told, in one commit. When an
	// event is Stale nothing is done: plan it anew. Whoever tells of a notice twice, because it did not learn that it had,
	// is told Duplicate as long as identities are remembered. Events are few and have few deliveries.
	Tell(ctx context.Context, notices []webhook.ID, events []NewEvent) ([]Accepted, error)
}
