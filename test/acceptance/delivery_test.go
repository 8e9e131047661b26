package acceptance_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/brokersign"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestEventsBecomeSignedPOSTs is what Homing is for, told three times: in one process with nothing but Postgres, in one
// process with all services, and as three processes that know each other only through RabbitMQ.
func TestEventsBecomeSignedPOSTs(t *testing.T) {
	t.Parallel()
	t.Run("InOneProcessOnPostgresAlone", func(t *testing.T) {
		t.Parallel()
		h := install(t, postgresAlone)
		eventsBecomePOSTs(h, h.start())
	})
	t.Run("InOneProcessOnAllServices", func(t *testing.T) {
		t.Parallel()
		h := install(t, allServices)
		eventsBecomePOSTs(h, h.start())
	})
	t.Run("AsThreeProcessesOnAllServices", func(t *testing.T) {
		t.Parallel()
		h := install(t, allServices)
		h.spawn("deliver")
		h.spawn("retry")
		ingest := h.spawn("ingest")
		h.waitForQueues()
		eventsBecomePOSTs(h, ingest)
	})
}

// eventsBecomePOSTs sends events in every mode to endpoints of every kind.
func eventsBecomePOSTs(h *installation, ingest *process) {
	t := h.t
	t.Helper()
	formats := map[webhook.BodyFormat]*endpoint{}
	for _, f := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured, webhook.FormatStandard} {
		formats[f] = h.subscribe(string(f), nil, func(e *endpoint) { e.Format = f })
	}
	for i := range 7 { // ten endpoints want everything, together with those above
		h.subscribe(fmt.Sprintf("all-%d", i), nil)
	}
	h.subscribe("orders", nil, func(e *endpoint) {
		e.Types = []string{"order.*"}
		e.wants = func(ce *cloudEvent) bool { return strings.HasPrefix(ce.eventType, "order.") }
	})
	h.subscribe("europe", nil, func(e *endpoint) {
		e.Filter = "subject LIKE 'eu-%'"
		e.wants = func(ce *cloudEvent) bool { return strings.HasPrefix(ce.subject, "eu-") }
	})
	p := h.producer(ingest)

	paid := &cloudEvent{id: "paid", eventType: "order.paid", subject: "eu-1", data: `{"order": 1,  "unicode": "ü"}`}
	sent := &cloudEvent{id: "sent", eventType: "order.sent", subject: "us-1", data: `{"order":1}`}
	bill := &cloudEvent{id: "bill", eventType: "invoice.made", subject: "eu-2", data: `[1,2.50,null]`}
	late := &cloudEvent{id: "late", eventType: "invoice.late", data: `"text"`}

	first := p.sendAs(binary, paid)[0]
	require.False(t, first.Duplicate)
	require.Equal(t, 12, first.Deliveries, "ten for everything, orders, and europe")
	require.Equal(t, 11, p.sendAs(structured, sent)[0].Deliveries)
	batch := p.sendAs(batched, bill, late, bill, paid)
	require.Equal(t, []int{11, 10, 0, 0}, []int{
		batch[0].Deliveries, batch[1].Deliveries, batch[2].Deliveries, batch[3].Deliveries,
	})
	require.Equal(t, receipt{ID: batch[0].ID, Duplicate: true}, batch[2], "twice in one batch")
	require.Equal(t, receipt{ID: first.ID, Duplicate: true}, batch[3], "sent before")
	require.Equal(t, receipt{ID: first.ID, Duplicate: true}, p.sendAs(structured, paid)[0], "in another mode")

	b := h.settle(p)
	require.Equal(t, balance{Expected: 12 + 11 + 11 + 10, Bound: 0}, b, "each once")
	for f, e := range formats {
		requireBody(t, f, h.receiver.all(e), paid, first.ID)
	}
}

