package api_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// tally counts, in the role of retry.
func (b *bundle) tally() {
	b.Helper()
	retry, err := postgres.Open(b.Context(), b.url, postgres.Options{Role: "homing_retry", MaxConns: 1})
	require.NoError(b, err)
	defer retry.Close()
	for more := true; more; {
		done, err := retry.Tally(b.Context(), store.TallyRequest{
			Spans: 100, Failing: webhook.FailingRule{Window: 15 * time.Minute, Attempts: 2, Below: 50},
		})
		require.NoError(b, err)
		more = done.More
	}
}

// succeeded is the result of an attempt that went well.
func succeeded() store.Result {
	r := failed()
	r.Attempt.Outcome, r.Attempt.Status, r.Attempt.Detail = webhook.OutcomeSuccess, 200, ""
	r.Next, r.Reason = webhook.StateSucceeded, webhook.ReasonNone
	return r
}

// again is the result of an attempt that is made again later.
func again() store.Result {
	r := failed()
	r.Next, r.Reason, r.RetryIn, r.WakeIn = webhook.StateScheduled, webhook.ReasonNone, time.Hour, 2*time.Hour
	return r
}

func TestStats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good, bad, worse := b.send(), b.send(), b.send()
	b.attempt(good, succeeded())
	b.attempt(bad, again())
	b.attempt(worse, failed())
	b.tally()
	for _, bucket := range []string{"5m", "1h", "1d"} {
		got := b.ok("GET", "/v1/stats?bucket="+bucket, nil)
		total := got.body["total"].(map[string]any)
		require.EqualValues(t, 3, total["events"], bucket)
		require.EqualValues(t, 3, total["attempts"])
		require.InDelta(t, 1.0/3, total["success_rate"], 1e-9)
		require.Equal(t, map[string]any{"succeeded": 1.0, "exhausted": 1.0}, total["deliveries"])
		require.EqualValues(t, 1, total["outcomes"].(map[string]any)["success"])
		latency := total["latency_ms"].(map[string]any)
		for _, p := range []string{"p50", "p95", "p99"} {
			require.Positive(t, latency[p])
		}
		asOf, err := time.Parse(time.RFC3339, got.str("as_of"))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), asOf, time.Minute)
		sum := 0.0
		for _, each := range got.body["data"].([]any) {
			at, err := time.Parse(time.RFC3339, each.(map[string]any)["at"].(string))
			require.NoError(t, err)
			require.Equal(t, at.Truncate(5*time.Minute), at)
			sum += each.(map[string]any)["attempts"].(float64)
		}
		require.InDelta(t, 3, sum, 0, bucket)
	}
	one := b.ok("GET", "/v1/stats?endpoint="+good.endpoint.String(), nil).body["total"].(map[string]any)
	require.EqualValues(t, 1, one["attempts"])
	require.NotContains(t, one, "events")
	long := b.ok("GET", "/v1/stats?from=2020-01-01T00:00:00Z&to=2020-01-01T10:20:00%2B01:00&bucket=1h", nil)
	require.Equal(t, "2020-01-01T00:00:00Z", long.str("from"))
	require.Equal(t, "2020-01-01T10:00:00Z", long.str("to"), "up to the end of its bucket")
	require.Empty(t, long.body["data"])
	require.NotContains(t, long.body["total"], "success_rate")
	require.NotContains(t, long.body["total"], "latency_ms")
}

func TestStatsRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for path, field := range map[string]string{
		"/v1/stats?bucket=5m&from=2020-01-01T00:00:00Z":               "bucket",
		"/v1/stats?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z": "from",
		"/v1/stats?bucket=1m": "bucket",
	} {
		got := b.do(call{method: "GET", path: path})
		require.Equal(t, http.StatusUnprocessableEntity, got.status, path)
		require.Contains(t, got.text, field)
	}
	// What is another tenant's is not there, also as a filter.
	mine := b.send()
	_, stranger := b.newTenant()
	b.do(call{method: "GET", path: "/v1/stats?endpoint=" + mine.endpoint.String(), key: stranger}).
		refused(http.StatusNotFound, "not-found", "")
	b.attempt(mine, succeeded())
	b.tally()
	total := b.do(call{method: "GET", path: "/v1/stats", key: stranger}).body["total"].(map[string]any)
	require.EqualValues(t, 0, total["attempts"])
	require.EqualValues(t, 0, total["events"])
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := b.send()
	path := "/v1/endpoints/" + d.endpoint.String()
	fresh := b.ok("GET", path+"/health", nil)
	require.Equal(t, "healthy", fresh.str("state"))
	require.EqualValues(t, 1, fresh.body["waiting"])
	require.EqualValues(t, 0, fresh.body["held"])
	require.NotContains(t, fresh.body, "last_failure")
	require.NotContains(t, fresh.body, "state_since")

	b.attempt(d, again())
	b.tally()
	got := b.ok("GET", path+"/health", nil)
	require.Equal(t, "healthy", got.str("state"), "one attempt is too few to judge")
	failure := got.body["last_failure"].(map[string]any)
	require.Equal(t, d.delivery.String(), failure["delivery"])
	require.Equal(t, "server_error", failure["outcome"])
	require.EqualValues(t, 503, failure["status"])
	require.EqualValues(t, 0, got.body["last_day"].(map[string]any)["success_rate"])

	b.ok("POST", path+"/pause", nil)
	got = b.ok("GET", path+"/health", nil)
	require.Equal(t, "paused", got.str("state"))
	require.Equal(t, "by hand", got.str("reason"))
	require.EqualValues(t, 1, got.body["held"])
	since, err := time.Parse(time.RFC3339, got.str("state_since"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), since, time.Minute)
	b.ok("POST", path+"/resume", nil)
	require.Equal(t, "healthy", b.ok("GET", path+"/health", nil).str("state"))
}

