// Package memory keeps timers in the memory of one process: for the single-process mode, and for tests.
//
// It owns a heap of the entries by the moment they are due or come back, and an index to find them by id. It promises
// what [timer.Timer] promises, for all the goroutines that share one Timer, and about 120 bytes an entry (a million
// waiting deliveries fit in 120 MB), which are given back when the last entry goes. It never starts a goroutine, never
// reads a clock and never outlives its process: the reconciler finds again what is lost with it.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Timer is a [timer.Timer] in memory. Make one with [New].
type Timer struct {
	mu sync.Mutex
	// byID leads to the first slot of those that have an id in common; they are linked by their next. The key is 16
	// bytes of an entry's 40, which is what keeps a million entries small; few entries share an id.
	byID map[webhook.ID]int32
	// slots hold the entries and never move; those not in use are linked from free.
	slots []slot
	free  int32
	// heap orders the slots in use, earliest moment first.
	heap   []int32
	closed bool
}

// slot is one entry and its place in the structures.
type slot struct {
	endpoint webhook.ID
	delivery webhook.ID
	attempt  int
	moment   int64 // timer.DueMicros when set, timer.LeaseMicros when claimed
	heapAt   int32 // index in heap
	next     int32 // slot with the same id, or the next free one
}

// none is the index of no slot.
const none int32 = -1

var _ timer.Timer = (*Timer)(nil)

// New returns a timer without entries.
func New() *Timer {
	t := &Timer{}
	t.reset()
	return t
}

func (t *Timer) reset() {
	t.byID, t.slots, t.heap, t.free = make(map[webhook.ID]int32), nil, nil, none
}

// enter locks the timer for one call.
func (t *Timer) enter(ctx context.Context, call string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory timer: %s: %w: %w", call, timer.ErrUnavailable, err)
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, fmt.Errorf("memory timer: %s: closed: %w", call, timer.ErrUnavailable)
	}
	return t.mu.Unlock, nil
}

// Set implements [timer.Timer].
func (t *Timer) Set(ctx context.Context, entries []timer.Entry) error {
	leave, err := t.enter(ctx, "set")
	if err != nil {
		return err
	}
	defer leave()
	for i := range entries {
		e := &entries[i]
		at := t.find(e)
		if at == none {
			at = t.add(e)
		}
		t.slots[at].moment = timer.DueMicros(e.Due)
		t.fix(t.slots[at].heapAt)
	}
	return nil
}

// Claim implements [timer.Timer]. The entries come earliest first.
func (t *Timer) Claim(
	ctx context.Context, now time.Time, limit int, lease time.Duration,
) (claimed []timer.Entry, next time.Time, err error) {
	leave, err := t.enter(ctx, "claim")
	if err != nil {
		return nil, time.Time{}, err
	}
	defer leave()
	nowMicros, until := now.UnixMicro(), timer.LeaseMicros(now, lease)
	// Taken off the heap first and put back after, so that what is left says when the next one is due.
	var taken []int32
	for len(taken) < limit && len(t.heap) > 0 && t.slots[t.heap[0]].moment <= nowMicros {
		at := t.heap[0]
		t.unheap(0)
		taken = append(taken, at)
	}
	if len(t.heap) > 0 {
		next = timer.Moment(t.slots[t.heap[0]].moment)
	}
	claimed = make([]timer.Entry, 0, len(taken))
	for _, at := range taken {
		s := &t.slots[at]
		claimed = append(claimed, timer.Entry{
			Endpoint: s.endpoint, Delivery: s.delivery, Attempt: s.attempt,
			Due: timer.Moment(s.moment), Lease: timer.Moment(until),
		})
		s.moment = until
		t.enheap(at)
	}
	return claimed, next, nil
}

// Done implements [timer.Timer].
func (t *Timer) Done(ctx context.Context, claimed []timer.Entry) error {
	leave, err := t.enter(ctx, "done")
	if err != nil {
		return err
	}
	defer leave()
	for i := range claimed {
		e := &claimed[i]
		if at := t.find(e); at != none && t.slots[at].moment == e.Lease.UnixMicro() {
			t.remove(at)
		}
	}
	if len(t.heap) == 0 {
		t.reset() // neither map nor slice ever shrinks by itself
	}
	return nil
}

