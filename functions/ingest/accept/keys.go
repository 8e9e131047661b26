package accept

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// ErrUnauthorized says that a request has no API key that is valid (HTTP 401).
var ErrUnauthorized = errors.New("accept: a valid API key is needed: send \"Authorization: Bearer <key>\"; " +
	"`homing key create --tenant <tenant>` makes one")

// ErrForbidden says that an API key is valid and not for sending events, or not for this tenant's (HTTP 403).
var ErrForbidden = errors.New("accept: the API key may not send events: it needs the scope events:write")

// errOtherTenant says that a tenant's key names another one.
var errOtherTenant = fmt.Errorf("%w, and is not of the tenant that %s names", ErrForbidden, TenantHeader)

// errNameTenant says that an operator's key must name whose events it sends (HTTP 422).
var errNameTenant = errors.New("accept: an operator's API key is no tenant's: name the tenant whose events these " +
	"are: " + TenantHeader + ": <tenant>")

// TenantHeader names the tenant that an operator's key sends for. A tenant's own key needs none.
const TenantHeader = "Homing-Tenant"

// credentials are what a request says of who sends it.
type credentials struct {
	// key is the hash of its API key; zero when there is none.
	key [32]byte
	// tenant is the one that it names; "" for none.
	tenant string
}

// credentialsOf returns those of a request.
func credentialsOf(r *http.Request) credentials {
	c := credentials{tenant: r.Header.Get(TenantHeader)}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		c.key = sha256.Sum256([]byte(token))
	}
	return c
}

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

// authenticate returns the key of the credentials, which may send events, as it was when its tenant's configuration had
// the given version, or later: 0 takes whatever is known. The key of an operator is the named tenant's in the answer;
// it is asked for each time, for its revocation moves no tenant's configuration on. Errors: ErrUnauthorized,
// ErrForbidden, errNameTenant, store.ErrUnavailable.
func (k *keys) authenticate(ctx context.Context, c credentials, version int64) (store.APIKey, error) {
	if c.key == ([32]byte{}) {
		return store.APIKey{}, ErrUnauthorized
	}
	k.mu.RLock()
	known, ok := k.known[c.key]
	k.mu.RUnlock()
	now := k.now()
	if ok && known.ConfigVersion >= version && (known.ExpiresAt.IsZero() || now.Before(known.ExpiresAt)) &&
		now.Sub(known.asked) < keyKept {
		return known.APIKey, c.mayBe(known.Tenant)
	}
	key, err := k.store.Authenticate(ctx, c.key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		k.forget(c.key)
		return store.APIKey{}, ErrUnauthorized
	case err != nil:
		return store.APIKey{}, fmt.Errorf("accept: authenticate: %w", err)
	case !webhook.ScopeEventsWrite.In(key.Scopes):
		k.forget(c.key)
		return store.APIKey{}, ErrForbidden
	case key.Tenant == "" && c.tenant == "":
		return store.APIKey{}, errNameTenant
	case key.Tenant == "":
		key.Tenant = c.tenant
		return key, nil
	}
	k.keep(c.key, knownKey{key, now})
	return key, c.mayBe(key.Tenant)
}

// mayBe refuses credentials that name another tenant than that of their key.
func (c *credentials) mayBe(tenant string) error {
	if c.tenant != "" && c.tenant != tenant {
		return errOtherTenant
	}
	return nil
}

func (k *keys) keep(hash [32]byte, known knownKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) >= maxKeysKept {
		clear(k.known)
	}
	k.known[hash] = known
}

func (k *keys) forget(hash [32]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, hash)
}
