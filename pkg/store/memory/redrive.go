package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// SendTest implements store.Browser.
func (s *Store) SendTest(ctx context.Context, t store.NewTest) (store.Due, error) {
	return changed(ctx, s, "sendtest", func(now time.Time) (store.Due, error) {
		e, err := s.endpoint(t.Event.Tenant, t.Endpoint)
		if err != nil {
			return store.Due{}, err
		}
		if e.Status != webhook.EndpointActive {
			return store.Due{}, store.ErrConflict
		}
		if err := acceptable(&t.Event); err != nil {
			return store.Due{}, err
		}
		if s.events[t.Event.ID] != nil || s.deliveries[t.Delivery] != nil {
			return store.Due{}, store.ErrConflict
		}
		event := cloneEvent(t.Event)
		event.AcceptedAt, event.Origin = now, webhook.ID{}
		s.events[event.ID] = event
		d := webhook.Delivery{ID: t.Delivery, Tenant: event.Tenant, Event: event.ID, Endpoint: e.ID}
		s.policy.Plan(&d, &e.Endpoint, now)
		d.DueAt, d.WakeAt = now, now
		return s.add(d, e).due(), nil
	})
}

// ErasePayload implements store.Browser.
func (s *Store) ErasePayload(ctx context.Context, tenant string, id webhook.ID) (time.Time, error) {
	return changed(ctx, s, "erasepayload", func(now time.Time) (time.Time, error) {
		named := s.events[id]
		if named == nil || named.Tenant != tenant {
			return time.Time{}, store.ErrNotFound
		}
		for _, e := range s.events {
			if e.Tenant == tenant && e.OriginID() == named.OriginID() && e.ErasedAt.IsZero() {
				e.Data, e.ErasedAt = nil, now
			}
		}
		for _, d := range s.stored {
			if s.events[d.Event].OriginID() == named.OriginID() {
				d.erase(now)
			}
		}
		return named.ErasedAt, nil
	})
}

// erase ends a delivery whose payload is gone, and forgets what its attempts were answered.
func (d *deliveryRow) erase(now time.Time) {
	if !d.State.Terminal() {
		if d.State == webhook.StateAttempting {
			d.interrupted(now)
		}
		d.end(webhook.StateCancelled, webhook.ReasonErased)
	}
	for i := range d.attempts {
		d.attempts[i].ResponseHeaders, d.attempts[i].ResponseBody = nil, nil
	}
}

// Redrive implements store.Browser.
func (s *Store) Redrive(ctx context.Context, tenant string, id webhook.ID) error {
	return s.change(ctx, "redrive", func(now time.Time) error {
		at := s.rejectedAt(tenant, id)
		switch {
		case at < 0:
			return store.ErrNotFound
		case !s.rejected[at].Whole || !s.rejected[at].Event.IsZero():
			return store.ErrConflict
		case s.rejected[at].RedriveAt.IsZero():
			s.rejected[at].RedriveAt = now
		}
		return nil
	})
}

// RedriveAll implements store.Browser.
func (s *Store) RedriveAll(ctx context.Context, tenant, reason string, limit int) (int, error) {
	return changed(ctx, s, "redriveall", func(now time.Time) (int, error) {
		if limit < 1 || limit > maxPage {
			return 0, fmt.Errorf("%w: 1 to %d at once", store.ErrInvalid, maxPage)
		}
		n := 0
		for i := range s.rejected {
			r := &s.rejected[i]
			if n < limit && r.Tenant == tenant && (reason == "" || r.Reason == reason) && r.Whole && r.Event.IsZero() &&
				r.RedriveAt.IsZero() {
				r.RedriveAt = now
				n++
			}
		}
		return n, nil
	})
}

// Redrives implements store.Redriver.
func (s *Store) Redrives(ctx context.Context, limit int) ([]store.Rejected, error) {
	return run(ctx, s, "redrives", func(time.Time) ([]store.Rejected, error) {
		var list []store.Rejected
		for _, r := range s.rejected {
			if !r.RedriveAt.IsZero() {
				list = append(list, cloneRejected(r))
			}
		}
		slices.SortStableFunc(list, func(a, b store.Rejected) int { return a.RedriveAt.Compare(b.RedriveAt) })
		return list[:min(max(limit, 0), len(list))], nil
	})
}

// Redriven implements store.Redriver.
func (s *Store) Redriven(ctx context.Context, r store.Redriven) error {
	return s.do(ctx, "redriven", func(time.Time) error {
		at := s.rejectedAt(r.Tenant, r.ID)
		if at < 0 || s.rejected[at].RedriveAt.IsZero() {
			return nil
		}
		row := &s.rejected[at]
		row.RedriveAt = time.Time{}
		if r.Event.IsZero() {
			row.Reason, row.Detail = clean(r.Reason), clean(r.Detail)
			return nil
		}
		row.Event, row.Headers, row.Body = r.Event, nil, nil
		return nil
	})
}
