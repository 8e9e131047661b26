package simulation

import (
	"errors"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/wire"
)

// retry is what an instance of retry has in memory.
type retry struct {
	asleep *task // of Scheduler.Run
	reach  reachability
}

// fireLease and retryFiring mirror those of schedule.
const (
	fireLease   = 30 * time.Second
	retryFiring = time.Second
)

// rescheduled mirrors Scheduler.Rescheduled.
func (p *process) rescheduled(h *wire.Hint) {
	now := p.now()
	latest := now.Add(p.s.policy.Horizon)
	var entries []timer.Entry
	for _, d := range h.Deliveries {
		if !d.Due.After(latest) {
			entries = append(entries, timer.Entry{
				Endpoint: d.Endpoint, Delivery: d.Delivery, Attempt: d.Attempt, Due: fireAt(d.Due, now),
			})
		}
	}
	for _, e := range h.Endpoints {
		if !e.Due.After(latest) {
			entries = append(entries, timer.Entry{Endpoint: e.Endpoint, Due: fireAt(e.Due, now)})
		}
	}
	p.set(entries)
}

// fireAt mirrors schedule.fireAt.
func fireAt(due, now time.Time) time.Time {
	if due.After(now) {
		return due
	}
	return now.Add(min(max(now.Sub(due), 10*time.Millisecond), time.Second))
}

// set mirrors Scheduler.set.
func (p *process) set(entries []timer.Entry) {
	if len(entries) == 0 {
		return
	}
	if p.s.timing.down || p.s.hits(p.s.timersFail) {
		p.s.say("cannot set %d timers", len(entries))
		return
	}
	if err := p.s.timers.Set(p.s.ctx, entries); err != nil {
		p.s.fail("timers: %v", err)
	}
	p.s.oracle.timersSet(entries)
	p.s.say("sets %d timers", len(entries))
	p.interrupt()
}

// run mirrors Scheduler.Run.
func (p *process) run() {
	p.asleep = nil
	p.fire(func(next time.Time, ok bool) {
		switch {
		case !ok:
			p.sleep(retryFiring)
		case next.IsZero():
			p.sleep(24 * time.Hour)
		default:
			p.sleep(next.Sub(p.now()))
		}
	})
}

func (p *process) sleep(d time.Duration) {
	if rest := d % time.Second; p.s.coarse && rest > 0 {
		d += time.Second - rest // leases of timers end at odd microseconds
	}
	p.asleep = p.s.after(p, d, "wake", p.run)
	p.asleep.background = true
}

// interrupt mirrors Scheduler.wake: whoever sleeps looks again.
func (p *process) interrupt() {
	if p.asleep != nil {
		p.asleep.at = p.s.now
	}
}

// fire mirrors Scheduler.fire: a timer is removed only after its hint is out.
func (p *process) fire(then func(next time.Time, ok bool)) {
	t := p.then("claim timers", func() {
		if p.s.timing.down || p.s.hits(p.s.timersFail) {
			then(time.Time{}, false)
			return
		}
		claimed, next, err := p.s.timers.Claim(p.s.ctx, p.now(), p.s.batch, fireLease)
		if err != nil {
			p.s.fail("timers: %v", err)
		}
		if len(claimed) == 0 {
			then(next, true)
			return
		}
		p.s.say("fires %d timers", len(claimed))
		p.s.stats["timers fired"] += len(claimed)
		if p.s.is(timerBeforeHint) {
			p.done(claimed, func(bool) {
				p.publishAll(p.fired(claimed), func(ok bool) { p.fireOn(ok, then) })
			})
			return
		}
		p.publishAll(p.fired(claimed), func(ok bool) {
			if !ok {
				then(time.Time{}, false)
				return
			}
			p.s.oracle.timersFired(claimed)
			p.done(claimed, func(ok bool) { p.fireOn(ok, then) })
		})
	})
	t.background = true
}

func (p *process) fireOn(ok bool, then func(next time.Time, ok bool)) {
	if !ok {
		then(time.Time{}, false)
		return
	}
	p.fire(then)
}

// done removes fired timers.
func (p *process) done(claimed []timer.Entry, then func(ok bool)) {
	p.then("remove timers", func() {
		if p.s.timing.down || p.s.hits(p.s.timersFail) {
			then(false)
			return
		}
		if err := p.s.timers.Done(p.s.ctx, claimed); err != nil {
			p.s.fail("timers: %v", err)
		}
		then(true)
	})
}

// fired mirrors Scheduler.publishFired.
func (p *process) fired(claimed []timer.Entry) []wire.Hint {
	var due []wire.Due
	var endpoints []wire.Endpoint
	for _, e := range claimed {
		if e.Delivery.IsZero() {
			endpoints = append(endpoints, wire.Endpoint{Endpoint: e.Endpoint, Due: e.Due})
			continue
		}
		due = append(due, wire.Due{Delivery: e.Delivery, Endpoint: e.Endpoint, Attempt: e.Attempt, Due: e.Due})
	}
	return wire.Split(wire.TypeDue, p.s.partitions, due, endpoints)
}

// tick mirrors Scheduler.Tick: it fires, then reconciles, whatever became of the firing.
func (p *process) tick() {
	p.fire(func(time.Time, bool) { p.reconcile() })
}

// reconcile mirrors Scheduler.Reconcile and say: commit, then publish.
func (p *process) reconcile() {
	t := p.then("reconcile", func() {
		found, err := p.s.store.reconcile(store.ReconcileRequest{
			Limit: p.s.batch, PerEndpoint: p.s.perEndpoint,
			EndLeases: p.reach.since(p.now(), p.s.policy.Timeout) && !p.s.is(blindToAttempting),
		})
		p.reach.note(err, p.now())
		if err != nil {
			return
		}
		if p.s.is(blindToScheduled) {
			found.Due = nil
		}
		timers := make([]timer.Entry, len(found.Timers))
		for i, d := range found.Timers {
			timers[i] = timer.Entry{Endpoint: d.Endpoint, Delivery: d.Delivery, Attempt: d.Attempt, Due: d.DueAt}
		}
		p.overdue(timers, &found)
	})
	t.background = true
}

// overdue says what the reconciler found.
func (p *process) overdue(timers []timer.Entry, found *store.Reconciled) {
	say := func() {
		endpoints := make([]wire.Endpoint, len(found.Endpoints))
		for i, id := range found.Endpoints {
			endpoints[i] = wire.Endpoint{Endpoint: id, Due: p.now()}
		}
		p.publishAll(wire.Split(wire.TypeOverdue, p.s.partitions, dues(found.Due), endpoints), func(ok bool) {
			if ok && found.More {
				p.reconcile()
			}
		})
	}
	if len(timers) == 0 {
		say()
		return
	}
	p.then("set timers", func() {
		p.set(timers)
		say()
	})
}

// reachability mirrors schedule.reachability.
type reachability struct {
	away bool
	back time.Time
}

func (r *reachability) note(err error, now time.Time) {
	switch {
	case errors.Is(err, store.ErrUnavailable):
		r.away = true
	case err == nil && r.away:
		r.away, r.back = false, now
	}
}

func (r *reachability) since(now time.Time, d time.Duration) bool {
	return !r.away && (r.back.IsZero() || now.Sub(r.back) >= d)
}
