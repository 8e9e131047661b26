//go:build faults

package acceptance_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
)

// TestSurvivesRedis takes Redis away while deliveries to an endpoint that refuses every other one wait for a retry,
// whose timers are in it. They wait long, so that hundreds of timers are lost at once.
func TestSurvivesRedis(t *testing.T) {
	t.Parallel()
	const events = 2400
	retrying := func(t *testing.T, url string) *stormed {
		t.Helper()
		h := &stormed{installation: install(t, postgresAlone, stormSettings([]string{
			"REDIS_URL=" + url, "HOMING_SCHEDULE=0s,20s,1s,1s,1s,1s,1s",
		})...)}
		h.Subscribe("steady", h.taking(refusingOnce(0)))
		h.Subscribe("flaky", h.taking(refusingOnce(2)))
		return h
	}
	t.Run("Flushed", func(t *testing.T) {
		t.Parallel()
		own := testenv.OwnRedis(t)
		h := retrying(t, own.URL)
		all := h.Start()
		options, err := goredis.ParseURL(own.URL)
		require.NoError(t, err)
		redis := goredis.NewClient(options)
		defer redis.Close()
		tr := h.Produce(all, events, 0)
		h.rise(200)
		set := func() int { return all.Metric("homing_retry_timers_set_total") }
		for range 5 {
			enough := set() + 60
			wait(t, stormPatience, "more timers are set", func() bool { return set() >= enough })
			h.strike(tr, func() { require.NoError(t, redis.FlushAll(t.Context()).Err()) })
		}
		// While an endpoint has a backlog, a retry that is due is found with it. The last flush leaves no such help.
		h.ebb()
		tr.Work.Wait()
		wait(t, stormPatience, "only retries are left", func() bool {
			return h.Count(`SELECT count(*) FROM deliveries
				WHERE attempt_no = 0 OR attempt_no = 1 AND state = 'attempting'`) == 0
		})
		left := h.UnderWay()
		t.Logf("the last flush leaves %d retries without timers", left)
		require.Positive(t, left)
		tr.During(func() { require.NoError(t, redis.FlushAll(t.Context()).Err()) })
		h.surviveUninterrupted(tr, 0)
		require.Less(t, all.Metric("homing_retry_timers_fired_total"), set(),
			"no timer was lost: the flushes hit nothing")
	})
	t.Run("StoppedForTenSeconds", func(t *testing.T) {
		t.Parallel()
		own := testenv.OwnRedis(t)
		h := retrying(t, own.URL)
		all := h.Start()
		tr := h.Produce(all, events, 0)
		h.rise(200)
		wait(t, stormPatience, "timers are set", func() bool { return all.Metric("homing_retry_timers_set_total") >= 100 })
		h.strike(tr, func() {
			own.Stop()
			elapse(t, 10*time.Second)
			own.Start()
		})
		h.More(tr, "then", 80, 0)
		h.survive(tr, 0)
		require.Positive(t, all.Metric("homing_retry_timers_lost_total"))
		fired := all.Metric("homing_retry_timers_fired_total")
		h.More(tr, "at last", 80, 0)
		h.surviveUninterrupted(tr, 0)
		require.Greater(t, all.Metric("homing_retry_timers_fired_total"), fired, "timers are used again")
	})
	t.Run("NeverThere", func(t *testing.T) {
		t.Parallel()
		h := retrying(t, "redis://"+nobody+"/0")
		all := h.Start()
		h.surviveUninterrupted(h.Produce(all, events, 0), 0)
		require.Zero(t, all.Metric("homing_retry_timers_fired_total"))
	})
}
