package acceptance_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/testenv"
)

// TestPostgresAway stops the database while POSTs are in flight and producers go on: a direct producer is told to come
// again, the broker's events are parked, outcomes wait until they can be recorded. Nothing is lost, and nothing that
// was delivered meanwhile is delivered again.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	own := testenv.OwnPostgres(t)
	require.NoError(t, migrate(t.Context(), own.URL))
	h := installOn(t, own.URL, allServices)
	answers := make(chan struct{})
	h.Subscribe("slow", func(*post) reply { return reply{Hold: answers} })
	all := h.Start()
	p, broker := h.Producer(all), h.Broker()
	p.SendAs(batched, orders("before", 10)...)
	h.Receiver.Wait(nil, 10)

	own.Stop()
	close(answers)
	status, body, err := p.Post(binary, orders("direct", 1)[0])
	require.NoError(t, err, "with Retry-After")
	require.Equal(t, http.StatusServiceUnavailable, status, "%s", body)
	var producing sync.WaitGroup
	producing.Go(func() { p.Send(orders("direct", 5)...) })
	brokered := orders("parked", 20)
	for _, e := range brokered {
		require.NoError(t, broker.Publish(t.Context(), bus.BrokerEvents, e.Brokered(t, h.Tenant)))
	}
	p.Took(brokered...)
	wait(t, patience, "all that the broker had is parked", func() bool {
		return all.Metric("homing_ingest_parked_total") == len(brokered)
	})
	wait(t, patience, "the backlog shows", func() bool {
		return all.Metric("homing_retry_parked") == len(brokered)
	})
	wait(t, patience, "the direct producer has asked again", func() bool { return p.Refusals() > 1 })

	own.Start()
	h.SQL.Reset()
	producing.Wait()
	b := h.Settle(p)
	require.Equal(t, 10+5+20, b.Expected)
	require.Zero(t, b.Duplicates, "what was delivered while the database was away is recorded, not repeated")
	require.Equal(t, len(brokered), all.Metric("homing_retry_drained_total"))
	require.Zero(t, h.Count("SELECT count(*) FROM rejected_events"))
	wait(t, patience, "the backlog is gone", func() bool { return all.Metric("homing_retry_parked") == 0 })
}

// TestRedisWiped empties Redis when all timers are set: the reconciler brings every retry, within its time.
func TestRedisWiped(t *testing.T) {
	t.Parallel()
	own := testenv.OwnRedis(t)
	h := install(t, postgresAlone, quick, "REDIS_URL="+own.URL, "HOMING_SCHEDULE=0s,4s")
	h.Subscribe("flaky", failing(1, http.StatusInternalServerError))
	all := h.Start()
	p := h.Producer(all)
	p.SendAs(batched, orders("wiped", retried)...)
	wait(t, patience, "every timer is set", func() bool { return all.Metric("homing_retry_timers_set_total") == retried })

	options, err := goredis.ParseURL(own.URL)
	require.NoError(t, err)
	redis := goredis.NewClient(options)
	defer redis.Close()
	require.NoError(t, redis.FlushAll(t.Context()).Err())
	wiped, fired := time.Now(), all.Metric("homing_retry_timers_fired_total")
	require.Less(t, fired, retried, "there were timers to wipe")

	h.SettleWithin(promised(h.Config(), 4*time.Second), p)
	t.Logf("all was delivered %s after the wipe", time.Since(wiped).Round(time.Millisecond))
	require.Equal(t, balance{Expected: retried}, h.Settle(p))
	require.Equal(t, fired, all.Metric("homing_retry_timers_fired_total"), "there was none left")
}

// promised is within what time everything is delivered when every hint and timer is lost: when it is due, then the
// grace and the lease that the reconciler allows an attempt, two ticks, and what a busy machine needs.
func promised(cfg *config.Config, due time.Duration) time.Duration {
	const busy = 10 * time.Second
	p := cfg.WebhookPolicy()
	return due + p.WakeGrace + p.Timeout + p.LeaseMargin + 2*cfg.Retry.Tick + busy
}

// TestQueuesPurged empties the queues of hints when they hold every hint there is.
func TestQueuesPurged(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, quick)
	h.Subscribe("all", nil)
	ingest := h.Start(config.FunctionIngest)
	rest := h.Start(config.FunctionDeliver, config.FunctionRetry)
	rest.Stop() // its queues stay
	p := h.Producer(ingest)
	p.Send(orders("purged", retried)...)
	wait(t, patience, "hints wait for deliver", func() bool { return h.Waiting(config.FunctionDeliver) > 0 })
	wait(t, patience, "every hint is purged", func() bool {
		h.Purge()
		return ingest.Log.String() != "" && h.Waiting(config.FunctionDeliver) == 0
	})

	h.Start(config.FunctionDeliver, config.FunctionRetry)
	h.SettleWithin(promised(h.Config(), 0), p)
	require.Equal(t, balance{Expected: retried}, h.Settle(p))
}
