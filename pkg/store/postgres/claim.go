package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Claim implements [store.Claimer]: one round trip, committed before it returns. The endpoints are read first, so
// that one that closes or opens meanwhile is named as what it was, and never left out.
func (s *Store) Claim(ctx context.Context, r store.ClaimRequest) (store.Claims, error) {
	if len(r.Items) == 0 && len(r.Pulls) == 0 {
		return store.Claims{}, nil
	}
	c := newClaim(s, r)
	err := s.run(ctx, "claim", func(ctx context.Context) error {
		c.reset()
		return s.pool.SendBatch(ctx, c.batch()).Close()
	})
	if err != nil {
		return store.Claims{}, err
	}
	return c.result(), nil
}

// claim is one request under way.
type claim struct {
	s         *Store
	items     []store.ClaimItem // sorted by delivery, each delivery once
	pulls     []store.Pull      // each endpoint once
	endpoints []webhook.ID      // sorted, each once
	maxBytes  int

	now     time.Time
	targets map[webhook.ID]*target
	events  map[webhook.ID]*payload
	named   []webhook.Delivery
	pulled  []webhook.Delivery
	notDue  []store.NotDue
}

// payload is an event as the claims of one request share it.
type payload struct {
	event   webhook.Event
	leftOut bool
}

func newClaim(s *Store, r store.ClaimRequest) *claim {
	c := &claim{s: s, maxBytes: r.MaxBytes}
	if c.maxBytes <= 0 {
		c.maxBytes = math.MaxInt
	}
	c.items = slices.Clone(r.Items)
	slices.SortFunc(c.items, func(a, b store.ClaimItem) int {
		// Of a delivery named twice the fresher hint counts.
		return cmp.Or(bytes.Compare(a.Delivery[:], b.Delivery[:]), cmp.Compare(b.Attempt, a.Attempt))
	})
	c.items = slices.CompactFunc(c.items, func(a, b store.ClaimItem) bool { return a.Delivery == b.Delivery })
	for _, p := range r.Pulls {
		at := slices.IndexFunc(c.pulls, func(q store.Pull) bool { return q.Endpoint == p.Endpoint })
		if at < 0 {
			c.pulls = append(c.pulls, store.Pull{Endpoint: p.Endpoint, Limit: max(p.Limit, 0)})
		} else {
			c.pulls[at].Limit += max(p.Limit, 0)
		}
		c.endpoints = append(c.endpoints, p.Endpoint)
	}
	for _, item := range c.items {
		c.endpoints = append(c.endpoints, item.Endpoint)
	}
	c.endpoints = sortedIDs(c.endpoints)
	return c
}

// reset forgets what an earlier try has read.
func (c *claim) reset() {
	c.targets = make(map[webhook.ID]*target, len(c.endpoints))
	c.events = make(map[webhook.ID]*payload, len(c.items))
	c.named, c.pulled, c.notDue = nil, nil, nil
}

// batch lays the request out: the endpoints, what is named, what is pulled. All of it is one implicit transaction.
func (c *claim) batch() *pgx.Batch {
	b := new(pgx.Batch)
	b.Queue(claimTargetsSQL, uuids(c.endpoints), c.s.targets.versions(c.endpoints)).Query(c.scanTargets)
	// Payloads for what is named and what is pulled share the bound by how many of each there can be.
	namedBytes, wanted := c.maxBytes, len(c.items)
	for _, p := range c.pulls {
		wanted += p.Limit
	}
	if len(c.pulls) > 0 && c.maxBytes != math.MaxInt {
		namedBytes = c.maxBytes / max(wanted, 1) * len(c.items)
	}
	if len(c.items) > 0 {
		var delivery, endpoint, seen array
		for _, item := range c.items {
			delivery.uuid(item.Delivery)
			endpoint.uuid(item.Endpoint)
			seen.int32(item.Attempt)
		}
		b.Queue(claimItemsSQL, namedBytes, c.s.policy.Timeout, c.s.policy.LeaseMargin, &delivery, &endpoint, &seen,
			c.s.policy.WakeGrace).
			Query(func(rows pgx.Rows) error { return c.scanClaims(rows, &c.named) })
	}
	if len(c.pulls) > 0 {
		var endpoint, most array
		for _, p := range c.pulls {
			endpoint.uuid(p.Endpoint)
			most.int32(p.Limit)
		}
		pulledBytes := c.maxBytes
		if c.maxBytes != math.MaxInt {
			pulledBytes = c.maxBytes - namedBytes
		}
		b.Queue(claimPullsSQL, pulledBytes, c.s.policy.Timeout, c.s.policy.LeaseMargin, &endpoint, &most,
			c.s.policy.WakeGrace).
			Query(func(rows pgx.Rows) error { return c.scanClaims(rows, &c.pulled) })
	}
	return b
}

