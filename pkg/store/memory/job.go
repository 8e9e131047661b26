package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// jobRow is a job, and how often in a row its chunk went wrong.
type jobRow struct {
	store.Job
	failures int
}

// underWay reports whether a job may still go on by itself.
func (j *jobRow) underWay() bool { return j.State == store.JobRunning || j.State == store.JobPaused }

func cloneJob(j store.Job) store.Job {
	j.Spec.States, j.Spec.Types = slices.Clone(j.Spec.States), slices.Clone(j.Spec.Types)
	return j
}

// jobsOf returns a tenant's jobs, oldest first.
func (s *Store) jobsOf(tenant string) []*jobRow {
	return slices.DeleteFunc(slices.Clone(s.jobs), func(j *jobRow) bool { return j.Tenant != tenant })
}

// job returns a tenant's job.
func (s *Store) job(tenant string, id webhook.ID) (*jobRow, error) {
	for _, j := range s.jobsOf(tenant) {
		if j.ID == id {
			return j, nil
		}
	}
	return nil, store.ErrNotFound
}

// Job implements store.Jobs.
func (s *Store) Job(ctx context.Context, tenant string, id webhook.ID) (store.Job, error) {
	return run(ctx, s, "job", func(time.Time) (store.Job, error) {
		j, err := s.job(tenant, id)
		if err != nil {
			return store.Job{}, err
		}
		return cloneJob(j.Job), nil
	})
}

// JobPage implements store.Jobs.
func (s *Store) JobPage(ctx context.Context, q store.JobQuery) ([]store.Job, error) {
	return run(ctx, s, "jobpage", func(time.Time) ([]store.Job, error) {
		var list []store.Job
		for _, j := range s.jobsOf(q.Tenant) {
			if (q.Kind == "" || j.Kind == q.Kind) && (q.State == "" || j.State == q.State) &&
				within(j.ID, webhook.ID{}, q.Before) {
				list = append(list, cloneJob(j.Job))
			}
		}
		slices.SortFunc(list, func(a, b store.Job) int { return bytes.Compare(b.ID[:], a.ID[:]) })
		return page(list, q.Limit)
	})
}

// StartJob implements store.Jobs.
func (s *Store) StartJob(ctx context.Context, j store.Job) (store.Job, error) {
	if old, ok := s.dropping(j); ok {
		return old, nil
	}
	return changed(ctx, s, "startjob", func(now time.Time) (store.Job, error) {
		var err error
		if j.Spec, err = s.checkJob(j.Tenant, j.Kind, j.Spec, now); err != nil {
			return store.Job{}, err
		}
		if j.IfVersion != 0 && s.endpoints[j.Spec.Endpoint].Version != j.IfVersion {
			return store.Job{}, fmt.Errorf("%w: the endpoint has another version", store.ErrConflict)
		}
		jobs := s.jobsOf(j.Tenant)
		if slices.ContainsFunc(jobs, func(old *jobRow) bool { return old.ID == j.ID }) {
			return store.Job{}, store.ErrConflict
		}
		under := slices.DeleteFunc(jobs, func(old *jobRow) bool { return !old.underWay() })
		if len(under) >= store.MaxJobs {
			return store.Job{}, fmt.Errorf("%w: %d jobs are under way", store.ErrConflict, len(under))
		}
		if j.Kind == store.JobDropHeld {
			j.Total = min(len(s.held(j.Spec.Endpoint)), store.StatsCap)
			j.TotalExact = j.Total < store.StatsCap
		}
		row := &jobRow{Job: cloneJob(j)}
		row.IfVersion = 0
		row.State, row.Stage, row.Cursor, row.Done, row.Error = store.JobRunning, 0, j.Spec.First(), 0, ""
		row.WakeAt, row.CreatedAt, row.UpdatedAt, row.FinishedAt = now, now, now, time.Time{}
		row.CreatedBy = creator(ctx)
		s.jobs = append(s.jobs, row)
		return cloneJob(row.Job), nil
	})
}

// creator is the API key that asks for a change; zero when none does.
func creator(ctx context.Context) webhook.ID {
	if a := store.NoteOf(ctx).Audit; a != nil {
		return a.Actor
	}
	return webhook.ID{}
}

// dropping returns the drop that is under way for the endpoint of a job that would be another one.
func (s *Store) dropping(j store.Job) (store.Job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.jobsOf(j.Tenant) {
		if !s.unavailable && j.Kind == store.JobDropHeld && old.Kind == j.Kind && old.underWay() &&
			old.Spec.Endpoint == j.Spec.Endpoint &&
			(j.IfVersion == 0 || j.IfVersion == s.endpoints[j.Spec.Endpoint].Version) {
			return cloneJob(old.Job), true
		}
	}
	return store.Job{}, false
}

