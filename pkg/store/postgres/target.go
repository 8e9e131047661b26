package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// errSealing says that what is sealed in the store cannot be opened, or that nothing can be sealed: a matter of keys,
// and none that the caller can repair.
var errSealing = errors.New("sealed data cannot be used")

// target is an endpoint ready to be sent to; err says why it is not.
type target struct {
	store.Target
	err error
}

// at returns the target as it is at a time and with a given throttle: everything else moves the endpoint's version on.
func (t *target) at(now, throttledUntil time.Time) *target {
	fresh := *t
	fresh.ThrottledUntil = throttledUntil
	if slices.ContainsFunc(t.Secrets, func(s webhook.Secret) bool { return expired(s, now) }) {
		fresh.Secrets = slices.DeleteFunc(slices.Clone(t.Secrets), func(s webhook.Secret) bool { return expired(s, now) })
	}
	return &fresh
}

func expired(s webhook.Secret, now time.Time) bool {
	return !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now)
}

// targetCache remembers endpoints with their opened secrets, so that a claim neither sends nor opens what it did
// before. It needs no expiry: every claim compares the versions.
type targetCache struct {
	mu    sync.Mutex
	known map[webhook.ID]*target
}

// maxTargets bounds the cache. Beyond it any entry may go: the next claim of that endpoint reads it again.
const maxTargets = 10_000

func newTargetCache() *targetCache { return &targetCache{known: make(map[webhook.ID]*target)} }

// versions returns the versions known of endpoints, 0 for one that is not known, as a parameter.
func (c *targetCache) versions(endpoints []webhook.ID) *array {
	c.mu.Lock()
	defer c.mu.Unlock()
	versions := new(array)
	for _, id := range endpoints {
		var version int64
		if t := c.known[id]; t != nil {
			version = t.Version
		}
		versions.int64(version)
	}
	return versions
}

func (c *targetCache) get(id webhook.ID) *target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[id]
}

func (c *targetCache) put(t *target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxTargets {
		for id := range c.known {
			delete(c.known, id)
			break
		}
	}
	c.known[t.ID] = t
}

// targetRow is a row of claim_targets.sql.
type targetRow struct {
	now            time.Time
	endpoint       endpointRow
	throttledUntil time.Time
	changed        bool
	ids            []webhook.ID
	kinds, keyIDs  []string
	sealed         [][]byte
	created        []time.Time
	expires        []pgtype.Timestamptz
}

// scanTargets reads the endpoints of a claim, from the cache where they have not changed.
func (c *claim) scanTargets(rows pgx.Rows) error {
	for rows.Next() {
		var r targetRow
		e := &r.endpoint
		err := rows.Scan(&e.ID, &r.now, &e.Tenant, &e.Status, &r.throttledUntil, &e.Version, &r.changed,
			(*nullText)(&e.URL), &e.Types, (*nullText)(&e.Filter), (*nullText)(&e.format), &e.sealedHeaders,
			(*nullText)(&e.headersKeyID), &e.Schedule, &e.Timeout, &e.RatePerSecond, (*nullText)(&e.StatusReason),
			&e.PausedAt, &e.PausedTotal, &e.CreatedAt, (*nullText)(&e.Consent.Origin), &e.Consent.PerMinute,
			&e.Consent.At, &r.ids, &r.kinds, &r.keyIDs, &r.sealed, &r.created, &r.expires)
		if err != nil {
			return err
		}
		c.now = r.now
		t := c.s.targets.get(e.ID)
		if r.changed || t == nil {
			t = c.s.openTarget(&r)
			c.s.targets.put(t)
		}
		c.targets[e.ID] = t.at(r.now, r.throttledUntil)
	}
	return rows.Err()
}

// openTarget opens what is sealed of an endpoint. A failure stays with the endpoint.
func (s *Store) openTarget(r *targetRow) *target {
	t := &target{Target: store.Target{Endpoint: r.endpoint.Endpoint}}
	t.Format = webhook.BodyFormat(r.endpoint.format)
	var err error
	if t.Headers, err = s.openHeaders(&r.endpoint); err != nil {
		t.err = err
		return t
	}
	for i, id := range r.ids {
		secret := webhook.Secret{
			ID: id, Endpoint: t.ID, Kind: webhook.SecretKind(r.kinds[i]), CreatedAt: r.created[i].UTC(),
		}
		if r.expires[i].Valid {
			secret.ExpiresAt = r.expires[i].Time.UTC()
		}
		if secret.Key, err = s.openSecret(t.Tenant, &secret, r.keyIDs[i], r.sealed[i]); err != nil {
			t.err, t.Secrets = err, nil
			return t
		}
		t.Secrets = append(t.Secrets, secret)
	}
	return t
}

// What sealed data are bound to, besides tenant and endpoint.
const headersLabel = "headers"

func (s *Store) sealHeaders(e *webhook.Endpoint) (keyID string, sealed []byte, err error) {
	if len(e.Headers) == 0 {
		return "", nil, nil
	}
	plain, err := json.Marshal(e.Headers)
	if err != nil {
		return "", nil, store.ErrInvalid
	}
	keyID, sealed, err = s.options.Keyring.Seal(plain, e.Tenant, e.ID.String(), headersLabel)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errSealing, err)
	}
	return keyID, sealed, nil
}

func (s *Store) openHeaders(e *endpointRow) (map[string]string, error) {
	if e.sealedHeaders == nil {
		return nil, nil
	}
	plain, err := s.options.Keyring.Open(e.headersKeyID, e.sealedHeaders, e.Tenant, e.ID.String(), headersLabel)
	if err != nil {
		return nil, fmt.Errorf("store: headers of endpoint %s: %w: %w", e.ID, errSealing, err)
	}
	var headers map[string]string
	if err := json.Unmarshal(plain, &headers); err != nil {
		return nil, fmt.Errorf("store: headers of endpoint %s: %w", e.ID, errSealing)
	}
	return headers, nil
}

func (s *Store) sealSecret(tenant string, secret *webhook.Secret) (keyID string, sealed []byte, err error) {
	labels := []string{tenant, secret.Endpoint.String(), secret.ID.String()}
	keyID, sealed, err = s.options.Keyring.Seal(secret.Key, labels...)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errSealing, err)
	}
	return keyID, sealed, nil
}

func (s *Store) openSecret(tenant string, secret *webhook.Secret, keyID string, sealed []byte) ([]byte, error) {
	labels := []string{tenant, secret.Endpoint.String(), secret.ID.String()}
	key, err := s.options.Keyring.Open(keyID, sealed, labels...)
	if err != nil {
		return nil, fmt.Errorf("store: secret %s of endpoint %s: %w: %w", secret.ID, secret.Endpoint, errSealing, err)
	}
	return key, nil
}
