package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// sent is an event that was accepted for an endpoint, as ingest does it.
type sent struct{ event, endpoint, delivery webhook.ID }

// owner is the store as its owner has it, who may do what ingest and deliver do.
func (b *bundle) owner() *postgres.Store {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owned == nil {
		var err error
		b.owned, err = postgres.Open(context.Background(), b.url, postgres.Options{Keyring: b.ring, MaxConns: 2})
		require.NoError(b, err)
		b.Cleanup(b.owned.Close)
	}
	return b.owned
}

// send accepts an event for a new endpoint of the tenant.
func (b *bundle) send(change ...func(*webhook.Event)) sent {
	b.Helper()
	s := b.owner()
	endpoint := mustID(b.T, b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com"}).str("id"))
	e := webhook.Event{
		ID: b.ids.New(time.Now()), Tenant: b.tenant, Source: "/shop", CEID: "1", Type: "order.paid", Subject: "order/1",
		DataType: "application/json", Data: []byte(`{"order": 1}`), Extensions: map[string]any{"region": "eu"},
	}
	e.CEID = e.ID.String()
	for _, c := range change {
		c(&e)
	}
	subs, err := s.Subscriptions(b.Context(), b.tenant)
	require.NoError(b, err)
	d := store.NewDelivery{ID: e.ID.Sibling(), Endpoint: endpoint, Lifetime: 24 * time.Hour, Lease: time.Minute}
	done, err := s.Accept(b.Context(), []store.NewEvent{{
		Event: e, Key: webhook.IdentityKey(b.tenant, e.Source, e.CEID), ConfigVersion: subs.Version,
		Deliveries: []store.NewDelivery{d},
	}})
	require.NoError(b, err)
	require.Equal(b, store.AcceptStored, done[0].Status)
	return sent{e.ID, endpoint, d.ID}
}

// attempt makes an attempt of a delivery, as deliver does it.
func (b *bundle) attempt(d sent, result store.Result) {
	b.Helper()
	s := b.owner()
	claims, err := s.Claim(b.Context(), store.ClaimRequest{
		Items: []store.ClaimItem{{Delivery: d.delivery, Endpoint: d.endpoint}},
	})
	require.NoError(b, err)
	require.Len(b, claims.Work, 1)
	w := claims.Work[0].Delivery
	result.Attempt.Delivery, result.Attempt.Number, result.Attempt.Tenant = w.ID, w.Attempt, w.Tenant
	result.Attempt.Endpoint, result.Attempt.StartedAt = w.Endpoint, w.StartedAt
	recorded, err := s.Record(b.Context(), []store.Result{result})
	require.NoError(b, err)
	require.True(b, recorded[0].Applied)
}

// failed is the end of a delivery, with everything that is on record of its attempt.
func failed() store.Result {
	return store.Result{
		Attempt: webhook.Attempt{
			Outcome: webhook.OutcomeServerError, Status: 503, Detail: "status 503",
			Latency: webhook.Latency{
				DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond,
				FirstByte: 4500 * time.Microsecond, Total: 12 * time.Millisecond,
			},
			ResponseHeaders: map[string]string{"Retry-After": "5"}, ResponseBody: []byte("try later"),
		},
		Next: webhook.StateExhausted, Reason: webhook.ReasonSchedule,
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.send()
	second := b.send(func(e *webhook.Event) { e.Type, e.Subject = "order.sent", "order/2" })
	ids := func(query string) (ids []any) {
		for _, e := range b.ok("GET", "/v1/events?"+query, nil).list() {
			require.NotContains(t, e, "data")
			ids = append(ids, e["id"])
		}
		return ids
	}
	one, two := any(first.event.String()), any(second.event.String())
	require.Equal(t, []any{two, one}, ids(""))
	require.Equal(t, []any{one}, ids("type=order.paid"))
	require.Equal(t, []any{two}, ids("subject=order/2"))
	hence := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	ago := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	require.Empty(t, ids("since="+hence))
	require.Empty(t, ids("until="+ago))
	require.Equal(t, []any{two, one}, ids("since="+ago+"&until="+hence))
	page := b.ok("GET", "/v1/events?limit=1&until="+hence, nil)
	require.Equal(t, []any{one}, ids("limit=1&until="+hence+"&cursor="+page.str("next_cursor")))
	b.do(call{method: "GET", path: "/v1/events?since=yesterday"}).
		refused(http.StatusUnprocessableEntity, "invalid", "since")

	got := b.ok("GET", "/v1/events/"+first.event.String(), nil)
	require.Equal(t, map[string]any{"order": 1.0}, got.body["data"])
	require.Equal(t, map[string]any{"region": "eu"}, got.body["extensions"])
	require.Equal(t, first.delivery.String(), got.body["deliveries"].([]any)[0].(map[string]any)["id"])
	for name, data := range map[string][]byte{"data_text": []byte("{"), "data_base64": {0xff, 0}} {
		e := b.send(func(e *webhook.Event) { e.Data = data })
		require.Contains(t, b.ok("GET", "/v1/events/"+e.event.String(), nil).body, name)
	}
}

func TestDeliveries(t *testing.T) {
	t.Parallel()

	t.Run("AreShownWithEveryAttempt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.send()
		b.attempt(d, failed())
		got := b.ok("GET", "/v1/deliveries/"+d.delivery.String(), nil)
		require.Equal(t, "exhausted", got.str("state"))
		require.Equal(t, "schedule", got.str("reason"))
		require.NotContains(t, got.body, "due_at")
		history := got.body["history"].([]any)
		require.Len(t, history, 1)
		attempt := history[0].(map[string]any)
		require.EqualValues(t, 503, attempt["status"])
		require.Equal(t, "try later", attempt["response_body"])
		require.Equal(t, map[string]any{"Retry-After": "5"}, attempt["response_headers"])
		require.Equal(t, map[string]any{"dns": 1.0, "connect": 2.0, "tls": 3.0, "first_byte": 4.5, "total": 12.0},
			attempt["latency_ms"])
	})

	t.Run("AreSelected", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		one, two := b.send(), b.send()
		b.attempt(one, failed())
		for query, want := range map[string][]any{
			"":                                   {two.delivery.String(), one.delivery.String()},
			"endpoint=" + one.endpoint.String():  {one.delivery.String()},
			"event=" + two.event.String():        {two.delivery.String()},
			"state=exhausted":                    {one.delivery.String()},
			"state=succeeded":                    nil,
			"since=2020-01-01T00:00:00Z&limit=1": {two.delivery.String()},
			"until=2020-01-01T00:00:00Z":         nil,
		} {
			var got []any
			for _, d := range b.ok("GET", "/v1/deliveries?"+query, nil).list() {
				got = append(got, d["id"])
			}
			require.Equal(t, want, got, query)
		}
		b.do(call{method: "GET", path: "/v1/deliveries?state=lost"}).
			refused(http.StatusUnprocessableEntity, "invalid", "state")
	})

	t.Run("AreRetriedNow", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.send()
		path := "/v1/deliveries/" + d.delivery.String()
		require.Equal(t, d.delivery.String(), b.ok("POST", path+"/retry", nil).str("id"))
		b.attempt(d, failed())
		replay := b.ok("POST", path+"/retry", nil)
		require.Equal(t, d.delivery.String(), replay.str("replay_of"))
		require.Equal(t, replay.str("id"), b.hinted[1].Delivery.String())
		require.Equal(t, d.event.String(), b.ok("GET", "/v1/events/"+replay.str("event"), nil).str("origin"))
		require.Len(t, b.ok("GET", "/v1/audit-log?target="+d.delivery.String(), nil).list(), 2)
		b.ok("DELETE", "/v1/endpoints/"+d.endpoint.String(), nil)
		b.do(call{method: "POST", path: path + "/retry"}).refused(http.StatusConflict, "conflict", "")
	})

	t.Run("AreCancelledOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.send()
		path := "/v1/deliveries/" + d.delivery.String()
		got := b.ok("POST", path+"/cancel", nil)
		require.Equal(t, "cancelled", got.str("state"))
		require.Equal(t, "by_hand", got.str("reason"))
		b.do(call{method: "POST", path: path + "/cancel"}).refused(http.StatusConflict, "conflict", "")
		require.Len(t, b.ok("GET", "/v1/audit-log?target="+d.delivery.String(), nil).list(), 1)
	})

	t.Run("AreHeldWhileTheirEndpointIsPaused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.send()
		path := "/v1/deliveries/" + d.delivery.String()
		open := b.ok("GET", path, nil)
		require.Equal(t, false, open.body["held"])
		b.ok("POST", "/v1/endpoints/"+d.endpoint.String()+"/pause", nil)
		require.Equal(t, true, b.ok("GET", path, nil).body["held"])
		b.now = func() time.Time { return time.Now().Add(5 * time.Hour) }
		ends, err := time.Parse(time.RFC3339, open.str("expires_at"))
		require.NoError(t, err)
		later, err := time.Parse(time.RFC3339, b.ok("GET", path, nil).str("expires_at"))
		require.NoError(t, err)
		require.WithinDuration(t, ends.Add(5*time.Hour), later, time.Minute, "its time stands still meanwhile")
	})
}

func TestDeliveriesByOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d, waits := b.send(), b.send()
	b.attempt(d, failed())
	got := b.ok("GET", "/v1/deliveries?outcome=server_error", nil)
	require.Len(t, got.list(), 1)
	require.Equal(t, d.delivery.String(), got.list()[0]["id"])
	require.NotContains(t, got.body, "next_cursor")
	made, err := time.Parse(time.RFC3339, got.list()[0]["created_at"].(string))
	require.NoError(t, err)
	require.True(t, made.Equal(d.delivery.Time()))
	require.Empty(t, b.ok("GET", "/v1/deliveries?outcome=success", nil).list())
	require.Empty(t, b.ok("GET", "/v1/deliveries?outcome=server_error&endpoint="+waits.endpoint.String(), nil).list())
	b.attempt(waits, failed())
	page := b.ok("GET", "/v1/deliveries?outcome=server_error&limit=1", nil)
	require.Equal(t, waits.delivery.String(), page.list()[0]["id"])
	rest := b.ok("GET", "/v1/deliveries?outcome=server_error&limit=1&cursor="+page.str("next_cursor"), nil)
	require.Equal(t, d.delivery.String(), rest.list()[0]["id"])
	require.NotContains(t, rest.body, "next_cursor")
	b.do(call{method: "GET", path: "/v1/deliveries?outcome=perhaps"}).
		refused(http.StatusUnprocessableEntity, "invalid", "outcome")
	// What the document offers is what there is.
	operation := b.api.Document().Paths["/v1/deliveries"].Get
	for _, p := range operation.Parameters {
		if p.Name == "outcome" {
			require.ElementsMatch(t, words(webhook.Outcomes), p.Schema.Enum)
		}
	}
}

func words(outcomes []webhook.Outcome) (list []any) {
	for _, o := range outcomes {
		list = append(list, string(o))
	}
	return list
}
