package timertest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/homing-hooks/homing/pkg/timer"
)

// keepsToModel runs random calls against a back end and against a map, and compares everything after each.
func keepsToModel(b *bundle) {
	const steps = 400
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 2026))
		space := b.space
		clients := []timer.Timer{b.timer, b.open()}
		model, now := space.Dump(), noon
		var claims []timer.Entry // every one ever made, so that stale ones are done as well
		for range steps {
			client := clients[random.IntN(len(clients))]
			switch random.IntN(4) {
			case 0, 1:
				entries := randomEntries(random, now)
				require.NoError(b, client.Set(b.Context(), entries))
				for _, e := range entries {
					model[KeyOf(e)] = e.Due
				}
			case 2:
				now = now.Add(time.Duration(random.IntN(10)) * time.Millisecond)
				limit := random.IntN(8)
				claimed, next := b.claim(client, now, limit, time.Duration(1+random.IntN(20))*time.Millisecond)
				model.claim(b, claimed, next, now, limit)
				claims = append(claims, claimed...)
			case 3:
				some := randomPart(random, claims)
				b.done(client, some...)
				for _, e := range some {
					if model[KeyOf(e)].Equal(e.Lease) {
						delete(model, KeyOf(e))
					}
				}
			}
			b.wantState(model)
		}
	}
}

// claim checks a claim against the state before it, and makes it.
func (s State) claim(b *bundle, claimed []timer.Entry, next, now time.Time, limit int) {
	b.Helper()
	due := 0
	for _, at := range s {
		if !at.After(now) {
			due++
		}
	}
	require.Len(b, claimed, min(due, limit))
	for _, e := range claimed {
		require.Equal(b, s[KeyOf(e)], e.Due)
		delete(s, KeyOf(e))
	}
	var earliest time.Time
	for _, at := range s {
		if earliest.IsZero() || at.Before(earliest) {
			earliest = at
		}
	}
	require.Equal(b, earliest, next)
	s.held(claimed...)
}

func randomEntries(random *rand.Rand, now time.Time) []timer.Entry {
	entries := make([]timer.Entry, random.IntN(6))
	for i := range entries {
		after := now.Sub(noon) + time.Duration(random.IntN(40)-20)*time.Millisecond
		entries[i] = entry(random.IntN(12), random.IntN(2), after)
		if random.IntN(4) == 0 {
			entries[i].Delivery = [16]byte{}
			entries[i].Endpoint = id(random.IntN(4))
		}
	}
	return entries
}

func randomPart(random *rand.Rand, of []timer.Entry) []timer.Entry {
	return slices.DeleteFunc(slices.Clone(of), func(timer.Entry) bool { return random.IntN(3) > 0 })
}

// manyClaimers race for the same entries at one moment: each entry must be claimed once.
func manyClaimers(b *bundle) {
	const entries, clients = 2000, 8
	var all []timer.Entry
	for i := range entries {
		all = append(all, entry(i, i%3, -time.Duration(i)*time.Millisecond))
	}
	b.set(all...)
	var mu sync.Mutex
	times := map[Key]int{}
	var group errgroup.Group
	for range clients {
		client := b.open()
		group.Go(func() error {
			for range entries / 4 { // a claim takes 17 of them as long as there are that many
				claimed, next, err := client.Claim(b.Context(), noon, 17, lease)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, e := range claimed {
					times[KeyOf(e)]++
				}
				mu.Unlock()
				if len(claimed) == 0 && (next.IsZero() || next.After(noon)) {
					return nil
				}
			}
			return errEndless
		})
	}
	require.NoError(b, group.Wait())
	for _, e := range all {
		require.Equal(b, 1, times[KeyOf(e)])
	}
}

// errEndless says that a process went on and on.
var errEndless = errors.New("what was claimed, or done, is due again and again")

// firing is a fleet of processes that fire timers on one made-up clock.
type firing struct {
	*bundle
	clock atomic.Int64 // since noon
	mu    sync.Mutex
	holds map[Key][]hold
	fired map[Key]int
}

// hold is the span of time for which a process held an entry.
type hold struct{ from, until time.Time }

// firingPods claim, fire and mark as done, and every so often die between any two of these. The clock moves with each
// claim, so that leases end while others still hold theirs.
func firingPods(b *bundle) {
	const entries, pods = 600, 6
	f := &firing{bundle: b, holds: map[Key][]hold{}, fired: map[Key]int{}}
	var all []timer.Entry
	for i := range entries {
		all = append(all, entry(i, 0, time.Duration(i)*200*time.Microsecond))
	}
	b.set(all...)
	var group errgroup.Group
	for i := range pods {
		client := b.open()
		group.Go(func() error { return f.pod(client, rand.New(rand.NewPCG(uint64(i), 7))) })
	}
	require.NoError(b, group.Wait())
	b.wantState(State{})
	for _, e := range all {
		require.Positive(b, f.fired[KeyOf(e)], "never fired")
		spans := f.holds[KeyOf(e)]
		slices.SortFunc(spans, func(x, y hold) int { return x.from.Compare(y.from) })
		for i := 1; i < len(spans); i++ {
			require.False(b, spans[i].from.Before(spans[i-1].until), "two held it at once: %v", spans)
		}
	}
}

// pod works until nothing is left.
func (f *firing) pod(client timer.Timer, random *rand.Rand) error {
	const hold, most = 40 * time.Millisecond, 2000
	for range most {
		now := noon.Add(time.Duration(f.clock.Add(int64(time.Millisecond))))
		claimed, _, err := client.Claim(f.Context(), now, 10, hold)
		if err != nil {
			return err
		}
		// One in ten dies before it fires, one in ten between firing and Done.
		fate := random.IntN(10)
		f.note(claimed, now, fate > 0)
		if fate > 1 {
			if err := client.Done(f.Context(), claimed); err != nil {
				return err
			}
		}
		if left, err := client.Len(f.Context()); err != nil || left == 0 {
			return err
		}
	}
	return errEndless
}

// note writes down what was claimed, and that it was fired unless the process died before.
func (f *firing) note(claimed []timer.Entry, now time.Time, fired bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range claimed {
		f.holds[KeyOf(e)] = append(f.holds[KeyOf(e)], hold{now, e.Lease})
		if fired {
			f.fired[KeyOf(e)]++
		}
	}
}
