package host

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/homing-hooks/homing/eventing"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/bus/knative"
	busmemory "github.com/homing-hooks/homing/pkg/bus/memory"
	"github.com/homing-hooks/homing/pkg/clock"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/timer"
	timermemory "github.com/homing-hooks/homing/pkg/timer/memory"
	timerredis "github.com/homing-hooks/homing/pkg/timer/redis"
)

// loopback is what may be sent to in embedded mode.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// open opens what every function needs: telemetry, the store, the clock and the bus.
func (h *Host) open(local func() time.Time) error {
	tel, err := telemetry.New(h.cfg, Version, h.log)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	h.tel = tel
	h.services = append(h.services, server.Part{Name: "telemetry", Stop: func(ctx context.Context) error {
		if err := tel.Shutdown(ctx); err != nil { // no reason to call the end a failure: everything else is done
			h.log.WarnContext(ctx, "not all metrics and spans were sent", "error", err)
		}
		return nil
	}})
	if err := h.openStore(local); err != nil {
		return err
	}
	h.hints = newHints(h.tel.Registry(), h.log, h.clock.Now)
	if h.bus, err = h.openBus(); err != nil {
		return fmt.Errorf("host: bus: %w", err)
	}
	h.services = append(h.services, server.Part{Name: "bus", Stop: h.bus.Close})
	return nil
}

func (h *Host) openStore(local func() time.Time) error {
	keyring, err := Keyring(h.cfg)
	if err != nil {
		return err
	}
	s, err := postgres.Open(context.Background(), h.cfg.Database(), postgres.Options{
		Policy: h.policy, DedupeWindow: h.cfg.Ingest.DedupeWindow, Keyring: keyring, MaxConns: h.cfg.Services.DatabasePool,
		Role: h.cfg.Services.DatabaseRole, Logger: h.log,
	})
	if err != nil {
		return fmt.Errorf("host: DATABASE_URL: %w", err)
	}
	h.store = s
	h.clock = clock.New(s.Now, local)
	h.services = append(h.services,
		server.Part{Name: "store", Stop: func(context.Context) error { s.Close(); return nil }},
		server.Part{Name: "clock", Start: func(ctx context.Context) error {
			// Without the store's time the process's own must do, until the next measurement.
			if err := h.clock.Measure(ctx); err != nil {
				h.log.WarnContext(ctx, "the database cannot be asked for its time yet", "error", err)
			}
			return nil
		}},
	)
	return nil
}

// Keyring makes the keyring of the settings.
func Keyring(cfg *config.Config) (seal.Keyring, error) {
	texts := make([]string, len(cfg.Security.EncryptionKeys))
	for i, k := range cfg.Security.EncryptionKeys {
		texts[i] = k.ID + ":" + base64.StdEncoding.EncodeToString(k.Reveal())
	}
	ring, err := seal.Parse(strings.Join(texts, ","))
	if err != nil {
		return ring, fmt.Errorf("host: HOMING_ENCRYPTION_KEYS: %w", err)
	}
	return ring, nil
}

func (h *Host) openBus() (bus.Bus, error) {
	switch h.cfg.Bus() {
	case config.BackendKnative:
		b, err := knative.New(knative.Config{Sinks: map[string]string{
			bus.BrokerDeliveries: h.cfg.Knative.Sink.Reveal(),
		}})
		if err != nil {
			return nil, err
		}
		if h.cfg.Function == config.FunctionIngest || h.cfg.Function == config.FunctionManage { // these get no hints
			return b, nil
		}
		h.routes["/"], err = h.deadHints(b.Handler())
		return b, err
	case config.BackendAMQP:
		return amqp.New(amqp.Config{
			Link: h.link("bus"), Dropped: h.hints.giveUp,
			Undecodable: func(ctx context.Context, u bus.Undecodable) error {
				if h.undecodable == nil {
					return nil // it can only be a hint, and those may be lost
				}
				return h.undecodable(ctx, u)
			},
		})
	default:
		return busmemory.New(busmemory.Config{Dropped: h.hints.giveUp}), nil
	}
}

// link says how to reach RabbitMQ.
func (h *Host) link(what string) link.Config {
	return link.Config{
		URL: h.cfg.Services.RabbitMQURL.Reveal(), Name: fmt.Sprintf("homing %s %s", h.cfg.Function, what), Logger: h.log,
	}
}

// openParking opens the place for events that come while the store is away; there is none without RabbitMQ.
func (h *Host) openParking() error {
	if h.parking != nil || h.cfg.Services.RabbitMQURL.IsZero() {
		return nil
	}
	p, err := parking.New(parking.Config{Link: h.link("parking"), MaxBody: parkedSize(int(h.cfg.Ingest.MaxPayload))})
	if err != nil {
		return fmt.Errorf("host: parking: %w", err)
	}
	h.parking = p
	h.services = append(h.services, server.Part{Name: "parking", Stop: p.Close})
	return nil
}

// parkedSize is how many bytes an event with a payload of n may have where it is parked: the payload in base64, and
// attributes.
func parkedSize(n int) int {
	return max(parking.MaxBodyDefault, base64.StdEncoding.EncodedLen(n)+parking.MaxHeader)
}

func (h *Host) openTimers() (timer.Timer, error) {
	if h.cfg.Timers() == config.BackendMemory {
		return timermemory.New(), nil
	}
	s := &h.cfg.Services
	t, err := timerredis.Open(s.RedisURL.Reveal(), timerredis.Options{
		Prefix: s.RedisPrefix + ":", Timeout: s.RedisTimeout, PoolSize: s.RedisPool,
	})
	if err != nil {
		return nil, fmt.Errorf("host: REDIS_URL: %w", err)
	}
	h.services = append(h.services, server.Part{Name: "timers", Stop: func(context.Context) error { return t.Close() }})
	return t, nil
}

// on subscribes a function to its triggers, as eventing/ has them.
func (h *Host) on(function config.Function, handler func(trigger string) bus.Handler) error {
	triggers, err := eventing.Triggers(h.cfg.Services.Partitions)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	for _, t := range triggers {
		if t.Subscriber != string(function) {
			continue
		}
		if t.Broker == bus.BrokerDeliveries {
			h.hints.givenUp.WithLabelValues(t.Name)
		}
		h.subscriptions = append(h.subscriptions, subscription{
			Subscription: bus.Subscription{
				Name: t.Name, Broker: t.Broker, Filter: t.Filter, Parallelism: t.Parallelism,
				Durable: t.Broker == bus.BrokerEvents,
			},
			handler: handler(t.Name),
		})
	}
	return nil
}
