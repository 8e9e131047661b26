//go:build faults

package acceptance_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/config"
)

// TestSurvivesTenKills kills the process ten times at random moments, while direct and brokered events come, and starts
// it again each time.
func TestSurvivesTenKills(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	h := stormy(t, allServices, "HOMING_LISTEN="+ownAddress(t))
	all := h.Spawn("homing", "serve")
	h.WaitForQueues()
	tr := h.Produce(all, 1600, 1200)
	h.rise(1000)
	for round := range 10 {
		h.Moment(random, 200)
		h.gust(tr, random, fmt.Sprint("round-", round))
		h.strike(tr, func() {
			all.Kill()
			all = h.Spawn("homing", "serve")
		})
	}
	h.survive(tr, 0)
	require.True(t, all.Running())
	require.Positive(t, h.Count("SELECT count(*) FROM attempts WHERE outcome = 'interrupted'"), "a kill hit nothing")
}

// TestSurvivesSIGKILLOfEachFunction kills each function alone, three times at random moments, with the functions as
// processes of their own over AMQP.
func TestSurvivesSIGKILLOfEachFunction(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"ingest", "deliver", "retry"} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			random := seeded(t)
			h := stormy(t, allServices)
			processes := make(map[string]*process)
			addresses := map[string]string{}
			spawn := func(name string) {
				h.Set("HOMING_LISTEN=" + addresses[name])
				processes[name] = h.Spawn("homing", "serve", "--only", name)
			}
			for _, name := range []string{"deliver", "retry", "ingest"} {
				addresses[name] = ownAddress(t)
				spawn(name)
			}
			h.WaitForQueues()
			tr := h.Produce(processes["ingest"], 1200, 1000)
			h.rise(500)
			for round := range 3 {
				if function == "ingest" && round > 0 {
					h.momentOfStoring(random, 60)
				} else {
					h.Moment(random, 300)
				}
				h.gust(tr, random, fmt.Sprint("round-", round))
				h.strike(tr, func() {
					processes[function].Kill()
					if function == "ingest" { // so that it has as much at once as it takes, when it is killed again
						h.backlog(tr, fmt.Sprint("backlog-", round))
					}
					spawn(function)
				})
			}
			if function == "deliver" {
				h.survive(tr, 0)
				return
			}
			h.surviveUninterrupted(tr, 0)
		})
	}
}

// TestSurvivesAFrozenDeliver stalls deliver for longer than its leases, while another one is started and goes on. What
// it had in flight is delivered by the other, and what it comes to know when it wakes is too late to undo that.
func TestSurvivesAFrozenDeliver(t *testing.T) {
	t.Parallel()
	h := stormy(t, allServices)
	deliver := h.Spawn("homing", "serve", "--only", "deliver")
	others := h.Spawn("homing", "serve", "--only", "ingest,retry")
	h.WaitForQueues()
	tr := h.Produce(others, 1600, 800)
	h.rise(500)
	wait(t, patience, "much is in flight", func() bool {
		return h.Count("SELECT count(*) FROM deliveries WHERE state = 'attempting'") >= 20
	})
	h.strike(tr, func() {
		thaw := deliver.Freeze()
		h.ebb() // what was in flight comes after the whole backlog
		h.Spawn("homing", "serve", "--only", "deliver")
		wait(t, stormPatience, "what was in flight is delivered by the other", func() bool {
			return h.Count("SELECT count(*) FROM deliveries WHERE interruptions > 0 AND state = 'succeeded'") >= 10
		})
		elapse(t, 2*time.Second) // so that an attempt that began for a late outcome did so long after the success
		thaw()
	})
	h.survive(tr, 0)
}

// backlog has the broker take more events than ingest handles at once, while ingest is down.
func (h *stormed) backlog(tr *traffic, name string) {
	h.T.Helper()
	const events = 240
	h.More(tr, name, 0, events)
	wait(h.T, stormPatience, "events wait for ingest", func() bool { return h.Waiting(config.FunctionIngest) >= events/2 })
}

// momentOfStoring waits for a random one while events are stored.
func (h *stormed) momentOfStoring(random *rand.Rand, most int) {
	h.T.Helper()
	const stored = "SELECT count(*) FROM events"
	enough := h.Count(stored) + random.IntN(most)
	wait(h.T, stormPatience, "events are stored", func() bool { return h.Count(stored) > enough })
}
