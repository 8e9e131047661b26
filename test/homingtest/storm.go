package homingtest

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The storms: a few thousand events are under way when something is taken away. They take minutes, so they are built
// with the tag faults only (`make test-faults`), and their names begin with TestSurvives.

// StormPatience is how long a storm may take to settle: thousands of deliveries, on a machine that is busy with others.
const StormPatience = 3 * time.Minute

var seedFlag = flag.Uint64("seed", 0, "seed of the random moments; 0 draws one")

// Seeded returns what random moments are drawn from, and says how to draw the same ones again.
func Seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("random moments: -seed %d draws them again", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// StormSettings are those of an installation that a storm may go over: attempts short enough to be found interrupted
// soon, a schedule long enough for many interruptions, few enough slots that a backlog stands. Those given go before
// them.
func StormSettings(settings []string) []string {
	return append([]string{
		"HOMING_ATTEMPT_TIMEOUT=3s", "HOMING_SCHEDULE=0s,200ms,400ms,1s,1s,1s,1s,2s,2s,2s,2s,2s", "HOMING_SLOTS=60",
		"HOMING_LOG_LEVEL=info",
	}, settings...)
}

// SubscribeForStorm makes two endpoints that take as long as latency says when they are asked: one takes everything,
// one refuses a fifth of its deliveries once.
func (h *Installation) SubscribeForStorm(latency func() time.Duration) {
	h.T.Helper()
	h.Subscribe("steady", Taking(latency, RefusingOnce(0)))
	h.Subscribe("flaky", Taking(latency, RefusingOnce(5)))
}

// Latency is how long the endpoints of a storm take. With a few slots each it makes a backlog without making work.
func Latency() time.Duration { return 20 * time.Millisecond }

// Taking has a script's answers take a while.
func Taking(latency func() time.Duration, s Script) Script {
	return func(p *Post) Reply {
		r := s(p)
		hold := make(chan struct{})
		time.AfterFunc(latency(), func() { close(hold) })
		r.Hold = hold
		return r
	}
}

// RefusingOnce answers 503 to the first POST of every nth delivery; of none, when n is 0.
func RefusingOnce(n uint32) Script {
	return func(p *Post) Reply {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(p.ID))
		if n > 0 && p.Before == 0 && sum.Sum32()%n == 0 {
			return Reply{Status: http.StatusServiceUnavailable}
		}
		return Reply{}
	}
}

// Traffic is producers at work.
type Traffic struct {
	*Producer
	Work   sync.WaitGroup
	faults []Window
}

// Window is when something was away.
type Window struct{ From, To time.Time }

// Produce has several producers send events: direct ones to the process, most of them in batches, and brokered ones to
// RabbitMQ. It returns at once.
func (h *Installation) Produce(to *Process, direct, brokered int) *Traffic {
	h.T.Helper()
	tr := &Traffic{Producer: h.Producer(to)}
	tr.Patience = StormPatience
	h.More(tr, "first", direct, brokered)
	return tr
}

// More has further events sent, named so.
func (h *Installation) More(tr *Traffic, name string, direct, brokered int) {
	h.T.Helper()
	const producers, chunk = 8, 20
	for i := range producers {
		events := Orders(fmt.Sprintf("%s-direct-%d", name, i), direct/producers)
		tr.Work.Go(func() {
			for n, some := range slices.Collect(slices.Chunk(events, chunk)) {
				if n%4 == 3 {
					tr.Send(some...)
				} else {
					tr.SendAs(Batched, some...)
				}
			}
		})
	}
	if brokered == 0 {
		return
	}
	b := h.Broker()
	for i := range producers {
		events := Orders(fmt.Sprintf("%s-brokered-%d", name, i), brokered/producers)
		tr.Work.Go(func() {
			for _, e := range events {
				h.Publish(tr, b, e)
			}
		})
	}
}

// Publish hands an event to the broker, again and again until it has it.
func (h *Installation) Publish(tr *Traffic, b Publisher, e *CloudEvent) {
	const again = 100 * time.Millisecond
	for deadline := time.Now().Add(StormPatience); ; <-time.After(again) {
		err := b.Publish(h.T.Context(), bus.BrokerEvents, e.Brokered(h.T, h.Tenant))
		if err == nil {
			tr.Took(e)
			return
		}
		if time.Now().After(deadline) {
			h.T.Errorf("the broker does not take %s: %v", e.ID, err)
			return
		}
	}
}

// Halfway waits until so many events have been accepted, and says how much of them is under way: on most machines most,
// for accepting is quicker than delivering.
func (h *Installation) Halfway(tr *Traffic, events int) {
	h.T.Helper()
	Wait(h.T, StormPatience, "events are accepted", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(tr.Accepted) >= events
	})
	h.T.Logf("%d deliveries are under way", h.UnderWay())
}

// Brokered returns the events that a broker has taken.
func (tr *Traffic) Brokered() (ids []string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for id, a := range tr.Accepted {
		if !a.taken.IsZero() {
			ids = append(ids, id)
		}
	}
	return ids
}

// WaitForBrokered waits until a broker has taken n events.
func (h *Installation) WaitForBrokered(tr *Traffic, n int) {
	h.T.Helper()
	Wait(h.T, StormPatience, "the broker has the events", func() bool { return len(tr.Brokered()) >= n })
}

