package config

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Mode is where a process runs, as far as it matters.
type Mode string

// The modes.
const (
	// ModeEmbedded: `homing serve` with a private Postgres of its own, because there is no DATABASE_URL.
	ModeEmbedded Mode = "embedded"
	// ModeServices: outside Knative with the services that are named.
	ModeServices Mode = "services"
	// ModeKnative: on Knative (K_SERVICE is set); no back end is in memory.
	ModeKnative Mode = "knative"
)

// Backend is what is behind a seam.
type Backend string

// The back ends.
const (
	BackendMemory  Backend = "memory"
	BackendRedis   Backend = "redis"
	BackendAMQP    Backend = "amqp"
	BackendKnative Backend = "knative"
)

// DefaultListen is the address of a process that was told nothing else.
const DefaultListen = "127.0.0.1:8080"

// knativeMetricsPort is where /metrics is on Knative: the port that OpenTelemetry uses for Prometheus by default.
const knativeMetricsPort = "9464"

// Mode says where the process runs.
func (c *Config) Mode() Mode {
	switch {
	case c.Knative.Service != "":
		return ModeKnative
	case c.Services.DatabaseURL.IsZero():
		return ModeEmbedded
	default:
		return ModeServices
	}
}

// IsSet reports whether the environment has a variable, and not empty, so that its value is no default.
func (c *Config) IsSet(variable string) bool { return c.set[variable] }

// runs reports whether a function is, or is part of, what the process is.
func (c *Config) runs(f Function) bool {
	return c.Function == f || c.Function == FunctionLocal && (len(c.Only) == 0 || slices.Contains(c.Only, f))
}

// Bus says what carries hints: the Knative broker if there is one, else RabbitMQ, else memory.
func (c *Config) Bus() Backend {
	switch {
	case !c.Knative.Sink.IsZero():
		return BackendKnative
	case !c.Services.RabbitMQURL.IsZero():
		return BackendAMQP
	default:
		return BackendMemory
	}
}

// Timers says where timers and rate limits are: Redis if there is one, else memory.
func (c *Config) Timers() Backend {
	if c.Services.RedisURL.IsZero() {
		return BackendMemory
	}
	return BackendRedis
}

// ListenAddress is where to listen, and the variable that it comes from.
func (c *Config) ListenAddress() (addr, variable string) {
	switch {
	case c.Server.Listen != "":
		return c.Server.Listen, "HOMING_LISTEN"
	case c.Server.Port != 0:
		return ":" + strconv.Itoa(c.Server.Port), "PORT"
	default:
		return DefaultListen, "HOMING_LISTEN"
	}
}

// MetricsAddress is where /metrics is; "" means at the address of everything else.
func (c *Config) MetricsAddress() string {
	if c.Server.MetricsListen == "" && c.Mode() == ModeKnative {
		return ":" + knativeMetricsPort
	}
	return c.Server.MetricsListen
}

// DataDirectory is where embedded mode keeps its data; "" when that is not known.
func (c *Config) DataDirectory() string { return cmp.Or(c.Services.DataDir, c.home) }

// LoopbackAllowed reports whether deliveries to loopback addresses are allowed although no setting says so: in embedded
// mode, while only this machine can reach the process.
func (c *Config) LoopbackAllowed() bool {
	addr, _ := c.ListenAddress()
	host, _, err := net.SplitHostPort(addr)
	if err != nil || c.Mode() != ModeEmbedded {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// WebhookPolicy is the policy in the domain's words.
func (c *Config) WebhookPolicy() webhook.Policy {
	p := &c.Policy
	return webhook.Policy{
		Schedule:    []time.Duration(p.Schedule),
		Timeout:     p.AttemptTimeout,
		LeaseMargin: p.LeaseMargin,
		WakeGrace:   p.WakeGrace,
		PushCap:     p.PushCap,
		HeldPush:    p.HeldPush,
		Horizon:     p.Horizon,
		ExpirySlack: p.ExpirySlack,
	}
}
