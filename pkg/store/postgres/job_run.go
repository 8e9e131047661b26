package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// RunJob implements [store.JobRunner]. While no job is due it is one question.
func (s *Store) RunJob(ctx context.Context, ids *webhook.IDSource) (store.JobRun, error) {
	var r *jobRun
	err := s.run(ctx, "run job", func(ctx context.Context) error {
		r = &jobRun{s: s, ids: ids}
		if err := r.look(ctx, s.pool); err != nil || r.out.Next.IsZero() || r.out.Next.After(r.now) {
			return err
		}
		err := s.inTx(ctx, func(tx pgx.Tx) error { return r.run(ctx, tx) })
		if noPartition(err) {
			if _, err := s.makePartitions(ctx, r.now, r.now); err != nil {
				return err
			}
			r = &jobRun{s: s, ids: ids}
			err = s.inTx(ctx, func(tx pgx.Tx) error { return r.run(ctx, tx) })
		}
		return err
	})
	if err != nil {
		if s.putOff(ctx, r.job.ID, err) == store.JobFailed {
			r.job.State, r.job.Error = store.JobFailed, err.Error()
			return store.JobRun{Job: r.job}, err
		}
		return store.JobRun{}, err
	}
	return r.out, nil
}

// putOff notes that a job's chunk went wrong, and returns the state of the job after it. When that cannot be noted the
// chunk is simply tried again.
func (s *Store) putOff(ctx context.Context, id webhook.ID, cause error) (state store.JobState) {
	if id.IsZero() {
		return ""
	}
	counts := !errors.Is(cause, store.ErrUnavailable) && !errors.Is(cause, context.Canceled)
	_ = s.run(ctx, "put off job", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, jobFailedSQL, id, counts, store.JobTries, cause.Error()).Scan((*string)(&state))
	})
	return state
}

// jobRun is one chunk under way.
type jobRun struct {
	s   *Store
	ids *webhook.IDSource
	now time.Time
	// job is the one at work, deleted when its tenant was deleted.
	job     store.Job
	deleted time.Time
	out     store.JobRun
}

// look reads the time, and when the next chunk is due.
func (r *jobRun) look(ctx context.Context, q rowQuerier) error {
	return q.QueryRow(ctx, nextJobSQL).Scan(&r.now, &r.out.Next)
}

// run takes a job, does a chunk of it, and keeps how far that is.
func (r *jobRun) run(ctx context.Context, tx pgx.Tx) error {
	var err error
	r.job, err = scanJob(tx.QueryRow(ctx, claimJobSQL), &r.now, &r.deleted)
	if errors.Is(err, pgx.ErrNoRows) {
		r.job = store.Job{}
		return r.look(ctx, tx) // somebody else has it
	}
	if err != nil {
		return err
	}
	r.job.WakeAt = time.Time{} // at once, unless the chunk says otherwise
	if err := r.chunk(ctx, tx); err != nil {
		return err
	}
	if err := r.keep(ctx, tx); err != nil {
		return err
	}
	r.out.Job = r.job
	return r.look(ctx, tx)
}

// chunk does what is next of the job.
func (r *jobRun) chunk(ctx context.Context, tx pgx.Tx) error {
	switch {
	case r.job.Kind == store.JobEraseTenant:
		return r.erase(ctx, tx)
	case !r.deleted.IsZero():
		r.cancel("the tenant was deleted")
		return nil
	case r.job.Kind == store.JobDropHeld:
		return r.drop(ctx, tx)
	default:
		return r.replay(ctx, tx)
	}
}

// keep writes how far the job is. Of one that erased its own row there is nothing to keep.
func (r *jobRun) keep(ctx context.Context, tx pgx.Tx) error {
	j := &r.job
	j.Done += r.out.Changed
	j.UpdatedAt = r.now
	switch {
	case j.State != store.JobRunning:
		j.WakeAt, j.FinishedAt = time.Time{}, r.now
	case j.WakeAt.IsZero():
		j.WakeAt = r.now.Add(j.Pause(r.out.Changed))
	}
	_, err := tx.Exec(ctx, jobProgressSQL, j.ID, string(j.State), j.Stage, j.Cursor, j.Done, j.WakeAt, j.Error,
		r.now)
	return err
}

// cancel ends the job without its being done.
func (r *jobRun) cancel(why string) { r.job.State, r.job.Error = store.JobCancelled, why }

// drop cancels what is held for an endpoint, and opens the endpoint with the last of it.
func (r *jobRun) drop(ctx context.Context, tx pgx.Tx) error {
	j := &r.job
	var status string
	err := tx.QueryRow(ctx, "SELECT status::text FROM endpoints WHERE id = $1 AND tenant = $2 FOR NO KEY UPDATE",
		j.Spec.Endpoint, j.Tenant).Scan(&status)
	if err != nil {
		return err
	}
	if status != string(webhook.EndpointPaused) && status != string(webhook.EndpointDisabled) {
		r.cancel("the endpoint is " + status)
		return nil
	}
	err = tx.QueryRow(ctx, dropHeldSQL, j.Spec.Endpoint, j.Tenant, j.CreatedAt, j.Chunk(), string(webhook.ReasonByHand)).
		Scan(&r.out.Changed)
	if err != nil || r.out.Changed == j.Chunk() {
		return err
	}
	j.State = store.JobDone
	r.out.Endpoints = []webhook.ID{j.Spec.Endpoint}
	if _, err := tx.Exec(ctx, resumeEndpointSQL, j.Spec.Endpoint, j.Tenant); err != nil {
		return err
	}
	return bumpTenant(ctx, tx, j.Tenant)
}

// The stages of an erasure.
const (
	stageClose = iota // nothing is sent any more
	stageDeliveries
	stageEvents
	stageRest
)

// erase removes the next of what is a tenant's. What others may still be writing when the tenant is deleted is left
// until they cannot be any more.
func (r *jobRun) erase(ctx context.Context, tx pgx.Tx) error {
	j := &r.job
	ended := false
	var err error
	switch j.Stage {
	case stageClose:
		tag, err := tx.Exec(ctx, closeEndpointsSQL, j.Tenant, store.JobChunk)
		if err != nil {
			return err
		}
		if tag.RowsAffected() < store.JobChunk {
			j.Stage, j.WakeAt = stageDeliveries, later(r.now, r.deleted.Add(store.EraseAfter))
		}
		return nil
	case stageDeliveries, stageEvents:
		sql := "SELECT last, erased, ended FROM erase_deliveries($1, $2, $3, $4)"
		if j.Stage == stageEvents {
			sql = "SELECT last, erased, ended FROM erase_events($1, $2, $3, $4)"
		}
		after := j.Cursor
		err = tx.QueryRow(ctx, sql, j.Tenant, orFirst(after), store.JobWalk, store.JobChunk).
			Scan(&j.Cursor, &r.out.Changed, &ended)
		if ended {
			j.Stage, j.Cursor = j.Stage+1, webhook.ID{}
		}
		return err
	default:
		// With the end goes a line of the audit log, of which this is the id.
		err = tx.QueryRow(ctx, "SELECT erased, ended FROM erase_rest($1, $2, $3)", j.Tenant, store.JobChunk,
			r.ids.New(r.now)).Scan(&r.out.Changed, &ended)
		if ended {
			j.State = store.JobDone // and gone
		}
		return err
	}
}

// orFirst returns an id to look after, or one that every other is after instead of none.
func orFirst(id webhook.ID) webhook.ID {
	if id.IsZero() {
		return webhook.ID{15: 1}
	}
	return id
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
