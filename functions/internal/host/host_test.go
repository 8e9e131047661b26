package host

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestUnsharedRateLimitsAreSeen: the limits are looser then, which somebody should know.
func TestUnsharedRateLimitsAreSeen(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	// Nobody listens there.
	away, err := gateredis.Open("redis://127.0.0.1:1/0", gateredis.Options{Prefix: "test:"})
	require.NoError(t, err)
	g := fallback.New(away, gatememory.New(), fallbackOptions(time.Second, registry, slog.New(slog.DiscardHandler)))
	defer g.Close()
	require.Equal(t, map[string]float64{"homing_deliver_gate_shared": 1, "homing_deliver_gate_local_total": 0},
		gathered(t, registry))
	now := time.Now()
	for range fallback.FailuresDefault {
		grants, err := g.Take(t.Context(), now, []gate.Request{{Endpoint: webhook.ID{1}, PerMinute: 600, Want: 1}})
		require.NoError(t, err)
		require.Equal(t, 1, grants[0].Granted)
	}
	require.Equal(t, map[string]float64{"homing_deliver_gate_shared": 0, "homing_deliver_gate_local_total": 3},
		gathered(t, registry))
}

// TestRedisMayTakeTheTimeThatItIsGiven: also more than the fallback would give it by itself.
func TestRedisMayTakeTheTimeThatItIsGiven(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	slow := slowly(t, testenv.Redis(t), 3*fallback.TimeoutDefault)
	cfg, err := config.Load(config.FunctionDeliver, append(c.settings, "REDIS_URL="+slow, "HOMING_REDIS_TIMEOUT=1m"))
	require.NoError(t, err)
	h, err := New(cfg, slog.New(slog.DiscardHandler), time.Now)
	require.NoError(t, err)
	g, err := h.openGate()
	require.NoError(t, err)
	defer g.Close()
	_, err = g.Take(t.Context(), time.Now(), []gate.Request{{Endpoint: webhook.ID{1}, PerMinute: 600, Want: 1}})
	require.NoError(t, err)
	require.Zero(t, gathered(t, h.tel.Registry())["homing_deliver_gate_local_total"], "Redis was given up")
}

// slowly returns the URL of a Redis by way of a connection on which answers take a while.
func slowly(t *testing.T, address string, delay time.Duration) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	target := u.Host
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go relay(client, target, delay)
		}
	}()
	u.Host = l.Addr().String()
	return u.String()
}

// relay passes on what two sides say, one of them late, until either ends.
func relay(client net.Conn, target string, delay time.Duration) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	for b := make([]byte, 4096); ; {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		<-time.After(delay)
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
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
