package postgres

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Reconcile implements [store.Reconciler]. No lease is ended while the database has been up for less than an attempt's
// timeout: outcomes may still be on their way to it.
func (s *Store) Reconcile(ctx context.Context, r store.ReconcileRequest) (store.Reconciled, error) {
	var out store.Reconciled
	if r.Limit < 1 {
		return out, nil
	}
	err := s.run(ctx, "reconcile", func(ctx context.Context) error {
		rc := reconciliation{s: s, ReconcileRequest: r}
		rc.out.Counts = make(map[webhook.Action]int)
		err := s.inTx(ctx, func(tx pgx.Tx) error { return rc.run(ctx, tx) })
		out = rc.out
		return err
	})
	if err != nil {
		return store.Reconciled{}, err
	}
	return out, nil
}

// reconciliation is one call under way.
type reconciliation struct {
	store.ReconcileRequest
	s    *Store
	rows []lateRow
	now  time.Time
	out  store.Reconciled
}

// lateRow is a delivery whose wake time has passed, and how it is moved.
type lateRow struct {
	was, is  webhook.Delivery
	endpoint webhook.Endpoint
	known    bool // whether the endpoint is in the store
}

func (rc *reconciliation) run(ctx context.Context, tx pgx.Tx) error {
	if err := rc.readLate(ctx, tx); err != nil {
		return err
	}
	rc.move()
	if err := rc.writeLate(ctx, tx); err != nil {
		return err
	}
	return rc.wakeEndpoints(ctx, tx)
}

// readLate locks and reads up to Limit late deliveries, and looks whether there is one more.
func (rc *reconciliation) readLate(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, lateSQL, rc.Limit+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	var up time.Duration
	for rows.Next() {
		var r lateRow
		d, e := &r.was, &r.endpoint
		err := rows.Scan(&rc.now, &up, &d.ID, (*nullText)(&d.Tenant), &d.Event, &d.Endpoint, (*nullText)(&d.State),
			(*nullText)(&d.Reason), &d.Attempt, &d.Interruptions, &d.DueAt, &d.StartedAt, &d.LeaseUntil, &d.WakeAt,
			&d.ExpiresAt, &d.ReplayOf, (*nullText)(&e.Status), &e.PausedAt, &e.PausedTotal, &e.ThrottledUntil,
			&e.Schedule, &e.Timeout)
		if err != nil {
			return err
		}
		r.known = e.Status != ""
		rc.rows = append(rc.rows, r)
	}
	rc.EndLeases = rc.EndLeases && up > rc.s.options.startGrace
	if len(rc.rows) > rc.Limit {
		rc.rows, rc.out.More = rc.rows[:rc.Limit], true
	}
	return rows.Err()
}

// move decides about each row by the policy, and what must be said about it.
func (rc *reconciliation) move() {
	var due []store.Due
	for i := range rc.rows {
		r := &rc.rows[i]
		var e *webhook.Endpoint
		if r.known {
			e = &r.endpoint
		}
		var action webhook.Action
		r.is, action = rc.s.policy.Reconcile(r.was, e, rc.EndLeases, rc.now)
		rc.out.Counts[action]++
		item := store.ClaimItem{Delivery: r.is.ID, Endpoint: r.is.Endpoint, Attempt: r.is.Attempt}
		switch action {
		case webhook.ActionHint, webhook.ActionInterrupt:
			due = append(due, store.Due{ClaimItem: item, DueAt: r.is.DueAt})
		case webhook.ActionTimer:
			rc.out.Timers = append(rc.out.Timers, store.Due{ClaimItem: item, DueAt: r.is.DueAt})
		}
	}
	rc.out.Due, rc.out.Endpoints = collapse(due, rc.PerEndpoint)
}

// collapse names the endpoints that have more than perEndpoint deliveries as a whole.
func collapse(due []store.Due, perEndpoint int) (named []store.Due, endpoints []webhook.ID) {
	count := make(map[webhook.ID]int)
	for _, d := range due {
		count[d.Endpoint]++
		if count[d.Endpoint] == perEndpoint+1 {
			endpoints = append(endpoints, d.Endpoint)
		}
	}
	return slices.DeleteFunc(due, func(d store.Due) bool { return count[d.Endpoint] > perEndpoint }), endpoints
}

// writeLate writes the rows back, and the attempts that ended without a result. The rows are locked, so nothing needs
// to be compared.
func (rc *reconciliation) writeLate(ctx context.Context, tx pgx.Tx) error {
	if len(rc.rows) == 0 {
		return nil
	}
	slices.SortFunc(rc.rows, func(a, b lateRow) int { return bytes.Compare(a.was.ID[:], b.was.ID[:]) })
	var id, state, reason, interruptions, dueAt, leaseUntil, wakeAt array
	var ended, number, startedAt array
	var given notices
	for i := range rc.rows {
		was, is := &rc.rows[i].was, &rc.rows[i].is
		id.uuid(is.ID)
		state.text(string(is.State))
		reason.optional(string(is.Reason))
		interruptions.int32(is.Interruptions)
		dueAt.time(is.DueAt)
		leaseUntil.time(is.LeaseUntil)
		wakeAt.time(is.WakeAt)
		if was.State == webhook.StateAttempting && is.State != webhook.StateAttempting {
			ended.uuid(was.ID)
			number.int32(was.Attempt)
			startedAt.time(was.StartedAt)
		}
		if is.State == webhook.StateExhausted {
			given.exhausted(is)
		}
	}
	b := new(pgx.Batch)
	b.Queue(moveSQL, &id, &state, &reason, &interruptions, &dueAt, &leaseUntil, &wakeAt)
	if ended.count > 0 {
		b.Queue(interruptedSQL, &ended, &number, &startedAt)
	}
	given.queue(b)
	return tx.SendBatch(ctx, b).Close()
}

// wakeEndpoints looks at the endpoints whose wake time has passed. Those that are open and have due deliveries are
// named; they stay awake, for what was held back while they were closed has wake times that are far off, and writing
// each of them as the endpoint opens would cost a write each. The limit is that of the call, less what was used.
func (rc *reconciliation) wakeEndpoints(ctx context.Context, tx pgx.Tx) error {
	left := rc.Limit - len(rc.rows)
	rows, err := tx.Query(ctx, wakingSQL, left, rc.s.policy.WakeGrace)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id webhook.ID
		var beyond, due bool
		if err := rows.Scan(&id, &beyond, &due); err != nil {
			return err
		}
		if beyond {
			rc.out.More = true
		}
		if due && !slices.Contains(rc.out.Endpoints, id) {
			rc.out.Endpoints = append(rc.out.Endpoints, id)
		}
	}
	return rows.Err()
}
