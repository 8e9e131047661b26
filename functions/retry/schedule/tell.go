package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

const (
	// tallySpans bounds the spans that one tick counts, so that after an outage of days several ticks catch up.
	tallySpans = 500
	// noticesAtOnce is how many notices are passed on in one commit.
	noticesAtOnce = 100
	// tellTries bounds how often events are planned anew because a configuration has changed meanwhile.
	tellTries = 3
)

// tally counts what was recorded, and judges the endpoints.
func (s *Scheduler) tally(ctx context.Context) error {
	done, err := s.cfg.Store.Tally(ctx, store.TallyRequest{Spans: tallySpans, Failing: s.cfg.Failing})
	s.cfg.Metrics.spansTallied.Add(float64(done.Spans))
	if err != nil {
		return fmt.Errorf("schedule: tally: %w", err)
	}
	return nil
}

// Tell passes on what notices tell of, as events to those who subscribe to them, until none is left. It may be called
// at any time: what is told is marked in the commit that accepts the events.
func (s *Scheduler) Tell(ctx context.Context) error {
	for ctx.Err() == nil {
		notices, err := s.cfg.Store.Untold(ctx, noticesAtOnce)
		if err != nil {
			return fmt.Errorf("schedule: notices: %w", err)
		}
		if len(notices) == 0 {
			return nil
		}
		if err := s.tell(ctx, notices); err != nil {
			return fmt.Errorf("schedule: tell of %d notices: %w", len(notices), err)
		}
	}
	return errInterrupted
}

// tellSoon is Tell for who need not know whether it went well: the next tick tells what was not.
func (s *Scheduler) tellSoon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := s.Tell(ctx); err != nil {
		s.cfg.Log.WarnContext(ctx, "notices are not passed on yet", "error", err)
	}
}

// tell passes on some notices.
func (s *Scheduler) tell(ctx context.Context, notices []store.Notice) error {
	told := make([]webhook.ID, len(notices))
	for i := range notices {
		told[i] = notices[i].ID
	}
	for range tellTries {
		p := telling{s: s, tenants: make(map[string]*audience)}
		for i := range notices {
			if err := p.plan(ctx, &notices[i]); err != nil {
				return err
			}
		}
		results, err := s.cfg.Store.Tell(ctx, told, p.events)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(results, func(r store.Accepted) bool { return r.Status == store.AcceptStale }) {
			p.count(notices)
			return p.announce(ctx, results)
		}
	}
	return fmt.Errorf("the configuration of a tenant keeps changing: %w", store.ErrUnavailable)
}

// telling is a group of notices on their way.
type telling struct {
	s       *Scheduler
	tenants map[string]*audience
	events  []store.NewEvent
	// public are the events for the bus: one for each notice that may be told of.
	public []webhook.Event
}

// audience is a tenant's endpoints, compiled for matching.
type audience struct {
	store.Subscriptions
	matcher *filter.Matcher
}

// of returns a tenant's endpoints; none for a tenant that is not there any more.
func (t *telling) of(ctx context.Context, tenant string) (*audience, error) {
	if known := t.tenants[tenant]; known != nil {
		return known, nil
	}
	subs, err := t.s.cfg.Store.Subscriptions(ctx, tenant)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	matcher, _ := filter.Compile(subs.Endpoints) // one whose filter is broken matches nothing
	a := &audience{Subscriptions: subs, matcher: matcher}
	t.tenants[tenant] = a
	return a, nil
}

// plan makes the events that tell of a notice: one for the operator's tenant, whatever its endpoints subscribe to, and
// one for the tenant itself if it has endpoints that name the type exactly. Of an endpoint that receives such events
// nothing is told, or its own failures would be sent to it for ever.
func (t *telling) plan(ctx context.Context, n *store.Notice) error {
	operator := t.s.cfg.OperatorTenant
	own, err := t.of(ctx, n.Tenant)
	if err != nil || n.Tenant == operator || own.listens(n.Endpoint) {
		return err
	}
	event := eventOf(n)
	t.public = append(t.public, event)
	if matched := own.match(&event, exactly); len(matched) > 0 {
		t.add(own, event, matched)
	}
	if operator == "" {
		return nil
	}
	all, err := t.of(ctx, operator)
	if err != nil || all.Tenant == "" {
		return err
	}
	event.Tenant = operator
	t.add(all, event, all.match(&event, every))
	return nil
}

// listens reports whether an endpoint receives operational events by name.
func (a *audience) listens(endpoint webhook.ID) bool {
	return slices.ContainsFunc(a.Endpoints, func(e webhook.Endpoint) bool {
		return e.ID == endpoint && slices.ContainsFunc(store.NoticeKinds, func(k store.NoticeKind) bool {
			return exactly(&e, typeOf(k))
		})
	})
}

