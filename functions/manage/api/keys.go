package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Key is an API key as the API shows it: without the key itself, which nobody keeps.
type Key struct {
	ID         webhook.ID `json:"id" format:"uuid"`
	Kind       string     `json:"kind" enum:"key,portal" doc:"portal: a short-lived one for a person's session."`
	Tenant     string     `json:"tenant,omitempty" doc:"Whose key it is; missing for an operator's."`
	Name       string     `json:"name" doc:"For people."`
	Scopes     []string   `json:"scopes" nullable:"false" doc:"What it may do."`
	Status     string     `json:"status" enum:"valid,expired,revoked" doc:"Only a valid key is taken."`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty" doc:"Missing: never."`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"To within ten minutes. Missing: never."`
}

// NewKey is a key that was just created.
type NewKey struct {
	Key
	Secret string `json:"key" doc:"The API key. It is shown only now: keep it where secrets are kept."`
}

func (a *API) showKey(k store.APIKey) Key {
	out := Key{
		ID: k.ID, Kind: string(cmp.Or(k.Kind, store.KeyPlain)), Tenant: k.Tenant, Name: k.Name,
		Scopes: make([]string, 0, len(k.Scopes)), Status: "valid",
		CreatedAt: k.CreatedAt, ExpiresAt: moment(k.ExpiresAt), RevokedAt: moment(k.RevokedAt),
		LastUsedAt: moment(k.LastUsedAt),
	}
	for _, scope := range k.Scopes {
		out.Scopes = append(out.Scopes, string(scope))
	}
	switch {
	case !k.RevokedAt.IsZero():
		out.Status = "revoked"
	case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(a.cfg.Now()):
		out.Status = "expired"
	}
	return out
}

// moment is a time that may be missing.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// KeyPath names a key.
type KeyPath struct {
	ForTenant
	ID webhook.ID `path:"key" format:"uuid" doc:"The key's id."`
}

type createKeyInput struct {
	ForTenant
	Creating
	Body struct {
		Name string `json:"name,omitempty" maxLength:"200" example:"the shop" doc:"To know it by."`
		//nolint:lll // a tag cannot be broken
		Scopes []string `json:"scopes" nullable:"false" minItems:"1" maxItems:"6" enum:"events:write,endpoints:read,endpoints:write,deliveries:read,deliveries:write,admin" doc:"What it may do; no more than the key that creates it."`
		//nolint:lll // a tag cannot be broken
		ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"From when on it is refused. Leave it out for a key without an end."`
	}
}

type keyAnswer struct{ Body Key }

type newKeyAnswer struct {
	Location string `header:"Location"`
	Body     NewKey
}

func (a *API) registerKeys() {
	const tag, whose = "Keys", " With an operator's key that names no tenant: of operators."
	register(a, operation{
		id: "createKey", method: http.MethodPost, path: "/v1/keys", tag: tag, scope: webhook.ScopeAdmin, realm: realmAny,
		status: http.StatusCreated, summary: "Create an API key",
		description: "The key is in the answer, and never shown again." + whose,
	}, a.createKey)
	register(a, operation{
		id: "listKeys", method: http.MethodGet, path: "/v1/keys", tag: tag, scope: webhook.ScopeAdmin, realm: realmAny,
		summary: "List API keys", description: "Oldest first, also those that are over." + whose,
	}, a.listKeys)
	register(a, operation{
		id: "getKey", method: http.MethodGet, path: "/v1/keys/{key}", tag: tag, scope: webhook.ScopeAdmin,
		realm: realmAny, summary: "Get an API key",
	}, a.getKey)
	register(a, operation{
		id: "revokeKey", method: http.MethodDelete, path: "/v1/keys/{key}", tag: tag, scope: webhook.ScopeAdmin,
		realm: realmAny, summary: "Revoke an API key",
		description: "It is refused from now on, everywhere. Revoking it again changes nothing.",
	}, a.revokeKey)
}

// keyPrefix marks an API key as Homing's, so that scanners for leaked secrets know it.
const keyPrefix = "hmk_"

// newSecret makes an API key: 32 random bytes. Its SHA-256 is all that the store learns of it.
func newSecret() (key string, hash [32]byte) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: since Go 1.24 it ends the process instead
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	return key, sha256.Sum256([]byte(key))
}

func (a *API) createKey(ctx context.Context, in *createKeyInput) (*newKeyAnswer, error) {
	c := callerOf(ctx)
	now := a.cfg.Now()
	k := store.APIKey{ID: a.ids.New(now), Tenant: c.tenant, Name: in.Body.Name, CreatedAt: now}
	for _, scope := range in.Body.Scopes {
		k.Scopes = append(k.Scopes, webhook.Scope(scope)) // one of them: the schema has seen to it
	}
	if in.Body.ExpiresAt != nil {
		if k.ExpiresAt = *in.Body.ExpiresAt; !k.ExpiresAt.After(now) {
			return nil, invalid(server.Fault{Field: "expires_at", Detail: "is in the past"})
		}
	}
	var secret string
	secret, k.Hash = newSecret()
	made, err := a.create(ctx, creation{
		Creating: in.Creating, body: in.Body, made: created{ID: k.ID.String(), Secret: secret},
		change: audited{action: "key.create", target: k.ID.String(), after: a.showKey(k)},
	}, func(ctx context.Context) error { return a.cfg.Store.CreateKey(ctx, k) })
	if err != nil {
		return nil, err
	}
	if k, err = a.cfg.Store.Key(ctx, c.tenant, made.parsed()); err != nil {
		return nil, err
	}
	return &newKeyAnswer{
		Location: "/v1/keys/" + made.ID, Body: NewKey{Key: a.showKey(k), Secret: made.Secret},
	}, nil
}

func (a *API) listKeys(ctx context.Context, in *struct {
	ForTenant
	Paging
},
) (*listed[Key], error) {
	after, err := in.afterID()
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.KeyPage(ctx, callerOf(ctx).tenant, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, a.showKey, func(k store.APIKey) string { return k.ID.String() }), nil
}

func (a *API) getKey(ctx context.Context, in *struct{ KeyPath }) (*keyAnswer, error) {
	k, err := a.cfg.Store.Key(ctx, callerOf(ctx).tenant, in.ID)
	if err != nil {
		return nil, err
	}
	return &keyAnswer{Body: a.showKey(k)}, nil
}

func (a *API) revokeKey(ctx context.Context, in *struct{ KeyPath }) (*keyAnswer, error) {
	c := callerOf(ctx)
	k, err := a.cfg.Store.Key(ctx, c.tenant, in.ID)
	if err != nil {
		return nil, err
	}
	if k.RevokedAt.IsZero() {
		noted, err := a.noted(ctx, audited{action: "key.revoke", target: k.ID.String(), before: a.showKey(k)})
		if err != nil {
			return nil, err
		}
		if err := a.cfg.Store.RevokeKey(noted, c.tenant, k.ID); err != nil {
			return nil, err
		}
	}
	return a.getKey(ctx, &struct{ KeyPath }{in.KeyPath})
}
