package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// bundle is what each test works with: a store of its own with one tenant.
type bundle struct {
	Harness
	tb     testing.TB
	ctx    context.Context
	ids    *webhook.IDSource
	tenant string
}

// setup opens a store and makes a tenant.
func setup(tb testing.TB, open Open) *bundle {
	b := &bundle{Harness: open(tb), tb: tb, ctx: context.WithoutCancel(tb.Context()), ids: &webhook.IDSource{}}
	b.tenant = b.newTenant()
	return b
}

// as returns the bundle for another tenant of the same store.
func (b *bundle) as(tenant string) *bundle {
	other := *b
	other.tenant = tenant
	return &other
}

// now returns the store's time.
func (b *bundle) now() time.Time {
	now, err := b.Store.Now(b.ctx)
	require.NoError(b.tb, err)
	return now
}

// id makes an id at the store's time.
func (b *bundle) id() webhook.ID { return b.ids.New(b.now()) }

// pass lets time pass.
func (b *bundle) pass(d time.Duration) { b.Pass(b.tb, d) }

// newTenant makes a tenant with an id that no other test uses.
func (b *bundle) newTenant() string {
	id := "t-" + token()
	require.NoError(b.tb, b.Store.CreateTenant(b.ctx, id))
	return id
}

// token returns a random text.
func token() string {
	var random [8]byte
	_, _ = rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// endpoint makes an endpoint with one secret, and returns it as stored.
func (b *bundle) endpoint(change ...func(*webhook.Endpoint)) webhook.Endpoint {
	e := webhook.Endpoint{
		ID: b.id(), Tenant: b.tenant, URL: "https://receiver.example/hooks", Format: webhook.FormatBinary,
		Types: []string{"order.*"}, Headers: map[string]string{"X-Team": "orders"},
	}
	for _, c := range change {
		c(&e)
	}
	require.NoError(b.tb, b.Store.CreateEndpoint(b.ctx, e, []webhook.Secret{b.secret(e.ID)}))
	return b.stored(e.ID)
}

// stored returns an endpoint as stored.
func (b *bundle) stored(id webhook.ID) webhook.Endpoint {
	e, err := b.Store.Endpoint(b.ctx, b.tenant, id)
	require.NoError(b.tb, err)
	return e
}

// set sets an endpoint's status.
func (b *bundle) set(id webhook.ID, s webhook.EndpointStatus) {
	require.NoError(b.tb, b.Store.SetEndpointStatus(b.ctx, b.tenant, id, s, "by the test"))
}

// secret makes a secret.
func (b *bundle) secret(endpoint webhook.ID) webhook.Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return webhook.Secret{ID: b.id(), Endpoint: endpoint, Kind: webhook.SecretHMAC, Key: key}
}

// version returns the tenant's configuration version.
func (b *bundle) version() int64 {
	subs, err := b.Store.Subscriptions(b.ctx, b.tenant)
	require.NoError(b.tb, err)
	return subs.Version
}

// event makes an event for endpoints, due at once, as ingest would with the tenant's present configuration.
func (b *bundle) event(endpoints ...webhook.Endpoint) store.NewEvent {
	n := store.NewEvent{
		Event: webhook.Event{
			Tenant: b.tenant, Source: "/shop/orders", CEID: token(), Type: "order.paid", Subject: "order/17",
			Time:     time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC),
			DataType: "application/json", DataSchema: "https://shop.example/schemas/order",
			Extensions: map[string]any{"region": "zürich", "test": true, "weight": int32(-12)},
			Data:       []byte(`{"order":17,"nul":"` + "\x00" + `"}`),
			Trace: webhook.Trace{
				Parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", State: "vendor=1",
			},
		},
		ConfigVersion: b.version(),
	}
	n.Key = webhook.IdentityKey(b.tenant, n.Event.Source, n.Event.CEID)
	ids := b.idsTogether(1 + len(endpoints))
	n.Event.ID = ids[0]
	for i := range endpoints {
		n.Deliveries = append(n.Deliveries, b.delivery(ids[1+i], &endpoints[i]))
	}
	return n
}

