package api

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// wellKnown is where everybody may look (RFC 8615).
const wellKnown = "/.well-known/homing/"

// JWK is the public key of an Ed25519 secret (RFC 8037, section 2).
type JWK struct {
	KeyType   string `json:"kty" enum:"OKP" doc:"Always OKP."`
	Curve     string `json:"crv" enum:"Ed25519" doc:"Always Ed25519."`
	KeyID     string `json:"kid" doc:"The key's thumbprint (RFC 7638)."`
	Use       string `json:"use" enum:"sig" doc:"Always sig."`
	Algorithm string `json:"alg" enum:"EdDSA" doc:"Always EdDSA."`
	X         string `json:"x" doc:"The key, 32 bytes in base64url."`
}

// JWKSet is a set of keys (RFC 7517, section 5).
type JWKSet struct {
	Keys []JWK `json:"keys" nullable:"false" doc:"The newest first, with those that still sign in an overlap."`
}

// ContentType implements huma.ContentTypeFilter (RFC 7517, section 8.5.2).
func (JWKSet) ContentType(string) string { return "application/jwk-set+json" }

type jwksAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         JWKSet
}

func (a *API) registerWellKnown() {
	register(a, operation{
		id: "getPublicKeys", method: http.MethodGet, path: wellKnown + "endpoints/{endpoint}/jwks.json", tag: "Public keys",
		public: true, summary: "Get an endpoint's public keys",
		description: "For receivers: what the v1a signatures of an endpoint's requests are verified with, as a JSON Web " +
			"Key Set. It needs no API key, and tells nothing else: an endpoint without such keys is not there.",
	}, a.getPublicKeys)
	register(a, operation{
		id: "getTenantPublicKeys", method: http.MethodGet, path: wellKnown + "tenants/{tenant}/jwks.json",
		tag: "Public keys", public: true, summary: "Get the public keys of a tenant",
		description: "As of an endpoint, for receivers that have several: the keys of all endpoints of a tenant, told " +
			"apart by kid. Of more than 1,000 they are the newest; who has more asks by endpoint. A tenant without such " +
			"keys is not there.",
	}, a.getTenantPublicKeys)
}

// maxPublicKeys bounds the keys of a tenant that are listed.
const maxPublicKeys = 1000

// keysCached is how long a receiver may keep the keys: well below the shortest overlap that makes sense.
const keysCached = "public, max-age=300"

func (a *API) getPublicKeys(ctx context.Context, in *struct {
	ID webhook.ID `path:"endpoint" format:"uuid" doc:"The endpoint's id."`
},
) (*jwksAnswer, error) {
	keys, err := a.cfg.Store.PublicKeys(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answerKeys(keys), nil
}

func (a *API) getTenantPublicKeys(ctx context.Context, in *struct {
	ID string `path:"tenant" maxLength:"64" doc:"The tenant's id."`
},
) (*jwksAnswer, error) {
	keys, err := a.cfg.Store.TenantPublicKeys(ctx, in.ID, maxPublicKeys)
	if err != nil {
		return nil, err
	}
	return answerKeys(keys), nil
}

func answerKeys(keys []ed25519.PublicKey) *jwksAnswer {
	out := &jwksAnswer{CacheControl: keysCached, Body: JWKSet{Keys: make([]JWK, 0, len(keys))}}
	for _, key := range keys {
		out.Body.Keys = append(out.Body.Keys, showJWK(key))
	}
	return out
}

func showJWK(key ed25519.PublicKey) JWK {
	x := base64.RawURLEncoding.EncodeToString(key)
	// The members that the thumbprint is made of, in the order and form that RFC 7638 asks for.
	thumbprint := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return JWK{
		KeyType: "OKP", Curve: "Ed25519", KeyID: base64.RawURLEncoding.EncodeToString(thumbprint[:]), Use: "sig",
		Algorithm: "EdDSA", X: x,
	}
}
