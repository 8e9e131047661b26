package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// The limits of every server. They bound what a client can hold, and leave alone how long a handler may take.
const (
	// ReadHeaderTimeout is how long the headers of a request may take to arrive.
	ReadHeaderTimeout = 10 * time.Second
	// ReadTimeout is how long a request may take to arrive with its body. It ends with the body: requests may be held for
	// much longer.
	ReadTimeout = 30 * time.Second
	// IdleTimeout is how long a connection is kept without a request. It is longer than the minute or so that load
	// balancers keep theirs, so that it is they who close.
	IdleTimeout = 120 * time.Second
	// MaxHeaderBytes bounds the headers of a request.
	MaxHeaderBytes = 64 << 10
	// maxStreams bounds the requests at one time on an HTTP/2 connection: queue-proxy puts all of them on a few.
	maxStreams = 1000
	// readyTimeout bounds one question whether the process is ready.
	readyTimeout = 2 * time.Second
)

// Config is what a Server is made of.
type Config struct {
	// Addr is where to listen, host:port; port 0 takes any that is free.
	Addr string
	// Setting is the name of the setting that Addr comes from, for the error when the port is taken.
	Setting string
	// Handler answers everything but the three paths of this package. nil answers 404.
	Handler http.Handler
	// Ready says whether the process can do its work; the text of its error is shown at /readyz, so it must hold nothing
	// secret. nil means that it can.
	Ready func(ctx context.Context) error
	// Metrics answers /metrics; nil means that there is none.
	Metrics http.Handler
	// MetricsAddr is where /metrics is instead of Addr; "" means at Addr.
	MetricsAddr string
	// DrainDelay is how long Shutdown waits, after the process has become unready, until it stops listening; 0 is right
	// where somebody else has made sure that no more requests come.
	DrainDelay time.Duration
	// Logger gets what goes wrong; nil means slog's default logger.
	Logger *slog.Logger
}

// Server is an HTTP server, in this order: [New], [Server.Listen], [Server.Serve], [Server.Shutdown].
type Server struct {
	cfg      Config
	main     *http.Server
	metrics  *http.Server // nil when /metrics is at the main address
	listener net.Listener
	scrapes  net.Listener // nil when /metrics is at the main address
	ending   atomic.Bool
}

// New returns a server that does not listen yet.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Handler == nil {
		cfg.Handler = http.NotFoundHandler()
	}
	s := &Server{cfg: cfg}
	own := paths{
		"/healthz": func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") },
		"/readyz":  s.readyz,
	}
	if cfg.Metrics != nil && cfg.MetricsAddr == "" {
		own["/metrics"] = cfg.Metrics.ServeHTTP
	}
	s.main = s.httpServer(recovered(cfg.Logger, own.before(cfg.Handler)))
	if cfg.Metrics != nil && cfg.MetricsAddr != "" {
		apart := paths{"/metrics": cfg.Metrics.ServeHTTP}
		s.metrics = s.httpServer(recovered(cfg.Logger, apart.before(http.NotFoundHandler())))
	}
	return s
}

// paths are the paths of this package. It is not a http.ServeMux because that redirects what it finds untidy ("//"),
// and a redirect counts as success with the broker: the event would be lost.
type paths map[string]http.HandlerFunc

// before answers GET and HEAD of the paths, and leaves everything else to next.
func (p paths) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ours := p[r.URL.Path]
		if ours && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			h(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// httpServer returns a server with our limits.
func (s *Server) httpServer(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ReadHeaderTimeout: ReadHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug), // what broken clients do
	}
}

// Listen takes the addresses. Errors name the address and the setting that it comes from.
func (s *Server) Listen(ctx context.Context) error {
	var err error
	if s.listener, err = listen(ctx, s.cfg.Addr, s.cfg.Setting); err != nil {
		return err
	}
	if s.metrics != nil {
		if s.scrapes, err = listen(ctx, s.cfg.MetricsAddr, "HOMING_METRICS_LISTEN"); err != nil {
			return errors.Join(err, s.listener.Close())
		}
	}
	return nil
}

// listen takes an address.
func listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("server: %s is in use by another program: stop that, or set %s to another address: %w",
			addr, setting, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("server: not allowed to listen on %s: set %s to a port above 1023: %w", addr, setting, err)
	default:
		return nil, fmt.Errorf("server: listen on %s (from %s): %w", addr, setting, err)
	}
}

// Addr is where the server listens: the address of Config with the port that it has got. It is "" before Listen.
func (s *Server) Addr() string { return addrOf(s.listener) }

// MetricsAddr is where /metrics is; it is "" before Listen, and when there is none.
func (s *Server) MetricsAddr() string {
	switch {
	case s.metrics != nil:
		return addrOf(s.scrapes)
	case s.cfg.Metrics != nil:
		return s.Addr()
	default:
		return ""
	}
}

func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// Serve answers requests until Shutdown, and then returns nil. Another error ends the process's usefulness.
func (s *Server) Serve() error {
	failed := make(chan error, 2)
	go func() { failed <- s.main.Serve(s.listener) }()
	servers := 1
	if s.metrics != nil {
		servers++
		go func() { failed <- s.metrics.Serve(s.scrapes) }()
	}
	var errs []error
	for range servers {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("server: serve: %w", err), s.main.Close())
			if s.metrics != nil {
				errs = append(errs, s.metrics.Close())
			}
		}
	}
	return errors.Join(errs...)
}

// Shutdown makes the process unready, waits for Config.DrainDelay, stops listening, and waits for the requests in
// flight. When ctx ends first, it cuts them off and returns the cause. /metrics goes last. A second call does not
// wait for the delay.
func (s *Server) Shutdown(ctx context.Context) error {
	first := !s.ending.Swap(true)
	if first && s.cfg.DrainDelay > 0 {
		pause := time.NewTimer(s.cfg.DrainDelay)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	err := drain(ctx, s.main)
	if s.metrics != nil {
		err = errors.Join(err, drain(ctx, s.metrics))
	}
	return err
}

// drain shuts one server down, by force when ctx ends first.
func drain(ctx context.Context, s *http.Server) error {
	err := s.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("server: requests were cut off: %w", err), s.Close())
}

// readyz says whether the process can do its work.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if s.ending.Load() {
		WriteProblem(w, Problem{Kind: KindUnavailable, Detail: "shutting down"})
		return
	}
	if s.cfg.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.cfg.Ready(ctx); err != nil {
			WriteProblem(w, Problem{Kind: KindUnavailable, Detail: err.Error()})
			return
		}
	}
	text(w, http.StatusOK, "ready\n")
}

// text answers with a line for people and probes.
func text(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(line)) // the client has gone
}
