package config

import "time"

// Config is every setting. The comments of the fields are written for operators: they become docs/configuration.md.
type Config struct {
	// Function is what the process is; it is not from the environment, and set by Parse.
	Function Function `env:"-"`
	// Only are the functions that a local process is made of; none means all. It is not from the environment either, and
	// set before Validate.
	Only []Function `env:"-"`

	Server    Server
	Services  Services
	Ingest    Ingest
	Deliver   Deliver
	Policy    Policy
	Retry     Retry
	Manage    Manage
	Security  Security
	Knative   Knative
	Telemetry Telemetry
	Client    Client
	Probe     Probe

	home     string          // where DataDirectory is when nothing says so
	database string          // that of Embed; may hold a password
	set      map[string]bool // the variables that are set
}

// Server says where the process listens and how it ends.
type Server struct {
	// The address to listen on, host:port; port 0 takes any that is free. When it is not set, the process listens on all
	// addresses at PORT if that is set (Knative does), and else on 127.0.0.1:8080. In embedded mode, deliveries to
	// loopback addresses are allowed as long as this is a loopback address.
	Listen string `env:"HOMING_LISTEN"`
	// The port to listen on, as Knative and other platforms give it. HOMING_LISTEN goes before it.
	Port int `env:"PORT"`
	// The address of /metrics, host:port. When it is not set, that is the address of everything else, except on Knative,
	// where it is port 9464, for there the main port may be public. Not 9090 or 9091 on Knative: they are queue-proxy's.
	MetricsListen string `env:"HOMING_METRICS_LISTEN"`
	// How long the process waits, after it has said that it is no longer ready, until it stops listening. 0 is right on
	// Knative, where queue-proxy drains first; a load balancer that polls /readyz needs two of its intervals.
	DrainDelay time.Duration `env:"HOMING_DRAIN_DELAY" envDefault:"0s"`
	// How long the process may take to end, from when it is told to: HOMING_DRAIN_DELAY, then what is in flight, then the
	// rest. At least HOMING_DRAIN_DELAY and HOMING_ATTEMPT_TIMEOUT together, or each deployment would interrupt attempts;
	// less, by some 3 s, than the platform's own patience, for traces and metrics are sent at the very end.
	ShutdownTimeout time.Duration `env:"HOMING_SHUTDOWN_TIMEOUT" envDefault:"25s"`
}

// Services names the other systems. `homing serve` needs none of them; on Knative each function needs its own.
type Services struct {
	// The Postgres to store everything in: postgres://user:password@host:5432/database. When it is not set, `homing serve`
	// runs a private one of its own in HOMING_DATA_DIR (embedded mode); the functions refuse to start.
	DatabaseURL URL `env:"DATABASE_URL"`
	// The most connections to Postgres that one process opens. Times the most processes of all functions, it must stay
	// below Postgres's max_connections.
	DatabasePool int `env:"HOMING_DATABASE_POOL" envDefault:"8"`
	// The database role to take on in every connection, for a user of DATABASE_URL that is a member of several:
	// homing_ingest, homing_deliver, homing_retry or homing_manage, each of which may do what its function does and no
	// more. Not set: the user's own rights.
	DatabaseRole string `env:"HOMING_DATABASE_ROLE"`
	// The Redis for timers and rate limits: redis://host:6379/0, or rediss:// for TLS. When it is not set, they are kept
	// in memory, which is right for one process only. Everything in it may be lost at any time.
	RedisURL URL `env:"REDIS_URL"`
	// The most connections to Redis that one process opens.
	RedisPool int `env:"HOMING_REDIS_POOL" envDefault:"10"`
	// How long one question to Redis may take. Short: without an answer the process goes on with limits of its own.
	RedisTimeout time.Duration `env:"HOMING_REDIS_TIMEOUT" envDefault:"250ms"`
	// The beginning of every key in Redis, so that several installations can share one.
	RedisPrefix string `env:"HOMING_REDIS_PREFIX" envDefault:"homing"`
	// The RabbitMQ: amqp://user:password@host:5672/vhost, or amqps:// for TLS. Outside Knative it is the bus between the
	// processes (when it is not set, and neither is K_SINK, the bus is in memory, for one process only). Everywhere it is
	// where ingest parks events while Postgres is away, and where retry fetches them.
	RabbitMQURL URL `env:"RABBITMQ_URL"`
	// Where `homing serve` keeps its private Postgres and its keys in embedded mode. When it is not set: homing in
	// $XDG_DATA_HOME, or else $HOME/.local/share/homing.
	DataDir string `env:"HOMING_DATA_DIR"`
	// Into how many partitions hints are divided; each is a trigger of its own, so more of them carry more deliveries a
	// second. It must be the same for all functions, and on Knative the number of the triggers deliver-due-0, -1, ... in
	// the cluster: what is of another partition waits for the reconciler. At most 64.
	Partitions int `env:"HOMING_PARTITIONS" envDefault:"1"`
}

