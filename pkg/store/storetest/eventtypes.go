package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var eventTypeTests = []test{
	{"KeepsWhatATypeWasCreatedWith", keepsEventType},
	{"UpdatesATypeOnItsVersionOnly", updatesEventType},
	{"SelectsTypesInPages", selectsEventTypes},
	{"BoundsACatalogue", boundsCatalogue},
	{"GivesTheSchemasThatEventsAreHeldTo", givesSchemas},
	{"MakesEventsStaleWithEachChange", makesStale},
	{"KeepsWhereDataAreWrong", keepsSchemaError},
	{"ForgetsKeysOfPortals", forgetsPortals},
	{"ListsPublicKeysOfAnybody", listsPublicKeys},
	{"ListsPublicKeysOfATenant", listsTenantsKeys},
}

// eventType adds a type with a schema, and returns it as stored.
func (b *bundle) eventType(name string, change ...func(*store.EventType)) store.EventType {
	t := store.EventType{Tenant: b.tenant, Name: name, Schema: []byte(`{"type":  "object"}`)}
	for _, c := range change {
		c(&t)
	}
	require.NoError(b.tb, b.Store.CreateEventType(b.ctx, t))
	return b.typeOf(name)
}

func (b *bundle) typeOf(name string) store.EventType {
	t, err := b.Store.EventType(b.ctx, b.tenant, name)
	require.NoError(b.tb, err)
	return t
}

func keepsEventType(t *testing.T, b *bundle) {
	want := store.EventType{
		Tenant: b.tenant, Name: "order.paid", Description: "Someone paid: Žofie", Schema: []byte(`{ "type": "object" }`),
		Example: []byte(`{"b":1, "a":1.50}`), Policy: webhook.SchemaFlag, ArchivedAt: time.Unix(1e9, 0).UTC(),
	}
	in := b.during(func() { require.NoError(t, b.Store.CreateEventType(b.ctx, want)) })
	got := b.typeOf("order.paid")
	in.requireAfter(t, 0, got.CreatedAt)
	want.Version, want.CreatedAt = 1, got.CreatedAt
	require.Equal(t, want, got, "JSON to the byte")
	require.ErrorIs(t, b.Store.CreateEventType(b.ctx, want), store.ErrConflict)
	got.Schema[0] = 'X'
	require.Equal(t, want, b.typeOf("order.paid"))

	bare := store.EventType{Tenant: b.tenant, Name: "bare"}
	require.NoError(t, b.Store.CreateEventType(b.ctx, bare))
	got = b.typeOf("bare")
	bare.Version, bare.CreatedAt = 1, got.CreatedAt
	require.Equal(t, bare, got)
	for _, bad := range []store.EventType{
		{Tenant: b.tenant, Name: "\x00"},
		{Tenant: b.tenant, Name: "x", Description: "\xff"},
		{Tenant: b.tenant, Name: "x", Policy: "perhaps"},
	} {
		require.ErrorIs(t, b.Store.CreateEventType(b.ctx, bad), store.ErrInvalid)
	}
	require.ErrorIs(t, b.Store.CreateEventType(b.ctx, store.EventType{Tenant: "nobody", Name: "x"}), store.ErrNotFound)
}

func updatesEventType(t *testing.T, b *bundle) {
	change := b.eventType("a")
	change.Description, change.Schema, change.Example = "new", nil, []byte(`7`)
	change.Policy, change.ArchivedAt = webhook.SchemaReject, time.Unix(1e9, 0).UTC()
	require.NoError(t, b.Store.UpdateEventType(b.ctx, change))
	want := change
	want.Version = 2
	require.Equal(t, want, b.typeOf("a"))
	require.ErrorIs(t, b.Store.UpdateEventType(b.ctx, change), store.ErrConflict)
	change.Version, change.Policy = 2, "perhaps"
	require.ErrorIs(t, b.Store.UpdateEventType(b.ctx, change), store.ErrInvalid)
	require.Equal(t, want, b.typeOf("a"))
	require.NoError(t, b.Store.DeleteEventType(b.ctx, b.tenant, "a"))
	_, err := b.Store.EventType(b.ctx, b.tenant, "a")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, b.Store.DeleteEventType(b.ctx, b.tenant, "a"), store.ErrNotFound)
	require.ErrorIs(t, b.Store.UpdateEventType(b.ctx, want), store.ErrNotFound)
}

