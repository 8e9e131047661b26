package memory

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/timer/timertest"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var harness = timertest.Harness{Space: func(testing.TB) timertest.Space {
	all := New()
	return timertest.Space{
		Open: func() timer.Timer { return all },
		Dump: func() timertest.State { return dump(all) },
	}
}}

// dump reads what there is from the slots that the heap names.
func dump(t *Timer) timertest.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := timertest.State{}
	for _, at := range t.heap {
		s := t.slots[at]
		state[timertest.Key{Endpoint: s.endpoint, Delivery: s.delivery, Attempt: s.attempt}] = timer.Moment(s.moment)
	}
	return state
}

func TestTimer(t *testing.T) {
	t.Parallel()
	timertest.Test(t, harness)
}

func BenchmarkTimer(b *testing.B) { timertest.Benchmark(b, harness) }

// The budget of an entry is 150 bytes, so that a million waiting deliveries fit on a laptop. These few fill Go's map
// just as badly (47 %) as a million do.
func TestEntriesStaySmallAndAreGivenBack(t *testing.T) {
	const entries, perEntry = 60_000, 150
	var ids webhook.IDSource
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	empty := heapBytes()
	timers := New()
	one := make([]timer.Entry, 1)
	for i := range entries {
		due := now.Add(time.Duration(i))
		one[0] = timer.Entry{Endpoint: webhook.ID{1}, Delivery: ids.New(now), Attempt: 1, Due: due}
		require.NoError(t, timers.Set(t.Context(), one))
	}
	used := float64(heapBytes()-empty) / entries
	t.Logf("%.0f bytes an entry", used)
	require.Less(t, used, float64(perEntry))

	claimed, _, err := timers.Claim(t.Context(), now.Add(time.Hour), entries, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, entries)
	require.NoError(t, timers.Done(t.Context(), claimed))
	claimed = nil //nolint:ineffassign,wastedassign // so that its memory can be collected
	require.Less(t, float64(heapBytes()-empty)/entries, 1.0)
	runtime.KeepAlive(timers)
}

// heapBytes is what is in use after a collection.
func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What is removed and added again and again must reuse its slots.
func TestSlotsAreReused(t *testing.T) {
	t.Parallel()
	const rounds = 1000
	timers := New()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	stay := timer.Entry{Endpoint: webhook.ID{9}, Due: now.Add(time.Hour)}
	require.NoError(t, timers.Set(t.Context(), []timer.Entry{stay}))
	for i := range rounds {
		passing := timer.Entry{Endpoint: webhook.ID{9}, Delivery: webhook.ID{1}, Attempt: i, Due: now}
		require.NoError(t, timers.Set(t.Context(), []timer.Entry{passing}))
		claimed, _, err := timers.Claim(t.Context(), now, 10, time.Minute)
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		require.NoError(t, timers.Done(t.Context(), claimed))
	}
	require.Len(t, timers.slots, 2)
	require.Len(t, timers.byID, 1)
}
