package storetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// runFaults runs the tests of what the harness can do to a store.
func runFaults(t *testing.T, open Open) {
	tests := []test{{"ChangesNothingForACallerThatHasGone", changesNothingForGone}}
	has := open(t)
	if has.SetUnavailable != nil {
		tests = append(tests, test{"SaysThatItIsUnavailable", saysUnavailable})
	}
	if has.SpoilSecret != nil {
		tests = append(tests, test{"FailsOneDeliveryForASpoiltSecret", failsForSpoiltSecret})
	}
	each(t, open, tests)
}

// operations are all operations, on things that exist.
func (b *bundle) operations(e webhook.Endpoint, d webhook.Delivery, n store.NewEvent) map[string]func(
	ctx context.Context) error {
	secret, id, result, rejected := b.secret(e.ID), b.id(), success(store.Work{Delivery: d}), b.rejected(b.tenant)
	key := store.APIKey{ID: b.id(), Tenant: b.tenant, Hash: [32]byte{7}}
	fresh := webhook.Endpoint{ID: b.id(), Tenant: b.tenant, URL: e.URL, Format: e.Format}
	s := b.Store
	return map[string]func(ctx context.Context) error{
		"now":           func(ctx context.Context) error { _, err := s.Now(ctx); return err },
		"probe":         func(ctx context.Context) error { return s.ProbeWrite(ctx) },
		"accept":        func(ctx context.Context) error { _, err := s.Accept(ctx, []store.NewEvent{n}); return err },
		"subscriptions": func(ctx context.Context) error { _, err := s.Subscriptions(ctx, b.tenant); return err },
		"authenticate":  func(ctx context.Context) error { _, err := s.Authenticate(ctx, key.Hash); return err },
		"reject":        func(ctx context.Context) error { _, err := s.Reject(ctx, rejected, 10); return err },
		"event":         func(ctx context.Context) error { _, err := s.Event(ctx, b.tenant, d.Event); return err },
		"record":        func(ctx context.Context) error { _, err := s.Record(ctx, []store.Result{result}); return err },
		"reconcile":     func(ctx context.Context) error { _, err := s.Reconcile(ctx, everything); return err },
		"housekeep":     func(ctx context.Context) error { _, err := s.Housekeep(ctx, retention); return err },
		"stats":         func(ctx context.Context) error { _, err := s.Stats(ctx); return err },
		"tally":         func(ctx context.Context) error { _, err := s.Tally(ctx, store.TallyRequest{Spans: 1}); return err },
		"healths": func(ctx context.Context) error {
			_, err := s.HealthPage(ctx, b.tenant, []webhook.ID{e.ID}, d.DueAt)
			return err
		},
		"tenant's public keys": func(ctx context.Context) error {
			_, err := s.TenantPublicKeys(ctx, b.tenant, 1)
			return err
		},
		"list by outcome": func(ctx context.Context) error {
			_, err := s.DeliveriesByOutcome(ctx, store.DeliveryQuery{Tenant: b.tenant, Limit: 1}, webhook.OutcomeSuccess)
			return err
		},
		"health": func(ctx context.Context) error { _, err := s.Health(ctx, b.tenant, e.ID); return err },
		"untold": func(ctx context.Context) error { _, err := s.Untold(ctx, 1); return err },
		"tell":   func(ctx context.Context) error { _, err := s.Tell(ctx, nil, []store.NewEvent{n}); return err },
		"tallies": func(ctx context.Context) error {
			_, err := s.Tallies(ctx, store.TallyQuery{Tenant: b.tenant, From: d.DueAt, Until: d.DueAt})
			return err
		},
		"tenants":       func(ctx context.Context) error { _, err := s.Tenants(ctx); return err },
		"create tenant": func(ctx context.Context) error { return s.CreateTenant(ctx, "t-"+token()) },
		"create key":    func(ctx context.Context) error { return s.CreateKey(ctx, key) },
		"revoke key":    func(ctx context.Context) error { return s.RevokeKey(ctx, b.tenant, id) },
		"new endpoint":  func(ctx context.Context) error { return s.CreateEndpoint(ctx, fresh, nil) },
		"endpoint":      func(ctx context.Context) error { _, err := s.Endpoint(ctx, b.tenant, e.ID); return err },
		"endpoints":     func(ctx context.Context) error { _, err := s.Endpoints(ctx, b.tenant); return err },
		"add secret":    func(ctx context.Context) error { return s.AddSecret(ctx, b.tenant, secret, 0) },
		"secrets":       func(ctx context.Context) error { _, err := s.Secrets(ctx, b.tenant, e.ID); return err },
		"delivery":      func(ctx context.Context) error { _, err := s.Delivery(ctx, b.tenant, d.ID); return err },
		"retry now":     func(ctx context.Context) error { _, err := s.RetryNow(ctx, b.tenant, d.ID, b.ids); return err },
		"cancel":        func(ctx context.Context) error { return s.CancelDelivery(ctx, b.tenant, d.ID) },
		"list rejected": func(ctx context.Context) error { _, err := s.RejectedEvents(ctx, b.tenant, 1); return err },
		"list delivered": func(ctx context.Context) error {
			_, err := s.Deliveries(ctx, store.DeliveryQuery{Tenant: b.tenant, Limit: 1})
			return err
		},
		"set status": func(ctx context.Context) error {
			return s.SetEndpointStatus(ctx, b.tenant, e.ID, webhook.EndpointPaused, "")
		},
		"claim": func(ctx context.Context) error {
			_, err := s.Claim(ctx, store.ClaimRequest{Items: []store.ClaimItem{item(d)}})
			return err
		},
	}
}

