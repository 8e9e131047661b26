package api_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/manage/api"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestEventTypes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	schema := map[string]any{"type": "object", "required": []any{"order"}}
	made := b.ok("POST", "/v1/event-types", map[string]any{
		"name": "order/paid-ü", "description": "Money came.", "schema": schema, "example": map[string]any{"order": 1.0},
		"schema_policy": "reject",
	}, "Idempotency-Key", "a")
	path := made.header.Get("Location")
	again := b.ok("POST", "/v1/event-types", map[string]any{
		"name": "order/paid-ü", "description": "Money came.", "schema": schema, "example": map[string]any{"order": 1.0},
		"schema_policy": "reject",
	}, "Idempotency-Key", "a")
	require.Equal(t, made.body, again.body)
	got := b.ok("GET", path, nil)
	require.Equal(t, made.body, got.body)
	require.Equal(t, schema, got.body["schema"])
	require.Equal(t, "reject", got.str("schema_policy"))
	b.do(call{method: "POST", path: "/v1/event-types", body: map[string]any{"name": "order/paid-ü"}}).
		refused(http.StatusConflict, "conflict", "")

	changed := b.ok("PATCH", path, map[string]any{"schema_policy": "tenant", "example": nil, "archived": true},
		"If-Match", got.header.Get("ETag"))
	require.NotContains(t, changed.body, "schema_policy")
	require.NotContains(t, changed.body, "example")
	require.Contains(t, changed.body, "archived_at")
	require.Equal(t, schema, changed.body["schema"], "what is left out stays")
	b.do(call{method: "PATCH", path: path, body: map[string]any{}, header: map[string]string{"If-Match": `"1"`}}).
		refused(http.StatusPreconditionFailed, "precondition-failed", "")
	b.do(call{method: "DELETE", path: path, header: map[string]string{"If-Match": `"1"`}}).
		refused(http.StatusPreconditionFailed, "precondition-failed", "")
	require.Empty(t, b.ok("GET", "/v1/event-types", nil).list(), "it is archived")
	b.ok("POST", "/v1/event-types", map[string]any{"name": "z"})
	page := b.ok("GET", "/v1/event-types?archived=true&limit=1", nil)
	require.Equal(t, "order/paid-ü", page.list()[0]["name"])
	rest := b.ok("GET", "/v1/event-types?archived=true&cursor="+page.str("next_cursor"), nil).list()
	require.Equal(t, "z", rest[0]["name"])
	b.ok("DELETE", path, nil)
	b.do(call{method: "GET", path: path}).refused(http.StatusNotFound, "not-found", "")

	var actions []any
	for _, line := range b.ok("GET", "/v1/audit-log?target=order%2Fpaid-%C3%BC", nil).list() {
		actions = append(actions, line["action"])
	}
	require.Equal(t, []any{"event_type.delete", "event_type.update", "event_type.create"}, actions)
}

func TestEventTypesNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for field, body := range map[string]map[string]any{
		"name":   {"name": "a\nb"},
		"schema": {"name": "a", "schema": map[string]any{"$ref": "https://evil.example/"}},
		"example/order": {
			"name": "a", "schema": map[string]any{"properties": map[string]any{"order": false}},
			"example": map[string]any{"order": "hunter2"},
		},
		"schema_policy": {"name": "a", "schema_policy": "perhaps"},
		"example":       {"name": "a", "example": strings.Repeat("x", 40<<10)},
	} {
		got := b.do(call{method: "POST", path: "/v1/event-types", body: body})
		got.refused(http.StatusUnprocessableEntity, "invalid", field)
		require.NotContains(t, got.text, "hunter2")
	}
	for _, name := range []string{
		"order paid", " order", "order\u00a0paid", "order\tpaid", "order\u0085", "order\u200bpaid",
	} {
		b.do(call{method: "POST", path: "/v1/event-types", body: map[string]any{"name": name}}).
			refused(http.StatusUnprocessableEntity, "invalid", "name")
	}
	require.Empty(t, b.ok("GET", "/v1/event-types", nil).list())
}

