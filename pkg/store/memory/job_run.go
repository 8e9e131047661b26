package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// RunJob implements store.JobRunner.
func (s *Store) RunJob(ctx context.Context, ids *webhook.IDSource) (store.JobRun, error) {
	return run(ctx, s, "runjob", func(now time.Time) (store.JobRun, error) {
		var out store.JobRun
		if j := s.nextJob(); j != nil && !j.WakeAt.After(now) {
			r := jobRun{s: s, j: j, ids: ids, now: now}
			if err := r.run(); err != nil {
				j.putOff(err, now)
				if j.State == store.JobFailed {
					return store.JobRun{Job: cloneJob(j.Job)}, err
				}
				return store.JobRun{}, err
			}
			out = r.out
			out.Job = cloneJob(j.Job)
		}
		if j := s.nextJob(); j != nil {
			out.Next = j.WakeAt
		}
		return out, nil
	})
}

// nextJob returns the running job that is due first.
func (s *Store) nextJob() *jobRow {
	var first *jobRow
	for _, j := range s.jobs {
		if !j.WakeAt.IsZero() && (first == nil || j.WakeAt.Before(first.WakeAt)) {
			first = j
		}
	}
	return first
}

// putOff notes that a chunk went wrong.
func (j *jobRow) putOff(cause error, now time.Time) {
	j.WakeAt = now.Add(time.Second << min(j.failures, 6))
	j.failures++
	j.Error, j.UpdatedAt = cause.Error(), now
	if j.failures >= store.JobTries {
		j.State, j.WakeAt = store.JobFailed, time.Time{}
	}
}

// jobRun is one chunk under way.
type jobRun struct {
	s   *Store
	j   *jobRow
	ids *webhook.IDSource
	now time.Time
	out store.JobRun
}

// run does what is next of the job, and keeps how far that is.
func (r *jobRun) run() error {
	j := r.j
	wake := j.WakeAt
	j.WakeAt = time.Time{}
	if err := r.chunk(); err != nil {
		j.WakeAt = wake
		return err
	}
	j.failures, j.UpdatedAt = 0, r.now
	j.Done += r.out.Changed
	switch {
	case j.State != store.JobRunning:
		j.WakeAt, j.FinishedAt = time.Time{}, r.now
	case j.WakeAt.IsZero():
		j.WakeAt = r.now.Add(j.Pause(r.out.Changed))
	}
	return nil
}

func (r *jobRun) chunk() error {
	switch {
	case r.j.Kind == store.JobEraseTenant:
		return r.erase()
	case r.s.tenant(r.j.Tenant) == nil:
		r.cancel("the tenant was deleted")
		return nil
	case r.j.Kind == store.JobDropHeld:
		return r.drop()
	default:
		return r.replay()
	}
}

// cancel ends the job without its being done.
func (r *jobRun) cancel(why string) { r.j.State, r.j.Error = store.JobCancelled, why }

// replay makes the next deliveries of a replay.
func (r *jobRun) replay() error {
	j := r.j
	if !j.Spec.Endpoint.IsZero() && r.s.endpoints[j.Spec.Endpoint].Status == webhook.EndpointDeleted {
		r.cancel("the endpoint was deleted")
		return nil
	}
	found, err := r.s.walk(j.Tenant, j.Spec, j.Cursor)
	if err != nil {
		return err
	}
	if len(found) <= j.Chunk() {
		j.State = store.JobDone
	}
	found = found[:min(len(found), j.Chunk())]
	copies := map[webhook.ID]*webhook.Event{}
	for _, m := range found {
		j.Cursor = position(m)
		e := r.s.endpoints[m.Endpoint]
		if e.Status == webhook.EndpointDeleted {
			continue
		}
		if copies[m.Event] == nil {
			copies[m.Event] = r.copyEvent(m.Event)
		}
		d := webhook.Delivery{
			ID: copies[m.Event].ID.Sibling(), Tenant: j.Tenant, Event: copies[m.Event].ID, Endpoint: m.Endpoint,
			ReplayOf: m.Delivery,
		}
		r.s.policy.Plan(&d, &e.Endpoint, r.now)
		d.DueAt, d.WakeAt = r.now, r.now.Add(r.s.policy.WakeAfter(0, r.s.policy.LeaseOf(&e.Endpoint)))
		r.out.Due = append(r.out.Due, r.s.add(d, e).due())
		r.out.Changed++
	}
	return nil
}

// copyEvent copies an event to now.
func (r *jobRun) copyEvent(id webhook.ID) *webhook.Event {
	event := cloneEvent(*r.s.events[id])
	event.Origin = event.OriginID()
	event.ID, event.AcceptedAt = r.ids.New(r.now), r.now
	r.s.events[event.ID] = event
	return event
}

