//go:build faults

package acceptance_test

import (
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
		tr := h.produce(h.start(), 1200, 800)
		h.halfway(tr, 500)
		lost, hints := 0, 0
		for range 10 {
			h.moment(random, 200)
			tr.during(func() {
				e, n := h.purgeAll()
				lost, hints = lost+e, hints+n
			})
		}
		t.Logf("purged %d hints, and %d events that were not stored yet", hints, lost)
		h.survive(tr, lost)
	})
	t.Run("WhenTheyHoldEverything", func(t *testing.T) {
		t.Parallel()
		h := stormy(t, allServices)
		ingest := h.start(config.FunctionIngest)
		h.start(config.FunctionDeliver, config.FunctionRetry).stop() // its queues stay
		const direct, brokered = 1200, 80
		tr := h.produce(ingest, direct, 0)
		tr.work.Wait()
		ingest.stop()
		tr.during(func() {
			h.more(tr, "waiting", 0, brokered)
			tr.work.Wait()
			lost, hints := h.purgeAll()
			require.Equal(t, brokered, lost)
			t.Logf("purged %d hints at %d deliveries", hints, h.underWay())
			require.Positive(t, hints)
		})
		h.start()
		h.survive(tr, brokered)
	})
}

// TestSurvivesRabbitMQRestarted stops RabbitMQ and starts it again: what it had it has, and everything goes on.
func TestSurvivesRabbitMQRestarted(t *testing.T) {
	t.Parallel()
	own := testenv.OwnRabbitMQ(t)
	h := stormy(t, postgresAlone, "RABBITMQ_URL="+own.URL)
	all := h.start()
	tr := h.produce(all, 1200, 800)
	h.halfway(tr, 800)
	tr.during(func() {
		own.Stop()
		own.Start()
	})
	h.survive(tr, 0)
}

// TestSurvivesRabbitMQNeverThereAtStart starts without RabbitMQ: direct events are accepted and wait. When it comes,
// everything is delivered, with nobody's help.
func TestSurvivesRabbitMQNeverThereAtStart(t *testing.T) {
	t.Parallel()
	own := testenv.OwnRabbitMQ(t)
	own.Stop()
	h := stormy(t, postgresAlone)
	h.set("RABBITMQ_URL=" + own.URL)
	all := h.spawn("homing", "serve")
	tr := h.produce(all, 1200, 0)
	tr.work.Wait()
	require.Equal(t, 2*1200, h.underWay(), "all are accepted, and none can be delivered yet")
	own.Start()
	h.more(tr, "then", 80, 400)
	h.survive(tr, 0)
}