// TestEventTypesFromBefore holds that a name which is not taken any more stays where it is.
func TestEventTypesFromBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.store.CreateEventType(t.Context(), store.EventType{Tenant: b.tenant, Name: "order paid"}))
	const path = "/v1/event-types/order%20paid"
	require.Equal(t, "order paid", b.ok("GET", path, nil).str("name"))
	require.Equal(t, "order paid", b.ok("GET", "/v1/event-types", nil).list()[0]["name"])
	require.Equal(t, "old", b.ok("PATCH", path, map[string]any{"description": "old"}).str("description"))
	b.ok("DELETE", path, nil)
}

func TestTenantsSchemaPolicy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "off", b.ok("GET", "/v1/tenants/"+b.tenant, nil).str("schema_policy"))
	changed := b.operate("PATCH", "/v1/tenants/"+b.tenant, map[string]any{"schema_policy": "flag"})
	require.Equal(t, "flag", changed.str("schema_policy"))
	require.Equal(t, "reject", b.operate("POST", "/v1/tenants", map[string]any{"id": "x", "schema_policy": "reject"}).
		str("schema_policy"))
}

func TestTestSend(t *testing.T) {
	t.Parallel()
	b := setup(t)
	endpoint := "/v1/endpoints/" + b.ok("POST", "/v1/endpoints", map[string]any{
		"url": "https://example.com", "types": []string{"nothing"},
	}).str("id")
	data := func(a answer) any { return b.ok("GET", "/v1/events/"+a.str("event"), nil).body["data"] }
	sent := b.ok("POST", endpoint+"/test", nil, "Idempotency-Key", "a")
	require.Equal(t, http.StatusAccepted, sent.status)
	require.Equal(t, sent.body, b.ok("POST", endpoint+"/test", nil, "Idempotency-Key", "a").body)
	require.Len(t, b.hinted, 1, "and is hinted at once")
	require.Equal(t, sent.str("delivery"), b.hinted[0].Delivery.String())
	event := b.ok("GET", "/v1/events/"+sent.str("event"), nil)
	require.Equal(t, api.TestType, event.str("type"))
	require.Len(t, event.body["deliveries"], 1)
	delivery := b.ok("GET", sent.header.Get("Location"), nil)
	require.Equal(t, "scheduled", delivery.str("state"))
	require.Equal(t, sent.str("event"), delivery.str("event"))

	b.ok("POST", "/v1/event-types", map[string]any{"name": "order.paid", "example": map[string]any{"order": 7.0}})
	example := b.ok("POST", endpoint+"/test", map[string]any{"type": "order.paid"})
	require.Equal(t, map[string]any{"order": 7.0}, data(example))
	own := b.ok("POST", endpoint+"/test", map[string]any{"type": "order.paid", "data": []int{1}})
	require.Equal(t, []any{1.0}, data(own))
	require.Contains(t, data(b.ok("POST", endpoint+"/test", map[string]any{"type": "unknown"})), "message")
	b.do(call{method: "POST", path: endpoint + "/test", body: map[string]any{"type": "a\x00"}}).
		refused(http.StatusUnprocessableEntity, "invalid", "type")

	b.ok("POST", endpoint+"/pause", nil)
	b.do(call{method: "POST", path: endpoint + "/test"}).refused(http.StatusConflict, "conflict", "")
}

