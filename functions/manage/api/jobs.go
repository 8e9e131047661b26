package api

import (
	"context"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Job is bulk work as the API shows it.
type Job struct {
	ID         webhook.ID  `json:"id" format:"uuid"`
	Kind       string      `json:"kind" enum:"replay,drop_held,erase_tenant" doc:"What it does."`
	State      string      `json:"state" enum:"running,paused,done,cancelled,failed" doc:"failed: it went wrong often."`
	Done       int         `json:"done" doc:"How much it has done: deliveries made or dropped, rows erased."`
	Total      *int        `json:"total,omitempty" doc:"How much there was to do when it began, where it was counted."`
	TotalExact bool        `json:"total_exact" doc:"Whether total is exact; if not, it is the least: counting is bounded."`
	PerSecond  int         `json:"per_second,omitempty" doc:"How much it does in a second at most; missing: no bound."`
	Replay     *ReplayOf   `json:"replay,omitempty" doc:"What is replayed."`
	Endpoint   *webhook.ID `json:"endpoint,omitempty" format:"uuid" doc:"Of drop_held: whose deliveries are dropped."`
	Error      string      `json:"error,omitempty" doc:"Why it failed, or was cancelled by itself."`
	CreatedBy  *webhook.ID `json:"created_by,omitempty" format:"uuid" doc:"The API key that began it."`
	CreatedAt  time.Time   `json:"created_at"`
	UpdatedAt  time.Time   `json:"updated_at" doc:"When it got on last."`
	NextAt     *time.Time  `json:"next_at,omitempty" doc:"When it goes on; missing when it does not by itself."`
	FinishedAt *time.Time  `json:"finished_at,omitempty"`
}

// ReplayOf is what a replay is for.
type ReplayOf struct {
	Endpoint *webhook.ID `json:"endpoint,omitempty" format:"uuid"`
	Event    *webhook.ID `json:"event,omitempty" format:"uuid" doc:"Only deliveries of this event."`
	From     *time.Time  `json:"from,omitempty" doc:"Only of events accepted from then on."`
	To       *time.Time  `json:"to,omitempty" doc:"Only of events accepted before."`
	States   []string    `json:"states" nullable:"false" doc:"Of the deliveries replayed, or missing."`
	Types    []string    `json:"types,omitempty" nullable:"false"`
	Filter   string      `json:"filter,omitempty"`
}

func showJob(j store.Job) Job {
	out := Job{
		ID: j.ID, Kind: string(j.Kind), State: string(j.State), Done: j.Done, TotalExact: j.TotalExact,
		PerSecond: j.PerSecond, Error: j.Error, CreatedBy: someID(j.CreatedBy), CreatedAt: j.CreatedAt,
		UpdatedAt: j.UpdatedAt, NextAt: moment(j.WakeAt), FinishedAt: moment(j.FinishedAt),
	}
	if j.Total >= 0 {
		out.Total = &j.Total
	}
	switch j.Kind {
	case store.JobReplay:
		out.Replay = showSpec(j.Spec)
	case store.JobDropHeld:
		out.Endpoint = someID(j.Spec.Endpoint)
	}
	return out
}

func showSpec(s store.JobSpec) *ReplayOf {
	out := &ReplayOf{
		Endpoint: someID(s.Endpoint), Event: someID(s.Event), From: moment(s.From), To: moment(s.To), States: []string{},
		Types: s.Types, Filter: s.Filter,
	}
	if s.Missing {
		out.States = append(out.States, stateMissing)
	}
	for _, state := range s.States {
		out.States = append(out.States, string(state))
	}
	return out
}

// someID is an id as it is shown; missing when it is none.
func someID(id webhook.ID) *webhook.ID {
	if id.IsZero() {
		return nil
	}
	return &id
}

// JobPath names a job.
type JobPath struct {
	ForTenant
	ID webhook.ID `path:"job" format:"uuid" doc:"The job's id."`
}

type jobAnswer struct{ Body Job }

type listJobsInput struct {
	ForTenant
	Paging
	Kind  string `query:"kind" enum:"replay,drop_held" doc:"Only jobs of this kind."`
	State string `query:"state" enum:"running,paused,done,cancelled,failed" doc:"Only jobs in this state."`
}

func (a *API) registerJobs() {
	const tag, one = "Jobs", "/v1/jobs/{job}"
	read, write := webhook.ScopeDeliveriesRead, webhook.ScopeDeliveriesWrite
	register(a, operation{
		id: "listJobs", method: http.MethodGet, path: "/v1/jobs", tag: tag, scope: read, summary: "List jobs",
		description: "Newest first. They are kept for 30 days after their end.",
	}, a.listJobs)
	register(a, operation{
		id: "getJob", method: http.MethodGet, path: one, tag: tag, scope: read, summary: "Get a job",
		description: "With how far it is.",
	}, a.getJob)
	for _, change := range []struct {
		verb, summary, description string
		to                         store.JobState
	}{
		{"pause", "Pause a job", "It does nothing more until it is resumed. 409 when it has ended.", store.JobPaused},
		{"resume", "Resume a job", "Also one that has failed: it goes on where it stopped. 409 when it has ended.",
			store.JobRunning},
		{"cancel", "Cancel a job", "What it has done stays done. 409 when it has ended.", store.JobCancelled},
	} {
		register(a, operation{
			id: change.verb + "Job", method: http.MethodPost, path: one + "/" + change.verb, tag: tag, scope: write,
			errors: []int{http.StatusConflict}, summary: change.summary, description: change.description,
		}, func(ctx context.Context, in *struct{ JobPath }) (*jobAnswer, error) {
			return a.setJobState(ctx, in.ID, change.verb, change.to)
		})
	}
}

func (a *API) listJobs(ctx context.Context, in *listJobsInput) (*listed[Job], error) {
	cursor, err := in.afterID()
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.JobPage(ctx, store.JobQuery{
		Tenant: callerOf(ctx).tenant, Kind: store.JobKind(in.Kind), State: store.JobState(in.State), Before: cursor,
		Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, showJob, func(j store.Job) string { return j.ID.String() }), nil
}

func (a *API) getJob(ctx context.Context, in *struct{ JobPath }) (*jobAnswer, error) {
	j, err := a.cfg.Store.Job(ctx, callerOf(ctx).tenant, in.ID)
	if err != nil {
		return nil, err
	}
	return &jobAnswer{Body: showJob(j)}, nil
}

func (a *API) setJobState(ctx context.Context, id webhook.ID, verb string, to store.JobState) (*jobAnswer, error) {
	tenant := callerOf(ctx).tenant
	before, err := a.cfg.Store.Job(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	if before.State == to {
		return &jobAnswer{Body: showJob(before)}, nil
	}
	noted, err := a.noted(ctx, audited{action: "job." + verb, target: id.String(), before: showJob(before)})
	if err != nil {
		return nil, err
	}
	j, err := a.cfg.Store.SetJobState(noted, tenant, id, to)
	if err != nil {
		return nil, explainConflict(err, "it has ended, or does not allow it")
	}
	if to == store.JobRunning {
		a.cfg.HintJobs()
	}
	return &jobAnswer{Body: showJob(j)}, nil
}
