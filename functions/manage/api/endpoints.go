package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Endpoint is an endpoint as the API shows it: without its secrets, and without the values of its headers.
type Endpoint struct {
	ID          webhook.ID `json:"id" format:"uuid"`
	URL         string     `json:"url" doc:"Where events are POSTed."`
	Types       []string   `json:"types" nullable:"false" doc:"The event types subscribed to; none: all."`
	Filter      string     `json:"filter,omitempty" doc:"A CloudEvents SQL expression that an event must satisfy as well."`
	Format      string     `json:"format" enum:"binary,structured,standard" doc:"What the body of a POST is."`
	HeaderNames []string   `json:"header_names" nullable:"false" doc:"The headers sent with each POST, without values."`
	//nolint:lll // a tag cannot be broken
	Schedule       []string   `json:"schedule,omitempty" nullable:"false" doc:"The waiting time before each attempt. Missing: the deployment's."`
	Timeout        string     `json:"timeout,omitempty" doc:"Of one whole attempt. Missing: the deployment's."`
	RatePerSecond  int        `json:"rate_per_second" doc:"Attempts per second at most; 0: no bound."`
	Status         string     `json:"status" enum:"active,paused,disabled,deleted" doc:"Only an active one is sent to."`
	StatusReason   string     `json:"status_reason,omitempty" doc:"Why it is not active."`
	PausedAt       *time.Time `json:"paused_at,omitempty"`
	ThrottledUntil *time.Time `json:"throttled_until,omitempty" doc:"Its answer asked not to be sent to before."`
	//nolint:lll // a tag cannot be broken
	Consent   *Consent  `json:"consent,omitempty" doc:"What it has consented to in a handshake. Missing: it was not asked, or has not."`
	Version   int64     `json:"version" doc:"Grows with each change; it is the ETag as well."`
	CreatedAt time.Time `json:"created_at"`
}

// NewEndpoint is an endpoint that was just created.
type NewEndpoint struct {
	Endpoint
	Secret    string `json:"secret" doc:"What its requests are signed with; GET …/secrets shows it again."`
	PublicKey string `json:"public_key,omitempty" doc:"For v1a: what the receiver verifies with."`
}

func showEndpoint(e webhook.Endpoint) Endpoint {
	out := Endpoint{
		ID: e.ID, URL: e.URL, Types: append([]string{}, e.Types...), Filter: e.Filter, Format: string(e.Format),
		HeaderNames: make([]string, 0, len(e.Headers)), RatePerSecond: e.RatePerSecond, Status: string(e.Status),
		StatusReason: e.StatusReason, PausedAt: moment(e.PausedAt), ThrottledUntil: moment(e.ThrottledUntil),
		Version: e.Version, CreatedAt: e.CreatedAt, Consent: showConsent(e.Consent),
	}
	for name := range e.Headers {
		out.HeaderNames = append(out.HeaderNames, name)
	}
	slices.Sort(out.HeaderNames)
	for _, wait := range e.Schedule {
		out.Schedule = append(out.Schedule, wait.String())
	}
	if e.Timeout > 0 {
		out.Timeout = e.Timeout.String()
	}
	return out
}

// EndpointPath names an endpoint.
type EndpointPath struct {
	ForTenant
	ID webhook.ID `path:"endpoint" format:"uuid" doc:"The endpoint's id."`
}

// ResumedEndpoint is an endpoint with the job that makes it active, if there is one.
type ResumedEndpoint struct {
	Endpoint
	//nolint:lll // a tag cannot be broken
	Job *Job `json:"job,omitempty" doc:"What drops the deliveries that are held, and then makes the endpoint active; missing when it is active now."`
}

type resumedAnswer struct {
	ETag string `header:"ETag"`
	Body ResumedEndpoint
}

type endpointAnswer struct {
	ETag string `header:"ETag"`
	Body Endpoint
}

type newEndpointAnswer struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     NewEndpoint
}

