package postgres

import (
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// beginning is the first attempts that begin with a group of events: what a claim would have read, without reading the
// events again. A nil one is a group in which none does.
type beginning struct {
	claim
	rows map[webhook.ID]webhook.Delivery // as far as they are known from accept.sql
}

// beginning returns that of a group; nil when no delivery in it is to begin.
func (s *Store) beginning(a acceptance) *beginning {
	var endpoints []webhook.ID
	for _, i := range a.group {
		for j := range a.events[i].Deliveries {
			if d := &a.events[i].Deliveries[j]; d.Begin {
				endpoints = append(endpoints, d.Endpoint)
			}
		}
	}
	if endpoints == nil {
		return nil
	}
	return &beginning{
		claim: claim{s: s, endpoints: sortedIDs(endpoints), targets: make(map[webhook.ID]*target)},
		rows:  make(map[webhook.ID]webhook.Delivery, len(endpoints)),
	}
}

// began notes a delivery whose first attempt has begun.
func (b *beginning) began(d webhook.Delivery) {
	if b != nil {
		b.rows[d.ID] = d
	}
}

// of returns the work of an event that was stored: with the event as it would be read again.
func (b *beginning) of(n *store.NewEvent, acceptedAt time.Time) []store.Work {
	if b == nil {
		return nil
	}
	var event *webhook.Event
	var begun []store.Work
	for i := range n.Deliveries {
		d, found := b.rows[n.Deliveries[i].ID]
		if !found {
			continue
		}
		if event == nil {
			event = asRead(n.Event, acceptedAt)
		}
		d.Tenant, d.Event, d.Endpoint = event.Tenant, event.ID, n.Deliveries[i].Endpoint
		w := store.Work{Delivery: d, Event: event}
		w.Target, w.Err = b.targetOf(d.Endpoint)
		begun = append(begun, w)
	}
	return begun
}

// asRead is an event as Postgres gives it back: its times are to the microsecond, and a claim does not read where its
// data were wrong.
func asRead(e webhook.Event, acceptedAt time.Time) *webhook.Event {
	e.AcceptedAt, e.SchemaError = acceptedAt, ""
	if !e.Time.IsZero() {
		e.Time = time.UnixMicro(e.Time.UnixMicro()).UTC()
	}
	return &e
}
