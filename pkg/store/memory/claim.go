package memory

import (
	"context"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Claim implements store.Claimer.
func (s *Store) Claim(ctx context.Context, r store.ClaimRequest) (store.Claims, error) {
	return run(ctx, s, "claim", func(now time.Time) (store.Claims, error) {
		c := s.newClaim(now, r)
		for _, item := range r.Items {
			c.item(item)
		}
		for _, p := range r.Pulls {
			c.pull(p)
		}
		return c.Claims, nil
	})
}

func (s *Store) newClaim(now time.Time, r store.ClaimRequest) *claim {
	return &claim{
		s: s, now: now, budget: r.MaxBytes, bounded: r.MaxBytes > 0,
		events: map[webhook.ID]loaded{}, targets: map[webhook.ID]*store.Target{}, closed: map[webhook.ID]bool{},
	}
}

// claim is one request under way.
type claim struct {
	store.Claims
	s       *Store
	now     time.Time
	budget  int
	bounded bool
	events  map[webhook.ID]loaded
	targets map[webhook.ID]*store.Target
	closed  map[webhook.ID]bool
}

// loaded is an event as the works of one request share it.
type loaded struct {
	event   *webhook.Event
	leftOut bool
}

// item claims one delivery by name.
func (c *claim) item(item store.ClaimItem) {
	e := c.s.endpoints[item.Endpoint]
	if e == nil {
		return
	}
	c.close(e)
	d := c.s.deliveries[item.Delivery]
	switch {
	case d == nil || d.Endpoint != item.Endpoint:
	case d.Claimable(&e.Endpoint, item.Attempt, c.now):
		c.take(d, e)
	case d.State == webhook.StateScheduled && d.Attempt == item.Attempt && d.DueAt.After(c.now):
		c.NotDue = append(c.NotDue, store.NotDue{ClaimItem: item, DueIn: d.DueAt.Sub(c.now)})
	}
}

// pull claims an endpoint's deliveries that have been due longest.
func (c *claim) pull(p store.Pull) {
	e := c.s.endpoints[p.Endpoint]
	if e == nil {
		c.drained(p.Endpoint)
		return
	}
	if c.close(e) {
		return
	}
	e.live = stillLive(e.live)
	due := slices.DeleteFunc(slices.Clone(e.live), func(d *deliveryRow) bool {
		return !d.Claimable(&e.Endpoint, d.Attempt, c.now)
	})
	slices.SortStableFunc(due, func(a, b *deliveryRow) int { return a.DueAt.Compare(b.DueAt) })
	if len(due) < p.Limit {
		c.drained(p.Endpoint)
	}
	for _, d := range due[:min(max(p.Limit, 0), len(due))] {
		c.take(d, e)
	}
}

func (c *claim) drained(endpoint webhook.ID) {
	if !slices.Contains(c.Drained, endpoint) {
		c.Drained = append(c.Drained, endpoint)
	}
}

// close names an endpoint that may not be sent to, once, and reports whether it is one.
func (c *claim) close(e *endpointRow) bool {
	if e.Open(c.now) {
		return false
	}
	if !c.closed[e.ID] {
		c.closed[e.ID] = true
		closed := store.Closed{Endpoint: e.ID}
		if e.Status == webhook.EndpointActive {
			closed.OpenIn = e.ThrottledUntil.Sub(c.now)
		}
		c.Closed = append(c.Closed, closed)
	}
	return true
}

// take begins an attempt, and adds it to the result.
func (c *claim) take(d *deliveryRow, e *endpointRow) {
	c.s.policy.Claim(&d.Delivery, &e.Endpoint, c.now)
	event := c.event(d.Event)
	c.Work = append(c.Work, store.Work{
		Delivery: d.Delivery, Event: event.event, DataLeftOut: event.leftOut, Target: c.target(e),
	})
}

// event loads an event once a request, with its payload as long as the budget lasts.
func (c *claim) event(id webhook.ID) loaded {
	if known, ok := c.events[id]; ok {
		return known
	}
	stored := c.s.events[id]
	fresh := loaded{leftOut: c.bounded && len(stored.Data) > c.budget}
	if fresh.leftOut {
		bare := *stored
		bare.Data = nil
		fresh.event = cloneEvent(bare)
	} else {
		c.budget -= len(stored.Data)
		fresh.event = cloneEvent(*stored)
	}
	c.events[id] = fresh
	return fresh
}

// target loads an endpoint with its secrets once a request.
func (c *claim) target(e *endpointRow) *store.Target {
	known := c.targets[e.ID]
	if known == nil {
		known = &store.Target{Endpoint: cloneEndpoint(e.Endpoint), Secrets: e.valid(c.now)}
		c.targets[e.ID] = known
	}
	return known
}

// Event implements store.Claimer.
func (s *Store) Event(ctx context.Context, tenant string, id webhook.ID) (*webhook.Event, error) {
	return run(ctx, s, "event", func(time.Time) (*webhook.Event, error) {
		e := s.events[id]
		if e == nil || e.Tenant != tenant {
			return nil, store.ErrNotFound
		}
		return cloneEvent(*e), nil
	})
}
