package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Store is what retry needs of a store.
type Store interface {
	store.Reconciler
	store.Housekeeper
	store.Notices
	// Tally is that of store.Statistics.
	Tally(ctx context.Context, r store.TallyRequest) (store.Tallied, error)
	// Subscriptions is that of store.Accepter.
	Subscriptions(ctx context.Context, tenant string) (store.Subscriptions, error)
}

// Config is what a Scheduler is made of.
type Config struct {
	Store  Store
	Timers timer.Timer
	// IDs makes the ids of operational events, and of what jobs make.
	IDs *webhook.IDSource
	// Publish sends hints of a type and returns once the bus has them all.
	Publish func(ctx context.Context, hintType string, due []wire.Due, endpoints []wire.Endpoint) error
	// Now is a moment that the store's clock has just passed, as well as this process knows it: a hint that is out before
	// its delivery is due by the store's clock comes to nothing.
	Now    func() time.Time
	Policy webhook.Policy
	// Interval is the time between ticks; default 60 s. It bounds how long a tick goes on.
	Interval time.Duration
	// Batch is how many timers or rows are taken at once; default 1000.
	Batch int
	// PerEndpoint is how many overdue deliveries of an endpoint are named one by one; default 100.
	PerEndpoint int
	// Retention says how long things are kept; HousekeepEvery how often that is seen to, default 1 h.
	Retention      store.Retention
	HousekeepEvery time.Duration
	// Drain stores what was parked while the store was away, and returns how much that was and how much is left, -1 when
	// that is not known; nil when nothing can be parked.
	Drain func(ctx context.Context) (drained, left int, err error)
	// Failing says which endpoints fail. The zero value: none is said to.
	Failing webhook.FailingRule
	// OperatorTenant is whose endpoints are told of what happens to those of all tenants; "": nobody's.
	OperatorTenant string
	// Announce publishes an operational event on the bus, best effort; nil: nowhere.
	Announce func(ctx context.Context, e *webhook.Event)
	// Redrive takes rejected events that wait for it once more, and returns how many that were.
	Redrive func(ctx context.Context) (taken int, err error)
	Log     *slog.Logger
	Metrics *Metrics
}

const (
	// fireLease is how long timers that a process fires are hidden from the others: longer than publishing may take.
	fireLease = 30 * time.Second
	// setTimeout and publishTimeout bound one call of a back end.
	setTimeout     = 5 * time.Second
	publishTimeout = 10 * time.Second
	// soonest is how soon a timer fires, at least and at most, for what is due already when its hint comes.
	soonest, soonestMax = 10 * time.Millisecond, time.Second
	// retryFiring is how long to wait after timers or bus failed, at first and at most.
	retryFiring, retryFiringMax = time.Second, 30 * time.Second
)

// Scheduler keeps time. Its methods are safe for concurrent use.
type Scheduler struct {
	cfg  Config
	wake chan struct{} // capacity 1: a timer was set that may be due before the one slept for

	reach reachability
	jobs  jobs
}

// New makes a Scheduler.
func New(cfg Config) *Scheduler {
	cfg.Interval = cmp.Or(cfg.Interval, time.Minute)
	cfg.Batch = cmp.Or(cfg.Batch, 1000)
	cfg.PerEndpoint = cmp.Or(cfg.PerEndpoint, 100)
	cfg.HousekeepEvery = cmp.Or(cfg.HousekeepEvery, time.Hour)
	return &Scheduler{cfg: cfg, wake: make(chan struct{}, 1), jobs: jobs{wake: make(chan struct{}, 1)}}
}

// Rescheduled sets timers for what a hint names, as far as it is due within the horizon: the rest waits in the store
// until the reconciler comes upon it. It never asks for a hint again: without timers the reconciler does their work. A
// hint that names an endpoint may mean that there is something to tell.
func (s *Scheduler) Rescheduled(ctx context.Context, h wire.Hint) error {
	now := s.cfg.Now()
	latest := now.Add(s.cfg.Policy.Horizon)
	entries := make([]timer.Entry, 0, len(h.Deliveries)+len(h.Endpoints))
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
	s.set(ctx, entries)
	if len(h.Endpoints) > 0 {
		s.tellSoon(ctx)
	}
	return nil
}

