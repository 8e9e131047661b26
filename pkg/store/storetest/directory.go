package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var directoryTests = []test{
	{"MakesTenants", makesTenants},
	{"RefusesATenantThatExists", refusesTenantTwice},
	{"RefusesABadTenantID", refusesBadTenant},
	{"StoresAnEndpointAsGiven", storesEndpoint},
	{"SetsWhatIsItsOwnToSet", setsItsOwn},
	{"RefusesAnEndpointOfNoTenant", refusesEndpointOfNoTenant},
	{"RefusesAnEndpointThatExists", refusesEndpointTwice},
	{"RefusesAnEndpointThatItCannotStore", refusesBadEndpoint},
	{"ListsEndpointsOldestFirstWithoutDeletedOnes", listsEndpoints},
	{"GivesSubscriptionsForMatching", givesSubscriptions},
	{"SetsAStatusWithItsReason", setsStatus},
	{"LetsNothingLeaveDeleted", nothingLeavesDeleted},
	{"RefusesAnUnknownStatus", refusesUnknownStatus},
	{"ChangesAStatusOnItsVersionOnly", changesStatusOnVersion},
	{"OverlapsSecrets", overlapsSecrets},
	{"EndsASecretAtOnceWithoutOverlap", endsSecretAtOnce},
	{"NeverProlongsASecret", neverProlongsSecret},
	{"RotatesEachKindAlone", rotatesKindAlone},
	{"RefusesASecretThatExists", refusesSecretTwice},
	{"CountsConcurrentChanges", countsChanges},
	{"ProbesWritesWithoutATrace", probesWrites},
}

func makesTenants(t *testing.T, b *bundle) {
	longest := strings.Repeat("z", 64)
	for _, id := range []string{longest, "a", "0", "a_b-c"} {
		require.NoError(t, b.Store.CreateTenant(b.ctx, id))
	}
	got, err := b.Store.Tenants(b.ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"0", "a", "a_b-c", b.tenant, longest}, got)
	subs, err := b.Store.Subscriptions(b.ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "a", subs.Tenant)
	require.Empty(t, subs.Endpoints)
}

func refusesTenantTwice(t *testing.T, b *bundle) {
	e := b.endpoint()
	require.ErrorIs(t, b.Store.CreateTenant(b.ctx, b.tenant), store.ErrConflict)
	require.Equal(t, e, b.stored(e.ID))
}

func refusesBadTenant(t *testing.T, b *bundle) {
	for _, id := range []string{"", "A", "a b", "a.b", "ä", "a\x00", "a\n", strings.Repeat("a", 65)} {
		require.ErrorIs(t, b.Store.CreateTenant(b.ctx, id), store.ErrInvalid, "%q", id)
	}
}

func storesEndpoint(t *testing.T, b *bundle) {
	want := webhook.Endpoint{
		ID: b.id(), Tenant: b.tenant, URL: "https://user:pass@receiver.example:8443/hooks?a=b#ü",
		Types: []string{"order.*", "*.paid", "it's, \"quoted\" {x}"}, Filter: "amount > 10 AND region = 'ü'",
		Format:  webhook.FormatStructured,
		Headers: map[string]string{"Authorization": "Bearer s3cret", "X-Ü": ""},
		Schedule: []time.Duration{
			0, 1500 * time.Millisecond, time.Hour,
		},
		Timeout: 17 * time.Second, RatePerSecond: 12,
		Consent: webhook.Consent{Origin: "homing.example", PerMinute: 30, At: time.Unix(1e9, 0).UTC()},
	}
	require.NoError(t, b.Store.CreateEndpoint(b.ctx, want, nil))
	got := b.stored(want.ID)
	want.Status, want.Version, want.CreatedAt = got.Status, got.Version, got.CreatedAt
	require.Equal(t, want, got)

	bare := webhook.Endpoint{ID: b.id(), Tenant: b.tenant, URL: "https://receiver.example", Format: webhook.FormatBinary}
	require.NoError(t, b.Store.CreateEndpoint(b.ctx, bare, nil))
	got = b.stored(bare.ID)
	require.Empty(t, got.Types)
	require.Empty(t, got.Headers)
	require.Empty(t, got.Schedule, "the deployment's default")
	require.Zero(t, got.Timeout)
	require.Zero(t, got.RatePerSecond)
}

