package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The states that a replay may be asked for besides those of deliveries.
const (
	stateFailed  = "failed"  // exhausted and cancelled
	stateMissing = "missing" // accepted, and without a delivery
)

// perSecondDefault is how many deliveries a replay makes in a second when nothing is said.
const perSecondDefault = 100

// Replay is what a replay does, or would do.
type Replay struct {
	DryRun  bool `json:"dry_run" doc:"Whether nothing was begun."`
	Matched int  `json:"matched" doc:"How many deliveries it will make, as far as was counted."`
	//nolint:lll // a tag cannot be broken
	MatchedExact bool          `json:"matched_exact" doc:"Whether matched is exact. If not there are at least so many: counting is bounded."`
	First        []ReplayMatch `json:"first" nullable:"false" doc:"The first few."`
	Job          *Job          `json:"job,omitempty" doc:"The job that does it; missing for a dry run."`
}

// ReplayMatch is one delivery that a replay makes.
type ReplayMatch struct {
	Event    webhook.ID  `json:"event" format:"uuid"`
	Endpoint webhook.ID  `json:"endpoint" format:"uuid"`
	Delivery *webhook.ID `json:"delivery,omitempty" format:"uuid" doc:"The one replayed; missing where there was none."`
	Type     string      `json:"type" doc:"The CloudEvent's type."`
}

// replayAnswer is 200 for a dry run, else 202.
type replayAnswer struct {
	Status   int
	Location string `header:"Location"`
	Body     Replay
}

// ReplayFields are what can be said about a replay.
type ReplayFields struct {
	Endpoint webhook.ID `json:"endpoint" format:"uuid" doc:"Where to send."`
	From     time.Time  `json:"from,omitzero" doc:"Only of events accepted from then on; missing: from the oldest on."`
	To       time.Time  `json:"to,omitzero" doc:"Only of events accepted before; missing: until now."`
	//nolint:lll // a tag cannot be broken
	States []string `json:"states,omitempty" nullable:"false" maxItems:"4" enum:"failed,succeeded,exhausted,cancelled,missing" example:"[\"failed\"]" doc:"Which deliveries: by default failed, which is exhausted and cancelled. missing, which goes alone, is instead the events that were accepted and have no delivery to the endpoint, as far as it subscribes to them by now."`
	//nolint:lll // a tag cannot be broken
	Types  []string `json:"types,omitempty" nullable:"false" maxItems:"100" example:"[\"order.*\"]" doc:"Only events of these types, as of an endpoint."`
	Filter string   `json:"filter,omitempty" maxLength:"2048" example:"subject LIKE 'eu-%'" doc:"As of an endpoint."`
	//nolint:lll // a tag cannot be broken
	PerSecond int  `json:"per_second,omitempty" minimum:"1" maximum:"10000" default:"100" doc:"How many deliveries to make in a second at most."`
	DryRun    bool `json:"dry_run,omitempty" doc:"Begin nothing; say how many there would be, and the first few."`
}

type createReplayInput struct {
	ForTenant
	Creating
	Body ReplayFields
}

type replayEventInput struct {
	EventPath
	Creating
	Body *struct {
		Endpoint webhook.ID `json:"endpoint,omitzero" format:"uuid" doc:"Only the deliveries to this endpoint."`
	}
}

func (a *API) registerReplays() {
	write := webhook.ScopeDeliveriesWrite
	register(a, operation{
		id: "createReplay", method: http.MethodPost, path: "/v1/replays", tag: "Replays", scope: write,
		status: http.StatusAccepted, errors: []int{http.StatusConflict}, summary: "Replay a range",
		description: "Sends deliveries of an endpoint once more, by a job. Each is a new delivery with the same " +
			"webhook-id, so receivers recognise it. Replays are not replayed: the delivery that came first is. A dry run is " +
			"answered with 200. 409 when the endpoint was deleted, or too many jobs are under way.",
	}, a.createReplay)
	// A dry run has its own status; everything else of it is the same.
	answers := a.huma.OpenAPI().Paths["/v1/replays"].Post.Responses
	dry := *answers["202"]
	dry.Description = http.StatusText(http.StatusOK)
	answers["200"] = &dry
	register(a, operation{
		id: "replayEvent", method: http.MethodPost, path: "/v1/events/{event}/replay", tag: "Replays", scope: write,
		status: http.StatusAccepted, errors: []int{http.StatusConflict}, summary: "Replay an event",
		description: "Sends all of its deliveries that have ended once more, or those to one endpoint, by a job.",
	}, a.replayEvent)
}

