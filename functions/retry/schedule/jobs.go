package schedule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/wire"
)

// jobs remembers when the next chunk of a job is due, as far as this process knows.
type jobs struct {
	wake chan struct{} // capacity 1: there may be a job due before the one slept for

	mu   sync.Mutex
	next time.Time // zero: none is known
}

func (j *jobs) due() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

func (j *jobs) set(next time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = next
}

// look has RunJobs look for jobs now.
func (j *jobs) look() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// JobsDue takes the hint that somebody has asked for work by hand: that a job has begun, or that rejected events are to
// be taken again. It never asks for the hint again: the tick finds either.
func (s *Scheduler) JobsDue(ctx context.Context, _ wire.Hint) error {
	s.jobs.look()
	if err := s.redrive(ctx); err != nil {
		s.cfg.Log.WarnContext(ctx, "rejected events are not taken again yet", "error", err)
	}
	return nil
}

// RunJobs works on jobs as their chunks come due until ctx ends. It begins when a hint or a tick says that there may be
// one, and sleeps without asking anybody while none is known.
func (s *Scheduler) RunJobs(ctx context.Context) {
	sleep(ctx, -1, s.jobs.wake)
	pause := retryFiring
	for ctx.Err() == nil {
		if err := s.work(ctx); err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.WarnContext(ctx, "a job's chunk failed", "error", err, "again_in", pause.String())
			}
			sleep(ctx, pause, nil)
			pause = min(2*pause, retryFiringMax)
			continue
		}
		pause = retryFiring
		wait := time.Duration(-1)
		if next := s.jobs.due(); !next.IsZero() {
			wait = max(next.Sub(s.cfg.Now()), soonest)
		}
		sleep(ctx, wait, s.jobs.wake)
	}
}

// tickJobs works on what is due at a tick, and has RunJobs go on with what is due later.
func (s *Scheduler) tickJobs(ctx context.Context, todo store.Agenda) (err error) {
	if todo.Jobs {
		err = s.work(ctx)
	} else if !todo.NextJob.IsZero() {
		s.jobs.set(todo.NextJob)
	}
	if err != nil || !s.jobs.due().IsZero() {
		s.jobs.look()
	}
	return err
}

// work does chunk after chunk until none is due. One that went wrong does not keep the others waiting: the store has
// put it off.
func (s *Scheduler) work(ctx context.Context) error {
	var failed error
	for ctx.Err() == nil {
		run, err := s.cfg.Store.RunJob(ctx, s.cfg.IDs)
		if err != nil {
			s.cfg.Metrics.jobFailures.Inc()
			if run.Job.State == store.JobFailed {
				s.noteEnd(ctx, &run.Job)
			}
			err = fmt.Errorf("schedule: run a job: %w", err)
			if failed != nil || errors.Is(err, store.ErrUnavailable) {
				return errors.Join(failed, err)
			}
			failed = err
			continue
		}
		s.jobs.set(run.Next)
		if run.Job.ID.IsZero() {
			return failed
		}
		s.noteJob(ctx, &run)
		s.sayJob(ctx, &run)
	}
	return failed
}

// noteJob counts what a chunk did, and says when a job has ended.
func (s *Scheduler) noteJob(ctx context.Context, run *store.JobRun) {
	j := &run.Job
	s.cfg.Metrics.jobChunks.WithLabelValues(string(j.Kind)).Inc()
	s.cfg.Metrics.jobRows.WithLabelValues(string(j.Kind)).Add(float64(run.Changed))
	if j.State != store.JobRunning {
		s.noteEnd(ctx, j)
	}
}

// noteEnd counts a job that has ended, or failed for good, and says so.
func (s *Scheduler) noteEnd(ctx context.Context, j *store.Job) {
	s.cfg.Metrics.jobsEnded.WithLabelValues(string(j.Kind), string(j.State)).Inc()
	s.cfg.Log.InfoContext(ctx, "a job has ended", "job", j.ID.String(), "kind", string(j.Kind), "tenant", j.Tenant,
		"state", string(j.State), "rows", j.Done, "why", j.Error)
}

// sayJob hints at what a chunk made, after its commit. When that fails, the reconciler finds it.
func (s *Scheduler) sayJob(ctx context.Context, run *store.JobRun) {
	if len(run.Due)+len(run.Endpoints) == 0 {
		return
	}
	due := make([]wire.Due, len(run.Due))
	for i, d := range run.Due {
		due[i] = wire.Due{Delivery: d.Delivery, Endpoint: d.Endpoint, Attempt: d.Attempt, Due: d.DueAt}
	}
	endpoints := make([]wire.Endpoint, len(run.Endpoints))
	for i, id := range run.Endpoints {
		endpoints[i] = wire.Endpoint{Endpoint: id, Due: s.cfg.Now()}
	}
	if err := s.publish(ctx, wire.TypeDue, due, endpoints); err != nil {
		s.cfg.Log.WarnContext(ctx, "a job's deliveries are not hinted at: the reconciler will find them", "error", err)
	}
}