func TestErasePayload(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := b.send()
	b.attempt(d, failed())
	path := "/v1/events/" + d.event.String()
	replay := b.ok("POST", "/v1/deliveries/"+d.delivery.String()+"/retry", nil)
	got := b.ok("DELETE", path+"/payload", nil)
	require.NotContains(t, got.body, "data")
	require.Contains(t, got.body, "erased_at")
	require.Equal(t, got.body, b.ok("DELETE", path+"/payload", nil).body, "again changes nothing")
	view := b.ok("GET", "/v1/deliveries/"+d.delivery.String(), nil)
	attempt := view.body["history"].([]any)[0].(map[string]any)
	require.NotContains(t, attempt, "response_body")
	require.EqualValues(t, 503, attempt["status"])
	gone := b.ok("GET", "/v1/deliveries/"+replay.str("id"), nil)
	require.Equal(t, "cancelled", gone.str("state"))
	require.Equal(t, "erased", gone.str("reason"))
	for _, id := range []string{d.delivery.String(), replay.str("id")} {
		b.do(call{method: "POST", path: "/v1/deliveries/" + id + "/retry"}).refused(http.StatusConflict, "erased", "")
	}
	log := b.ok("GET", "/v1/audit-log?target="+d.event.String(), nil).list()
	require.Len(t, log, 1)
	require.Equal(t, "event.erase", log[0]["action"])
}

func TestRedriveRejected(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.rejectWhole(b.tenant), b.rejectWhole(b.tenant)
	cut := b.reject(b.tenant, []byte("{"))
	path := func(id webhook.ID) string { return "/v1/rejected-events/" + id.String() }
	require.Contains(t, b.ok("POST", path(first)+"/redrive", nil).body, "redrive_at")
	b.do(call{method: "POST", path: path(cut) + "/redrive"}).refused(http.StatusConflict, "conflict", "")
	require.Equal(t, 1, b.jobsHinted(), "retry is told at once; of what cannot be taken again it is not")
	require.EqualValues(t, 1, b.ok("POST", "/v1/rejected-events/redrive", nil).body["count"])
	require.Equal(t, 2, b.jobsHinted())
	retry := b.owner()
	waiting, err := retry.Redrives(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, waiting, 2)
	event := b.ids.New(time.Now())
	require.NoError(t, retry.Redriven(t.Context(), store.Redriven{Tenant: b.tenant, ID: first, Event: event}))
	require.Equal(t, event.String(), b.ok("GET", path(first), nil).str("event"))
	require.Len(t, b.ok("GET", "/v1/rejected-events", nil).list(), 2)
	require.NoError(t, retry.Redriven(t.Context(), store.Redriven{Tenant: b.tenant, ID: second, Reason: "invalid"}))
	require.Equal(t, "invalid", b.ok("GET", path(second), nil).str("reason"))
	none := b.ok("POST", "/v1/rejected-events/redrive", map[string]any{"reason": "schema"})
	require.EqualValues(t, 0, none.body["count"])
	require.Equal(t, 2, b.jobsHinted())
	require.Len(t, b.ok("GET", "/v1/audit-log?target="+first.String(), nil).list(), 1)
}

func TestPortalTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.ok("POST", "/v1/portal-tokens", map[string]any{"scopes": []string{"endpoints:read"}, "name": "Ann"})
	require.Equal(t, "no-store", made.header.Get("Cache-Control"))
	token := made.str("token")
	require.True(t, strings.HasPrefix(token, "hmp_"))
	expires, err := time.Parse(time.RFC3339Nano, made.str("expires_at"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), expires, time.Minute)
	try := func(method, path string) answer { return b.do(call{method: method, path: path, key: token}) }
	require.Equal(t, http.StatusOK, try("GET", "/v1/endpoints").status)
	try("GET", "/v1/events").refused(http.StatusForbidden, "forbidden", "")
	try("POST", "/v1/portal-tokens").refused(http.StatusForbidden, "forbidden", "")
	keys := b.ok("GET", "/v1/keys", nil)
	require.NotContains(t, keys.text, token)
	require.Contains(t, keys.text, `"kind":"portal"`)
	require.NotContains(t, b.ok("GET", "/v1/audit-log", nil).text, token)
	require.NotContains(t, b.log.String(), token)
	for _, life := range []string{"59s", "25h", "long", "-1h"} {
		body := map[string]any{"scopes": []string{"endpoints:read"}, "expires_in": life}
		b.do(call{method: "POST", path: "/v1/portal-tokens", body: body}).
			refused(http.StatusUnprocessableEntity, "invalid", "expires_in")
	}
	admin := map[string]any{"scopes": []string{"admin"}}
	b.do(call{method: "POST", path: "/v1/portal-tokens", body: admin}).
		refused(http.StatusUnprocessableEntity, "invalid", "scopes[0]")
	nobodys := map[string]any{"scopes": []string{"endpoints:read"}}
	b.do(call{method: "POST", path: "/v1/portal-tokens", body: nobodys, key: b.operator}).
		refused(http.StatusUnprocessableEntity, "invalid", "Homing-Tenant")
	b.ok("DELETE", "/v1/keys/"+made.str("id"), nil)
	try("GET", "/v1/endpoints").refused(http.StatusUnauthorized, "unauthenticated", "")
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.PerMinute = 30 })
	made := b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com/ed", "signing": "v1a"})
	path := "/.well-known/homing/endpoints/" + made.str("id") + "/jwks.json"
	b.ok("POST", "/v1/endpoints/"+made.str("id")+"/secrets/rotate", map[string]any{"kind": "v1a", "overlap": "1h"})
	hmac := b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com/hmac"}).str("id")
	got := b.do(call{method: "GET", path: path, key: "none"})
	require.Equal(t, http.StatusOK, got.status, got.text)
	require.Equal(t, "application/jwk-set+json", got.header.Get("Content-Type"))
	require.Equal(t, "public, max-age=300", got.header.Get("Cache-Control"))
	require.Len(t, got.body["keys"], 2, "the old one, in its overlap, as well")
	old := got.body["keys"].([]any)[1].(map[string]any)
	x, err := base64.RawURLEncoding.DecodeString(old["x"].(string))
	require.NoError(t, err)
	require.Len(t, x, ed25519.PublicKeySize)
	require.Equal(t, "whpk_"+base64.StdEncoding.EncodeToString(x), made.str("public_key"))
	require.Len(t, old, 6, "and nothing else")
	for _, id := range []string{hmac, b.ids.New(time.Now()).String()} {
		b.do(call{method: "GET", path: strings.Replace(path, made.str("id"), id, 1), key: "none"}).
			refused(http.StatusNotFound, "not-found", "")
	}
	limited := false
	for range 40 {
		limited = limited || b.do(call{method: "GET", path: path, key: "none"}).status == http.StatusTooManyRequests
	}
	require.True(t, limited)
}

func TestPublicKeysOfATenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/.well-known/homing/tenants/" + b.tenant + "/jwks.json"
	ask := func(path string) answer { return b.do(call{method: "GET", path: path, key: "none"}) }
	b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com/hmac"})
	ask(path).refused(http.StatusNotFound, "not-found", "")
	var kids []any
	for range 2 {
		id := b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com/ed", "signing": "v1a"}).str("id")
		keys := ask("/.well-known/homing/endpoints/" + id + "/jwks.json").body["keys"].([]any)
		kids = append([]any{keys[0].(map[string]any)["kid"]}, kids...)
	}
	b.tenant, b.key = b.newTenant()
	b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com/ed", "signing": "v1a"})
	got := ask(path)
	require.Equal(t, http.StatusOK, got.status, got.text)
	require.Equal(t, "application/jwk-set+json", got.header.Get("Content-Type"))
	require.Equal(t, "public, max-age=300", got.header.Get("Cache-Control"))
	var listed []any
	for _, key := range got.body["keys"].([]any) {
		require.Len(t, key, 6, "and nothing else")
		listed = append(listed, key.(map[string]any)["kid"])
	}
	require.Equal(t, kids, listed, "of all endpoints, the newest first, and of no other tenant's")
	ask("/.well-known/homing/tenants/nobody/jwks.json").refused(http.StatusNotFound, "not-found", "")
}

