package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
)

var rejectTests = []test{
	{"KeepsWhatWasRejected", keepsRejected},
	{"ListsTheNewestFirst", listsRejected},
	{"BoundsATenantsDay", boundsRejected},
	{"MayBeRepeated", rejectMayBeRepeated},
	{"CleansWhatCannotBeStored", cleansRejected},
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
