package webhook

import (
	"fmt"
	"io"
	"time"
)

// BodyFormat says what the body of a POST is made of.
type BodyFormat string

// The body formats (DESIGN section 4).
const (
	// FormatBinary sends the event's own bytes with ce- headers (CloudEvents HTTP binding 1.0.2, section 3.1).
	FormatBinary BodyFormat = "binary"
	// FormatStructured sends one application/cloudevents+json document (section 3.2).
	FormatStructured BodyFormat = "structured"
	// FormatStandard sends the plain Standard Webhooks body {"type","timestamp","data"}.
	FormatStandard BodyFormat = "standard"
)

// Valid reports whether f is one of the formats.
func (f BodyFormat) Valid() bool {
	return f == FormatBinary || f == FormatStructured || f == FormatStandard
}

// EndpointStatus says whether deliveries to an endpoint may be attempted.
type EndpointStatus string

// The statuses of an endpoint. Only an active one is sent to. Events go on matching paused and disabled endpoints:
// their deliveries are held, so that nothing vanishes.
const (
	EndpointActive   EndpointStatus = "active"
	EndpointPaused   EndpointStatus = "paused"   // by hand; the clock of its deliveries' expiry stands still
	EndpointDisabled EndpointStatus = "disabled" // by a 410 answer; the clock runs
	EndpointDeleted  EndpointStatus = "deleted"  // its live deliveries end cancelled
)

// Endpoint is a URL with its subscription and its delivery policy. Its secrets are apart, in [Secret].
type Endpoint struct {
	ID     ID
	Tenant string
	URL    string
	// Types are the event types subscribed to; "*" stands for any run of characters; none means every type.
	Types []string
	// Filter is a CloudEvents SQL expression (CESQL 1.0) that an event must satisfy as well; "" means none.
	Filter string
	Format BodyFormat
	// Headers are sent with each POST. They may hold credentials, so the store seals them and nobody logs them.
	Headers map[string]string
	// Schedule is the waiting time before each attempt, the first included; nil means the deployment's default.
	Schedule []time.Duration
	// Timeout bounds one whole attempt; 0 means the deployment's default.
	Timeout time.Duration
	// RatePerSecond bounds the attempts per second; 0 means no bound.
	RatePerSecond int
	Consent       Consent
	Status        EndpointStatus
	StatusReason  string // why it is not active; "" when active
	// PausedAt is when the present pause began; zero when not paused.
	PausedAt time.Time
	// PausedTotal is how long the pauses that are over lasted, all together.
	PausedTotal time.Duration
	// ThrottledUntil is when the endpoint may be sent to again after a 429 or 503 with Retry-After; zero when at once.
	ThrottledUntil time.Time
	// Version grows by one with each change of the endpoint, also when an answer disables it (not with throttling).
	Version   int64
	CreatedAt time.Time
}

// Consent is what an endpoint has answered in the handshake of CloudEvents webhooks (HTTP Webhook 1.0.2, section 4);
// zero before it has consented.
type Consent struct {
	// Origin is the sender that it consented to, sent with each delivery as WebHook-Request-Origin.
	Origin string
	// PerMinute bounds the attempts per minute; 0 means no bound.
	PerMinute int
	// At is when it consented.
	At time.Time
}

// PerMinute is how many attempts per minute the endpoint may get: RatePerSecond, or what it consented to if that is
// less; 0 means no bound.
func (e *Endpoint) PerMinute() int {
	own, consented := e.RatePerSecond*60, e.Consent.PerMinute
	if own == 0 || consented > 0 && consented < own {
		return consented
	}
	return own
}

// RunningClock is the endpoint's own clock at now: it stands still while the endpoint is paused. Deliveries expire by
// this clock, so that a long pause ends none of them, and pausing a million deliveries writes one row.
func (e *Endpoint) RunningClock(now time.Time) time.Time {
	if e.Status == EndpointPaused && !e.PausedAt.IsZero() {
		now = e.PausedAt
	}
	return now.Add(-e.PausedTotal)
}

// Open reports whether the endpoint may be sent to at now.
func (e *Endpoint) Open(now time.Time) bool {
	return e.Status == EndpointActive && !e.ThrottledUntil.After(now)
}

// SecretKind is the signature scheme that a secret is for.
type SecretKind string

// The kinds of secret (Standard Webhooks 1.0.0, "Signature scheme").
const (
	SecretHMAC    SecretKind = "v1"  // HMAC-SHA256; the key is 24 to 64 random bytes, shown as whsec_ + base64
	SecretEd25519 SecretKind = "v1a" // Ed25519; the key is the 64-byte private key, shown as whsk_ + base64
)

// Secret is a signing key of an endpoint, in clear. Every secret that has not expired signs each POST, so that
// receivers can change over while both are valid.
type Secret struct {
	ID        ID
	Endpoint  ID
	Kind      SecretKind
	Key       []byte `json:"-"` // so that a log in JSON, which asks for no String, has none either
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

// String hides the key, so that a secret that is printed or logged by mistake stays one.
func (s Secret) String() string { return "secret " + s.ID.String() + " (redacted)" }

// Format hides the key from every verb of fmt: %x and %#v ask for no String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }
