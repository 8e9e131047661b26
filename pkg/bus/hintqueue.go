package bus

import (
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// hintQueue holds what waits to be hinted at in one partition: a ring of endpoints, each with its own deliveries, so
// that an endpoint with many delays the others by one hint at most, and can be collapsed in one step.
type hintQueue struct {
	number      int
	perEndpoint int  // how many deliveries of one endpoint wait at most
	room        int  // how many deliveries and endpoints wait at most
	publishing  bool // whether a hint of this partition is in flight

	named       int // deliveries and endpoints waiting
	of          map[webhook.ID]*endpointQueue
	first, last *endpointQueue
}

// endpointQueue is what waits of one endpoint: its deliveries, or that it has work.
type endpointQueue struct {
	id         webhook.ID
	next       *endpointQueue
	deliveries []wire.Due
	collapsed  bool
	due        time.Time // when the endpoint may be sent to, once collapsed
}

// size is how many ids the endpoint takes in hints.
func (q *endpointQueue) size() int {
	if q.collapsed {
		return 1
	}
	return len(q.deliveries)
}

// addDelivery returns how many others had to go for it.
func (q *hintQueue) addDelivery(d wire.Due) (dropped int) {
	e := q.endpoint(d.Endpoint)
	switch {
	case e.collapsed:
		e.due = earliest(e.due, d.Due)
	case len(e.deliveries) < q.perEndpoint:
		e.deliveries = append(e.deliveries, d)
		q.named++
	default:
		q.collapse(e, d.Due)
	}
	return q.dropOldest()
}

// addEndpoint returns how many others had to go for it.
func (q *hintQueue) addEndpoint(item wire.Endpoint) (dropped int) {
	e := q.endpoint(item.Endpoint)
	if e.collapsed {
		e.due = earliest(e.due, item.Due)
	} else {
		q.collapse(e, item.Due)
	}
	return q.dropOldest()
}

// endpoint finds the endpoint in the ring, or puts it last.
func (q *hintQueue) endpoint(id webhook.ID) *endpointQueue {
	e, ok := q.of[id]
	if !ok {
		e = &endpointQueue{id: id}
		q.of[id] = e
		q.append(e)
	}
	return e
}

func (q *hintQueue) append(e *endpointQueue) {
	e.next = nil
	if q.last == nil {
		q.first = e
	} else {
		q.last.next = e
	}
	q.last = e
}

// removeFirst takes the first endpoint out of the ring.
func (q *hintQueue) removeFirst() {
	e := q.first
	q.first = e.next
	if q.first == nil {
		q.last = nil
	}
	delete(q.of, e.id)
}

// collapse turns an endpoint's deliveries into the one word that it has work, from the earliest time that any has.
func (q *hintQueue) collapse(e *endpointQueue, due time.Time) {
	for i := range e.deliveries {
		due = earliest(due, e.deliveries[i].Due)
	}
	q.named += 1 - len(e.deliveries)
	e.deliveries, e.collapsed, e.due = nil, true, due
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// take takes the next hint out of the queue: of each endpoint in turn all that fits.
func (q *hintQueue) take(eventType string) wire.Hint {
	h := wire.Hint{Type: eventType, Partition: q.number}
	for room := wire.MaxIDs; room > 0 && q.first != nil; {
		e := q.first
		n := min(room, e.size())
		room -= n
		q.named -= n
		if e.collapsed {
			h.Endpoints = append(h.Endpoints, wire.Endpoint{Endpoint: e.id, Due: e.due})
			q.removeFirst()
			continue
		}
		h.Deliveries = append(h.Deliveries, e.deliveries[:n]...)
		rest := e.deliveries[n:]
		q.removeFirst()
		if len(rest) > 0 { // its turn comes again after the others
			e.deliveries = rest
			q.of[e.id] = e
			q.append(e)
		}
	}
	return h
}

// dropOldest makes the queue fit its room again, and returns how many ids went.
func (q *hintQueue) dropOldest() (dropped int) {
	for q.named > q.room {
		e := q.first
		q.named--
		dropped++
		if e.size() == 1 {
			q.removeFirst()
			continue
		}
		e.deliveries = e.deliveries[1:]
	}
	return dropped
}

// drop empties the queue and returns how many ids went.
func (q *hintQueue) drop() int {
	dropped := q.named
	q.named, q.first, q.last = 0, nil, nil
	clear(q.of)
	return dropped
}
