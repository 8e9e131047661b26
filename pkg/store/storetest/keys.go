package storetest

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var keyTests = []test{
	{"FindsAKeyByItsHash", findsKey},
	{"GivesThePresentVersion", givesPresentVersion},
	{"KnowsNoOtherKey", knowsNoOtherKey},
	{"RefusesARevokedKey", refusesRevoked},
	{"RefusesAnExpiredKey", refusesExpired},
	{"RefusesAKeyOfNoTenant", refusesKeyOfNoTenant},
	{"RefusesAKeyThatExists", refusesKeyTwice},
	{"MakesWhatWasAcceptedWithARevokedKeyStale", revokingMakesStale},
}

// key makes a key of the tenant.
func (b *bundle) key(change ...func(*store.APIKey)) store.APIKey {
	k := store.APIKey{ID: b.id(), Kind: store.KeyPlain, Tenant: b.tenant, Name: "the shop"}
	_, _ = rand.Read(k.Hash[:])
	for _, c := range change {
		c(&k)
	}
	require.NoError(b.tb, b.Store.CreateKey(b.ctx, k))
	return k
}

func findsKey(t *testing.T, b *bundle) {
	var k store.APIKey
	in := b.during(func() { k = b.key() })
	got, err := b.Store.Authenticate(b.ctx, k.Hash)
	require.NoError(t, err)
	in.requireAfter(t, 0, got.CreatedAt)
	k.ConfigVersion, k.CreatedAt, k.Scopes = b.version(), got.CreatedAt, webhook.TenantScopes()
	require.Equal(t, k, got)
}

func givesPresentVersion(t *testing.T, b *bundle) {
	k := b.key()
	b.endpoint()
	got, err := b.Store.Authenticate(b.ctx, k.Hash)
	require.NoError(t, err)
	require.Equal(t, b.version(), got.ConfigVersion)
}

func (b *bundle) requireNoKey(t *testing.T, hash [32]byte) {
	t.Helper()
	got, err := b.Store.Authenticate(b.ctx, hash)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Zero(t, got)
}

func knowsNoOtherKey(t *testing.T, b *bundle) {
	k := b.key()
	k.Hash[31] ^= 1
	b.requireNoKey(t, k.Hash)
	b.requireNoKey(t, [32]byte{})
}

func refusesRevoked(t *testing.T, b *bundle) {
	k, other := b.key(), b.key()
	require.NoError(t, b.Store.RevokeKey(b.ctx, b.tenant, k.ID))
	b.requireNoKey(t, k.Hash)
	_, err := b.Store.Authenticate(b.ctx, other.Hash)
	require.NoError(t, err)
	was := b.version()
	require.NoError(t, b.Store.RevokeKey(b.ctx, b.tenant, k.ID), "again")
	require.Equal(t, was, b.version(), "which changes nothing")
	require.ErrorIs(t, b.Store.RevokeKey(b.ctx, b.tenant, b.id()), store.ErrNotFound)
}

func refusesExpired(t *testing.T, b *bundle) {
	end := b.now().Add(time.Hour)
	k := b.key(func(k *store.APIKey) { k.ExpiresAt = end })
	got, err := b.Store.Authenticate(b.ctx, k.Hash)
	require.NoError(t, err)
	require.WithinDuration(t, end, got.ExpiresAt, time.Millisecond)
	b.pass(time.Hour)
	b.requireNoKey(t, k.Hash)
}

func refusesKeyOfNoTenant(t *testing.T, b *bundle) {
	k := store.APIKey{ID: b.id(), Tenant: "t-" + token(), Hash: [32]byte{1}}
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, k), store.ErrNotFound)
	b.requireNoKey(t, k.Hash)
}

func refusesKeyTwice(t *testing.T, b *bundle) {
	k := b.key()
	sameHash, sameID := k, k
	sameHash.ID = b.id()
	sameID.Hash[0]++
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, sameHash), store.ErrConflict)
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, sameID), store.ErrConflict)
	b.requireNoKey(t, sameID.Hash)
}

func revokingMakesStale(t *testing.T, b *bundle) {
	k := b.key()
	n := b.event()
	got, err := b.Store.Authenticate(b.ctx, k.Hash)
	require.NoError(t, err)
	n.ConfigVersion = got.ConfigVersion
	require.NoError(t, b.Store.RevokeKey(b.ctx, b.tenant, k.ID))
	require.Equal(t, store.AcceptStale, b.accept(n)[0].Status)
}