// requireBody checks what an event has become in a body format.
func requireBody(t testing.TB, f webhook.BodyFormat, posts []*post, e *cloudEvent, id webhook.ID) {
	t.Helper()
	i := slices.IndexFunc(posts, func(p *post) bool { return strings.Contains(p.id, id.String()) })
	require.GreaterOrEqual(t, i, 0)
	p := posts[i]
	contentType := p.header.Get("Content-Type")
	switch f {
	case webhook.FormatBinary:
		require.Equal(t, e.data, string(p.body), "the event's own bytes")
		require.Equal(t, "application/json", contentType)
		require.Equal(t, []string{"1.0", e.id, source, e.eventType, e.subject}, []string{
			p.header.Get("Ce-Specversion"), p.header.Get("Ce-Id"), p.header.Get("Ce-Source"), p.header.Get("Ce-Type"),
			p.header.Get("Ce-Subject"),
		})
	case webhook.FormatStructured:
		require.Equal(t, "application/cloudevents+json", contentType)
		want, err := json.Marshal(e.attributes())
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(p.body))
	case webhook.FormatStandard:
		require.Equal(t, "application/json", contentType)
		var body map[string]any
		require.NoError(t, json.Unmarshal(p.body, &body))
		require.ElementsMatch(t, []string{"type", "timestamp", "data"}, slices.Collect(maps.Keys(body)))
		require.Equal(t, e.eventType, body["type"])
	}
	require.Empty(t, p.replay)
	require.Equal(t, 1, p.attempt)
}

// TestEveryPOSTIsOnRecordBeforeItLeaves has the receiver look into the database as each POST arrives.
func TestEveryPOSTIsOnRecordBeforeItLeaves(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	var unrecorded atomic.Int64
	e := h.subscribe("suspicious", nil)
	h.receiver.change(e.name, func(p *post) reply {
		const claimed = `SELECT count(*) FROM deliveries
			WHERE state = 'attempting' AND attempt_no = $1 AND started_at <= clock_timestamp()
				AND lease_until > clock_timestamp() AND $2 = 'msg_' || event_id || '_' || endpoint_id`
		var n int
		if err := h.sql.QueryRow(t.Context(), claimed, p.attempt, p.id).Scan(&n); err != nil || n != 1 {
			unrecorded.Add(1)
		}
		return failing(1, http.StatusInternalServerError)(p)
	})
	p := h.producer(h.start())
	p.send(orders("recorded", 20)...)
	require.Equal(t, balance{Expected: 20}, h.settle(p))
	require.Len(t, h.receiver.all(e), 40)
	require.Zero(t, unrecorded.Load(), "POSTs of which the database knew nothing")
}

// TestAnEndpointGetsEveryEventSentAfterItWasMade makes endpoints between events, with nothing that could tell ingest of
// them: no cache may hide one.
func TestAnEndpointGetsEveryEventSentAfterItWasMade(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	p := h.producer(h.start())
	sent := make(map[string]int)
	for i := range 10 {
		for _, e := range orders(fmt.Sprintf("round-%d", i), 2) {
			sent[e.id] = i
			require.Equal(t, i, p.send(e)[0].Deliveries, "one for each endpoint that there is")
		}
		h.subscribe(fmt.Sprintf("endpoint-%d", i), nil, func(e *endpoint) {
			e.wants = func(ce *cloudEvent) bool { return sent[ce.id] > i }
		})
	}
	require.Equal(t, balance{Expected: 2 * (9 * 10 / 2)}, h.settle(p))
}

// TestKeysEnd: a key is good until it expires or is revoked, also when ingest has seen it before.
func TestKeysEnd(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	p := h.producer(h.start(config.FunctionIngest))
	status := func(e *cloudEvent) int {
		code, _, err := p.post(binary, e)
		require.NoError(t, err)
		return code
	}
	events := orders("key", 3)
	var expires time.Time
	for life := time.Second; ; life *= 2 { // until one lives long enough, on a machine however busy
		expires = time.Now().Add(life)
		p.key = h.createKey(expires)
		if status(events[0]) == http.StatusAccepted {
			break
		}
		require.Less(t, life, patience, "no key is good")
	}
	wait(t, patience, "the key expires", func() bool { return status(events[0]) == http.StatusUnauthorized })
	require.False(t, time.Now().Before(expires.Add(-50*time.Millisecond)), "not before its time")

	p.key = "hmk_never_made"
	require.Equal(t, http.StatusUnauthorized, status(events[1]))

	p.key = h.key
	require.Equal(t, http.StatusAccepted, status(events[1]))
	var id [16]byte
	require.NoError(t, h.sql.QueryRow(t.Context(), "SELECT id FROM api_keys WHERE expires_at IS NULL").Scan(&id))
	require.NoError(t, h.store.RevokeKey(t.Context(), h.tenant, id))
	require.Equal(t, http.StatusUnauthorized, status(events[2]))
	require.Equal(t, 2, h.count("SELECT count(*) FROM events"))
}

