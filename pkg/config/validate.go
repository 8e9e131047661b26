package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checks gathers problems.
type checks struct{ problems []Problem }

// that notes a problem with a variable unless ok.
func (k *checks) that(ok bool, variable, format string, args ...any) {
	if !ok {
		k.problems = append(k.problems, Problem{Variable: variable, Text: fmt.Sprintf(format, args...)})
	}
}

// within notes a problem unless a number is in a range.
func (k *checks) within(variable string, n, least, most int) {
	k.that(n >= least && n <= most, variable, "is %d; it must be %d to %d", n, least, most)
}

// span notes a problem unless a duration is in a range.
func (k *checks) span(variable string, d, least, most time.Duration) {
	k.that(d >= least && d <= most, variable, "is %v; it must be %v to %v", d, least, most)
}

// year bounds durations, so that no sum of them overflows.
const year = 365 * day

// Validate checks the settings one by one and together. Errors: *[Error].
func (c *Config) Validate() error {
	var k checks
	c.checkServer(&k)
	c.checkServices(&k)
	c.checkNeeds(&k)
	c.checkIngest(&k)
	c.checkDeliver(&k)
	c.checkPolicy(&k)
	c.checkRetry(&k)
	c.checkManage(&k)
	c.checkProbe(&k)
	if len(k.problems) > 0 {
		return sorted(k.problems)
	}
	return nil
}

// dnsName is a name as DNS has them (RFC 1123, section 2.1).
var dnsName = regexp.MustCompile(`^(` + dnsLabel + `\.)*` + dnsLabel + `$`)

const dnsLabel = `[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?`

func (c *Config) checkManage(k *checks) {
	m := &c.Manage
	k.that(m.HandshakeOrigin != "" || m.Handshake == HandshakeOff, "HOMING_HANDSHAKE_ORIGIN",
		"is not set; HOMING_HANDSHAKE=%s needs it", m.Handshake)
	k.that(m.HandshakeOrigin == "" || len(m.HandshakeOrigin) <= 253 && dnsName.MatchString(m.HandshakeOrigin),
		"HOMING_HANDSHAKE_ORIGIN", "is %q; it must be a DNS name like webhooks.example.com", bounded(m.HandshakeOrigin))
}

// checkProbe checks what the program of the probes needs; to the others its settings say nothing.
func (c *Config) checkProbe(k *checks) {
	p := &c.Probe
	k.scheme("HOMING_PROBE_RECEIVER", p.Receiver, "http", "https")
	k.scheme("HOMING_PROBE_INGEST", p.Ingest, "http", "https")
	k.scheme("HOMING_PROBE_BROKER", p.Broker, "http", "https")
	k.span("HOMING_PROBE_INTERVAL", p.Interval, time.Second, day)
	k.that(p.Timeout > 0 && p.Timeout < p.Interval, "HOMING_PROBE_TIMEOUT",
		"is %v; it must be below HOMING_PROBE_INTERVAL (%v)", p.Timeout, p.Interval)
	if c.Function != FunctionProbe {
		return
	}
	k.that(!p.Receiver.IsZero(), "HOMING_PROBE_RECEIVER",
		"is not set; set it to the base URL under which Homing reaches this program")
	k.that(!c.Client.APIKey.IsZero(), "HOMING_API_KEY", "is not set; `homing key create` makes one")
	k.that(tenantID.MatchString(c.Client.Tenant), "HOMING_TENANT",
		"names no tenant; the probes need one of their own, such as homing-probe")
}

// queueProxyPorts belong to Knative's queue-proxy, in the same pod.
var queueProxyPorts = []string{"8012", "8013", "8022", "9090", "9091"}

func (c *Config) checkServer(k *checks) {
	s := &c.Server
	addr, variable := c.ListenAddress()
	c.checkAddress(k, variable, addr)
	if s.MetricsListen != "" {
		c.checkAddress(k, "HOMING_METRICS_LISTEN", s.MetricsListen)
		k.that(s.MetricsListen != addr || strings.HasSuffix(addr, ":0"), "HOMING_METRICS_LISTEN",
			"is the address of everything else as well; leave it out for /metrics to be there")
	}
	k.span("HOMING_DRAIN_DELAY", s.DrainDelay, 0, time.Hour)
	least := s.DrainDelay + c.Policy.AttemptTimeout
	k.that(s.ShutdownTimeout >= least, "HOMING_SHUTDOWN_TIMEOUT", "is %v; it must be at least HOMING_DRAIN_DELAY and "+
		"HOMING_ATTEMPT_TIMEOUT together (%v), or each deployment interrupts attempts", s.ShutdownTimeout, least)
	k.span("HOMING_SHUTDOWN_TIMEOUT", s.ShutdownTimeout, time.Second, time.Hour)
}

