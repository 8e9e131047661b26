// Package client calls a Homing: it sends events, and manages tenants, keys, endpoints and deliveries.
//
// [New] makes a [Client]. Its methods are the operations of the management API, one each, made from the same document
// that the server serves (api_gen.go; `make generate` after the API has changed), and [Client.Send], which hands an
// event in.
//
// It promises that a call may be retried without doing anything twice: creates carry an Idempotency-Key, events an id,
// and what is neither is repeated only when the server has said that it did nothing. It waits as Retry-After says, only
// so often and so long ([WithRetries]), and ends with its context. Errors are a *[Problem], which the server's answer
// is, or an *[UnreachableError]; neither holds the API key.
//
// It never follows a redirect, which would show the key to somebody else, and never logs. It imports nothing else of
// Homing, so that a program that uses it does not bring a server along.
package client

//go:generate go run ./internal/generate ../../docs/api/openapi.json api_gen.go
