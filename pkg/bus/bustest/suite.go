package bustest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/bus"
)

// Run runs the suite; open is called once a test, and its harness is for that test alone.
func Run(t *testing.T, open func(t testing.TB) Harness) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, h Harness){
		"HandsOverWhatMatchesTheFilterExactly": filters,
		"TellsBrokersApart":                    brokers,
		"HandsEveryEventToEachSubscription":    fanOut,
		"SharesEventsAmongConsumersOfOneName":  share,
		"KeepsToItsParallelism":                parallelism,
		"HandsOverAgainAfterAnError":           func(t *testing.T, h Harness) { again(t, h, false) },
		"HandsOverAgainAfterAnErrorDurably":    func(t *testing.T, h Harness) { again(t, h, true) },
		"GoesOnBesideAnEventThatFails":         func(t *testing.T, h Harness) { besideFailure(t, h, false) },
		"GoesOnBesideAnEventThatFailsDurably":  func(t *testing.T, h Harness) { besideFailure(t, h, true) },
		"CarriesTheTrace":                      traces,
		"KeepsEveryByte":                       bytesIntact,
		"RefusesWhatIsNoCloudEvent":            refuses,
		"TakesManyPublishersAtOnce":            concurrent,
		"LetsAHandlerPublish":                  publishInside,
		"DrainWaitsForTheHandlersAtWork":       drains,
		"CloseWaitsForTheHandlersAtWork":       closeWaits,
		"CloseGivesUpWhenItsContextEnds":       closeGivesUp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func filters(t *testing.T, h Harness) {
	wants := map[string]struct {
		filter map[string]string
		ids    []string
	}{
		"all":       {nil, []string{"a", "a0", "a1", "b0", "aa", "upper", "sub", "end"}},
		"type":      {map[string]string{"type": "a"}, []string{"a", "a0", "a1", "sub", "end"}},
		"partition": {map[string]string{"type": "a", "partition": "0"}, []string{"a0", "end"}},
		"subject":   {map[string]string{"subject": "s"}, []string{"sub", "end"}},
	}
	processes := make(map[string]*process)
	for name, want := range wants {
		processes[name] = join(t, h)
		processes[name].subscribe(bus.Subscription{Name: name, Filter: want.filter}, take)
	}
	for _, e := range []struct{ id, eventType, partition, subject string }{
		{"a", "a", "", ""}, {"a0", "a", "0", ""}, {"a1", "a", "1", ""}, {"b0", "b", "0", ""},
		{"aa", "a.a", "00", ""}, {"upper", "A", "0 ", ""}, {"sub", "a", "", "s"}, {"end", "a", "0", "s"},
	} {
		published := newEvent(e.id)
		published.SetType(e.eventType)
		if e.partition != "" {
			published.SetExtension("partition", e.partition)
		}
		if e.subject != "" {
			published.SetSubject(e.subject)
		}
		processes["all"].publish(published)
	}
	for name, want := range wants {
		processes[name].taken(len(want.ids))
		require.ElementsMatch(t, want.ids, processes[name].ids(), name)
	}
}

func brokers(t *testing.T, h Harness) {
	events, deliveries := join(t, h), join(t, h)
	events.subscribe(bus.Subscription{Name: "in", Broker: bus.BrokerEvents, Durable: true}, take)
	deliveries.subscribe(bus.Subscription{Name: "in", Broker: bus.BrokerDeliveries}, take)
	require.NoError(t, events.Publish(t.Context(), bus.BrokerEvents, newEvent("event")))
	require.NoError(t, events.Publish(t.Context(), bus.BrokerDeliveries, newEvent("hint")))
	events.taken(1)
	deliveries.taken(1)
	require.Equal(t, []string{"event"}, events.ids())
	require.Equal(t, []string{"hint"}, deliveries.ids())
}

func fanOut(t *testing.T, h Harness) {
	a, b, c := join(t, h), join(t, h), join(t, h)
	for name, p := range map[string]*process{"a": a, "b": b, "c": c} {
		p.subscribe(bus.Subscription{Name: name, Parallelism: 4}, take)
	}
	events, ids := newEvents(50)
	a.publish(events...)
	for _, p := range []*process{a, b, c} {
		p.taken(len(ids))
		require.ElementsMatch(t, ids, p.ids())
	}
}

func share(t *testing.T, h Harness) {
	a, b := join(t, h), join(t, h)
	for _, p := range []*process{a, b} {
		p.subscribe(bus.Subscription{Name: "shared"}, take)
	}
	events, ids := newEvents(100)
	a.publish(events...)
	both := func() []string { return append(a.ids(), b.ids()...) }
	require.Eventually(t, func() bool { return len(both()) >= len(ids) }, patience, time.Millisecond)
	require.ElementsMatch(t, ids, both(), "each event once")
	require.NotEmpty(t, a.ids())
	require.NotEmpty(t, b.ids())
}

func parallelism(t *testing.T, h Harness) {
	const places = 3
	p := join(t, h)
	began, release := make(chan string, 100), make(chan struct{})
	var at, most atomic.Int32
	p.subscribe(bus.Subscription{Name: "three", Parallelism: places}, func(_ context.Context, e event.Event) error {
		n := at.Add(1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		began <- e.ID()
		<-release
		at.Add(-1)
		return nil
	})
	events, _ := newEvents(10)
	p.publish(events...)
	for range places {
		recv(t, began, "as many handlers at once as allowed")
	}
	release <- struct{}{}
	recv(t, began, "the next handler")
	close(release)
	p.taken(len(events))
	require.EqualValues(t, places, most.Load())
}

var errHandler = errors.New("not now")

func again(t *testing.T, h Harness, durable bool) {
	p := join(t, h)
	var tries sync.Map
	again := bus.Subscription{Name: "again", Parallelism: 2, Durable: durable}
	p.subscribe(again, func(_ context.Context, e event.Event) error {
		n, _ := tries.LoadOrStore(e.ID(), new(atomic.Int32))
		switch n.(*atomic.Int32).Add(1) {
		case 1:
			return errHandler
		case 2:
			if h.Tries > 2 {
				return bus.ErrBusy
			}
		}
		return nil
	})
	events, ids := newEvents(5)
	p.publish(events...)
	p.taken(len(ids))
	require.ElementsMatch(t, ids, p.ids())
}

func besideFailure(t *testing.T, h Harness, durable bool) {
	p := join(t, h)
	failed := make(chan struct{}, 1000)
	beside := bus.Subscription{Name: "beside", Parallelism: 2, Durable: durable}
	p.subscribe(beside, func(_ context.Context, e event.Event) error {
		if e.ID() == "poison" {
			failed <- struct{}{}
			return errHandler
		}
		return nil
	})
	p.publish(newEvent("poison"))
	recv(t, failed, "the poison's first try")
	events, ids := newEvents(20)
	p.publish(events...)
	p.taken(len(ids))
	require.ElementsMatch(t, ids, p.ids())
}

func traces(t *testing.T, h Harness) {
	p := join(t, h)
	spans := make(chan trace.SpanContext, 10)
	p.subscribe(bus.Subscription{Name: "traces"}, func(ctx context.Context, _ event.Event) error {
		spans <- trace.SpanContextFromContext(ctx)
		return nil
	})
	state, err := trace.ParseTraceState("vendor=value,other=2")
	require.NoError(t, err)
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		span := trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5, 6}, TraceFlags: flags, TraceState: state,
		})
		ctx := trace.ContextWithSpanContext(t.Context(), span)
		require.NoError(t, p.Publish(ctx, bus.BrokerDeliveries, newEvent("traced")))
		require.Equal(t, span.WithRemote(true), recv(t, spans, "the event with a trace"))
	}
	p.publish(newEvent("untraced"))
	require.False(t, recv(t, spans, "the event without a trace").IsValid())
}

