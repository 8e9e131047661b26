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
			encodeHeaders(r.Headers), r.Body, perDay).Scan(&kept)
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
	if err := row.Scan(&r.ID, &r.Reason, &r.Detail, &headers, &r.Body, &r.RejectedAt); err != nil || headers == nil {
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
