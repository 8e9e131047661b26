package api_test

import (
	"encoding/json"
	"flag"
	"html"
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

var update = flag.Bool("update", false, "write the document into docs/api")

// example is a request that an operation answers well, about things of the fixture's tenant.
type example struct {
	path string
	body any
	// operator is whether it takes an operator's key.
	operator bool
}

// examples has one for every operation of the document: it is what the contract is tried with, and what an attacker
// tries.
func (b *bundle) examples() map[string]example {
	b.Helper()
	id := func(a answer) string { return a.str("id") }
	key := id(b.ok("POST", "/v1/keys", map[string]any{"scopes": []string{"admin"}}))
	endpoint := "/v1/endpoints/" + id(b.ok("POST", "/v1/endpoints", map[string]any{
		"url": "https://example.com/hooks", "types": []string{"order.*"}, "headers": map[string]string{"X-A": "b"},
	}))
	d, ended := b.send(), b.send()
	b.attempt(ended, failed())
	b.ok("POST", "/v1/event-types", map[string]any{"name": "order.paid"})
	whole := "/v1/rejected-events/" + b.rejectWhole(b.tenant).String()
	public := id(b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com/ed", "signing": "v1a"}))
	rejected := "/v1/rejected-events/" + b.reject(b.tenant, []byte("{")).String()
	job := "/v1/jobs/" + b.replay(ended.endpoint, nil).id()
	return map[string]example{
		"listRejectedEvents":   {"/v1/rejected-events", nil, false},
		"getRejectedEvent":     {rejected, nil, false},
		"discardRejectedEvent": {rejected, nil, false},
		"dryRun":               {"/v1/subscriptions/dry-run", map[string]any{"types": []string{"order.*"}, "last": 5}, false},
		"listEvents":           {"/v1/events?type=order.paid", nil, false},
		"getEvent":             {"/v1/events/" + d.event.String(), nil, false},
		"createReplay": {"/v1/replays", map[string]any{
			"endpoint": ended.endpoint, "from": "2020-01-01T00:00:00Z", "states": []string{"failed", "succeeded"},
			"types": []string{"order.*"}, "filter": "subject LIKE 'order/%'", "per_second": 10,
		}, false},
		"replayEvent": {"/v1/events/" + ended.event.String() + "/replay", map[string]any{
			"endpoint": ended.endpoint,
		}, false},
		"listJobs":          {"/v1/jobs?kind=replay&state=paused", nil, false},
		"getJob":            {job, nil, false},
		"pauseJob":          {job + "/pause", nil, false},
		"resumeJob":         {job + "/resume", nil, false},
		"cancelJob":         {job + "/cancel", nil, false},
		"listDeliveries":    {"/v1/deliveries?state=exhausted&outcome=server_error", nil, false},
		"getDelivery":       {"/v1/deliveries/" + ended.delivery.String(), nil, false},
		"retryDelivery":     {"/v1/deliveries/" + ended.delivery.String() + "/retry", nil, false},
		"cancelDelivery":    {"/v1/deliveries/" + d.delivery.String() + "/cancel", nil, false},
		"createTenant":      {"/v1/tenants", map[string]any{"id": "new-" + b.tenant, "name": "New"}, true},
		"listTenants":       {"/v1/tenants", nil, true},
		"getTenant":         {"/v1/tenants/" + b.tenant, nil, false},
		"updateTenant":      {"/v1/tenants/" + b.tenant, map[string]any{"name": "Changed"}, true},
		"deleteTenant":      {"/v1/tenants/" + b.tenant, nil, true},
		"createKey":         {"/v1/keys", map[string]any{"name": "ci", "scopes": []string{"events:write"}}, false},
		"listKeys":          {"/v1/keys", nil, false},
		"getKey":            {"/v1/keys/" + key, nil, false},
		"revokeKey":         {"/v1/keys/" + key, nil, false},
		"getStats":          {"/v1/stats?bucket=5m", nil, false},
		"getEndpointHealth": {endpoint + "/health", nil, false},
		"listAuditLog":      {"/v1/audit-log", nil, false},
		"createEventType": {"/v1/event-types", map[string]any{
			"name": "order.sent", "description": "It left.", "schema": map[string]any{"type": "object"},
			"example": map[string]any{"order": 1}, "schema_policy": "flag", "archived": false,
		}, false},
		"listEventTypes":    {"/v1/event-types?search=order&archived=true", nil, false},
		"getEventType":      {"/v1/event-types/order.paid", nil, false},
		"updateEventType":   {"/v1/event-types/order.paid", map[string]any{"schema": true, "archived": true}, false},
		"deleteEventType":   {"/v1/event-types/order.paid", nil, false},
		"testEndpoint":      {endpoint + "/test", map[string]any{"type": "order.paid", "data": []int{1}}, false},
		"handshakeEndpoint": {endpoint + "/handshake", nil, false},
		"createPortalToken": {"/v1/portal-tokens", map[string]any{
			"scopes": []string{"endpoints:read"}, "expires_in": "5m",
		}, false},
		"eraseEventPayload":     {"/v1/events/" + d.event.String() + "/payload", nil, false},
		"redriveRejectedEvent":  {whole + "/redrive", nil, false},
		"redriveRejectedEvents": {"/v1/rejected-events/redrive", map[string]any{"reason": "schema", "limit": 5}, false},
		"getPublicKeys":         {"/.well-known/homing/endpoints/" + public + "/jwks.json", nil, false},
		"getTenantPublicKeys":   {"/.well-known/homing/tenants/" + b.tenant + "/jwks.json", nil, false},
		"createEndpoint": {"/v1/endpoints", map[string]any{
			"url": "https://example.com/other", "types": []string{"a", "b.*"}, "filter": "subject = 'x'", "format": "standard",
			"headers": map[string]string{"X-A": "b"}, "schedule": []string{"0s", "5m"}, "timeout": "10s", "rate_per_second": 5,
			"signing": "v1a",
		}, false},
		"listEndpoints":  {"/v1/endpoints?status=active&search=example", nil, false},
		"getEndpoint":    {endpoint, nil, false},
		"updateEndpoint": {endpoint, map[string]any{"url": "https://example.com/moved"}, false},
		"deleteEndpoint": {endpoint, nil, false},
		"pauseEndpoint":  {endpoint + "/pause", nil, false},
		"resumeEndpoint": {endpoint + "/resume", map[string]any{"held": "release"}, false},
		"listSecrets":    {endpoint + "/secrets", nil, false},
		"rotateSecret":   {endpoint + "/secrets/rotate", map[string]any{"kind": "v1a", "overlap": "0s"}, false},
	}
}

// operations lists the operations of the document that the API serves: all but sending, which test/contract tries.
func (b *bundle) operations() map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for _, item := range b.api.Document().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && op.OperationID != "sendEvents" {
				all[op.OperationID] = op
			}
		}
	}
	return all
}

