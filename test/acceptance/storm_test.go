//go:build faults

package acceptance_test

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
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The storms: a few thousand events are under way when something is taken away. They take minutes, so they are built
// with the tag faults only (`make test-faults`), and their names begin with TestSurvives.

// stormPatience is how long a storm may take to settle: thousands of deliveries, on a machine that is busy with others.
const stormPatience = 3 * time.Minute

var seedFlag = flag.Uint64("seed", 0, "seed of the random moments; 0 draws one")

// seeded returns what random moments are drawn from, and says how to draw the same ones again.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("random moments: -seed %d draws them again", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// stormy makes an installation that a storm may go over: attempts short enough to be found interrupted soon, a schedule
// long enough for many interruptions, few enough slots that a backlog stands.
func stormy(t testing.TB, s services, settings ...string) *installation {
	t.Helper()
	h := install(t, s, stormSettings(settings)...)
	h.subscribeForStorm()
	return h
}

func stormSettings(settings []string) []string {
	return append([]string{
		"HOMING_ATTEMPT_TIMEOUT=3s", "HOMING_SCHEDULE=0s,200ms,400ms,1s,1s,1s,1s,2s,2s,2s,2s,2s", "HOMING_SLOTS=60",
		"HOMING_LOG_LEVEL=info",
	}, settings...)
}

// subscribeForStorm makes two endpoints: one takes everything, one refuses a fifth of its deliveries once.
func (h *installation) subscribeForStorm() {
	h.t.Helper()
	h.subscribe("steady", taking(latency, refusingOnce(0)))
	h.subscribe("flaky", taking(latency, refusingOnce(5)))
}

// latency is how long the endpoints of a storm take. With a few slots each it makes a backlog without making work.
const latency = 20 * time.Millisecond

// taking has a script's answers take a while.
func taking(d time.Duration, s script) script {
	return func(p *post) reply {
		r := s(p)
		hold := make(chan struct{})
		time.AfterFunc(d, func() { close(hold) })
		r.hold = hold
		return r
	}
}

// refusingOnce answers 503 to the first POST of every nth delivery; of none, when n is 0.
func refusingOnce(n uint32) script {
	return func(p *post) reply {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(p.id))
		if n > 0 && p.before == 0 && sum.Sum32()%n == 0 {
			return reply{status: http.StatusServiceUnavailable}
		}
		return reply{}
	}
}

// traffic is producers at work.
type traffic struct {
	*producer
	work   sync.WaitGroup
	faults []window
}

// window is when something was away.
type window struct{ from, to time.Time }

// produce has several producers send events: direct ones to the process, most of them in batches, and brokered ones to
// RabbitMQ. It returns at once.
func (h *installation) produce(to *process, direct, brokered int) *traffic {
	h.t.Helper()
	tr := &traffic{producer: h.producer(to)}
	tr.patience = stormPatience
	h.more(tr, "first", direct, brokered)
	return tr
}

// more has further events sent, named so.
func (h *installation) more(tr *traffic, name string, direct, brokered int) {
	h.t.Helper()
	const producers, chunk = 8, 20
	for i := range producers {
		events := orders(fmt.Sprintf("%s-direct-%d", name, i), direct/producers)
		tr.work.Go(func() {
			for n, some := range slices.Collect(slices.Chunk(events, chunk)) {
				if n%4 == 3 {
					tr.send(some...)
				} else {
					tr.sendAs(batched, some...)
				}
			}
		})
	}
	if brokered == 0 {
		return
	}
	b := h.broker()
	for i := range producers {
		events := orders(fmt.Sprintf("%s-brokered-%d", name, i), brokered/producers)
		tr.work.Go(func() {
			for _, e := range events {
				h.publish(tr, b, e)
			}
		})
	}
}

// publish hands an event to the broker, again and again until it has it.
func (h *installation) publish(tr *traffic, b *amqp.Bus, e *cloudEvent) {
	const again = 100 * time.Millisecond
	for deadline := time.Now().Add(stormPatience); ; <-time.After(again) {
		err := b.Publish(h.t.Context(), bus.BrokerEvents, e.brokered(h.t, h.tenant))
		if err == nil {
			tr.took(e)
			return
		}
		if time.Now().After(deadline) {
			h.t.Errorf("the broker does not take %s: %v", e.id, err)
			return
		}
	}
}

// halfway waits until so many events have been accepted, and says how much of them is under way: on most machines most,
// for accepting is quicker than delivering.
func (h *installation) halfway(tr *traffic, events int) {
	h.t.Helper()
	wait(h.t, stormPatience, "events are accepted", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(tr.accepted) >= events
	})
	h.t.Logf("%d deliveries are under way", h.underWay())
}

