package backoff

import (
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// MaxThrottle bounds how long one answer can keep a whole endpoint from being sent to. The delivery that got the
// answer may wait longer.
const MaxThrottle = time.Hour

// Facts is what is known when an attempt has ended.
type Facts struct {
	// Attempt and Interruptions are those of the delivery as claimed: this attempt is counted in Attempt, and not in
	// Interruptions, however it ended.
	Attempt, Interruptions int
	// Schedule is the one that holds for the endpoint; see webhook.Policy.ScheduleOf.
	Schedule []time.Duration
	// Outcome is how the attempt ended.
	Outcome webhook.Outcome
	// RetryAfter is what the answer asked to wait; 0 when nothing.
	RetryAfter time.Duration
	// Jitter is a random number, 0 ≤ Jitter < 1.
	Jitter float64
}

// Decision is what becomes of the delivery and of its endpoint.
type Decision struct {
	// Next is the delivery's next state: succeeded, exhausted, or scheduled to be due in RetryIn.
	Next webhook.State
	// Reason says why it is exhausted; "" otherwise.
	Reason webhook.Reason
	// RetryIn is how long to wait before the next attempt, when scheduled.
	RetryIn time.Duration
	// Interrupted is whether the attempt counts as an interruption of the delivery.
	Interrupted bool
	// ThrottleFor is how long the whole endpoint is not to be sent to; 0 leaves it alone.
	ThrottleFor time.Duration
	// Disable is whether the endpoint is to be disabled: it wants no more.
	Disable bool
}

// Decide says what becomes of a delivery after an attempt (DESIGN sections 3 and 4):
//
//   - success: it succeeded.
//   - gone: it is exhausted, reason gone, and the endpoint is disabled.
//   - unsent, interrupted: it is due again at once and has been interrupted once more, which uses up a step of the
//     schedule only beyond webhook.FreeInterruptions. When that was the last step it is exhausted, reason
//     interrupted: the same as webhook.Policy.Reconcile does with an attempt that nobody recorded. What was not sent
//     and uses up a step waits as long as a failure would, so that a process with too much to do cannot run through the
//     schedule of a delivery that never had its chance.
//   - throttled: as any failure, but no sooner than Retry-After asks, and the endpoint is throttled for as long, up
//     to MaxThrottle.
//   - any other, one unknown to this version included: it is due by the schedule, or exhausted, reason schedule, when
//     the schedule is used up.
func Decide(f Facts) Decision {
	switch f.Outcome {
	case webhook.OutcomeSuccess:
		return Decision{Next: webhook.StateSucceeded}
	case webhook.OutcomeGone:
		return Decision{Next: webhook.StateExhausted, Reason: webhook.ReasonGone, Disable: true}
	case webhook.OutcomeUnsent, webhook.OutcomeInterrupted:
		return interrupted(f)
	}
	var d Decision
	if f.Outcome == webhook.OutcomeThrottled {
		d.ThrottleFor = min(max(f.RetryAfter, 0), MaxThrottle)
	}
	wait, ok := Next(Plan{
		Schedule:   f.Schedule,
		Step:       webhook.Step(f.Attempt, f.Interruptions),
		Outcome:    f.Outcome,
		RetryAfter: f.RetryAfter,
		Jitter:     f.Jitter,
	})
	if !ok {
		d.Next, d.Reason = webhook.StateExhausted, webhook.ReasonSchedule
		return d
	}
	d.Next, d.RetryIn = webhook.StateScheduled, wait
	return d
}

// interrupted decides about an attempt that was claimed and has no outcome.
func interrupted(f Facts) Decision {
	step := webhook.Step(f.Attempt, f.Interruptions+1)
	wait, ok := Next(Plan{Schedule: f.Schedule, Step: step, Jitter: f.Jitter})
	switch {
	case !ok:
		return Decision{Next: webhook.StateExhausted, Reason: webhook.ReasonInterrupted, Interrupted: true}
	case f.Outcome == webhook.OutcomeUnsent && f.Interruptions >= webhook.FreeInterruptions:
		return Decision{Next: webhook.StateScheduled, RetryIn: wait, Interrupted: true}
	default:
		return Decision{Next: webhook.StateScheduled, Interrupted: true}
	}
}
