package accept

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Sender makes first attempts in the process that accepts: what it has a slot for is claimed as it is stored, which
// saves a hint and a claim. Everything else goes by hints.
type Sender interface {
	// Reserve takes a slot at each of the endpoints where one is free, and reports for which. Each is then given to
	// Release, or to Attempt.
	Reserve(endpoints []webhook.ID) []bool
	Release(endpoints []webhook.ID)
	// Attempt makes attempts that were just claimed with those slots, and does not wait for them. askedAt is before the
	// claim was asked for, by the process's clock.
	Attempt(work []store.Work, askedAt time.Time)
}

// beginUpTo bounds the payloads of events whose attempts begin at once: they stay in memory for as long as the endpoint
// takes. A claim bounds those of larger ones.
const beginUpTo = 64 << 10

// store commits a group of events, and sees to what is due of it: whatever becomes of the callers, who may have gone.
func (a *Accepter) store(ctx context.Context, events []store.NewEvent) ([]store.Accepted, error) {
	reserved := a.reserve(events)
	at := time.Now()
	accepted, err := a.cfg.Store.Accept(ctx, events)
	if err != nil {
		reserved.release(a.cfg.Sender)
		return nil, err
	}
	var due []wire.Due
	for i := range accepted {
		if accepted[i].Status != store.AcceptStored {
			continue
		}
		begun := accepted[i].Begun
		for _, d := range events[i].Deliveries {
			if len(begun) > 0 && begun[0].Delivery.ID == d.ID {
				begun = begun[1:]
				continue
			}
			due = append(due, wire.Due{Delivery: d.ID, Endpoint: d.Endpoint, Due: accepted[i].AcceptedAt.Add(d.DueIn)})
		}
	}
	a.begin(accepted, reserved, at)
	if len(due) > 0 {
		a.cfg.Hint(due...)
	}
	return accepted, nil
}

// reservations are how many slots a group holds at each endpoint.
type reservations map[webhook.ID]int

// reserve takes slots for the first attempts of a group, and asks for those to begin.
func (a *Accepter) reserve(events []store.NewEvent) reservations {
	if a.cfg.Sender == nil {
		return nil
	}
	var wanted []*store.NewDelivery
	var endpoints []webhook.ID
	for i := range events {
		if len(events[i].Event.Data) > beginUpTo {
			continue
		}
		for j := range events[i].Deliveries {
			if d := &events[i].Deliveries[j]; d.DueIn <= 0 {
				wanted = append(wanted, d)
				endpoints = append(endpoints, d.Endpoint)
			}
		}
	}
	held := make(reservations)
	for i, got := range a.cfg.Sender.Reserve(endpoints) {
		wanted[i].Begin = got
		if got {
			held[endpoints[i]]++
		}
	}
	return held
}

// begin hands over the attempts that have begun, and gives back the slots of those that have not.
func (a *Accepter) begin(accepted []store.Accepted, held reservations, at time.Time) {
	if len(held) == 0 {
		return
	}
	for i := range accepted {
		for _, w := range accepted[i].Begun {
			held[w.Delivery.Endpoint]--
		}
		if len(accepted[i].Begun) > 0 {
			a.cfg.Sender.Attempt(accepted[i].Begun, at)
		}
	}
	held.release(a.cfg.Sender)
}

// release gives back the slots that are left.
func (r reservations) release(sender Sender) {
	var left []webhook.ID
	for endpoint, n := range r {
		for range n {
			left = append(left, endpoint)
		}
	}
	if len(left) > 0 {
		sender.Release(left)
	}
}
