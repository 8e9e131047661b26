package api

import (
	"crypto/ed25519"
	"net/http"
)

// Pattern is the route that a request takes, "GET /v1/tenants/{tenant}"; "" for none.
func (a *API) Pattern(r *http.Request) string {
	_, pattern := a.mux.Handler(r)
	return pattern
}

// KeyID is the kid of a public key.
func KeyID(key ed25519.PublicKey) string { return showJWK(key).KeyID }
