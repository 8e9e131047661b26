package api

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// PathSending is where producers send events. It is ingest's, and here for the document only: whoever reads that has to
// find all there is, and must not mind which process answers.
const PathSending = "/v1/events"

// CloudEvent is an event in the JSON format of CloudEvents 1.0.2.
type CloudEvent struct {
	_ struct{} `additionalProperties:"true"`

	SpecVersion string `json:"specversion" enum:"1.0" doc:"Always 1.0."`
	//nolint:lll // a tag cannot be broken
	ID string `json:"id" minLength:"1" maxLength:"255" doc:"Names the event among those of its source: the same source and id again are the same event, which is taken once."`
	//nolint:lll // a tag cannot be broken
	Source string `json:"source" minLength:"1" maxLength:"1024" example:"/shop" doc:"Where it comes from, which is a URI reference."`
	//nolint:lll // a tag cannot be broken
	Type            string     `json:"type" minLength:"1" maxLength:"255" example:"order.paid" doc:"What happened. Endpoints subscribe to types."`
	Subject         string     `json:"subject,omitempty" maxLength:"1024" example:"order/1" doc:"What it happened to."`
	Time            *time.Time `json:"time,omitempty" doc:"When it happened."`
	DataContentType string     `json:"datacontenttype,omitempty" maxLength:"255" doc:"The media type of the data."`
	DataSchema      string     `json:"dataschema,omitempty" maxLength:"1024" doc:"The URI of a schema of the data."`
	Data            any        `json:"data,omitempty" doc:"The payload, when it is JSON or text."`
	DataBase64      []byte     `json:"data_base64,omitempty" doc:"The payload, when it is neither."`
}

// Receipt says that an event is stored.
type Receipt struct {
	//nolint:lll // a tag cannot be broken
	ID         webhook.ID `json:"id" format:"uuid" doc:"Homing's own id of the event, as in GET /v1/events/{event}; of a duplicate, that of the first."`
	Duplicate  bool       `json:"duplicate" doc:"Whether it had been taken before; nothing is sent again then."`
	Deliveries int        `json:"deliveries" doc:"To how many endpoints it goes; 0 for a duplicate."`
}

// Receipts are the answer to a batch.
type Receipts struct {
	Events []Receipt `json:"events" nullable:"false" doc:"One for each event, in the order of the batch."`
}

// sendingDescription is what a producer has to know.
const sendingDescription = "Takes CloudEvents 1.0 over HTTP, one in binary or structured mode, or a batch of up to " +
	"1,000. It answers once everything is stored: 202, or 200 when all had been taken before; a batch is stored as a " +
	"whole or not at all. After any other answer, and after none, send the same again, with the same source and id: it " +
	"is taken once. In binary mode the body is the payload, of the media type that Content-Type names, and the " +
	"attributes are headers: ce-specversion, ce-id, ce-source and ce-type are required then, and extension attributes " +
	"are headers as well, ce- before their names. This one operation is served by ingest: where the " +
	"functions have hosts of their own, send to ingest's."

// documentSending describes in the document what ingest's public face serves. A test of that face, and one of the whole
// process, hold it to this.
func (a *API) documentSending() {
	doc := a.huma.OpenAPI()
	content := func(of reflect.Type) *huma.MediaType {
		return &huma.MediaType{Schema: doc.Components.Schemas.Schema(of, true, "")}
	}
	event := content(reflect.TypeFor[CloudEvent]())
	receipts := map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
		content(reflect.TypeFor[Receipt]()).Schema, content(reflect.TypeFor[Receipts]()).Schema,
	}}}}
	op := &huma.Operation{
		OperationID: "sendEvents", Method: http.MethodPost, Path: PathSending, Tags: []string{"Events"},
		Summary: "Send events", Description: sendingDescription,
		Security: []map[string][]string{{scheme: {string(webhook.ScopeEventsWrite)}}},
		Servers: []*huma.Server{
			{URL: "/", Description: "Where one process has all functions."},
			{
				URL: "https://{ingest}", Description: "Where ingest has a host of its own, as on Knative.",
				Variables: map[string]*huma.ServerVariable{"ingest": {
					Default: "ingest.example.com", Description: "The host of ingest's public face.",
				}},
			},
		},
		Parameters: sendingHeaders(),
		RequestBody: &huma.RequestBody{
			Required: true, Description: "At most HOMING_MAX_PAYLOAD bytes, 1 MiB by default.",
			Content: map[string]*huma.MediaType{
				"*/*":                          {},
				"application/cloudevents+json": event,
				"application/cloudevents-batch+json": {Schema: &huma.Schema{
					Type: huma.TypeArray, Items: event.Schema, MaxItems: new(1000),
				}},
			},
		},
		Responses: map[string]*huma.Response{
			"202": {Description: "Stored. To a batch the answer is the receipts of all.", Content: receipts},
			"200": {Description: "All were duplicates.", Content: receipts},
		},
	}
	problem := map[string]*huma.MediaType{"application/problem+json": content(reflect.TypeFor[Problem]())}
	for _, status := range []int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusServiceUnavailable,
	} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: problem}
	}
	doc.AddOperation(op)
}

// sendingHeaders are the headers that have names of their own: of an event in binary mode, and of who sends it.
func sendingHeaders() []*huma.Param {
	header := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	const percent = " Percent-encoded, as the HTTP binding of CloudEvents says."
	return []*huma.Param{
		header(TenantHeader, "With an operator's key: the tenant whose events these are. A tenant's own key needs none."),
		header("ce-specversion", "Binary mode: 1.0."),
		header("ce-id", "Binary mode: the event's id."+percent),
		header("ce-source", "Binary mode: where it comes from."+percent),
		header("ce-type", "Binary mode: what happened."+percent),
		header("ce-subject", "Binary mode: what it happened to."+percent),
		header("ce-time", "Binary mode: when it happened (RFC 3339)."),
		header("ce-dataschema", "Binary mode: the URI of a schema of the data."),
		header("traceparent", "W3C Trace Context: attempts become part of the trace."),
		header("tracestate", "W3C Trace Context."),
	}
}