// TestAPartitionThatNobodyMadeIsMade: the weeks ahead are made by retry; when it has not, who writes makes them.
func TestAPartitionThatNobodyMadeIsMade(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, quick)
	h.subscribe("patient", failing(1, http.StatusServiceUnavailable))
	names := `SELECT string_agg(inhrelid::regclass::text, ', ') FROM pg_inherits
		WHERE inhparent IN ('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass)`
	var partitions string
	require.NoError(t, h.sql.QueryRow(t.Context(), names).Scan(&partitions))
	_, err := h.sql.Exec(t.Context(), "DROP TABLE "+partitions)
	require.NoError(t, err)

	withoutRetry := h.start(config.FunctionIngest, config.FunctionDeliver)
	p := h.producer(withoutRetry)
	p.send(orders("early", 3)...)
	h.receiver.wait(nil, 3)
	wait(t, patience, "the outcomes are on record, in a partition that was made for them", func() bool {
		return h.count("SELECT count(*) FROM attempts") == 3
	})
	withoutRetry.stop()
	h.start()
	require.Equal(t, balance{Expected: 3}, h.settle(p))
}

// TestBrokeredEvents: what comes through the broker is delivered, and what can never be is kept with the reason.
func TestBrokeredEvents(t *testing.T) {
	t.Parallel()
	h := install(t, allServices)
	h.subscribe("all", nil)
	ingest := h.start()
	p, broker := h.producer(ingest), h.broker()
	good := orders("brokered", 5)
	for _, e := range good {
		require.NoError(t, broker.Publish(t.Context(), "events", e.brokered(t, h.tenant)))
		require.NoError(t, broker.Publish(t.Context(), "events", e.brokered(t, h.tenant)), "and again")
	}
	p.took(good...)
	stranger := orders("stranger", 1)[0]
	require.NoError(t, broker.Publish(t.Context(), "events", stranger.brokered(t, "nobody")))
	h.publishUndecodable("no event")

	require.Equal(t, balance{Expected: 5}, h.settle(p))
	rejected := func(reason string) func() bool {
		return func() bool {
			return h.count("SELECT count(*) FROM rejected_events WHERE reason = $1 AND body IS NOT NULL", reason) == 1
		}
	}
	wait(t, patience, "the event of no tenant is kept", rejected("tenant"))
	wait(t, patience, "the message that is no event is kept", rejected("undecodable"))
}

// TestSignedBrokeredEvents: where the broker's events must be signed, what a producer signs with its tenant's key is
// delivered after it went through RabbitMQ, with no signature on it, and what names a tenant without its key is kept
// with the reason, and asked for no more.
func TestSignedBrokeredEvents(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte{7}, 32)
	h := install(t, allServices, "HOMING_BROKER_SIGNATURES=require",
		"HOMING_BROKER_SIGNING_KEYS=b:"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32))+
			",a:"+base64.StdEncoding.EncodeToString(secret))
	to := h.subscribe("all", nil)
	ingest := h.start()
	p, broker := h.producer(ingest), h.broker()
	good, bad := orders("signed", 3), orders("unsigned", 3)
	for _, e := range good {
		ce := e.brokered(t, h.tenant)
		require.NoError(t, brokersign.DeriveKey(secret, h.tenant).Sign(&ce, h.tenant))
		require.NoError(t, broker.Publish(t.Context(), "events", ce))
	}
	p.took(good...)
	for i, e := range bad {
		ce := e.brokered(t, h.tenant)
		switch i {
		case 1:
			require.NoError(t, brokersign.DeriveKey(secret, "another").Sign(&ce, h.tenant))
		case 2:
			require.NoError(t, brokersign.DeriveKey(secret, h.tenant).Sign(&ce, h.tenant))
			ce.SetSubject("another")
		}
		require.NoError(t, broker.Publish(t.Context(), "events", ce))
	}
	require.Equal(t, balance{Expected: 3}, h.settle(p))
	wait(t, patience, "what is not signed is kept", func() bool {
		return h.count("SELECT count(*) FROM rejected_events WHERE tenant = '' AND reason = 'signature'") == 3
	})
	for _, post := range h.receiver.all(to) {
		require.Empty(t, post.header.Get("ce-"+brokersign.Attribute))
	}
}
