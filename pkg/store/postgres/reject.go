package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Reject implements [store.Accepter]. Texts that cannot be stored are stored with U+FFFD in the place of what is not
// text: what is rejected is often rejected for that.
func (s *Store) Reject(ctx context.Context, r store.Rejected, perDay int) (kept bool, err error) {
	err = s.run(ctx, "reject", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, rejectSQL, r.ID, clean(r.Tenant), clean(r.Reason), clean(r.Detail),
			encodeHeaders(r.Headers), r.Body, perDay, r.Whole).Scan(&kept)
	})
	return kept, err
}

// RejectedEvents implements [store.Browser].
func (s *Store) RejectedEvents(ctx context.Context, tenant string, limit int) ([]store.Rejected, error) {
	var list []store.Rejected
	err := s.run(ctx, "rejected events", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, rejectedSQL, tenant, max(limit, 0))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Rejected, error) {
			return scanRejected(row, tenant)
		})
		return err
	})
	return list, err
}

// scanRejected reads a row of the queries for what was rejected.
func scanRejected(row pgx.Row, tenant string) (store.Rejected, error) {
	r := store.Rejected{Tenant: tenant}
	var headers []byte
	err := row.Scan(&r.ID, &r.Reason, &r.Detail, &headers, &r.Body, &r.RejectedAt, &r.Whole, &r.RedriveAt, &r.Event)
	if err != nil || headers == nil {
		return r, err
	}
	return r, json.Unmarshal(headers, &r.Headers)
}

// RejectedPage implements [store.Browser].
func (s *Store) RejectedPage(
	ctx context.Context, tenant string, before webhook.ID, limit int,
) ([]store.Rejected, error) {
	var list []store.Rejected
	err := s.run(ctx, "rejected page", func(ctx context.Context) error {
		if err := checkPage(limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, rejectedPageSQL, tenant, orLast(before), limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Rejected, error) {
			return scanRejected(row, tenant)
		})
		return err
	})
	return list, err
}

// Rejected implements [store.Browser].
func (s *Store) Rejected(ctx context.Context, tenant string, id webhook.ID) (store.Rejected, error) {
	var r store.Rejected
	err := s.run(ctx, "rejected", func(ctx context.Context) (err error) {
		r, err = scanRejected(s.pool.QueryRow(ctx, rejectedOneSQL, id, tenant), tenant)
		return err
	})
	if err != nil {
		return store.Rejected{}, err
	}
	return r, nil
}

// DiscardRejected implements [store.Browser].
func (s *Store) DiscardRejected(ctx context.Context, tenant string, id webhook.ID) error {
	return s.run(ctx, "discard rejected", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, "DELETE FROM rejected_events WHERE id = $1 AND tenant = $2", id, tenant)
			if err == nil && tag.RowsAffected() == 0 {
				return store.ErrNotFound
			}
			return err
		})
	})
}

// Redrive implements [store.Browser].
func (s *Store) Redrive(ctx context.Context, tenant string, id webhook.ID) error {
	return s.run(ctx, "redrive", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			var can bool
			err := tx.QueryRow(ctx, "SELECT whole AND event_id IS NULL FROM rejected_events WHERE id = $1 AND tenant = $2 "+
				"FOR UPDATE", id, tenant).Scan(&can)
			if err != nil {
				return err
			}
			if !can {
				return store.ErrConflict
			}
			_, err = tx.Exec(ctx,
				"UPDATE rejected_events SET redrive_at = coalesce(redrive_at, clock_timestamp()) WHERE id = $1", id)
			return err
		})
	})
}

// RedriveAll implements [store.Browser].
func (s *Store) RedriveAll(ctx context.Context, tenant, reason string, limit int) (n int, err error) {
	err = s.run(ctx, "redrive all", func(ctx context.Context) error {
		if err := checkPage(limit); err != nil {
			return err
		}
		return s.change(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, redriveAllSQL, tenant, reason, limit)
			n = int(tag.RowsAffected())
			return err
		})
	})
	return n, err
}

// Redrives implements [store.Redriver].
func (s *Store) Redrives(ctx context.Context, limit int) ([]store.Rejected, error) {
	var list []store.Rejected
	err := s.run(ctx, "redrives", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, redrivesSQL, max(limit, 0))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Rejected, error) {
			var r store.Rejected
			var headers []byte
			err := row.Scan(&r.Tenant, &r.ID, &r.Reason, &r.Detail, &headers, &r.Body, &r.RejectedAt, &r.Whole, &r.RedriveAt,
				&r.Event)
			if err != nil || headers == nil {
				return r, err
			}
			return r, json.Unmarshal(headers, &r.Headers)
		})
		return err
	})
	return list, err
}

// Redriven implements [store.Redriver].
func (s *Store) Redriven(ctx context.Context, r store.Redriven) error {
	return s.run(ctx, "redriven", func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, redrivenSQL, r.ID, r.Tenant, r.Event, clean(r.Reason), clean(r.Detail))
		return err
	})
}
