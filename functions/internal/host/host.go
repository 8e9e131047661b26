package host

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/functions/manage/api"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/clock"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Function attaches one function to a host: its routes, its subscriptions, and what it starts and stops.
type Function func(*Host) error

// Host is a process of one or more functions.
type Host struct {
	cfg    *config.Config
	log    *slog.Logger
	tel    *telemetry.Telemetry
	store  store.Store
	clock  *clock.Clock
	bus    bus.Bus
	policy webhook.Policy
	ids    webhook.IDSource
	hints  *hints
	// parking and accepts are made once for the functions that share them; parking is nil where there is none.
	parking *parking.Parking
	accepts *accept.Accepter
	// sender makes first attempts for what accepts, where deliver is in the same process and no bus spreads the work over
	// several; else nil.
	sender accept.Sender
	// strangers are those of all functions that authenticate.
	strangers *server.Strangers
	// undecodable, set before anything starts, takes what came from RabbitMQ and is no event; nil where nobody does.
	undecodable func(ctx context.Context, u bus.Undecodable) error

	awake awake // retry's, on Knative

	routes        routes
	manage        *api.API // nil where there is none
	server        *server.Server
	subscriptions []subscription
	// stopping ends when the process begins to stop, before its server waits for the requests under way.
	stopping context.Context
	stop     context.CancelFunc
	// services are what functions use, parts what they are, each in the order of their start.
	services, parts []server.Part
}

// routes are the handlers of the process by exact path. It is no http.ServeMux, for that answers untidy paths with a
// redirect, which a broker takes for success: the event would be gone.
type routes map[string]http.Handler

// ServeHTTP answers 404 for any path but those of the process.
func (r routes) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if handler, ok := r[req.URL.Path]; ok {
		handler.ServeHTTP(w, req)
		return
	}
	server.WriteProblem(w, server.Problem{Kind: server.KindNotFound})
}

// handler answers for all functions of the process. The API answers for its paths, but where another function has the
// very path, as ingest has POST /v1/events.
func (h *Host) handler() http.Handler {
	if h.manage == nil {
		return h.routes
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, taken := h.routes[r.URL.Path]
		if api.Serves(r.URL.Path) && (!taken || r.Method == http.MethodGet || r.Method == http.MethodHead) {
			h.manage.ServeHTTP(w, r)
			return
		}
		h.routes.ServeHTTP(w, r)
	})
}

// subscription is a trigger's events with the handler that takes them.
type subscription struct {
	bus.Subscription
	handler bus.Handler
}

// New makes a host of functions from valid settings. local is the process's own clock: time.Now, or in tests one that
// is wrong. Deliver comes before what accepts, which it then makes first attempts for. It connects to nothing yet.
// Errors: settings that cannot be used.
func New(cfg *config.Config, log *slog.Logger, local func() time.Time, functions ...Function) (*Host, error) {
	keepHeadroom()
	h := &Host{cfg: cfg, log: log, policy: cfg.WebhookPolicy(), routes: make(routes)}
	h.stopping, h.stop = context.WithCancel(context.Background())
	if err := h.open(local); err != nil {
		return nil, err
	}
	for _, attach := range functions {
		if err := attach(h); err != nil {
			return nil, err
		}
	}
	h.listen()
	return h, nil
}

// listen makes the server, which is started last and stopped first.
func (h *Host) listen() {
	address, setting := h.cfg.ListenAddress()
	h.server = server.New(server.Config{
		Addr: address, Setting: setting, Handler: h.handler(), Ready: h.ready, Metrics: h.tel.MetricsHandler(),
		MetricsAddr: h.cfg.MetricsAddress(), DrainDelay: h.cfg.Server.DrainDelay, Logger: h.log,
	})
}

// strangersOnce returns what bounds requests without a key, the same for all functions of the process.
func (h *Host) strangersOnce() *server.Strangers {
	if h.strangers == nil {
		c := &h.cfg.Security
		h.strangers = server.NewStrangers(c.WrongKeysPerMinute, c.TrustedProxies, h.clock.Now)
	}
	return h.strangers
}

// ready says whether the process can do its work. That the store is away is no reason: ingest parks and says so,
// deliver goes on recording, and a restart would not help.
func (h *Host) ready(context.Context) error { return h.clock.Check() }

// Run starts everything, says so on started, and goes on until ctx ends or a part fails. Errors: what went wrong.
func (h *Host) Run(ctx context.Context, started func()) error {
	parts := append([]server.Part{}, h.services...)
	parts = append(parts, h.parts...)
	parts = append(parts,
		server.Part{Name: "subscriptions", Start: h.subscribe, Stop: h.drain},
		h.server.Part("server"),
		server.Part{
			Name:  "started",
			Start: func(context.Context) error { started(); return nil },
			Stop:  func(context.Context) error { h.stop(); return nil },
		},
	)
	return server.Run(ctx, h.log, h.cfg.Server.ShutdownTimeout, parts...)
}

// Addr is the address that the host listens on, once it has started.
func (h *Host) Addr() string { return h.server.Addr() }

// Store is the store that the host works on.
func (h *Host) Store() store.Store { return h.store }

// subscribe takes up the subscriptions, when all that handles them has started.
func (h *Host) subscribe(context.Context) error {
	for _, s := range h.subscriptions {
		if err := h.bus.Subscribe(s.Subscription, s.handler); err != nil {
			return fmt.Errorf("host: subscribe %s: %w", s.Name, err)
		}
	}
	return nil
}

// drain stops taking events where the bus can, before what handles them stops.
func (h *Host) drain(ctx context.Context) error {
	if b, ok := h.bus.(interface{ Drain(context.Context) error }); ok {
		return b.Drain(ctx)
	}
	return nil
}

// loop runs f until the part is stopped.
func loop(name string, f func(ctx context.Context)) server.Part {
	var end context.CancelFunc
	done := make(chan struct{})
	return server.Part{
		Name: name,
		Start: func(ctx context.Context) error {
			ctx, end = context.WithCancel(context.WithoutCancel(ctx))
			go func() {
				defer close(done)
				f(ctx)
			}()
			return nil
		},
		Stop: func(ctx context.Context) error {
			end()
			select {
			case <-done:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// every calls f now and then once in each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func(ctx context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