// delivery makes a delivery to an endpoint by the policy.
func (b *bundle) delivery(id webhook.ID, e *webhook.Endpoint) store.NewDelivery {
	return store.NewDelivery{
		ID: id, Endpoint: e.ID,
		DueIn: b.Policy.ScheduleOf(e)[0], Lifetime: b.Policy.Lifetime(e), Lease: b.Policy.LeaseOf(e),
	}
}

// idsTogether makes n ids of one millisecond.
func (b *bundle) idsTogether(n int) []webhook.ID {
	for {
		now := b.now()
		ids := make([]webhook.ID, n)
		for i := range ids {
			ids[i] = b.ids.New(now)
		}
		if ids[0].Time().Equal(ids[n-1].Time()) {
			return ids
		}
	}
}

// dueIn puts off the first attempts of an event.
func dueIn(n store.NewEvent, d time.Duration) store.NewEvent {
	for i := range n.Deliveries {
		n.Deliveries[i].DueIn = d
	}
	return n
}

// living gives the deliveries of an event a lifetime.
func living(n store.NewEvent, d time.Duration) store.NewEvent {
	for i := range n.Deliveries {
		n.Deliveries[i].Lifetime = d
	}
	return n
}

// accept offers events, and requires the group to succeed.
func (b *bundle) accept(events ...store.NewEvent) []store.Accepted {
	results, err := b.Store.Accept(b.ctx, events)
	require.NoError(b.tb, err)
	require.Len(b.tb, results, len(events))
	return results
}

// store accepts one event, which must be stored, and returns its deliveries in the order of NewEvent.Deliveries.
func (b *bundle) store(n store.NewEvent) []webhook.Delivery {
	result := b.accept(n)[0]
	require.NoError(b.tb, result.Err)
	require.Equal(b.tb, store.AcceptStored, result.Status)
	out := make([]webhook.Delivery, 0, len(n.Deliveries))
	for _, d := range n.Deliveries {
		out = append(out, b.view(d.ID).Delivery)
	}
	return out
}

// to stores a new event for one endpoint, due at once, and returns its delivery.
func (b *bundle) to(e webhook.Endpoint) webhook.Delivery { return b.store(b.event(e))[0] }

// many stores n new events for one endpoint, and returns their deliveries in order.
func (b *bundle) many(e webhook.Endpoint, n int) []webhook.Delivery {
	out := make([]webhook.Delivery, 0, n)
	for range n {
		out = append(out, b.to(e))
	}
	return out
}

// view returns a delivery with what belongs to it.
func (b *bundle) view(id webhook.ID) store.DeliveryView {
	v, err := b.Store.Delivery(b.ctx, b.tenant, id)
	require.NoError(b.tb, err)
	return v
}

// item names a delivery as somebody does who knows its present state.
func item(d webhook.Delivery) store.ClaimItem {
	return store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint, Attempt: d.Attempt}
}

// items names deliveries.
func items(ds []webhook.Delivery) []store.ClaimItem {
	out := make([]store.ClaimItem, 0, len(ds))
	for _, d := range ds {
		out = append(out, item(d))
	}
	return out
}

// claim makes one request.
func (b *bundle) claim(r store.ClaimRequest) store.Claims {
	c, err := b.Store.Claim(b.ctx, r)
	require.NoError(b.tb, err)
	return c
}

// begin claims one delivery, which must be claimable.
func (b *bundle) begin(id webhook.ID) store.Work {
	c := b.claim(store.ClaimRequest{Items: []store.ClaimItem{item(b.view(id).Delivery)}})
	require.Len(b.tb, c.Work, 1)
	return c.Work[0]
}

// refuses requires that a delivery cannot be claimed, neither by name nor by a pull.
func (b *bundle) refuses(d webhook.Delivery) store.Claims {
	c := b.claim(store.ClaimRequest{
		Items: []store.ClaimItem{item(d)}, Pulls: []store.Pull{{Endpoint: d.Endpoint, Limit: 10}},
	})
	require.Empty(b.tb, c.Work)
	return c
}

