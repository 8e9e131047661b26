package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Accept implements store.Accepter.
func (s *Store) Accept(ctx context.Context, events []store.NewEvent) ([]store.Accepted, error) {
	return run(ctx, s, "accept", func(now time.Time) ([]store.Accepted, error) {
		results := make([]store.Accepted, 0, len(events))
		for i := range events {
			accepted := s.accept(&events[i], now)
			if accepted.Status == store.AcceptStored {
				accepted.Begun = s.begin(&events[i], now)
			}
			results = append(results, accepted)
		}
		return results, nil
	})
}

// accept stores one event.
func (s *Store) accept(n *store.NewEvent, now time.Time) store.Accepted {
	if err := acceptable(&n.Event); err != nil {
		return refused(err)
	}
	tenant := s.tenants[n.Event.Tenant]
	if tenant == nil || tenant.version != n.ConfigVersion {
		return store.Accepted{Status: store.AcceptStale}
	}
	if first, ok := s.dedupe[n.Key]; ok && first.expires.After(now) {
		return store.Accepted{Status: store.AcceptDuplicate, EventID: first.event, AcceptedAt: first.acceptedAt}
	}
	if err := s.fresh(n); err != nil {
		return refused(err)
	}
	s.dedupe[n.Key] = dedupeRow{event: n.Event.ID, acceptedAt: now, expires: now.Add(s.window)}
	event := cloneEvent(n.Event)
	event.AcceptedAt = now
	s.events[event.ID] = event
	for i := range n.Deliveries {
		s.plan(event, &n.Deliveries[i], now)
	}
	return store.Accepted{Status: store.AcceptStored, EventID: event.ID, AcceptedAt: now}
}

func refused(err error) store.Accepted {
	return store.Accepted{Status: store.AcceptRefused, Err: fmt.Errorf("store: accept: %w", err)}
}

// acceptable says why an event's values cannot be stored.
func acceptable(e *webhook.Event) error {
	texts := []string{
		e.Tenant, e.Source, e.CEID, e.Type, e.Subject, e.DataType, e.DataSchema, e.Trace.Parent, e.Trace.State,
		e.SchemaError,
	}
	for name, value := range e.Extensions {
		texts = append(texts, name)
		switch value := value.(type) {
		case string:
			texts = append(texts, value)
		case bool, int32:
		default:
			return fmt.Errorf("%w: an extension is neither text, boolean nor integer", store.ErrInvalid)
		}
	}
	if !storable(texts...) {
		return errText
	}
	return nil
}

// fresh says which id of an event was used before.
func (s *Store) fresh(n *store.NewEvent) error {
	if n.Event.ID.IsZero() || s.events[n.Event.ID] != nil {
		return fmt.Errorf("%w: the event's id is not new", store.ErrInvalid)
	}
	seen := map[webhook.ID]bool{{}: true}
	for i := range n.Deliveries {
		id := n.Deliveries[i].ID
		if seen[id] || s.deliveries[id] != nil {
			return fmt.Errorf("%w: a delivery's id is not new", store.ErrInvalid)
		}
		seen[id] = true
	}
	return nil
}

// plan stores one delivery of an event, when the endpoint is there to have it.
func (s *Store) plan(event *webhook.Event, n *store.NewDelivery, now time.Time) {
	e := s.endpoints[n.Endpoint]
	if e == nil || e.Tenant != event.Tenant || e.Status == webhook.EndpointDeleted {
		return
	}
	s.add(webhook.Delivery{
		ID: n.ID, Tenant: event.Tenant, Event: event.ID, Endpoint: e.ID,
		State:     webhook.StateScheduled,
		DueAt:     now.Add(n.DueIn),
		WakeAt:    now.Add(s.policy.WakeAfter(n.DueIn, n.Lease)),
		ExpiresAt: e.RunningClock(now).Add(n.Lifetime),
	}, e)
}

// begin claims the deliveries of an event just stored that are to begin with it.
func (s *Store) begin(n *store.NewEvent, now time.Time) []store.Work {
	c := s.newClaim(now, store.ClaimRequest{})
	for i := range n.Deliveries {
		if d := &n.Deliveries[i]; d.Begin {
			c.item(store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint})
		}
	}
	return c.Work
}

// Subscriptions implements store.Accepter.
func (s *Store) Subscriptions(ctx context.Context, tenant string) (store.Subscriptions, error) {
	return run(ctx, s, "subscriptions", func(time.Time) (store.Subscriptions, error) {
		t := s.tenant(tenant)
		if t == nil {
			return store.Subscriptions{}, store.ErrNotFound
		}
		return store.Subscriptions{Tenant: tenant, Version: t.version, Endpoints: s.endpointsOf(tenant),
			Schemas: s.schemasOf(t)}, nil
	})
}

// ConfigVersion implements store.Accepter.
func (s *Store) ConfigVersion(ctx context.Context, tenant string) (int64, error) {
	return run(ctx, s, "configversion", func(time.Time) (int64, error) {
		t := s.tenant(tenant)
		if t == nil {
			return 0, store.ErrNotFound
		}
		return t.version, nil
	})
}

// Authenticate implements store.Accepter.
func (s *Store) Authenticate(ctx context.Context, hash [32]byte) (store.APIKey, error) {
	return run(ctx, s, "authenticate", func(now time.Time) (store.APIKey, error) {
		k := s.keys[hash]
		if k == nil || !k.RevokedAt.IsZero() || !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(now) {
			return store.APIKey{}, store.ErrNotFound
		}
		key := *k
		key.Scopes, key.LastUsedAt = slices.Clone(k.Scopes), time.Time{}
		if k.Tenant != "" {
			t := s.tenant(k.Tenant)
			if t == nil {
				return store.APIKey{}, store.ErrNotFound
			}
			key.ConfigVersion = t.version
		}
		if k.LastUsedAt.Before(now.Add(-time.Minute)) {
			k.LastUsedAt = now
		}
		return key, nil
	})
}

// Reject implements store.Accepter.
func (s *Store) Reject(ctx context.Context, r store.Rejected, perDay int) (bool, error) {
	return run(ctx, s, "reject", func(now time.Time) (bool, error) {
		if s.tenant(r.Tenant) == nil {
			r.Tenant = ""
		}
		today := s.discarded[tenantDay{r.Tenant, now.Truncate(24 * time.Hour)}]
		for i := range s.rejected {
			old := &s.rejected[i]
			if old.ID == r.ID {
				return true, nil
			}
			if old.Tenant == r.Tenant && old.RejectedAt.Truncate(24*time.Hour).Equal(now.Truncate(24*time.Hour)) {
				today++
			}
		}
		if today >= perDay {
			return false, nil
		}
		r = cloneRejected(r)
		r.RejectedAt = now
		r.Reason, r.Detail = clean(r.Reason), clean(r.Detail)
		headers := make(map[string]string, len(r.Headers))
		for name, value := range r.Headers {
			headers[clean(name)] = clean(value)
		}
		r.Headers = headers
		s.rejected = append(s.rejected, r)
		return true, nil
	})
}