// drop cancels what is held for an endpoint, and opens the endpoint with the last of it.
func (r *jobRun) drop() error {
	e := r.s.endpoints[r.j.Spec.Endpoint]
	if e.Status != webhook.EndpointPaused && e.Status != webhook.EndpointDisabled {
		r.cancel("the endpoint is " + string(e.Status))
		return nil
	}
	for _, d := range r.s.held(e.ID) {
		if r.out.Changed == r.j.Chunk() {
			return nil
		}
		if r.s.events[d.Event].AcceptedAt.Before(r.j.CreatedAt) {
			d.end(webhook.StateCancelled, webhook.ReasonByHand)
			r.out.Changed++
		}
	}
	if r.out.Changed == r.j.Chunk() {
		return nil
	}
	r.j.State = store.JobDone
	r.s.tenants[e.Tenant].version++
	r.out.Endpoints = []webhook.ID{e.ID}
	return r.move(e, webhook.EndpointActive, "")
}

// move moves an endpoint to a status.
func (r *jobRun) move(e *endpointRow, to webhook.EndpointStatus, reason string) error {
	e.StatusReason = reason
	e.Version++
	return e.set(to, r.now)
}

// erase removes the next of what is a tenant's.
func (r *jobRun) erase() error {
	j := r.j
	switch j.Stage {
	case 0:
		for _, e := range r.s.created {
			if e.Tenant == j.Tenant && e.Status != webhook.EndpointDeleted {
				if err := r.move(e, webhook.EndpointDeleted, "the tenant was deleted"); err != nil {
					return err
				}
			}
		}
		j.Stage, j.WakeAt = 1, r.s.tenants[j.Tenant].DeletedAt.Add(store.EraseAfter)
		if j.WakeAt.Before(r.now) {
			j.WakeAt = r.now
		}
	case 1:
		if r.out.Changed = r.s.eraseDeliveries(j.Tenant); r.out.Changed < store.JobChunk {
			j.Stage = 2
		}
	case 2:
		if r.out.Changed = r.s.eraseEvents(j.Tenant); r.out.Changed < store.JobChunk {
			j.Stage = 3
		}
	default:
		if r.out.Changed = r.s.eraseRest(j.Tenant, store.JobChunk); r.out.Changed < store.JobChunk {
			j.State = store.JobDone
			r.s.noteErasure(j, j.Done+r.out.Changed, r.ids.New(r.now), r.now)
			r.s.jobs = slices.DeleteFunc(r.s.jobs, func(other *jobRow) bool { return other == j })
			delete(r.s.tenants, j.Tenant)
		}
	}
	return nil
}

// noteErasure writes the line of the audit log that a tenant is gone, in the name of the API key that asked for it.
func (s *Store) noteErasure(j *jobRow, rows int, line webhook.ID, now time.Time) {
	a := store.AuditEntry{
		ID: line, Tenant: j.Tenant, At: now, Actor: j.CreatedBy, Action: "tenant.erase", Target: j.Tenant,
		After: fmt.Appendf(nil, `{"job": %q, "rows": %d}`, j.ID.String(), rows),
	}
	if k := s.key(j.CreatedBy); k != nil {
		a.ActorName = k.Name
	}
	s.audit = append(s.audit, a)
}

// eraseDeliveries removes deliveries of a tenant with their attempts, and returns how many.
func (s *Store) eraseDeliveries(tenant string) int {
	doomed := map[*deliveryRow]bool{}
	for _, d := range s.stored {
		if d.Tenant == tenant && len(doomed) < store.JobChunk {
			doomed[d] = true
			delete(s.deliveries, d.ID)
		}
	}
	without := func(rows []*deliveryRow) []*deliveryRow {
		return slices.DeleteFunc(rows, func(d *deliveryRow) bool { return doomed[d] })
	}
	s.stored, s.live = without(s.stored), without(s.live)
	for _, e := range s.created {
		e.live = without(e.live)
	}
	return len(doomed)
}

// eraseEvents removes events of a tenant and what guards them against duplicates, and returns how many.
func (s *Store) eraseEvents(tenant string) int {
	var doomed []*webhook.Event
	for _, e := range s.events {
		if e.Tenant == tenant {
			doomed = append(doomed, e)
		}
	}
	slices.SortFunc(doomed, func(a, b *webhook.Event) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	doomed = doomed[:min(len(doomed), store.JobChunk)]
	for _, e := range doomed {
		delete(s.events, e.ID)
		delete(s.dedupe, webhook.IdentityKey(e.Tenant, e.Source, e.CEID))
	}
	return len(doomed)
}
