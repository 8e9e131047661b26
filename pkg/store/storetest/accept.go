package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var acceptTests = []test{
	{"StoresTheEventAsGiven", storesTheEvent},
	{"StoresAnEventWithoutOptionalAttributes", storesTheBareEvent},
	{"StoresADeliveryForEachEndpoint", storesDeliveries},
	{"PlansByTheDurationsGiven", plansByDurations},
	{"PutsTheWakeTimeBeforeAFarDueTime", wakesBeforeFarDue},
	{"StoresAnEventThatMatchesNothing", storesUnmatched},
	{"TakesAnEmptyGroup", takesEmptyGroup},
	{"AnswersInOrder", answersInOrder},
	{"FindsADuplicate", findsDuplicate},
	{"FindsADuplicateInTheSameGroup", findsDuplicateInGroup},
	{"MayBeRepeated", acceptMayBeRepeated},
	{"ForgetsAnIdentityAfterTheWindow", forgetsIdentity},
	{"KeepsIdentitiesOfTenantsApart", identitiesOfTenants},
	{"CallsAnOldVersionStale", callsStale},
	{"CallsAnUnknownTenantStale", callsUnknownTenantStale},
	{"JudgesStaleBeforeDuplicate", judgesStaleFirst},
	{"GoesStaleWithEveryChangeOfTheConfiguration", staleWithEveryChange},
	{"StoresTheOthersWhenOneIsStale", storesBesideStale},
	{"RefusesATextWithANul", refusesNul},
	{"StoresTheNextOfAnIdentityAfterOneRefused", storesAfterRefused},
	{"HoldsDeliveriesOfClosedEndpoints", holdsDeliveries},
	{"LeavesOutEndpointsThatAreNotThere", leavesOutEndpoints},
	{"StoresAHugeFanOut", storesFanOut},
	{"StoresALargeGroup", storesLargeGroup},
}

// requireEvent requires an event to be as it was given, but for what the store sets.
func requireEvent(tb testing.TB, want, got webhook.Event) {
	tb.Helper()
	want.AcceptedAt, got.AcceptedAt = time.Time{}, time.Time{}
	require.True(tb, want.Time.Equal(got.Time), "the time attribute is %s, not %s", got.Time, want.Time)
	want.Time, got.Time = time.Time{}, time.Time{}
	if len(want.Data) == 0 && len(got.Data) == 0 {
		want.Data, got.Data = nil, nil
	}
	require.Equal(tb, want, got)
}

func storesTheEvent(t *testing.T, b *bundle) {
	n := b.event(b.endpoint())
	var result store.Accepted
	in := b.during(func() { result = b.accept(n)[0] })
	require.Equal(t, store.AcceptStored, result.Status)
	require.NoError(t, result.Err)
	require.Equal(t, n.Event.ID, result.EventID)
	in.requireAfter(t, 0, result.AcceptedAt)

	got, err := b.Store.Event(b.ctx, b.tenant, n.Event.ID)
	require.NoError(t, err)
	requireEvent(t, n.Event, *got)
	require.Equal(t, result.AcceptedAt, got.AcceptedAt)
	requireEvent(t, n.Event, b.view(n.Deliveries[0].ID).Event)
}

func storesTheBareEvent(t *testing.T, b *bundle) {
	n := b.event()
	n.Event = webhook.Event{
		ID: n.Event.ID, Tenant: b.tenant, Source: n.Event.Source, CEID: n.Event.CEID, Type: n.Event.Type,
	}
	b.store(n)
	got, err := b.Store.Event(b.ctx, b.tenant, n.Event.ID)
	require.NoError(t, err)
	requireEvent(t, n.Event, *got)
	require.Nil(t, got.Extensions)
}

func storesDeliveries(t *testing.T, b *bundle) {
	first, second := b.endpoint(), b.endpoint()
	n := b.event(first, second)
	for i, d := range b.store(n) {
		require.Equal(t, webhook.Delivery{
			ID: n.Deliveries[i].ID, Tenant: b.tenant, Event: n.Event.ID, Endpoint: n.Deliveries[i].Endpoint,
			State: webhook.StateScheduled, DueAt: d.DueAt, WakeAt: d.WakeAt, ExpiresAt: d.ExpiresAt,
		}, d)
	}
}

