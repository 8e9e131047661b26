package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var manageTests = []test{
	{"NamesTenantsAndListsThemInPages", namesTenants},
	{"UpdatesATenantOnItsVersionOnly", updatesTenant},
	{"ClosesATenantThatIsDeleted", closesTenant},
	{"GivesAKeyTheScopesAskedFor", scopesOfKeys},
	{"KeepsOperatorsKeysApart", operatorsKeys},
	{"ListsKeysInPagesAndWithoutHashes", listsKeys},
	{"NotesThatAKeyWasUsed", notesUse},
	{"UpdatesAnEndpointOnItsVersionOnly", updatesEndpoint},
	{"KeepsHeadersThatAreNotGiven", keepsHeaders},
	{"RefusesAnUpdateThatItCannotStore", refusesBadUpdate},
	{"SelectsEndpointsInPages", selectsEndpoints},
}

func (b *bundle) tenantOf(id string) store.Tenant {
	got, err := b.Store.Tenant(b.ctx, id)
	require.NoError(b.tb, err)
	return got
}

func namesTenants(t *testing.T, b *bundle) {
	in := b.during(func() { require.NoError(t, b.Store.AddTenant(b.ctx, store.Tenant{ID: "a", Name: "Acme, Ltd."})) })
	got := b.tenantOf("a")
	in.requireAfter(t, 0, got.CreatedAt)
	require.Equal(t, store.Tenant{ID: "a", Name: "Acme, Ltd.", Version: 1, CreatedAt: got.CreatedAt,
		SchemaPolicy: webhook.SchemaOff}, got)
	require.ErrorIs(t, b.Store.AddTenant(b.ctx, store.Tenant{ID: "a"}), store.ErrConflict)
	require.ErrorIs(t, b.Store.AddTenant(b.ctx, store.Tenant{ID: "b", Name: "\x00"}), store.ErrInvalid)
	_, err := b.Store.Tenant(b.ctx, "b")
	require.ErrorIs(t, err, store.ErrNotFound)

	page, err := b.Store.TenantPage(b.ctx, "", 1)
	require.NoError(t, err)
	require.Equal(t, []store.Tenant{got}, page)
	page, err = b.Store.TenantPage(b.ctx, "a", 1000)
	require.NoError(t, err)
	require.Equal(t, []store.Tenant{b.tenantOf(b.tenant)}, page)
	for _, limit := range []int{-1, 0, 1001} {
		_, err = b.Store.TenantPage(b.ctx, "", limit)
		require.ErrorIs(t, err, store.ErrInvalid)
	}
}

func updatesTenant(t *testing.T, b *bundle) {
	was := b.tenantOf(b.tenant)
	change := was
	change.Name = "Another"
	require.NoError(t, b.Store.UpdateTenant(b.ctx, change))
	want := was
	want.Name, want.Version = "Another", 2
	require.Equal(t, want, b.tenantOf(b.tenant))
	change.Name = "Too late"
	require.ErrorIs(t, b.Store.UpdateTenant(b.ctx, change), store.ErrConflict)
	change.Version, change.Name = 2, "\xff"
	require.ErrorIs(t, b.Store.UpdateTenant(b.ctx, change), store.ErrInvalid)
	require.Equal(t, want, b.tenantOf(b.tenant))
	require.ErrorIs(t, b.Store.UpdateTenant(b.ctx, store.Tenant{ID: "nobody", Version: 1}), store.ErrNotFound)
}

// closesTenant deletes a tenant, and finds that nothing comes in any more, also what was matched before.
func closesTenant(t *testing.T, b *bundle) {
	e, key := b.endpoint(), b.key()
	matched := b.event(e)
	in := b.during(func() { require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant)) })
	got := b.tenantOf(b.tenant)
	in.requireAfter(t, 0, got.DeletedAt)
	require.EqualValues(t, 2, got.Version)
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant), "again")
	require.Equal(t, got, b.tenantOf(b.tenant), "which changes nothing")
	require.ErrorIs(t, b.Store.DeleteTenant(b.ctx, "nobody"), store.ErrNotFound)

	require.Equal(t, store.AcceptStale, b.accept(matched)[0].Status)
	b.requireNoKey(t, key.Hash)
	_, err := b.Store.Subscriptions(b.ctx, b.tenant)
	require.ErrorIs(t, err, store.ErrNotFound)
	ids, err := b.Store.Tenants(b.ctx)
	require.NoError(t, err)
	require.NotContains(t, ids, b.tenant)
	another := webhook.Endpoint{ID: b.id(), Tenant: b.tenant, URL: "https://a.example", Format: webhook.FormatBinary}
	for name, try := range map[string]func() error{
		"update":   func() error { return b.Store.UpdateTenant(b.ctx, got) },
		"key":      func() error { return b.Store.CreateKey(b.ctx, store.APIKey{ID: b.id(), Tenant: b.tenant}) },
		"revoke":   func() error { return b.Store.RevokeKey(b.ctx, b.tenant, key.ID) },
		"endpoint": func() error { return b.Store.CreateEndpoint(b.ctx, another, nil) },
		"change":   func() error { return b.Store.UpdateEndpoint(b.ctx, e) },
		"secret":   func() error { return b.Store.AddSecret(b.ctx, b.tenant, b.secret(e.ID), 0) },
		"status": func() error {
			return b.Store.SetEndpointStatus(b.ctx, b.tenant, e.ID, webhook.EndpointPaused, "")
		},
	} {
		require.ErrorIs(t, try(), store.ErrNotFound, name)
	}
	require.Equal(t, e, b.stored(e.ID))
}