func selectsEventTypes(t *testing.T, b *bundle) {
	b.eventType("order.paid", func(t *store.EventType) { t.Description = "Money came" })
	b.eventType("Zebra")
	b.eventType("order.old", func(t *store.EventType) { t.ArchivedAt = time.Unix(1e9, 0) })
	b.as(b.newTenant()).eventType("another")
	names := func(q store.EventTypeQuery) (names []string) {
		q.Tenant = b.tenant
		list, err := b.Store.EventTypePage(b.ctx, q)
		require.NoError(t, err)
		for _, e := range list {
			require.Equal(t, b.typeOf(e.Name), e)
			names = append(names, e.Name)
		}
		return names
	}
	require.Equal(t, []string{"Zebra", "order.paid"}, names(store.EventTypeQuery{Limit: 10}))
	require.Equal(t, []string{"Zebra", "order.old"}, names(store.EventTypeQuery{Archived: true, Limit: 2}))
	require.Equal(t, []string{"order.paid"}, names(store.EventTypeQuery{Archived: true, After: "order.old", Limit: 2}))
	require.Equal(t, []string{"order.paid"}, names(store.EventTypeQuery{Search: "MONEY", Limit: 2}))
	require.Equal(t, []string{"Zebra"}, names(store.EventTypeQuery{Search: "zeb", Limit: 2}))
	require.Empty(t, names(store.EventTypeQuery{Search: "%", Limit: 2}))
	_, err := b.Store.EventTypePage(b.ctx, store.EventTypeQuery{Tenant: b.tenant})
	require.ErrorIs(t, err, store.ErrInvalid)
}

func boundsCatalogue(t *testing.T, b *bundle) {
	for i := range store.MaxEventTypes {
		require.NoError(t, b.Store.CreateEventType(b.ctx, store.EventType{Tenant: b.tenant, Name: fmt.Sprint(i)}))
	}
	require.ErrorIs(t, b.Store.CreateEventType(b.ctx, store.EventType{Tenant: b.tenant, Name: "x"}), store.ErrInvalid)
	require.NoError(t, b.Store.DeleteEventType(b.ctx, b.tenant, "7"))
	require.NoError(t, b.Store.CreateEventType(b.ctx, store.EventType{Tenant: b.tenant, Name: "x"}))
	b.as(b.newTenant()).eventType("another tenant's")
}

func givesSchemas(t *testing.T, b *bundle) {
	given := func() map[string]webhook.SchemaPolicy {
		subs, err := b.Store.Subscriptions(b.ctx, b.tenant)
		require.NoError(t, err)
		policies := map[string]webhook.SchemaPolicy{}
		for _, s := range subs.Schemas {
			require.Equal(t, `{"type":  "object"}`, string(s.Schema))
			policies[s.Type] = s.Policy
		}
		return policies
	}
	b.eventType("tenants")
	b.eventType("off", func(t *store.EventType) { t.Policy = webhook.SchemaOff })
	b.eventType("flag", func(t *store.EventType) { t.Policy = webhook.SchemaFlag })
	b.eventType("reject", func(t *store.EventType) { t.Policy = webhook.SchemaReject })
	b.eventType("bare", func(t *store.EventType) { t.Policy, t.Schema = webhook.SchemaReject, nil })
	b.as(b.newTenant()).eventType("another", func(t *store.EventType) { t.Policy = webhook.SchemaReject })
	want := map[string]webhook.SchemaPolicy{"flag": webhook.SchemaFlag, "reject": webhook.SchemaReject}
	require.Equal(t, want, given())
	tenant := b.tenantOf(b.tenant)
	require.Equal(t, webhook.SchemaOff, tenant.SchemaPolicy)
	tenant.SchemaPolicy = webhook.SchemaReject
	require.NoError(t, b.Store.UpdateTenant(b.ctx, tenant))
	require.Equal(t, webhook.SchemaReject, b.tenantOf(b.tenant).SchemaPolicy)
	want["tenants"] = webhook.SchemaReject
	require.Equal(t, want, given())
	tenant.Version, tenant.SchemaPolicy = 2, "perhaps"
	require.ErrorIs(t, b.Store.UpdateTenant(b.ctx, tenant), store.ErrInvalid)
}