// brokered returns the events that a broker has taken.
func (tr *traffic) brokered() (ids []string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for id, a := range tr.accepted {
		if !a.taken.IsZero() {
			ids = append(ids, id)
		}
	}
	return ids
}

// waitForBrokered waits until a broker has taken n events.
func (h *installation) waitForBrokered(tr *traffic, n int) {
	h.t.Helper()
	wait(h.t, stormPatience, "the broker has the events", func() bool { return len(tr.brokered()) >= n })
}

// underWay is how many deliveries have not ended.
func (h *installation) underWay() int {
	h.t.Helper()
	return h.count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL")
}

// during notes when a fault was, which says of each event of a broker whether it was stored by then.
func (tr *traffic) during(fault func()) {
	w := window{from: time.Now()}
	fault()
	w.to = time.Now()
	tr.faults = append(tr.faults, w)
}

// elapse waits for a time that is the fault itself.
func elapse(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// moment waits for a random one while POSTs arrive.
func (h *installation) moment(random *rand.Rand, most int) {
	h.t.Helper()
	const jitter = 30 * time.Millisecond
	posts := len(h.receiver.all(nil)) + random.IntN(most)
	h.receiver.waitWithin(stormPatience, nil, posts)
	elapse(h.t, time.Duration(random.Int64N(int64(jitter))))
}

// column is what was accepted in one way, and how much of it was lost, in events.
type column struct{ Events, Lost int }

// ledger is the three columns of docs/guarantees.md: accepted by Homing itself, taken by a broker and stored when the
// fault came, taken by a broker and not stored by then.
type ledger struct{ Direct, Stored, Unstored column }

// survive waits until everything accepted has come to its end, and checks the books: nothing of the first two columns
// is lost, of the third exactly what was wiped, and no POST was made twice that the records do not explain.
func (h *installation) survive(tr *traffic, wiped int) ledger {
	h.t.Helper()
	tr.work.Wait()
	began := time.Now()
	wait(h.t, stormPatience, "what was accepted is stored and delivered", func() bool {
		return h.count("SELECT count(*) FROM events WHERE origin IS NULL") >= len(tr.accepted)-wiped && h.underWay() == 0
	})
	b := h.account(tr.producer)
	l := h.ledger(tr)
	h.t.Logf("%+v, all delivered %s after the last was sent; %d POSTs; %d duplicates, of %d that the records explain", l,
		time.Since(began).Round(time.Millisecond), len(h.receiver.all(nil)), b.Duplicates, b.Bound)
	require.Zero(h.t, b.Lost, "%+v", b)
	require.LessOrEqual(h.t, b.Duplicates, b.Bound, "%+v", b)
	require.Zero(h.t, l.Direct.Lost+l.Stored.Lost)
	require.Equal(h.t, wiped, l.Unstored.Lost, "%+v", l)
	return l
}

// ledger sorts the events into their columns.
func (h *installation) ledger(tr *traffic) (l ledger) {
	h.t.Helper()
	stored := h.storedAt()
	rows := h.deliveries()
	posts := h.postsByDelivery(rows)
	for _, a := range tr.accepted {
		row, known := stored[a.cloudEvent.id]
		c := &l.Stored
		switch {
		case a.taken.IsZero():
			c = &l.Direct
		case !known || slices.ContainsFunc(tr.faults, func(w window) bool {
			return a.taken.Before(w.to) && row.at.After(w.from)
		}):
			c = &l.Unstored
		}
		c.Events++
		if !known || slices.ContainsFunc(h.endpoints, func(e *endpoint) bool {
			return successes(posts[deliveryKey{row.id, e.ID}]) == 0
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
func (h *installation) storedAt() map[string]storedEvent {
	h.t.Helper()
	rows, err := h.sql.Query(h.t.Context(), "SELECT ce_id, id, accepted_at FROM events WHERE origin IS NULL")
	require.NoError(h.t, err)
	defer rows.Close()
	all := make(map[string]storedEvent)
	for rows.Next() {
		var ceID string
		var id [16]byte
		var e storedEvent
		require.NoError(h.t, rows.Scan(&ceID, &id, &e.at))
		e.id = id
		all[ceID] = e
	}
	require.NoError(h.t, rows.Err())
	return all
}

// purgeAll empties every queue, and returns how many of a producer's events there were, and of hints.
func (h *installation) purgeAll() (events, hints int) {
	h.t.Helper()
	ch, closeAll := h.rabbitMQ()
	defer closeAll()
	for _, trigger := range h.triggers() {
		n, err := ch.QueuePurge(queueOf(trigger), false)
		require.NoError(h.t, err)
		if config.Function(trigger.Subscriber) == config.FunctionIngest {
			events += n
		} else {
			hints += n
		}
	}
	return events, hints
}
