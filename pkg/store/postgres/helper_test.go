package postgres

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestMain(m *testing.M) {
	// The tests wait for the disk of the database more than for a processor.
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = parallel.Value.Set("8")
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// migrated prepares the template that the tests' databases are copied from.
func migrated(ctx context.Context, url string) error {
	_, err := Migrate(ctx, url)
	return err
}

// bundle is a store on a database of its own, with a tenant.
type bundle struct {
	*Store
	tb     testing.TB
	ctx    context.Context
	url    string
	tenant string
	ids    *webhook.IDSource
}

// setup opens a store; change may set its options.
func setup(tb testing.TB, change ...func(*Options)) *bundle {
	tb.Helper()
	b := &bundle{
		tb: tb, ctx: context.Background(), url: testenv.PostgresMigrated(tb, migrated), tenant: "acme",
		ids: new(webhook.IDSource),
	}
	b.Store = b.open(change...)
	require.NoError(tb, b.CreateTenant(b.ctx, b.tenant))
	return b
}

// setupOn opens a store on a server of the test's own.
func setupOn(tb testing.TB, url string, change ...func(*Options)) *bundle {
	tb.Helper()
	b := &bundle{tb: tb, ctx: context.Background(), url: url, tenant: "acme", ids: new(webhook.IDSource)}
	require.NoError(tb, migrated(b.ctx, url))
	b.Store = b.open(change...)
	require.NoError(tb, b.CreateTenant(b.ctx, b.tenant))
	return b
}

// open opens another store on the same database.
func (b *bundle) open(change ...func(*Options)) *Store {
	b.tb.Helper()
	ring, err := seal.Parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	require.NoError(b.tb, err)
	o := Options{Keyring: ring, MaxConns: 4}
	for _, c := range change {
		c(&o)
	}
	s, err := Open(b.ctx, b.url, o)
	require.NoError(b.tb, err)
	b.tb.Cleanup(s.Close)
	return s
}

// connect opens a connection of the test's own.
func (b *bundle) connect() *pgx.Conn {
	b.tb.Helper()
	conn, err := pgx.Connect(b.ctx, b.url)
	require.NoError(b.tb, err)
	b.tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec runs a statement of the test's own.
func (b *bundle) exec(sql string, args ...any) {
	b.tb.Helper()
	_, err := b.pool.Exec(b.ctx, sql, args...)
	require.NoError(b.tb, err)
}

// value reads one value.
func value[T any](b *bundle, sql string, args ...any) T {
	b.tb.Helper()
	var v T
	require.NoError(b.tb, b.pool.QueryRow(b.ctx, sql, args...).Scan(&v))
	return v
}

// endpoint makes an endpoint with a secret.
func (b *bundle) endpoint(change ...func(*webhook.Endpoint)) webhook.Endpoint {
	b.tb.Helper()
	e := webhook.Endpoint{
		ID: b.ids.New(time.Now()), Tenant: b.tenant, URL: "https://shop.example/hooks",
		Types: []string{"order.*"}, Format: webhook.FormatBinary, Headers: map[string]string{"X-Token": "opensesame"},
	}
	for _, c := range change {
		c(&e)
	}
	secret := webhook.Secret{ID: b.ids.New(time.Now()), Kind: webhook.SecretHMAC, Key: []byte("0123456789abcdef01234567")}
	require.NoError(b.tb, b.CreateEndpoint(b.ctx, e, []webhook.Secret{secret}))
	e, err := b.Endpoint(b.ctx, b.tenant, e.ID)
	require.NoError(b.tb, err)
	return e
}

// event makes an event with a delivery to each endpoint.
func (b *bundle) event(endpoints ...webhook.Endpoint) store.NewEvent {
	b.tb.Helper()
	first := b.ids.New(time.Now())
	n := store.NewEvent{Event: webhook.Event{
		ID: first, Tenant: b.tenant, Source: "/shop", CEID: rand.Text(), Type: "order.created",
		DataType: "application/json", Data: []byte(`{"total":1}`),
	}}
	n.Key = webhook.IdentityKey(b.tenant, n.Event.Source, n.Event.CEID)
	for i := range endpoints {
		e := &endpoints[i]
		id := b.ids.New(first.Time())
		if !id.Time().Equal(first.Time()) {
			// The source ran ahead into the next millisecond: a random id of this one will do.
			id = webhook.FirstID(first.Time())
			_, _ = rand.Read(id[7:])
			id[6] = 0x7f
		}
		n.Deliveries = append(n.Deliveries, store.NewDelivery{
			ID: id, Endpoint: e.ID, Lifetime: b.policy.Lifetime(e), Lease: b.policy.LeaseOf(e),
		})
	}
	return n
}

// accept stores events at the present version, and requires that all are stored.
func (b *bundle) accept(events ...store.NewEvent) {
	b.tb.Helper()
	for _, a := range b.try(events...) {
		require.NoError(b.tb, a.Err)
		require.Equal(b.tb, store.AcceptStored, a.Status)
	}
}

// try stores events at the present version.
func (b *bundle) try(events ...store.NewEvent) []store.Accepted {
	b.tb.Helper()
	subs, err := b.Subscriptions(b.ctx, b.tenant)
	require.NoError(b.tb, err)
	for i := range events {
		events[i].ConfigVersion = subs.Version
	}
	accepted, err := b.Accept(b.ctx, events)
	require.NoError(b.tb, err)
	require.Len(b.tb, accepted, len(events))
	return accepted
}

// many stores n events for endpoints, and returns the items to claim.
func (b *bundle) many(n int, endpoints ...webhook.Endpoint) []store.ClaimItem {
	b.tb.Helper()
	var items []store.ClaimItem
	var events []store.NewEvent
	for range n {
		e := b.event(endpoints...)
		events = append(events, e)
		for _, d := range e.Deliveries {
			items = append(items, store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint})
		}
	}
	for group := range slices.Chunk(events, 500) {
		b.accept(group...)
	}
	return items
}

// claim claims, and requires that the store can.
func (b *bundle) claim(r store.ClaimRequest) store.Claims {
	b.tb.Helper()
	c, err := b.Claim(b.ctx, r)
	require.NoError(b.tb, err)
	return c
}

// success is the result of work that went well.
func success(w store.Work) store.Result {
	return store.Result{
		Attempt: webhook.Attempt{
			Delivery: w.Delivery.ID, Number: w.Delivery.Attempt, Tenant: w.Delivery.Tenant, Endpoint: w.Delivery.Endpoint,
			Outcome: webhook.OutcomeSuccess, Status: 200, StartedAt: w.Delivery.StartedAt,
			Latency: webhook.Latency{Total: 12 * time.Millisecond, FirstByte: 11 * time.Millisecond},
		},
		Next: webhook.StateSucceeded,
	}
}

// failure is the result of work to be tried again.
func failure(w store.Work, in time.Duration) store.Result {
	r := success(w)
	r.Attempt.Outcome, r.Attempt.Status, r.Attempt.Detail = webhook.OutcomeServerError, 500, "status 500"
	r.Next, r.RetryIn, r.WakeIn = webhook.StateScheduled, in, in+time.Minute
	return r
}
