package schedule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Tick fires due timers, reconciles until nothing is overdue, works on jobs that are due, drains what was parked, takes
// rejected events again that wait for it, counts what was recorded, passes notices on, keeps house when it is time, and
// takes stock. What the store has nothing of is passed over: one question tells, so that ticks in which nothing happens
// cost little. Each part is tried whatever became of the others; what was accepted goes before what was parked, of
// which there may be more than fits a tick. It is called every Interval, by a PingSource or a ticker; ticks may
// overlap, be lost and be repeated.
func (s *Scheduler) Tick(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Interval)
	defer cancel()
	s.cfg.Metrics.ticks.Inc()
	_, fired := s.fire(ctx)
	todo, asked := s.agenda(ctx)
	when := func(due bool, do func(context.Context) error) error {
		if !due {
			return nil
		}
		return do(ctx)
	}
	return errors.Join(fired, asked, when(todo.Overdue, s.Reconcile), s.tickJobs(ctx, todo), s.drain(ctx),
		when(todo.Redrives, s.redrive), when(todo.Uncounted, s.tally), when(todo.Notices, s.Tell),
		s.housekeep(ctx, todo.Housekept), s.takeStock(ctx))
}

// agenda asks what there is to do: everything, while that is not known.
func (s *Scheduler) agenda(ctx context.Context) (store.Agenda, error) {
	todo, err := s.cfg.Store.Agenda(ctx, s.cfg.Failing)
	s.reach.note(err, s.cfg.Now())
	if err != nil {
		return store.Agenda{Overdue: true, Jobs: true, Redrives: true, Notices: true, Uncounted: true},
			fmt.Errorf("schedule: ask what there is to do: %w", err)
	}
	return todo, nil
}

// Hold goes on firing until ctx ends as long as timers come due within the given time, or jobs: on Knative the tick's
// request is held so that the process lives on until they are fired, and RunJobs has done its work.
func (s *Scheduler) Hold(ctx context.Context, within time.Duration) {
	end := s.cfg.Now().Add(within)
	for ctx.Err() == nil {
		next, err := s.fire(ctx)
		if err != nil {
			return
		}
		now := s.cfg.Now()
		if job := s.jobs.due(); !job.IsZero() {
			if job = later(job, now.Add(soonestMax)); next.IsZero() || job.Before(next) { // RunJobs is at it
				next = job
			}
		}
		if next.IsZero() || next.After(end) {
			return
		}
		s.sleep(ctx, next.Sub(now), true)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Reconcile moves what is overdue, batch by batch, until nothing is. What it says is said after the commit: when saying
// it fails, the rows' next wake time brings them back.
func (s *Scheduler) Reconcile(ctx context.Context) error {
	for {
		found, err := s.cfg.Store.Reconcile(ctx, store.ReconcileRequest{
			Limit: s.cfg.Batch, PerEndpoint: s.cfg.PerEndpoint,
			EndLeases: s.reach.since(s.cfg.Now(), s.cfg.Policy.Timeout),
		})
		s.reach.note(err, s.cfg.Now())
		if err != nil {
			return fmt.Errorf("schedule: reconcile: %w", err)
		}
		for action, n := range found.Counts {
			s.cfg.Metrics.reconciled.WithLabelValues(string(action)).Add(float64(n))
		}
		if err := s.say(ctx, found); err != nil {
			return err
		}
		if !found.More {
			return nil
		}
		if ctx.Err() != nil {
			return errInterrupted
		}
	}
}

func (s *Scheduler) say(ctx context.Context, found store.Reconciled) error {
	timers := make([]timer.Entry, len(found.Timers))
	for i, d := range found.Timers {
		timers[i] = timer.Entry{Endpoint: d.Endpoint, Delivery: d.Delivery, Attempt: d.Attempt, Due: d.DueAt}
	}
	s.set(ctx, timers)
	if len(found.Due)+len(found.Endpoints) == 0 {
		return nil
	}
	due := make([]wire.Due, len(found.Due))
	for i, d := range found.Due {
		due[i] = wire.Due{Delivery: d.Delivery, Endpoint: d.Endpoint, Attempt: d.Attempt, Due: d.DueAt}
	}
	endpoints := make([]wire.Endpoint, len(found.Endpoints))
	now := s.cfg.Now()
	for i, id := range found.Endpoints {
		endpoints[i] = wire.Endpoint{Endpoint: id, Due: now}
	}
	return s.publish(ctx, wire.TypeOverdue, due, endpoints)
}

func (s *Scheduler) drain(ctx context.Context) error {
	if s.cfg.Drain == nil {
		return nil
	}
	drained, left, err := s.cfg.Drain(ctx)
	s.cfg.Metrics.drained.Add(float64(drained))
	if left >= 0 {
		s.cfg.Metrics.parked.Set(float64(left))
	}
	if err != nil {
		return fmt.Errorf("schedule: drain parked events: %w", err)
	}
	return nil
}

func (s *Scheduler) redrive(ctx context.Context) error {
	if s.cfg.Redrive == nil {
		return nil
	}
	taken, err := s.cfg.Redrive(ctx)
	s.cfg.Metrics.redriven.Add(float64(taken))
	if err != nil {
		return fmt.Errorf("schedule: redrive rejected events: %w", err)
	}
	return nil
}

// housekeep keeps house when it is time. When that is only the store remembers: on Knative each tick may come to a new
// process. Two that overlap may both do it.
func (s *Scheduler) housekeep(ctx context.Context, last time.Time) error {
	if s.cfg.Now().Sub(last) < s.cfg.HousekeepEvery {
		return nil
	}
	kept, err := s.cfg.Store.Housekeep(ctx, s.cfg.Retention)
	if err != nil {
		return fmt.Errorf("schedule: housekeep: %w", err)
	}
	s.cfg.Metrics.housekept(kept)
	return nil
}

func (s *Scheduler) takeStock(ctx context.Context) error {
	stats, err := s.cfg.Store.Stats(ctx)
	if err != nil {
		return fmt.Errorf("schedule: take stock: %w", err)
	}
	s.cfg.Metrics.tookStock(&stats)
	return nil
}

// reachability remembers since when the store has been reachable. After an outage the outcomes of attempts that ended
// meanwhile are still on their way to it: a lease that is ended before they arrive makes a duplicate POST.
type reachability struct {
	mu   sync.Mutex
	away bool
	back time.Time // when it came back; zero when it never was away
}

func (r *reachability) note(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, store.ErrUnavailable):
		r.away = true
	case err == nil && r.away:
		r.away, r.back = false, now
	}
}

// since reports whether the store has been reachable for at least d.
func (r *reachability) since(now time.Time, d time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.away && (r.back.IsZero() || now.Sub(r.back) >= d)
}