// pulled claims up to limit deliveries of an endpoint.
func (b *bundle) pulled(endpoint webhook.ID, limit int) store.Claims {
	return b.claim(store.ClaimRequest{Pulls: []store.Pull{{Endpoint: endpoint, Limit: limit}}})
}

// attempt is the record of a work's attempt.
func attempt(w store.Work, o webhook.Outcome, status int) webhook.Attempt {
	return webhook.Attempt{
		Delivery: w.Delivery.ID, Number: w.Delivery.Attempt, Tenant: w.Delivery.Tenant, Endpoint: w.Delivery.Endpoint,
		Outcome: o, Status: status, StartedAt: w.Delivery.StartedAt,
		Latency: webhook.Latency{
			DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond,
			FirstByte: 40 * time.Millisecond, Total: 50 * time.Millisecond,
		},
		Detail:          "as the test says",
		ResponseHeaders: map[string]string{"Content-Type": "text/plain"},
		ResponseBody:    []byte("the answer\x00"),
	}
}

// success is the result of a work that was answered with 200.
func success(w store.Work) store.Result {
	return store.Result{Attempt: attempt(w, webhook.OutcomeSuccess, 200), Next: webhook.StateSucceeded}
}

// failure is the result of a work that was answered with 500 and is to be tried again.
func (b *bundle) failure(w store.Work, retryIn time.Duration) store.Result {
	return store.Result{
		Attempt: attempt(w, webhook.OutcomeServerError, 500), Next: webhook.StateScheduled, RetryIn: retryIn,
		WakeIn: b.Policy.WakeAfter(retryIn, b.Policy.LeaseOf(&w.Target.Endpoint)),
	}
}

// exhausted is the result of a work that was answered with 500 for the last time.
func exhausted(w store.Work) store.Result {
	return store.Result{
		Attempt: attempt(w, webhook.OutcomeServerError, 500), Next: webhook.StateExhausted,
		Reason: webhook.ReasonSchedule,
	}
}

// record writes one result.
func (b *bundle) record(r store.Result) store.Recorded { return b.recordAll(r)[0] }

// recordAll writes results in one commit.
func (b *bundle) recordAll(rs ...store.Result) []store.Recorded {
	recorded, err := b.Store.Record(b.ctx, rs)
	require.NoError(b.tb, err)
	require.Len(b.tb, recorded, len(rs))
	return recorded
}

// succeed makes an attempt of a delivery, which succeeds.
func (b *bundle) succeed(id webhook.ID) webhook.Delivery {
	require.True(b.tb, b.record(success(b.begin(id))).Applied)
	return b.view(id).Delivery
}

// everything is a reconcile request without bounds.
var everything = store.ReconcileRequest{Limit: 10_000, PerEndpoint: 10_000, EndLeases: true}

// reconcile makes one call.
func (b *bundle) reconcile(r store.ReconcileRequest) store.Reconciled {
	out, err := b.Store.Reconcile(b.ctx, r)
	require.NoError(b.tb, err)
	return out
}

// span is a stretch of the store's time in which something happened.
type span struct{ from, to time.Time }

// during calls f and returns the span in which the store did it.
func (b *bundle) during(f func()) span {
	s := span{from: b.now()}
	f()
	s.to = b.now()
	return s
}

// requireAfter requires got to be d after a moment of the span (to the millisecond, for back ends round differently).
func (s span) requireAfter(tb testing.TB, d time.Duration, got time.Time) {
	tb.Helper()
	s.requireBetween(tb, s.from.Add(d), s.to.Add(d), got)
}

// requireBetween requires from <= got <= to, to the millisecond.
func (s span) requireBetween(tb testing.TB, from, to, got time.Time) {
	tb.Helper()
	const rounding = time.Millisecond
	require.False(tb, got.Before(from.Add(-rounding)), "%s is before %s", got, from)
	require.False(tb, got.After(to.Add(rounding)), "%s is after %s", got, to)
}