// checkAddress checks host:port.
func (c *Config) checkAddress(k *checks, variable, addr string) {
	_, port, err := net.SplitHostPort(addr)
	n, numberErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numberErr != nil || variable == "PORT" && n == 0 {
		k.that(variable != "PORT", variable, "is %s; it must be a port, 1 to 65535", strings.TrimPrefix(addr, ":"))
		k.that(variable == "PORT", variable, "is %q; write host:port, such as 127.0.0.1:8080 or :8080", bounded(addr))
		return
	}
	k.that(c.Mode() != ModeKnative || !slices.Contains(queueProxyPorts, port), variable,
		"has port %s, which belongs to Knative's queue-proxy; take another", port)
}

func (c *Config) checkServices(k *checks) {
	s := &c.Services
	k.scheme("DATABASE_URL", s.DatabaseURL, "postgres", "postgresql")
	k.scheme("REDIS_URL", s.RedisURL, "redis", "rediss", "unix")
	k.scheme("RABBITMQ_URL", s.RabbitMQURL, "amqp", "amqps")
	k.scheme("K_SINK", c.Knative.Sink, "http", "https")
	k.scheme("OTEL_EXPORTER_OTLP_ENDPOINT", c.Telemetry.OTLPEndpoint, "http", "https")
	k.scheme("HOMING_SERVER", c.Client.Server, "http", "https")
	k.scheme("HOMING_OUTBOUND_PROXY", c.Deliver.OutboundProxy, "http", "https")
	k.within("HOMING_DATABASE_POOL", s.DatabasePool, 2, 1000)
	k.that(!strings.ContainsAny(s.DatabaseRole, " \t\n\x00"), "HOMING_DATABASE_ROLE", "is %q; it must be one word",
		bounded(s.DatabaseRole))
	k.within("HOMING_REDIS_POOL", s.RedisPool, 1, 1000)
	k.span("HOMING_REDIS_TIMEOUT", s.RedisTimeout, time.Millisecond, time.Minute)
	k.within("HOMING_PARTITIONS", s.Partitions, 1, 64)
	k.that(s.RedisPrefix != "" && !strings.ContainsAny(s.RedisPrefix, "{} \t\n"), "HOMING_REDIS_PREFIX",
		"is %q; it must be a word without braces and spaces", bounded(s.RedisPrefix))
}

// scheme notes a problem unless a URL, if there is one, has one of the schemes and a host where it needs one.
func (k *checks) scheme(variable string, u URL, schemes ...string) {
	if u.IsZero() {
		return
	}
	got := u.URL()
	k.that(slices.Contains(schemes, got.Scheme), variable, "begins with %q; it must be %s://", bounded(got.Scheme),
		strings.Join(schemes, ":// or "))
	needsHost := strings.HasPrefix(got.Scheme, "http") || strings.HasPrefix(got.Scheme, "amqp")
	k.that(!needsHost || got.Host != "", variable, "names no host")
}

// checkNeeds checks that the function has the services that it cannot do without, where it runs.
func (c *Config) checkNeeds(k *checks) {
	if c.Function == FunctionCommand || c.Function == FunctionProbe {
		return
	}
	mode, whole := c.Mode(), c.Function == FunctionLocal && len(c.Only) == 0
	noDatabase := c.Services.DatabaseURL.IsZero()
	k.that(!noDatabase || whole && mode != ModeKnative, "DATABASE_URL",
		"is not set; set it to postgres://user:password@host:5432/database (only `homing serve` without --only, outside "+
			"Knative, runs a Postgres of its own)")
	k.that(!noDatabase || !whole || c.DataDirectory() != "", "HOMING_DATA_DIR",
		"is not set, and neither is HOME; set one of them, or DATABASE_URL")
	c.checkBus(k, whole)
	usesTimers := c.runs(FunctionDeliver) || c.runs(FunctionRetry)
	k.that(mode != ModeKnative || !usesTimers || c.Timers() != BackendMemory, "REDIS_URL",
		"is not set; on Knative nothing is kept in memory, for processes come and go")
	parks := whole || c.runs(FunctionRetry) || c.runs(FunctionIngest) && c.Ingest.Face != FacePublic
	k.that(mode != ModeKnative || !parks || !c.Services.RabbitMQURL.IsZero(), "RABBITMQ_URL",
		"is not set; ingest parks events there while Postgres is away, and retry fetches them")
	seals := c.runs(FunctionDeliver) || c.runs(FunctionManage)
	k.that(mode == ModeEmbedded || !seals || len(c.Security.EncryptionKeys) > 0, "HOMING_ENCRYPTION_KEYS",
		"is not set; make a key with `openssl rand -base64 32`, and set it to k1: and that key, for all functions alike")
	k.that(mode != ModeKnative || c.Function != FunctionIngest || c.Ingest.Face != FaceBoth, "HOMING_INGEST_FACE",
		"is both; on Knative set it to public or to broker, each in a service of its own")
}

