package acceptance_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	api "github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/test/homingtest"
)

// probeTenant is whose the probes' endpoints are.
const probeTenant = "homing-probe"

// operatorKey makes an operator's key.
func (h *installation) operatorKey() string {
	h.T.Helper()
	id := h.IDs.New(time.Now())
	key := "hmk_operator-" + id.String()
	require.NoError(h.T, h.Store.CreateKey(h.T.Context(), store.APIKey{
		ID: id, Name: "probe", Hash: sha256.Sum256([]byte(key)), Scopes: webhook.Scopes,
	}))
	return key
}

// probing starts homing-probe beside a Homing, with an operator's key.
func (h *installation) probing(homing *process, settings ...string) *process {
	h.T.Helper()
	address := homingtest.OwnAddress(h.T)
	probing := homingtest.Installation{T: h.T, Settings: map[string]string{
		"HOMING_LISTEN": address, "HOMING_PROBE_RECEIVER": "http://" + address, "HOMING_SERVER": homing.Base,
		"HOMING_API_KEY": h.operatorKey(), "HOMING_TENANT": probeTenant, "HOMING_PROBE_INTERVAL": "20s",
		"HOMING_PROBE_TIMEOUT": "15s", "HOMING_LOG_FORMAT": "json", "HOMING_LOG_LEVEL": "debug",
	}}
	if url, ok := h.Settings["RABBITMQ_URL"]; ok {
		probing.Settings["RABBITMQ_URL"] = url
	}
	probing.Set(settings...)
	return probing.Spawn("homing-probe")
}

// probed is how often a probe had an outcome.
func probed(p *process, probe, outcome string) int {
	return p.Metric("homing_probe_runs_total", "probe", probe, "outcome", outcome)
}

// TestProbesOfAWholeHoming has the program of the probes watch `homing serve`: all four succeed, over RabbitMQ too.
// Once nothing is delivered any more, those that wait for a webhook notice; once nothing answers any more, all do.
func TestProbesOfAWholeHoming(t *testing.T) {
	t.Parallel()
	h := install(t, allServices)
	all := h.Spawn("homing", "serve", "--only", "ingest,retry,manage")
	deliver := h.Spawn("homing", "serve", "--only", "deliver")
	h.WaitForQueues()
	p := h.probing(all)
	for _, probe := range []string{"direct", "brokered", "retry", "manage"} {
		wait(t, patience, probe, func() bool { return probed(p, probe, "success") > 0 })
		require.Positive(t, p.Metric("homing_probe_seconds", "probe", probe))
	}
	require.Zero(t, p.Metric("homing_probe_runs_total", "outcome", "corrupt"))

	deliver.Stop()
	listed := probed(p, "manage", "success")
	for _, probe := range []string{"direct", "brokered", "retry"} {
		wait(t, patience, probe, func() bool { return probed(p, probe, "missing") > 0 })
	}
	wait(t, patience, "manage", func() bool { return probed(p, "manage", "success") > listed })

	all.Stop()
	for _, probe := range []string{"direct", "retry", "manage"} {
		wait(t, patience, probe, func() bool { return probed(p, probe, "refused") > 0 })
	}
}

// TestProbesMakeWhatTheyNeedOnce: endpoints are found again by another process at another address, and without a broker
// there are no brokered ones, nor a metric that says they fail.
func TestProbesMakeWhatTheyNeedOnce(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	all := h.Start()
	first := h.probing(all)
	wait(t, patience, "the first", func() bool { return probed(first, "manage", "success") > 0 })
	require.NotContains(t, first.Get("/metrics"), `probe="brokered"`)
	first.Stop()

	second := h.probing(all)
	wait(t, patience, "the second", func() bool { return probed(second, "retry", "success") > 0 })
	c, err := api.New(all.Base, h.operatorKey(), api.WithTenant(probeTenant))
	require.NoError(t, err)
	endpoints, err := api.Collect(c.ListEndpoints(t.Context(), api.ListEndpointsParams{}), 10)
	require.NoError(t, err)
	require.Len(t, endpoints, 2)
	for _, e := range endpoints {
		require.True(t, strings.HasPrefix(e.URL, second.Base), e.URL)
	}
}
