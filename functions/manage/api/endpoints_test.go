package api_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/manage/api"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestEndpoints(t *testing.T) {
	t.Parallel()

	t.Run("AreCreatedAndChanged", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		made := b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com/hooks"})
		path := "/v1/endpoints/" + made.str("id")
		require.Equal(t, path, made.header.Get("Location"))
		require.Equal(t, "binary", made.str("format"))
		require.Equal(t, []any{}, made.body["types"])
		got := b.ok("PATCH", path, map[string]any{
			"types": []string{"a", "b.*"}, "filter": "subject = 'x'", "format": "structured", "timeout": "7s",
			"headers": map[string]string{"X-B": "opensesame", "X-A": "1"}, "schedule": []string{"0s", "1m30s"},
			"rate_per_second": 9,
		})
		require.Equal(t, []any{"a", "b.*"}, got.body["types"])
		require.Equal(t, []any{"X-A", "X-B"}, got.body["header_names"])
		require.Equal(t, []any{"0s", "1m30s"}, got.body["schedule"])
		require.Equal(t, "7s", got.str("timeout"))
		require.Equal(t, "https://example.com/hooks", got.str("url"), "what is left out stays")
		require.Equal(t, `"2"`, got.header.Get("ETag"))
		stored, err := b.store.Endpoint(t.Context(), b.tenant, mustID(t, made.str("id")))
		require.NoError(t, err)
		require.Equal(t, "opensesame", stored.Headers["X-B"])

		got = b.ok("PATCH", path, map[string]any{"types": []string{}, "filter": "", "schedule": []string{}, "timeout": ""})
		require.NotContains(t, got.body, "schedule")
		require.NotContains(t, got.body, "timeout")
		require.Equal(t, []any{"X-A", "X-B"}, got.body["header_names"], "headers that are not given stay")
		require.Empty(t, b.ok("PATCH", path, map[string]any{"headers": map[string]string{}}).body["header_names"])
		log := b.ok("GET", "/v1/audit-log?target="+made.str("id"), nil)
		require.Len(t, log.list(), 4)
		require.NotContains(t, log.text, "opensesame")
		require.NotContains(t, log.text, made.str("secret"))
	})

	t.Run("AreChangedOnTheVersionThatWasRead", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		path := "/v1/endpoints/" + b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com"}).str("id")
		tag := b.ok("GET", path, nil).header.Get("ETag")
		b.ok("PATCH", path, map[string]any{"filter": "id = 'a'"}, "If-Match", tag)
		for _, method := range []string{"PATCH", "DELETE"} {
			c := call{method: method, path: path, header: map[string]string{"If-Match": tag}}
			if method == "PATCH" {
				c.body = map[string]any{"filter": "id = 'b'"}
			}
			b.do(c).refused(http.StatusPreconditionFailed, "precondition-failed", "")
		}
		b.ok("PATCH", path, map[string]any{"filter": ""}, "If-Match", `"7", *`)

		// Without If-Match everybody's change is made, one after the other.
		var group sync.WaitGroup
		answers := make([]answer, 3)
		for i := range answers {
			group.Go(func() {
				answers[i] = b.do(call{method: "PATCH", path: path, body: map[string]any{"rate_per_second": 4}})
			})
		}
		group.Wait()
		for _, a := range answers {
			require.Equal(t, http.StatusOK, a.status, a.text)
		}
		require.Equal(t, `"6"`, b.ok("GET", path, nil).header.Get("ETag"))
	})

	t.Run("ChangeTheirStatusOnTheVersionThatWasRead", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]call{
			"pause":  {method: "POST", path: "/pause"},
			"resume": {method: "POST", path: "/resume"},
			"drop":   {method: "POST", path: "/resume", body: map[string]any{"held": "drop"}},
			"delete": {method: "DELETE"},
		} {
			s := &overtaken{}
			b := setup(t, func(cfg *api.Config) { s.Store, cfg.Store = cfg.Store, s })
			path := "/v1/endpoints/" + b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com"}).str("id")
			if c.path == "/resume" {
				b.ok("POST", path+"/pause", nil)
			}
			was := b.ok("GET", path, nil)
			s.before = func() { b.ok("PATCH", path, map[string]any{"filter": "id = 'a'"}) } // between read and write
			c.path, c.header = path+c.path, map[string]string{"If-Match": was.header.Get("ETag")}
			b.do(c).refused(http.StatusPreconditionFailed, "precondition-failed", "")
			now := b.ok("GET", path, nil)
			require.Equal(t, was.body["status"], now.body["status"], name)
			require.Empty(t, b.ok("GET", "/v1/jobs", nil).list(), name)

			s.before = func() { b.ok("PATCH", path, map[string]any{"filter": "id = 'b'"}) }
			c.header = nil
			require.Equal(t, http.StatusOK, b.do(c).status, "%s: without If-Match, on any version", name)
		}
	})

	t.Run("NameTheFieldThatIsWrong", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		path := "/v1/endpoints/" + b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com"}).str("id")
		for field, value := range map[string]any{
			"url": "https://10.0.0.1/", "types[1]": []string{"a", ""}, "filter": "type =", "format": "xml",
			"headers.Host": map[string]string{"Host": "x"}, "schedule": []string{"soon"}, "timeout": "2h",
			"rate_per_second": -1,
		} {
			name, _, _ := strings.Cut(strings.ReplaceAll(field, "[", "."), ".")
			body := map[string]any{name: value}
			b.do(call{method: "PATCH", path: path, body: body}).refused(http.StatusUnprocessableEntity, "invalid", field)
			if name != "url" {
				body["url"] = "https://example.com"
			}
			b.do(call{method: "POST", path: "/v1/endpoints", body: body}).
				refused(http.StatusUnprocessableEntity, "invalid", field)
		}
		two := b.do(call{method: "POST", path: "/v1/endpoints", body: map[string]any{"url": "http://a", "timeout": "x"}})
		two.refused(http.StatusUnprocessableEntity, "invalid", "url")
		two.refused(http.StatusUnprocessableEntity, "invalid", "timeout")
		require.Equal(t, `"1"`, b.ok("GET", path, nil).header.Get("ETag"))
		require.Len(t, b.ok("GET", "/v1/endpoints", nil).list(), 1)
	})

	t.Run("ArePausedResumedAndDeleted", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com"}).str("id")
		path := "/v1/endpoints/" + id
		paused := b.ok("POST", path+"/pause", nil)
		require.Equal(t, "paused", paused.str("status"))
		require.Equal(t, paused.header.Get("ETag"), b.ok("POST", path+"/pause", nil).header.Get("ETag"), "again")
		require.Empty(t, b.endpoints)
		require.Equal(t, "active", b.ok("POST", path+"/resume", nil).str("status"))
		require.Equal(t, id, b.endpoints[0].Endpoint.String(), "what was held is hinted at")
		require.Equal(t, "deleted", b.ok("DELETE", path, nil).str("status"))
		require.Equal(t, "deleted", b.ok("GET", path, nil).str("status"), "it can still be looked at")
		require.Empty(t, b.ok("GET", "/v1/endpoints", nil).list())
		for _, c := range []call{
			{method: "POST", path: path + "/resume"}, {method: "PATCH", path: path, body: map[string]any{"filter": ""}},
			{method: "POST", path: path + "/secrets/rotate"},
		} {
			b.do(c).refused(http.StatusNotFound, "not-found", "")
		}
		var actions []any
		for _, line := range b.ok("GET", "/v1/audit-log?target="+id, nil).list() {
			actions = append(actions, line["action"])
		}
		require.Equal(t, []any{"endpoint.delete", "endpoint.resume", "endpoint.pause", "endpoint.create"}, actions)
	})

	t.Run("AreListedInPages", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var want, got []string
		for range 5 {
			want = append(want, b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com"}).str("id"))
		}
		cursor := ""
		for pages := 0; ; pages++ {
			require.Less(t, pages, 4)
			page := b.ok("GET", "/v1/endpoints?limit=2&cursor="+cursor, nil)
			for _, e := range page.list() {
				got = append(got, e["id"].(string))
			}
			if page.body["next_cursor"] == nil {
				break
			}
			cursor = page.str("next_cursor")
		}
		require.Equal(t, want, got)
		require.Empty(t, b.ok("GET", "/v1/endpoints?status=paused", nil).list())
		require.Empty(t, b.ok("GET", "/v1/endpoints?search=nowhere", nil).list())
	})
}

