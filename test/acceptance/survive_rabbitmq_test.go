//go:build faults

package acceptance_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/testenv"
)

// TestSurvivesQueuesPurged empties every queue of RabbitMQ: of the hints nobody misses one; of the producers' events
// exactly those are lost that the broker alone had.
func TestSurvivesQueuesPurged(t *testing.T) {
	t.Parallel()
	t.Run("AtRandomMoments", func(t *testing.T) {
		t.Parallel()
		random := seeded(t)
		h := stormy(t, allServices)
		ingest := h.Start(config.FunctionIngest)
		others := h.Start(config.FunctionDeliver, config.FunctionRetry)
		tr := h.Produce(ingest, 1600, 1200)
		h.rise(1000)
		lost, hints := 0, 0
		for round := range 10 {
			h.Moment(random, 200)
			away := round%2 == 1
			if away { // so that hints wait, which otherwise are taken at once
				others.Stop()
			}
			h.gust(tr, random, fmt.Sprint("round-", round))
			if away { // and all is said: no later hint makes up for those that are purged
				tr.Work.Wait()
				wait(t, stormPatience, "all is stored, and hints wait", func() bool {
					return h.Stored() == len(tr.Accepted)-lost && h.Waiting(config.FunctionDeliver) > 0
				})
			}
			h.strike(tr, func() {
				e, n := h.PurgeAll()
				lost, hints = lost+e, hints+n
			})
			if away {
				others = h.Start(config.FunctionDeliver, config.FunctionRetry)
			}
		}
		t.Logf("purged %d hints, and %d events that were not stored yet", hints, lost)
		require.Positive(t, hints)
		h.surviveUninterrupted(tr, lost)
	})
	t.Run("WhenTheyHoldEverything", func(t *testing.T) {
		t.Parallel()
		h := stormy(t, allServices)
		ingest := h.Start(config.FunctionIngest)
		h.Start(config.FunctionDeliver, config.FunctionRetry).Stop() // its queues stay
		const direct, brokered = 1600, 800
		tr := h.Produce(ingest, direct, 0)
		tr.Work.Wait()
		ingest.Stop()
		h.strike(tr, func() {
			h.More(tr, "waiting", 0, brokered)
			tr.Work.Wait()
			lost, hints := h.PurgeAll()
			require.Equal(t, brokered, lost)
			t.Logf("purged %d hints and %d events", hints, lost)
			require.Positive(t, hints)
		})
		h.Start()
		h.surviveUninterrupted(tr, brokered)
	})
}

// TestSurvivesRabbitMQRestarted stops RabbitMQ and starts it again: what it had it has, and everything goes on.
func TestSurvivesRabbitMQRestarted(t *testing.T) {
	t.Parallel()
	own := testenv.OwnRabbitMQ(t)
	h := stormy(t, postgresAlone, "RABBITMQ_URL="+own.URL)
	all := h.Start()
	tr := h.Produce(all, 1600, 1200)
	h.rise(200)
	h.strike(tr, func() {
		own.Stop()
		own.Start()
	})
	h.surviveUninterrupted(tr, 0)
}

// TestSurvivesRabbitMQNeverThereAtStart starts without RabbitMQ: direct events are accepted and wait. When it comes,
// everything is delivered, with nobody's help.
func TestSurvivesRabbitMQNeverThereAtStart(t *testing.T) {
	t.Parallel()
	own := testenv.OwnRabbitMQ(t)
	own.Stop()
	h := stormy(t, postgresAlone)
	h.Set("RABBITMQ_URL=" + own.URL)
	all := h.Spawn("homing", "serve")
	const direct = 1600
	tr := h.Produce(all, direct, 0)
	tr.Work.Wait()
	require.Equal(t, 2*direct, h.UnderWay(), "all are accepted, and none can be delivered yet")
	own.Start()
	h.More(tr, "then", 160, 800)
	h.surviveUninterrupted(tr, 0)
}
