package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// maxPage is the largest page of a list.
const maxPage = 1000

// Deliveries implements store.Browser.
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery) ([]webhook.Delivery, error) {
	return run(ctx, s, "deliveries", func(time.Time) ([]webhook.Delivery, error) {
		if q.Limit < 1 || q.Limit > maxPage {
			return nil, fmt.Errorf("%w: a page has 1 to %d deliveries", store.ErrInvalid, maxPage)
		}
		var out []webhook.Delivery
		for _, d := range s.stored {
			if selected(&d.Delivery, &q) {
				out = append(out, d.Delivery)
			}
		}
		slices.SortFunc(out, func(a, b webhook.Delivery) int { return bytes.Compare(b.ID[:], a.ID[:]) })
		return out[:min(q.Limit, len(out))], nil
	})
}

// DeliveriesByOutcome implements store.Browser.
func (s *Store) DeliveriesByOutcome(
	ctx context.Context, q store.DeliveryQuery, outcome webhook.Outcome,
) (store.OutcomePage, error) {
	return run(ctx, s, "deliveriesbyoutcome", func(time.Time) (store.OutcomePage, error) {
		var all []*deliveryRow
		for _, d := range s.stored {
			if selected(&d.Delivery, &q) {
				all = append(all, d)
			}
		}
		if _, err := page(all, q.Limit); err != nil {
			return store.OutcomePage{}, err
		}
		slices.SortFunc(all, func(a, b *deliveryRow) int { return bytes.Compare(b.ID[:], a.ID[:]) })
		var out store.OutcomePage
		for i, d := range all {
			if i == store.OutcomeWalk || len(out.Deliveries) == q.Limit {
				return out, nil
			}
			out.Next = d.ID
			if n := len(d.attempts); n > 0 && d.attempts[n-1].Outcome == outcome {
				out.Deliveries = append(out.Deliveries, d.Delivery)
			}
		}
		out.Next = webhook.ID{}
		return out, nil
	})
}

// selected reports whether a delivery is one of those asked for.
func selected(d *webhook.Delivery, q *store.DeliveryQuery) bool {
	return d.Tenant == q.Tenant &&
		(q.Endpoint.IsZero() || d.Endpoint == q.Endpoint) &&
		(q.Event.IsZero() || d.Event == q.Event) &&
		(q.State == "" || d.State == q.State) &&
		within(d.ID, q.From, q.Before)
}

// within reports whether an id is in a span; a zero id is no bound.
func within(id, from, before webhook.ID) bool {
	return bytes.Compare(id[:], from[:]) >= 0 && (before.IsZero() || bytes.Compare(id[:], before[:]) < 0)
}

// Events implements store.Browser.
func (s *Store) Events(ctx context.Context, q store.EventQuery) ([]webhook.Event, error) {
	return run(ctx, s, "events", func(time.Time) ([]webhook.Event, error) {
		var list []webhook.Event
		for _, e := range s.events {
			if e.Tenant == q.Tenant && (q.Type == "" || e.Type == q.Type) && (q.Subject == "" || e.Subject == q.Subject) &&
				within(e.ID, q.From, q.Before) {
				bare := *e
				bare.Data = nil
				list = append(list, *cloneEvent(bare))
			}
		}
		slices.SortFunc(list, func(a, b webhook.Event) int { return bytes.Compare(b.ID[:], a.ID[:]) })
		return page(list, q.Limit)
	})
}

// Delivery implements store.Browser.
func (s *Store) Delivery(ctx context.Context, tenant string, id webhook.ID) (store.DeliveryView, error) {
	return run(ctx, s, "delivery", func(time.Time) (store.DeliveryView, error) {
		d, err := s.delivery(tenant, id)
		if err != nil {
			return store.DeliveryView{}, err
		}
		view := store.DeliveryView{
			Delivery: d.Delivery, Event: *cloneEvent(*s.events[d.Event]), RequestSince: s.endpoints[d.Endpoint].requestSince,
		}
		for _, a := range d.attempts {
			view.Attempts = append(view.Attempts, cloneAttempt(a))
		}
		return view, nil
	})
}

