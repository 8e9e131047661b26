package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// scanJob reads a row of the job queries; before are targets for what stands before the job in it.
func scanJob(row pgx.Row, before ...any) (j store.Job, err error) {
	var spec []byte
	err = row.Scan(append(before, &j.ID, &j.Tenant, (*string)(&j.Kind), &spec, (*string)(&j.State), &j.Stage, &j.Cursor,
		&j.Done, &j.Total, &j.TotalExact, &j.PerSecond, &j.Error, &j.CreatedBy, &j.WakeAt, &j.CreatedAt, &j.UpdatedAt,
		&j.FinishedAt)...)
	if err != nil {
		return j, err
	}
	return j, json.Unmarshal(spec, &j.Spec)
}

// Job implements [store.Jobs].
func (s *Store) Job(ctx context.Context, tenant string, id webhook.ID) (store.Job, error) {
	return s.readJob(ctx, "job", jobSQL, id, tenant)
}

// readJob reads one job.
func (s *Store) readJob(ctx context.Context, op, sql string, args ...any) (store.Job, error) {
	var j store.Job
	err := s.run(ctx, op, func(ctx context.Context) (err error) {
		j, err = scanJob(s.pool.QueryRow(ctx, sql, args...))
		return err
	})
	if err != nil {
		return store.Job{}, err
	}
	return j, nil
}

// JobPage implements [store.Jobs].
func (s *Store) JobPage(ctx context.Context, q store.JobQuery) ([]store.Job, error) {
	var list []store.Job
	err := s.run(ctx, "job page", func(ctx context.Context) error {
		if err := checkPage(q.Limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, jobPageSQL, q.Tenant, string(q.Kind), string(q.State), orLast(q.Before), q.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Job, error) { return scanJob(row) })
		return err
	})
	return list, err
}

// errDropping says that what an endpoint holds is being dropped already.
var errDropping = fmt.Errorf("%w: it is being dropped already", store.ErrConflict)

// StartJob implements [store.Jobs].
func (s *Store) StartJob(ctx context.Context, j store.Job) (store.Job, error) {
	var started store.Job
	err := s.run(ctx, "start job", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) (err error) {
			started, err = s.startJob(ctx, tx, j)
			return err
		})
	})
	switch {
	case errors.Is(err, errDropping):
		return s.readJob(ctx, "start job", droppingJobSQL, j.Spec.Endpoint, j.Tenant)
	case err != nil:
		return store.Job{}, err
	}
	return started, nil
}

// startJob stores a job with its tenant locked, so that no two calls count the tenant's jobs at once.
func (s *Store) startJob(ctx context.Context, tx pgx.Tx, j store.Job) (store.Job, error) {
	var there, dropping bool
	var jobs int
	err := tx.QueryRow(ctx, "SELECT true FROM tenants WHERE id = $1 FOR NO KEY UPDATE", j.Tenant).Scan(&there)
	if err == nil {
		j.Spec, err = checkJob(ctx, tx, j.Tenant, j.Kind, j.Spec)
	}
	if err == nil && j.IfVersion != 0 {
		err = requireVersion(ctx, tx, &j)
	}
	if err == nil {
		err = tx.QueryRow(ctx, underWaySQL, j.Tenant, j.Spec.Endpoint).Scan(&jobs, &dropping)
	}
	switch {
	case err != nil:
		return j, err
	case dropping && j.Kind == store.JobDropHeld:
		return j, errDropping
	case jobs >= store.MaxJobs:
		return j, fmt.Errorf("%w: %d jobs are under way", store.ErrConflict, jobs)
	}
	if j.Kind == store.JobDropHeld {
		err = tx.QueryRow(ctx, countHeldSQL, j.Spec.Endpoint, j.Tenant, store.StatsCap).Scan(&j.Total)
		j.TotalExact = j.Total < store.StatsCap
	}
	if err != nil {
		return j, err
	}
	spec, err := json.Marshal(j.Spec)
	if err != nil {
		return j, err
	}
	_, err = tx.Exec(ctx, addJobSQL, j.ID, j.Tenant, string(j.Kind), spec, j.Spec.Endpoint, j.Spec.First(), j.Total,
		j.TotalExact, j.PerSecond, creator(ctx))
	if err != nil {
		return j, err
	}
	return scanJob(tx.QueryRow(ctx, jobSQL, j.ID, j.Tenant))
}

