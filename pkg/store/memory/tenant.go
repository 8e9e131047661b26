package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var tenantID = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// tenantRow is a tenant's row; version is that of its configuration.
type tenantRow struct {
	store.Tenant
	version int64
}

// tenant returns a tenant that is not being deleted; nil when there is none.
func (s *Store) tenant(id string) *tenantRow {
	if t := s.tenants[id]; t != nil && t.DeletedAt.IsZero() {
		return t
	}
	return nil
}

// CreateTenant implements store.Directory.
func (s *Store) CreateTenant(ctx context.Context, id string) error {
	return s.AddTenant(ctx, store.Tenant{ID: id})
}

// AddTenant implements store.Directory.
func (s *Store) AddTenant(ctx context.Context, t store.Tenant) error {
	return s.change(ctx, "addtenant", func(now time.Time) error {
		switch {
		case !tenantID.MatchString(t.ID):
			return fmt.Errorf("%w: a tenant's id is [a-z0-9_-]{1,64}", store.ErrInvalid)
		case !storable(t.Name):
			return errText
		case !cmp.Or(t.SchemaPolicy, webhook.SchemaOff).Valid():
			return errPolicy
		case s.tenants[t.ID] != nil:
			return store.ErrConflict
		}
		// Its version is later than any of a tenant with that id before, for somebody may remember one.
		s.tenants[t.ID] = &tenantRow{version: now.UnixMicro(), Tenant: store.Tenant{
			ID: t.ID, Name: t.Name, Version: 1, CreatedAt: now, SchemaPolicy: cmp.Or(t.SchemaPolicy, webhook.SchemaOff),
		}}
		return nil
	})
}

// Tenants implements store.Directory.
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	return run(ctx, s, "tenants", func(time.Time) ([]string, error) {
		ids := slices.Sorted(maps.Keys(s.tenants))
		return slices.DeleteFunc(ids, func(id string) bool { return s.tenant(id) == nil }), nil
	})
}

// Tenant implements store.Directory.
func (s *Store) Tenant(ctx context.Context, id string) (store.Tenant, error) {
	return run(ctx, s, "tenant", func(time.Time) (store.Tenant, error) {
		if t := s.tenants[id]; t != nil {
			return t.Tenant, nil
		}
		return store.Tenant{}, store.ErrNotFound
	})
}

// TenantPage implements store.Directory.
func (s *Store) TenantPage(ctx context.Context, after string, limit int) ([]store.Tenant, error) {
	return run(ctx, s, "tenantpage", func(time.Time) ([]store.Tenant, error) {
		var list []store.Tenant
		for _, id := range slices.Sorted(maps.Keys(s.tenants)) {
			if id > after {
				list = append(list, s.tenants[id].Tenant)
			}
		}
		return page(list, limit)
	})
}

// page returns the first of a list.
func page[T any](list []T, limit int) ([]T, error) {
	if limit < 1 || limit > maxPage {
		return nil, fmt.Errorf("%w: a page has 1 to %d items", store.ErrInvalid, maxPage)
	}
	return list[:min(limit, len(list))], nil
}

// UpdateTenant implements store.Directory.
func (s *Store) UpdateTenant(ctx context.Context, t store.Tenant) error {
	return s.change(ctx, "updatetenant", func(time.Time) error {
		row := s.tenant(t.ID)
		switch {
		case row == nil:
			return store.ErrNotFound
		case !storable(t.Name):
			return errText
		case !cmp.Or(t.SchemaPolicy, webhook.SchemaOff).Valid():
			return errPolicy
		case row.Version != t.Version:
			return store.ErrConflict
		}
		row.Name, row.SchemaPolicy = t.Name, cmp.Or(t.SchemaPolicy, webhook.SchemaOff)
		row.Version++
		row.version++
		return nil
	})
}

