// Package bustest holds every back end of pkg/bus to one contract: a conformance suite, a benchmark, and a stand-in for
// a Knative broker that the suite needs for HTTP.
//
// To add a back end, write a Harness for it and call Run and Bench from its tests, with goleak in its TestMain.
//
// The suite promises to depend on no back end's speed: it waits for what must happen, and proves what must not happen
// by something later that does. It does not test durability, outages or limits of memory, which differ by design; each
// back end's own tests do.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
)

// patience is how long the suite waits for what must happen.
const patience = 30 * time.Second

// Harness is one set of brokers, shared by nobody else.
type Harness struct {
	// Join returns the bus of one more process on the brokers; the same bus again where there can be one process only.
	// The suite closes it, maybe more than once.
	Join func(t testing.TB) bus.Bus
	// InProcess says that the brokers end with the bus.
	InProcess bool
	// Tries is how often at least an event is handed to a handler that fails, before it is given up.
	Tries int
}

// probe is the extension that marks the events by which the suite finds out that a subscription has begun.
const probe = "probe"

// process is a bus and what its subscription has been handed.
type process struct {
	bus.Bus
	t     testing.TB
	ready chan struct{}
	once  sync.Once

	mu  sync.Mutex
	got []event.Event
}

func join(t testing.TB, h Harness) *process {
	t.Helper()
	p := &process{Bus: h.Join(t), t: t, ready: make(chan struct{})}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, p.Close(ctx))
	})
	return p
}

// subscribe begins a subscription whose events go to h, then into p.got, and waits until it has begun.
func (p *process) subscribe(s bus.Subscription, h bus.Handler) {
	p.t.Helper()
	if s.Broker == "" {
		s.Broker = bus.BrokerDeliveries
	}
	s.Parallelism = max(s.Parallelism, 1)
	err := p.Subscribe(s, func(ctx context.Context, e event.Event) error {
		if _, ok := e.Extensions()[probe]; ok {
			p.once.Do(func() { close(p.ready) })
			return nil
		}
		if err := h(ctx, e); err != nil {
			return err
		}
		p.mu.Lock()
		p.got = append(p.got, e)
		p.mu.Unlock()
		return nil
	})
	require.NoError(p.t, err)
	p.probe(s)
}

// probe publishes until the subscription has handed an event over: one that began late has missed those before.
func (p *process) probe(s bus.Subscription) {
	p.t.Helper()
	e := newEvent("probe")
	e.SetExtension(probe, "1")
	for name, value := range s.Filter {
		set(&e, name, value)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		// An error is fine here: a bus that is still connecting has none to take the event.
		_ = p.Publish(p.t.Context(), s.Broker, e)
		select {
		case <-p.ready:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	require.FailNow(p.t, "the subscription has not begun", s.Name)
}

// publish must succeed.
func (p *process) publish(events ...event.Event) {
	p.t.Helper()
	for _, e := range events {
		require.NoError(p.t, p.Publish(p.t.Context(), bus.BrokerDeliveries, e))
	}
}

// closing waits until the bus takes no more subscriptions.
func (p *process) closing() {
	p.t.Helper()
	n := 0
	require.Eventually(p.t, func() bool {
		n++
		late := bus.Subscription{Name: fmt.Sprint("late-", n), Broker: bus.BrokerDeliveries, Parallelism: 1}
		return errors.Is(p.Subscribe(late, take), bus.ErrUnavailable)
	}, patience, time.Millisecond)
}

// ids returns the ids of the events that have been taken.
func (p *process) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make([]string, len(p.got))
	for i := range p.got {
		ids[i] = p.got[i].ID()
	}
	return ids
}

// taken waits until so many events have been taken, and returns them.
func (p *process) taken(n int) []event.Event {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return len(p.ids()) >= n }, patience, time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Len(p.t, p.got, n)
	return append([]event.Event(nil), p.got...)
}

func newEvent(id string) event.Event {
	e := event.New()
	e.SetID(id)
	e.SetSource("/bustest")
	e.SetType("test")
	e.SetTime(time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC))
	e.SetDataContentType("application/json")
	e.DataEncoded = fmt.Appendf(nil, `{"event":%q}`, id)
	return e
}

// set sets an attribute by its name.
func set(e *event.Event, name, value string) {
	switch name {
	case "type":
		e.SetType(value)
	case "source":
		e.SetSource(value)
	case "subject":
		e.SetSubject(value)
	default:
		e.SetExtension(name, value)
	}
}

func newEvents(n int) (events []event.Event, ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("event-%d", i))
		events = append(events, newEvent(ids[i]))
	}
	return events, ids
}

func take(context.Context, event.Event) error { return nil }

// recv waits for a value.
func recv[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain", what)
		panic("unreachable")
	}
}
