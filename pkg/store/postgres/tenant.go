package postgres

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// CreateTenant implements [store.Directory].
func (s *Store) CreateTenant(ctx context.Context, id string) error {
	return s.AddTenant(ctx, store.Tenant{ID: id})
}

// AddTenant implements [store.Directory].
func (s *Store) AddTenant(ctx context.Context, t store.Tenant) error {
	return s.run(ctx, "add tenant", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO tenants (id, name, schema_policy) VALUES ($1, $2, $3)", t.ID, t.Name,
				cmp.Or(t.SchemaPolicy, webhook.SchemaOff))
			return err
		})
	})
}

// Tenants implements [store.Directory].
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.run(ctx, "tenants", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `SELECT id FROM tenants WHERE deleted_at IS NULL ORDER BY id COLLATE "C"`)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return ids, err
}

// scanTenant reads a row of the tenant queries.
func scanTenant(row pgx.Row) (t store.Tenant, err error) {
	return t, row.Scan(&t.ID, &t.Name, &t.Version, &t.CreatedAt, &t.DeletedAt, &t.SchemaPolicy)
}

// Tenant implements [store.Directory].
func (s *Store) Tenant(ctx context.Context, id string) (store.Tenant, error) {
	var t store.Tenant
	err := s.run(ctx, "tenant", func(ctx context.Context) (err error) {
		t, err = scanTenant(s.pool.QueryRow(ctx, tenantSQL, id))
		return err
	})
	if err != nil {
		return store.Tenant{}, err
	}
	return t, nil
}

// TenantPage implements [store.Directory].
func (s *Store) TenantPage(ctx context.Context, after string, limit int) ([]store.Tenant, error) {
	var list []store.Tenant
	err := s.run(ctx, "tenant page", func(ctx context.Context) error {
		if err := checkPage(limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, tenantPageSQL, after, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Tenant, error) { return scanTenant(row) })
		return err
	})
	return list, err
}

// checkPage refuses pages that are too large, or empty.
func checkPage(limit int) error {
	if limit < 1 || limit > maxPage {
		return fmt.Errorf("%w: a page has 1 to %d items", store.ErrInvalid, maxPage)
	}
	return nil
}

// UpdateTenant implements [store.Directory].
func (s *Store) UpdateTenant(ctx context.Context, t store.Tenant) error {
	return s.run(ctx, "update tenant", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, updateTenantSQL, t.ID, t.Name, t.Version, cmp.Or(t.SchemaPolicy, webhook.SchemaOff))
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
			var there bool
			err = tx.QueryRow(ctx, "SELECT true FROM tenants WHERE id = $1 AND deleted_at IS NULL", t.ID).Scan(&there)
			return cmp.Or(err, store.ErrConflict) // no row: not found
		})
	})
}

// DeleteTenant implements [store.Directory].
func (s *Store) DeleteTenant(ctx context.Context, id string) error {
	return s.run(ctx, "delete tenant", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			var now time.Time
			if err := tx.QueryRow(ctx, deleteTenantSQL, id).Scan(&now); err != nil {
				return err // no row: not found
			}
			_, err := tx.Exec(ctx, eraseJobSQL, s.ids.New(now), id, creator(ctx))
			return err
		})
	})
}