// requireVersion requires that the endpoint of a job has not changed. Whoever changes it meanwhile waits for the lock
// on the tenant, and does it after the job has begun.
func requireVersion(ctx context.Context, tx pgx.Tx, j *store.Job) error {
	var version int64
	err := tx.QueryRow(ctx, "SELECT version FROM endpoints WHERE id = $1 AND tenant = $2", j.Spec.Endpoint, j.Tenant).
		Scan(&version)
	if err == nil && version != j.IfVersion {
		return fmt.Errorf("%w: the endpoint has version %d", store.ErrConflict, version)
	}
	return err
}

// creator is the API key that asks for a change; zero when none does.
func creator(ctx context.Context) webhook.ID {
	if a := store.NoteOf(ctx).Audit; a != nil {
		return a.Actor
	}
	return webhook.ID{}
}

// checkJob fills in the spec of a job, and requires that what it names is there.
func checkJob(
	ctx context.Context, q rowQuerier, tenant string, kind store.JobKind, spec store.JobSpec,
) (store.JobSpec, error) {
	var now time.Time
	var status *string
	var tenantThere, eventThere, erased bool
	err := q.QueryRow(ctx, checkJobSQL, tenant, spec.Endpoint, spec.Event).
		Scan(&now, &tenantThere, &status, &eventThere, &erased)
	if err != nil {
		return spec, err
	}
	if spec, err = spec.Settle(kind, now); err != nil {
		return spec, err
	}
	switch {
	case !tenantThere, !spec.Endpoint.IsZero() && status == nil, !spec.Event.IsZero() && !eventThere:
		return spec, store.ErrNotFound
	case erased:
		return spec, store.ErrErased
	case spec.Endpoint.IsZero():
		return spec, nil
	case *status == string(webhook.EndpointDeleted):
		return spec, fmt.Errorf("%w: the endpoint was deleted", store.ErrConflict)
	case kind == store.JobDropHeld && *status == string(webhook.EndpointActive):
		return spec, fmt.Errorf("%w: the endpoint is active", store.ErrConflict)
	}
	return spec, nil
}

// PreviewReplay implements [store.Jobs]. It looks at previewWalks times as many rows as a chunk does.
func (s *Store) PreviewReplay(ctx context.Context, tenant string, spec store.JobSpec) (store.ReplayPreview, error) {
	var out store.ReplayPreview
	err := s.run(ctx, "preview replay", func(ctx context.Context) (err error) {
		out = store.ReplayPreview{}
		if spec, err = checkJob(ctx, s.pool, tenant, store.JobReplay, spec); err != nil {
			return err
		}
		w := walk{q: s.pool, tenant: tenant, spec: spec, after: spec.First(), most: maxPage}
		for range previewWalks {
			if err := w.next(ctx); err != nil {
				return err
			}
			out.Matched += len(w.found)
			for _, f := range w.found[:min(len(w.found), store.PreviewFirst-len(out.First))] {
				out.First = append(out.First, f.ReplayMatch)
			}
			if w.ended {
				out.Exact = true
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return store.ReplayPreview{}, err
	}
	return out, nil
}

// previewWalks bounds a preview.
const previewWalks = 20

// SetJobState implements [store.Jobs].
func (s *Store) SetJobState(ctx context.Context, tenant string, id webhook.ID, to store.JobState) (store.Job, error) {
	var j store.Job
	err := s.run(ctx, "set job state", func(ctx context.Context) error {
		if to != store.JobPaused && to != store.JobRunning && to != store.JobCancelled {
			return fmt.Errorf("%w: a job cannot be made %q", store.ErrInvalid, to)
		}
		return s.change(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, setJobStateSQL, id, tenant, string(to))
			if err != nil {
				return err
			}
			j, err = scanJob(tx.QueryRow(ctx, jobSQL, id, tenant))
			if err == nil && tag.RowsAffected() == 0 && (j.State != to || j.Kind == store.JobEraseTenant) {
				return store.ErrConflict
			}
			return err
		})
	})
	if err != nil {
		return store.Job{}, err
	}
	return j, nil
}
