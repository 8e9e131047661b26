package api

import (
	"context"
	"net/http"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// RedriveOrder says which rejected events to take again.
type RedriveOrder struct {
	//nolint:lll // a tag cannot be broken
	Reason string `json:"reason,omitempty" maxLength:"50" example:"schema" doc:"Only those that were rejected for this reason."`
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"1000" doc:"At most so many, oldest first."`
}

// Redriving says how many rejected events wait to be taken again.
type Redriving struct {
	Count int `json:"count" doc:"How many wait now because of this request."`
}

func (a *API) registerRedrive() {
	const tag = "Rejected events"
	const how = " It is done at once, or at the latest with the next tick of the function retry, also after a restart."
	register(a, operation{
		id: "redriveRejectedEvent", method: http.MethodPost, path: "/v1/rejected-events/{rejected}/redrive", tag: tag,
		scope: webhook.ScopeDeliveriesWrite, realm: realmAny, status: http.StatusAccepted,
		errors: []int{http.StatusConflict}, summary: "Take a rejected event again",
		description: "As it came, once what was wrong is mended." + how + " Then it names the event that it " +
			"has become, and " +
			"is not listed any more; or it is rejected anew, and has the new reason. 409 when not all that came is kept.",
	}, a.redriveRejected)
	register(a, operation{
		id: "redriveRejectedEvents", method: http.MethodPost, path: "/v1/rejected-events/redrive", tag: tag,
		scope: webhook.ScopeDeliveriesWrite, realm: realmAny, status: http.StatusAccepted,
		summary: "Take rejected events again", description: "All that can be." + how,
	}, a.redriveMany)
}

func (a *API) redriveRejected(ctx context.Context, in *struct{ RejectedPath }) (*rejectedAnswer, error) {
	noted, err := a.noted(ctx, audited{action: "rejected_event.redrive", target: in.ID.String()})
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Store.Redrive(noted, callerOf(ctx).tenant, in.ID); err != nil {
		return nil, explainConflict(err, "it has become an event already, or not all that came is kept")
	}
	a.cfg.HintJobs()
	return a.getRejected(ctx, in)
}

func (a *API) redriveMany(ctx context.Context, in *struct {
	ForTenant
	Body *RedriveOrder // a request without a body asks for the defaults
},
) (*struct{ Body Redriving }, error) {
	order := RedriveOrder{Limit: 1000}
	if in.Body != nil {
		order.Reason = in.Body.Reason
		if in.Body.Limit > 0 {
			order.Limit = in.Body.Limit
		}
	}
	noted, err := a.noted(ctx, audited{action: "rejected_event.redrive_all", target: callerOf(ctx).tenant, after: order})
	if err != nil {
		return nil, err
	}
	n, err := a.cfg.Store.RedriveAll(noted, callerOf(ctx).tenant, order.Reason, order.Limit)
	if n > 0 {
		a.cfg.HintJobs()
	}
	return &struct{ Body Redriving }{Redriving{Count: n}}, err
}
