package simulation

import (
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// check holds every delivery to its state, after every operation.
func (o *oracle) check() {
	for i := range o.last.Deliveries {
		d, f := &o.last.Deliveries[i], o.facts[i]
		o.checkColumns(d, f)
		o.checkAttempts(d, f)
		was := o.was(f)
		if was == nil {
			continue
		}
		if was.State.Terminal() && (was.State != d.State || was.Attempt != d.Attempt || was.Reason != d.Reason) {
			o.s.fail("%s left %s for %s", f.name, was.State, d.State)
		}
		if d.Attempt < was.Attempt {
			o.s.fail("%s forgot an attempt", f.name)
		}
		if !was.State.Terminal() && d.State.Terminal() {
			o.checkEnd(was, d, f)
		}
	}
}

// checkColumns holds the columns of a delivery to its state.
func (o *oracle) checkColumns(d *memory.SnapshotDelivery, f *fact) {
	schedule := len(o.policy.ScheduleOf(o.endpoints[d.Endpoint].row))
	attempting := d.State == webhook.StateAttempting
	switch {
	case d.State.Terminal() != d.WakeAt.IsZero():
		o.s.fail("%s is %s and its wake time is %s", f.name, d.State, d.WakeAt)
	case attempting == d.LeaseUntil.IsZero():
		o.s.fail("%s is %s and its lease ends at %s", f.name, d.State, d.LeaseUntil)
	case attempting && d.WakeAt.Before(d.LeaseUntil):
		o.s.fail("%s is looked at while its lease lasts", f.name)
	case attempting != f.held:
		o.s.fail("%s is %s, and its attempt is under way: %v", f.name, d.State, f.held)
	case d.Attempt != len(f.claims):
		o.s.fail("%s counts %d attempts, and %d were claimed", f.name, d.Attempt, len(f.claims))
	case d.Attempt > schedule+webhook.FreeInterruptions || webhook.Step(d.Attempt, d.Interruptions) > schedule:
		o.s.fail("%s has %d attempts, %d of them interrupted, with a schedule of %d", f.name, d.Attempt, d.Interruptions,
			schedule)
	case d.State == webhook.StateScheduled && !d.DueAt.Equal(f.due):
		o.s.fail("%s is due at %s, and was to be due at %s", f.name, d.DueAt.Sub(epoch), f.due.Sub(epoch))
	case f.succeeded && !d.State.Terminal():
		o.s.fail("%s is %s after its success was recorded", f.name, d.State)
	}
}

// checkAttempts holds the records of attempts to what was sent and answered.
func (o *oracle) checkAttempts(d *memory.SnapshotDelivery, f *fact) {
	want := d.Attempt
	if d.State == webhook.StateAttempting {
		want--
	}
	if len(d.Attempts) != want {
		o.s.fail("%s is %s after attempt %d and has records of %d", f.name, d.State, d.Attempt, len(d.Attempts))
		return
	}
	for i := range d.Attempts {
		a, c := &d.Attempts[i], &f.claims[i]
		if a.Outcome == c.recorded {
			continue
		}
		switch {
		case a.Number != i+1:
			o.s.fail("%s has no record of attempt %d", f.name, i+1)
		case c.recorded != "" && c.recorded != webhook.OutcomeInterrupted:
			o.s.fail("%s/%d was %s and is %s now", f.name, i+1, c.recorded, a.Outcome)
		case a.Outcome == webhook.OutcomeInterrupted:
		case a.Outcome == webhook.OutcomeUnsent && c.sent:
			o.s.fail("%s/%d is recorded as unsent, and was sent", f.name, i+1)
		case a.Outcome != webhook.OutcomeUnsent && a.Outcome != c.answer:
			o.s.fail("%s/%d is recorded as %s, and was answered %s", f.name, i+1, a.Outcome, c.answer)
		}
		c.recorded = a.Outcome
	}
}

// checkEnd holds the end of a delivery to its reason.
func (o *oracle) checkEnd(was, d *memory.SnapshotDelivery, f *fact) {
	e := o.endpoints[d.Endpoint]
	used := webhook.Step(d.Attempt, d.Interruptions) >= len(o.policy.ScheduleOf(e.row))
	expired := !e.row.RunningClock(o.s.now).Before(was.ExpiresAt)
	has := func(outcome webhook.Outcome) bool {
		return slices.ContainsFunc(d.Attempts, func(a webhook.Attempt) bool { return a.Outcome == outcome })
	}
	o.s.stats["ended "+string(d.State)+" "+string(d.Reason)]++
	fair := false
	switch d.Reason {
	case webhook.ReasonNone:
		fair = d.State == webhook.StateSucceeded && has(webhook.OutcomeSuccess)
	case webhook.ReasonSchedule:
		fair = used
	case webhook.ReasonInterrupted:
		fair = used || expired
	case webhook.ReasonGone:
		fair = has(webhook.OutcomeGone)
	case webhook.ReasonGated:
		fair = expired && (e.closed || o.s.hasty)
	case webhook.ReasonEndpointDeleted:
		fair = e.status == webhook.EndpointDeleted
	case webhook.ReasonByHand:
		fair = f.byHand
	}
	if !fair {
		o.s.fail("%s ended %s, reason %q, which is not so", f.name, d.State, d.Reason)
	}
}

// look holds every step to what does not hang on an operation of the store.
func (o *oracle) look() {
	if n, err := o.s.timers.Len(o.s.ctx); err != nil || n < len(o.timers) {
		o.s.fail("there are %d timers, and the hints of %d are not out: %v", n, len(o.timers), err)
	}
	if o.s.quiet && !o.looked.Equal(o.s.now) {
		o.looked = o.s.now
		o.checkProgress()
	}
}

// calm takes note that the faults are over.
func (o *oracle) calm() { o.calmSince = o.s.now }

// patience is how long without faults a delivery may wait for what it is ready for: two ticks, the grace, a lease, the
// longest push, and its turn after all others.
func (o *oracle) patience() time.Duration {
	p := &o.policy
	wait := 2*o.s.tick + p.WakeGrace + p.PushCap + time.Duration(len(o.facts)+1)*(p.Timeout+p.LeaseMargin)
	if o.s.poison {
		wait *= 6 // the process that it was claimed by dies of another delivery, again and again
	}
	return wait
}

// checkProgress holds the time without faults to promise 2: nothing waits for more than the reconcile interval, though
// every hint and timer may have been lost.
func (o *oracle) checkProgress() {
	if o.s.now.Sub(o.calmSince) > 8*time.Hour {
		o.s.fail("it does not end: %d deliveries", len(o.facts))
	}
	for i := range o.last.Deliveries {
		d, f := &o.last.Deliveries[i], o.facts[i]
		e := o.endpoints[d.Endpoint]
		since := o.calmSince
		switch {
		case d.State == webhook.StateAttempting:
			since = latest(since, f.claims[len(f.claims)-1].lease)
		case d.State == webhook.StateScheduled && e.row.Open(o.s.now) && e.row.RunningClock(o.s.now).Before(d.ExpiresAt):
			since = latest(since, f.due, e.since, e.row.ThrottledUntil)
		default:
			continue
		}
		if waits := o.s.now.Sub(since); waits > o.patience() {
			o.s.fail("%s is %s and has waited for %s", f.name, d.State, waits)
		}
	}
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// allEnded reports whether every event is answered and every delivery over.
func (o *oracle) allEnded() bool {
	for _, p := range o.s.producers {
		if !p.acked {
			return false
		}
	}
	for i := range o.last.Deliveries {
		if !o.last.Deliveries[i].State.Terminal() {
			return false
		}
	}
	return true
}

// end holds the whole simulation to the bound on duplicates: receivers see a success again only after an attempt that
// was ended without its result.
func (o *oracle) end() {
	for _, f := range o.facts {
		answered := 0
		for i := range f.claims {
			c := &f.claims[i]
			if c.answer == webhook.OutcomeSuccess {
				answered++
			}
			if c.overtaken && c.recorded == webhook.OutcomeInterrupted {
				o.s.stats["attempts overtaken for good"]++
			}
		}
		if answered > 1+f.over {
			o.s.fail("%s got through %d times, and %d of its attempts were interrupted", f.name, answered, f.over)
		}
		if answered > 1 {
			o.s.stats["delivered twice"]++
		}
	}
	o.s.stats["deliveries"] += len(o.facts)
	o.s.stats["steps"] += o.s.steps
}
