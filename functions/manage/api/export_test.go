package api

import "net/http"

// Pattern is the route that a request takes, "GET /v1/tenants/{tenant}"; "" for none.
func (a *API) Pattern(r *http.Request) string {
	_, pattern := a.mux.Handler(r)
	return pattern
}
