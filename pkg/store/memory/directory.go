package memory

import (
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

// errText says that a text cannot be stored.
var errText = fmt.Errorf("%w: a text with a NUL or bad UTF-8", store.ErrInvalid)

// CreateTenant implements store.Directory.
func (s *Store) CreateTenant(ctx context.Context, id string) error {
	return s.do(ctx, "createtenant", func(time.Time) error {
		if !tenantID.MatchString(id) {
			return fmt.Errorf("%w: a tenant's id is [a-z0-9_-]{1,64}", store.ErrInvalid)
		}
		if s.tenants[id] != nil {
			return store.ErrConflict
		}
		s.tenants[id] = &tenantRow{version: 1}
		return nil
	})
}

// Tenants implements store.Directory.
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	return run(ctx, s, "tenants", func(time.Time) ([]string, error) {
		return slices.Sorted(maps.Keys(s.tenants)), nil
	})
}

// CreateKey implements store.Directory.
func (s *Store) CreateKey(ctx context.Context, k store.APIKey) error {
	return s.do(ctx, "createkey", func(now time.Time) error {
		t := s.tenants[k.Tenant]
		if t == nil {
			return store.ErrNotFound
		}
		if !storable(k.Name) {
			return errText
		}
		if s.keys[k.Hash] != nil || s.key(k.ID) != nil {
			return store.ErrConflict
		}
		k.ConfigVersion, k.CreatedAt, k.RevokedAt = 0, now, time.Time{}
		k.ExpiresAt = stamp(k.ExpiresAt)
		s.keys[k.Hash] = &k
		t.version++
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

// RevokeKey implements store.Directory.
func (s *Store) RevokeKey(ctx context.Context, tenant string, id webhook.ID) error {
	return s.do(ctx, "revokekey", func(now time.Time) error {
		k := s.key(id)
		if k == nil || k.Tenant != tenant {
			return store.ErrNotFound
		}
		if k.RevokedAt.IsZero() {
			k.RevokedAt = now
			s.tenants[tenant].version++
		}
		return nil
	})
}

// CreateEndpoint implements store.Directory.
func (s *Store) CreateEndpoint(ctx context.Context, e webhook.Endpoint, secrets []webhook.Secret) error {
	return s.do(ctx, "createendpoint", func(now time.Time) error {
		t := s.tenants[e.Tenant]
		switch {
		case t == nil:
			return store.ErrNotFound
		case s.endpoints[e.ID] != nil:
			return store.ErrConflict
		case !storable(append([]string{e.URL, e.Filter}, e.Types...)...) || !storableMap(e.Headers):
			return errText
		}
		row := &endpointRow{Endpoint: cloneEndpoint(e)}
		row.Status, row.StatusReason = webhook.EndpointActive, ""
		row.PausedAt, row.PausedTotal, row.ThrottledUntil = time.Time{}, 0, time.Time{}
		row.Version, row.CreatedAt = 1, now
		for _, secret := range secrets {
			row.add(secret, now)
		}
		s.endpoints[e.ID] = row
		s.created = append(s.created, row)
		t.version++
		return nil
	})
}

// Endpoint implements store.Directory.
func (s *Store) Endpoint(ctx context.Context, tenant string, id webhook.ID) (webhook.Endpoint, error) {
	return run(ctx, s, "endpoint", func(time.Time) (webhook.Endpoint, error) {
		e, err := s.endpoint(tenant, id)
		if err != nil {
			return webhook.Endpoint{}, err
		}
		return cloneEndpoint(e.Endpoint), nil
	})
}

// Endpoints implements store.Directory.
func (s *Store) Endpoints(ctx context.Context, tenant string) ([]webhook.Endpoint, error) {
	return run(ctx, s, "endpoints", func(time.Time) ([]webhook.Endpoint, error) {
		return s.endpointsOf(tenant), nil
	})
}

// endpointsOf returns a tenant's endpoints that are not deleted, oldest first.
func (s *Store) endpointsOf(tenant string) []webhook.Endpoint {
	var out []webhook.Endpoint
	for _, e := range s.created {
		if e.Tenant == tenant && e.Status != webhook.EndpointDeleted {
			out = append(out, cloneEndpoint(e.Endpoint))
		}
	}
	return out
}

// SetEndpointStatus implements store.Directory.
func (s *Store) SetEndpointStatus(
	ctx context.Context, tenant string, id webhook.ID, status webhook.EndpointStatus, reason string,
) error {
	return s.do(ctx, "setendpointstatus", func(now time.Time) error {
		e, err := s.endpoint(tenant, id)
		if err != nil || e.Status == webhook.EndpointDeleted {
			return store.ErrNotFound
		}
		if !storable(reason) {
			return errText
		}
		if err := e.set(status, now); err != nil {
			return err
		}
		if e.StatusReason = reason; status == webhook.EndpointActive {
			e.StatusReason = ""
		}
		e.Version++
		s.tenants[tenant].version++
		return nil
	})
}

// set moves an endpoint to a status, and keeps the account of its pauses.
func (e *endpointRow) set(status webhook.EndpointStatus, now time.Time) error {
	wasPaused := e.Status == webhook.EndpointPaused
	switch status {
	case webhook.EndpointPaused:
		if !wasPaused {
			e.PausedAt = now
		}
		e.Status, e.wakeAt = status, time.Time{}
		return nil
	case webhook.EndpointActive:
		e.wakeAt = now
	case webhook.EndpointDisabled, webhook.EndpointDeleted:
		e.wakeAt = time.Time{}
	default:
		return fmt.Errorf("%w: there is no such status of an endpoint", store.ErrInvalid)
	}
	if wasPaused {
		e.PausedTotal += now.Sub(e.PausedAt)
		e.PausedAt = time.Time{}
	}
	e.Status = status
	return nil
}

// AddSecret implements store.Directory.
func (s *Store) AddSecret(ctx context.Context, tenant string, secret webhook.Secret, overlap time.Duration) error {
	return s.do(ctx, "addsecret", func(now time.Time) error {
		e, err := s.endpoint(tenant, secret.Endpoint)
		if err != nil || e.Status == webhook.EndpointDeleted {
			return store.ErrNotFound
		}
		if s.hasSecret(secret.ID) {
			return store.ErrConflict
		}
		end := now.Add(overlap)
		for i := range e.secrets {
			old := &e.secrets[i]
			if old.Kind == secret.Kind && (old.ExpiresAt.IsZero() || old.ExpiresAt.After(end)) {
				old.ExpiresAt = end
			}
		}
		e.add(secret, now)
		e.Version++
		s.tenants[tenant].version++
		return nil
	})
}

func (s *Store) hasSecret(id webhook.ID) bool {
	return slices.ContainsFunc(s.created, func(e *endpointRow) bool {
		return slices.ContainsFunc(e.secrets, func(s webhook.Secret) bool { return s.ID == id })
	})
}

// add gives an endpoint a secret.
func (e *endpointRow) add(secret webhook.Secret, now time.Time) {
	secret = cloneSecret(secret)
	secret.Endpoint, secret.CreatedAt = e.ID, now
	e.secrets = append(e.secrets, secret)
}

// Secrets implements store.Directory.
func (s *Store) Secrets(ctx context.Context, tenant string, endpoint webhook.ID) ([]webhook.Secret, error) {
	return run(ctx, s, "secrets", func(now time.Time) ([]webhook.Secret, error) {
		e, err := s.endpoint(tenant, endpoint)
		if err != nil {
			return nil, err
		}
		return e.valid(now), nil
	})
}

// valid returns the secrets that have not expired, newest first.
func (e *endpointRow) valid(now time.Time) []webhook.Secret {
	var out []webhook.Secret
	for _, secret := range slices.Backward(e.secrets) {
		if !spent(secret, now) {
			out = append(out, cloneSecret(secret))
		}
	}
	return out
}

// spent reports whether a secret has expired.
func spent(s webhook.Secret, now time.Time) bool {
	return !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now)
}
