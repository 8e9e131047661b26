package simulation

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/homing-hooks/homing/functions/retry/schedule"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// retry is what an instance of retry has in memory: the product's own Scheduler. Only its waiting for the next timer,
// which takes real time, is mirrored here.
type retry struct {
	scheduler *schedule.Scheduler
	asleep    *task // of Scheduler.Run
}

// retryFiring mirrors that of schedule.
const retryFiring = time.Second

// metricsOfAll is shared by all instances: nobody reads it.
var metricsOfAll = schedule.NewMetrics(prometheus.NewRegistry())

func (p *process) newScheduler() *schedule.Scheduler {
	return schedule.New(schedule.Config{
		Store: reconciler{p}, Timers: timerSeam{p}, Publish: p.publishHints, Now: p.now, Policy: p.s.policy,
		// Time within the product's code is real, and short: neither a tick nor the house must hang on it.
		Interval: math.MaxInt64, HousekeepEvery: math.MaxInt64,
		Batch: p.s.batch, PerEndpoint: p.s.perEndpoint, Log: slog.New(slog.DiscardHandler), Metrics: metricsOfAll,
	})
}

// rescheduled has a hint handled.
func (p *process) rescheduled(h wire.Hint) {
	p.thread(func() { _ = p.scheduler.Rescheduled(p.s.ctx, h) }, nil)
}

// tick has a tick handled.
func (p *process) tick() {
	p.thread(func() { _ = p.scheduler.Tick(p.s.ctx) }, nil)
}

// run mirrors Scheduler.Run. What is due is fired by Scheduler.Hold, which returns when nothing more is due by a moment
// that is over, however the clock is put right meanwhile.
func (p *process) run() {
	p.asleep = nil
	p.thread(func() { p.scheduler.Hold(p.s.ctx, -time.Hour) }, func(t *thread) {
		switch {
		case t.failed:
			p.sleep(retryFiring)
		case t.next.IsZero():
			p.sleep(24 * time.Hour)
		default:
			p.sleep(t.next.Sub(p.now()))
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

// publishHints mirrors host.publishHints: hint after hint.
func (p *process) publishHints(_ context.Context, hintType string, due []wire.Due, endpoints []wire.Endpoint) error {
	for _, h := range wire.Split(hintType, p.s.partitions, due, endpoints) {
		p.s.turn("publish")
		if err := p.s.publish(h); err != nil {
			return p.s.failed(err)
		}
	}
	return nil
}

// reconciler is the store as a Scheduler sees it.
type reconciler struct{ p *process }

func (r reconciler) Reconcile(_ context.Context, request store.ReconcileRequest) (store.Reconciled, error) {
	s := r.p.s
	s.turn("reconcile")
	if s.is(blindToAttempting) {
		request.EndLeases = false
	}
	found, err := s.store.reconcile(request)
	if s.is(blindToScheduled) {
		found.Due = nil
	}
	return found, err
}

// Agenda has retry look for everything: that it does not look in vain is no part of the simulation.
func (reconciler) Agenda(context.Context, webhook.FailingRule) (store.Agenda, error) {
	return store.Agenda{Overdue: true, Jobs: true, Redrives: true, Notices: true, Uncounted: true}, nil
}

// RunJob finds none: the simulation has no jobs.
func (reconciler) RunJob(context.Context, *webhook.IDSource) (store.JobRun, error) {
	return store.JobRun{}, nil
}

func (reconciler) Housekeep(context.Context, store.Retention) (store.Housekept, error) {
	return store.Housekept{}, nil
}

func (reconciler) Stats(context.Context) (store.Stats, error) { return store.Stats{}, nil }

// What tells and counts is no part of the simulation.
func (reconciler) Tally(context.Context, store.TallyRequest) (store.Tallied, error) {
	return store.Tallied{}, nil
}

func (reconciler) Untold(context.Context, int) ([]store.Notice, error) { return nil, nil }

func (reconciler) Tell(context.Context, []webhook.ID, []store.NewEvent) ([]store.Accepted, error) {
	return nil, nil
}

func (reconciler) Subscriptions(context.Context, string) (store.Subscriptions, error) {
	return store.Subscriptions{}, nil
}

// timerSeam is the timers as a Scheduler sees them: they may be away, and fail.
type timerSeam struct{ p *process }

func (t timerSeam) reach(step string) error {
	s := t.p.s
	s.turn(step)
	if s.timing.down || s.hits(s.timersFail) {
		s.say("cannot %s", step)
		return s.failed(timer.ErrUnavailable)
	}
	return nil
}

func (t timerSeam) Set(ctx context.Context, entries []timer.Entry) error {
	s := t.p.s
	if err := t.reach("set timers"); err != nil {
		return err
	}
	if err := s.timers.Set(ctx, entries); err != nil {
		s.fail("timers: %v", err)
	}
	s.oracle.timersSet(entries)
	s.say("sets %d timers", len(entries))
	t.p.interrupt()
	return nil
}

func (t timerSeam) Claim(
	ctx context.Context, now time.Time, limit int, lease time.Duration,
) ([]timer.Entry, time.Time, error) {
	s := t.p.s
	if err := t.reach("claim timers"); err != nil {
		return nil, time.Time{}, err
	}
	claimed, next, err := s.timers.Claim(ctx, now, limit, lease)
	if err != nil {
		s.fail("timers: %v", err)
	}
	s.running.next = next
	if len(claimed) > 0 {
		s.say("fires %d timers", len(claimed))
		s.stats["timers fired"] += len(claimed)
	}
	if s.is(timerBeforeHint) {
		_ = s.timers.Done(ctx, claimed)
	}
	return claimed, next, nil
}

func (t timerSeam) Done(ctx context.Context, claimed []timer.Entry) error {
	if err := t.reach("remove timers"); err != nil {
		return err
	}
	return t.p.s.timers.Done(ctx, claimed)
}

func (t timerSeam) Len(ctx context.Context) (int, error) { return t.p.s.timers.Len(ctx) }

func (timerSeam) Close() error { return nil }
