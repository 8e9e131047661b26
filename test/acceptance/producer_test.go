package acceptance_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// cloudEvent is an event as a producer has it. Its id is stable: sent again, it is the same event.
type cloudEvent struct {
	id, eventType, subject string
	data                   string
	header                 map[string]string // sent with it, such as traceparent
}

const source = "/acceptance"

// orders makes n events of one type, with ids of their own.
func orders(name string, n int) []*cloudEvent {
	events := make([]*cloudEvent, n)
	for i := range events {
		id := name + "-" + strconv.Itoa(i)
		events[i] = &cloudEvent{id: id, eventType: "order.paid", data: fmt.Sprintf(`{"order":%q}`, id)}
	}
	return events
}

// attributes is the event in the JSON format of CloudEvents.
func (e *cloudEvent) attributes() map[string]any {
	a := map[string]any{
		"specversion": "1.0", "id": e.id, "source": source, "type": e.eventType, "datacontenttype": "application/json",
		"data": json.RawMessage(e.data),
	}
	if e.subject != "" {
		a["subject"] = e.subject
	}
	return a
}

// mode is a way to send events (CloudEvents HTTP binding, section 3).
type mode string

const (
	binary     mode = "binary"
	structured mode = "structured"
	batched    mode = "batch"
)

// receipt is Homing's answer for an event.
type receipt struct {
	ID         webhook.ID `json:"id"`
	Duplicate  bool       `json:"duplicate"`
	Deliveries int        `json:"deliveries"`
}

// producer sends events to a Homing and remembers what it accepted.
type producer struct {
	t    testing.TB
	key  string
	base func() string

	patience time.Duration // how long to send an event again

	mu       sync.Mutex
	accepted map[string]accepted // by id of the event
	refused  int                 // answers 503
}

// accepted is an event that Homing has answered for, or that a broker has.
type accepted struct {
	*cloudEvent
	id    webhook.ID // Homing's own; zero when it is not known
	taken time.Time  // when a broker took it; zero for one that Homing has answered for
}

// producer makes a producer that sends to a process.
func (h *installation) producer(to *process) *producer {
	return &producer{
		t: h.t, key: h.key, base: func() string { return to.base }, patience: patience,
		accepted: make(map[string]accepted),
	}
}

// send sends events one by one in binary mode, each until it is accepted.
func (p *producer) send(events ...*cloudEvent) []receipt {
	p.t.Helper()
	receipts := make([]receipt, len(events))
	for i, e := range events {
		receipts[i] = p.sendAs(binary, e)[0]
	}
	return receipts
}

// sendAs sends events in a mode, in one request, until they are accepted: after 503, and when nobody answers, the same
// again, with the same ids.
func (p *producer) sendAs(m mode, events ...*cloudEvent) []receipt {
	p.t.Helper()
	const least, most = 20 * time.Millisecond, 200 * time.Millisecond
	again := least
	for deadline := time.Now().Add(p.patience); ; <-time.After(again) {
		again = min(again*3/2, most)
		status, body, err := p.post(m, events...)
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
			return make([]receipt, len(events))
		}
	}
}

// note remembers what was accepted. It may be called on any goroutine, so it must not end the test.
func (p *producer) note(m mode, body []byte, events []*cloudEvent) []receipt {
	var answer struct {
		receipt
		Events []receipt `json:"events"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		p.t.Errorf("the answer is not JSON: %v: %s", err, body)
	}
	receipts := answer.Events
	if m != batched {
		receipts = []receipt{answer.receipt}
	}
	if len(receipts) != len(events) {
		p.t.Errorf("%d receipts for %d events: %s", len(receipts), len(events), body)
		return make([]receipt, len(events))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range events {
		if known, ok := p.accepted[e.id]; ok && known.id != receipts[i].ID {
			p.t.Errorf("event %s is accepted twice, as %s and as %s", e.id, known.id, receipts[i].ID)
		}
		p.accepted[e.id] = accepted{cloudEvent: e, id: receipts[i].ID}
	}
	return receipts
}

// post sends events once and returns the answer. Errors: there was none.
func (p *producer) post(m mode, events ...*cloudEvent) (status int, body []byte, err error) {
	e := events[0]
	var sent any
	contentType := "application/cloudevents+json"
	switch m {
	case batched:
		all := make([]map[string]any, len(events))
		for i := range events {
			all[i] = events[i].attributes()
		}
		sent, contentType = all, "application/cloudevents-batch+json"
	case structured:
		sent = e.attributes()
	default:
		contentType = "application/json"
	}
	encoded, err := json.Marshal(sent)
	if err != nil {
		return 0, nil, err
	}
	if m == binary {
		encoded = []byte(e.data) // not as JSON would write it
	}
	req, err := http.NewRequest(http.MethodPost, p.base()+"/v1/events", bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.key)
	req.Header.Set("Content-Type", contentType)
	if m == binary {
		req.Header.Set("Ce-Specversion", "1.0")
		req.Header.Set("Ce-Id", e.id)
		req.Header.Set("Ce-Source", source)
		req.Header.Set("Ce-Type", e.eventType)
		if e.subject != "" {
			req.Header.Set("Ce-Subject", e.subject)
		}
	}
	for name, value := range e.header {
		req.Header.Set(name, value)
	}
	return roundTrip(req)
}

func roundTrip(req *http.Request) (status int, body []byte, err error) {
	res, err := client.Do(req)
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

// brokered is the event as it comes through the broker: with the tenant that it is for.
func (e *cloudEvent) brokered(t testing.TB, tenant string) event.Event {
	t.Helper()
	ce := event.New()
	ce.SetID(e.id)
	ce.SetSource(source)
	ce.SetType(e.eventType)
	if e.subject != "" {
		ce.SetSubject(e.subject)
	}
	ce.SetExtension("tenant", tenant)
	require.NoError(t, ce.SetData("application/json", json.RawMessage(e.data)))
	require.NoError(t, ce.Validate())
	return ce
}

// took remembers events that a broker has taken, whose ids in Homing are not known.
func (p *producer) took(events ...*cloudEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range events {
		p.accepted[e.id] = accepted{cloudEvent: e, taken: time.Now()}
	}
}

// apiKey is a key as the store keeps it.
func apiKey(tenant string, id webhook.ID, hash [32]byte, expires time.Time) store.APIKey {
	return store.APIKey{ID: id, Tenant: tenant, Name: "acceptance", Hash: hash, ExpiresAt: expires}
}
