package backoff

import (
	"time"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Spread is the share of a waiting time that jitter adds at most.
const Spread = 0.2

// Plan is what the waiting time before an attempt depends on.
type Plan struct {
	// Schedule is the waiting time before each attempt, the first included.
	Schedule []time.Duration
	// Step is how many steps of the schedule have been used up; see webhook.Step. Below 0 counts as 0.
	Step int
	// Outcome is how the attempt before ended; only throttled makes RetryAfter count.
	Outcome webhook.Outcome
	// RetryAfter is what the answer asked to wait; 0 when nothing. It counts up to outcome.MaxRetryAfter.
	RetryAfter time.Duration
	// Jitter is a random number, 0 ≤ Jitter < 1; outside of that it counts as the nearest bound, and NaN as 0.
	Jitter float64
}

// Next returns how long to wait before the attempt of a step, and false when the schedule has no such step. The wait
// is the step's, or what RetryAfter asks for if that is longer, and on top of it up to a fifth (Spread) by jitter,
// also on top of RetryAfter, because an endpoint gives the same one to everybody.
func Next(p Plan) (time.Duration, bool) {
	step := max(p.Step, 0)
	if step >= len(p.Schedule) {
		return 0, false
	}
	wait := max(p.Schedule[step], 0)
	if p.Outcome == webhook.OutcomeThrottled {
		wait = max(wait, min(p.RetryAfter, outcome.MaxRetryAfter))
	}
	jitter := 0.0
	if p.Jitter > 0 { // false for NaN
		jitter = min(p.Jitter, 1)
	}
	return wait + time.Duration(jitter*Spread*float64(wait)), true
}
