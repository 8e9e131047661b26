// Package knative is the bus on Knative Eventing: events leave as CloudEvents in binary mode over HTTP to the brokers'
// ingresses, and arrive as POSTs from the dispatchers of the triggers.
//
// It owns the HTTP in both directions. It promises that Publish returns nil only for an event that a broker has
// answered for (202 or 200), that a retry of it keeps its id, and that every answer given to a dispatcher is one that
// the RabbitMQ broker v0.48 understands as meant: it takes 3xx and most of 4xx for success and loses the event, so what
// shall come again is answered 429 or 503, and what cannot be used 204, after telling Config.Undecodable. It never
// uses the SDK's own receiver, which stalls under concurrency, and never keeps an event.
package knative

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"go.opentelemetry.io/otel/propagation"

	"github.com/homing-hooks/homing/pkg/bus"
)

// Defaults of Config.
const (
	TriesDefault      = 3
	DelayDefault      = 100 * time.Millisecond
	TryTimeoutDefault = 5 * time.Second
	MaxBodyDefault    = 1 << 20
	WaitDefault       = time.Second

	connections = 128 // kept open to each broker's ingress; the standard library's 2 would open one for nearly every event
)

// Config is how a Bus behaves. Only Sinks has no default.
type Config struct {
	// Sinks is the URL of each broker's ingress, by the broker's name, for instance from K_SINK. A function that only
	// receives needs none.
	Sinks map[string]string
	// Transport sends. Defaults to one of its own with keep-alive connections enough, and no proxy.
	Transport http.RoundTripper
	// Tries is how often Publish sends an event that is not taken; TryTimeout is how long one try may last; Delay is
	// the pause before the second try, and each further pause is twice as long. Default to TriesDefault,
	// TryTimeoutDefault, DelayDefault.
	Tries             int
	TryTimeout, Delay time.Duration
	// MaxBody is how many bytes the body of an event that arrives may have. Defaults to MaxBodyDefault.
	MaxBody int64
	// Wait is how long an event that arrives waits for one of the Parallelism places of its subscription before it is
	// answered 429. Defaults to WaitDefault.
	Wait time.Duration
	// Undecodable is given what arrived and is not an event; nil from it means that it is taken care of and must not come
	// again, an error that it must. Nil means that such requests are forgotten.
	Undecodable func(ctx context.Context, u bus.Undecodable) error
}

// Bus is a bus.Bus on Knative Eventing. Make one with New.
type Bus struct {
	cfg    Config
	client *http.Client
	sinks  map[string]*url.URL
	ctx    context.Context
	end    context.CancelFunc
	work   sync.WaitGroup // the requests being handled

	mu      sync.RWMutex
	subs    []*subscription
	drained bool // nothing more is handed over
	closed  bool // nor published
}

type subscription struct {
	bus.Subscription
	handler bus.Handler
	places  chan struct{}
}

var (
	_ bus.Bus = (*Bus)(nil)

	// The dispatcher knows the W3C trace context and no other propagation.
	propagator = propagation.TraceContext{}
)

// New returns a bus with no subscriptions. It fails on a sink that is not an http or https URL.
func New(cfg Config) (*Bus, error) {
	cfg.Tries = cmp.Or(cfg.Tries, TriesDefault)
	cfg.Delay = cmp.Or(cfg.Delay, DelayDefault)
	cfg.TryTimeout = cmp.Or(cfg.TryTimeout, TryTimeoutDefault)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, MaxBodyDefault)
	cfg.Wait = cmp.Or(cfg.Wait, WaitDefault)
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			MaxIdleConns: 2 * connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: 90 * time.Second,
		}
	}
	if cfg.Undecodable == nil {
		cfg.Undecodable = func(context.Context, bus.Undecodable) error { return nil }
	}
	b := &Bus{cfg: cfg, sinks: make(map[string]*url.URL, len(cfg.Sinks))}
	for broker, sink := range cfg.Sinks {
		u, err := url.Parse(sink)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("knative bus: the sink of %s is not an http URL", broker)
		}
		b.sinks[broker] = u
	}
	b.client = &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	b.ctx, b.end = context.WithCancel(context.Background())
	return b, nil
}