func plansByDurations(t *testing.T, b *bundle) {
	e := b.endpoint()
	n := b.event(e)
	n.Deliveries[0].DueIn, n.Deliveries[0].Lease, n.Deliveries[0].Lifetime = 3*time.Minute, 7*time.Minute, 11*time.Hour
	in := b.during(func() { b.accept(n) })
	d := b.view(n.Deliveries[0].ID).Delivery
	in.requireAfter(t, 3*time.Minute, d.DueAt)
	in.requireAfter(t, b.Policy.WakeAfter(3*time.Minute, 7*time.Minute), d.WakeAt)
	in.requireAfter(t, 11*time.Hour, d.ExpiresAt)
}

func wakesBeforeFarDue(t *testing.T, b *bundle) {
	n := dueIn(b.event(b.endpoint()), b.Policy.Horizon+time.Hour)
	in := b.during(func() { b.accept(n) })
	d := b.view(n.Deliveries[0].ID).Delivery
	in.requireAfter(t, b.Policy.Horizon+time.Hour, d.DueAt)
	in.requireAfter(t, time.Hour, d.WakeAt)
}

func storesUnmatched(t *testing.T, b *bundle) {
	n := b.event()
	b.store(n)
	require.Equal(t, store.AcceptDuplicate, b.accept(n)[0].Status)
	got, err := b.Store.Event(b.ctx, b.tenant, n.Event.ID)
	require.NoError(t, err)
	requireEvent(t, n.Event, *got)
}

func takesEmptyGroup(t *testing.T, b *bundle) { require.Empty(t, b.accept()) }

func answersInOrder(t *testing.T, b *bundle) {
	e := b.endpoint()
	known, fresh, stale, bad := b.event(e), b.event(e), b.event(e), b.event(e)
	b.store(known)
	stale.ConfigVersion--
	bad.Event.Subject = "a\x00b"
	results := b.accept(bad, known, stale, fresh)
	require.Equal(t, store.AcceptRefused, results[0].Status)
	require.Equal(t, store.AcceptDuplicate, results[1].Status)
	require.Equal(t, store.AcceptStale, results[2].Status)
	require.Equal(t, store.AcceptStored, results[3].Status)
	require.Equal(t, fresh.Event.ID, results[3].EventID)
}

func findsDuplicate(t *testing.T, b *bundle) {
	e := b.endpoint()
	n := b.event(e)
	first := b.accept(n)[0]
	again := b.event(e)
	again.Event.Source, again.Event.CEID, again.Key = n.Event.Source, n.Event.CEID, n.Key
	again.Event.Data = []byte("something else")
	second := b.accept(again)[0]
	require.Equal(t, store.AcceptDuplicate, second.Status)
	require.Equal(t, n.Event.ID, second.EventID, "the first one's id")
	require.WithinDuration(t, first.AcceptedAt, second.AcceptedAt, time.Millisecond, "the first one's time")
	b.requireNothingOf(t, again)
}