// Ingest says what is accepted.
type Ingest struct {
	// Which face the process shows: public (POST /v1/events, with an API key), broker (what comes from the events broker:
	// on Knative POST /, from a trigger inside the cluster; elsewhere a subscription over RABBITMQ_URL, and no path), or
	// both. On Knative ingest must be one of the two.
	Face Face `env:"HOMING_INGEST_FACE" envDefault:"both"`
	// The largest body of an event. At most 5MiB together with RABBITMQ_URL, where events are parked.
	MaxPayload Bytes `env:"HOMING_MAX_PAYLOAD" envDefault:"1MiB"`
	// The tenants that events from the broker may name, in their extension `tenant`. Not set: all of them.
	BrokerTenants List `env:"HOMING_BROKER_TENANTS"`
	// Whether events from the broker must carry a signature of their producer, in their extension `homingsignature`,
	// before they are taken for the tenant that they name: off (none is looked at), check (one that is wrong is refused,
	// and none is not: while producers begin to sign) or require. What is refused is kept with the rejected events of
	// operators. The same for ingest and retry, which takes events again.
	BrokerSignatures Signatures `env:"HOMING_BROKER_SIGNATURES" envDefault:"off"`
	// The secrets from which the producers' keys are derived, one key for each tenant (`homing key broker --tenant acme`),
	// as id:base64 of 32 random bytes, separated by commas. The first one makes keys, all of them are accepted: to rotate,
	// put a new one first, hand out its keys, and remove the old one.
	BrokerSigningKeys Keys `env:"HOMING_BROKER_SIGNING_KEYS"`
	// For how long an event with the source and id of an earlier one is a duplicate, which is answered and not stored.
	DedupeWindow time.Duration `env:"HOMING_DEDUPE_WINDOW" envDefault:"24h"`
	// How many events that cannot be accepted are kept, per tenant and day; the rest is only counted. 0 keeps none.
	RejectedPerDay int `env:"HOMING_REJECTED_PER_DAY" envDefault:"1000"`
	// The most events that are stored in one commit.
	GroupItems int `env:"HOMING_ACCEPT_GROUP_ITEMS" envDefault:"500"`
	// The most bytes of events, deliveries included, that are stored in one commit. An event above it commits alone.
	GroupBytes Bytes `env:"HOMING_ACCEPT_GROUP_BYTES" envDefault:"8MiB"`
	// How many commits of events may be under way at once. With more of them each stores fewer events and so costs more
	// CPU, but an event waits less for the commit before it. Below HOMING_DATABASE_POOL, so that something else can be
	// asked.
	GroupWriters int `env:"HOMING_ACCEPT_WRITERS" envDefault:"1"`
}

