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
	busy := h.subscribe("busy", func(p *post) reply {
		if p.header.Get("Ce-Id") == "first-0" && p.before == 0 {
			return reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "1"}}
		}
		return reply{}
	})
	other := h.subscribe("other", nil)
	p := h.producer(h.start())
	p.send(orders("first", 1)...)
	wait(t, patience, "the endpoint is throttled", func() bool {
		return h.count("SELECT count(*) FROM endpoints WHERE throttled_until IS NOT NULL") == 1
	})
	p.send(orders("next", 10)...)
	h.receiver.wait(other, 11)

	require.Equal(t, balance{Expected: 22}, h.settle(p))
	posts := h.receiver.all(busy)
	for _, next := range posts[1:] {
		require.GreaterOrEqual(t, next.at.Sub(posts[0].at), asked, "sent while it was asked not to")
	}
	for _, sent := range h.receiver.all(other)[1:] {
		require.Equal(t, 1, sent.attempt)
	}
}

// TestGoneDisablesTheEndpoint: 410 ends the delivery and disables the endpoint; what comes afterwards is held until
// somebody makes it active again.
func TestGoneDisablesTheEndpoint(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, quick)
	gone := h.subscribe("gone", func(*post) reply { return reply{status: http.StatusGone} })
	p := h.producer(h.start())
	p.send(orders("unwanted", 1)...)
	wait(t, patience, "the delivery has ended", func() bool { return len(h.list(gone, webhook.StateExhausted)) == 1 })
	require.Equal(t, webhook.ReasonGone, h.list(gone, webhook.StateExhausted)[0].Reason)
	disabled, err := h.store.Endpoint(t.Context(), h.tenant, gone.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointDisabled, disabled.Status)
	require.NotEmpty(t, disabled.StatusReason)

	witness := h.subscribe("witness", nil)
	p.send(orders("held", 5)...)
	h.receiver.wait(witness, 5)
	require.Len(t, h.list(gone, webhook.StateScheduled), 5)
	h.receiver.change(gone.name, failing(0, 0))
	resumed := time.Now()
	h.setStatus(gone, webhook.EndpointActive)
	wait(t, patience, "what was held has gone out", func() bool { return len(h.list(gone, webhook.StateSucceeded)) == 5 })
	for _, sent := range h.receiver.all(gone)[1:] {
		require.True(t, sent.at.After(resumed), "sent while disabled")
	}
	h.checkInvariants()
}

// TestPausedEndpointsAreHeldAndResumed: nobody hints at what was held, and it goes out all the same.
func TestPausedEndpointsAreHeldAndResumed(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, quick, "HOMING_HELD_PUSH=24h")
	paused, witness := h.subscribe("paused", nil), h.subscribe("witness", nil)
	all := h.start()
	p := h.producer(all)
	h.setStatus(paused, webhook.EndpointPaused)
	p.send(orders("held", 150)...) // more than the reconciler names one by one
	h.receiver.wait(witness, 150)
	wait(t, patience, "the reconciler has held them all", func() bool {
		return all.metric("homing_retry_reconciled_total", "action", "hold") == 150
	})
	require.Empty(t, h.receiver.all(paused))
	h.purge()

	h.setStatus(paused, webhook.EndpointActive)
	require.Equal(t, balance{Expected: 300}, h.settle(p))
}

func TestDeletedEndpointsGetNothingMore(t *testing.T) {
	t.Parallel()
	// What is due later is looked at a horizon before its time: a short one lets the test see the end of it soon.
	h := install(t, postgresAlone, quick, "HOMING_SCHEDULE=0s,4s", "HOMING_HORIZON=1s")
	deleted := h.subscribe("deleted", func(*post) reply { return reply{status: http.StatusBadGateway} })
	p := h.producer(h.start())
	p.sendAs(batched, orders("cancelled", 5)...)
	wait(t, patience, "each has failed once", func() bool { return h.count("SELECT count(*) FROM attempts") == 5 })
	h.setStatus(deleted, webhook.EndpointDeleted)
	require.Zero(t, p.send(orders("after", 1)...)[0].Deliveries, "nothing matches it any more")

	wait(t, patience, "its deliveries have ended", func() bool {
		return len(h.list(deleted, webhook.StateCancelled)) == 5
	})
	require.Equal(t, webhook.ReasonEndpointDeleted, h.list(deleted, webhook.StateCancelled)[0].Reason)
	require.Len(t, h.receiver.all(deleted), 5)
	h.checkInvariants()
}
