package postgres

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// insertSecret seals a secret and stores it.
func (s *Store) insertSecret(ctx context.Context, tx pgx.Tx, tenant string, secret *webhook.Secret) error {
	keyID, sealed, err := s.sealSecret(tenant, secret)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, createSecretSQL, secret.ID, secret.Endpoint, tenant, string(secret.Kind), keyID, sealed,
		secret.ExpiresAt)
	return err
}

// AddSecret implements [store.Directory].
func (s *Store) AddSecret(ctx context.Context, tenant string, secret webhook.Secret, overlap time.Duration) error {
	return s.run(ctx, "add secret", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, touchEndpointSQL, secret.Endpoint, tenant)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return store.ErrNotFound
			}
			if err := bumpTenant(ctx, tx, tenant); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, expireSecretsSQL, secret.Endpoint, string(secret.Kind), overlap); err != nil {
				return err
			}
			return s.insertSecret(ctx, tx, tenant, &secret)
		})
	})
}

// Secrets implements [store.Directory]. Errors, besides those: a secret that cannot be opened.
func (s *Store) Secrets(ctx context.Context, tenant string, endpoint webhook.ID) ([]webhook.Secret, error) {
	var list []webhook.Secret
	err := s.run(ctx, "secrets", func(ctx context.Context) (err error) {
		list, err = s.secrets(ctx, tenant, endpoint)
		return err
	})
	return list, err
}

func (s *Store) secrets(ctx context.Context, tenant string, endpoint webhook.ID) ([]webhook.Secret, error) {
	rows, err := s.pool.Query(ctx, secretsSQL, endpoint, tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []webhook.Secret
	found := false
	for rows.Next() {
		found = true
		secret := webhook.Secret{Endpoint: endpoint}
		var kind, keyID string
		var sealed []byte
		err := rows.Scan(&secret.ID, (*nullText)(&kind), (*nullText)(&keyID), &sealed, &secret.CreatedAt, &secret.ExpiresAt)
		if err != nil {
			return nil, err
		}
		if secret.ID.IsZero() {
			continue // an endpoint without secrets
		}
		secret.Kind = webhook.SecretKind(kind)
		if secret.Key, err = s.openSecret(tenant, &secret, keyID, sealed); err != nil {
			return nil, err
		}
		list = append(list, secret)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if !found {
		return nil, store.ErrNotFound
	}
	return list, nil
}

// PublicKeys implements [store.Directory].
func (s *Store) PublicKeys(ctx context.Context, endpoint webhook.ID) ([]ed25519.PublicKey, error) {
	return s.publicKeys(ctx, "public keys", publicSecretsSQL, endpoint)
}

// TenantPublicKeys implements [store.Directory].
func (s *Store) TenantPublicKeys(ctx context.Context, tenant string, limit int) ([]ed25519.PublicKey, error) {
	if err := checkPage(limit); err != nil {
		return nil, classify("public keys of a tenant", err)
	}
	return s.publicKeys(ctx, "public keys of a tenant", tenantPublicSecretsSQL, tenant, limit)
}

// publicKeys opens the secrets that a query finds, and returns their public halves.
func (s *Store) publicKeys(ctx context.Context, op, sql string, args ...any) ([]ed25519.PublicKey, error) {
	var list []ed25519.PublicKey
	err := s.run(ctx, op, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, s.scanPublicKey)
		if err == nil && len(list) == 0 {
			return store.ErrNotFound
		}
		return err
	})
	return list, err
}

func (s *Store) scanPublicKey(row pgx.CollectableRow) (ed25519.PublicKey, error) {
	var secret webhook.Secret
	var tenant, keyID string
	var sealed []byte
	if err := row.Scan(&tenant, &secret.Endpoint, &secret.ID, &keyID, &sealed); err != nil {
		return nil, err
	}
	key, err := s.openSecret(tenant, &secret, keyID, sealed)
	if err == nil && len(key) != ed25519.PrivateKeySize {
		err = errSealing
	}
	if err != nil {
		return nil, err
	}
	return ed25519.PrivateKey(key).Public().(ed25519.PublicKey), nil
}