func bytesIntact(t *testing.T, h Harness) {
	p := join(t, h)
	p.subscribe(bus.Subscription{Name: "bytes"}, take)
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	plain := event.New()
	plain.SetID("plain")
	plain.SetSource("https://example.com/a/b?c=d#e")
	plain.SetType("com.example.plain")
	full := newEvent("full")
	full.SetSubject("a/b c;d=\"e\", %41")
	full.SetDataSchema("https://example.com/schema/1?v=2")
	full.SetExtension("tenant", "acme")
	full.SetExtension("sequence2", "0000017")
	full.SetDataContentType(`application/vnd.example+json; charset="utf-8"`)
	full.DataEncoded = every[:]
	big := newEvent("big")
	big.SetDataContentType("application/octet-stream")
	big.DataEncoded = bytes.Repeat(every[:], 1000)
	want := []event.Event{plain, full, big}
	p.publish(want...)
	got := p.taken(len(want))
	for _, w := range want {
		found := false
		for _, g := range got {
			if g.ID() == w.ID() {
				same(t, w, g)
				found = true
			}
		}
		require.True(t, found, w.ID())
	}
}

func same(t *testing.T, want, got event.Event) {
	t.Helper()
	require.NoError(t, got.Validate())
	require.Equal(t, want.Type(), got.Type())
	require.Equal(t, want.Source(), got.Source())
	require.Equal(t, want.Subject(), got.Subject())
	require.Equal(t, want.Time(), got.Time())
	require.Equal(t, want.DataSchema(), got.DataSchema())
	require.Equal(t, want.DataContentType(), got.DataContentType())
	require.Equal(t, want.SpecVersion(), got.SpecVersion())
	require.Equal(t, want.Extensions(), got.Extensions())
	require.True(t, bytes.Equal(want.Data(), got.Data()), "the data of %s", want.ID())
}