// exactly reports whether an endpoint names a type as it is. An endpoint that takes all types, or those of a pattern,
// was made for its tenant's events, and does not expect Homing's.
func exactly(e *webhook.Endpoint, eventType string) bool { return slices.Contains(e.Types, eventType) }

// every lets each endpoint have what it matches.
func every(*webhook.Endpoint, string) bool { return true }

// match returns the endpoints that an event is for, of those that may have it.
func (a *audience) match(e *webhook.Event, may func(*webhook.Endpoint, string) bool) []*webhook.Endpoint {
	places, _ := a.matcher.Match(nil, e)
	var list []*webhook.Endpoint
	for _, i := range places {
		if may(&a.Endpoints[i], e.Type) {
			list = append(list, &a.Endpoints[i])
		}
	}
	return list
}

// add plans an event with its deliveries.
func (t *telling) add(to *audience, e webhook.Event, endpoints []*webhook.Endpoint) {
	s := t.s
	e.ID = s.cfg.IDs.New(s.cfg.Now())
	n := store.NewEvent{
		Event: e, Key: webhook.IdentityKey(e.Tenant, e.Source, e.CEID), ConfigVersion: to.Version,
	}
	for _, endpoint := range endpoints {
		n.Deliveries = append(n.Deliveries, store.NewDelivery{
			ID: e.ID.Sibling(), Endpoint: endpoint.ID, DueIn: s.cfg.Policy.ScheduleOf(endpoint)[0],
			Lifetime: s.cfg.Policy.Lifetime(endpoint), Lease: s.cfg.Policy.LeaseOf(endpoint),
		})
	}
	t.events = append(t.events, n)
}

// count counts what was told.
func (t *telling) count(notices []store.Notice) {
	for i := range notices {
		t.s.cfg.Metrics.told.WithLabelValues(string(notices[i].Kind)).Inc()
	}
}

// announce says that deliveries are due, and publishes the events for whoever listens on the bus. Both are best effort:
// the reconciler finds the deliveries, and who must not miss an event has an endpoint.
func (t *telling) announce(ctx context.Context, results []store.Accepted) error {
	var due []wire.Due
	for i := range results {
		if results[i].Status == store.AcceptRefused {
			t.s.cfg.Log.ErrorContext(ctx, "an operational event cannot be stored", "error", results[i].Err)
		}
		if results[i].Status != store.AcceptStored {
			continue
		}
		for _, d := range t.events[i].Deliveries {
			due = append(due, wire.Due{Delivery: d.ID, Endpoint: d.Endpoint, Due: results[i].AcceptedAt.Add(d.DueIn)})
		}
	}
	if t.s.cfg.Announce != nil {
		for i := range t.public {
			t.s.cfg.Announce(ctx, &t.public[i])
		}
	}
	if len(due) == 0 {
		return nil
	}
	return t.s.publish(ctx, wire.TypeDue, due, nil)
}

// SourceOperational is the source of Homing's own events.
const SourceOperational = "/homing"

// typeOf is the type of the events that tell of a kind of notice.
func typeOf(k store.NoticeKind) string { return "io.homing." + string(k) }

// Operational is the data of Homing's own events: ids and words, never payloads, URLs or secrets.
type Operational struct {
	Tenant   string     `json:"tenant"`
	Endpoint webhook.ID `json:"endpoint"`
	// Delivery, Event are those of a delivery that was given up.
	Delivery *webhook.ID `json:"delivery,omitempty"`
	Event    *webhook.ID `json:"event,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	// Attempts is how many a delivery took, or how many an endpoint was judged by, of which Succeeded succeeded.
	Attempts  int64     `json:"attempts,omitempty"`
	Succeeded int64     `json:"succeeded,omitempty"`
	At        time.Time `json:"at"`
}

// eventOf makes the event that tells of a notice, for the tenant that it is about.
func eventOf(n *store.Notice) webhook.Event {
	data := Operational{
		Tenant: n.Tenant, Endpoint: n.Endpoint, Reason: n.Reason, Attempts: n.Attempts, Succeeded: n.Succeeded, At: n.At,
	}
	if !n.Delivery.IsZero() {
		data.Delivery, data.Event = &n.Delivery, &n.Event
	}
	text, _ := json.Marshal(data) // can always be written, being of those types
	return webhook.Event{
		Tenant: n.Tenant, Source: SourceOperational, CEID: n.ID.String(), Type: typeOf(n.Kind),
		Subject: n.Endpoint.String(), Time: n.At, DataType: "application/json", Data: text,
	}
}