func setsItsOwn(t *testing.T, b *bundle) {
	now := b.now()
	e := webhook.Endpoint{
		ID: b.id(), Tenant: b.tenant, URL: "https://receiver.example", Format: webhook.FormatBinary,
		Status: webhook.EndpointDisabled, StatusReason: "because", Version: 9, CreatedAt: now.Add(-time.Hour),
		PausedTotal: time.Hour, PausedAt: now, ThrottledUntil: now.Add(time.Hour),
	}
	secret := b.secret(b.id())
	secret.CreatedAt = now.Add(-time.Hour)
	in := b.during(func() { require.NoError(t, b.Store.CreateEndpoint(b.ctx, e, []webhook.Secret{secret})) })
	got := b.stored(e.ID)
	in.requireAfter(t, 0, got.CreatedAt)
	require.Equal(t, webhook.EndpointActive, got.Status)
	require.Empty(t, got.StatusReason)
	require.Equal(t, int64(1), got.Version)
	require.Zero(t, got.PausedTotal)
	require.Zero(t, got.PausedAt)
	require.Zero(t, got.ThrottledUntil)
	secrets, err := b.Store.Secrets(b.ctx, b.tenant, e.ID)
	require.NoError(t, err)
	require.Len(t, secrets, 1)
	require.Equal(t, e.ID, secrets[0].Endpoint)
	require.Equal(t, secret.Key, secrets[0].Key)
	in.requireAfter(t, 0, secrets[0].CreatedAt)
}

