package accept

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Raw is a request as it came, as far as it tells about events: what is parked while the store is away, and kept with
// what is rejected. Headers are Content-Type, ce-* and the trace context only, and of a message of RabbitMQ the
// attributes by their own names, so that no credential is ever kept.
type Raw struct {
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// Errors of decoding. Both wrap what the decoder found.
var (
	// ErrNotCloudEvents: neither ce- headers nor a CloudEvents content type (HTTP 415).
	ErrNotCloudEvents = errors.New("accept: not a CloudEvents request: send ce- headers (ce-specversion: 1.0, ce-id, " +
		"ce-source, ce-type) with the payload as body, or Content-Type application/cloudevents+json, or " +
		"application/cloudevents-batch+json")
	// ErrUndecodable: it says it is CloudEvents and cannot be read as such (HTTP 400).
	ErrUndecodable = errors.New("accept: cannot be decoded as CloudEvents")
	// ErrTooLarge: the body is over the limit (HTTP 413).
	ErrTooLarge = errors.New("accept: the body is too large")
)

const (
	typeStructured = "application/cloudevents+json"
	typeBatch      = "application/cloudevents-batch+json"
)

// ReadRaw reads a request of at most limit bytes of body. Errors: ErrTooLarge, with the header all the same, or what
// reading gave.
func ReadRaw(w http.ResponseWriter, r *http.Request, limit int64) (Raw, error) {
	header := make(map[string]string, 8)
	for name, values := range r.Header {
		if low := strings.ToLower(name); telling(low) {
			header[low] = values[0]
		}
	}
	body, err := readBody(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit)
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return Raw{Header: header}, fmt.Errorf("%w: at most %d bytes", ErrTooLarge, limit)
		}
		return Raw{}, fmt.Errorf("accept: read the request: %w", err)
	}
	return Raw{Header: header, Body: body}, nil
}

// attributePrefix begins the headers of attributes in HTTP.
const attributePrefix = "ce-"

// telling reports whether a header, its name in lower case, tells about the event. Any other may be a credential.
func telling(name string) bool {
	return strings.HasPrefix(name, attributePrefix) || name == "content-type" || name == "traceparent" ||
		name == "tracestate"
}

// attributes are those that tell what an event is and whose, by their own names.
var attributes = []string{
	"specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", TenantAttribute,
}

// tellingOnly returns the headers of a message of RabbitMQ that tell about the event.
func tellingOnly(header map[string]string) map[string]string {
	kept := make(map[string]string, len(header))
	for name, value := range header {
		if telling(name) || slices.Contains(attributes, name) {
			kept[name] = value
		}
	}
	return kept
}

// headerOf returns an event's attributes as the headers that they are in HTTP.
func headerOf(ce *event.Event) map[string]string {
	header := make(map[string]string, 8)
	set := func(name, value string) {
		if value != "" {
			header[name] = value
		}
	}
	set("content-type", ce.DataContentType())
	set("ce-specversion", ce.SpecVersion())
	set("ce-id", ce.ID())
	set("ce-source", ce.Source())
	set("ce-type", ce.Type())
	set("ce-subject", ce.Subject())
	for name, value := range ce.Extensions() {
		if text, err := types.Format(value); err == nil {
			set(attributePrefix+name, text)
		}
	}
	return header
}