// DeleteTenant implements store.Directory.
func (s *Store) DeleteTenant(ctx context.Context, id string) error {
	return s.change(ctx, "deletetenant", func(now time.Time) error {
		row := s.tenants[id]
		if row == nil {
			return store.ErrNotFound
		}
		if row.DeletedAt.IsZero() {
			row.DeletedAt = now
			row.Version++
			row.version++
		}
		s.startErasure(id, creator(ctx), now)
		return nil
	})
}

// CreateKey implements store.Directory.
func (s *Store) CreateKey(ctx context.Context, k store.APIKey) error {
	return s.change(ctx, "createkey", func(now time.Time) error {
		if k.Scopes == nil {
			k.Scopes = webhook.TenantScopes()
		}
		k.Kind = cmp.Or(k.Kind, store.KeyPlain)
		switch {
		case k.Kind == store.KeyPortal && (k.Tenant == "" || k.ExpiresAt.IsZero()):
			return fmt.Errorf("%w: a portal's key has a tenant and an end", store.ErrInvalid)
		case k.Kind != store.KeyPlain && k.Kind != store.KeyPortal:
			return fmt.Errorf("%w: there is no such kind of key", store.ErrInvalid)
		case k.Tenant != "" && s.tenant(k.Tenant) == nil:
			return store.ErrNotFound
		case !storable(k.Name):
			return errText
		case slices.ContainsFunc(k.Scopes, func(scope webhook.Scope) bool { return !scope.Valid() }):
			return fmt.Errorf("%w: there is no such scope", store.ErrInvalid)
		case s.keys[k.Hash] != nil || s.key(k.ID) != nil:
			return store.ErrConflict
		}
		k.ConfigVersion, k.CreatedAt, k.RevokedAt, k.LastUsedAt = 0, now, time.Time{}, time.Time{}
		k.ExpiresAt, k.Scopes = stamp(k.ExpiresAt), slices.Clone(k.Scopes)
		s.keys[k.Hash] = &k
		if k.Tenant != "" && k.Kind != store.KeyPortal {
			s.tenants[k.Tenant].version++
		}
		return nil
	})
}

// key finds a key by its id.
func (s *Store) key(id webhook.ID) *store.APIKey {
	for _, k := range s.keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// shown is a key as Key returns it.
func shown(k store.APIKey) store.APIKey {
	k.Hash, k.Scopes = [32]byte{}, slices.Clone(k.Scopes)
	return k
}

// Key implements store.Directory.
func (s *Store) Key(ctx context.Context, tenant string, id webhook.ID) (store.APIKey, error) {
	return run(ctx, s, "key", func(time.Time) (store.APIKey, error) {
		if k := s.key(id); k != nil && k.Tenant == tenant {
			return shown(*k), nil
		}
		return store.APIKey{}, store.ErrNotFound
	})
}

// KeyPage implements store.Directory.
func (s *Store) KeyPage(ctx context.Context, tenant string, after webhook.ID, limit int) ([]store.APIKey, error) {
	return run(ctx, s, "keypage", func(time.Time) ([]store.APIKey, error) {
		var list []store.APIKey
		for _, k := range s.keys {
			if k.Tenant == tenant && bytes.Compare(k.ID[:], after[:]) > 0 {
				list = append(list, shown(*k))
			}
		}
		slices.SortFunc(list, func(a, b store.APIKey) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		return page(list, limit)
	})
}

// RevokeKey implements store.Directory.
func (s *Store) RevokeKey(ctx context.Context, tenant string, id webhook.ID) error {
	return s.change(ctx, "revokekey", func(now time.Time) error {
		k := s.key(id)
		if k == nil || k.Tenant != tenant || tenant != "" && k.RevokedAt.IsZero() && s.tenant(tenant) == nil {
			return store.ErrNotFound
		}
		if k.RevokedAt.IsZero() {
			k.RevokedAt = now
			if tenant != "" {
				s.tenants[tenant].version++
			}
		}
		return nil
	})
}
