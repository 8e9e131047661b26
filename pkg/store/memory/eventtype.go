package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// typeKey names an event type.
type typeKey struct{ tenant, name string }

var errPolicy = fmt.Errorf("%w: there is no such schema policy", store.ErrInvalid)

func cloneEventType(t store.EventType) store.EventType {
	t.Schema, t.Example, t.ArchivedAt = bytes.Clone(t.Schema), bytes.Clone(t.Example), stamp(t.ArchivedAt)
	return t
}

// checkEventType says why an event type cannot be stored.
func checkEventType(t *store.EventType) error {
	if !storable(t.Name, t.Description, string(t.Schema), string(t.Example)) {
		return errText
	}
	if t.Policy != "" && !t.Policy.Valid() {
		return errPolicy
	}
	return nil
}

// CreateEventType implements store.Directory.
func (s *Store) CreateEventType(ctx context.Context, t store.EventType) error {
	return s.change(ctx, "createeventtype", func(now time.Time) error {
		tenant, key := s.tenant(t.Tenant), typeKey{t.Tenant, t.Name}
		if tenant == nil {
			return store.ErrNotFound
		}
		if err := checkEventType(&t); err != nil {
			return err
		}
		if s.eventTypes[key] != nil {
			return store.ErrConflict
		}
		if len(s.eventTypesOf(t.Tenant)) >= store.MaxEventTypes {
			return fmt.Errorf("%w: a tenant has at most %d event types", store.ErrInvalid, store.MaxEventTypes)
		}
		t = cloneEventType(t)
		t.Version, t.CreatedAt = 1, now
		s.eventTypes[key] = &t
		tenant.version++
		return nil
	})
}

// eventTypesOf returns a tenant's catalogue, by name.
func (s *Store) eventTypesOf(tenant string) []store.EventType {
	var list []store.EventType
	for key, t := range s.eventTypes {
		if key.tenant == tenant {
			list = append(list, cloneEventType(*t))
		}
	}
	slices.SortFunc(list, func(a, b store.EventType) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// schemasOf returns the schemas that a tenant's events are held to.
func (s *Store) schemasOf(tenant *tenantRow) []store.EventSchema {
	var list []store.EventSchema
	for _, t := range s.eventTypesOf(tenant.ID) {
		policy := cmp.Or(t.Policy, tenant.SchemaPolicy)
		if t.Schema != nil && policy != webhook.SchemaOff {
			list = append(list, store.EventSchema{Type: t.Name, Schema: t.Schema, Policy: policy})
		}
	}
	return list
}

// EventType implements store.Directory.
func (s *Store) EventType(ctx context.Context, tenant, name string) (store.EventType, error) {
	return run(ctx, s, "eventtype", func(time.Time) (store.EventType, error) {
		t := s.eventTypes[typeKey{tenant, name}]
		if t == nil {
			return store.EventType{}, store.ErrNotFound
		}
		return cloneEventType(*t), nil
	})
}

// EventTypePage implements store.Directory.
func (s *Store) EventTypePage(ctx context.Context, q store.EventTypeQuery) ([]store.EventType, error) {
	return run(ctx, s, "eventtypepage", func(time.Time) ([]store.EventType, error) {
		list := slices.DeleteFunc(s.eventTypesOf(q.Tenant), func(t store.EventType) bool {
			text := strings.ToLower(t.Name + "\n" + t.Description)
			return t.Name <= q.After || !q.Archived && !t.ArchivedAt.IsZero() ||
				!strings.Contains(text, strings.ToLower(q.Search))
		})
		return page(list, q.Limit)
	})
}

// UpdateEventType implements store.Directory.
func (s *Store) UpdateEventType(ctx context.Context, t store.EventType) error {
	return s.change(ctx, "updateeventtype", func(time.Time) error {
		row := s.eventTypes[typeKey{t.Tenant, t.Name}]
		if row == nil || s.tenant(t.Tenant) == nil {
			return store.ErrNotFound
		}
		if err := checkEventType(&t); err != nil {
			return err
		}
		if row.Version != t.Version {
			return store.ErrConflict
		}
		t = cloneEventType(t)
		t.Version, t.CreatedAt = row.Version+1, row.CreatedAt
		*row = t
		s.tenants[t.Tenant].version++
		return nil
	})
}

// DeleteEventType implements store.Directory.
func (s *Store) DeleteEventType(ctx context.Context, tenant, name string) error {
	return s.change(ctx, "deleteeventtype", func(time.Time) error {
		key := typeKey{tenant, name}
		if s.eventTypes[key] == nil || s.tenant(tenant) == nil {
			return store.ErrNotFound
		}
		delete(s.eventTypes, key)
		s.tenants[tenant].version++
		return nil
	})
}