// EndpointFields are what can be set of an endpoint; what is left out stays as it is.
type EndpointFields struct {
	//nolint:lll // a tag cannot be broken
	Types []string `json:"types,omitempty" nullable:"false" maxItems:"100" example:"[\"order.*\"]" doc:"The event types to subscribe to, * for any run of characters; an empty list: all."`
	//nolint:lll // a tag cannot be broken
	Filter *string `json:"filter,omitempty" maxLength:"2048" example:"subject LIKE 'eu-%'" doc:"A CloudEvents SQL expression that an event must satisfy as well; empty: none."`
	//nolint:lll // a tag cannot be broken
	Format *string `json:"format,omitempty" enum:"binary,structured,standard" doc:"binary: the event's own bytes, with ce- headers. structured: one CloudEvents document. standard: {type, timestamp, data}."`
	//nolint:lll // a tag cannot be broken
	Headers map[string]string `json:"headers,omitempty" writeOnly:"true" doc:"Headers to send with each POST, instead of those there are. Their values are kept sealed, and never shown."`
	//nolint:lll // a tag cannot be broken
	Schedule []string `json:"schedule,omitempty" nullable:"false" maxItems:"50" example:"[\"0s\",\"10s\",\"5m\"]" doc:"The waiting time before each attempt, the first included; an empty list: the deployment's."`
	//nolint:lll // a tag cannot be broken
	Timeout *string `json:"timeout,omitempty" maxLength:"20" example:"10s" doc:"Of one whole attempt, up to 1m; empty: the deployment's."`
	//nolint:lll // a tag cannot be broken
	RatePerSecond *int `json:"rate_per_second,omitempty" minimum:"0" maximum:"100000" doc:"Attempts per second at most; 0: no bound."`
}

type createEndpointInput struct {
	ForTenant
	Creating
	Body struct {
		URL string `json:"url" maxLength:"2048" example:"https://example.com/hooks" doc:"Where to POST events."`
		EndpointFields
		//nolint:lll // a tag cannot be broken
		Signing string `json:"signing,omitempty" enum:"v1,v1a" default:"v1" doc:"How its requests are signed: v1 is HMAC-SHA256, v1a Ed25519, where the receiver needs a public key only."`
	}
}

type updateEndpointInput struct {
	EndpointPath
	Changing
	Body struct {
		URL *string `json:"url,omitempty" maxLength:"2048" doc:"Where to POST events."`
		EndpointFields
	}
}

func (a *API) registerEndpoints() {
	const tag, all, one = "Endpoints", "/v1/endpoints", "/v1/endpoints/{endpoint}"
	read, write := webhook.ScopeEndpointsRead, webhook.ScopeEndpointsWrite
	register(a, operation{
		id: "createEndpoint", method: http.MethodPost, path: all, tag: tag, scope: write, status: http.StatusCreated,
		summary: "Create an endpoint", description: "Events that are accepted from now on are matched with it.",
	}, a.createEndpoint)
	register(a, operation{
		id: "listEndpoints", method: http.MethodGet, path: all, tag: tag, scope: read, summary: "List endpoints",
		description: "Oldest first, without deleted ones; each with how it has been doing.",
	}, a.listEndpoints)
	register(a, operation{
		id: "getEndpoint", method: http.MethodGet, path: one, tag: tag, scope: read, summary: "Get an endpoint",
		description: "Also one that was deleted.",
	}, a.getEndpoint)
	register(a, operation{
		id: "updateEndpoint", method: http.MethodPatch, path: one, tag: tag, scope: write,
		errors:  []int{http.StatusConflict, http.StatusPreconditionFailed},
		summary: "Change an endpoint", description: "What is left out stays as it is.",
	}, a.updateEndpoint)
	status := func(verb, method, path, summary, description string, to webhook.EndpointStatus) {
		register(a, operation{
			id: verb + "Endpoint", method: method, path: path, tag: tag, scope: write,
			errors: []int{http.StatusPreconditionFailed}, summary: summary, description: description,
		}, func(ctx context.Context, in *changeStatusInput) (*endpointAnswer, error) {
			return a.setStatus(ctx, in, verb, to)
		})
	}
	status("pause", http.MethodPost, one+"/pause", "Pause an endpoint",
		"Nothing is sent to it. Events go on matching it, and are held until it is resumed.", webhook.EndpointPaused)
	status("delete", http.MethodDelete, one, "Delete an endpoint",
		"For good: what is still to be sent to it is cancelled. What was sent can still be looked at.",
		webhook.EndpointDeleted)
	register(a, operation{
		id: "resumeEndpoint", method: http.MethodPost, path: one + "/resume", tag: tag, scope: write,
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed}, summary: "Resume an endpoint",
		description: "Also one that was disabled. What was held is sent, or dropped. It is dropped by a job, while nothing " +
			"is sent, and the endpoint is active with the end of it; what is accepted from now on is not dropped. To stay " +
			"paused, cancel the job.",
	}, a.resumeEndpoint)
}

