package api_test

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// thing is a part of an answer.
type thing map[string]any

func (t thing) id() string { return t["id"].(string) }

// replay begins a replay of an endpoint, and returns the job.
func (b *bundle) replay(endpoint webhook.ID, more map[string]any) thing {
	b.Helper()
	body := map[string]any{"endpoint": endpoint, "per_second": 1}
	maps.Copy(body, more)
	got := b.ok("POST", "/v1/replays", body)
	require.Equal(b, http.StatusAccepted, got.status, got.text)
	job := thing(got.body["job"].(map[string]any))
	require.Equal(b, "/v1/jobs/"+job.id(), got.header.Get("Location"))
	return job
}

// work runs chunks of jobs, as retry does it and in its role.
func (b *bundle) work(chunks int) {
	b.Helper()
	s, err := postgres.Open(b.Context(), b.url, postgres.Options{MaxConns: 2, Role: "homing_retry"})
	require.NoError(b, err)
	defer s.Close()
	for range chunks {
		_, err := s.RunJob(b.Context(), &b.ids)
		require.NoError(b, err)
	}
}

// exec runs a statement of the test's own.
func (b *bundle) exec(sql string) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), b.url)
	require.NoError(b, err)
	defer func() { _ = conn.Close(b.Context()) }()
	_, err = conn.Exec(b.Context(), sql)
	require.NoError(b, err)
}

func TestReplays(t *testing.T) {
	t.Parallel()

	t.Run("OfARangeAreJobs", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.send()
		b.attempt(d, failed())
		dry := b.ok("POST", "/v1/replays", map[string]any{"endpoint": d.endpoint, "dry_run": true})
		require.Equal(t, http.StatusOK, dry.status)
		require.EqualValues(t, 1, dry.body["matched"])
		require.Equal(t, true, dry.body["matched_exact"])
		require.NotContains(t, dry.body, "job")
		require.Equal(t, d.delivery.String(), dry.body["first"].([]any)[0].(map[string]any)["delivery"])
		require.Empty(t, b.ok("GET", "/v1/jobs", nil).list())
		require.Zero(t, b.jobs)

		job := b.replay(d.endpoint, map[string]any{"per_second": 50})
		require.Equal(t, "running", job["state"])
		require.EqualValues(t, 1, job["total"])
		require.EqualValues(t, 50, job["per_second"])
		require.Equal(t, []any{"exhausted", "cancelled"}, job["replay"].(map[string]any)["states"])
		require.Equal(t, 1, b.jobs, "retry is told")
		b.work(2)
		got := b.ok("GET", "/v1/jobs/"+job.id(), nil)
		require.Equal(t, "done", got.str("state"))
		require.EqualValues(t, 1, got.body["done"])
		require.NotContains(t, got.body, "next_at")
		replay := b.ok("GET", "/v1/deliveries?endpoint="+d.endpoint.String(), nil).list()[0]
		require.Equal(t, d.delivery.String(), replay["replay_of"])
		log := b.ok("GET", "/v1/audit-log?target="+job.id(), nil).list()
		require.Len(t, log, 1)
		require.Equal(t, "replay.create", log[0]["action"])
	})

	t.Run("OfAnEventMayNameAnEndpoint", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d, other := b.send(), b.send()
		b.attempt(d, failed())
		path := "/v1/events/" + d.event.String() + "/replay"
		require.EqualValues(t, 1, b.ok("POST", path, nil).body["matched"])
		require.EqualValues(t, 1, b.ok("POST", path, map[string]any{"endpoint": d.endpoint}).body["matched"])
		require.EqualValues(t, 0, b.ok("POST", path, map[string]any{"endpoint": other.endpoint}).body["matched"])
		b.do(call{method: "POST", path: "/v1/events/" + webhook.FirstID(time.Now()).String() + "/replay"}).
			refused(http.StatusNotFound, "not-found", "")
	})

	t.Run("AreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.send()
		for field, body := range map[string]map[string]any{
			"body":       {},
			"states":     {"endpoint": d.endpoint, "states": []string{"missing", "failed"}},
			"states[0]":  {"endpoint": d.endpoint, "states": []string{"scheduled"}},
			"filter":     {"endpoint": d.endpoint, "filter": "((("},
			"to":         {"endpoint": d.endpoint, "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
			"per_second": {"endpoint": d.endpoint, "per_second": 10_001},
		} {
			b.do(call{method: "POST", path: "/v1/replays", body: body}).
				refused(http.StatusUnprocessableEntity, "invalid", field)
		}
		body := map[string]any{"endpoint": d.endpoint}
		b.ok("DELETE", "/v1/endpoints/"+d.endpoint.String(), nil)
		b.do(call{method: "POST", path: "/v1/replays", body: body}).refused(http.StatusConflict, "conflict", "")
	})

	t.Run("AreAskedForOnceWithAKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := map[string]any{"endpoint": b.send().endpoint}
		once := func() answer { return b.ok("POST", "/v1/replays", body, "Idempotency-Key", "k") }
		first, again := once(), once()
		require.Equal(t, first.body["job"].(map[string]any)["id"], again.body["job"].(map[string]any)["id"])
		require.Len(t, b.ok("GET", "/v1/jobs", nil).list(), 1)
	})
}

func TestJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := b.send()
	path := "/v1/jobs/" + b.replay(d.endpoint, nil).id()
	for range store.MaxJobs - 1 {
		b.replay(d.endpoint, map[string]any{"states": []string{"missing"}})
	}
	b.do(call{method: "POST", path: "/v1/replays", body: map[string]any{"endpoint": d.endpoint}}).
		refused(http.StatusConflict, "conflict", "")
	require.Equal(t, "paused", b.ok("POST", path+"/pause", nil).str("state"))
	require.Equal(t, "paused", b.ok("POST", path+"/pause", nil).str("state"), "again")
	require.Len(t, b.ok("GET", "/v1/jobs?state=paused", nil).list(), 1)
	hints := b.jobs
	require.Equal(t, "running", b.ok("POST", path+"/resume", nil).str("state"))
	require.Equal(t, hints+1, b.jobs)
	require.Contains(t, b.ok("POST", path+"/cancel", nil).body, "finished_at")
	for _, verb := range []string{"pause", "resume"} {
		b.do(call{method: "POST", path: path + "/" + verb}).refused(http.StatusConflict, "conflict", "")
	}
	page := b.ok("GET", "/v1/jobs?limit=2", nil)
	require.Len(t, page.list(), 2)
	rest := b.ok("GET", "/v1/jobs?limit=9&cursor="+page.str("next_cursor"), nil).list()
	require.Len(t, rest, store.MaxJobs-2)
	require.Equal(t, path, "/v1/jobs/"+rest[len(rest)-1]["id"].(string))
	log := b.ok("GET", "/v1/audit-log?target="+path[len("/v1/jobs/"):], nil).list()
	require.Len(t, log, 4, "begun, paused, resumed, cancelled")
}

func TestResumingMayDropWhatIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := b.send()
	path := "/v1/endpoints/" + d.endpoint.String()
	drop := map[string]any{"held": "drop"}
	require.NotContains(t, b.ok("POST", path+"/resume", drop).body, "job", "an active one holds nothing")
	version := b.ok("POST", path+"/pause", nil).header.Get("ETag")
	b.do(call{method: "POST", path: path + "/resume", body: drop, header: map[string]string{"If-Match": `"1"`}}).
		refused(http.StatusPreconditionFailed, "precondition-failed", "")
	got := b.ok("POST", path+"/resume", drop, "If-Match", version)
	require.Equal(t, "paused", got.str("status"), "not before all is dropped")
	job := thing(got.body["job"].(map[string]any))
	require.Equal(t, "drop_held", job["kind"])
	require.EqualValues(t, 1, job["total"])
	require.Equal(t, d.endpoint.String(), job["endpoint"])
	require.Equal(t, job.id(), thing(b.ok("POST", path+"/resume", drop).body["job"].(map[string]any)).id(), "again")
	b.work(1)
	require.Equal(t, "active", b.ok("GET", path, nil).str("status"))
	require.Equal(t, "cancelled", b.ok("GET", "/v1/deliveries/"+d.delivery.String(), nil).str("state"))
	require.Equal(t, "done", b.ok("GET", "/v1/jobs/"+job.id(), nil).str("state"))

	b.ok("POST", path+"/pause", nil)
	require.Equal(t, "active", b.ok("POST", path+"/resume", map[string]any{"held": "release"}).str("status"))
	b.do(call{method: "POST", path: path + "/resume", body: map[string]any{"held": "keep"}}).
		refused(http.StatusUnprocessableEntity, "invalid", "held")
}

func TestTheDeletionOfATenantIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send()
	path := "/v1/tenants/" + b.tenant
	gone := b.operate("DELETE", path, nil)
	require.Equal(t, http.StatusAccepted, gone.status, gone.text)
	require.Equal(t, "running", gone.body["deletion"].(map[string]any)["state"])
	require.Equal(t, 1, b.jobs)
	b.work(1)
	_, err := b.owner().Endpoints(t.Context(), b.tenant)
	require.NoError(t, err)
	deletion := b.operate("GET", path, nil).body["deletion"].(map[string]any)
	require.Contains(t, deletion, "next_at")
	require.NotContains(t, deletion, "total")
	b.exec("UPDATE tenants SET deleted_at = deleted_at - interval '1 hour'")
	b.exec("UPDATE jobs SET wake_at = wake_at - interval '1 hour'")
	b.work(8)
	b.operate("GET", path, nil).refused(http.StatusNotFound, "not-found", "")
	require.Equal(t, http.StatusCreated, b.operate("POST", "/v1/tenants", map[string]any{"id": b.tenant}).status)
	log := b.operate("GET", "/v1/audit-log?target="+b.tenant, nil).list()
	require.Len(t, log, 3, "the log of the first one stays, and says that it is gone")
}
