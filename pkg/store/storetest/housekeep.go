package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var housekeepTests = []test{
	{"DeletesExpiredKeysOnly", deletesExpiredKeys},
	{"DeletesOldRejectedEvents", deletesRejected},
	{"KeepsWhatIsLive", keepsLive},
	{"MayRunConcurrently", housekeepsConcurrently},
	{"SaysWhenHouseWasKept", saysWhenHouseWasKept},
	{"CountsWhatIsLive", countsLive},
	{"KnowsHowLongTheOldestIsDue", knowsOldestDue},
}

// retention is long enough to keep what the tests make.
var retention = store.Retention{
	Events: 90 * 24 * time.Hour, Attempts: 30 * 24 * time.Hour, Rejected: 10 * 24 * time.Hour, Ahead: 14 * 24 * time.Hour,
}

func (b *bundle) housekeep() store.Housekept {
	out, err := b.Store.Housekeep(b.ctx, retention)
	require.NoError(b.tb, err)
	return out
}

func (b *bundle) stats() store.Stats {
	out, err := b.Store.Stats(b.ctx)
	require.NoError(b.tb, err)
	return out
}

func deletesExpiredKeys(t *testing.T, b *bundle) {
	old := b.event()
	b.store(old)
	b.pass(b.DedupeWindow / 2)
	young := b.event()
	b.store(young)
	require.Zero(t, b.housekeep().KeysExpired)
	require.Equal(t, store.AcceptDuplicate, b.accept(old)[0].Status)
	b.pass(b.DedupeWindow/2 + time.Minute)
	require.Equal(t, 1, b.housekeep().KeysExpired)
	require.Zero(t, b.housekeep().KeysExpired)
	require.Equal(t, store.AcceptDuplicate, b.accept(young)[0].Status)
}

func saysWhenHouseWasKept(t *testing.T, b *bundle) {
	require.Zero(t, b.agenda().Housekept)
	for range 2 {
		in := b.during(func() { b.housekeep() })
		in.requireAfter(t, 0, b.agenda().Housekept)
		b.pass(time.Hour)
	}
	before := b.agenda().Housekept
	cut, cancel := context.WithCancel(b.ctx)
	cancel()
	_, err := b.Store.Housekeep(cut, retention)
	require.Error(t, err)
	require.Equal(t, before, b.agenda().Housekept, "what was not done whole is not noted")
}

func deletesRejected(t *testing.T, b *bundle) {
	b.reject(b.rejected(b.tenant), 10)
	b.reject(b.rejected(""), 10)
	b.pass(retention.Rejected / 2)
	b.reject(b.rejected(b.tenant), 10)
	require.Zero(t, b.housekeep().RejectedDropped)
	b.pass(retention.Rejected/2 + time.Minute)
	require.Equal(t, 2, b.housekeep().RejectedDropped)
	require.Len(t, b.allRejected(b.tenant), 1)
	require.Empty(t, b.allRejected(""))
}

func keepsLive(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 2)
	b.succeed(ds[0].ID)
	b.set(e.ID, webhook.EndpointPaused)
	was := []store.DeliveryView{b.view(ds[0].ID), b.view(ds[1].ID)}
	b.housekeep()
	require.Equal(t, []store.DeliveryView{b.view(ds[0].ID), b.view(ds[1].ID)}, was)
	require.Len(t, b.secretIDs(e.ID), 1)
}

func housekeepsConcurrently(t *testing.T, b *bundle) {
	const keys = 30
	for range keys {
		b.store(b.event())
	}
	b.pass(b.DedupeWindow + time.Minute)
	got, errs := make([]store.Housekept, 4), make([]error, 4)
	together(4, func(i int) { got[i], errs[i] = b.Store.Housekeep(b.ctx, retention) })
	expired := b.housekeep().KeysExpired // who met rows that another was deleting may have left a rest
	for i := range got {
		require.NoError(t, errs[i])
		expired += got[i].KeysExpired
	}
	require.Equal(t, keys, expired)
}

func countsLive(t *testing.T, b *bundle) {
	require.Equal(t, store.Stats{}, b.stats())
	e, paused := b.endpoint(), b.endpoint()
	b.set(paused.ID, webhook.EndpointPaused)
	ds := b.many(e, 4)
	b.to(paused)
	b.begin(ds[0].ID)
	b.succeed(ds[1].ID)
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, ds[2].ID))
	other := b.as(b.newTenant())
	other.to(other.endpoint())
	require.Equal(t, 4, b.stats().Live, "over all tenants, attempting and held ones too")
}

func knowsOldestDue(t *testing.T, b *bundle) {
	e, paused := b.endpoint(), b.endpoint()
	b.to(paused)
	b.set(paused.ID, webhook.EndpointPaused)
	b.store(dueIn(b.event(e), 10*time.Hour))
	b.begin(b.to(e).ID)
	b.pass(3 * time.Hour)
	require.Zero(t, b.stats().OldestDue, "what is held, under way or not due yet does not count")
	b.to(e)
	b.pass(2 * time.Hour)
	b.to(e)
	require.InDelta(t, 2*time.Hour, b.stats().OldestDue, float64(time.Minute))
}