// checkJob fills in the spec of a job, and requires that what it names is there.
func (s *Store) checkJob(
	tenant string, kind store.JobKind, spec store.JobSpec, now time.Time,
) (store.JobSpec, error) {
	spec, err := spec.Settle(kind, now)
	if err != nil {
		return spec, err
	}
	if s.tenant(tenant) == nil {
		return spec, store.ErrNotFound
	}
	named := s.events[spec.Event]
	if !spec.Event.IsZero() && (named == nil || named.Tenant != tenant) {
		return spec, store.ErrNotFound
	}
	var e *endpointRow
	if !spec.Endpoint.IsZero() {
		if e, err = s.endpoint(tenant, spec.Endpoint); err != nil {
			return spec, err
		}
	}
	switch {
	case named != nil && !named.ErasedAt.IsZero():
		return spec, store.ErrErased
	case e == nil:
	case e.Status == webhook.EndpointDeleted:
		return spec, fmt.Errorf("%w: the endpoint was deleted", store.ErrConflict)
	case kind == store.JobDropHeld && e.Status == webhook.EndpointActive:
		return spec, fmt.Errorf("%w: the endpoint is active", store.ErrConflict)
	}
	return spec, nil
}

// PreviewReplay implements store.Jobs. Here counting is not bounded.
func (s *Store) PreviewReplay(ctx context.Context, tenant string, spec store.JobSpec) (store.ReplayPreview, error) {
	return run(ctx, s, "previewreplay", func(now time.Time) (store.ReplayPreview, error) {
		spec, err := s.checkJob(tenant, store.JobReplay, spec, now)
		if err != nil {
			return store.ReplayPreview{}, err
		}
		found, err := s.walk(tenant, spec, spec.First())
		if err != nil {
			return store.ReplayPreview{}, err
		}
		return store.ReplayPreview{
			Matched: len(found), Exact: true, First: slices.Clip(found[:min(len(found), store.PreviewFirst)]),
		}, nil
	})
}

// walk returns what a replay is for, from the first after an id.
func (s *Store) walk(tenant string, spec store.JobSpec, after webhook.ID) ([]store.ReplayMatch, error) {
	var e webhook.Endpoint
	if row := s.endpoints[spec.Endpoint]; row != nil {
		e = row.Endpoint
	}
	match, err := spec.Match(&e)
	if err != nil {
		return nil, err
	}
	sendable := func(event *webhook.Event) bool { return event.ErasedAt.IsZero() && match(event) }
	inside := func(id webhook.ID) bool {
		return bytes.Compare(id[:], after[:]) > 0 && within(id, webhook.ID{}, webhook.FirstID(spec.To))
	}
	var found []store.ReplayMatch
	if spec.Missing {
		for _, event := range s.events {
			if event.Tenant == tenant && event.Origin.IsZero() && inside(event.ID) && sendable(event) &&
				!s.delivered(event.ID, spec.Endpoint) {
				found = append(found, store.ReplayMatch{Event: event.ID, Endpoint: spec.Endpoint, Type: event.Type})
			}
		}
	} else {
		for _, d := range s.stored {
			if s.replayable(d, tenant, &spec) && inside(d.ID) && sendable(s.events[d.Event]) {
				found = append(found, store.ReplayMatch{
					Event: d.Event, Endpoint: d.Endpoint, Delivery: d.ID, Type: s.events[d.Event].Type,
				})
			}
		}
	}
	slices.SortFunc(found, func(a, b store.ReplayMatch) int {
		x, y := position(a), position(b)
		return bytes.Compare(x[:], y[:])
	})
	return found, nil
}

// position is what a walk goes by.
func position(m store.ReplayMatch) webhook.ID {
	if m.Delivery.IsZero() {
		return m.Event
	}
	return m.Delivery
}

// delivered reports whether an event has a delivery to an endpoint.
func (s *Store) delivered(event, endpoint webhook.ID) bool {
	return slices.ContainsFunc(s.stored, func(d *deliveryRow) bool { return d.Event == event && d.Endpoint == endpoint })
}

