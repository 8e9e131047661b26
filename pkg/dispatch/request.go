package dispatch

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The headers of Homing's own, besides those of Standard Webhooks and CloudEvents.
const (
	// HeaderReplay is sent with each attempt of a replay, and with no other: the id of the delivery that replays.
	HeaderReplay = "homing-replay"
	// HeaderAttempt is the number of the attempt, from 1.
	HeaderAttempt = "homing-attempt"
)

// userAgentName begins the user agent; the version follows.
const userAgentName = "Homing/"

// The same and others as net/http keeps them, so that setting one need not search for its form.
const (
	keyID          = "Webhook-Id"
	keyTimestamp   = "Webhook-Timestamp"
	keySignature   = "Webhook-Signature"
	keyReplay      = "Homing-Replay"
	keyAttempt     = "Homing-Attempt"
	keyContentType = "Content-Type"
	keyUserAgent   = "User-Agent"

	keyRequestOrigin = "Webhook-Request-Origin"
)

// Request is one attempt to make.
type Request struct {
	// Endpoint, Event and Secrets are only read. Secrets are those that sign: all that have not expired, newest first.
	Endpoint *webhook.Endpoint
	// EndpointID is for [Request.Headers] of an endpoint that is not known any more.
	EndpointID webhook.ID
	Secrets    []webhook.Secret
	Event      *webhook.Event
	// Delivery and Attempt name the attempt, whose number has been committed to the store by now.
	Delivery webhook.ID
	Attempt  int
	// Replay says that the delivery replays another one.
	Replay bool
	// Now is the store's present time: that of webhook-timestamp, and of the record.
	Now time.Time
}

// build makes the HTTP request of an attempt. Errors: *[FieldError], and others that wrap [outcome.ErrConfig] or
// [outcome.ErrBlocked].
func (d *Dispatcher) build(ctx context.Context, r *Request) (*http.Request, error) {
	u, err := parseURL(r.Endpoint.URL)
	if err != nil {
		return nil, err
	}
	if err := checkTarget(u, d.guard); err != nil {
		return nil, err
	}
	p, err := encode(r.Event, r.Endpoint.Format)
	if err != nil {
		return nil, err
	}
	header, err := d.header(ctx, r, p)
	if err != nil {
		return nil, err
	}
	req := &http.Request{
		Method: http.MethodPost, URL: u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(p.body)),
	}
	if len(p.body) > 0 {
		req.Body = newBody(p.body)
	}
	return req.WithContext(ctx), nil
}

// newBody returns a body of a kind that net/http knows to be in memory, for then headers and body leave in one packet.
func newBody(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// header makes the headers of an attempt: those of the endpoint first, then ours, which nothing replaces.
func (d *Dispatcher) header(ctx context.Context, r *Request, p payload) (http.Header, error) {
	id := webhook.MessageID(r.Event.OriginID(), r.Endpoint.ID)
	signer, err := d.signers.of(r.Endpoint.ID, r.Secrets)
	if err != nil {
		return nil, err
	}
	signatures, err := signer.Sign(id, r.Now, p.body)
	if err != nil {
		return nil, unsignable(err)
	}
	// One array for the values of all headers, instead of one for each.
	n := 16 + len(r.Endpoint.Headers) + len(r.Event.Extensions)
	w := headerWriter{header: make(http.Header, n), values: make([]string, 0, n)}
	w.set(keyUserAgent, d.userAgent)
	for name, value := range r.Endpoint.Headers {
		key, err := checkHeader(name, value)
		if err != nil {
			return nil, err
		}
		w.set(key, value)
	}
	if p.contentType != "" {
		w.set(keyContentType, p.contentType)
	}
	if p.binary {
		if err := w.setEvent(r.Event); err != nil {
			return nil, err
		}
	}
	w.set(keyID, id)
	w.set(keyTimestamp, signature.Timestamp(r.Now))
	w.set(keySignature, signatures)
	w.set(keyAttempt, strconv.Itoa(r.Attempt))
	if origin := r.Endpoint.Consent.Origin; origin != "" {
		w.set(keyRequestOrigin, origin)
	}
	if r.Replay {
		w.set(keyReplay, r.Delivery.String())
	}
	w.setTrace(ctx, r.Event.Trace)
	return w.header, nil
}

// headerWriter fills a header whose keys are in net/http's form already.
type headerWriter struct {
	header http.Header
	values []string
}

func (w *headerWriter) set(key, value string) {
	w.values = append(w.values, value)
	n := len(w.values)
	w.header[key] = w.values[n-1 : n : n]
}

// setEvent sets the attributes of the binary mode (CloudEvents HTTP binding 1.0.2, section 3.1.3).
func (w *headerWriter) setEvent(e *webhook.Event) error {
	w.set("Ce-Specversion", "1.0")
	w.set("Ce-Id", percentEncode(e.CEID))
	w.set("Ce-Source", percentEncode(e.Source))
	w.set("Ce-Type", percentEncode(e.Type))
	if e.Subject != "" {
		w.set("Ce-Subject", percentEncode(e.Subject))
	}
	if e.DataSchema != "" {
		w.set("Ce-Dataschema", percentEncode(e.DataSchema))
	}
	if !e.Time.IsZero() {
		w.set("Ce-Time", string(appendTime(nil, e.Time)))
	}
	for name, value := range e.Extensions {
		if !validExtension(name) {
			return errEvent
		}
		text, err := extensionText(value)
		if err != nil {
			return err
		}
		w.set(extensionKey(name), percentEncode(text))
	}
	return nil
}

// extensionKey returns the header of an extension in net/http's form; its name has lower-case letters and digits only.
func extensionKey(name string) string {
	b := append(make([]byte, 0, 64), "Ce-"...)
	b = append(b, name...)
	if c := b[3]; 'a' <= c && c <= 'z' {
		b[3] = c - 'a' + 'A'
	}
	return string(b)
}

// extensionText returns the canonical string of a value (CloudEvents 1.0.2, "Type System").
func extensionText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int32:
		return strconv.Itoa(int(v)), nil
	default:
		return "", errEvent
	}
}

// setTrace sets the W3C trace context: of the span in ctx if there is one, else of the event's producer.
func (w *headerWriter) setTrace(ctx context.Context, stored webhook.Trace) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(w.header))
		return
	}
	if stored.Parent == "" || !validHeaderValue(stored.Parent) {
		return
	}
	w.set("Traceparent", stored.Parent)
	if stored.State != "" && validHeaderValue(stored.State) {
		w.set("Tracestate", stored.State)
	}
}

// percentEncode encodes the value of a ce- header (CloudEvents HTTP binding 1.0.2, section 3.1.3.2): spaces, double
// quotes, percent signs and everything that is not printable ASCII.
func percentEncode(s string) string {
	n := 0
	for i := range len(s) {
		if mustEncode(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; mustEncode(c) {
			b = append(b, '%', upperHex[c>>4], upperHex[c&0xf])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

const upperHex = "0123456789ABCDEF"

func mustEncode(c byte) bool { return c <= ' ' || c > '~' || c == '"' || c == '%' }