// requireUnchanged runs every operation between before and after, each of which must fail with want, and requires that
// none changed anything.
func (b *bundle) requireUnchanged(ctx context.Context, t *testing.T, want error, before, after func()) {
	e := b.endpoint()
	d := b.to(e)
	n := b.event(e)
	operations := b.operations(e, d, n)
	was := b.version()
	before()
	for name, operation := range operations {
		require.ErrorIs(t, operation(ctx), want, name)
	}
	after()
	require.Equal(t, was, b.version())
	require.Equal(t, e, b.stored(e.ID))
	require.Equal(t, []webhook.Delivery{d}, allDeliveries(t, b.Store, b.tenant))
	require.Len(t, b.secretIDs(e.ID), 1)
	require.Empty(t, b.allRejected(b.tenant))
	b.requireNothingOf(t, n)
	require.Equal(t, store.AcceptStored, b.accept(n)[0].Status, "and it works again")
}

func changesNothingForGone(t *testing.T, b *bundle) {
	ctx, cancel := context.WithCancel(b.ctx)
	b.requireUnchanged(ctx, t, context.Canceled, cancel, func() {})
}

func saysUnavailable(t *testing.T, b *bundle) {
	b.requireUnchanged(b.ctx, t, store.ErrUnavailable,
		func() { b.SetUnavailable(t, true) }, func() { b.SetUnavailable(t, false) })
}

func failsForSpoiltSecret(t *testing.T, b *bundle) {
	spoilt, fine := b.endpoint(), b.endpoint()
	ds := []webhook.Delivery{b.to(spoilt), b.to(fine)}
	b.SpoilSecret(t, b.tenant, b.secretIDs(spoilt.ID)[0])
	c := b.claim(store.ClaimRequest{Items: items(ds)})
	requireWork(t, ds, c.Work)
	for _, w := range c.Work {
		require.Equal(t, webhook.StateAttempting, b.view(w.Delivery.ID).Delivery.State)
		if w.Delivery.Endpoint == fine.ID {
			require.NoError(t, w.Err)
			require.Len(t, w.Target.Secrets, 1)
			continue
		}
		require.Error(t, w.Err)
		require.NotNil(t, w.Event)
		require.NotNil(t, w.Target)
		require.Equal(t, spoilt.ID, w.Target.ID)
		require.True(t, b.record(exhausted(w)).Applied, "it can be recorded like any other")
	}
}