// makesStale holds that no event is accepted by a catalogue that has changed meanwhile.
func makesStale(t *testing.T, b *bundle) {
	for name, change := range map[string]func() error{
		"create": func() error { return b.Store.CreateEventType(b.ctx, store.EventType{Tenant: b.tenant, Name: "a"}) },
		"update": func() error { return b.Store.UpdateEventType(b.ctx, b.typeOf("b")) },
		"delete": func() error { return b.Store.DeleteEventType(b.ctx, b.tenant, "c") },
		"tenant": func() error { return b.Store.UpdateTenant(b.ctx, b.tenantOf(b.tenant)) },
	} {
		if name != "create" && name != "tenant" {
			b.eventType(map[string]string{"update": "b", "delete": "c"}[name])
		}
		e := b.event()
		require.NoError(t, change(), name)
		now, err := b.Store.ConfigVersion(b.ctx, b.tenant)
		require.NoError(t, err)
		require.Greater(t, now, e.ConfigVersion)
		require.Equal(t, b.version(), now)
		require.Equal(t, store.AcceptStale, b.accept(e)[0].Status, name)
	}
	_, err := b.Store.ConfigVersion(b.ctx, "nobody")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func keepsSchemaError(t *testing.T, b *bundle) {
	n := b.event(b.endpoint())
	n.Event.SchemaError = "/order: must be integer"
	d := b.store(n)[0]
	require.Equal(t, n.Event.SchemaError, b.view(d.ID).Event.SchemaError)
	list, err := b.Store.Events(b.ctx, store.EventQuery{Tenant: b.tenant, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, n.Event.SchemaError, list[0].SchemaError)
	b.succeed(d.ID)
	due, err := b.Store.RetryNow(b.ctx, b.tenant, d.ID, b.ids)
	require.NoError(t, err)
	require.Equal(t, n.Event.SchemaError, b.view(due.Delivery).Event.SchemaError, "a replay is no better")
}

func forgetsPortals(t *testing.T, b *bundle) {
	hour := func(k *store.APIKey) { k.ExpiresAt = b.now().Add(time.Hour) }
	portal := func(k *store.APIKey) { hour(k); k.Kind = store.KeyPortal }
	plain := b.key(hour)
	was := b.event()
	short := b.key(portal)
	require.Equal(t, store.AcceptStored, b.accept(was)[0].Status, "nobody can know the key: nothing is read again")
	got, err := b.Store.Authenticate(b.ctx, short.Hash)
	require.NoError(t, err)
	require.Equal(t, store.KeyPortal, got.Kind)
	keep := func(after time.Duration, want ...webhook.ID) {
		b.pass(after)
		_, err := b.Store.Housekeep(context.WithoutCancel(b.ctx), store.Retention{Rejected: time.Hour})
		require.NoError(t, err)
		var ids []webhook.ID
		list, err := b.Store.KeyPage(b.ctx, b.tenant, webhook.ID{}, 10)
		require.NoError(t, err)
		for _, k := range list {
			ids = append(ids, k.ID)
		}
		require.Equal(t, want, ids)
	}
	keep(2*time.Hour, plain.ID, short.ID)
	b.requireNoKey(t, short.Hash)
	keep(store.PortalKept, plain.ID)

	endless := store.APIKey{ID: b.id(), Tenant: b.tenant, Kind: store.KeyPortal}
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, endless), store.ErrInvalid)
	operators := store.APIKey{ID: b.id(), Kind: store.KeyPortal, ExpiresAt: b.now().Add(time.Hour)}
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, operators), store.ErrInvalid)
	unknown := store.APIKey{ID: b.id(), Tenant: b.tenant, Kind: "root"}
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, unknown), store.ErrInvalid)
	gone := store.APIKey{ID: b.id(), Tenant: "nobody", Kind: store.KeyPortal, ExpiresAt: b.now().Add(time.Hour)}
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, gone), store.ErrNotFound)
}

