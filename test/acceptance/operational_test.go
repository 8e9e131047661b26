package acceptance_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestOperatorsAreToldAtOnce: an endpoint answers 410, and those who want to know are told, while retry lives at once
// and not with the next tick, which is an hour away here.
func TestOperatorsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, "HOMING_OPERATOR_TENANT=operators", "HOMING_TICK=1h", "HOMING_HORIZON=1h")
	require.NoError(t, h.store.CreateTenant(t.Context(), "operators"))
	gone := h.subscribe("gone", func(*post) reply { return reply{status: http.StatusGone} })
	operators := h.subscribe("operators", nil, func(e *endpoint) { e.Tenant = "operators" })
	own := h.subscribe("own", nil, func(e *endpoint) { e.Types = []string{"io.homing.endpoint.disabled"} })
	p := h.producer(h.start())
	p.send(orders("unwanted", 1)...)

	told := map[string]*post{}
	for _, got := range h.receiver.waitWithin(patience, operators, 2) {
		told[got.header.Get("Ce-Type")] = got
	}
	require.Len(t, told, 2)
	require.Contains(t, told, "io.homing.delivery.exhausted")
	disabled := told["io.homing.endpoint.disabled"]
	require.NotNil(t, disabled)
	require.Equal(t, gone.ID.String(), disabled.header.Get("Ce-Subject"))
	var data struct {
		Tenant, Endpoint, Reason string
		At                       time.Time
	}
	require.NoError(t, json.Unmarshal(disabled.body, &data))
	require.Equal(t, h.tenant, data.Tenant)
	require.Equal(t, gone.ID.String(), data.Endpoint)
	require.Contains(t, data.Reason, "410")
	posts := h.receiver.waitWithin(patience, own, 1)
	require.Equal(t, "io.homing.endpoint.disabled", posts[0].header.Get("Ce-Type"))
	require.Equal(t, disabled.header.Get("Ce-Id"), posts[0].header.Get("Ce-Id"), "one happening, one identity")
	require.Empty(t, h.list(own, webhook.StateExhausted))
}
