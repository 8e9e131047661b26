package homingtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// CloudEvent is an event as a producer has it. Its id is stable: sent again, it is the same event.
type CloudEvent struct {
	ID, EventType, Subject string
	Data                   string
	Header                 map[string]string // sent with it, such as traceparent
}

// Source is the CloudEvents source of all events.
const Source = "/acceptance"

// Orders makes n events of one type, with ids of their own.
func Orders(name string, n int) []*CloudEvent {
	events := make([]*CloudEvent, n)
	for i := range events {
		id := name + "-" + strconv.Itoa(i)
		events[i] = &CloudEvent{ID: id, EventType: "order.paid", Data: fmt.Sprintf(`{"order":%q}`, id)}
	}
	return events
}

// Attributes is the event in the JSON format of CloudEvents.
func (e *CloudEvent) Attributes() map[string]any {
	a := map[string]any{
		"specversion": "1.0", "id": e.ID, "source": Source, "type": e.EventType, "datacontenttype": "application/json",
		"data": json.RawMessage(e.Data),
	}
	if e.Subject != "" {
		a["subject"] = e.Subject
	}
	return a
}

// mode is a way to send events (CloudEvents HTTP binding, section 3).
type mode string

const (
	// Binary has the attributes as headers; the body is the data.
	Binary mode = "binary"
	// Structured has the whole event in JSON as the body.
	Structured mode = "structured"
	// Batched has several of those in one body.
	Batched mode = "batch"
)

// Receipt is Homing's answer for an event.
type Receipt struct {
	ID         webhook.ID `json:"id"`
	Duplicate  bool       `json:"duplicate"`
	Deliveries int        `json:"deliveries"`
}

// Producer sends events to a Homing and remembers what it accepted.
type Producer struct {
	t    testing.TB
	Key  string
	base func() string

	Patience time.Duration // how long to send an event again

	mu       sync.Mutex
	Accepted map[string]Accepted // by id of the event
	refused  int                 // answers 503
}

// Accepted is an event that Homing has answered for, or that a broker has.
type Accepted struct {
	*CloudEvent
	id    webhook.ID // Homing's own; zero when it is not known
	taken time.Time  // when a broker took it; zero for one that Homing has answered for
}

// Answered is when Homing made its id of the event, which it answered with; not direct is one that only a broker took.
func (a *Accepted) Answered() (at time.Time, direct bool) { return a.id.Time(), a.taken.IsZero() }

// Snapshot returns what has been accepted so far.
func (p *Producer) Snapshot() []Accepted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.Accepted))
}

// Producer makes a producer that sends to a process.
func (h *Installation) Producer(to *Process) *Producer {
	return &Producer{
		t: h.T, Key: h.Key, base: func() string { return to.Base }, Patience: Patience,
		Accepted: make(map[string]Accepted),
	}
}

// Send sends events one by one in binary mode, each until it is accepted.
func (p *Producer) Send(events ...*CloudEvent) []Receipt {
	p.t.Helper()
	receipts := make([]Receipt, len(events))
	for i, e := range events {
		receipts[i] = p.SendAs(Binary, e)[0]
	}
	return receipts
}

// SendAs sends events in a mode, in one request, until they are accepted: after 503, and when nobody answers, the same
// again, with the same ids.
func (p *Producer) SendAs(m mode, events ...*CloudEvent) []Receipt {
	p.t.Helper()
	const least, most = 20 * time.Millisecond, 200 * time.Millisecond
	again := least
	for deadline := time.Now().Add(p.Patience); ; <-time.After(again) {
		again = min(again*3/2, most)
		status, body, err := p.Post(m, events...)
		if err == nil && (status == http.StatusAccepted || status == http.StatusOK) {
			return p.note(m, body, events)
		}
		p.mu.Lock()
		if err == nil {
			p.refused++
		}
		p.mu.Unlock()
		if err == nil && status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			p.t.Errorf("the event is not accepted: status %d, %s, %v", status, body, err)
			return make([]Receipt, len(events))
		}
	}
}

