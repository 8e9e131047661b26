package api

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Event is an event as the API shows it in lists: without its payload.
type Event struct {
	ID         webhook.ID     `json:"id" format:"uuid" doc:"Homing's own id of the event."`
	Source     string         `json:"source" doc:"The CloudEvent's source."`
	EventID    string         `json:"event_id" doc:"The CloudEvent's id."`
	Type       string         `json:"type" doc:"The CloudEvent's type."`
	Subject    string         `json:"subject,omitempty"`
	Time       *time.Time     `json:"time,omitempty" doc:"The CloudEvent's time."`
	DataType   string         `json:"data_content_type,omitempty"`
	DataSchema string         `json:"data_schema,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty" doc:"The CloudEvent's extension attributes."`
	Origin     *webhook.ID    `json:"origin,omitempty" format:"uuid" doc:"Of a replay: the event that was accepted first."`
	AcceptedAt time.Time      `json:"accepted_at" doc:"When it was stored."`
	//nolint:lll // a tag cannot be broken
	SchemaError string     `json:"schema_error,omitempty" doc:"Where its data do not satisfy the schema of their type, which was to flag that."`
	ErasedAt    *time.Time `json:"erased_at,omitempty" doc:"Since when its payload is gone."`
}

// EventWithData is an event with its payload and its deliveries.
type EventWithData struct {
	Event
	Data       any        `json:"data,omitempty" doc:"The payload, when it is JSON."`
	DataText   *string    `json:"data_text,omitempty" doc:"The payload, when it is other text."`
	DataBase64 []byte     `json:"data_base64,omitempty" doc:"The payload, when it is not text."`
	Deliveries []Delivery `json:"deliveries" nullable:"false" doc:"Where it goes, the newest 100."`
}

func showEvent(e webhook.Event) Event {
	out := Event{
		ID: e.ID, Source: e.Source, EventID: e.CEID, Type: e.Type, Subject: e.Subject, Time: moment(e.Time),
		DataType: e.DataType, DataSchema: e.DataSchema, Extensions: e.Extensions, AcceptedAt: e.AcceptedAt,
		SchemaError: e.SchemaError, ErasedAt: moment(e.ErasedAt),
	}
	if !e.Origin.IsZero() {
		out.Origin = &e.Origin
	}
	return out
}

// showData sets the payload in the form that fits it.
func (e *EventWithData) showData(data []byte) {
	media, _, _ := mime.ParseMediaType(e.DataType)
	isJSON := e.DataType == "" || strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json")
	switch {
	case len(data) == 0:
	case isJSON && json.Valid(data):
		e.Data = json.RawMessage(data)
	case utf8.Valid(data):
		text := string(data)
		e.DataText = &text
	default:
		e.DataBase64 = data
	}
}

type listEventsInput struct {
	ForTenant
	Paging
	Type    string `query:"type" maxLength:"255" doc:"Only events of this type."`
	Subject string `query:"subject" maxLength:"1024" doc:"Only events with this subject."`
	Span
}

// Span bounds a list in time.
type Span struct {
	Since time.Time `query:"since" doc:"Only from this moment on."`
	Until time.Time `query:"until" doc:"Only before this moment."`
}

// from is the first id of the span; zero for no bound.
func (s Span) from() webhook.ID {
	if s.Since.IsZero() {
		return webhook.ID{}
	}
	return webhook.FirstID(s.Since)
}

// before is the id that a list ends before: the cursor's, or that of the end of the span, whichever comes first.
func (s Span) before(cursor webhook.ID) webhook.ID {
	if s.Until.IsZero() || !cursor.IsZero() && cursor.Time().Before(s.Until) {
		return cursor
	}
	return webhook.FirstID(s.Until)
}

// EventPath names an event.
type EventPath struct {
	ForTenant
	ID webhook.ID `path:"event" format:"uuid" doc:"Homing's id of the event."`
}

type eventAnswer struct{ Body EventWithData }

func (a *API) registerEvents() {
	const tag = "Events"
	register(a, operation{
		id: "listEvents", method: http.MethodGet, path: "/v1/events", tag: tag, scope: webhook.ScopeDeliveriesRead,
		summary: "List events", description: "Newest first, without their payloads.",
	}, a.listEvents)
	register(a, operation{
		id: "getEvent", method: http.MethodGet, path: "/v1/events/{event}", tag: tag, scope: webhook.ScopeDeliveriesRead,
		summary: "Get an event", description: "With its payload and its deliveries.",
	}, a.getEvent)
}

func (a *API) listEvents(ctx context.Context, in *listEventsInput) (*listed[Event], error) {
	cursor, err := in.afterID()
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.Events(ctx, store.EventQuery{
		Tenant: callerOf(ctx).tenant, Type: in.Type, Subject: in.Subject, From: in.from(), Before: in.before(cursor),
		Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, showEvent, func(e webhook.Event) string { return e.ID.String() }), nil
}

// maxShown is how many deliveries are shown with an event.
const maxShown = 100

func (a *API) getEvent(ctx context.Context, in *struct{ EventPath }) (*eventAnswer, error) {
	tenant := callerOf(ctx).tenant
	e, err := a.cfg.Store.Event(ctx, tenant, in.ID)
	if err != nil {
		return nil, err
	}
	deliveries, err := a.cfg.Store.Deliveries(ctx, store.DeliveryQuery{Tenant: tenant, Event: e.ID, Limit: maxShown})
	if err != nil {
		return nil, err
	}
	out := &eventAnswer{Body: EventWithData{Event: showEvent(*e), Deliveries: make([]Delivery, 0, len(deliveries))}}
	out.Body.showData(e.Data)
	for _, d := range deliveries {
		out.Body.Deliveries = append(out.Body.Deliveries, showDelivery(d))
	}
	return out, nil
}
