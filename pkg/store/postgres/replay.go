package postgres

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// RetryNow implements [store.Browser].
func (s *Store) RetryNow(
	ctx context.Context, tenant string, id webhook.ID, ids *webhook.IDSource,
) (store.Due, error) {
	var due store.Due
	err := s.run(ctx, "retry now", func(ctx context.Context) error {
		retry := func(tx pgx.Tx) (err error) {
			due, err = s.retryNow(ctx, tx, replayOrder{tenant, id, ids})
			return err
		}
		err := s.change(ctx, retry)
		if noPartition(err) {
			now := time.Now()
			if _, err := s.makePartitions(ctx, now, now); err != nil {
				return err
			}
			err = s.change(ctx, retry)
		}
		return err
	})
	if err != nil {
		return store.Due{}, err
	}
	return due, nil
}

// replayOrder says which delivery to retry, and where the ids of a replay come from.
type replayOrder struct {
	tenant   string
	delivery webhook.ID
	ids      *webhook.IDSource
}

func (s *Store) retryNow(ctx context.Context, tx pgx.Tx, o replayOrder) (store.Due, error) {
	var d webhook.Delivery
	var e webhook.Endpoint
	var now time.Time
	err := tx.QueryRow(ctx, lockDeliverySQL, o.delivery, o.tenant).Scan(&now, (*string)(&d.State), &d.Event, &d.Endpoint,
		&d.Attempt, &d.DueAt, (*string)(&e.Status), &e.PausedAt, &e.PausedTotal, &e.Schedule, &e.Timeout)
	switch {
	case err != nil:
		return store.Due{}, err
	case d.State == webhook.StateAttempting || e.Status == webhook.EndpointDeleted:
		return store.Due{}, store.ErrConflict
	case d.State.Terminal():
		d.ID = o.delivery
		return s.replay(ctx, tx, replayed{o, d, &e, now})
	}
	if d.DueAt.After(now) {
		d.DueAt = now
	}
	_, err = tx.Exec(ctx, "UPDATE deliveries SET due_at = $2, wake_at = $3 WHERE id = $1", o.delivery, d.DueAt, now)
	return store.Due{
		ClaimItem: store.ClaimItem{Delivery: o.delivery, Endpoint: d.Endpoint, Attempt: d.Attempt}, DueAt: d.DueAt,
	}, err
}

// replayed is what a replay is made of.
type replayed struct {
	replayOrder
	old      webhook.Delivery
	endpoint *webhook.Endpoint
	now      time.Time
}

// replay copies an event to now, with one new delivery that is due at once.
func (s *Store) replay(ctx context.Context, tx pgx.Tx, r replayed) (store.Due, error) {
	d := webhook.Delivery{Tenant: r.tenant, Endpoint: r.old.Endpoint, ReplayOf: r.old.ID}
	for same := false; !same; same = d.Event.Time().Equal(d.ID.Time()) {
		d.Event, d.ID = r.ids.New(r.now), r.ids.New(r.now)
	}
	s.policy.Plan(&d, r.endpoint, r.now)
	d.DueAt, d.WakeAt = r.now, r.now
	tag, err := tx.Exec(ctx, copyEventSQL, d.Event, r.now, r.old.Event, r.tenant)
	if err == nil && tag.RowsAffected() == 0 {
		var there bool
		err = tx.QueryRow(ctx, "SELECT true FROM events WHERE id = $1 AND tenant = $2", r.old.Event, r.tenant).Scan(&there)
		err = cmp.Or(err, store.ErrErased) // no row: not found
	}
	if err != nil {
		return store.Due{}, err
	}
	_, err = tx.Exec(ctx, insertDeliverySQL, d.ID, d.Event, d.Endpoint, d.DueAt, d.WakeAt, d.ExpiresAt, string(d.State),
		d.Tenant, d.ReplayOf)
	return store.Due{ClaimItem: store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint}, DueAt: d.DueAt}, err
}

// SendTest implements [store.Browser].
func (s *Store) SendTest(ctx context.Context, t store.NewTest) (store.Due, error) {
	var due store.Due
	err := s.run(ctx, "send test", func(ctx context.Context) error {
		send := func(tx pgx.Tx) (err error) {
			due, err = s.sendTest(ctx, tx, t)
			return err
		}
		err := s.change(ctx, send)
		if noPartition(err) {
			now := time.Now()
			if _, err := s.makePartitions(ctx, now, now); err != nil {
				return err
			}
			err = s.change(ctx, send)
		}
		return err
	})
	if err != nil {
		return store.Due{}, err
	}
	return due, nil
}

func (s *Store) sendTest(ctx context.Context, tx pgx.Tx, t store.NewTest) (store.Due, error) {
	var now time.Time
	var endpoint endpointRow
	if err := tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return store.Due{}, err
	}
	e := &t.Event
	if err := endpoint.scan(tx.QueryRow(ctx, endpointSQL, t.Endpoint, e.Tenant)); err != nil {
		return store.Due{}, err
	}
	if endpoint.Status != webhook.EndpointActive {
		return store.Due{}, store.ErrConflict
	}
	_, err := tx.Exec(ctx, insertTestSQL, e.ID, now, e.Tenant, e.Source, e.CEID, e.Type, optional(e.Subject), e.Time,
		optional(e.DataType), e.Data)
	if err != nil {
		return store.Due{}, err
	}
	d := webhook.Delivery{ID: t.Delivery, Tenant: e.Tenant, Event: e.ID, Endpoint: t.Endpoint}
	s.policy.Plan(&d, &endpoint.Endpoint, now)
	d.DueAt, d.WakeAt = now, now
	_, err = tx.Exec(ctx, insertDeliverySQL, d.ID, d.Event, d.Endpoint, d.DueAt, d.WakeAt, d.ExpiresAt, string(d.State),
		d.Tenant, d.ReplayOf)
	return store.Due{ClaimItem: store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint}, DueAt: d.DueAt}, err
}

// ErasePayload implements [store.Browser].
func (s *Store) ErasePayload(ctx context.Context, tenant string, event webhook.ID) (time.Time, error) {
	var since time.Time
	err := s.run(ctx, "erase payload", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			err := tx.QueryRow(ctx, "SELECT erase_payload($1, $2)", tenant, event).Scan(&since)
			if err == nil && since.IsZero() {
				return store.ErrNotFound
			}
			return err
		})
	})
	return since, err
}
