package amqp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
)

// Names of headers. They are those that the ingress of Knative's RabbitMQ broker writes (eventing-rabbitmq v0.48,
// pkg/rabbit/message.go), so that its dispatcher and we read each other's messages.
const (
	headerContentType = "content-type"
	headerSpecVersion = "specversion"
	headerTime        = "time"
	headerID          = "id"
	headerType        = "type"
	headerSource      = "source"
	headerSubject     = "subject"
	headerDataSchema  = "dataschema"
	headerParent      = "traceparent"
	headerState       = "tracestate"

	serversPrefix = "x-" // of headers that RabbitMQ adds
)

var propagator = propagation.TraceContext{}

// carrier lets the propagator read and write a message's headers.
type carrier amqp091.Table

func (c carrier) Get(key string) string { v, _ := c[key].(string); return v }
func (c carrier) Set(key, value string) { c[key] = value }
func (c carrier) Keys() []string        { return []string{headerParent, headerState} }

// encode returns the message of an event, not persistent.
func encode(ctx context.Context, e *event.Event) (amqp091.Publishing, error) {
	headers := make(amqp091.Table, 8+len(e.Extensions()))
	headers[headerSpecVersion] = e.SpecVersion()
	headers[headerID] = e.ID()
	headers[headerType] = e.Type()
	headers[headerSource] = e.Source()
	setText(headers, headerContentType, e.DataContentType())
	setText(headers, headerSubject, e.Subject())
	setText(headers, headerDataSchema, e.DataSchema())
	if t := e.Time(); !t.IsZero() {
		headers[headerTime] = types.FormatTime(t)
	}
	for name, value := range e.Extensions() {
		switch value.(type) {
		case string, bool, int32, []byte: // which RabbitMQ tells apart, and so do the filters
		default:
			text, err := types.Format(value)
			if err != nil {
				return amqp091.Publishing{}, fmt.Errorf("extension %s: %w", name, bus.ErrInvalid)
			}
			value = text
		}
		if !link.ShortString(name) {
			return amqp091.Publishing{}, fmt.Errorf("the name of an extension is too long: %w", bus.ErrInvalid)
		}
		headers[name] = value
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagator.Inject(ctx, carrier(headers))
	}
	m := amqp091.Publishing{Headers: headers, Body: e.Data()}
	// The headers say the same, so what does not fit may be left out.
	if link.ShortString(e.ID()) {
		m.MessageId = e.ID()
	}
	if link.ShortString(e.DataContentType()) {
		m.ContentType = e.DataContentType()
	}
	return m, nil
}

func setText(headers amqp091.Table, name, value string) {
	if value != "" {
		headers[name] = value
	}
}

// decode returns the event of a message, and ctx with its trace.
func decode(ctx context.Context, d *amqp091.Delivery) (context.Context, event.Event, error) {
	c := &event.EventContextV1{}
	for name, value := range d.Headers {
		if err := setAttribute(c, name, value); err != nil {
			return ctx, event.Event{}, err
		}
	}
	if c.DataContentType == nil && d.ContentType != "" {
		c.DataContentType = &d.ContentType
	}
	e := event.Event{Context: c}
	if len(d.Body) > 0 {
		e.DataEncoded = d.Body
	}
	if err := e.Validate(); err != nil {
		return ctx, event.Event{}, err
	}
	if _, ok := d.Headers[headerParent]; ok {
		ctx = propagator.Extract(ctx, carrier(d.Headers))
	}
	return ctx, e, nil
}

func setAttribute(c *event.EventContextV1, name string, value any) error {
	text, isText := value.(string)
	switch name {
	case headerParent, headerState:
		return nil
	case headerSpecVersion:
		if text != event.CloudEventsVersionV1 {
			return fmt.Errorf("specversion %q", text)
		}
		return nil
	case headerID:
		c.ID = text
	case headerType:
		c.Type = text
	case headerSource:
		return c.SetSource(text)
	case headerTime:
		return setTime(c, text)
	case headerContentType:
		if text != "" {
			c.DataContentType = &text
		}
	case headerSubject:
		if text != "" {
			c.Subject = &text
		}
	case headerDataSchema:
		return c.SetDataSchema(text)
	default:
		if strings.HasPrefix(name, serversPrefix) {
			return nil
		}
		if isText {
			value = text
		}
		return c.SetExtension(name, value)
	}
	return nil
}

// setTime passes over the zero time, which is what the Knative ingress writes for an event without time.
func setTime(c *event.EventContextV1, text string) error {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	if !t.IsZero() {
		c.Time = &types.Timestamp{Time: t}
	}
	return nil
}
