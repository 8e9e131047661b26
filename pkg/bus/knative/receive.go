package knative

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/bus"
)

// Handler returns the handler of the dispatchers' POSTs, to be mounted where the triggers' subscribers point. Its
// answers are chosen for the RabbitMQ broker's dispatcher, which sends again after 404, 408, 409, 429 and 5xx only:
//
//	204  the handler has taken the event, or Config.Undecodable has
//	404  no subscription matches: a trigger points here by mistake, and the event must not pass for delivered
//	405  not a POST
//	429  bus.ErrBusy, or no place within Config.Wait
//	503  the handler or Config.Undecodable returned an error, or the bus is closed
func (b *Bus) Handler() http.Handler { return http.HandlerFunc(b.serve) }

func (b *Bus) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if !b.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer b.work.Done()
	ctx, cancel := b.handlerContext(r)
	defer cancel()
	e, u, err := b.decode(w, r)
	switch {
	case err != nil: // the sender went away while sending; nobody reads the answer
		w.WriteHeader(http.StatusServiceUnavailable)
	case u != nil:
		answer(w, b.cfg.Undecodable(ctx, *u))
	default:
		b.hand(ctx, w, r, e)
	}
}

// enter counts the request in, unless the bus is closed.
func (b *Bus) enter() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.drained {
		return false
	}
	b.work.Add(1)
	return true
}

// handlerContext outlives the request's sender, so that work once begun is finished, and ends with the bus. It carries
// the trace: that of a middleware's span when there is one, else the request's own.
func (b *Bus) handlerContext(r *http.Request) (context.Context, context.CancelFunc) {
	ctx := context.WithoutCancel(r.Context())
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(b.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// decode returns the event of a request, or what it is instead; an error means that the request did not arrive whole.
func (b *Bus) decode(w http.ResponseWriter, r *http.Request) (*event.Event, *bus.Undecodable, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, b.cfg.MaxBody))
	var tooLong *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLong) {
		return nil, nil, err
	}
	var e *event.Event
	if err == nil {
		// Not r itself: the body is needed whole when it turns out not to be an event.
		message := cehttp.NewMessage(r.Header, io.NopCloser(bytes.NewReader(body)))
		e, err = binding.ToEvent(r.Context(), message)
	}
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		header := make(map[string]string, len(r.Header))
		for name, values := range r.Header {
			header[strings.ToLower(name)] = strings.Join(values, ",")
		}
		return nil, &bus.Undecodable{Header: header, Body: body, Err: err}, nil
	}
	return e, nil, nil
}

// hand gives the event to the subscription that it matches, when one of its places is free in time.
func (b *Bus) hand(ctx context.Context, w http.ResponseWriter, r *http.Request, e *event.Event) {
	s := b.match(e)
	if s == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	select {
	case s.places <- struct{}{}:
	default:
		timer := time.NewTimer(b.cfg.Wait)
		defer timer.Stop()
		select {
		case s.places <- struct{}{}:
		case <-timer.C:
			answer(w, bus.ErrBusy)
			return
		case <-r.Context().Done(): // it has not begun, and the sender will send it again
			answer(w, bus.ErrBusy)
			return
		}
	}
	defer func() { <-s.places }()
	answer(w, s.handler(ctx, *e))
}

// match returns the subscription that the event matches, the most particular one when there are several.
func (b *Bus) match(e *event.Event) *subscription {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var best *subscription
	for _, s := range b.subs {
		if s.Matches(e) && (best == nil || len(s.Filter) > len(best.Filter)) {
			best = s
		}
	}
	return best
}

// answer tells the dispatcher how it ended.
func answer(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, bus.ErrBusy):
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
