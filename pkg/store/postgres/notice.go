package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// notices are those of deliveries that a statement is about to exhaust.
type notices struct {
	delivery, tenant, endpoint, event, reason, attempts array
}

// exhausted adds the notice of a delivery.
func (n *notices) exhausted(d *webhook.Delivery) {
	n.delivery.uuid(d.ID)
	n.tenant.text(d.Tenant)
	n.endpoint.uuid(d.Endpoint)
	n.event.uuid(d.Event)
	n.reason.text(string(d.Reason))
	n.attempts.int32(d.Attempt)
}

// queue adds the statement that writes them, if there are any.
func (n *notices) queue(b *pgx.Batch) {
	if n.delivery.count > 0 {
		b.Queue(addNoticesSQL, &n.delivery, &n.tenant, &n.endpoint, &n.event, &n.reason, &n.attempts)
	}
}

// Untold implements [store.Notices].
func (s *Store) Untold(ctx context.Context, limit int) ([]store.Notice, error) {
	var list []store.Notice
	err := s.run(ctx, "untold", func(ctx context.Context) error {
		if err := checkPage(limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, noticesSQL, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n store.Notice, err error) {
			return n, row.Scan(&n.ID, &n.At, (*string)(&n.Kind), &n.Tenant, &n.Endpoint, &n.Delivery, &n.Event, &n.Reason,
				&n.Attempts, &n.Succeeded)
		})
		return err
	})
	return list, err
}

// errStale undoes a Tell with an event that was planned by an old configuration.
var errStale = errors.New("stale")

// Tell implements [store.Notices].
func (s *Store) Tell(
	ctx context.Context, told []webhook.ID, events []store.NewEvent,
) ([]store.Accepted, error) {
	a := acceptance{events: events, group: make([]int, len(events)), results: make([]store.Accepted, len(events))}
	for i := range events {
		a.group[i] = i
	}
	err := s.run(ctx, "tell", func(ctx context.Context) error {
		err := s.tell(ctx, told, a)
		if noPartition(err) && s.partitionsFor(ctx, a) == nil {
			err = s.tell(ctx, told, a)
		}
		if errors.Is(err, errStale) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.results, nil
}

// tell is one try of Tell. An event that cannot be stored is refused alone: its notice must not come again for ever.
func (s *Store) tell(ctx context.Context, told []webhook.ID, a acceptance) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, toldSQL, uuids(told)); err != nil || len(a.group) == 0 {
			return err
		}
		if err := s.acceptHalves(ctx, tx, a); err != nil {
			return err
		}
		for i := range a.results {
			if a.results[i].Status == store.AcceptStale {
				return errStale
			}
		}
		return nil
	})
}
