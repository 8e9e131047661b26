package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/homing-hooks/homing/pkg/schema"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// EventType is an entry of a tenant's catalogue of event types.
type EventType struct {
	Name        string          `json:"name" doc:"The CloudEvents type."`
	Description string          `json:"description,omitempty" doc:"For people."`
	Schema      json.RawMessage `json:"schema,omitempty" doc:"The JSON Schema (2020-12) of the data."`
	Example     json.RawMessage `json:"example,omitempty" doc:"Data of that kind; a test sends them."`
	//nolint:lll // a tag cannot be broken
	SchemaPolicy string     `json:"schema_policy,omitempty" enum:"off,flag,reject" doc:"What becomes of data that do not satisfy the schema. Missing: what the tenant's says."`
	ArchivedAt   *time.Time `json:"archived_at,omitempty" doc:"Since when it is out of use."`
	Version      int64      `json:"version" doc:"Grows with each change; it is the ETag as well."`
	CreatedAt    time.Time  `json:"created_at"`
}

func showEventType(t store.EventType) EventType {
	return EventType{
		Name: t.Name, Description: t.Description, Schema: t.Schema, Example: t.Example, SchemaPolicy: string(t.Policy),
		ArchivedAt: moment(t.ArchivedAt), Version: t.Version, CreatedAt: t.CreatedAt,
	}
}

// EventTypePath names an event type.
type EventTypePath struct {
	ForTenant
	Name string `path:"type" maxLength:"255" doc:"The event type."`
}

// EventTypeFields are what can be set of an event type; what is left out stays as it is.
type EventTypeFields struct {
	Description *string `json:"description,omitempty" maxLength:"2000" doc:"For people."`
	//nolint:lll // a tag cannot be broken
	Schema json.RawMessage `json:"schema,omitempty" doc:"The JSON Schema (2020-12) of the data, up to 32 KiB and 64 levels; it may refer to its own parts only. null: none."`
	//nolint:lll // a tag cannot be broken
	Example json.RawMessage `json:"example,omitempty" doc:"Data of that kind, up to 32 KiB, which must satisfy the schema. null: none."`
	//nolint:lll // a tag cannot be broken
	SchemaPolicy *string `json:"schema_policy,omitempty" enum:"off,flag,reject,tenant" doc:"What becomes of data that do not satisfy the schema: off, nobody looks; flag, the event is kept with a mark; reject, it is not accepted; tenant, what the tenant's says."`
	Archived     *bool   `json:"archived,omitempty" doc:"Whether it is out of use: a note for people."`
}

type createEventTypeInput struct {
	ForTenant
	Creating
	Body struct {
		//nolint:lll // a tag cannot be broken
		Name string `json:"name" minLength:"1" maxLength:"255" example:"order.paid" doc:"The CloudEvents type, without spaces and control characters; it never changes."`
		EventTypeFields
	}
}

type updateEventTypeInput struct {
	EventTypePath
	Changing
	Body EventTypeFields
}

type eventTypeAnswer struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     EventType
}

func (a *API) registerEventTypes() {
	const tag, all, one = "Event types", "/v1/event-types", "/v1/event-types/{type}"
	read, write := webhook.ScopeEndpointsRead, webhook.ScopeEndpointsWrite
	register(a, operation{
		id: "createEventType", method: http.MethodPost, path: all, tag: tag, scope: write, status: http.StatusCreated,
		errors: []int{http.StatusConflict}, summary: "Add an event type to the catalogue",
		description: "With a schema, events of the type are held to it from now on, as its policy says. Types need no " +
			"entry to be sent.",
	}, a.createEventType)
	register(a, operation{
		id: "listEventTypes", method: http.MethodGet, path: all, tag: tag, scope: read, summary: "List event types",
		description: "By their names.",
	}, a.listEventTypes)
	register(a, operation{
		id: "getEventType", method: http.MethodGet, path: one, tag: tag, scope: read, summary: "Get an event type",
	}, a.getEventType)
	register(a, operation{
		id: "updateEventType", method: http.MethodPatch, path: one, tag: tag, scope: write,
		errors:  []int{http.StatusConflict, http.StatusPreconditionFailed},
		summary: "Change an event type", description: "What is left out stays as it is.",
	}, a.updateEventType)
	register(a, operation{
		id: "deleteEventType", method: http.MethodDelete, path: one, tag: tag, scope: write,
		errors:  []int{http.StatusPreconditionFailed},
		summary: "Remove an event type from the catalogue", description: "Events of the type are accepted as before.",
	}, a.deleteEventType)
}

// maxExample bounds an example.
const maxExample = 32 << 10

// applyType sets what a request says about an event type, and says all that is wrong with it, by field. Errors:
// store.ErrInvalid.
func (a *API) applyType(t *store.EventType, f EventTypeFields) error {
	set(&t.Description, f.Description)
	setJSON(&t.Schema, f.Schema)
	setJSON(&t.Example, f.Example)
	if f.SchemaPolicy != nil {
		t.Policy = webhook.SchemaPolicy(strings.TrimPrefix(*f.SchemaPolicy, "tenant"))
	}
	if f.Archived != nil && *f.Archived != !t.ArchivedAt.IsZero() {
		t.ArchivedAt = time.Time{}
		if *f.Archived {
			t.ArchivedAt = a.cfg.Now()
		}
	}
	if faults := typeFaults(t); len(faults) > 0 {
		return invalid(faults...)
	}
	return nil
}