func (a *API) createReplay(ctx context.Context, in *createReplayInput) (*replayAnswer, error) {
	spec, faults := in.Body.spec()
	if len(faults) > 0 {
		return nil, invalid(faults...)
	}
	return a.replay(ctx, in.Creating, in.Body, store.Job{Spec: spec, PerSecond: in.Body.PerSecond})
}

func (a *API) replayEvent(ctx context.Context, in *replayEventInput) (*replayAnswer, error) {
	spec := store.JobSpec{Event: in.ID, States: ended()}
	if in.Body != nil {
		spec.Endpoint = in.Body.Endpoint
	}
	body := ReplayFields{Endpoint: spec.Endpoint} // the event is in the path
	return a.replay(ctx, in.Creating, body, store.Job{Spec: spec, PerSecond: perSecondDefault})
}

// ended are the states of deliveries that have ended.
func ended() []webhook.State {
	return []webhook.State{webhook.StateSucceeded, webhook.StateExhausted, webhook.StateCancelled}
}

// spec is what a request asks for, with all that is wrong with it.
func (f *ReplayFields) spec() (store.JobSpec, []server.Fault) {
	spec := store.JobSpec{Endpoint: f.Endpoint, From: f.From, To: f.To, Types: f.Types, Filter: f.Filter}
	faults := subscriptionFaults(filter.Validate(f.Types, f.Filter))
	for _, state := range f.States {
		switch state {
		case stateMissing:
			spec.Missing = true
		case stateFailed:
			spec.States = append(spec.States, webhook.StateExhausted, webhook.StateCancelled)
		default:
			spec.States = append(spec.States, webhook.State(state))
		}
	}
	slices.Sort(spec.States)
	spec.States = slices.Compact(spec.States)
	if spec.Missing && len(spec.States) > 0 {
		faults = append(faults, server.Fault{Field: "states", Detail: "missing goes alone: begin two replays"})
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		faults = append(faults, server.Fault{Field: "to", Detail: "must be after from"})
	}
	return spec, faults
}

// replay counts what a replay is for, and begins it unless it is a dry run.
func (a *API) replay(ctx context.Context, once Creating, body ReplayFields, j store.Job) (*replayAnswer, error) {
	const conflict = "the endpoint was deleted, or too many jobs are under way"
	j.ID, j.Tenant, j.Kind = a.ids.New(a.cfg.Now()), callerOf(ctx).tenant, store.JobReplay
	preview, err := a.cfg.Store.PreviewReplay(ctx, j.Tenant, j.Spec)
	if err != nil {
		return nil, explainConflict(err, conflict)
	}
	out := &replayAnswer{Status: http.StatusOK, Body: Replay{
		DryRun: true, Matched: preview.Matched, MatchedExact: preview.Exact, First: []ReplayMatch{},
	}}
	for _, m := range preview.First {
		out.Body.First = append(out.Body.First, ReplayMatch{m.Event, m.Endpoint, someID(m.Delivery), m.Type})
	}
	if body.DryRun {
		return out, nil
	}
	j.Total, j.TotalExact = preview.Matched, preview.Exact
	made, err := a.create(ctx, creation{
		Creating: once, body: body, made: created{ID: j.ID.String()},
		change: audited{action: "replay.create", target: j.ID.String(), after: showSpec(j.Spec)},
	}, func(ctx context.Context) error {
		_, err := a.cfg.Store.StartJob(ctx, j)
		return err
	})
	if err != nil {
		return nil, explainConflict(err, conflict)
	}
	a.cfg.HintJobs()
	started, err := a.getJob(ctx, &struct{ JobPath }{JobPath{ID: made.parsed()}})
	if err != nil {
		return nil, err
	}
	out.Status, out.Location = http.StatusAccepted, "/v1/jobs/"+made.ID
	out.Body.DryRun, out.Body.Job = false, &started.Body
	return out, nil
}
