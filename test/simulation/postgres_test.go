package simulation

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPostgresAgrees does what simulations did to their store to Postgres, at the same times, and requires the same
// answer to every operation and the same deliveries in the end.
func TestPostgresAgrees(t *testing.T) {
	t.Parallel()
	on := newDatabase(t)
	r := newReplay(t, on, on.url)
	for _, trace := range telling(t) {
		require.NoError(t, r.run(&trace.result), "seed %d", trace.seed)
	}
}

// TestSQLMutantsAreFound makes sure that the replay sees it when a statement of Postgres loses a guard.
func TestSQLMutantsAreFound(t *testing.T) {
	t.Parallel()
	free := make(chan *database, runtime.GOMAXPROCS(0))
	for range cap(free) {
		free <- newDatabase(t)
	}
	for _, m := range sqlMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			on := <-free
			defer func() { free <- on }()
			w := rewriter{from: []byte(m.from), to: []byte(m.to)}
			r := newReplay(t, on, w.between(t, on.url))
			for _, trace := range telling(t) {
				if m.shownBy != "" && trace.stats[m.shownBy] == 0 {
					continue
				}
				if err := r.run(&trace.result); err != nil {
					require.ErrorAs(t, err, new(*difference), "seed %d", trace.seed)
					t.Logf("seed %d, %v", trace.seed, err)
					require.Positive(t, w.met.Load())
					return
				}
			}
			require.Positive(t, w.met.Load(), "the text is not in any statement: %s", m.from)
			t.Fatal("no trace finds it")
		})
	}
}

// traced is what a seed did.
type traced struct {
	result
	seed uint64
}

// tracedSeeds are the seeds that traces are chosen from.
const tracedSeeds = 5000

// telling returns the traces that show what must be seen on Postgres too: for each of the faults a short one.
func telling(t *testing.T) []traced {
	t.Helper()
	shortest := tell()
	var chosen []traced
	for _, fault := range faults {
		if slices.ContainsFunc(chosen, func(c traced) bool { return c.stats[fault] > 0 }) {
			continue
		}
		c, found := shortest[fault]
		require.True(t, found, "none of %d seeds shows: %s", tracedSeeds, fault)
		require.Empty(t, c.failure, "seed %d: go test -seed does not show this one: it is coarse", c.seed)
		chosen = append(chosen, c)
	}
	return chosen
}

// tell finds the shortest trace that shows each fault.
var tell = sync.OnceValue(func() map[string]traced {
	shortest := map[string]traced{}
	for seed := range uint64(tracedSeeds) {
		r := simulate(options{seed: seed + 1, coarse: true})
		for _, fault := range faults {
			if best, found := shortest[fault]; r.stats[fault] > 0 && (!found || len(r.trace) < len(best.trace)) {
				shortest[fault] = traced{r, seed + 1}
			}
		}
	}
	return shortest
})