// setJSON sets JSON that is given; null stands for none.
func setJSON(to *[]byte, value json.RawMessage) {
	switch {
	case value == nil:
	case string(value) == "null":
		*to = nil
	default:
		*to = value
	}
}

// typeFaults lists what is wrong with an event type.
func typeFaults(t *store.EventType) (faults []server.Fault) {
	if len(t.Example) > maxExample {
		faults = append(faults, server.Fault{Field: "example", Detail: "is longer than 32 KiB"})
	}
	if t.Schema == nil {
		return faults
	}
	compiled, err := schema.Compile(t.Schema)
	if err != nil {
		detail := strings.TrimPrefix(err.Error(), schema.ErrInvalid.Error()+": ")
		return append(faults, server.Fault{Field: "schema", Detail: detail})
	}
	if t.Example == nil {
		return faults
	}
	for _, v := range compiled.Validate(t.Example) {
		faults = append(faults, server.Fault{Field: "example" + v.Path, Detail: v.Rule})
	}
	return faults
}

// unfit reports whether a character has no place in the name of a type: such names look like others, or break where
// they are written down. Those that are there from before can be read, changed and removed.
func unfit(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsPrint(r) }

func (a *API) createEventType(ctx context.Context, in *createEventTypeInput) (*eventTypeAnswer, error) {
	tenant := callerOf(ctx).tenant
	t := store.EventType{Tenant: tenant, Name: in.Body.Name, Version: 1, CreatedAt: a.cfg.Now()}
	if strings.ContainsFunc(t.Name, unfit) {
		return nil, invalid(server.Fault{
			Field: "name", Detail: "has a space or a control character: write it like order.paid",
		})
	}
	if err := a.applyType(&t, in.Body.EventTypeFields); err != nil {
		return nil, err
	}
	_, err := a.create(ctx, creation{
		Creating: in.Creating, body: in.Body, made: created{ID: t.Name},
		change: audited{action: "event_type.create", target: t.Name, after: showEventType(t)},
	}, func(ctx context.Context) error { return a.cfg.Store.CreateEventType(ctx, t) })
	if err != nil {
		return nil, explainConflict(err, "there is an event type with that name already")
	}
	if t, err = a.cfg.Store.EventType(ctx, tenant, t.Name); err != nil {
		return nil, err
	}
	return &eventTypeAnswer{
		Location: "/v1/event-types/" + escaped(t.Name), ETag: etag(t.Version), Body: showEventType(t),
	}, nil
}

func (a *API) listEventTypes(ctx context.Context, in *struct {
	ForTenant
	Paging
	//nolint:lll // a tag cannot be broken
	Search   string `query:"search" maxLength:"200" doc:"Only those whose name or description has this in it, in any case."`
	Archived bool   `query:"archived" doc:"Also those that are out of use."`
},
) (*listed[EventType], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.EventTypePage(ctx, store.EventTypeQuery{
		Tenant: callerOf(ctx).tenant, Search: in.Search, Archived: in.Archived, After: after, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, showEventType, func(t store.EventType) string { return t.Name }), nil
}

func (a *API) getEventType(ctx context.Context, in *struct{ EventTypePath }) (*eventTypeAnswer, error) {
	t, err := a.cfg.Store.EventType(ctx, callerOf(ctx).tenant, in.Name)
	if err != nil {
		return nil, err
	}
	return &eventTypeAnswer{ETag: etag(t.Version), Body: showEventType(t)}, nil
}

func (a *API) updateEventType(ctx context.Context, in *updateEventTypeInput) (*eventTypeAnswer, error) {
	err := in.update(func() error {
		t, err := a.cfg.Store.EventType(ctx, callerOf(ctx).tenant, in.Name)
		if err != nil {
			return err
		}
		if err := in.check(t.Version); err != nil {
			return err
		}
		before := showEventType(t)
		if err := a.applyType(&t, in.Body); err != nil {
			return err
		}
		after := showEventType(t)
		after.Version++
		noted, err := a.noted(ctx, audited{"event_type.update", t.Name, before, after})
		if err != nil {
			return err
		}
		return a.cfg.Store.UpdateEventType(noted, t)
	})
	if err != nil {
		return nil, err
	}
	return a.getEventType(ctx, &struct{ EventTypePath }{in.EventTypePath})
}

// deleteEventType removes a type. What If-Match says is looked at first, not in one transaction with the removal.
func (a *API) deleteEventType(ctx context.Context, in *struct {
	EventTypePath
	Changing
},
) (*eventTypeAnswer, error) {
	out, err := a.getEventType(ctx, &struct{ EventTypePath }{in.EventTypePath})
	if err != nil {
		return nil, err
	}
	if err := in.check(out.Body.Version); err != nil {
		return nil, err
	}
	noted, err := a.noted(ctx, audited{action: "event_type.delete", target: in.Name, before: out.Body})
	if err != nil {
		return nil, err
	}
	return out, a.cfg.Store.DeleteEventType(noted, callerOf(ctx).tenant, in.Name)
}

// exampleOf is the example of an event type; nil when it has none, or is not in the catalogue.
func (a *API) exampleOf(ctx context.Context, name string) (json.RawMessage, error) {
	t, err := a.cfg.Store.EventType(ctx, callerOf(ctx).tenant, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return t.Example, err
}
