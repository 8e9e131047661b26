// Package accept is the step of ingest: it takes CloudEvents, and answers for them once they are stored.
//
// The way of an event: decode (decode.go) → validate (validate.go) → match with the tenant's endpoints
// (subscriptions.go) → one durable commit for all that arrived meanwhile, with a delivery row for every endpoint
// (accept.go) → hint, or hand over the first attempts that begin in this process (begin.go) → answer. Two faces lead to
// it: the producers' (public.go: API key → tenant, answers a producer understands) and the broker's (broker.go: tenant
// extension, answers that make the RabbitMQ broker neither lose nor repeat for ever).
//
// It promises that a 2xx on the public face means stored, that duplicates get the first event's id, and that a match is
// exact with respect to committed endpoint changes. It never sends to an endpoint, and never imports a back end.
package accept
