package postgres

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// CreateKey implements [store.Directory].
func (s *Store) CreateKey(ctx context.Context, k store.APIKey) error {
	return s.run(ctx, "create key", func(ctx context.Context) error {
		if k.Scopes == nil {
			k.Scopes = webhook.TenantScopes()
		}
		for _, scope := range k.Scopes {
			if !scope.Valid() {
				return fmt.Errorf("%w: there is no scope %.20q", store.ErrInvalid, scope)
			}
		}
		k.Kind = cmp.Or(k.Kind, store.KeyPlain)
		if k.Kind == store.KeyPortal && (k.Tenant == "" || k.ExpiresAt.IsZero()) {
			return fmt.Errorf("%w: a portal's key has a tenant and an end", store.ErrInvalid)
		}
		return s.change(ctx, func(tx pgx.Tx) error {
			if err := keyIsFor(ctx, tx, k); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, createKeySQL, k.ID, optional(k.Tenant), k.Name, k.Hash[:], k.Scopes, k.ExpiresAt,
				string(k.Kind))
			return err
		})
	})
}

// keyIsFor looks at the tenant of a new key, and moves its configuration on. For a portal's key it does not: they are
// made all the time, and nobody can know one yet.
func keyIsFor(ctx context.Context, tx pgx.Tx, k store.APIKey) error {
	switch {
	case k.Tenant == "":
		return nil
	case k.Kind == store.KeyPortal:
		return tx.QueryRow(ctx, "SELECT true FROM tenants WHERE id = $1 AND deleted_at IS NULL", k.Tenant).Scan(new(bool))
	default:
		return bumpTenant(ctx, tx, k.Tenant)
	}
}

// scanKey reads a row of the key queries.
func scanKey(row pgx.Row) (k store.APIKey, err error) {
	err = row.Scan(&k.ID, (*string)(&k.Kind), &k.Tenant, &k.Name, &k.Scopes, &k.CreatedAt, &k.ExpiresAt, &k.RevokedAt,
		&k.LastUsedAt)
	return k, err
}

// Key implements [store.Directory].
func (s *Store) Key(ctx context.Context, tenant string, id webhook.ID) (store.APIKey, error) {
	var k store.APIKey
	err := s.run(ctx, "key", func(ctx context.Context) (err error) {
		k, err = scanKey(s.pool.QueryRow(ctx, keySQL, id, tenant))
		return err
	})
	if err != nil {
		return store.APIKey{}, err
	}
	return k, nil
}

// KeyPage implements [store.Directory].
func (s *Store) KeyPage(ctx context.Context, tenant string, after webhook.ID, limit int) ([]store.APIKey, error) {
	var list []store.APIKey
	err := s.run(ctx, "key page", func(ctx context.Context) error {
		if err := checkPage(limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, keyPageSQL, tenant, after, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.APIKey, error) { return scanKey(row) })
		return err
	})
	return list, err
}

// RevokeKey implements [store.Directory].
func (s *Store) RevokeKey(ctx context.Context, tenant string, id webhook.ID) error {
	return s.run(ctx, "revoke key", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			var revoked bool
			if err := tx.QueryRow(ctx, revokeKeySQL, id, tenant).Scan(&revoked); err != nil || !revoked || tenant == "" {
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
			Scan(&k.ID, (*string)(&k.Kind), &k.Tenant, &k.Name, &k.Scopes, &k.ConfigVersion, &k.CreatedAt, &k.ExpiresAt)
	})
	if err != nil {
		return store.APIKey{}, err
	}
	return k, nil
}