func listsPublicKeys(t *testing.T, b *bundle) {
	e := b.endpoint()
	_, err := b.Store.PublicKeys(b.ctx, e.ID)
	require.ErrorIs(t, err, store.ErrNotFound, "it has none")
	var want []string
	for range 2 {
		secret := b.secret(e.ID)
		public, private := newEd25519(b.tb)
		secret.Kind, secret.Key = webhook.SecretEd25519, private
		require.NoError(t, b.Store.AddSecret(b.ctx, b.tenant, secret, time.Hour))
		want = append([]string{string(public)}, want...)
	}
	keys := func() (keys []string) {
		list, err := b.Store.PublicKeys(b.ctx, e.ID)
		require.NoError(t, err)
		for _, k := range list {
			keys = append(keys, string(k))
		}
		return keys
	}
	require.Equal(t, want, keys(), "the newest first, and the old one in its overlap")
	b.pass(2 * time.Hour)
	require.Equal(t, want[:1], keys())
	b.set(e.ID, webhook.EndpointPaused)
	require.Equal(t, want[:1], keys())
	b.set(e.ID, webhook.EndpointDeleted)
	_, err = b.Store.PublicKeys(b.ctx, e.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Store.PublicKeys(b.ctx, b.id())
	require.ErrorIs(t, err, store.ErrNotFound)
}

func listsTenantsKeys(t *testing.T, b *bundle) {
	keys := func(limit int) (keys []string) {
		list, err := b.Store.TenantPublicKeys(b.ctx, b.tenant, limit)
		require.NoError(t, err)
		for _, k := range list {
			keys = append(keys, string(k))
		}
		return keys
	}
	ed25519Key := func(of *bundle, e webhook.Endpoint) string {
		secret := of.secret(e.ID)
		public, private := newEd25519(b.tb)
		secret.Kind, secret.Key = webhook.SecretEd25519, private
		require.NoError(t, of.Store.AddSecret(b.ctx, of.tenant, secret, time.Hour))
		b.pass(time.Millisecond)
		return string(public)
	}
	first, second, other := b.endpoint(), b.endpoint(), b.as(b.newTenant())
	_, err := b.Store.TenantPublicKeys(b.ctx, b.tenant, 10)
	require.ErrorIs(t, err, store.ErrNotFound, "HMAC secrets have no public half")
	ed25519Key(other, other.endpoint())
	oldest, between, newest := ed25519Key(b, first), ed25519Key(b, second), ed25519Key(b, first)
	require.Equal(t, []string{newest, between, oldest}, keys(10), "the newest first, also those in an overlap")
	require.Equal(t, []string{newest, between}, keys(2))
	b.pass(2 * time.Hour)
	require.Equal(t, []string{newest, between}, keys(10))
	b.set(second.ID, webhook.EndpointDeleted)
	require.Equal(t, []string{newest}, keys(10))
	for _, limit := range []int{-1, 0, 1001} {
		_, err = b.Store.TenantPublicKeys(b.ctx, b.tenant, limit)
		require.ErrorIs(t, err, store.ErrInvalid)
	}
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant))
	for _, tenant := range []string{b.tenant, "nobody"} {
		_, err = b.Store.TenantPublicKeys(b.ctx, tenant, 10)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
}
