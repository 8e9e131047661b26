package webhook

// Outcome is how one attempt ended: a small closed set that decides about retrying and is the label of logs and
// metrics.
type Outcome string

// The outcomes.
const (
	OutcomeSuccess     Outcome = "success"      // 2xx
	OutcomeRedirect    Outcome = "redirect"     // 3xx: a failure, never followed
	OutcomeGone        Outcome = "gone"         // 410: the endpoint wants no more
	OutcomeThrottled   Outcome = "throttled"    // 429, or 503 with Retry-After
	OutcomeClientError Outcome = "client_error" // any other 4xx
	OutcomeServerError Outcome = "server_error" // any other 5xx, and what is no status at all
	OutcomeTimeout     Outcome = "timeout"      // connect, TLS, first byte or the whole took too long
	OutcomeDNS         Outcome = "dns_error"    // the name did not resolve
	OutcomeConnect     Outcome = "connect_error"
	OutcomeTLS         Outcome = "tls_error"
	OutcomeProtocol    Outcome = "protocol_error" // the answer is not HTTP, or its headers are too large
	OutcomeBlocked     Outcome = "blocked"        // the address is one that must not be called
	OutcomeConfig      Outcome = "config_error"   // it cannot be used as configured: its secret cannot be opened, say
	OutcomeInterrupted Outcome = "interrupted"    // the process died; what happened is not known
	OutcomeUnsent      Outcome = "unsent"         // claimed, but given back before anything was sent
)

// Outcomes lists every outcome, for metrics and for tests.
var Outcomes = []Outcome{
	OutcomeSuccess, OutcomeRedirect, OutcomeGone, OutcomeThrottled, OutcomeClientError, OutcomeServerError,
	OutcomeTimeout, OutcomeDNS, OutcomeConnect, OutcomeTLS, OutcomeProtocol, OutcomeBlocked, OutcomeConfig,
	OutcomeInterrupted, OutcomeUnsent,
}