// Deliver says how endpoints are sent to.
type Deliver struct {
	// How many POSTs one process may have in flight. A few thousand need some 100 MiB of memory and as many file
	// descriptors, beside their payloads: where those are large, so many payloads must fit into memory.
	Slots int `env:"HOMING_SLOTS" envDefault:"3000"`
	// The largest part of the slots that one endpoint may hold, in percent. Within it the share adapts to how the
	// endpoint does.
	EndpointShare int `env:"HOMING_ENDPOINT_SHARE" envDefault:"25"`
	// The largest part of the slots that the endpoints of one tenant may hold, in percent.
	TenantShare int `env:"HOMING_TENANT_SHARE" envDefault:"50"`
	// The largest part of the slots that the endpoints at one host may hold, in percent.
	HostShare int `env:"HOMING_HOST_SHARE" envDefault:"50"`
	// How long a request to deliver waits for its deliveries. They go on afterwards; longer keeps a dispatcher from
	// handing out more.
	HoldBudget time.Duration `env:"HOMING_HOLD_BUDGET" envDefault:"2s"`
	// The most deliveries that are claimed, or recorded, in one commit.
	ClaimItems int `env:"HOMING_CLAIM_ITEMS" envDefault:"500"`
	// The most bytes of payloads that come with one claim; what is beyond is fetched one by one. At least
	// HOMING_MAX_PAYLOAD.
	ClaimBytes Bytes `env:"HOMING_CLAIM_BYTES" envDefault:"16MiB"`
	// How long connecting to an endpoint may take.
	ConnectTimeout time.Duration `env:"HOMING_CONNECT_TIMEOUT" envDefault:"5s"`
	// How long the TLS handshake with an endpoint may take.
	TLSTimeout time.Duration `env:"HOMING_TLS_TIMEOUT" envDefault:"5s"`
	// How long an endpoint may take to begin its answer, from when the request has been written. One whose own timeout is
	// longer than HOMING_ATTEMPT_TIMEOUT may take all of that.
	FirstByteTimeout time.Duration `env:"HOMING_FIRST_BYTE_TIMEOUT" envDefault:"15s"`
	// How many bytes of an endpoint's answer are kept with the attempt.
	ResponseKept Bytes `env:"HOMING_RESPONSE_KEPT" envDefault:"4KiB"`
	// How many bytes of an endpoint's answer are read, so that the connection can be used again; the connection is closed
	// on what is longer. At least HOMING_RESPONSE_KEPT.
	ResponseRead Bytes `env:"HOMING_RESPONSE_READ" envDefault:"64KiB"`
	// Addresses that may be sent to although they are not public: prefixes like 10.1.0.0/16, or single addresses.
	AllowAddresses Prefixes `env:"HOMING_ALLOW_ADDRESSES"`
	// Addresses that may not be sent to although they look public, such as the ranges of the cluster. It goes before
	// HOMING_ALLOW_ADDRESSES.
	DenyAddresses Prefixes `env:"HOMING_DENY_ADDRESSES"`
	// Ports that may be sent to although they belong to other protocols than HTTP.
	AllowPorts Ports `env:"HOMING_ALLOW_PORTS"`
	// Whether endpoints may have http:// URLs, which send payloads in clear.
	AllowHTTP bool `env:"HOMING_ALLOW_HTTP" envDefault:"false"`
	// An HTTP proxy for all deliveries: http://user:password@host:port. Not set: none, and HTTP_PROXY and its kin are not
	// looked at either. With a proxy it is the proxy that resolves names, so it must keep deliveries from inner addresses.
	OutboundProxy URL `env:"HOMING_OUTBOUND_PROXY"`
}

// Policy says when deliveries are attempted. These durations must be the same for all functions.
type Policy struct {
	// The waiting time before each attempt, the first included, for endpoints without a schedule of their own. It ends
	// after the last: the delivery is then exhausted. Jitter adds up to a fifth to each.
	Schedule Schedule `env:"HOMING_SCHEDULE" envDefault:"0s,5s,5m,30m,2h,5h,10h,14h,20h,24h"`
	// How long one attempt may take as a whole, for endpoints without a timeout of their own. Above
	// HOMING_FIRST_BYTE_TIMEOUT.
	AttemptTimeout time.Duration `env:"HOMING_ATTEMPT_TIMEOUT" envDefault:"20s"`
	// By how much the lease of an attempt outlives its timeout, to cover the recording of its outcome. When a process
	// dies, its attempts are made again after timeout and margin.
	LeaseMargin time.Duration `env:"HOMING_LEASE_MARGIN" envDefault:"15s"`
	// How late a delivery may be before the reconciler looks at it. Small values make it repeat hints that were not lost.
	WakeGrace time.Duration `env:"HOMING_WAKE_GRACE" envDefault:"30s"`
	// How far the reconciler puts off a delivery that it has looked at and that is still not attempted; this doubles from
	// HOMING_WAKE_GRACE up to here.
	PushCap time.Duration `env:"HOMING_PUSH_CAP" envDefault:"10m"`
	// How far the reconciler puts off a delivery whose endpoint is paused or throttled.
	HeldPush time.Duration `env:"HOMING_HELD_PUSH" envDefault:"6h"`
	// How far ahead timers are set in Redis; what is due later waits in Postgres. At least HOMING_TICK.
	Horizon time.Duration `env:"HOMING_HORIZON" envDefault:"10m"`
	// How long after the end of its schedule a delivery that did not get its turn ends.
	ExpirySlack time.Duration `env:"HOMING_EXPIRY_SLACK" envDefault:"24h"`
}

// Retry says how time is kept, and for how long things are.
type Retry struct {
	// The time between ticks, each of which fires timers and reconciles. It is also how long a tick goes on at most. On
	// Knative it must be what the PingSource does. When it is not set, it is 5s in embedded mode.
	Tick time.Duration `env:"HOMING_TICK" envDefault:"60s"`
	// How many timers or rows are taken at once.
	Batch int `env:"HOMING_RETRY_BATCH" envDefault:"1000"`
	// How many overdue deliveries of an endpoint are named one by one; an endpoint with more is named as a whole.
	PerEndpoint int `env:"HOMING_RETRY_PER_ENDPOINT" envDefault:"100"`
	// How long events are kept, with their deliveries. Those with a live delivery are kept longer. Above
	// HOMING_DEDUPE_WINDOW.
	RetentionEvents time.Duration `env:"HOMING_RETENTION_EVENTS" envDefault:"90d"`
	// How long the records of attempts are kept. Up to HOMING_RETENTION_EVENTS.
	RetentionAttempts time.Duration `env:"HOMING_RETENTION_ATTEMPTS" envDefault:"30d"`
	// How long events that could not be accepted are kept.
	RetentionRejected time.Duration `env:"HOMING_RETENTION_REJECTED" envDefault:"30d"`
	// How long statistics are kept by the hour. By five minutes they are kept for seven days, or for this if it is less.
	RetentionStats time.Duration `env:"HOMING_RETENTION_STATS" envDefault:"90d"`
	// The tenant whose endpoints are told, as events of types io.homing.*, what happens to the endpoints of all tenants:
	// disabled, failing, recovered, a delivery given up. Empty: there is none, and only tenants' own endpoints that name
	// such a type are told.
	OperatorTenant string `env:"HOMING_OPERATOR_TENANT"`
	// How far back attempts count when it is judged whether an endpoint fails, in steps of five minutes.
	FailingWindow time.Duration `env:"HOMING_FAILING_WINDOW" envDefault:"15m"`
	// How many attempts it takes to judge that an endpoint fails.
	FailingAttempts int `env:"HOMING_FAILING_ATTEMPTS" envDefault:"20"`
	// The success rate, in percent, under which an endpoint counts as failing. It has recovered when its rate is half the
	// way from here to 100. 0 means that none ever fails.
	FailingBelow int `env:"HOMING_FAILING_BELOW" envDefault:"50"`
	// How far ahead the weekly partitions of the big tables are made. At least 7d.
	PartitionsAhead time.Duration `env:"HOMING_PARTITIONS_AHEAD" envDefault:"28d"`
	// How often house is kept: partitions made and dropped, what has expired deleted. At least HOMING_TICK. When
	// it was last is kept in the database, for all processes together.
	HousekeepEvery time.Duration `env:"HOMING_HOUSEKEEP_EVERY" envDefault:"1h"`
}

// Manage says what the management API allows.
type Manage struct {
	// How many requests a minute one API key may make of one process. 0 means that there is no bound.
	RequestsPerMinute int `env:"HOMING_API_REQUESTS_PER_MINUTE" envDefault:"1200"`
	// Whether endpoints are asked for consent when they are created or get another URL, by the handshake of CloudEvents
	// webhooks (an OPTIONS request): off, not; optional, and what they answer is kept; required, and those that do not
	// consent are refused. The rate that one allows bounds what it is sent.
	Handshake Handshake `env:"HOMING_HANDSHAKE" envDefault:"off"`
	// The DNS name that stands for this installation in the handshake, as WebHook-Request-Origin. Needed unless
	// HOMING_HANDSHAKE is off; with off it allows handshakes on demand.
	HandshakeOrigin string `env:"HOMING_HANDSHAKE_ORIGIN"`
}

// Security holds the keys.
type Security struct {
	// The keys that endpoints' secrets and headers are sealed with in the store: id:base64 of 32 random bytes, several
	// separated by commas. The first seals; all of them open, so a key is replaced by putting the new one in front and
	// keeping the old. `openssl rand -base64 32` makes one. In embedded mode the first start makes one, in
	// HOMING_DATA_DIR.
	EncryptionKeys Keys `env:"HOMING_ENCRYPTION_KEYS"`
	// How long an endpoint's old secret goes on signing, beside the new one, after a rotation that names no time of its
	// own.
	SecretOverlap time.Duration `env:"HOMING_SECRET_OVERLAP" envDefault:"24h"`
	// How many requests a minute without a valid API key one process answers to one address (of IPv6: one /64), for ingest
	// and manage; beyond it the answer is 429. Keys that are good go on from there. 0 means that there is no bound.
	WrongKeysPerMinute int `env:"HOMING_WRONG_KEYS_PER_MINUTE" envDefault:"60"`
	// The proxies, as prefixes or addresses, whose X-Forwarded-For says for which address they ask; from any other it is
	// not believed, and behind a proxy that is not named all clients have its address.
	TrustedProxies Prefixes `env:"HOMING_TRUSTED_PROXIES"`
}