// overtaken is a store where somebody else is faster: before is done once, just before a change.
type overtaken struct {
	store.Store
	before func()
}

func (s *overtaken) overtake() {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
}

func (s *overtaken) ChangeEndpointStatus(ctx context.Context, c store.StatusChange) error {
	s.overtake()
	return s.Store.ChangeEndpointStatus(ctx, c)
}

func (s *overtaken) StartJob(ctx context.Context, j store.Job) (store.Job, error) {
	s.overtake()
	return s.Store.StartJob(ctx, j)
}

func mustID(t *testing.T, text string) webhook.ID {
	t.Helper()
	id, err := webhook.ParseID(text)
	require.NoError(t, err)
	return id
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.ok("POST", "/v1/endpoints", map[string]any{"url": "https://example.com"})
	path := "/v1/endpoints/" + made.str("id") + "/secrets"
	first := b.ok("GET", path, nil)
	require.Equal(t, "no-store", first.header.Get("Cache-Control"))
	require.Equal(t, made.str("secret"), first.list()[0]["secret"])

	rotated := b.ok("POST", path+"/rotate", map[string]any{"overlap": "2h"}, "Idempotency-Key", "r")
	require.Equal(t, rotated.str("secret"),
		b.ok("POST", path+"/rotate", map[string]any{"overlap": "2h"}, "Idempotency-Key", "r").str("secret"))
	list := b.ok("GET", path, nil).list()
	require.Len(t, list, 2)
	require.Equal(t, rotated.str("secret"), list[0]["secret"])
	until, err := time.Parse(time.RFC3339, list[1]["expires_at"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), until, time.Minute)

	asymmetric := b.ok("POST", path+"/rotate", map[string]any{"kind": "v1a"})
	_, err = signature.ParsePublicKey(asymmetric.str("public_key"))
	require.NoError(t, err)
	require.Len(t, b.ok("GET", path, nil).list(), 3, "a rotation ends secrets of its own kind only")
	b.ok("POST", path+"/rotate", map[string]any{"overlap": "0s"})
	require.Len(t, b.ok("GET", path, nil).list(), 2, "without overlap the old ones end at once")
	for _, overlap := range []string{"-1s", "soon", "721h"} {
		b.do(call{method: "POST", path: path + "/rotate", body: map[string]any{"overlap": overlap}}).
			refused(http.StatusUnprocessableEntity, "invalid", "overlap")
	}
	log := b.ok("GET", "/v1/audit-log?target="+made.str("id"), nil)
	require.Len(t, log.list(), 4)
	require.NotContains(t, log.text, "whsec_")
	require.NotContains(t, log.text, "whsk_")
	b.do(call{method: "GET", path: path, key: b.newKey(b.tenant, webhook.ScopeEndpointsRead)}).
		refused(http.StatusForbidden, "forbidden", "")
	require.NotContains(t, b.log.String(), "whsec_")
}
