package accept

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// ErrUnauthorized says that a request has no API key that is valid (HTTP 401).
var ErrUnauthorized = errors.New("accept: a valid API key is needed: send \"Authorization: Bearer <key>\"; " +
	"`homing key create --tenant <tenant>` makes one")

// ErrForbidden says that an API key is valid and not for sending events (HTTP 403).
var ErrForbidden = errors.New("accept: the API key may not send events: it needs the scope events:write, and to be a " +
	"tenant's")

// keys knows which API keys are valid, by their hashes. What it keeps may be stale: a revocation moves the version of
// the tenant's configuration on, the write compares that, and a key is good for the version it was read with and those
// before.
type keys struct {
	store store.Accepter
	now   func() time.Time // the store's time: the end of a key moves no version on

	mu    sync.RWMutex
	known map[[32]byte]knownKey
}

// knownKey is a key as the store last gave it, and when that was.
type knownKey struct {
	store.APIKey
	asked time.Time
}

// keyKept is how long a key is known before the store is asked again although nothing has changed: the store notes
// with each question that the key is in use.
const keyKept = 10 * time.Minute

// maxKeysKept bounds the memory for keys; over it, all are forgotten and asked for again.
const maxKeysKept = 10_000

// authenticate returns the key that an Authorization header carries, which may send events, as it was when its tenant's
// configuration had the given version, or later: 0 takes whatever is known. Errors: ErrUnauthorized, ErrForbidden,
// store.ErrUnavailable.
func (k *keys) authenticate(ctx context.Context, authorization string, version int64) (store.APIKey, error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return store.APIKey{}, ErrUnauthorized
	}
	hash := sha256.Sum256([]byte(token))
	k.mu.RLock()
	known, ok := k.known[hash]
	k.mu.RUnlock()
	now := k.now()
	if ok && known.ConfigVersion >= version && (known.ExpiresAt.IsZero() || now.Before(known.ExpiresAt)) &&
		now.Sub(known.asked) < keyKept {
		return known.APIKey, nil
	}
	key, err := k.store.Authenticate(ctx, hash)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, store.ErrNotFound):
		delete(k.known, hash)
		return store.APIKey{}, ErrUnauthorized
	case err != nil:
		return store.APIKey{}, fmt.Errorf("accept: authenticate: %w", err)
	}
	if key.Tenant == "" || !webhook.ScopeEventsWrite.In(key.Scopes) {
		delete(k.known, hash)
		return store.APIKey{}, ErrForbidden
	}
	if len(k.known) >= maxKeysKept {
		clear(k.known)
	}
	k.known[hash] = knownKey{key, now}
	return key, nil
}
