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
		eventsBecomePOSTs(h, h.Start())
	})
	t.Run("InOneProcessOnAllServices", func(t *testing.T) {
		t.Parallel()
		h := install(t, allServices)
		eventsBecomePOSTs(h, h.Start())
	})
	t.Run("AsThreeProcessesOnAllServices", func(t *testing.T) {
		t.Parallel()
		h := install(t, allServices)
		h.Spawn("deliver")
		h.Spawn("retry")
		ingest := h.Spawn("ingest")
		h.WaitForQueues()
		eventsBecomePOSTs(h, ingest)
	})
}

// eventsBecomePOSTs sends events in every mode to endpoints of every kind.
func eventsBecomePOSTs(h *installation, ingest *process) {
	t := h.T
	t.Helper()
	formats := map[webhook.BodyFormat]*endpoint{}
	for _, f := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured, webhook.FormatStandard} {
		formats[f] = h.Subscribe(string(f), nil, func(e *endpoint) { e.Format = f })
	}
	for i := range 7 { // ten endpoints want everything, together with those above
		h.Subscribe(fmt.Sprintf("all-%d", i), nil)
	}
	h.Subscribe("orders", nil, func(e *endpoint) {
		e.Types = []string{"order.*"}
		e.Wants = func(ce *cloudEvent) bool { return strings.HasPrefix(ce.EventType, "order.") }
	})
	h.Subscribe("europe", nil, func(e *endpoint) {
		e.Filter = "subject LIKE 'eu-%'"
		e.Wants = func(ce *cloudEvent) bool { return strings.HasPrefix(ce.Subject, "eu-") }
	})
	p := h.Producer(ingest)

	paid := &cloudEvent{ID: "paid", EventType: "order.paid", Subject: "eu-1", Data: `{"order": 1,  "unicode": "ü"}`}
	sent := &cloudEvent{ID: "sent", EventType: "order.sent", Subject: "us-1", Data: `{"order":1}`}
	bill := &cloudEvent{ID: "bill", EventType: "invoice.made", Subject: "eu-2", Data: `[1,2.50,null]`}
	late := &cloudEvent{ID: "late", EventType: "invoice.late", Data: `"text"`}

	first := p.SendAs(binary, paid)[0]
	require.False(t, first.Duplicate)
	require.Equal(t, 12, first.Deliveries, "ten for everything, orders, and europe")
	require.Equal(t, 11, p.SendAs(structured, sent)[0].Deliveries)
	batch := p.SendAs(batched, bill, late, bill, paid)
	require.Equal(t, []int{11, 10, 0, 0}, []int{
		batch[0].Deliveries, batch[1].Deliveries, batch[2].Deliveries, batch[3].Deliveries,
	})
	require.Equal(t, receipt{ID: batch[0].ID, Duplicate: true}, batch[2], "twice in one batch")
	require.Equal(t, receipt{ID: first.ID, Duplicate: true}, batch[3], "sent before")
	require.Equal(t, receipt{ID: first.ID, Duplicate: true}, p.SendAs(structured, paid)[0], "in another mode")

	b := h.Settle(p)
	require.Equal(t, balance{Expected: 12 + 11 + 11 + 10, Bound: 0}, b, "each once")
	for f, e := range formats {
		requireBody(t, f, h.Receiver.All(e), paid, first.ID)
	}
}

