package api

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Version is that of the API's document; the first number is that of the path, /v1.
const Version = "1.0.0"

// Paths of what the API serves besides /v1.
const (
	PathDocument  = "/openapi.json"
	PathReference = "/docs"
)

// maxBody bounds a request's body.
const maxBody = 256 << 10

// Config is what an API is made of. Every field is required but where it says otherwise.
type Config struct {
	Store store.Store
	// Policy plans deliveries.
	Policy webhook.Policy
	// Hint says that deliveries are due, HintEndpoint that an endpoint may have work. They must not block, and may lose
	// what they are told.
	Hint         func(due ...wire.Due)
	HintEndpoint func(endpoints ...wire.Endpoint)
	// HintJobs says that a job has begun, or that rejected events wait to be taken again; likewise.
	HintJobs func()
	// CheckURL refuses URLs that could never be delivered to; its error is for whoever registers one.
	CheckURL func(raw string) error
	// Handshake asks an endpoint for its consent (CloudEvents HTTP webhook 1.0.2, section 4), to that many attempts a
	// minute where that is not 0. Its error says what the endpoint answered, for whoever registers it. nil: nobody can be
	// asked.
	Handshake func(ctx context.Context, url string, perMinute int) (webhook.Consent, error)
	// AskConsent is whether endpoints are asked when they are created or get another URL, NeedConsent whether those that
	// do not consent are refused.
	AskConsent, NeedConsent bool
	// Now is the store's time, as well as this process knows it.
	Now func() time.Time
	// SecretOverlap is how long old secrets go on signing after a rotation that names no time.
	SecretOverlap time.Duration
	// PerMinute is how many requests a minute an API key may make; 0 means no bound.
	PerMinute int
	// Strangers bounds requests without a valid API key; default: no bound.
	Strangers *server.Strangers
	Log       *slog.Logger
	Metrics   *Metrics
}

// API is the management API. It is an http.Handler.
type API struct {
	cfg       Config
	ids       webhook.IDSource
	mux       *http.ServeMux
	huma      huma.API
	limit     *server.Limiter
	reference []byte
}

// New makes the API.
func New(cfg Config) *API {
	useProblems()
	if cfg.Strangers == nil {
		cfg.Strangers = server.NewStrangers(0, nil, cfg.Now)
	}
	a := &API{cfg: cfg, mux: http.NewServeMux(), limit: server.NewLimiter(cfg.PerMinute, cfg.Now)}
	a.huma = humago.New(a.mux, description())
	a.huma.UseMiddleware(a.measure, a.authenticate)
	a.registerTenants()
	a.registerKeys()
	a.registerEndpoints()
	a.registerSecrets()
	a.registerDryRun()
	a.registerEvents()
	a.registerDeliveries()
	a.registerReplays()
	a.registerJobs()
	a.registerRejected()
	a.registerAudit()
	a.registerEventTypes()
	a.registerTest()
	a.registerHandshake()
	a.registerPortal()
	a.registerErase()
	a.registerRedrive()
	a.registerWellKnown()
	a.registerStats()
	a.documentSending()
	cfg.Metrics.precreate(a.huma.OpenAPI())
	a.reference = renderReference(a.huma.OpenAPI())
	a.mux.HandleFunc("GET "+PathReference, a.serveReference)
	return a
}

// description is the frame of the document.
func description() huma.Config {
	c := huma.DefaultConfig("Homing", Version)
	c.Info.Description = "Takes events as CloudEvents (POST /v1/events), manages what webhooks are sent where, and " +
		"shows what became of them. Sending is served by ingest, everything else by manage: in one process that makes no " +
		"difference, on Knative each has a host of its own. The guide is in docs/api."
	c.DocsPath, c.SchemasPath = "", "" // /docs is our own: huma's pages load scripts from elsewhere
	c.CreateHooks = nil                // no $schema in answers
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{scheme: {
		Type: "http", Scheme: "bearer",
		Description: "An API key, hmk_…, as `homing key create` or POST /v1/keys makes it. The words beside it are the " +
			"scopes that it needs; admin stands for all of them.",
	}}
	c.Tags = []*huma.Tag{
		{Name: "Tenants", Description: "Who owns endpoints and events. For operators."},
		{Name: "Keys", Description: "The API keys of a tenant, and of operators."},
		{Name: "Endpoints", Description: "Where events are sent, which ones, and how they are signed."},
		{Name: "Event types", Description: "The catalogue: what events there are, and what their data look like."},
		{Name: "Events", Description: "Sending them, and what was accepted."},
		{Name: "Deliveries", Description: "What became of each event for each endpoint, attempt by attempt."},
		{Name: "Replays", Description: "Sending again what was sent before, and for the first time what was missed."},
		{Name: "Jobs", Description: "Bulk work: how far it is, and what can be done about it."},
		{Name: "Rejected events", Description: "What came from a broker and could not be accepted, with the reason."},
		{Name: "Statistics", Description: "What was accepted, attempted and ended, in buckets of time."},
		{Name: "Public keys", Description: "What receivers verify signatures with. For everybody, without a key."},
		{Name: "Audit", Description: "Every change that was made through this API."},
	}
	return c
}

// Document is the OpenAPI document, as it is served.
func (a *API) Document() *huma.OpenAPI { return a.huma.OpenAPI() }

// Serves reports whether a path is one of the API's.
func Serves(path string) bool {
	return strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, wellKnown) ||
		strings.HasPrefix(path, "/openapi") || path == PathReference
}

// ServeHTTP answers. Paths that are no routes, and methods that do not go with theirs, get problem documents as well;
// untidy paths are no routes, for a redirect would make a GET of a POST.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Clean(r.URL.Path) != r.URL.Path {
		server.WriteProblem(w, server.Problem{Kind: server.KindNotFound})
		return
	}
	handler, pattern := a.mux.Handler(r)
	if pattern != "" {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		a.mux.ServeHTTP(w, r)
		return
	}
	probe := &probe{header: make(http.Header)}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		server.WriteProblem(w, server.Problem{Kind: server.KindMethod})
		return
	}
	server.WriteProblem(w, server.Problem{Kind: server.KindNotFound})
}

// probe learns which error http.ServeMux would answer with.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// operation is a route: what it is called, whose it is, and what it needs.
type operation struct {
	id, method, path, tag, summary, description string
	scope                                       webhook.Scope
	realm                                       realm
	// public is whether everybody may ask, without a key; then there is no scope, and no caller.
	public bool
	// status is that of success; 0 means 200.
	status int
	// errors are the statuses that it may answer with, besides those that any route may.
	errors []int
}

// register adds a route to the API. Errors of the handler become problems.
func register[I, O any](a *API, o operation, handle func(context.Context, *I) (*O, error)) {
	general := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests,
		http.StatusServiceUnavailable}
	if o.method != http.MethodGet {
		general = append(general, http.StatusBadRequest, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType)
	}
	security := []map[string][]string{{scheme: {string(o.scope)}}}
	if o.public {
		security = []map[string][]string{}
		general = []int{http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	}
	huma.Register(a.huma, huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Tags: []string{o.tag}, Summary: o.summary,
		Description: o.description, DefaultStatus: o.status, Errors: append(general, o.errors...), MaxBodyBytes: -1,
		Security: security,
		Metadata: map[string]any{metadata: o},
	}, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
}