// checkBus checks that functions in processes of their own hear from each other.
func (c *Config) checkBus(k *checks, whole bool) {
	mode, inMemory := c.Mode(), c.Bus() == BackendMemory
	if c.Function == FunctionLocal && mode != ModeKnative {
		k.that(!inMemory || whole, "RABBITMQ_URL", "is not set; with --only the other functions are processes of their own "+
			"and would not hear from this one: set it to amqp://user:password@host:5672/, or leave --only out")
		return
	}
	k.that(!inMemory, "K_SINK", "is not set, and neither is RABBITMQ_URL; the functions would not hear from each other")
}

// MaxParked is the largest HOMING_MAX_PAYLOAD that can be parked: in base64, with its attributes, it fits one message.
const MaxParked = 5 << 20

func (c *Config) checkIngest(k *checks) {
	i := &c.Ingest
	k.within("HOMING_MAX_PAYLOAD", int(i.MaxPayload), 1, 64<<20)
	k.that(c.Services.RabbitMQURL.IsZero() || i.MaxPayload <= MaxParked, "HOMING_MAX_PAYLOAD",
		"is %d; it may be %d at most together with RABBITMQ_URL: what is larger could not be parked there while Postgres "+
			"is away", i.MaxPayload, MaxParked)
	k.that(i.BrokerSignatures == SignaturesOff || i.BrokerSignatures == "" || len(i.BrokerSigningKeys) > 0,
		"HOMING_BROKER_SIGNING_KEYS", "is not set; HOMING_BROKER_SIGNATURES=%s needs it", i.BrokerSignatures)
	k.span("HOMING_DEDUPE_WINDOW", i.DedupeWindow, time.Minute, 10*year)
	k.within("HOMING_REJECTED_PER_DAY", i.RejectedPerDay, 0, 1_000_000)
	k.within("HOMING_ACCEPT_GROUP_ITEMS", i.GroupItems, 1, 10_000)
	k.within("HOMING_ACCEPT_GROUP_BYTES", int(i.GroupBytes), 1, 256<<20)
	k.that(i.GroupWriters >= 1 && i.GroupWriters < c.Services.DatabasePool, "HOMING_ACCEPT_WRITERS",
		"is %d; it must be at least 1 and below HOMING_DATABASE_POOL (%d)", i.GroupWriters, c.Services.DatabasePool)
}

func (c *Config) checkDeliver(k *checks) {
	d := &c.Deliver
	k.within("HOMING_SLOTS", d.Slots, 1, 100_000)
	k.within("HOMING_ENDPOINT_SHARE", d.EndpointShare, 1, 100)
	k.within("HOMING_TENANT_SHARE", d.TenantShare, 1, 100)
	k.within("HOMING_HOST_SHARE", d.HostShare, 1, 100)
	k.span("HOMING_HOLD_BUDGET", d.HoldBudget, 0, 10*time.Minute)
	k.within("HOMING_CLAIM_ITEMS", d.ClaimItems, 1, 10_000)
	k.that(d.ClaimBytes >= c.Ingest.MaxPayload, "HOMING_CLAIM_BYTES",
		"is %d; it must be at least HOMING_MAX_PAYLOAD (%d)", d.ClaimBytes, c.Ingest.MaxPayload)
	whole := c.Policy.AttemptTimeout
	for _, phase := range []struct {
		variable string
		limit    time.Duration
	}{
		{"HOMING_CONNECT_TIMEOUT", d.ConnectTimeout},
		{"HOMING_TLS_TIMEOUT", d.TLSTimeout},
		{"HOMING_FIRST_BYTE_TIMEOUT", d.FirstByteTimeout},
	} {
		k.that(phase.limit >= time.Millisecond && phase.limit <= whole, phase.variable,
			"is %v; it must be 1ms to HOMING_ATTEMPT_TIMEOUT (%v)", phase.limit, whole)
	}
	k.within("HOMING_RESPONSE_KEPT", int(d.ResponseKept), 0, 1<<20)
	k.that(d.ResponseRead >= d.ResponseKept && d.ResponseRead <= 64<<20, "HOMING_RESPONSE_READ",
		"is %d; it must be HOMING_RESPONSE_KEPT (%d) to %d", d.ResponseRead, d.ResponseKept, 64<<20)
}