// TestHealthInTheList compares what the list says of each endpoint with what is said of it alone.
func TestHealthInTheList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d, idle := b.send(), b.send()
	b.attempt(d, again())
	b.tally()
	b.ok("POST", "/v1/endpoints/"+idle.endpoint.String()+"/pause", nil)
	list := b.ok("GET", "/v1/endpoints", nil).list()
	require.Len(t, list, 2)
	for _, e := range list {
		got := e["health"].(map[string]any)
		alone := b.ok("GET", "/v1/endpoints/"+e["id"].(string)+"/health", nil).body
		day := alone["last_day"].(map[string]any)
		for _, name := range []string{"state", "state_since", "last_success_at", "last_failure"} {
			require.Equal(t, alone[name], got[name], name)
		}
		require.Equal(t, day["attempts"], got["attempts"])
		require.Equal(t, day["success_rate"], got["success_rate"])
	}
	require.Equal(t, "server_error", list[0]["health"].(map[string]any)["last_failure"].(map[string]any)["outcome"])
	require.EqualValues(t, 0, list[0]["health"].(map[string]any)["success_rate"])
	require.Equal(t, "paused", list[1]["health"].(map[string]any)["state"])
	require.Equal(t, "by hand", list[1]["status_reason"])
}

// TestShowsWhatWasSent looks at the headers of attempts, before and after the endpoint's change.
func TestShowsWhatWasSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d, refused := b.send(), b.send()
	b.attempt(d, succeeded())
	r := again()
	r.Attempt.Outcome, r.Attempt.Status = webhook.OutcomeConnect, 0
	b.attempt(refused, r)
	first := func(d sent) map[string]any {
		return b.ok("GET", "/v1/deliveries/"+d.delivery.String(), nil).body["history"].([]any)[0].(map[string]any)
	}
	got := first(d)
	headers := got["request_headers"].(map[string]any)
	started, err := time.Parse(time.RFC3339, got["started_at"].(string))
	require.NoError(t, err)
	require.Equal(t, strconv.FormatInt(started.Unix(), 10), headers["webhook-timestamp"])
	require.Equal(t, webhook.MessageID(d.event, d.endpoint), headers["webhook-id"])
	require.Equal(t, "(redacted)", headers["webhook-signature"])
	require.Equal(t, "1", headers["homing-attempt"])
	require.Equal(t, "order.paid", headers["ce-type"])
	require.Equal(t, "application/json", headers["content-type"])
	require.NotContains(t, got, "request_headers_partial")
	require.NotContains(t, first(refused), "request_headers", "nothing reached the endpoint")

	b.ok("PATCH", "/v1/endpoints/"+d.endpoint.String(), map[string]any{"url": "https://example.com/moved"})
	require.Equal(t, headers, first(d)["request_headers"], "the URL is in no header")
	b.ok("PATCH", "/v1/endpoints/"+d.endpoint.String(), map[string]any{
		"format": "standard", "headers": map[string]string{"X-Token": "opensesame"},
	})
	got = first(d)
	require.Equal(t, true, got["request_headers_partial"])
	headers = got["request_headers"].(map[string]any)
	require.Equal(t, webhook.MessageID(d.event, d.endpoint), headers["webhook-id"])
	for _, unknown := range []string{"content-type", "ce-type", "x-token", "user-agent"} {
		require.NotContains(t, headers, unknown)
	}

	// What is sent long after the change looks as the endpoint says now.
	later := b.send()
	token := map[string]string{"X-Token": "open"}
	b.ok("PATCH", "/v1/endpoints/"+later.endpoint.String(), map[string]any{"headers": token})
	b.age(later.endpoint)
	b.attempt(later, succeeded())
	headers = first(later)["request_headers"].(map[string]any)
	require.Equal(t, "(redacted)", headers["x-token"])
	require.Equal(t, "order.paid", headers["ce-type"])
}

// age makes the last change of an endpoint one of an hour ago.
func (b *bundle) age(endpoint webhook.ID) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), b.url)
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close(b.Context())) }()
	_, err = conn.Exec(b.Context(), "UPDATE endpoints SET request_at = request_at - interval '1 hour' WHERE id = $1",
		endpoint.String())
	require.NoError(b, err)
}
