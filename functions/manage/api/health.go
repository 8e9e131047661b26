package api

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// healthWindow is how far back the rates of an endpoint's health go.
const healthWindow = 24 * time.Hour

// Health is how an endpoint is doing.
type Health struct {
	Endpoint webhook.ID `json:"endpoint" format:"uuid"`
	//nolint:lll // a tag cannot be broken
	State  string `json:"state" enum:"healthy,failing,throttled,paused,disabled,deleted" doc:"Failing: less of its attempts succeed than the deployment asks for. Throttled: it has asked not to be sent to for a while."`
	Reason string `json:"reason,omitempty" doc:"Why it is paused or disabled."`
	//nolint:lll // a tag cannot be broken
	StateSince     *time.Time    `json:"state_since,omitempty" doc:"Since when it is paused, disabled, deleted, or failing; for a healthy one, since when it is active, if that ever changed."`
	ThrottledUntil *time.Time    `json:"throttled_until,omitempty"`
	FailingSince   *time.Time    `json:"failing_since,omitempty"`
	LastDay        Counts        `json:"last_day" doc:"The last 24 hours, to the hour."`
	LastSuccessAt  *time.Time    `json:"last_success_at,omitempty"`
	LastFailure    *FailedDetail `json:"last_failure,omitempty"`
	Waiting        int           `json:"waiting" doc:"Deliveries that have not ended. It is not counted beyond 10,000."`
	Held           int           `json:"held" doc:"Those that wait only because it is paused, disabled or throttled."`
	//nolint:lll // a tag cannot be broken
	AsOf time.Time `json:"as_of" doc:"Up to when everything has been counted: see the statistics. State and waiting are of now."`
}

// FailedDetail is an attempt that failed.
type FailedDetail struct {
	At       time.Time  `json:"at"`
	Delivery webhook.ID `json:"delivery" format:"uuid"`
	Outcome  string     `json:"outcome"`
	Status   int        `json:"status,omitempty" doc:"The HTTP status of the answer; missing when none came."`
}

// ListedEndpoint is an endpoint in a list.
type ListedEndpoint struct {
	Endpoint
	Health ListedHealth `json:"health" doc:"How it has been doing; GET …/health says more."`
}

// ListedHealth is as much of an endpoint's health as a list has.
type ListedHealth struct {
	//nolint:lll // a tag cannot be broken
	State      string     `json:"state" enum:"healthy,failing,throttled,paused,disabled,deleted" doc:"As of the endpoint's health."`
	StateSince *time.Time `json:"state_since,omitempty" doc:"Since when it is in this state, where that is known."`
	Attempts   int64      `json:"attempts" doc:"Attempts that were sent in the last 24 hours, to the hour."`
	//nolint:lll // a tag cannot be broken
	SuccessRate   *float64      `json:"success_rate,omitempty" minimum:"0" maximum:"1" doc:"The share of them that succeeded; missing when there were none."`
	LastSuccessAt *time.Time    `json:"last_success_at,omitempty"`
	LastFailure   *FailedDetail `json:"last_failure,omitempty"`
}

// listedHealth reads the health of a page of endpoints, and returns what shows each with its own.
func (a *API) listedHealth(
	ctx context.Context, list []webhook.Endpoint,
) (show func(webhook.Endpoint) ListedEndpoint, err error) {
	ids := make([]webhook.ID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	now := a.cfg.Now()
	health, err := a.cfg.Store.HealthPage(ctx, callerOf(ctx).tenant, ids, now.Add(-healthWindow).Truncate(time.Hour))
	return func(e webhook.Endpoint) ListedEndpoint {
		h := health[e.ID]
		out := ListedHealth{Attempts: h.Sent, LastSuccessAt: moment(h.LastSuccessAt), LastFailure: showFailure(h.LastFailure)}
		out.State, out.StateSince = stateOf(&e, &h.Health, now)
		if h.Sent > 0 {
			rate := float64(h.Succeeded) / float64(h.Sent)
			out.SuccessRate = &rate
		}
		return ListedEndpoint{showEndpoint(e), out}
	}, err
}

type healthAnswer struct{ Body Health }

func (a *API) getHealth(ctx context.Context, in *struct{ EndpointPath }) (*healthAnswer, error) {
	e, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	h, err := a.cfg.Store.Health(ctx, e.Tenant, e.ID)
	if err != nil {
		return nil, err
	}
	now := a.cfg.Now()
	list, err := a.cfg.Store.Tallies(ctx, store.TallyQuery{
		Tenant: e.Tenant, Endpoint: e.ID, From: now.Add(-healthWindow).Truncate(time.Hour), Until: now.Add(time.Minute),
		Hourly: true,
	})
	if err != nil {
		return nil, err
	}
	_, day := inBuckets(list, healthWindow)
	return &healthAnswer{Body: showHealth(&e, &h, showCounts(day, false), now)}, nil
}

func showHealth(e *webhook.Endpoint, h *store.Health, day Counts, now time.Time) Health {
	out := Health{
		Endpoint: e.ID, Reason: e.StatusReason, FailingSince: moment(h.FailingSince), LastDay: day,
		LastSuccessAt: moment(h.LastSuccessAt), LastFailure: showFailure(h.LastFailure), Waiting: h.Waiting, AsOf: h.AsOf,
	}
	out.State, out.StateSince = stateOf(e, h, now)
	if out.State == stateThrottled {
		out.ThrottledUntil = moment(e.ThrottledUntil)
	}
	if !e.Open(now) {
		out.Held = h.Waiting
	}
	return out
}

// stateThrottled is the state of an endpoint that has asked not to be sent to for a while.
const stateThrottled = "throttled"

// stateOf is the state of an endpoint, and since when it is in it, where that is known.
func stateOf(e *webhook.Endpoint, h *store.Health, now time.Time) (state string, since *time.Time) {
	switch {
	case e.Status != webhook.EndpointActive:
		return string(e.Status), moment(h.StatusAt)
	case !e.Open(now):
		return stateThrottled, moment(h.StatusAt)
	case !h.FailingSince.IsZero():
		return "failing", moment(h.FailingSince)
	default:
		return "healthy", moment(h.StatusAt)
	}
}

func showFailure(f store.Failure) *FailedDetail {
	if f.At.IsZero() {
		return nil
	}
	return &FailedDetail{At: f.At, Delivery: f.Delivery, Outcome: string(f.Outcome), Status: f.Status}
}
