package attempt_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/deliver/attempt"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// meet has deliver know an endpoint, by one delivery, whose slot is free again.
func (b *bundle) meet(t *testing.T, e webhook.Endpoint) {
	t.Helper()
	h := b.accept(t, 1, e)
	require.NoError(t, b.deliverer.Handle(t.Context(), h))
	eventually(t, "it is delivered", b.ended(t, h, webhook.StateSucceeded))
}

// begin stores an event whose first attempt begins with it, and returns that.
func (b *bundle) begin(t *testing.T, e webhook.Endpoint) []store.Work {
	t.Helper()
	n := b.event(t, e)
	n.Deliveries[0].Begin = true
	results, err := b.store.Accept(t.Context(), []store.NewEvent{n})
	require.NoError(t, err)
	require.Len(t, results[0].Begun, 1)
	return results[0].Begun
}

func TestFirstAttemptsOfThisProcess(t *testing.T) {
	t.Parallel()

	t.Run("AreMadeAndRecorded", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t)
		b.meet(t, e)
		require.Equal(t, []bool{true}, b.deliverer.Reserve([]webhook.ID{e.ID}))
		work := b.begin(t, e)
		b.deliverer.Attempt(work, time.Now())
		eventually(t, "it is recorded", func() bool {
			return b.view(t, work[0].Delivery.ID).Delivery.State == webhook.StateSucceeded
		})
		require.Equal(t, 2, b.posts())
		require.Equal(t, 1, b.view(t, work[0].Delivery.ID).Delivery.Attempt)
	})

	t.Run("GetTheSlotsThatHintsWouldGet", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) {
			c.Slots = attempt.SlotConfig{Total: 8, EndpointShare: 0.5, TenantShare: 0.75, HostShare: 1}
		})
		e, other := b.endpoint(t), b.endpoint(t)
		b.meet(t, e)
		b.meet(t, other)
		asked := []webhook.ID{e.ID, e.ID, e.ID, e.ID, e.ID, other.ID, other.ID, other.ID}
		got := b.deliverer.Reserve(asked)
		require.Equal(t, []bool{true, true, true, true, false, true, true, false}, got,
			"four an endpoint, six the tenant")
		b.deliverer.Release([]webhook.ID{e.ID, e.ID, e.ID, e.ID, other.ID, other.ID})
		require.Equal(t, got, b.deliverer.Reserve(asked), "all are free again")
		b.deliverer.Release([]webhook.ID{e.ID, e.ID, e.ID, e.ID, other.ID, other.ID})
	})

	t.Run("OfAnEndpointNotKnownYetComeByHints", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Equal(t, []bool{false}, b.deliverer.Reserve([]webhook.ID{b.endpoint(t).ID}))
	})

	t.Run("OfAnEndpointWithARateComeByHints", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t, func(e *webhook.Endpoint) { e.RatePerSecond = 100 })
		b.meet(t, e)
		require.Equal(t, []bool{false}, b.deliverer.Reserve([]webhook.ID{e.ID}), "the gate has the say")
	})

	t.Run("OfAnEndpointWithABacklogComeBehindIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) {
			c.Slots = attempt.SlotConfig{Total: 1, EndpointShare: 1, TenantShare: 1, HostShare: 1}
			c.HoldBudget = time.Millisecond
		})
		e := b.endpoint(t)
		b.meet(t, e)
		arrived, held := make(chan struct{}, 10), make(chan struct{})
		release := sync.OnceFunc(func() { close(held) })
		defer release()
		b.answer(func(http.ResponseWriter, *http.Request) {
			arrived <- struct{}{}
			<-held
		})
		h := b.accept(t, 3, e)
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		<-arrived
		require.Equal(t, []bool{false}, b.deliverer.Reserve([]webhook.ID{e.ID}))
		release()
		eventually(t, "the backlog is delivered", b.ended(t, h, webhook.StateSucceeded))
	})

	t.Run("AreWaitedForByClose", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t)
		b.meet(t, e)
		require.Equal(t, []bool{true}, b.deliverer.Reserve([]webhook.ID{e.ID}))
		closed := make(chan error, 1)
		go func() { closed <- b.deliverer.Close(context.Background()) }()
		eventually(t, "no more slots are given", func() bool {
			more := b.deliverer.Reserve([]webhook.ID{e.ID})[0]
			if more {
				b.deliverer.Release([]webhook.ID{e.ID})
			}
			return !more
		})
		work := b.begin(t, e)
		b.deliverer.Attempt(work, time.Now())
		require.NoError(t, <-closed)
		require.Equal(t, webhook.StateSucceeded, b.view(t, work[0].Delivery.ID).Delivery.State)
	})
}
