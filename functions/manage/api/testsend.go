package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// TestType is the type of a test event that names none. TestSource is the source of all of them.
const (
	TestType   = "io.homing.test"
	TestSource = "/homing/test"
)

// testData is what a test event says that is given no data.
const testData = `{"message": "This is a test of your endpoint."}`

// TestEvent says what a test event is to be.
type TestEvent struct {
	//nolint:lll // a tag cannot be broken
	Type string `json:"type,omitempty" minLength:"1" maxLength:"255" example:"order.paid" doc:"Its type; io.homing.test when left out. The endpoint need not subscribe to it."`
	//nolint:lll // a tag cannot be broken
	Data json.RawMessage `json:"data,omitempty" doc:"Its data. When left out: the example of the type in the catalogue, or a sentence."`
}

// SentTest names what to look at to see what became of a test.
type SentTest struct {
	Event webhook.ID `json:"event" format:"uuid" doc:"The event: GET /v1/events/{event}."`
	//nolint:lll // a tag cannot be broken
	Delivery webhook.ID `json:"delivery" format:"uuid" doc:"Its delivery, with every attempt: GET /v1/deliveries/{delivery}."`
}

type testInput struct {
	EndpointPath
	Creating
	Body *TestEvent // a request without a body asks for the defaults
}

type testAnswer struct {
	Location string `header:"Location"`
	Body     SentTest
}

func (a *API) registerTest() {
	register(a, operation{
		id: "testEndpoint", method: http.MethodPost, path: "/v1/endpoints/{endpoint}/test", tag: "Endpoints",
		scope: webhook.ScopeEndpointsWrite, status: http.StatusAccepted, errors: []int{http.StatusConflict},
		summary: "Send a test event to an endpoint",
		description: "It is stored, signed and sent like any other event, to this endpoint only, and attempted by its " +
			"schedule until it is answered or cancelled. An endpoint that is paused or disabled is sent nothing, " +
			"so the answer is 409.",
	}, a.testEndpoint)
}

func (a *API) testEndpoint(ctx context.Context, in *testInput) (*testAnswer, error) {
	if in.Body == nil {
		in.Body = &TestEvent{}
	}
	event, err := a.testEvent(ctx, *in.Body)
	if err != nil {
		return nil, err
	}
	test := store.NewTest{Event: event, Delivery: event.ID.Sibling(), Endpoint: in.ID}
	sent := SentTest{Event: event.ID, Delivery: test.Delivery}
	var due store.Due
	made, err := a.create(ctx, creation{
		Creating: in.Creating, body: in.Body, made: created{ID: sent.Delivery.String()},
		change: audited{action: "endpoint.test", target: in.ID.String(), after: sent},
	}, func(ctx context.Context) (err error) {
		due, err = a.cfg.Store.SendTest(ctx, test)
		return err
	})
	if err != nil {
		return nil, explainConflict(err, "the endpoint is not active: nothing is sent to it until it is resumed")
	}
	if !due.Delivery.IsZero() {
		a.cfg.Hint(wire.Due{Delivery: due.Delivery, Endpoint: due.Endpoint, Due: due.DueAt})
	}
	if sent.Delivery = made.parsed(); sent.Delivery != test.Delivery {
		view, err := a.cfg.Store.Delivery(ctx, callerOf(ctx).tenant, sent.Delivery)
		if err != nil {
			return nil, err
		}
		sent.Event = view.Event.ID
	}
	return &testAnswer{Location: "/v1/deliveries/" + made.ID, Body: sent}, nil
}

// testEvent makes the event that a request asks for.
func (a *API) testEvent(ctx context.Context, t TestEvent) (webhook.Event, error) {
	now := a.cfg.Now()
	id := a.ids.New(now)
	e := webhook.Event{
		ID: id, Tenant: callerOf(ctx).tenant, Source: TestSource, CEID: id.String(), Type: TestType, Time: now,
		DataType: "application/json", Data: t.Data,
	}
	if t.Type != "" {
		e.Type = t.Type
	}
	if strings.ContainsFunc(e.Type, unicode.IsControl) { // a space is taken: there are such types from before
		return e, invalid(server.Fault{Field: "type", Detail: "has a control character, as no CloudEvents type has"})
	}
	if e.Data == nil {
		example, err := a.exampleOf(ctx, e.Type)
		if err != nil {
			return e, err
		}
		e.Data = example
	}
	if e.Data == nil {
		e.Data = []byte(testData)
	}
	return e, nil
}

// escaped is a name as a part of a path.
func escaped(name string) string { return url.PathEscape(name) }
