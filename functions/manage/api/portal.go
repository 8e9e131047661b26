package api

import (
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

// How long a portal token is good for.
const (
	defaultPortalLife = time.Hour
	minPortalLife     = time.Minute
	maxPortalLife     = 24 * time.Hour
)

// portalPrefix marks a portal token, as keyPrefix does a key.
const portalPrefix = "hmp_"

// PortalToken is a token that was just created.
type PortalToken struct {
	ID        webhook.ID `json:"id" format:"uuid" doc:"It can be revoked by this, like a key: DELETE /v1/keys/{key}."`
	Token     string     `json:"token" doc:"What a browser shows as its API key. It is shown only now."`
	Scopes    []string   `json:"scopes" nullable:"false" doc:"What it may do."`
	ExpiresAt time.Time  `json:"expires_at" doc:"From when on it is refused."`
}

type createPortalTokenInput struct {
	ForTenant
	Creating
	Body struct {
		//nolint:lll // a tag cannot be broken
		Scopes []string `json:"scopes" nullable:"false" minItems:"1" maxItems:"5" enum:"events:write,endpoints:read,endpoints:write,deliveries:read,deliveries:write" doc:"What it may do; never admin."`
		//nolint:lll // a tag cannot be broken
		ExpiresIn string `json:"expires_in,omitempty" maxLength:"20" default:"1h" example:"30m" doc:"For how long it is good, 1m to 24h."`
		Name      string `json:"name,omitempty" maxLength:"200" example:"Ann" doc:"For people: whose session it is."`
	}
}

type portalTokenAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         PortalToken
}

func (a *API) registerPortal() {
	register(a, operation{
		id: "createPortalToken", method: http.MethodPost, path: "/v1/portal-tokens", tag: "Keys",
		scope: webhook.ScopeAdmin, status: http.StatusCreated, summary: "Create a portal token",
		description: "A short-lived API key of one tenant, for the session of a person in a browser. It is listed with the " +
			"keys until a day after its end.",
	}, a.createPortalToken)
}

// portalLife reads for how long a token is good.
func portalLife(text string) (time.Duration, error) {
	if text == "" {
		return defaultPortalLife, nil
	}
	life, err := time.ParseDuration(text)
	if err != nil || life < minPortalLife || life > maxPortalLife {
		return 0, invalid(server.Fault{Field: "expires_in", Detail: "must be a duration from 1m to 24h"})
	}
	return life, nil
}

func (a *API) createPortalToken(ctx context.Context, in *createPortalTokenInput) (*portalTokenAnswer, error) {
	life, err := portalLife(in.Body.ExpiresIn)
	if err != nil {
		return nil, err
	}
	c, now := callerOf(ctx), a.cfg.Now()
	k := store.APIKey{
		ID: a.ids.New(now), Kind: store.KeyPortal, Tenant: c.tenant, Name: in.Body.Name, CreatedAt: now,
		ExpiresAt: now.Add(life),
	}
	for _, scope := range in.Body.Scopes {
		k.Scopes = append(k.Scopes, webhook.Scope(scope)) // one of them: the schema has seen to it
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: since Go 1.24 it ends the process instead
	token := portalPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	k.Hash = sha256.Sum256([]byte(token))
	made, err := a.create(ctx, creation{
		Creating: in.Creating, body: in.Body, made: created{ID: k.ID.String(), Secret: token},
		change: audited{action: "portal_token.create", target: k.ID.String(), after: a.showKey(k)},
	}, func(ctx context.Context) error { return a.cfg.Store.CreateKey(ctx, k) })
	if err != nil {
		return nil, err
	}
	if k, err = a.cfg.Store.Key(ctx, c.tenant, made.parsed()); err != nil {
		return nil, err
	}
	return &portalTokenAnswer{CacheControl: noStore, Body: PortalToken{
		ID: k.ID, Token: made.Secret, Scopes: a.showKey(k).Scopes, ExpiresAt: k.ExpiresAt,
	}}, nil
}
