package webhook_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestScopes(t *testing.T) {
	t.Parallel()

	t.Run("AdminAllowsEverythingAndTheOthersThemselvesOnly", func(t *testing.T) {
		t.Parallel()
		for _, needed := range webhook.Scopes {
			for _, granted := range webhook.Scopes {
				allowed := granted == needed || granted == webhook.ScopeAdmin
				require.Equal(t, allowed, needed.In([]webhook.Scope{granted}), "%s with %s", needed, granted)
			}
			require.False(t, needed.In(nil))
		}
	})
	t.Run("AKeyWithoutScopesIsNoAdmin", func(t *testing.T) {
		t.Parallel()
		require.False(t, webhook.ScopeAdmin.In(webhook.TenantScopes()))
		require.Len(t, webhook.TenantScopes(), len(webhook.Scopes)-1)
	})
	t.Run("NoOtherWordIsOne", func(t *testing.T) {
		t.Parallel()
		for _, s := range webhook.Scopes {
			require.True(t, s.Valid())
		}
		for _, s := range []webhook.Scope{"", "ADMIN", "events", "events:read", "*"} {
			require.False(t, s.Valid())
		}
	})
}