func (c *Config) checkPolicy(k *checks) {
	p := &c.Policy
	for i, wait := range p.Schedule {
		k.that(wait <= year, "HOMING_SCHEDULE", "has %v in step %d; a step may be a year at most", wait, i+1)
	}
	k.within("HOMING_SCHEDULE", len(p.Schedule), 1, MaxAttempts)
	k.span("HOMING_ATTEMPT_TIMEOUT", p.AttemptTimeout, 100*time.Millisecond, 10*time.Minute)
	k.span("HOMING_LEASE_MARGIN", p.LeaseMargin, time.Second, time.Hour)
	k.span("HOMING_WAKE_GRACE", p.WakeGrace, time.Second, day)
	k.that(p.PushCap >= p.WakeGrace && p.PushCap <= year, "HOMING_PUSH_CAP",
		"is %v; it must be HOMING_WAKE_GRACE (%v) to a year", p.PushCap, p.WakeGrace)
	k.span("HOMING_HELD_PUSH", p.HeldPush, time.Minute, year)
	k.that(p.Horizon >= c.Retry.Tick && p.Horizon <= year, "HOMING_HORIZON",
		"is %v; it must be HOMING_TICK (%v) to a year", p.Horizon, c.Retry.Tick)
	k.span("HOMING_EXPIRY_SLACK", p.ExpirySlack, 0, year)
}

// tenantID is what a tenant's id looks like.
var tenantID = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func (c *Config) checkRetry(k *checks) {
	r := &c.Retry
	k.span("HOMING_TICK", r.Tick, time.Second, time.Hour)
	k.within("HOMING_RETRY_BATCH", r.Batch, 1, 10_000)
	k.within("HOMING_RETRY_PER_ENDPOINT", r.PerEndpoint, 1, 10_000)
	k.that(r.RetentionEvents > c.Ingest.DedupeWindow && r.RetentionEvents <= 10*year, "HOMING_RETENTION_EVENTS",
		"is %v; it must be above HOMING_DEDUPE_WINDOW (%v), up to ten years", r.RetentionEvents, c.Ingest.DedupeWindow)
	k.that(r.RetentionAttempts >= time.Hour && r.RetentionAttempts <= r.RetentionEvents, "HOMING_RETENTION_ATTEMPTS",
		"is %v; it must be 1h to HOMING_RETENTION_EVENTS (%v)", r.RetentionAttempts, r.RetentionEvents)
	k.span("HOMING_RETENTION_REJECTED", r.RetentionRejected, time.Hour, 10*year)
	k.span("HOMING_RETENTION_STATS", r.RetentionStats, 2*time.Hour, 10*year)
	k.that(r.OperatorTenant == "" || tenantID.MatchString(r.OperatorTenant), "HOMING_OPERATOR_TENANT",
		"is no tenant's id: 1 to 64 of a-z, 0-9, _ and -")
	k.span("HOMING_FAILING_WINDOW", r.FailingWindow, 5*time.Minute, day)
	k.within("HOMING_FAILING_ATTEMPTS", r.FailingAttempts, 1, 1_000_000)
	k.within("HOMING_FAILING_BELOW", r.FailingBelow, 0, 100)
	k.span("HOMING_PARTITIONS_AHEAD", r.PartitionsAhead, 7*day, year)
	k.that(r.HousekeepEvery >= r.Tick && r.HousekeepEvery <= day, "HOMING_HOUSEKEEP_EVERY",
		"is %v; it must be HOMING_TICK (%v) to 24h", r.HousekeepEvery, r.Tick)
	k.within("HOMING_API_REQUESTS_PER_MINUTE", c.Manage.RequestsPerMinute, 0, 1_000_000)
	k.within("HOMING_WRONG_KEYS_PER_MINUTE", c.Security.WrongKeysPerMinute, 0, 1_000_000)
	k.span("HOMING_SECRET_OVERLAP", c.Security.SecretOverlap, 0, year)
}
