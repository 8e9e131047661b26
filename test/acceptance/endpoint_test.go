package acceptance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func deliveriesOf(tenant string, e webhook.ID, s webhook.State) store.DeliveryQuery {
	return store.DeliveryQuery{Tenant: tenant, Endpoint: e, State: s, Limit: 1000}
}

// TestRetryAfterHoldsTheWholeEndpoint: 429 is said of an endpoint, so nothing is sent there meanwhile, and everything
// elsewhere.
func TestRetryAfterHoldsTheWholeEndpoint(t *testing.T) {
	t.Parallel()
	h := install(t, withRedis, quick)
	const asked = time.Second
	busy := h.Subscribe("busy", func(p *post) reply {
		if p.Header.Get("Ce-Id") == "first-0" && p.Before == 0 {
			return reply{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"}}
		}
		return reply{}
	})
	other := h.Subscribe("other", nil)
	p := h.Producer(h.Start())
	p.Send(orders("first", 1)...)
	wait(t, patience, "the endpoint is throttled", func() bool {
		return h.Count("SELECT count(*) FROM endpoints WHERE throttled_until IS NOT NULL") == 1
	})
	p.Send(orders("next", 10)...)
	h.Receiver.Wait(other, 11)

	require.Equal(t, balance{Expected: 22}, h.Settle(p))
	posts := h.Receiver.All(busy)
	for _, next := range posts[1:] {
		require.GreaterOrEqual(t, next.At.Sub(posts[0].At), asked, "sent while it was asked not to")
	}
	for _, sent := range h.Receiver.All(other)[1:] {
		require.Equal(t, 1, sent.Attempt)
	}
}

// TestGoneDisablesTheEndpoint: 410 ends the delivery and disables the endpoint; what comes afterwards is held until
// somebody makes it active again.
func TestGoneDisablesTheEndpoint(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, quick)
	gone := h.Subscribe("gone", func(*post) reply { return reply{Status: http.StatusGone} })
	p := h.Producer(h.Start())
	p.Send(orders("unwanted", 1)...)
	wait(t, patience, "the delivery has ended", func() bool { return len(h.list(gone, webhook.StateExhausted)) == 1 })
	require.Equal(t, webhook.ReasonGone, h.list(gone, webhook.StateExhausted)[0].Reason)
	disabled, err := h.Store.Endpoint(t.Context(), h.Tenant, gone.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointDisabled, disabled.Status)
	require.NotEmpty(t, disabled.StatusReason)

	witness := h.Subscribe("witness", nil)
	p.Send(orders("held", 5)...)
	h.Receiver.Wait(witness, 5)
	require.Len(t, h.list(gone, webhook.StateScheduled), 5)
	h.Receiver.Change(gone.Name, failing(0, 0))
	resumed := time.Now()
	h.SetStatus(gone, webhook.EndpointActive)
	wait(t, patience, "what was held has gone out", func() bool { return len(h.list(gone, webhook.StateSucceeded)) == 5 })
	for _, sent := range h.Receiver.All(gone)[1:] {
		require.True(t, sent.At.After(resumed), "sent while disabled")
	}
	h.CheckInvariants()
}

// TestPausedEndpointsAreHeldAndResumed: nobody hints at what was held, and it goes out all the same.
func TestPausedEndpointsAreHeldAndResumed(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, quick, "HOMING_HELD_PUSH=24h")
	paused, witness := h.Subscribe("paused", nil), h.Subscribe("witness", nil)
	all := h.Start()
	p := h.Producer(all)
	h.SetStatus(paused, webhook.EndpointPaused)
	p.Send(orders("held", 150)...) // more than the reconciler names one by one
	h.Receiver.Wait(witness, 150)
	wait(t, patience, "the reconciler has held them all", func() bool {
		return all.Metric("homing_retry_reconciled_total", "action", "hold") == 150
	})
	require.Empty(t, h.Receiver.All(paused))
	h.Purge()

	h.SetStatus(paused, webhook.EndpointActive)
	require.Equal(t, balance{Expected: 300}, h.Settle(p))
}

func TestDeletedEndpointsGetNothingMore(t *testing.T) {
	t.Parallel()
	// What is due later is looked at a horizon before its time: a short one lets the test see the end of it soon.
	h := install(t, postgresAlone, quick, "HOMING_SCHEDULE=0s,4s", "HOMING_HORIZON=1s")
	deleted := h.Subscribe("deleted", func(*post) reply { return reply{Status: http.StatusBadGateway} })
	p := h.Producer(h.Start())
	p.SendAs(batched, orders("cancelled", 5)...)
	wait(t, patience, "each has failed once", func() bool { return h.Count("SELECT count(*) FROM attempts") == 5 })
	h.SetStatus(deleted, webhook.EndpointDeleted)
	require.Zero(t, p.Send(orders("after", 1)...)[0].Deliveries, "nothing matches it any more")

	wait(t, patience, "its deliveries have ended", func() bool {
		return len(h.list(deleted, webhook.StateCancelled)) == 5
	})
	require.Equal(t, webhook.ReasonEndpointDeleted, h.list(deleted, webhook.StateCancelled)[0].Reason)
	require.Len(t, h.Receiver.All(deleted), 5)
	h.CheckInvariants()
}
