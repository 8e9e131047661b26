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
	require.NoError(t, h.Store.CreateTenant(t.Context(), "operators"))
	gone := h.Subscribe("gone", func(*post) reply { return reply{Status: http.StatusGone} })
	operators := h.Subscribe("operators", nil, func(e *endpoint) { e.Tenant = "operators" })
	own := h.Subscribe("own", nil, func(e *endpoint) { e.Types = []string{"io.homing.endpoint.disabled"} })
	p := h.Producer(h.Start())
	p.Send(orders("unwanted", 1)...)

	told := map[string]*post{}
	for _, got := range h.Receiver.WaitWithin(patience, operators, 2) {
		told[got.Header.Get("Ce-Type")] = got
	}
	require.Len(t, told, 2)
	require.Contains(t, told, "io.homing.delivery.exhausted")
	disabled := told["io.homing.endpoint.disabled"]
	require.NotNil(t, disabled)
	require.Equal(t, gone.ID.String(), disabled.Header.Get("Ce-Subject"))
	var data struct {
		Tenant, Endpoint, Reason string
		At                       time.Time
	}
	require.NoError(t, json.Unmarshal(disabled.Body, &data))
	require.Equal(t, h.Tenant, data.Tenant)
	require.Equal(t, gone.ID.String(), data.Endpoint)
	require.Contains(t, data.Reason, "410")
	posts := h.Receiver.WaitWithin(patience, own, 1)
	require.Equal(t, "io.homing.endpoint.disabled", posts[0].Header.Get("Ce-Type"))
	require.Equal(t, disabled.Header.Get("Ce-Id"), posts[0].Header.Get("Ce-Id"), "one happening, one identity")
	require.Empty(t, h.list(own, webhook.StateExhausted))
}