// readBody reads all of r into a buffer of the announced size, which saves the growing of it.
func readBody(r io.Reader, announced, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	if announced > 0 && announced <= limit {
		buf.Grow(int(announced) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(r)
	return buf.Bytes(), err
}

// Decode reads the events of a request: one in binary or structured mode, or, where batches are allowed, any number
// (CloudEvents HTTP binding 1.0.2, section 3). The events are not validated. Errors: ErrNotCloudEvents, ErrUndecodable.
func Decode(ctx context.Context, raw Raw, batches bool) ([]webhook.Event, error) {
	media := mediaType(raw)
	_, binary := raw.Header["ce-specversion"]
	switch {
	case media == typeBatch && batches:
		return decodeBatch(raw)
	case media == typeBatch:
		return nil, fmt.Errorf("%w: batches are taken on /v1/events only", ErrNotCloudEvents)
	case media != typeStructured && binary && raw.Header["ce-specversion"] != event.CloudEventsVersionV1:
		return nil, fmt.Errorf("%w: ce-specversion must be 1.0", ErrUndecodable)
	case media == typeStructured || binary:
		e, err := decodeOne(ctx, raw, media)
		if err != nil {
			return nil, err
		}
		return []webhook.Event{e}, nil
	default:
		return nil, ErrNotCloudEvents
	}
}

// mediaType returns the request's media type without its parameters.
func mediaType(raw Raw) string {
	media, _, _ := mime.ParseMediaType(raw.Header["content-type"])
	return media
}

func isBatch(raw Raw) bool { return mediaType(raw) == typeBatch }

func decodeOne(ctx context.Context, raw Raw, media string) (webhook.Event, error) {
	header := make(http.Header, len(raw.Header))
	for name, value := range raw.Header {
		if strings.HasPrefix(name, attributePrefix) {
			value = unescaped(value) // which the SDK leaves to us
		}
		header.Set(name, value)
	}
	if media == typeStructured {
		header.Set("Content-Type", typeStructured)
	}
	message := cehttp.NewMessage(header, io.NopCloser(bytes.NewReader(raw.Body)))
	ce, err := binding.ToEvent(ctx, message)
	if err != nil {
		return webhook.Event{}, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	e, err := FromCloudEvent(ce)
	if err == nil {
		e.Trace = traceOf(raw.Header, e.Extensions)
	}
	return e, err
}

// unescaped undoes the percent-encoding of the HTTP binding (section 3.1.3.2). A value that is not encoded properly is
// taken literally, as most senders mean it.
func unescaped(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

func decodeBatch(raw Raw) ([]webhook.Event, error) {
	var batch []event.Event
	if err := json.Unmarshal(raw.Body, &batch); err != nil {
		return nil, fmt.Errorf("%w: the batch is not a JSON array of events: %w", ErrUndecodable, err)
	}
	events := make([]webhook.Event, len(batch))
	for i := range batch {
		e, err := FromCloudEvent(&batch[i])
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		e.Trace = traceOf(raw.Header, e.Extensions)
		events[i] = e
	}
	return events, nil
}

// FromCloudEvent takes over an event as the SDK decodes it. Errors: ErrUndecodable.
func FromCloudEvent(ce *event.Event) (webhook.Event, error) {
	if ce.Context == nil {
		return webhook.Event{}, fmt.Errorf("%w: specversion is missing", ErrUndecodable)
	}
	if ce.SpecVersion() != event.CloudEventsVersionV1 {
		return webhook.Event{}, fmt.Errorf("%w: specversion must be 1.0", ErrUndecodable)
	}
	for field, err := range ce.FieldErrors {
		return webhook.Event{}, fmt.Errorf("%w: %s: %w", ErrUndecodable, field, err)
	}
	e := webhook.Event{
		Source: ce.Source(), CEID: ce.ID(), Type: ce.Type(), Subject: ce.Subject(), Time: ce.Time(),
		DataType: ce.DataContentType(), DataSchema: ce.DataSchema(), Data: ce.Data(),
	}
	for name, value := range ce.Extensions() {
		plain, err := plainValue(value)
		if err != nil {
			return webhook.Event{}, fmt.Errorf("%w: %s: %w", ErrUndecodable, name, err)
		}
		if e.Extensions == nil {
			e.Extensions = make(map[string]any, len(ce.Extensions()))
		}
		e.Extensions[name] = plain
	}
	return e, nil
}

// plainValue turns an extension's value into what an event keeps: bool and integer as they are, so that structured
// mode sends them as they came, and everything else in its canonical text (CloudEvents 1.0.2, "Type System").
func plainValue(v any) (any, error) {
	switch v := v.(type) {
	case bool, int32, string:
		return v, nil
	default:
		return types.Format(v)
	}
}

// traceOf returns the trace context that came with the request, or, failing that, with the event (the CloudEvents
// distributed tracing extension).
func traceOf(header map[string]string, extensions map[string]any) webhook.Trace {
	if parent := header["traceparent"]; parent != "" {
		return webhook.Trace{Parent: bounded(parent), State: bounded(header["tracestate"])}
	}
	parent, _ := extensions["traceparent"].(string)
	state, _ := extensions["tracestate"].(string)
	return webhook.Trace{Parent: bounded(parent), State: bounded(state)}
}

// maxTrace is the longest trace context kept: W3C Trace Context, section 3.3.1.5, asks for at least 512 bytes of state.
const maxTrace = 512

// bounded drops a trace context that is too long or not plain text; tracing is never a reason to refuse an event.
func bounded(s string) string {
	if len(s) > maxTrace || checkText(s) != "" {
		return ""
	}
	return s
}
