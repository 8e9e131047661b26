package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
)

// scheme is what API keys are called in the document.
const scheme = "apiKey"

// TenantHeader names the tenant that an operator's key acts for.
const TenantHeader = "Homing-Tenant"

// metadata is where an operation of huma's has ours.
const metadata = "operation"

// realm says whose things a route is about.
type realm int

const (
	// realmTenant: one tenant's; an operator names it by TenantHeader.
	realmTenant realm = iota
	// realmAny: one tenant's, or, for an operator who names none, the operators' own.
	realmAny
	// realmOperator: everybody's, so an operator's key is needed.
	realmOperator
)

// caller is who makes a request, and for whom.
type caller struct {
	key store.APIKey
	// tenant is whose things the request may see and change; "" for none in particular, which only an operator has.
	tenant string
	// method and path are what was asked for.
	method, path string
}

func (c *caller) operator() bool { return c.key.Tenant == "" }

type callerKey struct{}

// callerOf returns who makes the request: every route is behind authenticate.
func callerOf(ctx context.Context) *caller { return ctx.Value(callerKey{}).(*caller) }

// ForTenant is the header of requests about one tenant's things.
type ForTenant struct {
	//nolint:lll // a tag cannot be broken
	Tenant string `header:"Homing-Tenant" maxLength:"64" doc:"With an operator's key: the tenant to act for. A tenant's own key needs none."`
}

// authenticate lets a request through whose API key has the scope of its route, and notes whose things it is about.
func (a *API) authenticate(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	o := ctx.Operation().Metadata[metadata].(operation)
	if o.public {
		if retry, ok := a.limit.Take(a.cfg.Strangers.Visitor(r), w.Header()); !ok {
			_ = server.WriteError(w, a.tooMany(retry))
			return
		}
		next(ctx)
		return
	}
	hash := keyHash(ctx.Header("Authorization"))
	done, retry, ok := a.cfg.Strangers.Admit(r, hash)
	if !ok {
		_ = server.WriteError(w, tooManyWrong(retry))
		return
	}
	c, err := a.identify(ctx.Context(), hash, ctx.Header(TenantHeader), o)
	done()
	if errors.Is(err, server.ErrUnauthenticated) {
		if retry, ok := a.cfg.Strangers.Wrong(r, hash, w.Header()); !ok {
			err = tooManyWrong(retry)
		}
	}
	if c != nil {
		a.cfg.Strangers.Good(hash)
		retry, ok := a.limit.Take(c.key.ID, w.Header())
		if !ok && err == nil {
			err = a.tooMany(retry)
		}
	}
	if err != nil {
		_ = server.WriteError(w, err)
		return
	}
	c.method, c.path = ctx.Method(), pathOf(ctx)
	next(huma.WithValue(ctx, callerKey{}, c))
}

// tooMany says that somebody has made too many requests, and in how long the next may come.
func (a *API) tooMany(retry time.Duration) error {
	return server.Explain(server.ErrTooMany, server.Problem{
		Detail:     fmt.Sprintf("an API key, or an address without one, may make %d requests a minute", a.cfg.PerMinute),
		RetryAfter: retry,
	})
}

// tooManyWrong says that too many requests without a good key came from an address.
func tooManyWrong(retry time.Duration) error {
	return server.Explain(server.ErrTooMany, server.Problem{
		Detail: "too many requests without a valid API key came from this address", RetryAfter: retry,
	})
}

// keyHash returns the hash of the API key in an Authorization header; zero when there is none.
func keyHash(authorization string) (hash [32]byte) {
	kind, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(kind, "Bearer") || token == "" {
		return hash
	}
	return sha256.Sum256([]byte(token))
}

func pathOf(ctx huma.Context) string {
	u := ctx.URL()
	return u.EscapedPath()
}

// identify returns who makes a request to a route by the hash of the API key, also together with an error when the key
// is known. Errors: server.ErrUnauthenticated, server.ErrForbidden, store.ErrNotFound (of the tenant),
// store.ErrUnavailable.
func (a *API) identify(ctx context.Context, hash [32]byte, tenant string, o operation) (*caller, error) {
	if hash == ([32]byte{}) {
		return nil, because(server.ErrUnauthenticated, "send an API key: \"Authorization: Bearer <key>\"")
	}
	key, err := a.cfg.Store.Authenticate(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil, because(server.ErrUnauthenticated, "the API key is unknown, expired or revoked")
	}
	if err != nil {
		return nil, err
	}
	c := &caller{key: key, tenant: key.Tenant}
	if !o.scope.In(key.Scopes) {
		return c, because(server.ErrForbidden, "the API key needs the scope "+string(o.scope))
	}
	if !c.operator() {
		if tenant != "" && tenant != key.Tenant {
			return c, noTenant()
		}
		if o.realm == realmOperator && !strings.Contains(o.path, "{tenant}") {
			return c, because(server.ErrForbidden, "this needs an operator's API key")
		}
		return c, nil
	}
	switch {
	case tenant != "":
		if _, err := a.openTenant(ctx, tenant); err != nil {
			return c, err
		}
		c.tenant = tenant
	case o.realm == realmTenant:
		return c, invalid(server.Fault{Field: TenantHeader, Detail: "name the tenant that the operator's key acts for"})
	}
	return c, nil
}

// openTenant returns a tenant that is not being deleted. Errors: store.ErrNotFound.
func (a *API) openTenant(ctx context.Context, id string) (store.Tenant, error) {
	t, err := a.cfg.Store.Tenant(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !t.DeletedAt.IsZero():
		return t, noTenant()
	default:
		return t, err
	}
}

func noTenant() error { return because(store.ErrNotFound, "there is no such tenant") }

// statusOf is the status that an answer was given with.
func statusOf(ctx huma.Context) int {
	if status := ctx.Status(); status != 0 {
		return status
	}
	return http.StatusOK
}
