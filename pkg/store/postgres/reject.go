package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
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
			r := store.Rejected{Tenant: tenant}
			var headers []byte
			if err := row.Scan(&r.ID, &r.Reason, &r.Detail, &headers, &r.Body, &r.RejectedAt); err != nil || headers == nil {
				return r, err
			}
			return r, json.Unmarshal(headers, &r.Headers)
		})
		return err
	})
	return list, err
}