// requireBody checks what an event has become in a body format.
func requireBody(t testing.TB, f webhook.BodyFormat, posts []*post, e *cloudEvent, id webhook.ID) {
	t.Helper()
	i := slices.IndexFunc(posts, func(p *post) bool { return strings.Contains(p.ID, id.String()) })
	require.GreaterOrEqual(t, i, 0)
	p := posts[i]
	contentType := p.Header.Get("Content-Type")
	switch f {
	case webhook.FormatBinary:
		require.Equal(t, e.Data, string(p.Body), "the event's own bytes")
		require.Equal(t, "application/json", contentType)
		require.Equal(t, []string{"1.0", e.ID, source, e.EventType, e.Subject}, []string{
			p.Header.Get("Ce-Specversion"), p.Header.Get("Ce-Id"), p.Header.Get("Ce-Source"), p.Header.Get("Ce-Type"),
			p.Header.Get("Ce-Subject"),
		})
	case webhook.FormatStructured:
		require.Equal(t, "application/cloudevents+json", contentType)
		want, err := json.Marshal(e.Attributes())
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(p.Body))
	case webhook.FormatStandard:
		require.Equal(t, "application/json", contentType)
		var body map[string]any
		require.NoError(t, json.Unmarshal(p.Body, &body))
		require.ElementsMatch(t, []string{"type", "timestamp", "data"}, slices.Collect(maps.Keys(body)))
		require.Equal(t, e.EventType, body["type"])
	}
	require.Empty(t, p.Replay)
	require.Equal(t, 1, p.Attempt)
}

// TestEveryPOSTIsOnRecordBeforeItLeaves has the receiver look into the database as each POST arrives.
func TestEveryPOSTIsOnRecordBeforeItLeaves(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	var unrecorded atomic.Int64
	e := h.Subscribe("suspicious", nil)
	h.Receiver.Change(e.Name, func(p *post) reply {
		const claimed = `SELECT count(*) FROM deliveries
			WHERE state = 'attempting' AND attempt_no = $1 AND started_at <= clock_timestamp()
				AND lease_until > clock_timestamp() AND $2 = 'msg_' || event_id || '_' || endpoint_id`
		var n int
		if err := h.SQL.QueryRow(t.Context(), claimed, p.Attempt, p.ID).Scan(&n); err != nil || n != 1 {
			unrecorded.Add(1)
		}
		return failing(1, http.StatusInternalServerError)(p)
	})
	p := h.Producer(h.Start())
	p.Send(orders("recorded", 20)...)
	require.Equal(t, balance{Expected: 20}, h.Settle(p))
	require.Len(t, h.Receiver.All(e), 40)
	require.Zero(t, unrecorded.Load(), "POSTs of which the database knew nothing")
}

// TestAnEndpointGetsEveryEventSentAfterItWasMade makes endpoints between events, with nothing that could tell ingest of
// them: no cache may hide one.
func TestAnEndpointGetsEveryEventSentAfterItWasMade(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	p := h.Producer(h.Start())
	sent := make(map[string]int)
	for i := range 10 {
		for _, e := range orders(fmt.Sprintf("round-%d", i), 2) {
			sent[e.ID] = i
			require.Equal(t, i, p.Send(e)[0].Deliveries, "one for each endpoint that there is")
		}
		h.Subscribe(fmt.Sprintf("endpoint-%d", i), nil, func(e *endpoint) {
			e.Wants = func(ce *cloudEvent) bool { return sent[ce.ID] > i }
		})
	}
	require.Equal(t, balance{Expected: 2 * (9 * 10 / 2)}, h.Settle(p))
}

// TestKeysEnd: a key is good until it expires or is revoked, also when ingest has seen it before.
func TestKeysEnd(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	p := h.Producer(h.Start(config.FunctionIngest))
	status := func(e *cloudEvent) int {
		code, _, err := p.Post(binary, e)
		require.NoError(t, err)
		return code
	}
	events := orders("key", 3)
	var expires time.Time
	for life := time.Second; ; life *= 2 { // until one lives long enough, on a machine however busy
		expires = time.Now().Add(life)
		p.Key = h.CreateKey(expires)
		if status(events[0]) == http.StatusAccepted {
			break
		}
		require.Less(t, life, patience, "no key is good")
	}
	wait(t, patience, "the key expires", func() bool { return status(events[0]) == http.StatusUnauthorized })
	require.False(t, time.Now().Before(expires.Add(-50*time.Millisecond)), "not before its time")

	p.Key = "hmk_never_made"
	require.Equal(t, http.StatusUnauthorized, status(events[1]))

	p.Key = h.Key
	require.Equal(t, http.StatusAccepted, status(events[1]))
	var id [16]byte
	require.NoError(t, h.SQL.QueryRow(t.Context(), "SELECT id FROM api_keys WHERE expires_at IS NULL").Scan(&id))
	require.NoError(t, h.Store.RevokeKey(t.Context(), h.Tenant, id))
	require.Equal(t, http.StatusUnauthorized, status(events[2]))
	require.Equal(t, 2, h.Count("SELECT count(*) FROM events"))
}

