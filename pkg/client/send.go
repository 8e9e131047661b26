package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// CloudEvent is an event to send (https://cloudevents.io).
type CloudEvent struct {
	// ID names the event among those of its source: an event with the same Source and ID is taken once. Default: a
	// random one, which covers the retries of a call.
	ID string
	// Source is where it comes from, a URI reference such as "/shop". Required.
	Source string
	// Type says what happened, such as "order.paid"; endpoints subscribe to types. Required.
	Type string
	// Subject is what it happened to. Optional.
	Subject string
	// Time is when it happened. Default: not said.
	Time time.Time
	// DataSchema is the URI of a schema of Data. Optional.
	DataSchema string
	// DataContentType is the media type of Data. Default: "application/json".
	DataContentType string
	// Data is the payload; endpoints get these very bytes when it is sent alone.
	Data []byte
	// Extensions are further attributes, by their lower-case names. Optional.
	Extensions map[string]string
}

// Receipt says that an event is stored.
type Receipt struct {
	// ID is Homing's own id of the event, for [Client.GetEvent].
	ID string `json:"id"`
	// Duplicate is whether it had been sent before; then ID is that of the first.
	Duplicate bool `json:"duplicate"`
	// Deliveries is to how many endpoints it goes.
	Deliveries int `json:"deliveries"`
}

const pathEvents = "/v1/events"

// Send sends an event, and returns once it is stored. It may be repeated with the same Source and ID at any time: the
// event is taken once. It needs a tenant's key with the scope events:write, or an operator's and the tenant
// ([WithTenant]).
func (c *Client) Send(ctx context.Context, e CloudEvent, options ...CallOption) (*Receipt, error) {
	e = e.filled()
	h := http.Header{"Content-Type": {e.DataContentType}, "Ce-Specversion": {"1.0"}}
	for name, value := range e.attributes() {
		h.Set("ce-"+name, percentEncoded(value))
	}
	if e.Data == nil {
		e.Data = []byte{}
	}
	return one[Receipt](ctx, c, request{
		method: http.MethodPost, path: pathEvents, raw: e.Data, header: h, safe: true, tenant: true,
	}, options)
}

// SendBatch sends events together, all or none of which are stored, and returns their receipts in the same order. JSON
// payloads may be reformatted on the way. Errors: as of [Client.Send]; a Fault's Field has the place of the event.
func (c *Client) SendBatch(ctx context.Context, events []CloudEvent, options ...CallOption) ([]Receipt, error) {
	batch := make([]map[string]any, len(events))
	for i, e := range events {
		batch[i] = e.filled().structured()
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, fmt.Errorf("client: the batch cannot be written: %w", err)
	}
	answer, err := one[struct {
		Events []Receipt `json:"events"`
	}](ctx, c, request{
		method: http.MethodPost, path: pathEvents, raw: body, safe: true, tenant: true,
		header: http.Header{"Content-Type": {"application/cloudevents-batch+json"}},
	}, options)
	if err != nil {
		return nil, err
	}
	return answer.Events, nil
}

// filled is the event with its defaults.
func (e CloudEvent) filled() CloudEvent {
	if e.ID == "" {
		e.ID = rand.Text()
	}
	if e.DataContentType == "" {
		e.DataContentType = "application/json"
	}
	return e
}

// attributes are those that have values, without the content type.
func (e CloudEvent) attributes() map[string]string {
	all := maps.Clone(e.Extensions)
	if all == nil {
		all = make(map[string]string)
	}
	for name, value := range map[string]string{
		"id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject, "dataschema": e.DataSchema,
	} {
		if value != "" {
			all[name] = value
		}
	}
	if !e.Time.IsZero() {
		all["time"] = e.Time.Format(time.RFC3339Nano)
	}
	return all
}

// structured is the event in the JSON format.
func (e CloudEvent) structured() map[string]any {
	all := map[string]any{"specversion": "1.0", "datacontenttype": e.DataContentType}
	for name, value := range e.attributes() {
		all[name] = value
	}
	media, _, _ := mime.ParseMediaType(e.DataContentType)
	switch isJSON := strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"); {
	case len(e.Data) == 0:
	case isJSON && json.Valid(e.Data):
		all["data"] = json.RawMessage(e.Data)
	default:
		all["data_base64"] = e.Data
	}
	return all
}

// percentEncoded is an attribute as the CloudEvents HTTP binding writes it in a header (section 3.1.3.2).
func percentEncoded(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c <= ' ' || c > '~' || slices.Contains([]byte(`"%`), c) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
