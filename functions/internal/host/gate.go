package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/gate/fallback"
	gatememory "github.com/homing-hooks/homing/pkg/gate/memory"
	gateredis "github.com/homing-hooks/homing/pkg/gate/redis"
	"github.com/homing-hooks/homing/pkg/server"
)

// openGate opens what grants sends to endpoints with a rate limit: shared over Redis where there is one.
func (h *Host) openGate() (gate.Gate, error) {
	if h.cfg.Timers() == config.BackendMemory {
		return gatememory.New(), nil
	}
	s := &h.cfg.Services
	shared, err := gateredis.Open(s.RedisURL.Reveal(), gateredis.Options{
		Prefix: s.RedisPrefix + ":", Timeout: s.RedisTimeout, PoolSize: s.RedisPool,
	})
	if err != nil {
		return nil, fmt.Errorf("host: REDIS_URL: %w", err)
	}
	g := fallback.New(shared, gatememory.New(), fallbackOptions(s.RedisTimeout, h.tel.Registry(), h.log))
	h.services = append(h.services, server.Part{Name: "gate", Stop: func(context.Context) error { return g.Close() }})
	return g, nil
}

// fallbackOptions lets Redis take its time, and makes it known when rate limits are not shared: then each process
// grants an endpoint its whole rate.
func fallbackOptions(timeout time.Duration, r prometheus.Registerer, log *slog.Logger) fallback.Options {
	f := promauto.With(r)
	shared := f.NewGauge(prometheus.GaugeOpts{
		Name: "homing_deliver_gate_shared",
		Help: "1 while rate limits are shared with the other processes, 0 while this one keeps them by itself.",
	})
	local := f.NewCounter(prometheus.CounterOpts{
		Name: "homing_deliver_gate_local_total", Help: "Grants of sends that were made without asking Redis.",
	})
	shared.Set(1)
	return fallback.Options{
		Timeout: timeout,
		OnLocal: func(context.Context, error) { local.Inc() },
		OnChange: func(ctx context.Context, now fallback.State) {
			if now == fallback.Primary {
				shared.Set(1)
				log.InfoContext(ctx, "rate limits are shared again")
				return
			}
			shared.Set(0)
			log.WarnContext(ctx, "Redis does not answer: this process keeps rate limits by itself")
		},
	}
}