// fireAt is when to fire for what is due at a time. What is due already waits as long again as it has been due, within
// soonest and soonestMax: when this clock is ahead of the store's, deliver finds it not due yet and hints again, and
// without a pause the hint would go round as fast as it can until the store's clock is there.
func fireAt(due, now time.Time) time.Time {
	if due.After(now) {
		return due
	}
	return now.Add(min(max(now.Sub(due), soonest), soonestMax))
}

// set sets timers, and counts those that could not be.
func (s *Scheduler) set(ctx context.Context, entries []timer.Entry) {
	if len(entries) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, setTimeout)
	defer cancel()
	if err := s.cfg.Timers.Set(ctx, entries); err != nil {
		s.cfg.Metrics.timersLost.Add(float64(len(entries)))
		s.cfg.Log.WarnContext(ctx, "timers not set: the reconciler will find the deliveries", "count", len(entries),
			"error", err)
		return
	}
	s.cfg.Metrics.timersSet.Add(float64(len(entries)))
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run fires timers as they come due until ctx ends. It sleeps until the next one it knows of; one set by another
// process is known from the next tick on.
func (s *Scheduler) Run(ctx context.Context) {
	pause := retryFiring
	for ctx.Err() == nil {
		next, err := s.fire(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.WarnContext(ctx, "timers not fired", "error", err, "again_in", pause.String())
			}
			s.sleep(ctx, pause, false)
			pause = min(2*pause, retryFiringMax)
			continue
		}
		pause = retryFiring
		if next.IsZero() {
			s.sleep(ctx, -1, true)
			continue
		}
		s.sleep(ctx, next.Sub(s.cfg.Now()), true)
	}
}

// sleep waits for d, or for ever when d is -1; wakeable, it ends early when a timer is set.
func (s *Scheduler) sleep(ctx context.Context, d time.Duration, wakeable bool) {
	wake := s.wake
	if !wakeable {
		wake = nil
	}
	sleep(ctx, d, wake)
}

// sleep waits for d, or for ever when d is -1, or until it is woken.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	var after <-chan time.Time
	if d != -1 {
		t := time.NewTimer(max(d, 0))
		defer t.Stop()
		after = t.C
	}
	select {
	case <-ctx.Done():
	case <-after:
	case <-wake:
	}
}

// fire says what is due now, batch by batch, and returns when the next timer is. A timer is removed only after its hint
// is out; when that fails it comes back by itself after fireLease.
func (s *Scheduler) fire(ctx context.Context) (next time.Time, err error) {
	for {
		now := s.cfg.Now()
		claimed, next, err := s.cfg.Timers.Claim(ctx, now, s.cfg.Batch, fireLease)
		if err != nil {
			return time.Time{}, fmt.Errorf("schedule: claim timers: %w", err)
		}
		if len(claimed) == 0 {
			return next, nil
		}
		if err := s.publishFired(ctx, claimed); err != nil {
			return time.Time{}, err
		}
		for _, e := range claimed {
			s.cfg.Metrics.lateness.Observe(max(now.Sub(e.Due), 0).Seconds())
		}
		if err := s.cfg.Timers.Done(ctx, claimed); err != nil {
			return time.Time{}, fmt.Errorf("schedule: remove fired timers: %w", err)
		}
		s.cfg.Metrics.timersFired.Add(float64(len(claimed)))
	}
}

func (s *Scheduler) publishFired(ctx context.Context, fired []timer.Entry) error {
	due := make([]wire.Due, 0, len(fired))
	var endpoints []wire.Endpoint
	for _, e := range fired {
		if e.Delivery.IsZero() {
			endpoints = append(endpoints, wire.Endpoint{Endpoint: e.Endpoint, Due: e.Due})
			continue
		}
		due = append(due, wire.Due{Delivery: e.Delivery, Endpoint: e.Endpoint, Attempt: e.Attempt, Due: e.Due})
	}
	return s.publish(ctx, wire.TypeDue, due, endpoints)
}

func (s *Scheduler) publish(ctx context.Context, hintType string, due []wire.Due, endpoints []wire.Endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := s.cfg.Publish(ctx, hintType, due, endpoints); err != nil {
		s.cfg.Metrics.publishFailures.Inc()
		return fmt.Errorf("schedule: publish %s: %w", hintType, err)
	}
	return nil
}

// errInterrupted says that a tick ran out of time with more to do: the next one goes on.
var errInterrupted = errors.New("schedule: the tick ran out of time")