func scopesOfKeys(t *testing.T, b *bundle) {
	given := []webhook.Scope{webhook.ScopeDeliveriesRead, webhook.ScopeAdmin}
	for _, want := range [][]webhook.Scope{given, {}, nil} {
		k := b.key(func(k *store.APIKey) { k.Scopes = want })
		if want == nil {
			want = webhook.TenantScopes()
		}
		got, err := b.Store.Authenticate(b.ctx, k.Hash)
		require.NoError(t, err)
		require.ElementsMatch(t, want, got.Scopes)
	}
	bad := store.APIKey{ID: b.id(), Tenant: b.tenant, Scopes: []webhook.Scope{"root"}}
	require.ErrorIs(t, b.Store.CreateKey(b.ctx, bad), store.ErrInvalid)
	b.requireNoKey(t, bad.Hash)
}

func operatorsKeys(t *testing.T, b *bundle) {
	own := b.key()
	was := b.version()
	operators := b.key(func(k *store.APIKey) { k.Tenant, k.Scopes = "", []webhook.Scope{webhook.ScopeAdmin} })
	got, err := b.Store.Authenticate(b.ctx, operators.Hash)
	require.NoError(t, err)
	require.Empty(t, got.Tenant)
	require.Zero(t, got.ConfigVersion)
	require.Equal(t, was, b.version(), "it is no tenant's configuration")

	_, err = b.Store.Key(b.ctx, b.tenant, operators.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Store.Key(b.ctx, "", own.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, b.Store.RevokeKey(b.ctx, b.tenant, operators.ID), store.ErrNotFound)
	require.ErrorIs(t, b.Store.RevokeKey(b.ctx, "", own.ID), store.ErrNotFound)
	list, err := b.Store.KeyPage(b.ctx, "", webhook.ID{}, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, operators.ID, list[0].ID)

	require.NoError(t, b.Store.RevokeKey(b.ctx, "", operators.ID))
	b.requireNoKey(t, operators.Hash)
	_, err = b.Store.Authenticate(b.ctx, own.Hash)
	require.NoError(t, err)
}

func listsKeys(t *testing.T, b *bundle) {
	ended := b.now().Add(-time.Hour)
	keys := []store.APIKey{b.key(), b.key(func(k *store.APIKey) { k.ExpiresAt = ended }), b.key()}
	require.NoError(t, b.Store.RevokeKey(b.ctx, b.tenant, keys[2].ID))
	b.as(b.newTenant()).key()
	first, err := b.Store.KeyPage(b.ctx, b.tenant, webhook.ID{}, 2)
	require.NoError(t, err)
	rest, err := b.Store.KeyPage(b.ctx, b.tenant, first[1].ID, 2)
	require.NoError(t, err)
	got := slices.Concat(first, rest)
	require.Len(t, got, 3)
	for i, k := range keys {
		require.Equal(t, k.ID, got[i].ID)
		require.Equal(t, b.tenant, got[i].Tenant)
		require.Equal(t, "the shop", got[i].Name)
		require.Zero(t, got[i].Hash)
		require.ElementsMatch(t, webhook.TenantScopes(), got[i].Scopes)
		require.Equal(t, i == 1, !got[i].ExpiresAt.IsZero())
		require.Equal(t, i == 2, !got[i].RevokedAt.IsZero())
		one, err := b.Store.Key(b.ctx, b.tenant, k.ID)
		require.NoError(t, err)
		require.Equal(t, got[i], one)
	}
	_, err = b.Store.KeyPage(b.ctx, b.tenant, webhook.ID{}, 0)
	require.ErrorIs(t, err, store.ErrInvalid)
}

func notesUse(t *testing.T, b *bundle) {
	k := b.key()
	used := func() time.Time {
		got, err := b.Store.Key(b.ctx, b.tenant, k.ID)
		require.NoError(t, err)
		return got.LastUsedAt
	}
	require.Zero(t, used())
	use := func() {
		got, err := b.Store.Authenticate(b.ctx, k.Hash)
		require.NoError(t, err)
		require.Zero(t, got.LastUsedAt)
	}
	first := b.during(use)
	first.requireAfter(t, 0, used())
	was := used()
	use()
	require.Equal(t, was, used(), "not with every request")
	b.pass(2 * time.Minute)
	later := b.during(use)
	later.requireAfter(t, 0, used())
}

func updatesEndpoint(t *testing.T, b *bundle) {
	e := b.endpoint()
	version := b.version()
	change := e
	change.URL, change.Types, change.Filter = "https://other.example/hooks", []string{"a", "b*"}, "subject = 'x'"
	change.Format, change.Headers = webhook.FormatStandard, map[string]string{"X-New": "value"}
	change.Schedule, change.Timeout, change.RatePerSecond = []time.Duration{0, time.Minute}, 7*time.Second, 9
	change.Consent = webhook.Consent{Origin: "homing.example", PerMinute: 30, At: time.Unix(1e9, 0).UTC()}
	require.NoError(t, b.Store.UpdateEndpoint(b.ctx, change))
	want := change
	want.Version++
	require.Equal(t, want, b.stored(e.ID))
	require.Greater(t, b.version(), version)

	change.URL = "https://late.example"
	require.ErrorIs(t, b.Store.UpdateEndpoint(b.ctx, change), store.ErrConflict)
	change.Version = want.Version
	change.Types, change.Filter, change.Headers, change.Schedule = nil, "", map[string]string{}, nil
	change.Timeout, change.RatePerSecond, change.Consent = 0, 0, webhook.Consent{}
	require.NoError(t, b.Store.UpdateEndpoint(b.ctx, change))
	want = change
	want.Headers = nil
	want.Version++
	require.Equal(t, want, b.stored(e.ID))

	// What is somebody else's to set stays.
	paused := b.endpoint()
	b.set(paused.ID, webhook.EndpointPaused)
	paused = b.stored(paused.ID)
	change = paused
	change.Status, change.StatusReason, change.PausedAt = webhook.EndpointActive, "", time.Time{}
	require.NoError(t, b.Store.UpdateEndpoint(b.ctx, change))
	paused.Version++
	require.Equal(t, paused, b.stored(paused.ID))
	b.set(paused.ID, webhook.EndpointDeleted)
	require.ErrorIs(t, b.Store.UpdateEndpoint(b.ctx, b.stored(paused.ID)), store.ErrNotFound)
}

func keepsHeaders(t *testing.T, b *bundle) {
	e := b.endpoint()
	change := e
	change.Headers = nil
	require.NoError(t, b.Store.UpdateEndpoint(b.ctx, change))
	require.Equal(t, e.Headers, b.stored(e.ID).Headers)
	w := b.begin(b.to(b.stored(e.ID)).ID)
	require.Equal(t, e.Headers, w.Target.Headers)
}

func refusesBadUpdate(t *testing.T, b *bundle) {
	e := b.endpoint()
	for name, spoil := range map[string]func(e *webhook.Endpoint){
		"URL":    func(e *webhook.Endpoint) { e.URL += "\x00" },
		"types":  func(e *webhook.Endpoint) { e.Types = []string{"a", "\x00"} },
		"filter": func(e *webhook.Endpoint) { e.Filter = "\xff" },
	} {
		bad := e
		spoil(&bad)
		require.ErrorIs(t, b.Store.UpdateEndpoint(b.ctx, bad), store.ErrInvalid, name)
		require.Equal(t, e, b.stored(e.ID), name)
	}
}

func selectsEndpoints(t *testing.T, b *bundle) {
	at := func(url string) webhook.Endpoint { return b.endpoint(func(e *webhook.Endpoint) { e.URL = url }) }
	one, two, three := at("https://One.example/A_b"), at("https://two.example/100%"), at("https://three.example/")
	gone := at("https://one.example/gone")
	b.as(b.newTenant()).endpoint()
	b.set(two.ID, webhook.EndpointPaused)
	b.set(gone.ID, webhook.EndpointDeleted)
	for name, c := range map[string]struct {
		query store.EndpointQuery
		want  []webhook.ID
	}{
		"All":              {store.EndpointQuery{}, []webhook.ID{one.ID, two.ID, three.ID}},
		"FirstPage":        {store.EndpointQuery{Limit: 2}, []webhook.ID{one.ID, two.ID}},
		"NextPage":         {store.EndpointQuery{Limit: 2, After: two.ID}, []webhook.ID{three.ID}},
		"Paused":           {store.EndpointQuery{Status: webhook.EndpointPaused}, []webhook.ID{two.ID}},
		"Active":           {store.EndpointQuery{Status: webhook.EndpointActive}, []webhook.ID{one.ID, three.ID}},
		"Deleted":          {store.EndpointQuery{Status: webhook.EndpointDeleted}, nil},
		"SearchAnyCase":    {store.EndpointQuery{Search: "ONE.EXAMPLE"}, []webhook.ID{one.ID}},
		"SearchIsNoRegexp": {store.EndpointQuery{Search: "100%"}, []webhook.ID{two.ID}},
		"NoWildcards":      {store.EndpointQuery{Search: "a%b"}, nil},
	} {
		c.query.Tenant = b.tenant
		if c.query.Limit == 0 {
			c.query.Limit = 10
		}
		list, err := b.Store.EndpointPage(b.ctx, c.query)
		require.NoError(t, err, name)
		var got []webhook.ID
		for _, e := range list {
			require.Equal(t, b.stored(e.ID), e)
			got = append(got, e.ID)
		}
		require.Equal(t, c.want, got, name)
	}
	for _, limit := range []int{0, 1001} {
		_, err := b.Store.EndpointPage(b.ctx, store.EndpointQuery{Tenant: b.tenant, Limit: limit})
		require.ErrorIs(t, err, store.ErrInvalid)
	}
}
