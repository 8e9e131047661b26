package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var redriveTests = []test{
	{"WaitsUntilItIsTakenAgain", redrives},
	{"KeepsWhatIsRejectedAnew", redrivenInVain},
	{"RefusesWhatIsNotWhole", redrivesWhole},
	{"LetsManyBeTakenAgain", redrivesAll},
}

// whole makes something that was rejected and can be taken again.
func (b *bundle) whole(reason string) store.Rejected {
	r := b.rejected(b.tenant)
	r.Whole, r.Reason = true, reason
	require.True(b.tb, b.reject(r, 1000))
	return b.rejectedOf(r.ID)
}

func (b *bundle) rejectedOf(id webhook.ID) store.Rejected {
	r, err := b.Store.Rejected(b.ctx, b.tenant, id)
	require.NoError(b.tb, err)
	return r
}

func (b *bundle) waiting() []store.Rejected {
	list, err := b.Store.Redrives(b.ctx, 100)
	require.NoError(b.tb, err)
	return list
}

func redrives(t *testing.T, b *bundle) {
	r := b.whole("schema")
	require.Empty(t, b.waiting())
	in := b.during(func() { require.NoError(t, b.Store.Redrive(b.ctx, b.tenant, r.ID)) })
	waits := b.rejectedOf(r.ID)
	in.requireAfter(t, 0, waits.RedriveAt)
	require.NoError(t, b.Store.Redrive(b.ctx, b.tenant, r.ID), "again")
	require.Equal(t, []store.Rejected{waits}, b.waiting(), "as it came, and for as long as nobody says what became of it")
	require.Equal(t, r.Body, waits.Body)
	require.Equal(t, r.Headers, waits.Headers)
	done := store.Redriven{Tenant: b.tenant, ID: r.ID, Event: b.id()}
	require.NoError(t, b.Store.Redriven(b.ctx, done))
	late := store.Redriven{Tenant: b.tenant, ID: r.ID, Reason: "late"}
	require.NoError(t, b.Store.Redriven(b.ctx, late), "and once only")
	require.Empty(t, b.waiting())
	require.Empty(t, b.allRejected(b.tenant))
	page, err := b.Store.RejectedPage(b.ctx, b.tenant, webhook.ID{}, 10)
	require.NoError(t, err)
	require.Empty(t, page)
	got := b.rejectedOf(r.ID)
	require.Equal(t, done.Event, got.Event)
	require.Equal(t, "schema", got.Reason)
	require.Nil(t, got.Body)
	require.Nil(t, got.Headers)
	require.ErrorIs(t, b.Store.Redrive(b.ctx, b.tenant, r.ID), store.ErrConflict, "it is an event already")
}

func redrivenInVain(t *testing.T, b *bundle) {
	r := b.whole("tenant")
	require.NoError(t, b.Store.Redrive(b.ctx, b.tenant, r.ID))
	anew := store.Redriven{Tenant: b.tenant, ID: r.ID, Reason: "schema", Detail: "still\x00wrong"}
	other := anew
	other.Tenant = b.newTenant()
	require.NoError(t, b.Store.Redriven(b.ctx, other), "another tenant's is left alone")
	require.Len(t, b.waiting(), 1)
	require.NoError(t, b.Store.Redriven(b.ctx, anew))
	r.Reason, r.Detail = "schema", "still\uFFFDwrong"
	require.Equal(t, r, b.rejectedOf(r.ID))
	require.Empty(t, b.waiting())
	require.NoError(t, b.Store.Redrive(b.ctx, b.tenant, r.ID))
	require.Len(t, b.waiting(), 1)
	require.NoError(t, b.Store.DiscardRejected(b.ctx, b.tenant, r.ID))
	require.Empty(t, b.waiting())
}

func redrivesWhole(t *testing.T, b *bundle) {
	r := b.rejected(b.tenant)
	b.reject(r, 10)
	require.ErrorIs(t, b.Store.Redrive(b.ctx, b.tenant, r.ID), store.ErrConflict)
	require.ErrorIs(t, b.Store.Redrive(b.ctx, b.tenant, b.id()), store.ErrNotFound)
	n, err := b.Store.RedriveAll(b.ctx, b.tenant, "", 10)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Empty(t, b.waiting())
}

func redrivesAll(t *testing.T, b *bundle) {
	first, second, third := b.whole("schema"), b.whole("tenant"), b.whole("schema")
	b.as(b.newTenant()).whole("schema")
	ids := func() (ids []webhook.ID) {
		for _, r := range b.waiting() {
			ids = append(ids, r.ID)
		}
		return ids
	}
	all := func(reason string, limit int) int {
		n, err := b.Store.RedriveAll(b.ctx, b.tenant, reason, limit)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 1, all("schema", 1))
	require.Equal(t, []webhook.ID{first.ID}, ids(), "the oldest first")
	require.Equal(t, 1, all("schema", 10), "those that wait already do not count")
	require.ElementsMatch(t, []webhook.ID{first.ID, third.ID}, ids())
	require.Zero(t, all("invalid", 10))
	require.Equal(t, 1, all("", 10))
	require.ElementsMatch(t, []webhook.ID{first.ID, third.ID, second.ID}, ids())
	list, err := b.Store.Redrives(b.ctx, 1)
	require.NoError(t, err)
	require.Len(t, list, 1)
	for _, limit := range []int{0, 1001} {
		_, err := b.Store.RedriveAll(b.ctx, b.tenant, "", limit)
		require.ErrorIs(t, err, store.ErrInvalid)
	}
}
