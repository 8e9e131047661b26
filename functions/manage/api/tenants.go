package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Tenant is a tenant as the API shows it.
type Tenant struct {
	ID     string `json:"id" doc:"Chosen by whoever creates it; it never changes."`
	Name   string `json:"name" doc:"For people."`
	Status string `json:"status" enum:"active,deleting" doc:"deleting: its keys are refused."`
	//nolint:lll // a tag cannot be broken
	SchemaPolicy string     `json:"schema_policy" enum:"off,flag,reject" doc:"What becomes of data that do not satisfy the schema of their type, where the type does not say."`
	CreatedAt    time.Time  `json:"created_at"`
	DeletedAt    *time.Time `json:"deleted_at,omitempty" doc:"Since when it is being deleted."`
	Deletion     *Job       `json:"deletion,omitempty" doc:"While it is being deleted: how far that is. Not in lists."`
}

func showTenant(t store.Tenant) Tenant {
	out := Tenant{
		ID: t.ID, Name: t.Name, Status: "active", CreatedAt: t.CreatedAt,
		SchemaPolicy: string(cmp.Or(t.SchemaPolicy, webhook.SchemaOff)),
	}
	if !t.DeletedAt.IsZero() {
		out.Status, out.DeletedAt = "deleting", &t.DeletedAt
	}
	return out
}

// tenantAnswer is the answer with a tenant.
type tenantAnswer struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     Tenant
}

func answerTenant(t store.Tenant) *tenantAnswer {
	return &tenantAnswer{ETag: etag(t.Version), Body: showTenant(t)}
}

// TenantPath names a tenant.
type TenantPath struct {
	ID string `path:"tenant" maxLength:"64" doc:"The tenant's id."`
}

type createTenantInput struct {
	Creating
	Body struct {
		//nolint:lll // a tag cannot be broken
		ID   string `json:"id" pattern:"^[a-z0-9_-]{1,64}$" patternDescription:"1 to 64 of a-z, 0-9, _ and -" example:"acme" doc:"It never changes."`
		Name string `json:"name,omitempty" maxLength:"200" example:"Acme, Ltd." doc:"For people."`
		//nolint:lll // a tag cannot be broken
		SchemaPolicy string `json:"schema_policy,omitempty" enum:"off,flag,reject" doc:"For event types that have no policy of their own; off when left out."`
	}
}

type updateTenantInput struct {
	TenantPath
	Changing
	Body struct {
		Name         *string `json:"name,omitempty" maxLength:"200" doc:"For people."`
		SchemaPolicy *string `json:"schema_policy,omitempty" enum:"off,flag,reject" doc:"For types without one of their own."`
	}
}

func (a *API) registerTenants() {
	const tag, one = "Tenants", "/v1/tenants/{tenant}"
	register(a, operation{
		id: "createTenant", method: http.MethodPost, path: "/v1/tenants", tag: tag, scope: webhook.ScopeAdmin,
		realm: realmOperator, status: http.StatusCreated, errors: []int{http.StatusConflict}, summary: "Create a tenant",
	}, a.createTenant)
	register(a, operation{
		id: "listTenants", method: http.MethodGet, path: "/v1/tenants", tag: tag, scope: webhook.ScopeAdmin,
		realm: realmOperator, summary: "List tenants", description: "By their ids, also those that are being deleted.",
	}, a.listTenants)
	register(a, operation{
		id: "getTenant", method: http.MethodGet, path: one, tag: tag, scope: webhook.ScopeAdmin, realm: realmOperator,
		summary: "Get a tenant", description: "A tenant's own key may get its own tenant.",
	}, a.getTenant)
	register(a, operation{
		id: "updateTenant", method: http.MethodPatch, path: one, tag: tag, scope: webhook.ScopeAdmin,
		realm: realmOperator, errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
		summary: "Change a tenant", description: "What is left out stays as it is.",
	}, a.updateTenant)
	register(a, operation{
		id: "deleteTenant", method: http.MethodDelete, path: one, tag: tag, scope: webhook.ScopeAdmin,
		realm: realmOperator, status: http.StatusAccepted, errors: []int{http.StatusPreconditionFailed},
		summary: "Delete a tenant",
		description: "From now on its keys are refused, its events are not accepted, and nothing is sent. A job removes " +
			"everything of its but the audit log; it can be seen with the tenant, whose status is deleting meanwhile. Then " +
			"the tenant is gone, and its id may be used again.",
	}, a.deleteTenant)
}

