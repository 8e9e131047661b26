package simulation

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "run this one seed and print its timeline")
	seedsFlag  = flag.Uint64("seeds", defaultSeeds, "how many seeds to run")
	mutantFlag = flag.String("mutant", "", "with -seed: the mutant to run")
)

// enoughSeeds is how many seeds must have seen every fault.
const enoughSeeds = 10_000

// TestSimulation runs the protocol under many seeds, or the one that -seed names.
func TestSimulation(t *testing.T) {
	if *seedFlag != 0 {
		r := simulate(options{seed: *seedFlag, mutant: mutant(*mutantFlag), log: true})
		t.Logf("seed %d:\n%s%v", *seedFlag, r.timeline, r.stats)
		require.Empty(t, r.failure)
		return
	}
	began := time.Now()
	total := stats{}
	failed := runSeeds("", *seedsFlag, total)
	t.Logf("%d seeds in %s: %v", *seedsFlag, time.Since(began).Round(time.Millisecond), total)
	if failed != 0 {
		r := simulate(options{seed: failed, log: true})
		t.Fatalf("seed %d breaks an invariant: %s\n%s\nagain: go test ./test/simulation -run TestSimulation -seed=%d -v",
			failed, r.failure, r.timeline, failed)
	}
	for _, fault := range faults {
		if *seedsFlag < enoughSeeds {
			break
		}
		require.Positive(t, total[fault], "nothing tried: %s", fault)
	}
}

// faults are what the seeds together must have seen, or the simulation shows little.
var faults = []string{
	"crashes", "POSTs cut", "outages", "wipes", "stalls", "answers lost", "hints lost", "hints repeated", "timers fired",
	"late successes", "late results", "late results during another attempt", "attempts overtaken for good",
	"interrupted", "unsent", "records given up", "duplicates", "stale matches", "delivered twice",
	"hints with an old attempt", "hints after the end", "hints after the expiry", "hints while active",
	"hints while paused", "pulls before the due time", "pulls during an attempt", "gone by an old version",
	"throttles that end sooner",
	"endpoints woken after a throttle", "begun with the acceptance", "to begin before the due time",
	"to begin while active", "to begin while paused",
	"retried", "replays", "cancelled", "cancelled in vain", "paused", "disabled", "deleted",
	"ended succeeded ", "ended exhausted schedule", "ended exhausted gated", "ended exhausted gone",
	"ended exhausted interrupted", "ended cancelled endpoint_deleted", "ended cancelled by_hand",
}

// runSeeds runs seeds 1 to n on every processor, adds up what happened, and returns the smallest that fails; 0 when
// none does. Seeds share nothing, so the order in which they run decides nothing.
func runSeeds(m mutant, n uint64, total stats) uint64 {
	var next, failed atomic.Uint64
	var mu sync.Mutex
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			own := stats{}
			for seed := next.Add(1); seed <= n && (failed.Load() == 0 || seed < failed.Load()); seed = next.Add(1) {
				r := simulate(options{seed: seed, mutant: m})
				for what, count := range r.stats {
					own[what] += count
				}
				for r.failure != "" {
					least := failed.Load()
					if least != 0 && least <= seed || failed.CompareAndSwap(least, seed) {
						break
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for what, count := range own {
				total[what] += count
			}
		})
	}
	all.Wait()
	return failed.Load()
}

// TestASeedHasOneTimeline makes sure that a failing seed can be looked at again.
func TestASeedHasOneTimeline(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		o := options{seed: seed + 1, log: true}
		first := simulate(o).timeline
		require.Equal(t, first, simulate(o).timeline)
	}
	t.Run("AlsoAHundredTimes", func(t *testing.T) {
		t.Parallel()
		o := options{seed: 3, mutant: lateSuccessIgnored, log: true}
		for simulate(o).failure == "" {
			o.seed++
		}
		first := simulate(o)
		require.Contains(t, first.timeline, "BROKEN: "+first.failure)
		for range 100 {
			require.Equal(t, first.timeline, simulate(o).timeline)
		}
	})
}

// TestMutantsAreFound makes sure that the oracle sees what it is there for: in no more seeds than a run has.
func TestMutantsAreFound(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(mutants), 10)
	for _, m := range mutants {
		t.Run(string(m), func(t *testing.T) {
			found := runSeeds(m, enoughSeeds, stats{})
			require.NotZero(t, found, "%d seeds do not find it", enoughSeeds)
			t.Logf("seed %d: %s", found, simulate(options{seed: found, mutant: m}).failure)
		})
	}
}

// String writes counts in the order of their names.
func (s stats) String() string {
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&text, "\n  %-50s %d", what, s[what])
	}
	return text.String()
}
