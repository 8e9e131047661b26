// Package timertest is the conformance suite and the benchmark of [timer.Timer]: every back end runs both.
//
// It owns what the interface promises, as tests. To add a back end, write a [Harness] for it and call [Test] and
// [Benchmark] from its own test files. The suite seeds whole states and compares whole states, read past the Timer by
// the harness, so that an entry left over or lost is seen wherever it is. It promises to run in parallel, to read no
// clock (all times are made up) and to wait for nothing. It is for tests only and never linked into a binary.
package timertest

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Harness opens one back end for the suite.
type Harness struct {
	// Space makes a place for timers that nobody else uses, and removes it when the test ends.
	Space func(t testing.TB) Space
}

// Space is the timers of one deployment, shared by its processes.
type Space struct {
	// Open returns the client of one more process; in memory, where there is one process, the same each time. The suite
	// closes what it opened at the end, possibly more than once.
	Open func() timer.Timer
	// Dump reads everything there is.
	Dump func() State
}

// State is everything there is in a space: when each entry is due, or comes back when it is claimed.
type State map[Key]time.Time

// Key is what makes an entry one and the same.
type Key struct {
	Endpoint, Delivery webhook.ID
	Attempt            int
}

// KeyOf returns the key of an entry.
func KeyOf(e timer.Entry) Key {
	return Key{Endpoint: e.Endpoint, Delivery: e.Delivery, Attempt: e.Attempt}
}

// Test runs the suite.
func Test(t *testing.T, h Harness) {
	t.Helper()
	for _, one := range []struct {
		name string
		test func(*bundle)
	}{
		{"SetAddsAndMoves", setAddsAndMoves},
		{"SetKeepsAttemptsAndEndpointsApart", setKeepsApart},
		{"SetTakesAnyTime", setTakesAnyTime},
		{"ClaimTakesWhatIsDueEarliestFirst", claimTakesDue},
		{"ClaimIsNeverEarly", claimNeverEarly},
		{"ClaimStopsAtTheLimit", claimStopsAtLimit},
		{"ClaimOfThousands", claimOfThousands},
		{"ClaimSaysWhenTheNextIsDue", claimSaysNext},
		{"ClaimedComesBackWhenTheLeaseIsOver", claimedComesBack},
		{"ClaimedComesBackWhenItsProcessDied", claimedComesBackAfterCrash},
		{"ClaimKeepsWhoeverComesBackApart", claimAgainKeepsLeasesApart},
		{"DoneRemovesWhatWasClaimed", doneRemoves},
		{"DoneLeavesWhatWasSetAnew", doneLeavesSetAnew},
		{"DoneLeavesWhatAnotherHolds", doneLeavesAnothers},
		{"DoneOfUnknownIsNothing", doneOfUnknown},
		{"EmptyCallsAreNothing", emptyCalls},
		{"ClosedOrCancelledIsUnavailable", closedIsUnavailable},
		{"AnyRunOfCallsKeepsToTheModel", keepsToModel},
		{"ManyClaimersTakeEachEntryOnce", manyClaimers},
		{"FiringPodsThatCrashLoseNothing", firingPods},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			one.test(newBundle(t, h))
		})
	}
}

// bundle is what one test works with.
type bundle struct {
	*testing.T
	space Space
	timer timer.Timer
}

func newBundle(t *testing.T, h Harness) *bundle {
	t.Helper()
	b := &bundle{T: t, space: h.Space(t)}
	b.timer = b.open()
	return b
}

// open returns one more client.
func (b *bundle) open() timer.Timer {
	b.Helper()
	client := b.space.Open()
	b.Cleanup(func() { require.NoError(b, client.Close()) })
	return client
}

func (b *bundle) set(entries ...timer.Entry) {
	b.Helper()
	require.NoError(b, b.timer.Set(b.Context(), entries))
}

// claim claims and checks what holds for each claim: the lease, the order, and no more than asked for.
func (b *bundle) claim(by timer.Timer, now time.Time, limit int, lease time.Duration) ([]timer.Entry, time.Time) {
	b.Helper()
	claimed, next, err := by.Claim(b.Context(), now, limit, lease)
	require.NoError(b, err)
	require.LessOrEqual(b, len(claimed), limit)
	for i, e := range claimed {
		require.False(b, e.Due.After(now), "claimed before it was due")
		require.WithinRange(b, e.Lease, now.Add(lease), now.Add(lease+2*time.Microsecond))
		require.True(b, i == 0 || !e.Due.Before(claimed[i-1].Due), "not earliest first")
	}
	return claimed, next
}

func (b *bundle) done(by timer.Timer, claimed ...timer.Entry) {
	b.Helper()
	require.NoError(b, by.Done(b.Context(), claimed))
}

// wantState compares everything there is.
func (b *bundle) wantState(want State) {
	b.Helper()
	require.Empty(b, want.differences(b.space.Dump()))
	n, err := b.timer.Len(b.Context())
	require.NoError(b, err)
	require.Equal(b, len(want), n)
}

// noon is the time at which the tests' stories begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// entry returns the n-th delivery of the first endpoint, due some time after noon.
func entry(n, attempt int, after time.Duration) timer.Entry {
	return timer.Entry{Endpoint: id(0), Delivery: id(n), Attempt: attempt, Due: noon.Add(after)}
}

func id(n int) webhook.ID {
	out := webhook.FirstID(noon)
	binary.BigEndian.PutUint64(out[8:], uint64(n)+1)
	return out
}

// differences says in words where two states differ, in a few of the places: whole states of thousands are no help.
func (s State) differences(got State) []string {
	const few = 5
	var words []string
	for key, at := range s {
		if is, ok := got[key]; !ok {
			words = append(words, fmt.Sprintf("missing: %v at %v", key, at))
		} else if !is.Equal(at) {
			words = append(words, fmt.Sprintf("at %v instead of %v: %v", is, at, key))
		}
	}
	for key, at := range got {
		if _, ok := s[key]; !ok {
			words = append(words, fmt.Sprintf("too much: %v at %v", key, at))
		}
	}
	return words[:min(len(words), few)]
}

// stateOf is the state after only these were set.
func stateOf(entries ...timer.Entry) State {
	s := State{}
	for _, e := range entries {
		s[KeyOf(e)] = e.Due
	}
	return s
}

// held adds claimed entries to a state.
func (s State) held(claimed ...timer.Entry) State {
	for _, e := range claimed {
		s[KeyOf(e)] = e.Lease
	}
	return s
}

// keys returns which entries these are, in order.
func keys(entries []timer.Entry) []Key {
	out := make([]Key, 0, len(entries))
	for _, e := range entries {
		out = append(out, KeyOf(e))
	}
	return out
}
