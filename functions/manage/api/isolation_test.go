package api_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestIsolation tries every operation of the document as an attacker would.
func TestIsolation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, stranger := b.newTenant()
	examples := b.examples()
	expired := "hmk_expired"
	require.NoError(t, b.store.CreateKey(t.Context(), store.APIKey{
		ID: b.ids.New(time.Now()), Tenant: b.tenant, Hash: sha256.Sum256([]byte(expired)), Scopes: webhook.Scopes,
		ExpiresAt: time.Now().Add(-time.Second),
	}))
	var things []string
	for id, op := range b.operations() {
		if op.Method == http.MethodGet && strings.Contains(op.Path, "{") && len(op.Security) > 0 {
			things = append(things, examples[id].path)
		}
	}
	things = append(things, "/v1/audit-log")
	before := b.everything(things)
	for id, op := range b.operations() {
		if len(op.Security) == 0 {
			continue // for everybody: TestPublicKeys
		}
		e := examples[id]
		try := func(key string, header map[string]string) answer {
			return b.do(call{method: op.Method, path: e.path, body: e.body, key: key, header: header})
		}
		for _, key := range []string{"none", "hmk_guess", expired} {
			got := try(key, nil)
			got.refused(http.StatusUnauthorized, "unauthenticated", "")
			require.NotEmpty(t, got.header.Get("WWW-Authenticate"))
		}

		scope := webhook.Scope(op.Security[0]["apiKey"][0])
		var others []webhook.Scope
		for _, s := range webhook.TenantScopes() {
			if s != scope {
				others = append(others, s)
			}
		}
		got := try(b.newKey(b.tenant, others...), nil)
		got.refused(http.StatusForbidden, "forbidden", "")
		require.Contains(t, got.str("detail"), string(scope))
		try(b.newKey("", others...), map[string]string{"Homing-Tenant": b.tenant}).
			refused(http.StatusForbidden, "forbidden", "")

		// A key of another tenant: what is named is not there, whoever it pretends to be.
		if strings.Contains(op.Path, "{") {
			try(stranger, nil).refused(http.StatusNotFound, "not-found", "")
		}
		try(stranger, map[string]string{"Homing-Tenant": b.tenant}).refused(http.StatusNotFound, "not-found", "")
		if op.Method == http.MethodGet && !e.operator && !strings.Contains(op.Path, "{") {
			for _, thing := range try(stranger, nil).list() {
				require.NotEqual(t, b.tenant, thing["tenant"], id)
				require.NotContains(t, before, thing["id"], "%s shows what is another's", id)
			}
		}
		if e.operator {
			try(b.key, nil).refused(http.StatusForbidden, "forbidden", "")
		}
	}
	require.Equal(t, before, b.everything(things), "nothing of the tenant has changed")
}

// everything is what the tenant sees of its own, as far as somebody else could have changed it. The keys that the test
// makes for itself are not in it.
func (b *bundle) everything(paths []string) string {
	b.Helper()
	var all strings.Builder
	for _, path := range paths {
		all.WriteString(b.ok("GET", path, nil).text)
	}
	return all.String()
}

// TestOperatorsNameTheTenant holds that an operator acts for one tenant at a time.
func TestOperatorsNameTheTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	own := b.ok("GET", "/v1/keys", nil).list()
	asOperator := func(tenant string) answer {
		return b.operate("GET", "/v1/keys", nil, "Homing-Tenant", tenant)
	}
	require.Equal(t, own[0]["id"], asOperator(b.tenant).list()[0]["id"])
	asOperator("nobody").refused(http.StatusNotFound, "not-found", "")
	operators := b.do(call{method: "GET", path: "/v1/keys", key: b.operator}).list()
	require.Len(t, operators, 1)
	require.NotContains(t, operators[0], "tenant")
	require.NoError(t, b.store.DeleteTenant(t.Context(), b.tenant))
	asOperator(b.tenant).refused(http.StatusNotFound, "not-found", "")
	b.do(call{method: "GET", path: "/v1/keys"}).refused(http.StatusUnauthorized, "unauthenticated", "")
}
