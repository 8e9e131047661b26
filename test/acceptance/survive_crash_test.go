//go:build faults

package acceptance_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSurvivesTenKills kills the process ten times at random moments, while direct and brokered events come, and starts
// it again each time.
func TestSurvivesTenKills(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	h := stormy(t, allServices, "HOMING_LISTEN="+freeAddress(t))
	all := h.spawn("homing", "serve")
	h.waitForQueues()
	tr := h.produce(all, 1200, 800)
	h.halfway(tr, 200)
	for range 10 {
		h.moment(random, 200)
		tr.during(func() {
			all.kill()
			all = h.spawn("homing", "serve")
		})
	}
	h.survive(tr, 0)
	require.True(t, all.running())
	require.Positive(t, h.count("SELECT count(*) FROM attempts WHERE outcome = 'interrupted'"), "a kill hit nothing")
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
				h.set("HOMING_LISTEN=" + addresses[name])
				processes[name] = h.spawn("homing", "serve", "--only", name)
			}
			for _, name := range []string{"deliver", "retry", "ingest"} {
				addresses[name] = freeAddress(t)
				spawn(name)
			}
			h.waitForQueues()
			tr := h.produce(processes["ingest"], 600, 400)
			h.halfway(tr, 200)
			for range 3 {
				h.moment(random, 300)
				tr.during(func() {
					processes[function].kill()
					spawn(function)
				})
			}
			h.survive(tr, 0)
		})
	}
}