// scanClaims reads the rows of a claim: deliveries with, on one of each event, the event, and items that are not due.
func (c *claim) scanClaims(rows pgx.Rows, into *[]webhook.Delivery) error {
	for rows.Next() {
		var (
			d          = webhook.Delivery{State: webhook.StateAttempting}
			e          webhook.Event
			notDue     time.Duration
			leftOut    bool
			extensions []byte
		)
		err := rows.Scan(&d.ID, &d.Endpoint, &d.Attempt, &notDue, (*nullText)(&d.Tenant), &d.Event, &d.Interruptions,
			&d.DueAt, &d.StartedAt, &d.LeaseUntil, &d.WakeAt, &d.ExpiresAt, &d.ReplayOf, (*nullText)(&e.Source),
			(*nullText)(&e.CEID), (*nullText)(&e.Type), (*nullText)(&e.Subject), &e.Time, (*nullText)(&e.DataType),
			(*nullText)(&e.DataSchema), &extensions, (*nullText)(&e.Trace.Parent), (*nullText)(&e.Trace.State),
			&e.Origin, &e.AcceptedAt, &leftOut, &e.Data)
		if err != nil {
			return err
		}
		if notDue > 0 {
			item := store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint, Attempt: d.Attempt}
			c.notDue = append(c.notDue, store.NotDue{ClaimItem: item, DueIn: notDue})
			continue
		}
		*into = append(*into, d)
		if e.AcceptedAt.IsZero() {
			continue // the event came with another delivery
		}
		if known := c.events[d.Event]; known != nil && !known.leftOut {
			continue
		}
		e.ID, e.Tenant = d.Event, d.Tenant
		if e.Extensions, err = decodeExtensions(extensions); err != nil {
			return err
		}
		c.events[d.Event] = &payload{e, leftOut}
	}
	return rows.Err()
}

// errNoTarget says that a delivery was claimed whose endpoint cannot be found.
var errNoTarget = errors.New("store: claim: the endpoint is gone")

// result puts together what was read.
func (c *claim) result() store.Claims {
	claims := store.Claims{NotDue: c.notDue}
	slices.SortStableFunc(c.pulled, func(a, b webhook.Delivery) int { return a.DueAt.Compare(b.DueAt) })
	got := make(map[webhook.ID]int, len(c.pulls))
	claims.Work = make([]store.Work, 0, len(c.named)+len(c.pulled))
	for _, d := range c.named {
		claims.Work = append(claims.Work, c.work(d))
	}
	for _, d := range c.pulled {
		got[d.Endpoint]++
		claims.Work = append(claims.Work, c.work(d))
	}
	closed := make(map[webhook.ID]bool)
	for _, id := range c.endpoints {
		t := c.targets[id]
		if t == nil || t.Open(c.now) {
			continue
		}
		closed[id] = true
		out := store.Closed{Endpoint: id}
		if t.Status == webhook.EndpointActive {
			out.OpenIn = t.ThrottledUntil.Sub(c.now)
		}
		claims.Closed = append(claims.Closed, out)
	}
	for _, p := range c.pulls {
		if !closed[p.Endpoint] && got[p.Endpoint] < p.Limit {
			claims.Drained = append(claims.Drained, p.Endpoint)
		}
	}
	return claims
}

func (c *claim) work(d webhook.Delivery) store.Work {
	w := store.Work{Delivery: d}
	if p := c.events[d.Event]; p != nil {
		w.Event, w.DataLeftOut = &p.event, p.leftOut
	}
	w.Target, w.Err = c.targetOf(d.Endpoint)
	return w
}

// targetOf returns an endpoint that was read, and why it cannot be sent to.
func (c *claim) targetOf(endpoint webhook.ID) (*store.Target, error) {
	t := c.targets[endpoint]
	if t == nil {
		return new(store.Target), errNoTarget
	}
	return &t.Target, t.err
}

// Event implements [store.Claimer].
func (s *Store) Event(ctx context.Context, tenant string, id webhook.ID) (*webhook.Event, error) {
	var e *webhook.Event
	err := s.run(ctx, "event", func(ctx context.Context) (err error) {
		e, err = readEvent(ctx, s.pool, tenant, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// readEvent reads one event of a tenant. Errors: pgx.ErrNoRows.
func readEvent(ctx context.Context, q rowQuerier, tenant string, id webhook.ID) (*webhook.Event, error) {
	e := &webhook.Event{ID: id, Tenant: tenant}
	var extensions []byte
	err := q.QueryRow(ctx, eventSQL, id, tenant).Scan(&e.Source, &e.CEID, &e.Type, (*nullText)(&e.Subject), &e.Time,
		(*nullText)(&e.DataType), (*nullText)(&e.DataSchema), &extensions, (*nullText)(&e.Trace.Parent),
		(*nullText)(&e.Trace.State), &e.Origin, &e.AcceptedAt, (*nullText)(&e.SchemaError), &e.ErasedAt, &e.Data)
	if err != nil {
		return nil, err
	}
	if e.Extensions, err = decodeExtensions(extensions); err != nil {
		return nil, fmt.Errorf("extensions: %w", err)
	}
	return e, nil
}

// rowQuerier is what reading one row needs: the pool, or a transaction.
type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// sortedIDs sorts ids in place and returns each once.
func sortedIDs(ids []webhook.ID) []webhook.ID {
	slices.SortFunc(ids, func(a, b webhook.ID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}
