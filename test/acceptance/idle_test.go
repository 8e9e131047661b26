package acceptance_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestIdleCostsNothingButTheTick: once everything is delivered, all that is asked of Postgres and Redis is what a tick
// asks, and nothing is published. What is asked is counted from tick to tick, so however slow the machine is.
func TestIdleCostsNothingButTheTick(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, "HOMING_TICK=3s")
	postgres := h.tap("DATABASE_URL")
	redis := h.tap("REDIS_URL")
	h.Subscribe("flaky", failing(1, http.StatusInternalServerError))
	all := h.Start()
	p := h.Producer(all)
	p.Send(orders("before", retried)...)
	require.Equal(t, balance{Expected: retried}, h.Settle(p))

	ticks := func() int { return all.Metric("homing_retry_ticks_total") }
	pass := func(n int) {
		until := ticks() + n
		wait(t, patience, "the next ticks", func() bool { return ticks() >= until })
	}
	pass(2) // the first may have begun before everything was delivered
	hints := all.Metric("homing_hints_named_total")
	quiet := func() (ticksPassed, ofPostgres, ofRedis int64) {
		first, asked := ticks(), []int64{postgres.Load(), redis.Load()}
		pass(3)
		return int64(ticks() - first + 1), postgres.Load() - asked[0], redis.Load() - asked[1]
	}
	// In each tick: whether the connection is still there, what there is to do, and how much is under way.
	const ofPostgres, ofRedis = 3, 1
	passed, inPostgres, inRedis := quiet()
	if inPostgres > passed*ofPostgres { // an hour has ended, and is made of its parts: once
		passed, inPostgres, inRedis = quiet()
	}
	t.Logf("in at most %d ticks: %d requests to Postgres, %d to Redis", passed, inPostgres, inRedis)
	require.LessOrEqual(t, inPostgres, passed*ofPostgres, "Postgres")
	require.LessOrEqual(t, inRedis, passed*ofRedis, "Redis")
	require.Equal(t, hints, all.Metric("homing_hints_named_total"), "hints")
}

// tap leads the URL of a setting by way of the test, and counts what is asked by that way: the times that something is
// sent there.
func (h *installation) tap(setting string) *atomic.Int64 {
	h.T.Helper()
	u, err := url.Parse(h.Settings[setting])
	require.NoError(h.T, err)
	target := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(h.T, err)
	h.T.Cleanup(func() { _ = l.Close() })
	asked := new(atomic.Int64)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go relay(client, target, asked)
		}
	}()
	u.Host = l.Addr().String()
	h.Set(setting + "=" + u.String())
	return asked
}

// relay passes on what two sides say until either ends, and counts what the client says.
func relay(client net.Conn, target string, asked *atomic.Int64) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	defer server.Close()
	for b := make([]byte, 64<<10); ; {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		asked.Add(1)
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}