// RetryNow implements store.Browser.
func (s *Store) RetryNow(
	ctx context.Context, tenant string, id webhook.ID, ids *webhook.IDSource,
) (store.Due, error) {
	return changed(ctx, s, "retrynow", func(now time.Time) (store.Due, error) {
		d, err := s.delivery(tenant, id)
		if err != nil {
			return store.Due{}, err
		}
		e := s.endpoints[d.Endpoint]
		if d.State == webhook.StateAttempting || e.Status == webhook.EndpointDeleted {
			return store.Due{}, store.ErrConflict
		}
		if d.State.Terminal() {
			if !s.events[d.Event].ErasedAt.IsZero() {
				return store.Due{}, store.ErrErased
			}
			d = s.replay(d, e, ids, now)
		}
		if d.DueAt.After(now) {
			d.DueAt = now
		}
		d.WakeAt = now
		return d.due(), nil
	})
}

// replay makes a new delivery of an event that is copied to now.
func (s *Store) replay(old *deliveryRow, e *endpointRow, ids *webhook.IDSource, now time.Time) *deliveryRow {
	event := cloneEvent(*s.events[old.Event])
	event.Origin = event.OriginID()
	event.AcceptedAt = now
	d := webhook.Delivery{Tenant: old.Tenant, Endpoint: old.Endpoint, ReplayOf: old.ID}
	for same := false; !same; same = event.ID.Time().Equal(d.ID.Time()) {
		event.ID, d.ID = ids.New(now), ids.New(now)
	}
	d.Event = event.ID
	s.policy.Plan(&d, &e.Endpoint, now)
	s.events[event.ID] = event
	return s.add(d, e)
}

// CancelDelivery implements store.Browser.
func (s *Store) CancelDelivery(ctx context.Context, tenant string, id webhook.ID) error {
	return s.change(ctx, "canceldelivery", func(now time.Time) error {
		d, err := s.delivery(tenant, id)
		switch {
		case err != nil:
			return err
		case d.State.Terminal():
			return store.ErrConflict
		case d.State == webhook.StateAttempting:
			d.interrupted(now)
		}
		d.end(webhook.StateCancelled, webhook.ReasonByHand)
		return nil
	})
}

// RejectedEvents implements store.Browser.
func (s *Store) RejectedEvents(ctx context.Context, tenant string, limit int) ([]store.Rejected, error) {
	return run(ctx, s, "rejectedevents", func(time.Time) ([]store.Rejected, error) {
		var out []store.Rejected
		for _, r := range slices.Backward(s.rejected) {
			if r.Tenant == tenant && r.Event.IsZero() && len(out) < limit {
				out = append(out, cloneRejected(r))
			}
		}
		return out, nil
	})
}

// RejectedPage implements store.Browser.
func (s *Store) RejectedPage(
	ctx context.Context, tenant string, before webhook.ID, limit int,
) ([]store.Rejected, error) {
	return run(ctx, s, "rejectedpage", func(time.Time) ([]store.Rejected, error) {
		var list []store.Rejected
		for _, r := range s.rejected {
			if r.Tenant == tenant && r.Event.IsZero() && within(r.ID, webhook.ID{}, before) {
				r.Headers, r.Body = nil, nil
				list = append(list, r)
			}
		}
		slices.SortFunc(list, func(a, b store.Rejected) int { return bytes.Compare(b.ID[:], a.ID[:]) })
		return page(list, limit)
	})
}

// tenantDay is a day of a tenant.
type tenantDay struct {
	tenant string
	day    time.Time
}

// rejectedAt finds something rejected; -1 when there is no such thing.
func (s *Store) rejectedAt(tenant string, id webhook.ID) int {
	return slices.IndexFunc(s.rejected, func(r store.Rejected) bool { return r.ID == id && r.Tenant == tenant })
}

// Rejected implements store.Browser.
func (s *Store) Rejected(ctx context.Context, tenant string, id webhook.ID) (store.Rejected, error) {
	return run(ctx, s, "rejected", func(time.Time) (store.Rejected, error) {
		at := s.rejectedAt(tenant, id)
		if at < 0 {
			return store.Rejected{}, store.ErrNotFound
		}
		return cloneRejected(s.rejected[at]), nil
	})
}

// DiscardRejected implements store.Browser.
func (s *Store) DiscardRejected(ctx context.Context, tenant string, id webhook.ID) error {
	return s.change(ctx, "discardrejected", func(time.Time) error {
		at := s.rejectedAt(tenant, id)
		if at < 0 {
			return store.ErrNotFound
		}
		s.discarded[tenantDay{tenant, s.rejected[at].RejectedAt.Truncate(24 * time.Hour)}]++
		s.rejected = slices.Delete(s.rejected, at, at+1)
		return nil
	})
}
