package postgres

import (
	"context"

	"github.com/homing-hooks/homing/pkg/store"
)

// Subscriptions implements [store.Accepter]. The endpoints come without their headers, which matching does not need and
// ingest has no right to read.
func (s *Store) Subscriptions(ctx context.Context, tenant string) (store.Subscriptions, error) {
	out := store.Subscriptions{Tenant: tenant}
	err := s.run(ctx, "subscriptions", func(ctx context.Context) error {
		// The version first: should the configuration change in between, it is older than the endpoints, and what is
		// matched with it is stale and matched again.
		err := s.pool.QueryRow(ctx, configVersionSQL, tenant).Scan(&out.Version)
		if err != nil {
			return err
		}
		if out.Endpoints, err = s.listEndpoints(ctx, matchEndpointsSQL, tenant); err != nil {
			return err
		}
		out.Schemas, err = s.schemas(ctx, tenant)
		return err
	})
	if err != nil {
		return store.Subscriptions{}, err
	}
	return out, nil
}

const configVersionSQL = "SELECT config_version FROM tenants WHERE id = $1 AND deleted_at IS NULL"

// ConfigVersion implements [store.Accepter].
func (s *Store) ConfigVersion(ctx context.Context, tenant string) (version int64, err error) {
	err = s.run(ctx, "config version", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, configVersionSQL, tenant).Scan(&version)
	})
	return version, err
}