// replayable reports whether a delivery is one that a replay is for, but for where it is and its event.
func (s *Store) replayable(d *deliveryRow, tenant string, spec *store.JobSpec) bool {
	if d.Tenant != tenant || !slices.Contains(spec.States, d.State) ||
		!spec.Endpoint.IsZero() && d.Endpoint != spec.Endpoint {
		return false
	}
	if spec.Event.IsZero() {
		return d.ReplayOf.IsZero()
	}
	return d.Event == spec.Event
}

// SetJobState implements store.Jobs.
func (s *Store) SetJobState(ctx context.Context, tenant string, id webhook.ID, to store.JobState) (store.Job, error) {
	return changed(ctx, s, "setjobstate", func(now time.Time) (store.Job, error) {
		if to != store.JobPaused && to != store.JobRunning && to != store.JobCancelled {
			return store.Job{}, fmt.Errorf("%w: a job cannot be made %q", store.ErrInvalid, to)
		}
		j, err := s.job(tenant, id)
		switch {
		case err != nil:
			return store.Job{}, err
		case j.Kind == store.JobEraseTenant, j.State != to && (j.State.Over() || to == store.JobPaused && !j.underWay()):
			return store.Job{}, store.ErrConflict
		case j.State == to:
			return cloneJob(j.Job), nil
		}
		j.State, j.UpdatedAt, j.WakeAt, j.failures = to, now, time.Time{}, 0
		switch to {
		case store.JobRunning:
			j.WakeAt, j.Error = now, ""
		case store.JobCancelled:
			j.FinishedAt = now
		}
		return cloneJob(j.Job), nil
	})
}

// stopDrops ends the drops of what an endpoint holds.
func (s *Store) stopDrops(e *endpointRow, why string, now time.Time) {
	for _, j := range s.jobsOf(e.Tenant) {
		if j.Kind == store.JobDropHeld && j.underWay() && j.Spec.Endpoint == e.ID {
			j.State, j.Error, j.WakeAt, j.FinishedAt, j.UpdatedAt = store.JobCancelled, why, time.Time{}, now, now
		}
	}
}

// startErasure begins to erase a tenant, or has an erasure that failed go on.
func (s *Store) startErasure(tenant string, by webhook.ID, now time.Time) {
	for _, j := range s.jobsOf(tenant) {
		if j.Kind != store.JobEraseTenant {
			continue
		}
		if j.State == store.JobFailed {
			j.State, j.WakeAt, j.UpdatedAt, j.failures, j.Error = store.JobRunning, now, now, 0, ""
		}
		return
	}
	s.jobs = append(s.jobs, &jobRow{Job: store.Job{
		ID: s.ids.New(now), Tenant: tenant, Kind: store.JobEraseTenant, State: store.JobRunning, Total: -1, CreatedBy: by,
		WakeAt: now, CreatedAt: now, UpdatedAt: now,
	}})
}

// held returns the deliveries that wait for an endpoint, those due longest first.
func (s *Store) held(endpoint webhook.ID) []*deliveryRow {
	e := s.endpoints[endpoint]
	e.live = stillLive(e.live)
	held := slices.DeleteFunc(slices.Clone(e.live), func(d *deliveryRow) bool { return d.State != webhook.StateScheduled })
	slices.SortStableFunc(held, func(a, b *deliveryRow) int { return a.DueAt.Compare(b.DueAt) })
	return held
}

// eraseRest removes what is a tenant's besides deliveries, events and jobs, at most so many rows, and returns how
// many these were.
func (s *Store) eraseRest(tenant string, most int) (erased int) {
	take := func(is bool) bool {
		if is && erased < most {
			erased++
			return true
		}
		return false
	}
	s.rejected = slices.DeleteFunc(s.rejected, func(r store.Rejected) bool { return take(r.Tenant == tenant) })
	maps.DeleteFunc(s.discarded, func(d tenantDay, _ int) bool { return take(d.tenant == tenant) })
	maps.DeleteFunc(s.answers, func(_ onceKey, o *onceRow) bool { return take(o.Tenant == tenant) })
	maps.DeleteFunc(s.keys, func(_ [32]byte, k *store.APIKey) bool { return take(k.Tenant == tenant) })
	s.created = slices.DeleteFunc(s.created, func(e *endpointRow) bool { return take(e.Tenant == tenant) })
	maps.DeleteFunc(s.endpoints, func(_ webhook.ID, e *endpointRow) bool {
		return e.Tenant == tenant && !slices.Contains(s.created, e)
	})
	s.jobs = slices.DeleteFunc(s.jobs, func(j *jobRow) bool {
		return take(j.Tenant == tenant && j.Kind != store.JobEraseTenant)
	})
	return erased
}
