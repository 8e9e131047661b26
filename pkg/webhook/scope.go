package webhook

import "slices"

// Scope is a right that an API key carries.
type Scope string

// The scopes. Each but the last is one thing that a key may do with what is its tenant's.
const (
	ScopeEventsWrite     Scope = "events:write"     // send events
	ScopeEndpointsRead   Scope = "endpoints:read"   // look at endpoints
	ScopeEndpointsWrite  Scope = "endpoints:write"  // change them, and read and rotate their secrets
	ScopeDeliveriesRead  Scope = "deliveries:read"  // look at events, payloads included, deliveries and attempts
	ScopeDeliveriesWrite Scope = "deliveries:write" // retry, cancel, discard, erase
	ScopeAdmin           Scope = "admin"            // all of these, and keys, the audit log and, for an operator, tenants
)

// Scopes lists every scope.
var Scopes = []Scope{
	ScopeEventsWrite, ScopeEndpointsRead, ScopeEndpointsWrite, ScopeDeliveriesRead, ScopeDeliveriesWrite, ScopeAdmin,
}

// TenantScopes returns the scopes of a key that was given none: all but admin, so that a key that leaks from an
// application cannot make other keys.
func TenantScopes() []Scope { return slices.Clone(Scopes[:len(Scopes)-1]) }

// Valid reports whether s is one of the scopes.
func (s Scope) Valid() bool { return slices.Contains(Scopes, s) }

// In reports whether a key with the scopes granted may do what needs s: it has s, or admin.
func (s Scope) In(granted []Scope) bool {
	return slices.Contains(granted, s) || slices.Contains(granted, ScopeAdmin)
}