// TestDocument holds the document that is served to the one that is committed, and that to OpenAPI 3.1.
func TestDocument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	served := b.do(call{method: "GET", path: "/openapi.json", key: "none"})
	require.Equal(t, http.StatusOK, served.status)
	require.Equal(t, "3.1.0", served.body["openapi"])
	pretty, err := json.MarshalIndent(served.body, "", "  ")
	require.NoError(t, err)
	pretty = append(pretty, '\n')
	if *update {
		require.NoError(t, os.WriteFile(committed, pretty, 0o644))
	}
	text, err := os.ReadFile(committed)
	require.NoError(t, err)
	require.Equal(t, string(text), string(pretty), "run: go test ./functions/manage/api -run TestDocument -update")

	requireOpenAPI31(t)
	for id, op := range b.operations() {
		if len(op.Security) == 0 {
			require.Contains(t, []string{"getPublicKeys", "getTenantPublicKeys"}, id, "for everybody")
			continue
		}
		scopes := op.Security[0]["apiKey"]
		require.Len(t, scopes, 1, id)
		require.True(t, webhook.Scope(scopes[0]).Valid(), id)
		require.NotEmpty(t, op.Summary, id)
		require.NotEmpty(t, op.Tags, id)
	}
}

// TestEveryOperationAnswersAsDocumented makes one request of every operation, which has to go well; do holds its answer
// to the document.
func TestEveryOperationAnswersAsDocumented(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := b.examples()
	for id, op := range b.operations() {
		require.Contains(t, names, id, "an operation without an example")
		b.tenant, b.key = b.newTenant()
		e := b.examples()[id]
		c := call{method: op.Method, path: e.path, body: e.body}
		if e.operator {
			c.key = b.operator
		}
		got := b.do(c)
		require.Less(t, got.status, 300, "%s: %s", id, got.text)
		require.Contains(t, op.Responses, strconv.Itoa(got.status), id)
	}
}

// TestReferenceIsReadableAnywhere looks at the page for people: it names every operation and loads nothing.
func TestReferenceIsReadableAnywhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.do(call{method: "GET", path: "/docs", key: "none"})
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'")
	for id, op := range b.operations() {
		require.Contains(t, page.text, `<h3 id="`+id+`">`)
		require.Contains(t, page.text, html.EscapeString(op.Summary))
	}
	for _, loads := range []string{"<script", "src=", "<link", "@import", "url(", "https://", "http://"} {
		require.NotContains(t, page.text, loads)
	}
}

// TestWhatIsNoRouteIsAProblem asks for what is not there.
func TestWhatIsNoRouteIsAProblem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/v1/nothing", "/v1/tenants/", "/v1//tenants", "/v1/x/../tenants", "/openapi"} {
		b.do(call{method: "GET", path: path}).refused(http.StatusNotFound, "not-found", "")
	}
	got := b.do(call{method: "PUT", path: "/v1/tenants"})
	got.refused(http.StatusMethodNotAllowed, "method-not-allowed", "")
	require.Equal(t, "GET, HEAD, POST", got.header.Get("Allow"))
}