// endpoint returns one of the caller's endpoints. Errors: store.ErrNotFound.
func (a *API) endpoint(ctx context.Context, id webhook.ID) (webhook.Endpoint, error) {
	return a.cfg.Store.Endpoint(ctx, callerOf(ctx).tenant, id)
}

func (a *API) createEndpoint(ctx context.Context, in *createEndpointInput) (*newEndpointAnswer, error) {
	c, now := callerOf(ctx), a.cfg.Now()
	e := webhook.Endpoint{
		ID: a.ids.New(now), Tenant: c.tenant, URL: in.Body.URL, Format: webhook.FormatBinary,
		Status: webhook.EndpointActive, Version: 1, CreatedAt: now,
	}
	if err := a.apply(&e, &in.Body.URL, in.Body.EndpointFields); err != nil {
		return nil, err
	}
	if err := a.askConsent(ctx, &e); err != nil {
		return nil, err
	}
	secret, err := signature.NewSecret(webhook.SecretKind(in.Body.Signing))
	if err != nil {
		return nil, err
	}
	secret.ID, secret.Endpoint = a.ids.New(now), e.ID
	text, err := signature.Format(secret)
	if err != nil {
		return nil, err
	}
	made, err := a.create(ctx, creation{
		Creating: in.Creating, body: in.Body, made: created{ID: e.ID.String(), Secret: text},
		change: audited{action: "endpoint.create", target: e.ID.String(), after: showEndpoint(e)},
	}, func(ctx context.Context) error { return a.cfg.Store.CreateEndpoint(ctx, e, []webhook.Secret{secret}) })
	if err != nil {
		return nil, err
	}
	if e, err = a.endpoint(ctx, made.parsed()); err != nil {
		return nil, err
	}
	out := &newEndpointAnswer{
		Location: "/v1/endpoints/" + made.ID, ETag: etag(e.Version),
		Body: NewEndpoint{Endpoint: showEndpoint(e), Secret: made.Secret},
	}
	if secret, err = signature.ParseSecret(made.Secret); err == nil && secret.Kind == webhook.SecretEd25519 {
		out.Body.PublicKey, err = signature.PublicKey(secret)
	}
	return out, err
}

type listEndpointsInput struct {
	ForTenant
	Paging
	Status string `query:"status" enum:"active,paused,disabled" doc:"Only those with this status."`
	Search string `query:"search" maxLength:"200" doc:"Only those whose URL has this in it, in any case."`
}

