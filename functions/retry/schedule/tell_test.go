package schedule_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/retry/schedule"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	timermemory "github.com/homing-hooks/homing/pkg/timer/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// told is retry on the memory store, with a tenant of operators.
type told struct {
	*testing.T
	store     *memory.Store
	ids       webhook.IDSource
	scheduler *schedule.Scheduler
	fault     error // of the store, after the commit of Tell
	due       []wire.Due
	public    []*webhook.Event
}

func setupTold(t *testing.T) *told {
	t.Helper()
	b := &told{T: t}
	b.store = memory.New(memory.Options{Hook: func(op string, phase memory.Phase) error {
		if op == "tell" && phase == memory.After {
			return b.fault
		}
		return nil
	}})
	b.scheduler = schedule.New(schedule.Config{
		Store: b.store, Timers: timermemory.New(), Now: time.Now, Policy: webhook.DefaultPolicy(),
		Publish: func(_ context.Context, _ string, due []wire.Due, _ []wire.Endpoint) error {
			b.due = append(b.due, due...)
			return nil
		},
		Announce:       func(_ context.Context, e *webhook.Event) { b.public = append(b.public, e) },
		OperatorTenant: "operator", IDs: &b.ids, Log: slog.New(slog.DiscardHandler),
		Metrics: schedule.NewMetrics(prometheus.NewRegistry()),
	})
	require.NoError(t, b.store.CreateTenant(t.Context(), "operator"))
	require.NoError(t, b.store.CreateTenant(t.Context(), "a"))
	return b
}

// endpoint makes an endpoint of a tenant.
func (b *told) endpoint(tenant string, types ...string) webhook.ID {
	b.Helper()
	e := webhook.Endpoint{
		ID: b.ids.New(time.Now()), Tenant: tenant, URL: "https://receiver.example/secret-path", Types: types,
		Format: webhook.FormatBinary,
	}
	require.NoError(b, b.store.CreateEndpoint(b.Context(), e, nil))
	return e.ID
}

// giveUp lets a delivery to an endpoint be given up.
func (b *told) giveUp(tenant string, endpoint webhook.ID) webhook.ID {
	b.Helper()
	ctx := b.Context()
	subs, err := b.store.Subscriptions(ctx, tenant)
	require.NoError(b, err)
	event := b.ids.New(time.Now())
	n := store.NewEvent{
		Event: webhook.Event{
			ID: event, Tenant: tenant, Source: "/s", CEID: event.String(), Type: "order.paid", Data: []byte("the payload"),
		},
		Key: webhook.Key(event), ConfigVersion: subs.Version,
		Deliveries: []store.NewDelivery{{ID: event.Sibling(), Endpoint: endpoint, Lifetime: time.Hour, Lease: time.Minute}},
	}
	accepted, err := b.store.Accept(ctx, []store.NewEvent{n})
	require.NoError(b, err)
	require.Equal(b, store.AcceptStored, accepted[0].Status)
	claims, err := b.store.Claim(ctx, store.ClaimRequest{Items: []store.ClaimItem{
		{Delivery: n.Deliveries[0].ID, Endpoint: endpoint},
	}})
	require.NoError(b, err)
	w := claims.Work[0]
	_, err = b.store.Record(ctx, []store.Result{{
		Attempt: webhook.Attempt{
			Delivery: w.Delivery.ID, Number: 1, Tenant: tenant, Endpoint: endpoint, Outcome: webhook.OutcomeServerError,
		},
		Next: webhook.StateExhausted, Reason: webhook.ReasonSchedule,
	}})
	require.NoError(b, err)
	return w.Delivery.ID
}

// events lists the operational events of a tenant.
func (b *told) events(tenant string) []webhook.Event {
	b.Helper()
	all, err := b.store.Events(b.Context(), store.EventQuery{Tenant: tenant, Limit: 1000})
	require.NoError(b, err)
	var list []webhook.Event
	for _, e := range all {
		if e.Source == schedule.SourceOperational {
			list = append(list, e)
		}
	}
	return list
}

// to lists the deliveries to an endpoint.
func (b *told) to(tenant string, endpoint webhook.ID) []webhook.Delivery {
	b.Helper()
	list, err := b.store.Deliveries(b.Context(), store.DeliveryQuery{Tenant: tenant, Endpoint: endpoint, Limit: 1000})
	require.NoError(b, err)
	return list
}

