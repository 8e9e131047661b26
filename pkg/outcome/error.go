package outcome

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Error is an error whose outcome is known where it arises, because no type of the standard library says it.
type Error struct {
	Outcome webhook.Outcome
	// Text is for people and for the record: it must hold nothing secret.
	Text string
	// Err is the cause, or the sentinel that this is a case of; nil when there is none.
	Err error
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors that those who send wrap, alone or as the Err of an [Error] with a text that says more.
var (
	// ErrBlocked: the address is one that must not be called.
	ErrBlocked error = &Error{Outcome: webhook.OutcomeBlocked, Text: "the address must not be called"}
	// ErrConfig: the endpoint cannot be used as it is configured.
	ErrConfig error = &Error{Outcome: webhook.OutcomeConfig, Text: "the endpoint cannot be used as configured"}
)

// OfError returns the outcome of an attempt that got no whole answer because of err. An attempt that was cancelled from
// our side is interrupted: whether it arrived is not known. Without an error it is a success.
func OfError(err error) webhook.Outcome {
	o, _ := classify(err)
	return o
}

// Detail says in a few words what went wrong, with nothing secret in it: not the URL, at most the name of the host.
// Without an error it is "".
func Detail(err error) string {
	_, text := classify(err)
	return text
}

// classify asks the most telling types first: a lookup or a handshake that timed out is both a timeout and what it is.
func classify(err error) (webhook.Outcome, string) {
	if err == nil {
		return webhook.OutcomeSuccess, ""
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Outcome, known.Text
	}
	for _, of := range []func(error) (webhook.Outcome, string){ofDNS, ofTime, ofTLS, ofConnection, ofRequest} {
		if o, text := of(err); o != "" {
			return o, text
		}
	}
	return webhook.OutcomeProtocol, protocolText(err)
}

func ofDNS(err error) (webhook.Outcome, string) {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return "", ""
	}
	host := hostText(dns.Name)
	switch {
	case dns.IsNotFound:
		return webhook.OutcomeDNS, "the name" + host + " does not exist"
	case dns.IsTimeout:
		return webhook.OutcomeDNS, "no name server answered for the name" + host
	default:
		return webhook.OutcomeDNS, "the name" + host + " could not be resolved"
	}
}

// hostText returns the name of a host with a space before it, or "" when it is not one: what is recorded must hold
// nothing that a URL could have carried along.
func hostText(name string) string {
	if name == "" || len(name) > 253 {
		return ""
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '-' && c != '_' {
			return ""
		}
	}
	return " " + name
}

func ofTime(err error) (webhook.Outcome, string) {
	if errors.Is(err, context.Canceled) {
		return webhook.OutcomeInterrupted, "cancelled before the answer came"
	}
	if !isTimeout(err) {
		return "", ""
	}
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return webhook.OutcomeTimeout, "connecting took too long"
	case strings.HasSuffix(err.Error(), "TLS handshake timeout"): // net/http has no exported type for it
		return webhook.OutcomeTimeout, "the TLS handshake took too long"
	default:
		return webhook.OutcomeTimeout, "the answer took too long"
	}
}

// isTimeout asks every error of the chain: url.Error says of itself only what the error right below it says.
func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
			return true
		}
	}
	return false
}

func ofTLS(err error) (webhook.Outcome, string) {
	var (
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &hostname):
		return webhook.OutcomeTLS, "the certificate is not for this host"
	case errors.As(err, &authority):
		return webhook.OutcomeTLS, "the certificate is from an authority that is not trusted"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return webhook.OutcomeTLS, "the certificate has expired or is not valid yet"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return webhook.OutcomeTLS, "the certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return webhook.OutcomeTLS, "the server does not speak TLS on this port"
	case errors.As(err, &op) && op.Op == "remote error": // how crypto/tls reports an alert that it was sent
		return webhook.OutcomeTLS, "the server refused the TLS handshake"
	case errors.As(err, &op) && op.Op == "local error", hasPrefix(err, "tls: ", "x509: "):
		return webhook.OutcomeTLS, "the TLS handshake failed"
	}
	return "", ""
}

// connectionTexts are the errors of the network that mean a connection failed, with what they are called.
var connectionTexts = []struct {
	err  error
	text string
}{
	{syscall.ECONNREFUSED, "the connection was refused"},
	{syscall.ECONNRESET, "the connection was reset"},
	{syscall.EPIPE, "the connection was closed while the request was sent"},
	{syscall.EHOSTUNREACH, "the host cannot be reached"},
	{syscall.ENETUNREACH, "the network cannot be reached"},
	{io.EOF, "the connection was closed before the answer was complete"},
	{io.ErrUnexpectedEOF, "the connection was closed before the answer was complete"},
	{net.ErrClosed, "the connection was closed before the answer was complete"},
}

func ofConnection(err error) (webhook.Outcome, string) {
	for _, known := range connectionTexts {
		if errors.Is(err, known.err) {
			return webhook.OutcomeConnect, known.text
		}
	}
	var (
		op    *net.OpError
		errno syscall.Errno
	)
	if errors.As(err, &op) || errors.As(err, &errno) {
		return webhook.OutcomeConnect, "the connection failed"
	}
	// net/http and its HTTP/2 have no exported types for these.
	if hasPrefix(err, "http: server closed idle connection", "http2: client connection lost",
		"http2: server sent GOAWAY", "http2: client connection force closed", "http2: client conn not usable",
		"http2: client conn could not be established") {
		return webhook.OutcomeConnect, "the connection was closed before the answer was complete"
	}
	return "", ""
}

// ofRequest finds requests that net/http refuses to send: the fault is in the endpoint's URL or headers.
func ofRequest(err error) (webhook.Outcome, string) {
	if hasPrefix(err, "unsupported protocol scheme", "http: no Host in request URL", "http: nil Request.URL",
		"net/http: invalid header field", "net/http: invalid method", "http: invalid Host header") {
		return webhook.OutcomeConfig, "the endpoint's URL or headers cannot be sent"
	}
	return "", ""
}

func protocolText(err error) string {
	var malformed textproto.ProtocolError
	switch {
	case contains(err, "server response headers exceeded", "response header list larger", "too many 1xx"):
		return "the headers of the answer are too large"
	case errors.As(err, &malformed), contains(err, "malformed HTTP", "malformed MIME header"):
		return "the answer is not HTTP"
	default:
		return "the answer breaks the rules of HTTP"
	}
}

// hasPrefix reports whether the text of err, or of an error that it wraps, begins with one of the prefixes.
func hasPrefix(err error, prefixes ...string) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(err.Error(), prefix) {
				return true
			}
		}
	}
	return false
}

func contains(err error, parts ...string) bool {
	text := err.Error()
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