func (a *API) listEndpoints(ctx context.Context, in *listEndpointsInput) (*listed[ListedEndpoint], error) {
	after, err := in.afterID()
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.EndpointPage(ctx, store.EndpointQuery{
		Tenant: callerOf(ctx).tenant, Status: webhook.EndpointStatus(in.Status), Search: in.Search, After: after,
		Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	show, err := a.listedHealth(ctx, list)
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, show, func(e webhook.Endpoint) string { return e.ID.String() }), nil
}

func (a *API) getEndpoint(ctx context.Context, in *struct{ EndpointPath }) (*endpointAnswer, error) {
	e, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &endpointAnswer{ETag: etag(e.Version), Body: showEndpoint(e)}, nil
}

func (a *API) updateEndpoint(ctx context.Context, in *updateEndpointInput) (*endpointAnswer, error) {
	err := in.update(func() error {
		e, err := a.endpoint(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := in.check(e.Version); err != nil {
			return err
		}
		before := showEndpoint(e)
		url := e.URL
		if err := a.apply(&e, in.Body.URL, in.Body.EndpointFields); err != nil {
			return err
		}
		if e.URL != url {
			if err := a.askConsent(ctx, &e); err != nil {
				return err
			}
		}
		after := showEndpoint(e)
		after.Version++
		noted, err := a.noted(ctx, audited{"endpoint.update", e.ID.String(), before, after})
		if err != nil {
			return err
		}
		if in.Body.Headers == nil {
			e.Headers = nil // they stay as they are, also when they cannot be opened just now
		}
		return a.cfg.Store.UpdateEndpoint(noted, e)
	})
	if err != nil {
		return nil, err
	}
	return a.getEndpoint(ctx, &struct{ EndpointPath }{in.EndpointPath})
}

type changeStatusInput struct {
	EndpointPath
	Changing
}

// setStatus moves an endpoint to a status, unless it has it. What If-Match says holds for the move itself: when
// somebody is faster, the version is looked at again.
func (a *API) setStatus(
	ctx context.Context, in *changeStatusInput, verb string, to webhook.EndpointStatus,
) (*endpointAnswer, error) {
	err := in.update(func() error {
		e, err := a.endpoint(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := in.check(e.Version); err != nil || e.Status == to {
			return err
		}
		before := showEndpoint(e)
		after := before
		after.Status, after.Version = string(to), e.Version+1
		noted, err := a.noted(ctx, audited{"endpoint." + verb, e.ID.String(), before, after})
		if err != nil {
			return err
		}
		err = a.cfg.Store.ChangeEndpointStatus(noted, store.StatusChange{
			Tenant: e.Tenant, Endpoint: e.ID, Version: in.version(e.Version), Status: to, Reason: "by hand",
		})
		if err == nil && to == webhook.EndpointActive {
			a.cfg.HintEndpoint(wire.Endpoint{Endpoint: e.ID, Due: a.cfg.Now()})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.getEndpoint(ctx, &struct{ EndpointPath }{in.EndpointPath})
}

type resumeEndpointInput struct {
	EndpointPath
	Changing
	Body *struct {
		//nolint:lll // a tag cannot be broken
		Held string `json:"held,omitempty" enum:"release,drop" default:"release" doc:"What becomes of the deliveries that were held until now: release sends them, drop cancels them."`
	}
}

const heldDrop = "drop"

func (a *API) resumeEndpoint(ctx context.Context, in *resumeEndpointInput) (*resumedAnswer, error) {
	change := &changeStatusInput{in.EndpointPath, in.Changing}
	if in.Body == nil || in.Body.Held != heldDrop {
		got, err := a.setStatus(ctx, change, "resume", webhook.EndpointActive)
		if err != nil {
			return nil, err
		}
		return &resumedAnswer{ETag: got.ETag, Body: ResumedEndpoint{Endpoint: got.Body}}, nil
	}
	return a.dropHeld(ctx, change)
}

// dropHeld begins the job that drops what an endpoint holds, unless it is active and holds nothing.
func (a *API) dropHeld(ctx context.Context, in *changeStatusInput) (out *resumedAnswer, err error) {
	once := func(try func() error) error { return try() } // a conflict is then about the jobs, and stays
	if in.IfMatch != "" {
		once = in.update
	}
	err = once(func() error {
		e, err := a.endpoint(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := in.check(e.Version); err != nil {
			return err
		}
		out = &resumedAnswer{ETag: etag(e.Version), Body: ResumedEndpoint{Endpoint: showEndpoint(e)}}
		if e.Status == webhook.EndpointActive {
			return nil
		}
		out.Body.Job, err = a.startDrop(ctx, in, &out.Body.Endpoint, e.Tenant)
		return err
	})
	return out, err
}

// startDrop begins the job that drops what an endpoint holds, as it was read.
func (a *API) startDrop(ctx context.Context, in *changeStatusInput, read *Endpoint, tenant string) (*Job, error) {
	noted, err := a.noted(ctx, audited{action: "endpoint.resume_and_drop", target: read.ID.String(), before: *read})
	if err != nil {
		return nil, err
	}
	j, err := a.cfg.Store.StartJob(noted, store.Job{
		ID: a.ids.New(a.cfg.Now()), Tenant: tenant, Kind: store.JobDropHeld, Spec: store.JobSpec{Endpoint: read.ID},
		IfVersion: in.version(read.Version),
	})
	if err != nil {
		return nil, explainConflict(err, "the endpoint was deleted or resumed, or too many jobs are under way")
	}
	a.cfg.HintJobs()
	shown := showJob(j)
	return &shown, nil
}