func refusesEndpointOfNoTenant(t *testing.T, b *bundle) {
	e := webhook.Endpoint{
		ID: b.id(), Tenant: "t-" + token(), URL: "https://receiver.example", Format: webhook.FormatBinary,
	}
	require.ErrorIs(t, b.Store.CreateEndpoint(b.ctx, e, []webhook.Secret{b.secret(e.ID)}), store.ErrNotFound)
	_, err := b.Store.Endpoint(b.ctx, e.Tenant, e.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Store.Subscriptions(b.ctx, e.Tenant)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func refusesEndpointTwice(t *testing.T, b *bundle) {
	e := b.endpoint()
	again := e
	again.URL = "https://attacker.example"
	require.ErrorIs(t, b.Store.CreateEndpoint(b.ctx, again, nil), store.ErrConflict)
	again.Tenant = b.newTenant()
	require.ErrorIs(t, b.Store.CreateEndpoint(b.ctx, again, nil), store.ErrConflict, "another tenant's id")
	require.Equal(t, e, b.stored(e.ID))
}

func refusesBadEndpoint(t *testing.T, b *bundle) {
	for name, spoil := range map[string]func(e *webhook.Endpoint){
		"URL":    func(e *webhook.Endpoint) { e.URL += "\x00" },
		"types":  func(e *webhook.Endpoint) { e.Types = []string{"a", "\x00"} },
		"filter": func(e *webhook.Endpoint) { e.Filter = "\xff" },
	} {
		e := webhook.Endpoint{ID: b.id(), Tenant: b.tenant, URL: "https://receiver.example", Format: webhook.FormatBinary}
		spoil(&e)
		require.ErrorIs(t, b.Store.CreateEndpoint(b.ctx, e, nil), store.ErrInvalid, name)
		_, err := b.Store.Endpoint(b.ctx, b.tenant, e.ID)
		require.ErrorIs(t, err, store.ErrNotFound, name)
	}
}

func listsEndpoints(t *testing.T, b *bundle) {
	var want []webhook.Endpoint
	for range 5 {
		want = append(want, b.endpoint())
	}
	b.set(want[1].ID, webhook.EndpointPaused)
	b.set(want[2].ID, webhook.EndpointDeleted)
	b.set(want[3].ID, webhook.EndpointDisabled)
	want = slices.Delete(want, 2, 3)
	for i := range want {
		want[i] = b.stored(want[i].ID)
	}
	got, err := b.Store.Endpoints(b.ctx, b.tenant)
	require.NoError(t, err)
	require.Equal(t, want, got)
	none, err := b.Store.Endpoints(b.ctx, b.newTenant())
	require.NoError(t, err)
	require.Empty(t, none)
}

func givesSubscriptions(t *testing.T, b *bundle) {
	active, paused, disabled, deleted := b.endpoint(), b.endpoint(), b.endpoint(), b.endpoint()
	b.set(paused.ID, webhook.EndpointPaused)
	b.set(disabled.ID, webhook.EndpointDisabled)
	b.set(deleted.ID, webhook.EndpointDeleted)
	subs, err := b.Store.Subscriptions(b.ctx, b.tenant)
	require.NoError(t, err)
	require.Equal(t, b.tenant, subs.Tenant)
	require.Len(t, subs.Endpoints, 3)
	for i, id := range []webhook.ID{active.ID, paused.ID, disabled.ID} {
		want, got := b.stored(id), subs.Endpoints[i]
		require.Equal(t, want.ID, got.ID)
		require.Equal(t, want.Tenant, got.Tenant)
		require.Equal(t, want.Types, got.Types)
		require.Equal(t, want.Filter, got.Filter)
		require.Equal(t, want.Status, got.Status)
		require.Equal(t, b.Policy.Lifetime(&want), b.Policy.Lifetime(&got))
		require.Equal(t, b.Policy.LeaseOf(&want), b.Policy.LeaseOf(&got))
	}
}

func setsStatus(t *testing.T, b *bundle) {
	e := b.endpoint()
	var in span
	for i, status := range []webhook.EndpointStatus{
		webhook.EndpointPaused, webhook.EndpointDisabled, webhook.EndpointActive, webhook.EndpointPaused,
	} {
		in = b.during(func() {
			require.NoError(t, b.Store.SetEndpointStatus(b.ctx, b.tenant, e.ID, status, "it rests"))
		})
		got := b.stored(e.ID)
		require.Equal(t, status, got.Status)
		require.Equal(t, e.Version+1+int64(i), got.Version)
		if status == webhook.EndpointActive {
			require.Empty(t, got.StatusReason)
		} else {
			require.Equal(t, "it rests", got.StatusReason)
		}
	}
	in.requireAfter(t, 0, b.stored(e.ID).PausedAt)
}

func nothingLeavesDeleted(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	b.set(e.ID, webhook.EndpointDeleted)
	was := b.stored(e.ID)
	require.Equal(t, webhook.EndpointDeleted, was.Status)
	for _, status := range []webhook.EndpointStatus{
		webhook.EndpointActive, webhook.EndpointPaused, webhook.EndpointDisabled, webhook.EndpointDeleted,
	} {
		require.ErrorIs(t, b.Store.SetEndpointStatus(b.ctx, b.tenant, e.ID, status, ""), store.ErrNotFound)
	}
	require.ErrorIs(t, b.Store.AddSecret(b.ctx, b.tenant, b.secret(e.ID), time.Hour), store.ErrNotFound)
	require.Equal(t, was, b.stored(e.ID))
	b.refuses(d)
}

func changesStatusOnVersion(t *testing.T, b *bundle) {
	e := b.endpoint()
	change := store.StatusChange{
		Tenant: b.tenant, Endpoint: e.ID, Version: e.Version, Status: webhook.EndpointPaused, Reason: "it rests",
	}
	require.NoError(t, b.Store.UpdateEndpoint(b.ctx, e), "somebody else is faster")
	was, version := b.stored(e.ID), b.version()
	require.ErrorIs(t, b.Store.ChangeEndpointStatus(b.ctx, change), store.ErrConflict)
	require.Equal(t, was, b.stored(e.ID))
	require.Equal(t, version, b.version())
	for _, to := range []webhook.EndpointStatus{
		webhook.EndpointPaused, webhook.EndpointActive, webhook.EndpointDisabled, webhook.EndpointDeleted,
	} {
		change.Version, change.Status = b.stored(e.ID).Version, to
		require.NoError(t, b.Store.ChangeEndpointStatus(b.ctx, change))
		require.Equal(t, to, b.stored(e.ID).Status)
		require.Equal(t, change.Version+1, b.stored(e.ID).Version)
	}
	change.Version = 99
	require.ErrorIs(t, b.Store.ChangeEndpointStatus(b.ctx, change), store.ErrNotFound, "it is gone, whatever its version")
}

func refusesUnknownStatus(t *testing.T, b *bundle) {
	e := b.endpoint()
	require.ErrorIs(t, b.Store.SetEndpointStatus(b.ctx, b.tenant, e.ID, "asleep", ""), store.ErrInvalid)
	require.Equal(t, e, b.stored(e.ID))
}

// secretIDs lists the ids of an endpoint's secrets.
func (b *bundle) secretIDs(endpoint webhook.ID) []webhook.ID {
	list, err := b.Store.Secrets(b.ctx, b.tenant, endpoint)
	require.NoError(b.tb, err)
	out := make([]webhook.ID, 0, len(list))
	for _, s := range list {
		out = append(out, s.ID)
	}
	return out
}

// addSecret adds a secret, and returns its id.
func (b *bundle) addSecret(endpoint webhook.ID, overlap time.Duration) webhook.ID {
	s := b.secret(endpoint)
	require.NoError(b.tb, b.Store.AddSecret(b.ctx, b.tenant, s, overlap))
	return s.ID
}

func overlapsSecrets(t *testing.T, b *bundle) {
	e := b.endpoint()
	first := b.secretIDs(e.ID)[0]
	var second webhook.ID
	in := b.during(func() { second = b.addSecret(e.ID, time.Hour) })
	list, err := b.Store.Secrets(b.ctx, b.tenant, e.ID)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, second, list[0].ID, "newest first")
	require.Zero(t, list[0].ExpiresAt)
	in.requireAfter(t, 0, list[0].CreatedAt)
	require.Equal(t, first, list[1].ID)
	in.requireAfter(t, time.Hour, list[1].ExpiresAt)
	b.pass(time.Hour)
	require.Equal(t, []webhook.ID{second}, b.secretIDs(e.ID))
}

func endsSecretAtOnce(t *testing.T, b *bundle) {
	e := b.endpoint()
	second := b.addSecret(e.ID, 0)
	require.Equal(t, []webhook.ID{second}, b.secretIDs(e.ID))
}

func neverProlongsSecret(t *testing.T, b *bundle) {
	e := b.endpoint()
	first := b.secretIDs(e.ID)[0]
	second := b.addSecret(e.ID, time.Hour)
	third := b.addSecret(e.ID, 3*time.Hour)
	require.Equal(t, []webhook.ID{third, second, first}, b.secretIDs(e.ID))
	b.pass(time.Hour)
	require.Equal(t, []webhook.ID{third, second}, b.secretIDs(e.ID))
	b.pass(2 * time.Hour)
	require.Equal(t, []webhook.ID{third}, b.secretIDs(e.ID))
}

func rotatesKindAlone(t *testing.T, b *bundle) {
	e := b.endpoint()
	first := b.secretIDs(e.ID)[0]
	other := b.secret(e.ID)
	other.Kind, other.Key = webhook.SecretEd25519, make([]byte, 64)
	require.NoError(t, b.Store.AddSecret(b.ctx, b.tenant, other, 0))
	list, err := b.Store.Secrets(b.ctx, b.tenant, e.ID)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, webhook.SecretEd25519, list[0].Kind)
	require.Equal(t, other.Key, list[0].Key)
	require.Equal(t, first, list[1].ID)
	require.Zero(t, list[1].ExpiresAt)
}

func refusesSecretTwice(t *testing.T, b *bundle) {
	e := b.endpoint()
	s := b.secret(e.ID)
	require.NoError(t, b.Store.AddSecret(b.ctx, b.tenant, s, time.Hour))
	require.ErrorIs(t, b.Store.AddSecret(b.ctx, b.tenant, s, time.Hour), store.ErrConflict)
	require.Len(t, b.secretIDs(e.ID), 2)
}

func countsChanges(t *testing.T, b *bundle) {
	const writers = 8
	was := b.version()
	endpoints, errs := make([]webhook.Endpoint, writers), make([]error, writers)
	for i := range endpoints {
		endpoints[i] = webhook.Endpoint{
			ID: b.id(), Tenant: b.tenant, URL: "https://receiver.example", Format: webhook.FormatBinary,
		}
	}
	together(writers, func(i int) { errs[i] = b.Store.CreateEndpoint(b.ctx, endpoints[i], nil) })
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, was+writers, b.version())
}

func probesWrites(t *testing.T, b *bundle) {
	e := b.endpoint()
	was := b.version()
	require.NoError(t, b.Store.ProbeWrite(b.ctx))
	require.NoError(t, b.Store.ProbeWrite(b.ctx))
	require.Equal(t, was, b.version())
	require.Equal(t, e, b.stored(e.ID))
	tenants, err := b.Store.Tenants(b.ctx)
	require.NoError(t, err)
	require.Equal(t, []string{b.tenant}, tenants)
}