// requireNothingOf requires that nothing of an event is stored.
func (b *bundle) requireNothingOf(t *testing.T, n store.NewEvent) {
	t.Helper()
	_, err := b.Store.Event(b.ctx, b.tenant, n.Event.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	for _, d := range n.Deliveries {
		_, err := b.Store.Delivery(b.ctx, b.tenant, d.ID)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
}

func findsDuplicateInGroup(t *testing.T, b *bundle) {
	e := b.endpoint()
	first, second, other := b.event(e), b.event(e), b.event(e)
	second.Event.CEID, second.Key = first.Event.CEID, first.Key
	results := b.accept(other, first, second)
	require.Equal(t, store.AcceptStored, results[1].Status)
	require.Equal(t, store.AcceptDuplicate, results[2].Status)
	require.Equal(t, first.Event.ID, results[2].EventID)
	b.requireNothingOf(t, second)
}

// acceptMayBeRepeated is what a caller does whose connection broke in the commit.
func acceptMayBeRepeated(t *testing.T, b *bundle) {
	n := b.event(b.endpoint())
	b.store(n)
	again := b.accept(n)[0]
	require.Equal(t, store.AcceptDuplicate, again.Status)
	require.Equal(t, n.Event.ID, again.EventID)
	require.Len(t, allDeliveries(t, b.Store, b.tenant), 1)
}

func forgetsIdentity(t *testing.T, b *bundle) {
	e := b.endpoint()
	n := b.event(e)
	b.store(n)
	b.pass(b.DedupeWindow - time.Minute)
	again := b.event(e)
	again.Event.CEID, again.Key = n.Event.CEID, n.Key
	require.Equal(t, store.AcceptDuplicate, b.accept(again)[0].Status, "within the window, which a repeat does not extend")
	b.pass(2 * time.Minute)
	require.Equal(t, store.AcceptStored, b.accept(again)[0].Status, "after it, with the old key not yet deleted")
	b.pass(b.DedupeWindow / 2)
	third := b.event(e)
	third.Event.CEID, third.Key = n.Event.CEID, n.Key
	result := b.accept(third)[0]
	require.Equal(t, store.AcceptDuplicate, result.Status, "within the window of the second")
	require.Equal(t, again.Event.ID, result.EventID)
}

func identitiesOfTenants(t *testing.T, b *bundle) {
	other := b.as(b.newTenant())
	n, same := b.event(), other.event()
	same.Event.CEID = n.Event.CEID
	same.Key = webhook.IdentityKey(other.tenant, same.Event.Source, same.Event.CEID)
	results := b.accept(n, same)
	require.Equal(t, store.AcceptStored, results[0].Status)
	require.Equal(t, store.AcceptStored, results[1].Status)
}

func callsStale(t *testing.T, b *bundle) {
	n := b.event()
	b.endpoint()
	result := b.accept(n)[0]
	require.Equal(t, store.Accepted{Status: store.AcceptStale}, result)
	b.requireNothingOf(t, n)
	n.ConfigVersion = b.version()
	require.Equal(t, store.AcceptStored, b.accept(n)[0].Status, "redone with the present version")
	n = b.event()
	n.ConfigVersion++
	require.Equal(t, store.AcceptStale, b.accept(n)[0].Status, "a version that is not there yet")
}

func callsUnknownTenantStale(t *testing.T, b *bundle) {
	n := b.event()
	n.Event.Tenant = "t-" + token()
	require.Equal(t, store.AcceptStale, b.accept(n)[0].Status)
	n.ConfigVersion = 0
	require.Equal(t, store.AcceptStale, b.accept(n)[0].Status)
}

func judgesStaleFirst(t *testing.T, b *bundle) {
	n := b.event()
	b.store(n)
	b.endpoint()
	require.Equal(t, store.AcceptStale, b.accept(n)[0].Status)
}

func staleWithEveryChange(t *testing.T, b *bundle) {
	e := b.endpoint()
	key := b.key()
	changes := []struct {
		name   string
		change func() error
	}{
		{"create a key", func() error { b.key(); return nil }},
		{"revoke a key", func() error { return b.Store.RevokeKey(b.ctx, b.tenant, key.ID) }},
		{"create an endpoint", func() error { b.endpoint(); return nil }},
		{"add a secret", func() error { return b.Store.AddSecret(b.ctx, b.tenant, b.secret(e.ID), time.Hour) }},
	}
	for _, status := range []webhook.EndpointStatus{
		webhook.EndpointPaused, webhook.EndpointActive, webhook.EndpointDisabled, webhook.EndpointDeleted,
	} {
		changes = append(changes, struct {
			name   string
			change func() error
		}{"set " + string(status), func() error { b.set(e.ID, status); return nil }})
	}
	for _, c := range changes {
		n, was := b.event(), b.version()
		require.NoError(t, c.change(), c.name)
		require.Greater(t, b.version(), was, c.name)
		require.Equal(t, store.AcceptStale, b.accept(n)[0].Status, c.name)
	}
	other := b.as(b.newTenant())
	n := b.event()
	other.endpoint()
	require.Equal(t, store.AcceptStored, b.accept(n)[0].Status, "another tenant's change")
}

func storesBesideStale(t *testing.T, b *bundle) {
	other := b.as(b.newTenant())
	fine, stale := other.event(other.endpoint()), b.event()
	b.endpoint()
	results := b.accept(stale, fine)
	require.Equal(t, store.AcceptStale, results[0].Status)
	require.Equal(t, store.AcceptStored, results[1].Status)

	e := b.endpoint()
	first, second := b.event(e), b.event(e)
	first.ConfigVersion--
	second.Event.CEID, second.Key = first.Event.CEID, first.Key
	results = b.accept(first, second)
	require.Equal(t, store.AcceptStale, results[0].Status)
	require.Equal(t, store.AcceptStored, results[1].Status, "what is stale has not taken the identity")
	require.Equal(t, second.Event.ID, results[1].EventID)
}

func refusesNul(t *testing.T, b *bundle) {
	e := b.endpoint()
	for name, spoil := range map[string]func(e *webhook.Event){
		"source":       func(e *webhook.Event) { e.Source = "/a\x00" },
		"id":           func(e *webhook.Event) { e.CEID = "\x00" },
		"type":         func(e *webhook.Event) { e.Type = "a\x00b" },
		"subject":      func(e *webhook.Event) { e.Subject = "a\x00b" },
		"content type": func(e *webhook.Event) { e.DataType = "a\x00b" },
		"schema":       func(e *webhook.Event) { e.DataSchema = "a\x00b" },
		"extension":    func(e *webhook.Event) { e.Extensions = map[string]any{"a": "b\x00"} },
		"trace":        func(e *webhook.Event) { e.Trace.State = "a=\x00" },
		"bad UTF-8":    func(e *webhook.Event) { e.Subject = "a\xff" },
	} {
		before, bad, after := b.event(e), b.event(e), b.event(e)
		spoil(&bad.Event)
		bad.Key = webhook.IdentityKey(b.tenant, bad.Event.Source, bad.Event.CEID)
		results := b.accept(before, bad, after)
		require.Equal(t, store.AcceptStored, results[0].Status, name)
		require.Equal(t, store.AcceptRefused, results[1].Status, name)
		require.ErrorIs(t, results[1].Err, store.ErrInvalid, name)
		require.True(t, results[1].EventID.IsZero(), name)
		require.Equal(t, store.AcceptStored, results[2].Status, name)
		b.requireNothingOf(t, bad)
	}
}

func storesAfterRefused(t *testing.T, b *bundle) {
	e := b.endpoint()
	bad, good := b.event(e), b.event(e)
	bad.Event.Subject = "\x00"
	good.Event.CEID, good.Key = bad.Event.CEID, bad.Key
	results := b.accept(bad, good)
	require.Equal(t, store.AcceptRefused, results[0].Status)
	require.Equal(t, store.AcceptStored, results[1].Status)
	require.Equal(t, good.Event.ID, results[1].EventID)
}

func holdsDeliveries(t *testing.T, b *bundle) {
	for _, status := range []webhook.EndpointStatus{webhook.EndpointPaused, webhook.EndpointDisabled} {
		e := b.endpoint()
		b.set(e.ID, status)
		d := b.to(e)
		require.Equal(t, webhook.StateScheduled, d.State)
		b.refuses(d)
		b.set(e.ID, webhook.EndpointActive)
		b.succeed(d.ID)
	}
}

func leavesOutEndpoints(t *testing.T, b *bundle) {
	kept, deleted := b.endpoint(), b.endpoint()
	b.set(deleted.ID, webhook.EndpointDeleted)
	foreign := b.as(b.newTenant()).endpoint()
	n := b.event(deleted, kept, foreign)
	require.Equal(t, store.AcceptStored, b.accept(n)[0].Status)
	all := allDeliveries(t, b.Store, b.tenant)
	require.Len(t, all, 1)
	require.Equal(t, kept.ID, all[0].Endpoint)
	require.Empty(t, allDeliveries(t, b.Store, foreign.Tenant))
}

func storesFanOut(t *testing.T, b *bundle) {
	e := b.endpoint()
	const wide = 2100 // beyond what a back end may commit together with others
	small, huge := b.event(e), b.event()
	ids := b.idsTogether(1 + wide)
	huge.Event.ID = ids[0]
	for _, id := range ids[1:] {
		huge.Deliveries = append(huge.Deliveries, b.delivery(id, &e))
	}
	for _, result := range b.accept(small, huge) {
		require.Equal(t, store.AcceptStored, result.Status)
	}
	require.Len(t, allDeliveries(t, b.Store, b.tenant), 1+wide)
}

func storesLargeGroup(t *testing.T, b *bundle) {
	e := b.endpoint()
	group := make([]store.NewEvent, 0, 300)
	for i := range cap(group) {
		n := b.event(e)
		n.Event.Subject = fmt.Sprint(i)
		group = append(group, n)
	}
	for i, result := range b.accept(group...) {
		require.Equal(t, store.AcceptStored, result.Status)
		require.Equal(t, group[i].Event.ID, result.EventID)
	}
	for _, n := range group {
		require.Equal(t, n.Event.Subject, b.view(n.Deliveries[0].ID).Event.Subject)
	}
}
