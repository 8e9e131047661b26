package simulation

import (
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// ingest is what an instance of ingest has in memory.
type ingest struct {
	subs    *store.Subscriptions // mirrors accept.directory: may be stale at any time
	waiting []*request           // mirrors Accepter.group: what arrives while one commit is under way goes into the next
	writing bool
}

// request is one event of a producer on its way through an instance.
type request struct {
	from  *producer
	redo  int
	stale int64
}

// maxRedo mirrors accept.maxRedo.
const maxRedo = 8

// receive mirrors accept.Accepter.Accept.
func (p *process) receive(from *producer) { p.match(&request{from: from}) }

// match mirrors accept.directory.of: subscriptions are read when none are known, or those known are stale.
func (p *process) match(r *request) {
	if p.subs != nil && p.subs.Version > r.stale {
		p.join(r)
		return
	}
	p.then("subscriptions", func() {
		subs, err := p.s.store.subscriptions()
		if err != nil {
			p.answer(r, false, webhook.ID{})
			return
		}
		if p.subs == nil || p.subs.Version < subs.Version {
			p.subs = &subs
		}
		p.join(r)
	})
}

// join puts a matched event into the next group commit.
func (p *process) join(r *request) {
	p.waiting = append(p.waiting, r)
	if !p.writing {
		p.writing = true
		p.then("commit", p.write)
	}
}

// write mirrors Accepter.write: one commit for all that waits.
func (p *process) write() {
	group := p.waiting
	p.waiting, p.writing = nil, false
	events := make([]store.NewEvent, len(group))
	for i, r := range group {
		events[i] = p.plan(r.from)
	}
	if p.s.is(hintBeforeCommit) {
		for i := range events {
			p.hintStored(&events[i], nil)
		}
		p.then("commit", func() { p.commit(group, events) })
		return
	}
	p.commit(group, events)
}

// commit mirrors Accepter.store, and what Accepter.write makes of each result.
func (p *process) commit(group []*request, events []store.NewEvent) {
	at, reserved := p.s.now, p.reserve(events)
	accepted, err := p.s.store.accept(events)
	for i := range accepted {
		for j := range accepted[i].Begun {
			reserved--
			p.start(&accepted[i].Begun[j], at)
		}
	}
	p.used -= reserved
	p.freed()
	for i, r := range group {
		if err != nil {
			p.answer(r, p.s.is(answerWithoutCommit), events[i].Event.ID)
			continue
		}
		switch got := accepted[i]; got.Status {
		case store.AcceptStale:
			r.stale = events[i].ConfigVersion
			if r.redo++; r.redo == maxRedo {
				p.answer(r, false, webhook.ID{})
				continue
			}
			p.match(r)
		case store.AcceptStored:
			if !p.s.is(hintBeforeCommit) {
				p.hintStored(&events[i], got.Begun)
			}
			p.answer(r, true, got.EventID)
		case store.AcceptDuplicate:
			p.answer(r, true, got.EventID)
		case store.AcceptRefused:
			p.s.fail("event %d is refused: %v", r.from.number, got.Err)
		}
	}
}

// reserve mirrors Accepter.reserve and Deliverer.Reserve, where one process both accepts and sends. It asks also for
// what is due later, and at closed endpoints, which the store must refuse.
func (p *process) reserve(events []store.NewEvent) (n int) {
	if !p.s.together {
		return 0
	}
	for i := range events {
		for j := range events[i].Deliveries {
			d := &events[i].Deliveries[j]
			if p.share(d.Endpoint).waiting() || p.used >= p.s.slots {
				continue
			}
			d.Begin = true
			p.used++
			n++
		}
	}
	return n
}

// plan mirrors Accepter.plan.
func (p *process) plan(from *producer) store.NewEvent {
	at := p.now()
	e := webhook.Event{
		ID: p.s.newID('v', at), Tenant: tenant, Source: "/producer", CEID: from.ceID(), Type: "order.created",
		Data: []byte("{}"),
	}
	n := store.NewEvent{
		Event: e, Key: webhook.IdentityKey(e.Tenant, e.Source, e.CEID), ConfigVersion: p.subs.Version,
	}
	for i := range p.subs.Endpoints {
		endpoint := &p.subs.Endpoints[i]
		n.Deliveries = append(n.Deliveries, store.NewDelivery{
			ID: p.s.newID('d', at), Endpoint: endpoint.ID, DueIn: p.s.policy.ScheduleOf(endpoint)[0],
			Lifetime: p.s.lifetime(endpoint), Lease: p.s.policy.LeaseOf(endpoint),
		})
	}
	return n
}

// lifetime mirrors the use of webhook.Policy.Lifetime in Accepter.plan.
func (s *sim) lifetime(e *webhook.Endpoint) time.Duration {
	switch {
	case s.is(expiryNever):
		return 10_000 * time.Hour
	case s.hasty:
		return 5 * time.Minute
	default:
		return s.policy.Lifetime(e)
	}
}

// hintStored mirrors the hints of Accepter.store: for what has not begun.
func (p *process) hintStored(n *store.NewEvent, begun []store.Work) {
	var due []wire.Due
	for _, d := range n.Deliveries {
		if len(begun) > 0 && begun[0].Delivery.ID == d.ID {
			begun = begun[1:]
			continue
		}
		due = append(due, wire.Due{Delivery: d.ID, Endpoint: d.Endpoint, Due: p.s.now.Add(d.DueIn)})
	}
	p.hint(wire.TypeDue, due, nil)
}

// answer tells the producer; the answer is lost with the process.
func (p *process) answer(r *request, ok bool, id webhook.ID) {
	p.then("answer", func() { r.from.answered(ok, id) })
}
