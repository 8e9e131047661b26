//go:build faults

package acceptance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
)

// withOwnPostgres is stormy on a database server of its own.
func withOwnPostgres(t *testing.T, settings ...string) (*stormed, *testenv.Server) {
	t.Helper()
	own := testenv.OwnPostgres(t)
	require.NoError(t, migrate(t.Context(), own.URL))
	h := &stormed{installation: installOn(t, own.URL, allServices, stormSettings(settings)...)}
	h.SubscribeForStorm(h.latency)
	return h, own
}

// TestSurvivesPostgresRestarted restarts the database in the middle, once in order and once by a crash.
func TestSurvivesPostgresRestarted(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	h, own := withOwnPostgres(t)
	all := h.Start()
	tr := h.Produce(all, 1600, 1000)
	h.rise(500)
	h.strike(tr, func() {
		own.Stop()
		own.Start()
	})
	h.SQL.Reset()
	h.Moment(random, 200)
	h.gust(tr, random, "then")
	h.strike(tr, func() {
		own.Kill()
		own.Start()
	})
	h.SQL.Reset()
	h.survive(tr, 0)
	require.Zero(t, h.Count("SELECT count(*) FROM rejected_events"))
}

// TestSurvivesPostgresAway takes the database away for 20 s: direct producers see 503 and send again, the broker's
// events are parked.
func TestSurvivesPostgresAway(t *testing.T) {
	t.Parallel()
	h, own := withOwnPostgres(t)
	all := h.Start()
	tr := h.Produce(all, 1600, 1200)
	h.rise(200)
	h.strike(tr, func() {
		own.Stop()
		h.More(tr, "meanwhile", 240, 400)
		elapse(t, 20*time.Second)
		own.Start()
	})
	h.SQL.Reset()
	h.survive(tr, 0)
	require.Positive(t, tr.Refusals(), "direct producers are told to come again")
	// Parking that was not confirmed in time is not counted, and the event may be there all the same.
	parked := all.Metric("homing_ingest_parked_total")
	require.Greater(t, parked, 200)
	wait(t, patience, "all that was parked is taken out", func() bool {
		return all.Metric("homing_retry_drained_total") >= parked
	})
	require.Zero(t, h.Count("SELECT count(*) FROM rejected_events"))
}

// TestSurvivesOnPostgresAlone kills Homing, wipes Redis and RabbitMQ, and starts it with nothing but Postgres: every
// event that was stored is delivered. Those that only the broker had are gone with it.
func TestSurvivesOnPostgresAlone(t *testing.T) {
	t.Parallel()
	redis, rabbitMQ := testenv.OwnRedis(t), testenv.OwnRabbitMQ(t)
	h := stormy(t, postgresAlone, "REDIS_URL="+redis.URL, "RABBITMQ_URL="+rabbitMQ.URL, "HOMING_LISTEN="+ownAddress(t))
	all := h.Spawn("homing", "serve")
	h.WaitForQueues()
	const brokered = 800
	tr := h.Produce(all, 1600, 0)
	h.rise(200)
	h.More(tr, "brokered", 0, brokered)
	var unstored int
	h.WaitForBrokered(tr, brokered/4)
	h.strike(tr, func() {
		all.Kill()
		h.WaitForBrokered(tr, brokered)
		unstored = len(tr.Brokered()) - h.Count("SELECT count(*) FROM events WHERE ce_id LIKE 'brokered-%'")
		redis.Wipe()
		rabbitMQ.Wipe()
		h.Set("REDIS_URL=", "RABBITMQ_URL=")
		all = h.Spawn("homing", "serve")
	})
	t.Logf("%d events were with the broker alone", unstored)
	h.survive(tr, unstored)

	h.Set("REDIS_URL="+redis.URL, "RABBITMQ_URL="+rabbitMQ.URL)
	all.Stop()
	all = h.Spawn("homing", "serve")
	h.WaitForQueues()
	h.More(tr, "afterwards", 80, 80)
	h.survive(tr, unstored)
}