// Knative holds what the platform tells its services, and where the manifests in knative/ have hints go.
type Knative struct {
	// The name of the Knative service. That it is set means that the process runs on Knative, where back ends in memory
	// are refused.
	Service string `env:"K_SERVICE"`
	// The URL of the broker that hints are published to. That it is set makes it the bus.
	Sink URL `env:"K_SINK"`
	// The platform's settings for traces and metrics, as JSON: the same that broker and dispatcher get, so that one
	// ConfigMap rules the whole trace.
	Observability string `env:"K_OBSERVABILITY_CONFIG"`
}

// Telemetry says what the process tells about itself.
type Telemetry struct {
	// From which level on messages are logged: debug, info, warn or error.
	LogLevel LogLevel `env:"HOMING_LOG_LEVEL" envDefault:"info"`
	// How messages are written: json, text, or auto, which is text on a terminal and json elsewhere.
	LogFormat LogFormat `env:"HOMING_LOG_FORMAT" envDefault:"auto"`
	// Where to send traces and metrics by OTLP: the base URL, such as http://localhost:4318. It is used when
	// K_OBSERVABILITY_CONFIG says nothing about traces, or about metrics. Not set: nothing is sent. The other OTEL_
	// variables (headers, sampler, intervals) are read by OpenTelemetry itself.
	OTLPEndpoint URL `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	// How OTLP is spoken to OTEL_EXPORTER_OTLP_ENDPOINT: http/protobuf or grpc.
	OTLPProtocol OTLPProtocol `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/protobuf"`
}

// Client holds what the commands that talk to a running Homing use (`homing send`, `homing endpoint`, ...). Their flags
// go before these variables, and these before the profile.
type Client struct {
	// The base URL of the Homing to talk to. Where neither it, nor a profile, nor DATABASE_URL is set, the embedded one
	// that runs in HOMING_DATA_DIR goes before the default.
	Server URL `env:"HOMING_SERVER" envDefault:"http://127.0.0.1:8080"`
	// The API key to show there; `homing key create` makes one. A key that comes from a profile, or that an embedded
	// Homing keeps in HOMING_DATA_DIR, is shown to no other Homing.
	APIKey Secret `env:"HOMING_API_KEY"`
	// The tenant that an operator's key acts for. A tenant's own key needs none.
	Tenant string `env:"HOMING_TENANT"`
	// The profile to use, of those that `homing profile` keeps.
	Profile string `env:"HOMING_PROFILE"`
}

// Probe is for `homing-probe`, which sends events through a Homing all the time to see whether they arrive. It also
// takes HOMING_SERVER, HOMING_API_KEY (a key of its tenant, or of an operator) and HOMING_TENANT, which it needs.
type Probe struct {
	// The base URL under which Homing reaches the program's own listener (HOMING_LISTEN), as its endpoints have it: like
	// https://probe.example.com, or http://127.0.0.1:8081 for a Homing with HOMING_ALLOW_HTTP and HOMING_ALLOW_ADDRESSES.
	Receiver URL `env:"HOMING_PROBE_RECEIVER"`
	// The base URL that events are sent to, where that is another than HOMING_SERVER, as on Knative.
	Ingest URL `env:"HOMING_PROBE_INGEST"`
	// The ingress of the broker that producers send to. Not set: the exchange of RABBITMQ_URL; when that is not set
	// either, nothing is sent through a broker.
	Broker URL `env:"HOMING_PROBE_BROKER"`
	// The key to sign brokered events with (`homing key broker`), for a Homing with HOMING_BROKER_SIGNATURES.
	BrokerKey Secret `env:"HOMING_PROBE_BROKER_KEY"`
	// The time between two rounds of probes. Each wakes what has scaled to zero; with less than two minutes the endpoint
	// that fails on purpose counts as a failing one.
	Interval time.Duration `env:"HOMING_PROBE_INTERVAL" envDefault:"5m"`
	// How long a probe waits for its webhook, with a retry on the way for one of them. Below HOMING_PROBE_INTERVAL.
	Timeout time.Duration `env:"HOMING_PROBE_TIMEOUT" envDefault:"1m"`
}
