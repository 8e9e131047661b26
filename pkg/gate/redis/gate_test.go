package redis

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/gate/gatetest"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// patience is for tests that are not about time: the machine may be busy.
const patience = 20 * time.Second

var harness = gatetest.Harness{Space: func(t testing.TB) func() gate.Gate {
	url, o := testenv.Redis(t), Options{Prefix: testenv.RedisPrefix(t), Timeout: patience}
	return func() gate.Gate { return open(t, url, o) }
}}

func open(t testing.TB, url string, o Options) *Gate {
	client, err := Open(url, o)
	require.NoError(t, err)
	return client
}

// rawClient reads what the gate wrote, past it.
func rawClient(t testing.TB, url string) *goredis.Client {
	o, err := goredis.ParseURL(url)
	require.NoError(t, err)
	client := goredis.NewClient(o)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func TestGate(t *testing.T) {
	t.Parallel()
	gatetest.Test(t, harness)
}

func BenchmarkGate(b *testing.B) { gatetest.Benchmark(b, harness) }

var one = []gate.Request{{Endpoint: webhook.ID{1}, PerMinute: 240, Want: 1}}

// A key lives as long as its meter takes to drain, and half a minute more, so that nothing is left of endpoints not in
// use.
func TestKeysExpireWithTheirMeters(t *testing.T) {
	t.Parallel()
	const slack = 30 * time.Second
	url, o := testenv.Redis(t), Options{Prefix: testenv.RedisPrefix(t), Timeout: patience}
	client, raw := open(t, url, o), rawClient(t, url)
	defer client.Close()
	key := client.key(one[0].Endpoint)
	for sends, drains := range map[int]time.Duration{0: 0, 1: time.Second / 4, 4: time.Second, 9: time.Second} {
		require.NoError(t, raw.Del(t.Context(), key).Err())
		for range sends {
			_, err := client.Take(t.Context(), noon, one)
			require.NoError(t, err)
		}
		left, err := raw.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, left, drains+slack)
		require.Equal(t, sends > 0, left > 0)
	}
	keys, err := raw.Keys(t.Context(), o.Prefix+"*").Result()
	require.NoError(t, err)
	require.Subset(t, []string{key}, keys)
}

// Redis going away, coming back, being wiped or forgetting its scripts costs errors while it is away, and nothing
// after.
func TestRedisComesAndGoes(t *testing.T) {
	t.Parallel()
	server := testenv.OwnRedis(t)
	client, raw := open(t, server.URL, Options{}), rawClient(t, server.URL)
	defer client.Close()
	granted := func() bool {
		grants, err := client.Take(t.Context(), noon, one)
		return err == nil && grants[0].Granted == 1
	}
	const atMost, every = 10 * time.Second, 20 * time.Millisecond
	require.Eventually(t, granted, atMost, every)
	require.NoError(t, raw.ScriptFlush(t.Context()).Err())
	require.Eventually(t, granted, atMost, every)
	require.NoError(t, raw.FlushAll(t.Context()).Err())
	for range 4 {
		require.Eventually(t, granted, atMost, every, "a wipe gives the burst back")
	}
	server.Kill()
	requireUnavailableSoon(t, client, raw.Options().Password)
	late := open(t, server.URL, Options{})
	defer late.Close()
	requireUnavailableSoon(t, late, raw.Options().Password)
	server.Start()
	require.Eventually(t, granted, atMost, every)
	require.Eventually(t, func() bool { _, err := late.Take(t.Context(), noon, one); return err == nil }, atMost, every)
}

// requireUnavailableSoon wants a call to fail as the contract says, well before anybody would notice.
func requireUnavailableSoon(t *testing.T, client *Gate, secret string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := client.Take(ctx, noon, one)
	require.ErrorIs(t, err, gate.ErrUnavailable)
	require.NoError(t, ctx.Err(), "it gives up by itself, long before its caller")
	require.NotContains(t, err.Error(), secret)
	require.True(t, strings.HasPrefix(err.Error(), "redis gate: take: gate unavailable: "), err)
}

// A Redis that takes connections and never answers must not hold anybody up.
func TestSilentRedisIsUnavailable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	const secret = "hunter2"
	client := open(t, "redis://:"+secret+"@"+listener.Addr().String(), Options{})
	defer client.Close()
	requireUnavailableSoon(t, client, secret)
}

func TestOpenRefusesWhatIsNoURLWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://:hunter2@redis", "redis://:hunter2@a b", "redis://:hunter2@h:1/x"} {
		_, err := Open(url, Options{})
		require.ErrorIs(t, err, ErrBadURL)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