func refuses(t *testing.T, h Harness) {
	p := join(t, h)
	p.subscribe(bus.Subscription{Name: "refuses"}, take)
	source := newEvent("").Context.(*event.EventContextV1).Source
	for _, lacking := range []event.EventContext{
		nil,
		&event.EventContextV1{Type: "test", Source: source},
		&event.EventContextV1{ID: "1", Source: source},
		&event.EventContextV1{ID: "1", Type: "test"},
	} {
		err := p.Publish(t.Context(), bus.BrokerDeliveries, event.Event{Context: lacking})
		require.ErrorIs(t, err, bus.ErrInvalid)
	}
	p.publish(newEvent("whole"))
	require.Equal(t, "whole", p.taken(1)[0].ID())
}

func concurrent(t *testing.T, h Harness) {
	p := join(t, h)
	p.subscribe(bus.Subscription{Name: "many", Parallelism: 8}, take)
	events, ids := newEvents(600)
	var publishers sync.WaitGroup
	errs := make(chan error, len(events))
	for i := range 30 {
		publishers.Go(func() {
			for j := i; j < len(events); j += 30 {
				errs <- p.Publish(t.Context(), bus.BrokerDeliveries, events[j])
			}
		})
	}
	publishers.Wait()
	for range events {
		require.NoError(t, <-errs)
	}
	p.taken(len(ids))
	require.ElementsMatch(t, ids, p.ids())
}

func publishInside(t *testing.T, h Harness) {
	p := join(t, h)
	p.subscribe(bus.Subscription{Name: "inside"}, func(ctx context.Context, e event.Event) error {
		if e.ID() == "outer" {
			return p.Publish(ctx, bus.BrokerDeliveries, newEvent("inner"))
		}
		return nil
	})
	p.publish(newEvent("outer"))
	p.taken(2)
	require.ElementsMatch(t, []string{"outer", "inner"}, p.ids())
}

func closeWaits(t *testing.T, h Harness) {
	p := join(t, h)
	began, release := make(chan context.Context, 10), make(chan struct{})
	p.subscribe(bus.Subscription{Name: "close"}, func(ctx context.Context, _ event.Event) error {
		began <- ctx
		<-release
		return nil
	})
	p.publish(newEvent("first"), newEvent("second"))
	ctx := recv(t, began, "the first event")
	closed := make(chan error, 1)
	go func() { closed <- p.Close(context.Background()) }()
	p.closing()
	require.Empty(t, closed, "a handler is at work")
	require.NoError(t, ctx.Err())
	close(release)
	require.NoError(t, recv(t, closed, "Close"))
	require.Len(t, p.ids(), 1)
	require.Empty(t, began, "nothing is begun after Close")
	err := p.Publish(t.Context(), bus.BrokerDeliveries, newEvent("late"))
	require.ErrorIs(t, err, bus.ErrUnavailable)
}

func drains(t *testing.T, h Harness) {
	p := join(t, h)
	began, release := make(chan context.Context, 10), make(chan struct{})
	p.subscribe(bus.Subscription{Name: "drain"}, func(ctx context.Context, _ event.Event) error {
		began <- ctx
		<-release
		return nil
	})
	p.publish(newEvent("first"), newEvent("second"))
	ctx := recv(t, began, "the first event")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Drain(ended), context.Canceled)
	require.NoError(t, ctx.Err(), "a drain that gives up leaves the handlers alone")
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(context.Background()) }()
	p.closing()
	require.Empty(t, drained, "a handler is at work")
	close(release)
	require.NoError(t, recv(t, drained, "Drain"))
	require.Len(t, p.ids(), 1)
	require.Empty(t, began, "nothing is begun after Drain")
	err := p.Publish(t.Context(), bus.BrokerDeliveries, newEvent("last words"))
	if !h.InProcess {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, bus.ErrUnavailable)
	}
}

func closeGivesUp(t *testing.T, h Harness) {
	p := join(t, h)
	began, ended := make(chan struct{}, 10), make(chan struct{})
	p.subscribe(bus.Subscription{Name: "close"}, func(ctx context.Context, _ event.Event) error {
		began <- struct{}{}
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	})
	p.publish(newEvent("first"))
	recv(t, began, "the event")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Close(ctx), context.Canceled)
	recv(t, ended, "the end of the handler's context")
}
