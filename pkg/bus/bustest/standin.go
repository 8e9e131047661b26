package bustest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/homing-hooks/homing/pkg/bus"
)

// StandIn behaves as one broker of Knative Eventing on RabbitMQ (v0.48) does towards HTTP: an ingress that takes single
// CloudEvents, and for each trigger a dispatcher that POSTs them to a subscriber. Its queues are in memory and have no
// bound. What it copies of the real one's oddities: an event that no trigger matches is accepted and gone; 3xx and most
// of 4xx from a subscriber count as success; at most 100 requests of a trigger are in flight; of propagation only the
// W3C trace context's headers pass; the time between tries starts at twice the delay and doubles.
type StandIn struct {
	// Retries is how often an event is sent again after the first time; Delay is the base of the pauses in between.
	Retries int
	Delay   time.Duration

	server   *httptest.Server
	client   *http.Client
	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	work     sync.WaitGroup
	mu       sync.Mutex
	triggers []*trigger
}

// trigger is a subscription with its queue and its subscribers, who take turns.
type trigger struct {
	bus.Subscription
	mu          sync.Mutex
	subscribers []string
	turn        int
	queue       []passing
	places      int // how many more requests may be in flight
}

// passing is an event on its way, with the headers that travel beside it.
type passing struct {
	event  event.Event
	header http.Header
}

// NewStandIn starts a broker on a port of its own.
func NewStandIn(retries int, delay time.Duration) *StandIn {
	s := &StandIn{
		Retries: retries, Delay: delay,
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 100},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.server = httptest.NewServer(http.HandlerFunc(s.ingress))
	return s
}

// URL is the ingress's address.
func (s *StandIn) URL() string { return s.server.URL + "/" }

// AddTrigger subscribes a URL; with a name that is there already, the URL shares that trigger's events.
func (s *StandIn) AddTrigger(sub bus.Subscription, subscriber string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.triggers {
		if t.Name == sub.Name {
			t.mu.Lock()
			t.subscribers = append(t.subscribers, subscriber)
			t.mu.Unlock()
			return
		}
	}
	const mostInFlight = 100
	s.triggers = append(s.triggers, &trigger{
		Subscription: sub, subscribers: []string{subscriber}, places: min(max(sub.Parallelism, 1), mostInFlight),
	})
}

// Close stops the broker at once; what is queued is gone.
func (s *StandIn) Close() {
	s.stop()
	s.work.Wait()
	s.server.Close()
	s.client.CloseIdleConnections()
}

func (s *StandIn) ingress(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case r.RequestURI != "/":
		w.WriteHeader(http.StatusNotFound)
		return
	}
	e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
	if err != nil || e.Validate() != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p := passing{event: *e, header: http.Header{}}
	for _, name := range []string{"Traceparent", "Tracestate"} {
		if v := r.Header.Get(name); v != "" {
			p.header.Set(name, v)
		}
	}
	s.mu.Lock()
	triggers := s.triggers
	s.mu.Unlock()
	for _, t := range triggers {
		if t.Matches(e) {
			t.mu.Lock()
			t.queue = append(t.queue, p)
			t.mu.Unlock()
			s.dispatch(t)
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

// dispatch starts sending what waits, as far as there are places.
func (s *StandIn) dispatch(t *trigger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.places > 0 && len(t.queue) > 0 && s.ctx.Err() == nil {
		t.places--
		p := t.queue[0]
		t.queue = t.queue[1:]
		subscriber := t.subscribers[t.turn%len(t.subscribers)]
		t.turn++
		s.work.Go(func() {
			s.deliver(p, subscriber)
			t.mu.Lock()
			t.places++
			t.mu.Unlock()
			s.dispatch(t)
		})
	}
}

// deliver sends an event until it counts as delivered, or the tries are used up.
func (s *StandIn) deliver(p passing, subscriber string) {
	delay := 2 * s.Delay
	for try := 0; ; try++ {
		if s.post(p, subscriber) || try == s.Retries {
			return
		}
		select {
		case <-time.After(delay):
			delay *= 2
		case <-s.ctx.Done():
			return
		}
	}
}

// post sends an event once, and reports whether that counts as delivered.
func (s *StandIn) post(p passing, subscriber string) bool {
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, subscriber, nil)
	if err != nil {
		return true
	}
	maps.Copy(request.Header, p.header)
	if err := cehttp.WriteRequest(binding.WithForceBinary(s.ctx), binding.ToMessage(&p.event), request); err != nil {
		return true // what cannot be sent is acknowledged and dropped
	}
	response, err := s.client.Do(request)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	switch status := response.StatusCode; {
	case status >= http.StatusInternalServerError:
		return false
	case status == http.StatusNotFound, status == http.StatusRequestTimeout,
		status == http.StatusConflict, status == http.StatusTooManyRequests:
		return false
	default:
		return true
	}
}
