package memory

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// errText says that a text cannot be stored.
var errText = fmt.Errorf("%w: a text with a NUL or bad UTF-8", store.ErrInvalid)

// CreateEndpoint implements store.Directory.
func (s *Store) CreateEndpoint(ctx context.Context, e webhook.Endpoint, secrets []webhook.Secret) error {
	return s.change(ctx, "createendpoint", func(now time.Time) error {
		t := s.tenant(e.Tenant)
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

// EndpointPage implements store.Directory.
func (s *Store) EndpointPage(ctx context.Context, q store.EndpointQuery) ([]webhook.Endpoint, error) {
	return run(ctx, s, "endpointpage", func(time.Time) ([]webhook.Endpoint, error) {
		list := slices.DeleteFunc(s.endpointsOf(q.Tenant), func(e webhook.Endpoint) bool {
			return q.Status != "" && e.Status != q.Status || bytes.Compare(e.ID[:], q.After[:]) <= 0 ||
				!strings.Contains(strings.ToLower(e.URL), strings.ToLower(q.Search))
		})
		slices.SortFunc(list, func(a, b webhook.Endpoint) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		return page(list, q.Limit)
	})
}

// UpdateEndpoint implements store.Directory.
func (s *Store) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) error {
	return s.change(ctx, "updateendpoint", func(now time.Time) error {
		row, err := s.endpoint(e.Tenant, e.ID)
		switch {
		case err != nil || row.Status == webhook.EndpointDeleted || s.tenant(e.Tenant) == nil:
			return store.ErrNotFound
		case !storable(append([]string{e.URL, e.Filter}, e.Types...)...) || !storableMap(e.Headers):
			return errText
		case row.Version != e.Version:
			return store.ErrConflict
		}
		e = cloneEndpoint(e)
		if e.Headers != nil || e.Format != row.Format || e.Consent.Origin != row.Consent.Origin {
			row.requestSince = now
		}
		row.URL, row.Types, row.Filter, row.Format = e.URL, e.Types, e.Filter, e.Format
		row.Schedule, row.Timeout, row.RatePerSecond = e.Schedule, e.Timeout, e.RatePerSecond
		row.Consent = e.Consent
		if len(e.Headers) > 0 {
			row.Headers = e.Headers
		} else if e.Headers != nil {
			row.Headers = nil
		}
		row.Version++
		s.tenants[e.Tenant].version++
		return nil
	})
}

// SetEndpointStatus implements store.Directory.
func (s *Store) SetEndpointStatus(
	ctx context.Context, tenant string, id webhook.ID, status webhook.EndpointStatus, reason string,
) error {
	return s.ChangeEndpointStatus(ctx, store.StatusChange{Tenant: tenant, Endpoint: id, Status: status, Reason: reason})
}

// ChangeEndpointStatus implements store.Directory.
func (s *Store) ChangeEndpointStatus(ctx context.Context, c store.StatusChange) error {
	return s.change(ctx, "setendpointstatus", func(now time.Time) error {
		e, err := s.endpoint(c.Tenant, c.Endpoint)
		switch {
		case err != nil || e.Status == webhook.EndpointDeleted || s.tenant(c.Tenant) == nil:
			return store.ErrNotFound
		case !storable(c.Reason):
			return errText
		case c.Version != 0 && c.Version != e.Version:
			return store.ErrConflict
		}
		was, status := e.Status, c.Status
		if err := e.set(status, now); err != nil {
			return err
		}
		if e.StatusReason = c.Reason; status == webhook.EndpointActive {
			e.StatusReason = ""
		}
		if was != status {
			e.statusAt = now
		}
		if was != status && status == webhook.EndpointDisabled {
			s.tellDisabled(e, now)
		}
		if status == webhook.EndpointActive || status == webhook.EndpointDeleted {
			s.stopDrops(e, "the endpoint was made "+string(status), now)
		}
		e.Version++
		s.tenants[c.Tenant].version++
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
	return s.change(ctx, "addsecret", func(now time.Time) error {
		e, err := s.endpoint(tenant, secret.Endpoint)
		if err != nil || e.Status == webhook.EndpointDeleted || s.tenant(tenant) == nil {
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

// PublicKeys implements store.Directory.
func (s *Store) PublicKeys(ctx context.Context, endpoint webhook.ID) ([]ed25519.PublicKey, error) {
	return run(ctx, s, "publickeys", func(now time.Time) ([]ed25519.PublicKey, error) {
		e := s.endpoints[endpoint]
		if e == nil || e.Status == webhook.EndpointDeleted || s.tenant(e.Tenant) == nil {
			return nil, store.ErrNotFound
		}
		return publicKeys(e.valid(now))
	})
}

// TenantPublicKeys implements store.Directory.
func (s *Store) TenantPublicKeys(ctx context.Context, tenant string, limit int) ([]ed25519.PublicKey, error) {
	return run(ctx, s, "tenantpublickeys", func(now time.Time) ([]ed25519.PublicKey, error) {
		var secrets []webhook.Secret
		for _, e := range s.created {
			if e.Tenant == tenant && e.Status != webhook.EndpointDeleted && s.tenant(tenant) != nil {
				secrets = append(secrets, e.valid(now)...)
			}
		}
		slices.SortStableFunc(secrets, func(a, b webhook.Secret) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID[:], a.ID[:]))
		})
		keys, err := publicKeys(secrets)
		if err != nil {
			return nil, err
		}
		return page(keys, limit)
	})
}

// publicKeys are those of Ed25519 secrets.
func publicKeys(secrets []webhook.Secret) (list []ed25519.PublicKey, err error) {
	for _, secret := range secrets {
		if secret.Kind == webhook.SecretEd25519 {
			list = append(list, ed25519.PrivateKey(secret.Key).Public().(ed25519.PublicKey))
		}
	}
	if len(list) == 0 {
		return nil, store.ErrNotFound
	}
	return list, nil
}