// note remembers what was accepted. It may be called on any goroutine, so it must not end the test.
func (p *Producer) note(m mode, body []byte, events []*CloudEvent) []Receipt {
	var answer struct {
		Receipt
		Events []Receipt `json:"events"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		p.t.Errorf("the answer is not JSON: %v: %s", err, body)
	}
	receipts := answer.Events
	if m != Batched {
		receipts = []Receipt{answer.Receipt}
	}
	if len(receipts) != len(events) {
		p.t.Errorf("%d receipts for %d events: %s", len(receipts), len(events), body)
		return make([]Receipt, len(events))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range events {
		if known, ok := p.Accepted[e.ID]; ok && known.id != receipts[i].ID {
			p.t.Errorf("event %s is accepted twice, as %s and as %s", e.ID, known.id, receipts[i].ID)
		}
		p.Accepted[e.ID] = Accepted{CloudEvent: e, id: receipts[i].ID}
	}
	return receipts
}

// Post sends events once and returns the answer. Errors: there was none.
func (p *Producer) Post(m mode, events ...*CloudEvent) (status int, body []byte, err error) {
	e := events[0]
	var sent any
	contentType := "application/cloudevents+json"
	switch m {
	case Batched:
		all := make([]map[string]any, len(events))
		for i := range events {
			all[i] = events[i].Attributes()
		}
		sent, contentType = all, "application/cloudevents-batch+json"
	case Structured:
		sent = e.Attributes()
	default:
		contentType = "application/json"
	}
	encoded, err := json.Marshal(sent)
	if err != nil {
		return 0, nil, err
	}
	if m == Binary {
		encoded = []byte(e.Data) // not as JSON would write it
	}
	req, err := http.NewRequest(http.MethodPost, p.base()+"/v1/events", bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.Key)
	req.Header.Set("Content-Type", contentType)
	if m == Binary {
		req.Header.Set("Ce-Specversion", "1.0")
		req.Header.Set("Ce-Id", e.ID)
		req.Header.Set("Ce-Source", Source)
		req.Header.Set("Ce-Type", e.EventType)
		if e.Subject != "" {
			req.Header.Set("Ce-Subject", e.Subject)
		}
	}
	for name, value := range e.Header {
		req.Header.Set(name, value)
	}
	return RoundTrip(req)
}

// RoundTrip makes a request and reads the answer. Errors: there was none, or a 503 without Retry-After.
func RoundTrip(req *http.Request) (status int, body []byte, err error) {
	res, err := Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
		err = errors.Join(err, errors.New("503 without Retry-After"))
	}
	return res.StatusCode, body, err
}

// Brokered is the event as it comes through the broker: with the tenant that it is for.
func (e *CloudEvent) Brokered(t testing.TB, tenant string) event.Event {
	t.Helper()
	ce := event.New()
	ce.SetID(e.ID)
	ce.SetSource(Source)
	ce.SetType(e.EventType)
	if e.Subject != "" {
		ce.SetSubject(e.Subject)
	}
	ce.SetExtension("tenant", tenant)
	require.NoError(t, ce.SetData("application/json", json.RawMessage(e.Data)))
	require.NoError(t, ce.Validate())
	return ce
}

// Took remembers events that a broker has taken, whose ids in Homing are not known.
func (p *Producer) Took(events ...*CloudEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range events {
		p.Accepted[e.ID] = Accepted{CloudEvent: e, taken: time.Now()}
	}
}

// apiKey is a key as the store keeps it.
func apiKey(tenant string, id webhook.ID, hash [32]byte, expires time.Time) store.APIKey {
	return store.APIKey{ID: id, Tenant: tenant, Name: "acceptance", Hash: hash, ExpiresAt: expires}
}

// Refusals is how often the producer was told to come again (503).
func (p *Producer) Refusals() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}