// Len implements [timer.Timer].
func (t *Timer) Len(ctx context.Context) (int, error) {
	leave, err := t.enter(ctx, "len")
	if err != nil {
		return 0, err
	}
	defer leave()
	return len(t.heap), nil
}

// Close implements [timer.Timer]. The entries are forgotten.
func (t *Timer) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.reset()
	return nil
}

// indexID is the id that an entry is found by.
func indexID(endpoint, delivery webhook.ID) webhook.ID {
	if delivery.IsZero() {
		return endpoint
	}
	return delivery
}

// find returns the slot of an entry, or none.
func (t *Timer) find(e *timer.Entry) int32 {
	at, ok := t.byID[indexID(e.Endpoint, e.Delivery)]
	if !ok {
		return none
	}
	for at != none {
		s := &t.slots[at]
		if s.attempt == e.Attempt && s.delivery == e.Delivery && s.endpoint == e.Endpoint {
			break
		}
		at = s.next
	}
	return at
}

// add puts a new entry at the end of the heap, without a moment yet.
func (t *Timer) add(e *timer.Entry) int32 {
	at := t.free
	if at == none {
		t.slots = append(t.slots, slot{})
		at = int32(len(t.slots) - 1)
	} else {
		t.free = t.slots[at].next
	}
	id := indexID(e.Endpoint, e.Delivery)
	first, ok := t.byID[id]
	if !ok {
		first = none
	}
	t.byID[id] = at
	t.slots[at] = slot{
		endpoint: e.Endpoint, delivery: e.Delivery, attempt: e.Attempt, heapAt: int32(len(t.heap)), next: first,
	}
	t.heap = append(t.heap, at)
	return at
}

// remove forgets the entry of a slot.
func (t *Timer) remove(at int32) {
	s := &t.slots[at]
	t.unheap(s.heapAt)
	id := indexID(s.endpoint, s.delivery)
	switch first := t.byID[id]; {
	case first == at && s.next == none:
		delete(t.byID, id)
	case first == at:
		t.byID[id] = s.next
	default:
		before := first
		for t.slots[before].next != at {
			before = t.slots[before].next
		}
		t.slots[before].next = s.next
	}
	s.next, t.free = t.free, at
}

// before is the order of the heap: by moment, and among equals by what Redis orders members by.
func (t *Timer) before(i, j int32) bool {
	a, b := &t.slots[t.heap[i]], &t.slots[t.heap[j]]
	if a.moment != b.moment {
		return a.moment < b.moment
	}
	return cmp.Or(
		bytes.Compare(a.endpoint[:], b.endpoint[:]),
		bytes.Compare(a.delivery[:], b.delivery[:]),
		cmp.Compare(a.attempt, b.attempt),
	) < 0
}

func (t *Timer) swap(i, j int32) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.slots[t.heap[i]].heapAt, t.slots[t.heap[j]].heapAt = i, j
}

// enheap puts a slot into the heap.
func (t *Timer) enheap(at int32) {
	t.heap = append(t.heap, at)
	t.slots[at].heapAt = int32(len(t.heap) - 1)
	t.fix(t.slots[at].heapAt)
}

// unheap takes the slot at an index out of the heap.
func (t *Timer) unheap(i int32) {
	last := int32(len(t.heap) - 1)
	t.swap(i, last)
	t.heap = t.heap[:last]
	if i < last {
		t.fix(i)
	}
}

// fix puts right the place of the one slot whose moment changed.
func (t *Timer) fix(i int32) {
	for i > 0 && t.before(i, (i-1)/2) {
		t.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		first := 2*i + 1
		if first >= int32(len(t.heap)) {
			return
		}
		if second := first + 1; second < int32(len(t.heap)) && t.before(second, first) {
			first = second
		}
		if !t.before(first, i) {
			return
		}
		t.swap(i, first)
		i = first
	}
}
