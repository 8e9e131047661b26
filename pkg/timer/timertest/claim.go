package timertest

import (
	"context"
	"math"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// lease is how long the tests' claims hold, when it does not matter.
const lease = 30 * time.Second

func setAddsAndMoves(b *bundle) {
	one, two := entry(1, 0, time.Second), entry(2, 3, time.Hour)
	b.wantState(State{})
	b.set(one, two)
	b.wantState(stateOf(one, two))
	earlier, later := entry(1, 0, -time.Second), entry(2, 3, 2*time.Hour)
	b.set(earlier, later)
	b.wantState(stateOf(earlier, later))
	b.set(one, entry(1, 0, time.Minute))
	b.wantState(stateOf(entry(1, 0, time.Minute), later))
}

func setKeepsApart(b *bundle) {
	endpoint := timer.Entry{Endpoint: id(7), Due: noon}
	other := timer.Entry{Endpoint: id(8), Due: noon.Add(time.Second)}
	sameDelivery := timer.Entry{Endpoint: id(8), Delivery: id(1), Attempt: 1, Due: noon}
	first, second := entry(1, 1, 0), entry(1, 2, time.Minute)
	all := []timer.Entry{endpoint, other, sameDelivery, first, second}
	b.set(all...)
	b.wantState(stateOf(all...))
	claimed, _ := b.claim(b.timer, noon, 10, lease)
	require.ElementsMatch(b, keys([]timer.Entry{endpoint, sameDelivery, first}), keys(claimed))
	b.done(b.timer, claimed...)
	b.wantState(stateOf(other, second))
}

func setTakesAnyTime(b *bundle) {
	far := time.Date(2250, 12, 31, 23, 59, 59, 999_998_000, time.UTC)
	b.set(timer.Entry{Endpoint: id(1), Due: far}, timer.Entry{Endpoint: id(2), Attempt: math.MaxInt, Due: time.Time{}},
		timer.Entry{Endpoint: id(3), Attempt: -1, Due: noon.Add(time.Nanosecond)},
		timer.Entry{Endpoint: id(4), Due: time.Unix(1<<40, 0)})
	b.wantState(State{
		{Endpoint: id(1)}: far, {Endpoint: id(2), Attempt: math.MaxInt}: timer.Moment(0),
		{Endpoint: id(3), Attempt: -1}: noon.Add(2 * time.Microsecond), {Endpoint: id(4)}: timer.Moment(1 << 53),
	})
	claimed, next := b.claim(b.timer, noon, 10, lease)
	require.Equal(b, []Key{{Endpoint: id(2), Attempt: math.MaxInt}}, keys(claimed))
	require.Equal(b, noon.Add(2*time.Microsecond), next)
	claimed, next = b.claim(b.timer, far, 10, lease)
	require.Len(b, claimed, 3)
	require.Equal(b, timer.Moment(1<<53), next)
}

func claimTakesDue(b *bundle) {
	entries := []timer.Entry{
		entry(3, 0, 0), entry(1, 5, -2*time.Minute), entry(4, 1, time.Microsecond*2), entry(2, 0, -time.Millisecond),
	}
	b.set(entries...)
	claimed, next := b.claim(b.timer, noon, 10, lease)
	require.Equal(b, keys([]timer.Entry{entries[1], entries[3], entries[0]}), keys(claimed))
	require.Equal(b, entries[1].Due, claimed[0].Due)
	require.Equal(b, entries[2].Due, next)
	b.wantState(stateOf(entries[2]).held(claimed...))
}

func claimNeverEarly(b *bundle) {
	due := noon.Add(1500 * time.Nanosecond)
	b.set(timer.Entry{Endpoint: id(1), Due: due})
	claimed, next := b.claim(b.timer, due.Add(-time.Nanosecond), 10, lease)
	require.Empty(b, claimed)
	require.WithinRange(b, next, due, due.Add(2*time.Microsecond))
	claimed, next = b.claim(b.timer, next, 10, lease)
	require.Len(b, claimed, 1)
	require.Zero(b, next)
}

func claimStopsAtLimit(b *bundle) {
	const entries = 100
	for i := range entries {
		b.set(entry(i, 0, time.Duration(i-entries)*time.Millisecond))
	}
	for _, limit := range []int{0, -1} {
		claimed, next, err := b.timer.Claim(b.Context(), noon, limit, lease)
		require.NoError(b, err)
		require.Empty(b, claimed)
		require.Equal(b, entry(0, 0, -entries*time.Millisecond).Due, next)
	}
	seen := State{}
	for _, limit := range []int{1, 1, 3, 7, 20, 40, 28} {
		claimed, next := b.claim(b.timer, noon, limit, lease)
		require.Len(b, claimed, limit, "fewer than the limit while more are due")
		seen.held(claimed...)
		require.Equal(b, len(seen) < entries, next.Before(noon) && !next.IsZero(), "next says whether more are due")
	}
	b.wantState(seen)
	require.Len(b, seen, entries)
}

func claimOfThousands(b *bundle) {
	const entries = 9000
	var all []timer.Entry
	for i := range entries {
		all = append(all, entry(i, 0, 0))
	}
	b.set(all...)
	claimed, next := b.claim(b.timer, noon, entries+1, lease)
	require.Len(b, claimed, entries)
	require.Zero(b, next)
	b.wantState(State{}.held(claimed...))
	b.done(b.timer, claimed...)
	b.wantState(State{})
}

func claimSaysNext(b *bundle) {
	b.set(entry(1, 0, 0), entry(2, 0, time.Minute), entry(3, 0, time.Hour))
	held, next := b.claim(b.timer, noon, 10, lease)
	require.Equal(b, noon.Add(time.Minute), next, "not when what this call claimed comes back, which is earlier")
	_, next = b.claim(b.timer, noon.Add(time.Second), 10, lease)
	require.Equal(b, held[0].Lease, next, "when what another call claimed comes back")
	b.done(b.timer, held...)
	claimed, next := b.claim(b.timer, noon.Add(time.Hour), 10, lease)
	require.Len(b, claimed, 2)
	require.Zero(b, next)
}

func claimedComesBack(b *bundle) {
	b.set(entry(1, 4, 0))
	first, _ := b.claim(b.timer, noon, 10, lease)
	none, next := b.claim(b.timer, noon.Add(lease), 10, lease)
	require.Empty(b, none, "held until the lease is over")
	require.Equal(b, first[0].Lease, next)
	again, _ := b.claim(b.timer, next, 10, lease)
	require.Equal(b, keys(first), keys(again))
	require.Equal(b, first[0].Lease, again[0].Due)
	b.wantState(State{}.held(again...))
}

func claimedComesBackAfterCrash(b *bundle) {
	b.set(entry(1, 0, 0), entry(2, 0, 0))
	claimed, _ := b.claim(b.open(), noon, 10, lease) // by one of whom nothing more is heard
	require.Len(b, claimed, 2)
	b.wantState(State{}.held(claimed...))
	again, _ := b.claim(b.timer, noon.Add(2*lease), 10, lease)
	require.ElementsMatch(b, keys(claimed), keys(again))
}

func claimAgainKeepsLeasesApart(b *bundle) {
	b.set(entry(1, 0, 0), entry(2, 0, 10*time.Second))
	first, _ := b.claim(b.timer, noon, 10, lease)
	second, _ := b.claim(b.open(), noon.Add(10*time.Second), 10, lease)
	require.NotEqual(b, keys(first), keys(second))
	b.wantState(State{}.held(first...).held(second...))
	third, next := b.claim(b.timer, first[0].Lease, 10, lease)
	require.Equal(b, keys(first), keys(third))
	require.Equal(b, second[0].Lease, next)
}

func doneRemoves(b *bundle) {
	b.set(entry(1, 0, 0), entry(2, 0, 0), entry(3, 0, time.Hour))
	claimed, _ := b.claim(b.timer, noon, 10, lease)
	b.done(b.timer, claimed[0])
	b.wantState(stateOf(entry(3, 0, time.Hour)).held(claimed[1]))
	b.done(b.open(), claimed...) // any process that knows the lease, and more than once
	b.wantState(stateOf(entry(3, 0, time.Hour)))
}

func doneLeavesSetAnew(b *bundle) {
	b.set(entry(1, 0, 0), entry(2, 0, 0), entry(3, 0, 0))
	claimed, _ := b.claim(b.timer, noon, 10, lease)
	later, atOnce := entry(1, 0, time.Hour), entry(2, 0, 0)
	// The very moment at which the lease ends.
	atLease := entry(3, 0, claimed[0].Lease.Sub(noon))
	b.set(later, atOnce, atLease)
	b.done(b.timer, claimed...)
	want := stateOf(later, atOnce)
	want[KeyOf(atLease)] = atLease.Due.Add(time.Microsecond)
	b.wantState(want)
}

func doneLeavesAnothers(b *bundle) {
	other := b.open()
	b.set(entry(1, 0, 0))
	late, _ := b.claim(b.timer, noon, 10, lease)
	held, _ := b.claim(other, late[0].Lease, 10, lease)
	b.done(b.timer, late...)
	b.wantState(State{}.held(held...))
	b.done(other, held...)
	b.wantState(State{})
}

func doneOfUnknown(b *bundle) {
	b.set(entry(1, 0, 0), entry(2, 0, 0))
	unclaimed, unknown := entry(1, 0, 0), entry(9, 0, 0)
	unknown.Lease = noon
	otherAttempt := entry(2, 7, 0)
	claimed, _ := b.claim(b.timer, noon, 1, lease)
	otherAttempt.Lease = claimed[0].Lease
	b.done(b.timer, unclaimed, unknown, otherAttempt)
	require.Len(b, b.space.Dump(), 2)
}

func emptyCalls(b *bundle) {
	b.set()
	b.done(b.timer)
	claimed, next := b.claim(b.timer, noon, 10, lease)
	require.Empty(b, claimed)
	require.Zero(b, next)
	b.wantState(State{})
}

func closedIsUnavailable(b *bundle) {
	stopped, stop := context.WithCancel(b.Context())
	stop()
	requireUnavailable(stopped, b, b.timer)
	require.ErrorIs(b, b.timer.Set(stopped, []timer.Entry{{Endpoint: webhook.ID{1}}}), context.Canceled)
	require.NoError(b, b.timer.Close())
	require.NoError(b, b.timer.Close(), "closed twice")
	requireUnavailable(b.Context(), b, b.timer)
}

// requireUnavailable wants each call to fail with the sentinel.
func requireUnavailable(ctx context.Context, b *bundle, client timer.Timer) {
	b.Helper()
	one := []timer.Entry{entry(1, 0, 0)}
	require.ErrorIs(b, client.Set(ctx, one), timer.ErrUnavailable)
	_, _, err := client.Claim(ctx, noon, 10, lease)
	require.ErrorIs(b, err, timer.ErrUnavailable)
	require.ErrorIs(b, client.Done(ctx, one), timer.ErrUnavailable)
	_, err = client.Len(ctx)
	require.ErrorIs(b, err, timer.ErrUnavailable)
}