func TestTellsOperatorsAndThoseWhoNameTheType(t *testing.T) {
	t.Parallel()
	b := setupTold(t)
	operators := b.endpoint("operator", "io.homing.*")
	others := b.endpoint("operator", "io.homing.endpoint.disabled")
	failing := b.endpoint("a", "order.*")
	everything, pattern := b.endpoint("a"), b.endpoint("a", "io.homing.*")
	exact := b.endpoint("a", "io.homing.delivery.exhausted")
	d := b.giveUp("a", failing)
	require.NoError(t, b.scheduler.Tell(t.Context()))

	require.Len(t, b.to("operator", operators), 1)
	require.Empty(t, b.to("operator", others))
	require.Empty(t, b.to("a", everything), "who takes all types takes the tenant's own")
	require.Empty(t, b.to("a", pattern))
	require.Len(t, b.to("a", exact), 1)
	require.Len(t, b.due, 2, "hints for both")
	require.Len(t, b.public, 1, "and one event on the bus")
	require.Equal(t, "io.homing.delivery.exhausted", b.public[0].Type)

	require.Len(t, b.events("a"), 1)
	got := b.events("operator")
	require.Len(t, got, 1)
	require.Equal(t, failing.String(), got[0].Subject)
	event, err := b.store.Event(t.Context(), "operator", got[0].ID)
	require.NoError(t, err)
	require.NotContains(t, string(event.Data), "payload")
	require.NotContains(t, string(event.Data), "secret-path")
	var data schedule.Operational
	require.NoError(t, json.Unmarshal(event.Data, &data))
	view, err := b.store.Delivery(t.Context(), "a", d)
	require.NoError(t, err)
	require.Equal(t, schedule.Operational{
		Tenant: "a", Endpoint: failing, Delivery: &d, Event: &view.Event.ID, Reason: "schedule", Attempts: 1, At: data.At,
	}, data)
	require.WithinDuration(t, time.Now(), data.At, time.Minute)
}

func TestTellsNothingOfWhoIsTold(t *testing.T) {
	t.Parallel()
	b := setupTold(t)
	operators := b.endpoint("operator")
	exact := b.endpoint("a", "order.*", "io.homing.delivery.exhausted")
	b.giveUp("operator", operators)
	b.giveUp("a", exact)
	require.NoError(t, b.scheduler.Tell(t.Context()))
	require.Empty(t, b.events("a"))
	require.Empty(t, b.events("operator"))
	require.Empty(t, b.public)
	untold, err := b.store.Untold(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, untold, "it does not come again")
}

// TestTellsOnceWhateverIsLost loses the answer of the store, so that nobody knows that all is told.
func TestTellsOnceWhateverIsLost(t *testing.T) {
	t.Parallel()
	b := setupTold(t)
	operators := b.endpoint("operator")
	b.giveUp("a", b.endpoint("a", "order.*"))
	b.fault = errors.New("the connection broke")
	require.Error(t, b.scheduler.Tell(t.Context()))
	b.fault = nil
	require.NoError(t, b.scheduler.Tell(t.Context()))
	require.Len(t, b.to("operator", operators), 1)
}

func TestTellsWithoutAnybodyToTell(t *testing.T) {
	t.Parallel()
	b := setupTold(t)
	require.NoError(t, b.store.DeleteTenant(t.Context(), "operator"))
	for range 250 {
		b.giveUp("a", b.endpoint("a", "order.*"))
	}
	require.NoError(t, b.scheduler.Tell(t.Context()))
	untold, err := b.store.Untold(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, untold)
	require.Empty(t, b.events("a"))
	require.Len(t, b.public, 250)
}

func TestATickTells(t *testing.T) {
	t.Parallel()
	b := setupTold(t)
	operators := b.endpoint("operator")
	b.giveUp("a", b.endpoint("a", "order.*"))
	require.NoError(t, b.scheduler.Tick(t.Context()))
	require.Len(t, b.to("operator", operators), 1)
}

// TestAHintThatNamesAnEndpointTellsAtOnce holds that nobody waits for the tick while retry lives.
func TestAHintThatNamesAnEndpointTellsAtOnce(t *testing.T) {
	t.Parallel()
	b := setupTold(t)
	operators, failing := b.endpoint("operator"), b.endpoint("a", "order.*")
	b.giveUp("a", failing)
	hint := wire.Hint{Type: wire.TypeRescheduled, Endpoints: []wire.Endpoint{{Endpoint: failing, Due: time.Now()}}}
	require.NoError(t, b.scheduler.Rescheduled(t.Context(), hint))
	require.Len(t, b.to("operator", operators), 1)
}