// TestAPartitionThatNobodyMadeIsMade: the weeks ahead are made by retry; when it has not, who writes makes them.
func TestAPartitionThatNobodyMadeIsMade(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, quick)
	h.Subscribe("patient", failing(1, http.StatusServiceUnavailable))
	names := `SELECT string_agg(inhrelid::regclass::text, ', ') FROM pg_inherits
		WHERE inhparent IN ('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass)`
	var partitions string
	require.NoError(t, h.SQL.QueryRow(t.Context(), names).Scan(&partitions))
	_, err := h.SQL.Exec(t.Context(), "DROP TABLE "+partitions)
	require.NoError(t, err)

	withoutRetry := h.Start(config.FunctionIngest, config.FunctionDeliver)
	p := h.Producer(withoutRetry)
	p.Send(orders("early", 3)...)
	h.Receiver.Wait(nil, 3)
	wait(t, patience, "the outcomes are on record, in a partition that was made for them", func() bool {
		return h.Count("SELECT count(*) FROM attempts") == 3
	})
	withoutRetry.Stop()
	h.Start()
	require.Equal(t, balance{Expected: 3}, h.Settle(p))
}

// TestBrokeredEvents: what comes through the broker is delivered, and what can never be is kept with the reason.
func TestBrokeredEvents(t *testing.T) {
	t.Parallel()
	h := install(t, allServices)
	h.Subscribe("all", nil)
	ingest := h.Start()
	p, broker := h.Producer(ingest), h.Broker()
	good := orders("brokered", 5)
	for _, e := range good {
		require.NoError(t, broker.Publish(t.Context(), "events", e.Brokered(t, h.Tenant)))
		require.NoError(t, broker.Publish(t.Context(), "events", e.Brokered(t, h.Tenant)), "and again")
	}
	p.Took(good...)
	stranger := orders("stranger", 1)[0]
	require.NoError(t, broker.Publish(t.Context(), "events", stranger.Brokered(t, "nobody")))
	h.PublishUndecodable("no event")

	require.Equal(t, balance{Expected: 5}, h.Settle(p))
	rejected := func(reason string) func() bool {
		return func() bool {
			return h.Count("SELECT count(*) FROM rejected_events WHERE reason = $1 AND body IS NOT NULL", reason) == 1
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
	to := h.Subscribe("all", nil)
	ingest := h.Start()
	p, broker := h.Producer(ingest), h.Broker()
	good, bad := orders("signed", 3), orders("unsigned", 3)
	for _, e := range good {
		ce := e.Brokered(t, h.Tenant)
		require.NoError(t, brokersign.DeriveKey(secret, h.Tenant).Sign(&ce, h.Tenant))
		require.NoError(t, broker.Publish(t.Context(), "events", ce))
	}
	p.Took(good...)
	for i, e := range bad {
		ce := e.Brokered(t, h.Tenant)
		switch i {
		case 1:
			require.NoError(t, brokersign.DeriveKey(secret, "another").Sign(&ce, h.Tenant))
		case 2:
			require.NoError(t, brokersign.DeriveKey(secret, h.Tenant).Sign(&ce, h.Tenant))
			ce.SetSubject("another")
		}
		require.NoError(t, broker.Publish(t.Context(), "events", ce))
	}
	require.Equal(t, balance{Expected: 3}, h.Settle(p))
	wait(t, patience, "what is not signed is kept", func() bool {
		return h.Count("SELECT count(*) FROM rejected_events WHERE tenant = '' AND reason = 'signature'") == 3
	})
	for _, post := range h.Receiver.All(to) {
		require.Empty(t, post.Header.Get("ce-"+brokersign.Attribute))
	}
}
