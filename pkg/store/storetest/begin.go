package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// beginTests hold the first attempts that begin with the acceptance to what a claim would have done.
var beginTests = []test{
	{"BeginsTheFirstAttempt", beginsWithAccept},
	{"GivesWhatAClaimWouldGive", beginsLikeAClaim},
	{"BeginsOnlyWhatIsAskedFor", beginsWhatIsAsked},
	{"HoldsForTheLeaseOfTheEndpoint", beginsForLease},
	{"BeginsNothingThatIsNotDue", beginsNothingLater},
	{"BeginsNothingAtAClosedEndpoint", beginsNothingClosed},
	{"BeginsNothingWithoutALifetime", beginsNothingExpired},
	{"BeginsNothingThatIsNotStored", beginsNothingNotStored},
	{"BeginsTheOthersWhenOneIsRefused", beginsBesideRefused},
	{"IsFoundInterruptedAfterItsLease", beginsAndIsInterrupted},
	{"SharesEventAndTarget", beginsSharing},
}

// beginning asks for the first attempts of an event.
func beginning(n store.NewEvent) store.NewEvent {
	for i := range n.Deliveries {
		n.Deliveries[i].Begin = true
	}
	return n
}

func beginsWithAccept(t *testing.T, b *bundle) {
	e := b.endpoint()
	n := beginning(b.event(e))
	var got store.Accepted
	in := b.during(func() { got = b.accept(n)[0] })
	require.Equal(t, store.AcceptStored, got.Status)
	require.Len(t, got.Begun, 1)
	w := got.Begun[0]
	require.Equal(t, webhook.StateAttempting, w.Delivery.State)
	require.Equal(t, 1, w.Delivery.Attempt)
	require.Equal(t, got.AcceptedAt, w.Delivery.StartedAt)
	in.requireAfter(t, b.Policy.LeaseOf(&e), w.Delivery.LeaseUntil)
	require.Equal(t, w.Delivery, b.view(n.Deliveries[0].ID).Delivery, "it is committed as returned")
	require.Empty(t, b.view(n.Deliveries[0].ID).Attempts)
	b.refuses(w.Delivery)
	require.Equal(t, webhook.StateSucceeded, b.record(success(w)).State)
}

func beginsLikeAClaim(t *testing.T, b *bundle) {
	e := b.endpoint(func(e *webhook.Endpoint) {
		e.Format, e.Timeout, e.RatePerSecond = webhook.FormatStandard, 9*time.Second, 5
	})
	n := b.event(e)
	n.Event.Time = n.Event.Time.Add(789 * time.Nanosecond).In(time.FixedZone("", 2*60*60))
	begun := b.accept(beginning(n))[0].Begun[0]
	later := b.event(e)
	later.Event.Time = n.Event.Time
	claimed := b.begin(b.store(later)[0].ID)

	require.NoError(t, begun.Err)
	require.False(t, begun.DataLeftOut)
	require.Equal(t, claimed.Target, begun.Target)
	// What differs between two deliveries is made the same; everything else must be.
	event, delivery := *begun.Event, begun.Delivery
	event.ID, event.CEID, event.AcceptedAt = claimed.Event.ID, claimed.Event.CEID, claimed.Event.AcceptedAt
	require.Equal(t, *claimed.Event, event)
	require.Equal(t, claimed.Delivery.LeaseUntil.Sub(claimed.Delivery.StartedAt),
		delivery.LeaseUntil.Sub(delivery.StartedAt))
	require.Equal(t, claimed.Delivery.ExpiresAt.Sub(claimed.Delivery.DueAt), delivery.ExpiresAt.Sub(delivery.DueAt))
	require.Equal(t, claimed.Delivery.WakeAt.Sub(claimed.Delivery.DueAt), delivery.WakeAt.Sub(delivery.DueAt))
	delivery.ID, delivery.Event = claimed.Delivery.ID, claimed.Delivery.Event
	delivery.DueAt, delivery.StartedAt, delivery.LeaseUntil = claimed.Delivery.DueAt, claimed.Delivery.StartedAt,
		claimed.Delivery.LeaseUntil
	delivery.WakeAt, delivery.ExpiresAt = claimed.Delivery.WakeAt, claimed.Delivery.ExpiresAt
	require.Equal(t, claimed.Delivery, delivery)
}

func beginsWhatIsAsked(t *testing.T, b *bundle) {
	n := b.event(b.endpoint(), b.endpoint(), b.endpoint())
	n.Deliveries[1].Begin = true
	begun := b.accept(n)[0].Begun
	require.Len(t, begun, 1)
	require.Equal(t, n.Deliveries[1].ID, begun[0].Delivery.ID)
	require.Equal(t, n.Deliveries[1].Endpoint, begun[0].Target.ID)
	for _, i := range []int{0, 2} {
		b.begin(n.Deliveries[i].ID)
	}
}

