package api_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func (b *bundle) operate(method, path string, body any, header ...string) answer {
	b.Helper()
	c := call{method: method, path: path, body: body, key: b.operator, header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		c.header[header[i]] = header[i+1]
	}
	return b.do(c)
}

func TestTenants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.operate("POST", "/v1/tenants", map[string]any{"id": "acme", "name": "Acme"})
	require.Equal(t, http.StatusCreated, made.status, made.text)
	require.Equal(t, "/v1/tenants/acme", made.header.Get("Location"))
	require.Equal(t, `"1"`, made.header.Get("ETag"))
	b.operate("POST", "/v1/tenants", map[string]any{"id": "acme"}).refused(http.StatusConflict, "conflict", "")
	b.operate("POST", "/v1/tenants", map[string]any{"id": "A b"}).refused(http.StatusUnprocessableEntity, "invalid", "id")
	b.operate("POST", "/v1/tenants", map[string]any{}).refused(http.StatusUnprocessableEntity, "invalid", "body")

	first := b.operate("GET", "/v1/tenants?limit=1", nil)
	require.Equal(t, "acme", first.list()[0]["id"])
	rest := b.operate("GET", "/v1/tenants?limit=1&cursor="+first.str("next_cursor"), nil)
	require.Equal(t, b.tenant, rest.list()[0]["id"])
	require.NotContains(t, rest.body, "next_cursor")
	for path, field := range map[string]string{
		"/v1/tenants?limit=0": "limit", "/v1/tenants?limit=251": "limit", "/v1/tenants?cursor=*": "cursor",
		"/v1/tenants?sort=up": "sort",
	} {
		b.operate("GET", path, nil).refused(http.StatusUnprocessableEntity, "invalid", field)
	}

	renamed := b.operate("PATCH", "/v1/tenants/acme", map[string]any{"name": "Acme, Ltd."}, "If-Match", `"1"`)
	require.Equal(t, "Acme, Ltd.", renamed.str("name"))
	require.Equal(t, `"2"`, renamed.header.Get("ETag"))
	b.operate("PATCH", "/v1/tenants/acme", map[string]any{"name": "x"}, "If-Match", `"1"`).
		refused(http.StatusPreconditionFailed, "precondition-failed", "")
	b.operate("PATCH", "/v1/tenants/nobody", map[string]any{"name": "x"}).refused(http.StatusNotFound, "not-found", "")

	gone := b.operate("DELETE", "/v1/tenants/acme", nil)
	require.Equal(t, http.StatusAccepted, gone.status)
	require.Equal(t, "deleting", gone.str("status"))
	require.Equal(t, "deleting", b.operate("DELETE", "/v1/tenants/acme", nil).str("status"), "again")
	b.operate("PATCH", "/v1/tenants/acme", map[string]any{"name": "x"}).refused(http.StatusNotFound, "not-found", "")
	b.operate("POST", "/v1/tenants", map[string]any{"id": "acme"}).refused(http.StatusConflict, "conflict", "")

	log := b.operate("GET", "/v1/audit-log?target=acme", nil).list()
	require.Len(t, log, 3, "one line for each change, and none for what changed nothing")
	require.Equal(t, "tenant.delete", log[0]["action"])
	require.Equal(t, "Acme", log[1]["before"].(map[string]any)["name"])
	require.Equal(t, "Acme, Ltd.", log[1]["after"].(map[string]any)["name"])
	require.Equal(t, "tenant.create", log[2]["action"])
	require.NotContains(t, log[2], "before")
}

func TestIdempotency(t *testing.T) {
	t.Parallel()

	t.Run("TheSameRequestIsAnsweredWithWhatItMadeTheFirstTime", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, c := range []struct {
			path   string
			body   map[string]any
			secret string
		}{
			{"/v1/keys", map[string]any{"scopes": []string{"events:write"}}, "key"},
			{"/v1/endpoints", map[string]any{"url": "https://example.com/a"}, "secret"},
			{"/v1/endpoints", map[string]any{"url": "https://example.com/b", "signing": "v1a"}, "public_key"},
		} {
			header := []string{"Idempotency-Key", "one " + c.path + c.secret}
			before := len(b.ok("GET", c.path, nil).list())
			first, again := b.ok("POST", c.path, c.body, header...), b.ok("POST", c.path, c.body, header...)
			require.Equal(t, first.str("id"), again.str("id"))
			require.Equal(t, first.str(c.secret), again.str(c.secret), "what is shown once, too")
			require.Equal(t, first.status, again.status)
			require.Len(t, b.ok("GET", c.path, nil).list(), before+1)
			require.Len(t, b.ok("GET", "/v1/audit-log?target="+first.str("id"), nil).list(), 1)

			c.body["name"], c.body["url"] = "another", "https://example.com/another"
			if c.secret == "key" {
				delete(c.body, "url")
			} else {
				delete(c.body, "name")
			}
			b.do(call{method: "POST", path: c.path, body: c.body, header: map[string]string{header[0]: header[1]}}).
				refused(http.StatusUnprocessableEntity, "invalid", "Idempotency-Key")
		}
	})

	t.Run("ManyAtOnceMakeOne", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var group sync.WaitGroup
		answers := make([]answer, 8)
		for i := range answers {
			group.Go(func() {
				answers[i] = b.do(call{
					method: "POST", path: "/v1/endpoints", body: map[string]any{"url": "https://example.com"},
					header: map[string]string{"Idempotency-Key": "k"},
				})
			})
		}
		group.Wait()
		ids := map[string]bool{}
		for _, a := range answers {
			require.Equal(t, http.StatusCreated, a.status, a.text)
			ids[a.str("id")] = true
		}
		require.Len(t, ids, 1)
		require.Len(t, b.ok("GET", "/v1/endpoints", nil).list(), 1)
	})

	t.Run("AnotherTenantsKeyMeansNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := map[string]any{"scopes": []string{"events:write"}}
		first := b.ok("POST", "/v1/keys", body, "Idempotency-Key", "k")
		_, b.key = b.newTenant()
		second := b.ok("POST", "/v1/keys", body, "Idempotency-Key", "k")
		require.NotEqual(t, first.str("id"), second.str("id"))
		require.NotEqual(t, first.str("key"), second.str("key"))
	})

	t.Run("AConflictOfTheThingItselfIsTold", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.operate("POST", "/v1/tenants", map[string]any{"id": b.tenant}, "Idempotency-Key", "k").
			refused(http.StatusConflict, "conflict", "")
	})
}
