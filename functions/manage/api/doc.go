// Package api is the step of manage: the management API, /v1, described by OpenAPI 3.1 at /openapi.json and, for
// people, at /docs.
//
// The way of a request: find its route (api.go) → API key, scope and tenant (auth.go) → its share of the key's requests
// (limit.go) → parameters and body against the schema (huma) → the handler of the thing (tenants.go, keys.go, …) →
// store. A change is written with its line of the audit log, and with the answer to its Idempotency-Key, in one
// transaction (note.go).
//
// It promises that a key sees and changes only what is its tenant's, and gets 404 for everything else, whether that
// exists or not; that secrets, and values of headers, are in no answer but those that are for them, and in no log; that
// every error is a problem document (RFC 9457) whose type is stable; and that the document describes what is served: a
// test holds every answer to it. It never sends to an endpoint, and never imports a back end.
package api
