package redis

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/timer/timertest"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// space opens timers in the shared Redis.
func space(t testing.TB) timertest.Space {
	return spaceAt(t, testenv.Redis(t), Options{Prefix: testenv.RedisPrefix(t), Timeout: patience})
}

// patience is for tests that are not about time: the machine may be busy.
const patience = 20 * time.Second

func spaceAt(t testing.TB, url string, o Options) timertest.Space {
	reader := rawClient(t, url)
	return timertest.Space{
		Open: func() timer.Timer {
			client, err := Open(url, o)
			require.NoError(t, err)
			return client
		},
		Dump: func() timertest.State { return dump(t, reader, o.withDefaults()) },
	}
}

// rawClient reads and breaks what the timers wrote.
func rawClient(t testing.TB, url string) *goredis.Client {
	o, err := goredis.ParseURL(url)
	require.NoError(t, err)
	client := goredis.NewClient(o)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// dump reads every shard whole.
func dump(t testing.TB, client *goredis.Client, o Options) timertest.State {
	t.Helper()
	pipe := client.Pipeline()
	for shard := range o.Shards {
		pipe.ZRangeWithScores(t.Context(), shardKey(o.Prefix, shard, o.Shards), 0, -1)
	}
	replies, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	state := timertest.State{}
	for _, reply := range replies {
		for _, z := range reply.(*goredis.ZSliceCmd).Val() {
			e, ok := decode(z.Member.(string))
			require.True(t, ok, "not an entry")
			_, twice := state[timertest.KeyOf(e)]
			require.False(t, twice, "in two shards")
			state[timertest.KeyOf(e)] = timer.Moment(int64(z.Score))
		}
	}
	return state
}

func TestTimer(t *testing.T) {
	t.Parallel()
	timertest.Test(t, timertest.Harness{Space: space})
}

func BenchmarkTimer(b *testing.B) { timertest.Benchmark(b, timertest.Harness{Space: space}) }

// With one shard every entry takes part in every claim; with many most claims share out a limit below their number.
func TestTimerWithOtherNumbersOfShards(t *testing.T) {
	t.Parallel()
	for name, shards := range map[string]int{"One": 1, "Fifty": 50} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timertest.Test(t, timertest.Harness{Space: func(t testing.TB) timertest.Space {
				o := Options{Prefix: testenv.RedisPrefix(t), Shards: shards, Timeout: patience}
				return spaceAt(t, testenv.Redis(t), o)
			}})
		})
	}
}

func TestEntriesOfOneEndpointSpreadOverTheShards(t *testing.T) {
	t.Parallel()
	const entries = 8000
	timers := New(goredis.NewClient(&goredis.Options{}), Options{})
	defer timers.Close()
	perShard := make([]int, ShardsDefault)
	var ids webhook.IDSource
	for range entries {
		perShard[timers.shardOf(&timer.Entry{Endpoint: webhook.ID{1}, Delivery: ids.New(noon)})]++
	}
	for _, n := range perShard {
		require.InDelta(t, entries/ShardsDefault, n, entries/ShardsDefault/4)
	}
}

// A claim smaller than the number of shards must not starve any of them.
func TestSmallLimitsReachEveryShard(t *testing.T) {
	t.Parallel()
	s := space(t)
	client := s.Open()
	defer client.Close()
	const entries, claims = 800, 40
	var ids webhook.IDSource
	var all []timer.Entry
	for range entries {
		all = append(all, timer.Entry{Delivery: ids.New(noon), Due: noon})
	}
	require.NoError(t, client.Set(t.Context(), all))
	shards := map[int]bool{}
	for range claims {
		claimed, _, err := client.Claim(t.Context(), noon, 1, time.Minute)
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		shards[client.(*Timer).shardOf(&claimed[0])] = true
	}
	require.Greater(t, len(shards), ShardsDefault/2)
}

// Members that are not entries, of somebody else's making, must neither be claimed nor stay due for ever.
func TestForeignMembersAreRemoved(t *testing.T) {
	t.Parallel()
	prefix, url := testenv.RedisPrefix(t), testenv.Redis(t)
	client, err := Open(url, Options{Prefix: prefix, Timeout: patience})
	require.NoError(t, err)
	defer client.Close()
	raw := rawClient(t, url)
	key := client.keys[3]
	require.NoError(t, raw.ZAdd(t.Context(), key, goredis.Z{Member: "junk"}, goredis.Z{Score: 1, Member: ""}).Err())
	require.NoError(t, client.Set(t.Context(), []timer.Entry{{Endpoint: webhook.ID{1}, Due: noon}}))
	claimed, next, err := client.Claim(t.Context(), noon, 100, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.Zero(t, next)
	require.Zero(t, raw.Exists(t.Context(), key).Val()-raw.ZCard(t.Context(), key).Val())
	n, err := client.Len(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// FuzzMember holds that each entry has one encoding, and that nothing else is read as an entry.
func FuzzMember(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("fedcba9876543210"), 3, "no entry")
	f.Add([]byte{}, []byte{1}, -1, string(make([]byte, memberSize)))
	f.Fuzz(func(t *testing.T, endpoint, delivery []byte, attempt int, text string) {
		e := timer.Entry{Attempt: attempt}
		copy(e.Endpoint[:], endpoint)
		copy(e.Delivery[:], delivery)
		m := encode(&e)
		got, ok := decode(string(m[:]))
		require.True(t, ok)
		require.Equal(t, e, got)
		got, ok = decode(text)
		require.Equal(t, len(text) == memberSize, ok)
		if ok {
			again := encode(&got)
			require.Equal(t, text, string(again[:]))
		}
	})
}