// Stored is how many events are stored, those that replays copied apart.
func (h *Installation) Stored() int {
	h.T.Helper()
	return h.Count("SELECT count(*) FROM events WHERE origin IS NULL")
}

// UnderWay is how many deliveries have not ended.
func (h *Installation) UnderWay() int {
	h.T.Helper()
	return h.Count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL")
}

// During notes when a fault was, which says of each event of a broker whether it was stored by then.
func (tr *Traffic) During(fault func()) {
	w := Window{From: time.Now()}
	fault()
	w.To = time.Now()
	tr.faults = append(tr.faults, w)
}

// Elapse waits for a time that is the fault itself.
func Elapse(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// Moment waits for a random one while POSTs arrive.
func (h *Installation) Moment(random *rand.Rand, most int) {
	h.T.Helper()
	const jitter = 30 * time.Millisecond
	posts := len(h.Receiver.All(nil)) + random.IntN(most)
	h.Receiver.WaitWithin(StormPatience, nil, posts)
	Elapse(h.T, time.Duration(random.Int64N(int64(jitter))))
}

// Column is what was accepted in one way, and how much of it was lost, in events.
type Column struct{ Events, Lost int }

// Ledger is the three columns of docs/guarantees.md: accepted by Homing itself, taken by a broker and stored when the
// fault came, taken by a broker and not stored by then.
type Ledger struct{ Direct, Stored, Unstored Column }

// Survive waits until everything accepted has come to its end, and checks the books: nothing of the first two columns
// is lost, of the third exactly what was wiped, and no POST was made twice that the records do not explain.
func (h *Installation) Survive(tr *Traffic, wiped int) Ledger {
	h.T.Helper()
	tr.Work.Wait()
	began := time.Now()
	kept := len(tr.Accepted) - wiped
	stored, left := 0, 0
	settled := func() bool { return stored >= kept && left == 0 }
	defer func() {
		if !settled() { // and the wait was in vain
			h.T.Logf("%d of %d events are stored, and %d deliveries under way", stored, kept, left)
		}
	}()
	Wait(h.T, StormPatience, "what was accepted is stored and delivered", func() bool {
		stored, left = h.Stored(), h.UnderWay()
		return settled()
	})
	h.T.Logf("all was delivered %s after the last was sent", time.Since(began).Round(time.Millisecond))
	l := h.Check(tr)
	require.Equal(h.T, wiped, l.Unstored.Lost, "%+v", l)
	return l
}

// Check checks the books when everything has come to its end: nothing of the first two columns is lost, and no POST was
// made twice that the records do not explain. How much of the third is lost it only says.
func (h *Installation) Check(tr *Traffic) Ledger {
	h.T.Helper()
	b := h.Account(tr.Producer)
	l := h.Ledger(tr)
	h.T.Logf("%+v; %d POSTs; %d duplicates, of %d that the records explain", l, len(h.Receiver.All(nil)), b.Duplicates,
		b.Bound)
	require.Zero(h.T, b.Lost, "%+v", b)
	require.LessOrEqual(h.T, b.Duplicates, b.Bound, "%+v", b)
	require.Zero(h.T, l.Direct.Lost+l.Stored.Lost, "%+v", l)
	return l
}

// Ledger sorts the events into their columns.
func (h *Installation) Ledger(tr *Traffic) (l Ledger) {
	h.T.Helper()
	stored := h.storedAt()
	rows := h.Deliveries()
	posts := h.PostsByDelivery(rows)
	for _, a := range tr.Accepted {
		row, known := stored[a.ID]
		c := &l.Stored
		switch {
		case a.taken.IsZero():
			c = &l.Direct
		case !known || slices.ContainsFunc(tr.faults, func(w Window) bool {
			return a.taken.Before(w.To) && row.at.After(w.From)
		}):
			c = &l.Unstored
		}
		c.Events++
		if !known || slices.ContainsFunc(h.Endpoints, func(e *Endpoint) bool {
			wanted := e.Wants == nil || e.Wants(a.CloudEvent)
			return wanted && Successes(posts[DeliveryKey{row.id, e.ID}]) == 0
		}) {
			c.Lost++
		}
	}
	return l
}

// storedEvent is an event that was stored.
type storedEvent struct {
	id webhook.ID
	at time.Time
}

// storedAt returns the stored events by their producers' ids.
func (h *Installation) storedAt() map[string]storedEvent {
	h.T.Helper()
	rows, err := h.SQL.Query(h.T.Context(), "SELECT ce_id, id, accepted_at FROM events WHERE origin IS NULL")
	require.NoError(h.T, err)
	defer rows.Close()
	all := make(map[string]storedEvent)
	for rows.Next() {
		var ceID string
		var id [16]byte
		var e storedEvent
		require.NoError(h.T, rows.Scan(&ceID, &id, &e.at))
		e.id = id
		all[ceID] = e
	}
	require.NoError(h.T, rows.Err())
	return all
}

// PurgeAll empties every queue, and returns how many of a producer's events there were, and of hints.
func (h *Installation) PurgeAll() (events, hints int) {
	h.T.Helper()
	ch, closeAll := h.RabbitMQ()
	defer closeAll()
	for _, trigger := range h.Triggers() {
		n, err := ch.QueuePurge(QueueOf(trigger), false)
		require.NoError(h.T, err)
		if config.Function(trigger.Subscriber) == config.FunctionIngest {
			events += n
		} else {
			hints += n
		}
	}
	return events, hints
}
