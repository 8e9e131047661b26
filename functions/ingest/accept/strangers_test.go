package accept_test

import (
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestWrongKeysAreBounded: beyond a bound an address is answered 429 to wrong and missing keys; good keys, also from
// there, and others are not harmed.
func TestWrongKeysAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Date(2026, 1, 1, 0, 0, 10, 0, time.UTC)
	b.public = accept.NewPublicFace(accept.PublicConfig{
		Accepter: b.accepter, Store: b.store, MaxBytes: 2000, Tracer: noop.NewTracerProvider().Tracer(""),
		Strangers: server.NewStrangers(3, nil, func() time.Time { return now }),
	})
	send := func(address, authorization string) answer {
		r := request(`{}`, "ce-subject", "s")
		r.RemoteAddr = address
		r.Header.Set("Authorization", authorization)
		return b.post(t, r)
	}
	for n, authorization := range []string{"Bearer wrong", "Basic x", "Bearer wrong"} {
		require.Equal(t, http.StatusUnauthorized, send("192.0.2.7:1", authorization).status, n)
	}
	over := send("192.0.2.7:1", "Bearer wrong")
	require.Equal(t, http.StatusTooManyRequests, over.status)
	require.Equal(t, "50", over.header.Get("Retry-After"))
	require.Equal(t, "0", over.header.Get("RateLimit-Remaining"))
	asked := 0
	b.mu.Lock()
	b.hook = func(op string, phase memory.Phase) error {
		if op == "authenticate" && phase == memory.Before {
			asked++
		}
		return nil
	}
	b.mu.Unlock()
	require.Equal(t, http.StatusTooManyRequests, send("192.0.2.7:1", "Basic x").status)
	require.Zero(t, asked, "without a key nobody is asked")
	require.Equal(t, http.StatusAccepted, send("192.0.2.7:1", "Bearer "+apiKey).status, "a good key, for the first time")
	require.Equal(t, http.StatusUnauthorized, send("192.0.2.8:1", "Bearer wrong").status)
	now = now.Add(50 * time.Second)
	require.Equal(t, http.StatusUnauthorized, send("192.0.2.7:1", "Bearer wrong").status)
}

// TestAnOperatorSendsForATenantByName: an operator's key is no tenant's, so it must say whose events it sends.
func TestAnOperatorSendsForATenantByName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.endpoint(t)
	create := func(key string, scopes ...webhook.Scope) webhook.ID {
		id := ids.New(time.Now())
		require.NoError(t, b.store.CreateKey(t.Context(), store.APIKey{
			ID: id, Hash: sha256.Sum256([]byte(key)), Scopes: scopes,
		}))
		return id
	}
	operator := create("hmk_operator", webhook.ScopeAdmin)
	create("hmk_reader", webhook.ScopeEndpointsRead)
	send := func(key, tenant string) answer {
		r := request(`{}`, "ce-subject", "s")
		r.Header.Set("Authorization", "Bearer "+key)
		if tenant != "" {
			r.Header.Set(accept.TenantHeader, tenant)
		}
		return b.post(t, r)
	}
	for name, c := range map[string]struct {
		key, tenant string
		status      int
		says        string
	}{
		"Unnamed":          {"hmk_operator", "", http.StatusUnprocessableEntity, "Homing-Tenant: <tenant>"},
		"Unknown":          {"hmk_operator", "nobody", http.StatusForbidden, "does not exist"},
		"WithoutTheScope":  {"hmk_reader", "acme", http.StatusForbidden, "events:write"},
		"AnothersByTenant": {apiKey, "nobody", http.StatusForbidden, "Homing-Tenant"},
	} {
		got := send(c.key, c.tenant)
		require.Equal(t, c.status, got.status, name)
		require.Contains(t, got.body["detail"], c.says, name)
		require.Empty(t, b.deliveries(t), name)
	}
	require.Equal(t, http.StatusAccepted, send("hmk_operator", "acme").status)
	require.Len(t, b.deliveries(t), 1)
	require.Equal(t, http.StatusOK, send(apiKey, "acme").status, "the same event, by the tenant's own key that names it")
	require.NoError(t, b.store.RevokeKey(t.Context(), "", operator))
	require.Equal(t, http.StatusUnauthorized, send("hmk_operator", "acme").status, "a revoked key ends at once")
}