// tenant returns the tenant of a path. Errors: store.ErrNotFound, also when it is not the caller's.
func (a *API) tenant(ctx context.Context, id string) (store.Tenant, error) {
	if c := callerOf(ctx); !c.operator() && id != c.tenant {
		return store.Tenant{}, noTenant()
	}
	return a.cfg.Store.Tenant(ctx, id)
}

// operatorsTenant is tenant for what operators only may do.
func (a *API) operatorsTenant(ctx context.Context, id string) (store.Tenant, error) {
	t, err := a.tenant(ctx, id)
	if err == nil && !callerOf(ctx).operator() {
		err = because(server.ErrForbidden, "this needs an operator's API key")
	}
	return t, err
}

// about makes the audit log have a tenant's own change among its things.
func about(ctx context.Context, tenant string) context.Context {
	c := *callerOf(ctx)
	c.tenant = tenant
	return context.WithValue(ctx, callerKey{}, &c)
}

func (a *API) createTenant(ctx context.Context, in *createTenantInput) (*tenantAnswer, error) {
	t := store.Tenant{
		ID: in.Body.ID, Name: in.Body.Name, SchemaPolicy: webhook.SchemaPolicy(in.Body.SchemaPolicy),
	}
	shown := showTenant(t)
	shown.CreatedAt = a.cfg.Now()
	ctx = about(ctx, t.ID)
	made, err := a.create(ctx, creation{
		Creating: in.Creating, body: in.Body, made: created{ID: t.ID},
		change: audited{action: "tenant.create", target: t.ID, after: shown},
	}, func(ctx context.Context) error { return a.cfg.Store.AddTenant(ctx, t) })
	if err != nil {
		return nil, explainConflict(err, "there is a tenant with that id already")
	}
	if t, err = a.cfg.Store.Tenant(ctx, made.ID); err != nil {
		return nil, err
	}
	out := answerTenant(t)
	out.Location = "/v1/tenants/" + t.ID
	return out, nil
}

// explainConflict says what a conflict is about.
func explainConflict(err error, detail string) error {
	if isConflict(err) {
		return because(store.ErrConflict, detail)
	}
	return err
}

func (a *API) listTenants(ctx context.Context, in *struct{ Paging }) (*listed[Tenant], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.TenantPage(ctx, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, showTenant, func(t store.Tenant) string { return t.ID }), nil
}

func (a *API) getTenant(ctx context.Context, in *struct{ TenantPath }) (*tenantAnswer, error) {
	t, err := a.tenant(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := answerTenant(t)
	if t.DeletedAt.IsZero() {
		return out, nil
	}
	jobs, err := a.cfg.Store.JobPage(ctx, store.JobQuery{Tenant: t.ID, Kind: store.JobEraseTenant, Limit: 1})
	if err == nil && len(jobs) > 0 {
		shown := showJob(jobs[0])
		out.Body.Deletion = &shown
	}
	return out, err
}

func (a *API) updateTenant(ctx context.Context, in *updateTenantInput) (*tenantAnswer, error) {
	err := in.update(func() error {
		t, err := a.operatorsTenant(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := in.check(t.Version); err != nil {
			return err
		}
		before := showTenant(t)
		if in.Body.Name != nil {
			t.Name = *in.Body.Name
		}
		if in.Body.SchemaPolicy != nil {
			t.SchemaPolicy = webhook.SchemaPolicy(*in.Body.SchemaPolicy)
		}
		noted, err := a.noted(about(ctx, t.ID), audited{"tenant.update", t.ID, before, showTenant(t)})
		if err != nil {
			return err
		}
		return a.cfg.Store.UpdateTenant(noted, t)
	})
	if err != nil {
		return nil, err
	}
	return a.getTenant(ctx, &struct{ TenantPath }{in.TenantPath})
}

func (a *API) deleteTenant(ctx context.Context, in *struct {
	TenantPath
	Changing
},
) (*tenantAnswer, error) {
	t, err := a.operatorsTenant(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := in.check(t.Version); err != nil {
		return nil, err
	}
	if t.DeletedAt.IsZero() {
		noted, err := a.noted(about(ctx, t.ID), audited{action: "tenant.delete", target: t.ID, before: showTenant(t)})
		if err != nil {
			return nil, err
		}
		ctx = noted
	}
	// Also when it is being deleted: a job that failed goes on.
	if err := a.cfg.Store.DeleteTenant(ctx, t.ID); err != nil {
		return nil, err
	}
	a.cfg.HintJobs()
	return a.getTenant(ctx, &struct{ TenantPath }{in.TenantPath})
}
