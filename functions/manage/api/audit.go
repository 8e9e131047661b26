package api

import (
	"context"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// AuditEntry is one change as the API shows it.
type AuditEntry struct {
	ID        webhook.ID `json:"id" format:"uuid"`
	At        time.Time  `json:"at"`
	Tenant    string     `json:"tenant,omitempty" doc:"Whose thing was changed; missing for what is no tenant's."`
	Actor     webhook.ID `json:"actor" format:"uuid" doc:"The id of the API key that was used."`
	ActorName string     `json:"actor_name" doc:"Its name at that time."`
	Action    string     `json:"action" example:"endpoint.update" doc:"What was done to which kind of thing."`
	Target    string     `json:"target" doc:"The id of what was changed."`
	Before    any        `json:"before,omitempty" doc:"What it was, as the API showed it. Secrets are not in it."`
	After     any        `json:"after,omitempty" doc:"What it was made."`
}

func showAudit(e store.AuditEntry) AuditEntry {
	out := AuditEntry{
		ID: e.ID, At: e.At, Tenant: e.Tenant, Actor: e.Actor, ActorName: e.ActorName, Action: e.Action, Target: e.Target,
	}
	if len(e.Before) > 0 {
		out.Before = e.Before
	}
	if len(e.After) > 0 {
		out.After = e.After
	}
	return out
}

type listAuditInput struct {
	ForTenant
	Paging
	Target string `query:"target" maxLength:"64" doc:"Only changes of the thing with this id."`
}

func (a *API) registerAudit() {
	register(a, operation{
		id: "listAuditLog", method: http.MethodGet, path: "/v1/audit-log", tag: "Audit", scope: webhook.ScopeAdmin,
		realm: realmAny, summary: "List changes",
		description: "Newest first. Nobody can change or remove a line through the API. With an operator's key that names " +
			"no tenant: the changes of all tenants, and of what is no tenant's.",
	}, a.listAudit)
}

func (a *API) listAudit(ctx context.Context, in *listAuditInput) (*listed[AuditEntry], error) {
	before, err := in.afterID()
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	list, err := a.cfg.Store.AuditLog(ctx, store.AuditQuery{
		Tenant: c.tenant, Everyone: c.tenant == "", Target: in.Target, Before: before, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, showAudit, func(e store.AuditEntry) string { return e.ID.String() }), nil
}