// TestThumbprint holds kid to the example of RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	x, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	require.NoError(t, err)
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", api.KeyID(x))
}

func TestHandshakePolicy(t *testing.T) {
	t.Parallel()
	create := func(b *bundle, url string) answer {
		return b.do(call{method: "POST", path: "/v1/endpoints", body: map[string]any{"url": url, "rate_per_second": 4}})
	}
	t.Run("Off", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		made := create(b, "https://example.com")
		require.NotContains(t, made.body, "consent")
		path := "/v1/endpoints/" + made.str("id")
		require.Equal(t, true, b.ok("POST", path+"/handshake", nil).body["consented"])
		consent := b.ok("GET", path, nil).body["consent"].(map[string]any)
		require.Equal(t, "homing.example", consent["origin"])
		require.EqualValues(t, 120, consent["per_minute"])
		moved := b.ok("PATCH", path, map[string]any{"url": "https://silent.example"})
		require.NotContains(t, moved.body, "consent", "another URL has consented to nothing")
		got := b.ok("POST", path+"/handshake", nil)
		require.Equal(t, false, got.body["consented"])
		require.Contains(t, got.str("detail"), "405")
	})
	t.Run("Optional", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *api.Config) { c.AskConsent = true })
		require.Contains(t, create(b, "https://example.com").body, "consent")
		silent := create(b, "https://silent.example")
		require.Equal(t, http.StatusCreated, silent.status)
		require.NotContains(t, silent.body, "consent")
		moved := b.ok("PATCH", "/v1/endpoints/"+silent.str("id"), map[string]any{"url": "https://example.com/new"})
		require.Contains(t, moved.body, "consent")
		same := b.ok("PATCH", "/v1/endpoints/"+silent.str("id"), map[string]any{"filter": ""})
		require.Equal(t, moved.body["consent"], same.body["consent"])
	})
	t.Run("Required", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *api.Config) { c.AskConsent, c.NeedConsent = true, true })
		refused := create(b, "https://silent.example")
		refused.refused(http.StatusUnprocessableEntity, "invalid", "url")
		require.Contains(t, refused.text, "it answered 405 without WebHook-Allowed-Origin")
		require.Empty(t, b.ok("GET", "/v1/endpoints", nil).list())
		path := "/v1/endpoints/" + create(b, "https://example.com").str("id")
		b.do(call{method: "PATCH", path: path, body: map[string]any{"url": "https://silent.example"}}).
			refused(http.StatusUnprocessableEntity, "invalid", "url")
		require.Equal(t, "https://example.com", b.ok("GET", path, nil).str("url"))
	})
	t.Run("OfASlowOne", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *api.Config) {
			c.Handshake = func(context.Context, string, int) (webhook.Consent, error) {
				return webhook.Consent{Origin: "homing.example", PerMinute: 7, At: time.Now()}, nil
			}
		})
		id := create(b, "https://example.com").str("id")
		b.ok("POST", "/v1/endpoints/"+id+"/handshake", nil)
		e, err := b.store.Endpoint(t.Context(), b.tenant, mustID(t, id))
		require.NoError(t, err)
		require.Equal(t, 7, e.PerMinute(), "less than one a second is what it has consented to")
	})
	t.Run("WithoutAName", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *api.Config) { c.Handshake = nil })
		path := "/v1/endpoints/" + create(b, "https://example.com").str("id")
		b.do(call{method: "POST", path: path + "/handshake"}).refused(http.StatusConflict, "conflict", "")
	})
	t.Run("ADeletedOneIsNotAsked", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *api.Config) {
			c.Handshake = func(context.Context, string, int) (webhook.Consent, error) {
				t.Error("it was asked")
				return webhook.Consent{}, errors.New("asked")
			}
		})
		path := "/v1/endpoints/" + create(b, "https://example.com").str("id")
		b.ok("DELETE", path, nil)
		b.do(call{method: "POST", path: path + "/handshake"}).refused(http.StatusConflict, "conflict", "")
	})
}
