package acceptance_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
)

// TestNothingIsKeptWhereNothingShallBe: a setting of 0 that is documented as "none" is none, and no default.
func TestNothingIsKeptWhereNothingShallBe(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, "HOMING_REJECTED_PER_DAY=0", "HOMING_RESPONSE_KEPT=0", "HOMING_HOLD_BUDGET=0")
	h.subscribe("private", func(p *post) reply {
		if p.before == 0 {
			return reply{status: http.StatusInternalServerError, body: "private"}
		}
		return reply{body: "private"}
	})
	all := h.start()
	p, broker := h.producer(all), h.broker()
	p.send(orders("settings", 1)...)
	h.publishUndecodable("no event")
	require.NoError(t, broker.Publish(t.Context(), bus.BrokerEvents, orders("stranger", 1)[0].brokered(t, "nobody")))

	require.Equal(t, balance{Expected: 1}, h.settle(p))
	require.Equal(t, 2, h.count("SELECT count(*) FROM attempts"))
	require.Zero(t, h.count("SELECT count(*) FROM attempts WHERE response_body IS NOT NULL"), "HOMING_RESPONSE_KEPT")
	wait(t, patience, "both are rejected", func() bool { return all.metric("homing_ingest_rejected_total") == 2 })
	require.Zero(t, h.count("SELECT count(*) FROM rejected_events"), "HOMING_REJECTED_PER_DAY")
}
