package host

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/gate/fallback"
	gatememory "github.com/homing-hooks/homing/pkg/gate/memory"
	gateredis "github.com/homing-hooks/homing/pkg/gate/redis"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestUnsharedRateLimitsAreSeen: the limits are looser then, which somebody should know.
func TestUnsharedRateLimitsAreSeen(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	// Nobody listens there.
	away, err := gateredis.Open("redis://127.0.0.1:1/0", gateredis.Options{Prefix: "test:"})
	require.NoError(t, err)
	g := fallback.New(away, gatememory.New(), observeGate(registry, slog.New(slog.DiscardHandler)))
	defer g.Close()
	require.Equal(t, map[string]float64{"homing_deliver_gate_shared": 1, "homing_deliver_gate_local_total": 0},
		gathered(t, registry))
	now := time.Now()
	for range fallback.FailuresDefault {
		grants, err := g.Take(t.Context(), now, []gate.Request{{Endpoint: webhook.ID{1}, PerSecond: 10, Want: 1}})
		require.NoError(t, err)
		require.Equal(t, 1, grants[0].Granted)
	}
	require.Equal(t, map[string]float64{"homing_deliver_gate_shared": 0, "homing_deliver_gate_local_total": 3},
		gathered(t, registry))
}

// gathered returns the values of a registry's gauges and counters.
func gathered(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			values[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestTheLargestPayloadCanBeParked(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, parkedSize(config.MaxParked), link.MaxBody)
	require.Greater(t, parkedSize(2<<20), 2<<20)
}

func TestUntidyPathsAreNotRedirected(t *testing.T) {
	t.Parallel()
	r := routes{"/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })}
	for path, want := range map[string]int{
		"/": http.StatusAccepted, "//": http.StatusNotFound, "/x/..": http.StatusNotFound, "/events": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		req.URL.Path = path
		r.ServeHTTP(w, req)
		require.Equal(t, want, w.Code, "%s: a broker would take a redirect for success", path)
	}
}
