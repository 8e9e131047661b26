package accept

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// counting is a store that knows one key and counts how often it is asked.
type counting struct {
	store.Accepter
	asked int
}

func (c *counting) Authenticate(_ context.Context, hash [32]byte) (store.APIKey, error) {
	c.asked++
	return store.APIKey{Tenant: "acme", Hash: hash, Scopes: []webhook.Scope{webhook.ScopeEventsWrite}}, nil
}

// TestKeysAreAskedForAgainInTime holds that the store learns that a key is in use, without a question per request.
func TestKeysAreAskedForAgainInTime(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	known := &counting{}
	k := &keys{store: known, now: func() time.Time { return now }, known: make(map[[32]byte]knownKey)}
	for minute, want := range []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2} {
		now = time.Unix(int64(minute)*60, 0)
		key, err := k.authenticate(t.Context(), credentials{key: sha256.Sum256([]byte("x"))}, 0)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256([]byte("x")), key.Hash)
		require.Equal(t, want, known.asked, "minute %d", minute)
	}
}
