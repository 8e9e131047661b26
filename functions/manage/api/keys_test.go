package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/manage/api"
	"github.com/homing-hooks/homing/pkg/server"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.ok("POST", "/v1/keys", map[string]any{"name": "ci", "scopes": []string{"endpoints:read"}})
	key, path := made.str("key"), "/v1/keys/"+made.str("id")
	require.Equal(t, path, made.header.Get("Location"))
	require.Regexp(t, `^hmk_[\w-]{43}$`, key)
	require.Equal(t, http.StatusOK, b.do(call{method: "GET", path: "/v1/endpoints", key: key}).status)
	b.do(call{method: "POST", path: "/v1/endpoints", key: key, body: map[string]any{"url": "https://a.example"}}).
		refused(http.StatusForbidden, "forbidden", "")

	got := b.ok("GET", path, nil)
	require.NotContains(t, got.text, key, "it is shown once")
	require.Equal(t, "valid", got.str("status"))
	require.NotEmpty(t, got.str("last_used_at"))
	require.Equal(t, "revoked", b.ok("DELETE", path, nil).str("status"))
	require.Equal(t, "revoked", b.ok("DELETE", path, nil).str("status"), "again")
	b.do(call{method: "GET", path: "/v1/endpoints", key: key}).refused(http.StatusUnauthorized, "unauthenticated", "")
	require.Len(t, b.ok("GET", "/v1/audit-log?target="+made.str("id"), nil).list(), 2)

	for field, body := range map[string]map[string]any{
		"scopes[0]":  {"scopes": []string{"root"}},
		"scopes":     {"scopes": []string{}},
		"expires_at": {"scopes": []string{"admin"}, "expires_at": time.Now().Add(-time.Second)},
	} {
		b.do(call{method: "POST", path: "/v1/keys", body: body}).refused(http.StatusUnprocessableEntity, "invalid", field)
	}
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	short := b.ok("POST", "/v1/keys", map[string]any{"scopes": []string{"admin"}, "expires_at": end})
	require.Equal(t, end.Format(time.RFC3339), short.str("expires_at"))
	b.now = func() time.Time { return end.Add(time.Second) }
	require.Equal(t, "expired", b.ok("GET", "/v1/keys/"+short.str("id"), nil).str("status"))
}

func TestRequestsAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.PerMinute = 3 })
	now := time.Date(2026, 3, 1, 12, 0, 20, 0, time.UTC)
	b.now = func() time.Time { return now }
	for left := range 3 {
		got := b.ok("GET", "/v1/endpoints", nil)
		require.Equal(t, "3", got.header.Get("RateLimit-Limit"))
		require.Equal(t, string(rune('2'-left)), got.header.Get("RateLimit-Remaining"))
		require.Equal(t, "40", got.header.Get("RateLimit-Reset"))
	}
	over := b.do(call{method: "GET", path: "/v1/endpoints"})
	over.refused(http.StatusTooManyRequests, "too-many-requests", "")
	require.Equal(t, "40", over.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, b.operate("GET", "/v1/tenants", nil).status, "another key has its own share")
	now = now.Add(40 * time.Second)
	b.ok("GET", "/v1/endpoints", nil)
}

// TestWrongKeysAreLimited: beyond a bound an address is answered 429 to wrong and missing keys, while good keys from
// the same address go on, and are counted by themselves.
func TestWrongKeysAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 20, 0, time.UTC)
	b := setup(t, func(c *api.Config) {
		c.Strangers = server.NewStrangers(3, nil, func() time.Time { return now })
	})
	wrong := func(header string) answer {
		return b.do(call{
			method: "GET", path: "/v1/endpoints", key: "none", header: map[string]string{"Authorization": header},
		})
	}
	for left, header := range []string{"Bearer wrong", "", "Basic x"} {
		got := wrong(header)
		got.refused(http.StatusUnauthorized, "unauthenticated", "")
		require.Equal(t, string(rune('2'-left)), got.header.Get("RateLimit-Remaining"))
	}
	for _, header := range []string{"", "Bearer wrong"} {
		over := wrong(header)
		over.refused(http.StatusTooManyRequests, "too-many-requests", "")
		require.Equal(t, "40", over.header.Get("Retry-After"))
	}
	require.Equal(t, "100000", b.ok("GET", "/v1/endpoints", nil).header.Get("RateLimit-Limit"), "a good key")
	now = now.Add(40 * time.Second)
	wrong("").refused(http.StatusUnauthorized, "unauthenticated", "")
}

func TestMistakesInRequestsAreProblems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	post := func(body string, header ...string) answer {
		c := call{method: "POST", path: "/v1/endpoints", body: body, header: map[string]string{}}
		for i := 0; i < len(header); i += 2 {
			c.header[header[i]] = header[i+1]
		}
		return b.do(c)
	}
	post(`{"url":`).refused(http.StatusBadRequest, "bad-request", "body")
	post("").refused(http.StatusBadRequest, "bad-request", "")
	post(`url=x`, "Content-Type", "text/plain").refused(http.StatusUnsupportedMediaType, "unsupported-media-type", "")
	post(`{"url":"`+string(make([]byte, 300<<10))+`"}`).refused(http.StatusRequestEntityTooLarge, "too-large", "")
	secret := post(`{"url":"https://a.example","headers":{"X-Token":17},"secretword":"opensesame"}`)
	secret.refused(http.StatusUnprocessableEntity, "invalid", "secretword")
	require.NotContains(t, secret.text, "opensesame", "what was sent is not repeated")
	require.Empty(t, b.log.String())
}
