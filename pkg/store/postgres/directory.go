package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// CreateTenant implements [store.Directory].
func (s *Store) CreateTenant(ctx context.Context, id string) error {
	return s.run(ctx, "create tenant", func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, "INSERT INTO tenants (id) VALUES ($1)", id)
		return err
	})
}

// Tenants implements [store.Directory].
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.run(ctx, "tenants", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `SELECT id FROM tenants ORDER BY id COLLATE "C"`)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return ids, err
}

// CreateKey implements [store.Directory].
func (s *Store) CreateKey(ctx context.Context, k store.APIKey) error {
	return s.run(ctx, "create key", func(ctx context.Context) error {
		return s.inTx(ctx, func(tx pgx.Tx) error {
			if err := bumpTenant(ctx, tx, k.Tenant); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, createKeySQL, k.ID, k.Tenant, k.Name, k.Hash[:], k.ExpiresAt)
			return err
		})
	})
}

// RevokeKey implements [store.Directory].
func (s *Store) RevokeKey(ctx context.Context, tenant string, id webhook.ID) error {
	return s.run(ctx, "revoke key", func(ctx context.Context) error {
		return s.inTx(ctx, func(tx pgx.Tx) error {
			var revoked bool
			if err := tx.QueryRow(ctx, revokeKeySQL, id, tenant).Scan(&revoked); err != nil || !revoked {
				return err
			}
			return bumpTenant(ctx, tx, tenant)
		})
	})
}

// Authenticate implements [store.Accepter].
func (s *Store) Authenticate(ctx context.Context, hash [32]byte) (store.APIKey, error) {
	k := store.APIKey{Hash: hash}
	err := s.run(ctx, "authenticate", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, authenticateSQL, hash[:]).
			Scan(&k.ID, &k.Tenant, &k.Name, &k.ConfigVersion, &k.CreatedAt, &k.ExpiresAt)
	})
	if err != nil {
		return store.APIKey{}, err
	}
	return k, nil
}

// Subscriptions implements [store.Accepter]. The endpoints come without their headers, which matching does not need and
// ingest has no right to read.
func (s *Store) Subscriptions(ctx context.Context, tenant string) (store.Subscriptions, error) {
	out := store.Subscriptions{Tenant: tenant}
	err := s.run(ctx, "subscriptions", func(ctx context.Context) error {
		// The version first: should the configuration change in between, it is older than the endpoints, and what is
		// matched with it is stale and matched again.
		err := s.pool.QueryRow(ctx, "SELECT config_version FROM tenants WHERE id = $1", tenant).Scan(&out.Version)
		if err != nil {
			return err
		}
		out.Endpoints, err = s.listEndpoints(ctx, s.pool, matchEndpointsSQL, tenant)
		return err
	})
	if err != nil {
		return store.Subscriptions{}, err
	}
	return out, nil
}
