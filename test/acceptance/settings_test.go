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
	h.Subscribe("private", func(p *post) reply {
		if p.Before == 0 {
			return reply{Status: http.StatusInternalServerError, Body: "private"}
		}
		return reply{Body: "private"}
	})
	all := h.Start()
	p, broker := h.Producer(all), h.Broker()
	p.Send(orders("settings", 1)...)
	h.PublishUndecodable("no event")
	require.NoError(t, broker.Publish(t.Context(), bus.BrokerEvents, orders("stranger", 1)[0].Brokered(t, "nobody")))

	require.Equal(t, balance{Expected: 1}, h.Settle(p))
	require.Equal(t, 2, h.Count("SELECT count(*) FROM attempts"))
	require.Zero(t, h.Count("SELECT count(*) FROM attempts WHERE response_body IS NOT NULL"), "HOMING_RESPONSE_KEPT")
	wait(t, patience, "both are rejected", func() bool { return all.Metric("homing_ingest_rejected_total") == 2 })
	require.Zero(t, h.Count("SELECT count(*) FROM rejected_events"), "HOMING_REJECTED_PER_DAY")
}
