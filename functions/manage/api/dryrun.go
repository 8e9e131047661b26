package api

import (
	"context"
	"net/http"

	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// DryRun is what would have matched.
type DryRun struct {
	Examined int           `json:"examined" doc:"How many events were looked at."`
	Matched  []Event       `json:"matched" nullable:"false" doc:"Those that would have matched, newest first."`
	Failed   []DryRunFault `json:"failed" nullable:"false" doc:"Those that the filter says nothing about: no match."`
}

// DryRunFault is an event that a filter cannot be evaluated for.
type DryRunFault struct {
	Event webhook.ID `json:"event" format:"uuid"`
	//nolint:lll // a tag cannot be broken
	Reason string `json:"reason" doc:"missing_attribute: the event lacks one that the filter reads. cast: a value is of another type. math, function: a calculation went wrong."`
}

type dryRunInput struct {
	ForTenant
	Body struct {
		//nolint:lll // a tag cannot be broken
		Types  []string `json:"types,omitempty" nullable:"false" maxItems:"100" example:"[\"order.*\"]" doc:"As of an endpoint."`
		Filter string   `json:"filter,omitempty" maxLength:"2048" example:"subject LIKE 'eu-%'" doc:"As of an endpoint."`
		//nolint:lll // a tag cannot be broken
		Last int `json:"last,omitempty" minimum:"1" maximum:"1000" default:"100" doc:"How many of the last events to look at."`
	}
}

type dryRunAnswer struct{ Body DryRun }

func (a *API) registerDryRun() {
	register(a, operation{
		id: "dryRun", method: http.MethodPost, path: "/v1/subscriptions/dry-run", tag: "Endpoints",
		scope: webhook.ScopeDeliveriesRead, summary: "Try types and a filter on past events",
		description: "Which of the last events an endpoint with these would have got. Nothing is sent or changed.",
	}, a.dryRun)
}

func (a *API) dryRun(ctx context.Context, in *dryRunInput) (*dryRunAnswer, error) {
	if faults := subscriptionFaults(filter.Validate(in.Body.Types, in.Body.Filter)); len(faults) > 0 {
		return nil, invalid(faults...)
	}
	matcher, _ := filter.Compile([]webhook.Endpoint{{Types: in.Body.Types, Filter: in.Body.Filter}})
	events, err := a.cfg.Store.Events(ctx, store.EventQuery{Tenant: callerOf(ctx).tenant, Limit: in.Body.Last})
	if err != nil {
		return nil, err
	}
	out := &dryRunAnswer{Body: DryRun{Examined: len(events), Matched: []Event{}, Failed: []DryRunFault{}}}
	for i := range events {
		matched, failed := matcher.Match(nil, &events[i])
		switch {
		case len(failed) > 0:
			out.Body.Failed = append(out.Body.Failed, DryRunFault{events[i].ID, string(failed[0].Kind)})
		case len(matched) > 0:
			out.Body.Matched = append(out.Body.Matched, showEvent(events[i]))
		}
	}
	return out, nil
}
