package webhook

import "time"

// Policy holds the durations by which deliveries are timed, each from configuration. [DefaultPolicy] has the defaults.
type Policy struct {
	// Schedule is the waiting time before each attempt, the first included, for endpoints without one of their own.
	Schedule []time.Duration
	// Timeout bounds one whole attempt, for endpoints without one of their own.
	Timeout time.Duration
	// LeaseMargin is by how much the lease of an attempt outlives its timeout, to cover the recording of its outcome.
	LeaseMargin time.Duration
	// WakeGrace is how late a delivery may be before the reconciler looks at it.
	WakeGrace time.Duration
	// PushCap bounds how far the reconciler puts off a delivery that it has looked at; it doubles up to here.
	PushCap time.Duration
	// HeldPush is how far it puts off one whose endpoint is held: what wakes those is the endpoint's own wake time.
	HeldPush time.Duration
	// Horizon is how far ahead timers are set; what is due later waits in the store.
	Horizon time.Duration
	// ExpirySlack is how long after the end of its schedule a delivery that did not get its turn ends.
	ExpirySlack time.Duration
}

// DefaultPolicy returns the defaults (DESIGN sections 4 and 6a). The schedule is the example of Standard Webhooks
// 1.0.0, "Deliverability and reliability": ten attempts in 75 h 35 min.
func DefaultPolicy() Policy {
	return Policy{
		Schedule: []time.Duration{
			0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
		Timeout:     20 * time.Second,
		LeaseMargin: 15 * time.Second,
		WakeGrace:   30 * time.Second,
		PushCap:     10 * time.Minute,
		HeldPush:    6 * time.Hour,
		Horizon:     10 * time.Minute,
		ExpirySlack: 24 * time.Hour,
	}
}

// ScheduleOf returns the schedule that holds for an endpoint.
func (p *Policy) ScheduleOf(e *Endpoint) []time.Duration {
	if len(e.Schedule) > 0 {
		return e.Schedule
	}
	return p.Schedule
}

// TimeoutOf returns the timeout of one attempt that holds for an endpoint.
func (p *Policy) TimeoutOf(e *Endpoint) time.Duration {
	if e.Timeout > 0 {
		return e.Timeout
	}
	return p.Timeout
}

// LeaseOf returns how long a claim of a delivery to an endpoint holds.
func (p *Policy) LeaseOf(e *Endpoint) time.Duration { return p.TimeoutOf(e) + p.LeaseMargin }

// Lifetime returns how long after its acceptance a delivery to an endpoint may live, on the endpoint's running clock:
// its whole schedule, half as much again for jitter and attempts that take long, and the slack.
func (p *Policy) Lifetime(e *Endpoint) time.Duration {
	var total time.Duration
	for _, wait := range p.ScheduleOf(e) {
		total += wait + p.TimeoutOf(e)
	}
	return total + total/2 + p.ExpirySlack
}

// WakeAfter returns how long after now the reconciler must look at a delivery that is due in the given time and whose
// attempt would hold it for lease. It lies beyond the end of an attempt made on time, so that the claim need not change
// it (which keeps the claim a heap-only update), or, beyond the horizon, early enough to set a timer.
func (p *Policy) WakeAfter(dueIn, lease time.Duration) time.Duration {
	if dueIn > p.Horizon {
		return dueIn - p.Horizon
	}
	return dueIn + p.WakeGrace + lease
}

// Plan fills in when a delivery made at now is due for the first time, looked after, and over.
func (p *Policy) Plan(d *Delivery, e *Endpoint, now time.Time) {
	first := p.ScheduleOf(e)[0]
	d.State = StateScheduled
	d.DueAt = now.Add(first)
	d.WakeAt = now.Add(p.WakeAfter(first, p.LeaseOf(e)))
	d.ExpiresAt = e.RunningClock(now).Add(p.Lifetime(e))
}

// Claimable reports whether an attempt of the delivery may begin at now, by somebody who believes that seen attempts
// have been made.
func (d *Delivery) Claimable(e *Endpoint, seen int, now time.Time) bool {
	return d.State == StateScheduled && d.Attempt == seen && !d.DueAt.After(now) &&
		e.Open(now) && e.RunningClock(now).Before(d.ExpiresAt)
}

// Claim begins the next attempt at now.
func (p *Policy) Claim(d *Delivery, e *Endpoint, now time.Time) {
	d.State = StateAttempting
	d.Attempt++
	d.StartedAt = now
	d.LeaseUntil = now.Add(p.LeaseOf(e))
	// Kept as it is for an attempt made on time. One that was put off far (its endpoint was held) comes back to its lease:
	// should its process die, nobody would look at it for hours.
	d.WakeAt = later(d.LeaseUntil, earlier(d.WakeAt, d.LeaseUntil.Add(p.WakeGrace)))
}

// Action is what the reconciler did with a delivery whose wake time had passed.
type Action string

// The actions of the reconciler.
const (
	ActionHint      Action = "hint"      // due: say so again
	ActionTimer     Action = "timer"     // due within the horizon: set its timer
	ActionInterrupt Action = "interrupt" // its lease is over: it is due again at once
	ActionExhaust   Action = "exhaust"   // it expired, or was interrupted at the end of its schedule
	ActionCancel    Action = "cancel"    // its endpoint was deleted
	ActionHold      Action = "hold"      // its endpoint is not open: look again later
	ActionWait      Action = "wait"      // its attempt is still under way
)

// Actions lists every action, for metrics and for tests.
var Actions = []Action{
	ActionHint, ActionTimer, ActionInterrupt, ActionExhaust, ActionCancel, ActionHold, ActionWait,
}

// Reconcile moves a live delivery whose wake time has passed, and says what it did. With endLeases false no lease is
// ended: right after an outage of the store the outcomes of attempts may still be on their way to it. For a deleted
// endpoint that is no longer in the store, e is nil.
func (p *Policy) Reconcile(d Delivery, e *Endpoint, endLeases bool, now time.Time) (Delivery, Action) {
	switch {
	case d.State == StateAttempting && (d.LeaseUntil.After(now) || !endLeases):
		d.WakeAt = later(d.LeaseUntil, now.Add(p.LeaseMargin))
		return d, ActionWait
	case e == nil || e.Status == EndpointDeleted:
		return end(d, StateCancelled, ReasonEndpointDeleted), ActionCancel
	case d.State == StateAttempting:
		return p.interrupt(d, e, now)
	case !e.RunningClock(now).Before(d.ExpiresAt):
		return end(d, StateExhausted, ReasonGated), ActionExhaust
	case !e.Open(now):
		d.WakeAt = now.Add(p.HeldPush)
		return d, ActionHold
	case d.DueAt.After(now):
		in := d.DueAt.Sub(now)
		d.WakeAt = now.Add(p.WakeAfter(in, p.LeaseOf(e)))
		if in > p.Horizon {
			return d, ActionHold
		}
		return d, ActionTimer
	default:
		d.WakeAt = now.Add(p.push(now.Sub(d.DueAt)))
		return d, ActionHint
	}
}

// interrupt ends an attempt whose outcome never came back.
func (p *Policy) interrupt(d Delivery, e *Endpoint, now time.Time) (Delivery, Action) {
	d.Interruptions++
	if Step(d.Attempt, d.Interruptions) >= len(p.ScheduleOf(e)) || !e.RunningClock(now).Before(d.ExpiresAt) {
		return end(d, StateExhausted, ReasonInterrupted), ActionExhaust
	}
	d.State = StateScheduled
	d.LeaseUntil = time.Time{}
	d.DueAt = now
	d.WakeAt = now.Add(p.WakeAfter(0, p.LeaseOf(e)))
	return d, ActionInterrupt
}

// push returns how far a delivery that is late already is put off: as far again as it is late, so that the waits
// double.
func (p *Policy) push(late time.Duration) time.Duration {
	return min(max(late, p.WakeGrace), p.PushCap)
}

// end moves a delivery to a terminal state.
func end(d Delivery, s State, r Reason) Delivery {
	d.State, d.Reason = s, r
	d.LeaseUntil, d.WakeAt = time.Time{}, time.Time{}
	return d
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