// Publish sends the event to the broker's ingress. When the ingress cannot be reached, is overloaded or broken, it
// tries again, with the same event id, up to Config.Tries times while ctx lasts, and then returns bus.ErrUnavailable:
// the broker may have the event all the same. Any other answer is an error at once.
func (b *Bus) Publish(ctx context.Context, broker string, e event.Event) error {
	sink, ok := b.sinks[broker]
	if !ok {
		return fmt.Errorf("knative bus: publish: no sink for broker %q", broker)
	}
	if err := bus.Check(&e); err != nil {
		return fmt.Errorf("knative bus: publish to %s: %w", broker, err)
	}
	if b.isClosed() {
		return fmt.Errorf("knative bus: publish: closed: %w", bus.ErrUnavailable)
	}
	delay := b.cfg.Delay
	for try := 1; ; try++ {
		again, err := b.send(ctx, sink, &e)
		if err == nil {
			return nil
		}
		if !again {
			return fmt.Errorf("knative bus: publish to %s: %w", broker, err)
		}
		if try == b.cfg.Tries || !pause(ctx, delay) {
			return fmt.Errorf("knative bus: publish to %s: %w: %w", broker, bus.ErrUnavailable, err)
		}
		delay *= 2
	}
}

// send makes one POST, and reports whether another may fare better.
func (b *Bus) send(ctx context.Context, sink *url.URL, e *event.Event) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.TryTimeout)
	defer cancel()
	request := (&http.Request{
		Method: http.MethodPost, URL: sink, Host: sink.Host, Header: make(http.Header, 12),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	// Binary mode whatever the context says: the dispatcher sends it on in binary mode anyway.
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), (*binding.EventMessage)(e), request); err != nil {
		return false, err
	}
	propagator.Inject(ctx, propagation.HeaderCarrier(request.Header))
	response, err := b.client.Do(request)
	if err != nil {
		if named, ok := errors.AsType[*url.Error](err); ok {
			err = named.Err
		}
		return true, err
	}
	// Read, so that the connection can be used again; but not for ever.
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	response.Body.Close()
	switch status := response.StatusCode; {
	case status == http.StatusAccepted || status == http.StatusOK:
		return false, nil
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout, status == http.StatusNotFound: // 404: the ingress is not there yet
		return true, fmt.Errorf("answered %d", status)
	default:
		return false, fmt.Errorf("answered %d", status)
	}
}

func (b *Bus) isClosed() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.closed
}

// pause waits, and reports whether it did so to the end.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Subscribe makes Handler hand the events that match to h. Which events arrive is up to the triggers; when an event
// matches several subscriptions, the one that filters on the most attributes gets it. A name can be taken once.
func (b *Bus) Subscribe(s bus.Subscription, h bus.Handler) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drained {
		return fmt.Errorf("knative bus: subscribe %s: closed: %w", s.Name, bus.ErrUnavailable)
	}
	for _, other := range b.subs {
		if other.Name == s.Name {
			return fmt.Errorf("knative bus: subscribe %s: the name is taken", s.Name)
		}
	}
	s.Filter = maps.Clone(s.Filter)
	b.subs = append(b.subs, &subscription{s, h, make(chan struct{}, max(s.Parallelism, 1))})
	return nil
}

// Drain makes Handler answer 503, and waits until the handlers at work have returned. Publish still works.
func (b *Bus) Drain(ctx context.Context) error {
	b.mu.Lock()
	b.drained = true
	b.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("knative bus: drain: %w", ctx.Err())
	}
}

// Close drains, then makes Publish answer bus.ErrUnavailable, and closes idle connections. When ctx ends first, it ends
// the handlers' contexts and returns the reason of ctx.
func (b *Bus) Close(ctx context.Context) error {
	err := b.Drain(ctx)
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.client.CloseIdleConnections()
	return err
}
