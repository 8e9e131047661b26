package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var rejectTests = []test{
	{"KeepsWhatWasRejected", keepsRejected},
	{"ListsTheNewestFirst", listsRejected},
	{"BoundsATenantsDay", boundsRejected},
	{"MayBeRepeated", rejectMayBeRepeated},
	{"CleansWhatCannotBeStored", cleansRejected},
	{"ListsInPagesAndDiscards", discardsRejected},
}

// rejected makes something that was rejected for a tenant.
func (b *bundle) rejected(tenant string) store.Rejected {
	return store.Rejected{
		ID: b.id(), Tenant: tenant, Reason: "undecodable", Detail: "no specversion",
		Headers: map[string]string{"Ce-Id": "17", "Content-Type": "application/json"}, Body: []byte("{\x00\xff"),
	}
}

// reject rejects, at most perDay a day.
func (b *bundle) reject(r store.Rejected, perDay int) bool {
	kept, err := b.Store.Reject(b.ctx, r, perDay)
	require.NoError(b.tb, err)
	return kept
}

// allRejected lists what was rejected for a tenant.
func (b *bundle) allRejected(tenant string) []store.Rejected {
	list, err := b.Store.RejectedEvents(b.ctx, tenant, 100)
	require.NoError(b.tb, err)
	return list
}

func keepsRejected(t *testing.T, b *bundle) {
	for _, tenant := range []string{b.tenant, ""} {
		r := b.rejected(tenant)
		in := b.during(func() { require.True(t, b.reject(r, 10)) })
		list := b.allRejected(tenant)
		require.Len(t, list, 1)
		in.requireAfter(t, 0, list[0].RejectedAt)
		r.RejectedAt = list[0].RejectedAt
		require.Equal(t, r, list[0])
	}
}

func listsRejected(t *testing.T, b *bundle) {
	first, second, third := b.rejected(b.tenant), b.rejected(b.tenant), b.rejected(b.tenant)
	for _, r := range []store.Rejected{first, second, third} {
		b.reject(r, 10)
	}
	list, err := b.Store.RejectedEvents(b.ctx, b.tenant, 2)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, third.ID, list[0].ID)
	require.Equal(t, second.ID, list[1].ID)
}

func boundsRejected(t *testing.T, b *bundle) {
	other := b.newTenant()
	for i := range 3 {
		require.Equal(t, i < 2, b.reject(b.rejected(b.tenant), 2))
	}
	require.True(t, b.reject(b.rejected(other), 2), "another tenant's day")
	require.True(t, b.reject(b.rejected(""), 2), "nobody's day")
	require.False(t, b.reject(b.rejected(b.tenant), 0), "none at all")
	b.pass(24 * time.Hour)
	require.True(t, b.reject(b.rejected(b.tenant), 2), "the next day")
	require.Len(t, b.allRejected(b.tenant), 3)
}

func rejectMayBeRepeated(t *testing.T, b *bundle) {
	r := b.rejected(b.tenant)
	require.True(t, b.reject(r, 2))
	require.True(t, b.reject(r, 2))
	require.Len(t, b.allRejected(b.tenant), 1)
	require.True(t, b.reject(b.rejected(b.tenant), 2), "a repeat takes no room")
}

func cleansRejected(t *testing.T, b *bundle) {
	r := b.rejected(b.tenant)
	r.Detail = "source \"a\x00b\xff\""
	r.Headers = map[string]string{"Ce-Source": "a\x00b", "Ce-\x00": "\xff"}
	require.True(t, b.reject(r, 10))
	got := b.allRejected(b.tenant)[0]
	require.Equal(t, "source \"a\uFFFDb\uFFFD\"", got.Detail)
	require.Equal(t, map[string]string{"Ce-Source": "a\uFFFDb", "Ce-\uFFFD": "\uFFFD"}, got.Headers)
	require.Equal(t, r.Body, got.Body, "bytes are kept as they came")
}

func discardsRejected(t *testing.T, b *bundle) {
	first, second, nobodys := b.rejected(b.tenant), b.rejected(b.tenant), b.rejected("")
	for _, r := range []store.Rejected{first, second, nobodys} {
		b.reject(r, 10)
	}
	ids := func(tenant string, before webhook.ID, limit int) (ids []webhook.ID) {
		list, err := b.Store.RejectedPage(b.ctx, tenant, before, limit)
		require.NoError(t, err)
		for _, r := range list {
			require.Equal(t, first.Detail, r.Detail)
			require.Nil(t, r.Body)
			require.Nil(t, r.Headers)
			ids = append(ids, r.ID)
		}
		return ids
	}
	require.Equal(t, []webhook.ID{second.ID, first.ID}, ids(b.tenant, webhook.ID{}, 10))
	require.Equal(t, []webhook.ID{second.ID}, ids(b.tenant, webhook.ID{}, 1))
	require.Equal(t, []webhook.ID{first.ID}, ids(b.tenant, second.ID, 10))
	require.Equal(t, []webhook.ID{nobodys.ID}, ids("", webhook.ID{}, 10))
	_, err := b.Store.RejectedPage(b.ctx, b.tenant, webhook.ID{}, 0)
	require.ErrorIs(t, err, store.ErrInvalid)

	got, err := b.Store.Rejected(b.ctx, b.tenant, first.ID)
	require.NoError(t, err)
	first.RejectedAt = got.RejectedAt
	require.Equal(t, first, got)
	for _, stranger := range []string{"", b.newTenant()} {
		_, err := b.Store.Rejected(b.ctx, stranger, first.ID)
		require.ErrorIs(t, err, store.ErrNotFound)
		require.ErrorIs(t, b.Store.DiscardRejected(b.ctx, stranger, first.ID), store.ErrNotFound)
	}
	require.NoError(t, b.Store.DiscardRejected(b.ctx, b.tenant, first.ID))
	require.False(t, b.reject(b.rejected(b.tenant), 2), "discarding makes no room in the day")
	require.ErrorIs(t, b.Store.DiscardRejected(b.ctx, b.tenant, first.ID), store.ErrNotFound)
	require.Equal(t, []webhook.ID{second.ID}, ids(b.tenant, webhook.ID{}, 10))
}
