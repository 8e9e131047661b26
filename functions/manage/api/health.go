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
		Endpoint: e.ID, State: "healthy", Reason: e.StatusReason, StateSince: moment(h.StatusAt),
		FailingSince: moment(h.FailingSince), LastDay: day, LastSuccessAt: moment(h.LastSuccessAt), Waiting: h.Waiting,
		AsOf: h.AsOf,
	}
	switch {
	case e.Status != webhook.EndpointActive:
		out.State = string(e.Status)
	case !e.Open(now):
		out.State, out.ThrottledUntil = "throttled", moment(e.ThrottledUntil)
	case !h.FailingSince.IsZero():
		out.State, out.StateSince = "failing", moment(h.FailingSince)
	}
	if !e.Open(now) {
		out.Held = h.Waiting
	}
	if f := h.LastFailure; !f.At.IsZero() {
		out.LastFailure = &FailedDetail{At: f.At, Delivery: f.Delivery, Outcome: string(f.Outcome), Status: f.Status}
	}
	return out
}