func beginsForLease(t *testing.T, b *bundle) {
	e := b.endpoint(func(e *webhook.Endpoint) { e.Timeout = 3 * time.Minute })
	w := b.accept(beginning(b.event(e)))[0].Begun[0]
	require.Equal(t, 3*time.Minute+b.Policy.LeaseMargin, w.Delivery.LeaseUntil.Sub(w.Delivery.StartedAt))
	require.Equal(t, w.Delivery.LeaseUntil.Add(b.Policy.WakeGrace), w.Delivery.WakeAt)
}

func beginsNothingLater(t *testing.T, b *bundle) {
	n := beginning(dueIn(b.event(b.endpoint()), time.Minute))
	require.Empty(t, b.accept(n)[0].Begun)
	require.Equal(t, webhook.StateScheduled, b.view(n.Deliveries[0].ID).Delivery.State)
}

func beginsNothingClosed(t *testing.T, b *bundle) {
	paused, disabled, deleted, throttled := b.endpoint(), b.endpoint(), b.endpoint(), b.endpoint()
	b.set(paused.ID, webhook.EndpointPaused)
	b.set(disabled.ID, webhook.EndpointDisabled)
	b.set(deleted.ID, webhook.EndpointDeleted)
	slow := b.failure(b.begin(b.to(throttled).ID), time.Minute)
	slow.ThrottleFor = time.Minute
	b.record(slow)
	open := b.endpoint()
	n := beginning(b.event(paused, disabled, deleted, throttled, open))
	begun := b.accept(n)[0].Begun
	require.Len(t, begun, 1)
	require.Equal(t, open.ID, begun[0].Delivery.Endpoint)
	for _, held := range []int{0, 1, 3} {
		require.Equal(t, webhook.StateScheduled, b.view(n.Deliveries[held].ID).Delivery.State)
		require.Zero(t, b.view(n.Deliveries[held].ID).Delivery.Attempt)
	}
}

func beginsNothingExpired(t *testing.T, b *bundle) {
	require.Empty(t, b.accept(beginning(living(b.event(b.endpoint()), 0)))[0].Begun)
}

func beginsNothingNotStored(t *testing.T, b *bundle) {
	e := b.endpoint()
	first := beginning(b.event(e))
	again := beginning(b.event(e))
	again.Key, again.Event.CEID = first.Key, first.Event.CEID
	stale := beginning(b.event(e))
	stale.ConfigVersion--
	got := b.accept(first, again, stale)
	require.Len(t, got[0].Begun, 1)
	require.Equal(t, store.AcceptDuplicate, got[1].Status)
	require.Empty(t, got[1].Begun)
	require.Equal(t, store.AcceptStale, got[2].Status)
	require.Empty(t, got[2].Begun)
	require.Empty(t, b.accept(first)[0].Begun, "the same event again is a duplicate of itself")
}

func beginsBesideRefused(t *testing.T, b *bundle) {
	e := b.endpoint()
	good, bad, other := beginning(b.event(e)), beginning(b.event(e)), beginning(b.event(e))
	bad.Event.Subject = "a\x00b"
	got := b.accept(good, bad, other)
	require.Equal(t, store.AcceptRefused, got[1].Status)
	require.Empty(t, got[1].Begun)
	require.Equal(t, good.Deliveries[0].ID, got[0].Begun[0].Delivery.ID)
	require.Equal(t, other.Deliveries[0].ID, got[2].Begun[0].Delivery.ID)
}

func beginsAndIsInterrupted(t *testing.T, b *bundle) {
	n := beginning(b.event(b.endpoint()))
	b.accept(n)
	b.pass(24 * time.Hour)
	require.Equal(t, 1, b.reconcile(everything).Counts[webhook.ActionInterrupt])
	view := b.view(n.Deliveries[0].ID)
	require.Equal(t, webhook.StateScheduled, view.Delivery.State)
	require.Len(t, view.Attempts, 1)
	require.Equal(t, webhook.OutcomeInterrupted, view.Attempts[0].Outcome)
}

func beginsSharing(t *testing.T, b *bundle) {
	e := b.endpoint()
	n := b.event(e, e)
	begun := b.accept(beginning(n))[0].Begun
	require.Len(t, begun, 2)
	require.Equal(t, n.Deliveries[0].ID, begun[0].Delivery.ID)
	require.Equal(t, n.Deliveries[1].ID, begun[1].Delivery.ID)
	require.Same(t, begun[0].Event, begun[1].Event)
	require.Equal(t, begun[0].Target, begun[1].Target)
}
