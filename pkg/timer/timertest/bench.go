package timertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/timer"
)

// Benchmark measures the calls of a back end in batches of 100, among entries that are not due.
func Benchmark(b *testing.B, h Harness) {
	b.Helper()
	const batch = 100
	for _, one := range []struct {
		name string
		run  func(b *testing.B, t timer.Timer, entries []timer.Entry)
	}{
		{"Set100", benchmarkSet}, {"Claim100", benchmarkClaim}, {"SetClaimDone100", benchmarkAll},
		{"ClaimNothing", benchmarkIdle},
	} {
		b.Run(one.name, func(b *testing.B) {
			client := h.Space(b).Open()
			defer client.Close()
			const others = 100_000
			var waiting []timer.Entry
			for i := range others {
				waiting = append(waiting, entry(batch+i, 0, 24*365*time.Hour+time.Duration(i)*time.Millisecond))
				if len(waiting) == 1000 {
					require.NoError(b, client.Set(b.Context(), waiting))
					waiting = waiting[:0]
				}
			}
			var entries []timer.Entry
			for i := range batch {
				entries = append(entries, entry(i, 0, 0))
			}
			b.ReportAllocs()
			one.run(b, client, entries)
		})
	}
}

func benchmarkSet(b *testing.B, t timer.Timer, entries []timer.Entry) {
	for n := 0; b.Loop(); n++ {
		for i := range entries {
			entries[i].Due = noon.Add(time.Duration(n) * time.Millisecond)
		}
		require.NoError(b, t.Set(b.Context(), entries))
	}
}

// benchmarkClaim claims the same entries each time their lease is over.
func benchmarkClaim(b *testing.B, t timer.Timer, entries []timer.Entry) {
	require.NoError(b, t.Set(b.Context(), entries))
	for now := noon; b.Loop(); now = now.Add(2 * time.Millisecond) {
		claimed, _, err := t.Claim(b.Context(), now, len(entries), time.Millisecond)
		require.NoError(b, err)
		require.Len(b, claimed, len(entries))
	}
}

func benchmarkAll(b *testing.B, t timer.Timer, entries []timer.Entry) {
	for b.Loop() {
		require.NoError(b, t.Set(b.Context(), entries))
		claimed, _, err := t.Claim(b.Context(), noon, len(entries), time.Minute)
		require.NoError(b, err)
		require.NoError(b, t.Done(b.Context(), claimed))
	}
}

func benchmarkIdle(b *testing.B, t timer.Timer, _ []timer.Entry) {
	for b.Loop() {
		_, _, err := t.Claim(b.Context(), noon, 100, time.Minute)
		require.NoError(b, err)
	}
}
