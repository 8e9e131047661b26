package amqp_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/testenv"
)

const patience = 2 * time.Minute // the machine may be busy starting servers

var (
	hints  = bus.Subscription{Name: "hints", Broker: bus.BrokerDeliveries, Parallelism: 4}
	events = bus.Subscription{Name: "ingest", Broker: bus.BrokerEvents, Parallelism: 4, Durable: true}
)

const (
	hintsQueue  = "homing.deliveries.hints"
	eventsQueue = "homing.events.ingest"
)

func newEvent(id string) event.Event {
	e := event.New()
	e.SetID(id)
	e.SetSource("/test")
	e.SetType("test")
	e.SetTime(time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC))
	e.SetDataContentType("application/json")
	e.SetExtension("partition", "0")
	e.DataEncoded = []byte(`{}`)
	return e
}

// raw runs f on a channel of its own.
func raw(t *testing.T, url string, f func(ch *amqp091.Channel) error) {
	t.Helper()
	conn, err := amqp091.Dial(url)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, f(ch))
}

// depth returns how many messages wait in a queue, and how many consumers it has; -1 when it is not there.
func depth(url, queue string) (messages, consumers int) {
	conn, err := amqp091.Dial(url)
	if err != nil {
		return -1, 0
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return -1, 0
	}
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return -1, 0
	}
	return q.Messages, q.Consumers
}

// subscribed waits until a queue has a consumer.
func subscribed(t *testing.T, url, queue string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, consumers := depth(url, queue)
		return consumers > 0
	}, patience, 20*time.Millisecond)
}

// collect subscribes and returns the ids of the events as they are taken.
func collect(t *testing.T, b *amqp.Bus, s bus.Subscription) <-chan string {
	t.Helper()
	ids := make(chan string, 1000)
	require.NoError(t, b.Subscribe(s, func(_ context.Context, e event.Event) error { ids <- e.ID(); return nil }))
	return ids
}

func recv[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain")
		panic("unreachable")
	}
}

// The dispatcher of Knative's RabbitMQ broker must be able to deliver what we publish.
func TestPublishWritesAsTheKnativeIngress(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	b := newBus(t, url, amqp.Config{})
	require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, newEvent("nowhere")))
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 1,
	})
	e := newEvent("1")
	e.SetSubject("subject")
	e.SetDataSchema("https://example.com/schema")
	e.SetExtension("number", 5)
	e.SetExtension("flag", true)
	raw(t, url, func(ch *amqp091.Channel) error {
		q, err := ch.QueueDeclare("", false, true, true, false, nil)
		require.NoError(t, err)
		// A binding as the trigger's controller makes it.
		args := amqp091.Table{"x-match": "all", "type": "test", "partition": "0"}
		require.NoError(t, ch.QueueBind(q.Name, "", "homing.events", false, args))
		require.NoError(t, b.Publish(trace.ContextWithSpanContext(t.Context(), span), bus.BrokerEvents, e))
		d, ok, err := ch.Get(q.Name, true)
		require.True(t, ok)
		require.Equal(t, amqp091.Table{
			"specversion": "1.0", "id": "1", "type": "test", "source": "/test", "subject": "subject",
			"dataschema": "https://example.com/schema", "content-type": "application/json",
			"time": "2026-03-01T12:00:00.000005Z", "partition": "0", "number": int32(5), "flag": true,
			"traceparent": "00-01000000000000000000000000000000-0200000000000000-01",
		}, d.Headers)
		require.Equal(t, "1", d.MessageId)
		require.Equal(t, "application/json", d.ContentType)
		require.Equal(t, amqp091.Persistent, d.DeliveryMode)
		require.Equal(t, `{}`, string(d.Body))
		return err
	})
}

// And we what its ingress has published, oddities included.
func TestHandlersReadWhatTheKnativeIngressWrote(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	b := newBus(t, url, amqp.Config{})
	got := make(chan event.Event, 1)
	spans := make(chan trace.SpanContext, 1)
	s := hints
	s.Filter = map[string]string{"type": "test"}
	require.NoError(t, b.Subscribe(s, func(ctx context.Context, e event.Event) error {
		got <- e
		spans <- trace.SpanContextFromContext(ctx)
		return nil
	}))
	subscribed(t, url, hintsQueue)
	raw(t, url, func(ch *amqp091.Channel) error {
		return ch.Publish("homing.deliveries", "", false, false, amqp091.Publishing{
			Headers: amqp091.Table{
				"content-type": "", "specversion": "1.0", "time": "0001-01-01T00:00:00Z", "id": "1", "type": "test",
				"source": "/a", "traceparent": "00-01000000000000000000000000000000-0200000000000000-01",
				"tracestate": "", "number": int32(5), "flag": true, "x-first-death-queue": "q",
			},
			MessageId: "1", DeliveryMode: amqp091.Persistent, Body: []byte("data"),
		})
	})
	e := recv(t, got)
	require.NoError(t, e.Validate())
	require.Nil(t, e.Context.(*event.EventContextV1).Time)
	require.Empty(t, e.DataContentType())
	require.Equal(t, map[string]any{"number": int32(5), "flag": true}, e.Extensions())
	require.Equal(t, "data", string(e.Data()))
	require.Equal(t, trace.TraceID{1}, recv(t, spans).TraceID())
}

func TestPublishToNobody(t *testing.T) {
	t.Parallel()
	b := newBus(t, testenv.RabbitMQ(t), amqp.Config{})
	require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, newEvent("hint")), "a hint may be lost")
	err := b.Publish(t.Context(), bus.BrokerEvents, newEvent("event"))
	require.ErrorIs(t, err, bus.ErrUnavailable, "a producer's event may not")
	require.ErrorIs(t, err, link.ErrUnroutable)
	require.Error(t, b.Publish(t.Context(), "other", newEvent("event")))
	require.Error(t, b.Subscribe(bus.Subscription{Broker: "other"}, nil))
}

func TestADurableSubscriptionKeepsWhatNobodyTakes(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	first := newBus(t, url, amqp.Config{})
	collect(t, first, events)
	subscribed(t, url, eventsQueue)
	require.NoError(t, first.Close(t.Context()))

	publisher := newBus(t, url, amqp.Config{})
	for range 10 {
		require.NoError(t, publisher.Publish(t.Context(), bus.BrokerEvents, newEvent("kept")))
	}
	ids := collect(t, newBus(t, url, amqp.Config{}), events)
	for range 10 {
		require.Equal(t, "kept", recv(t, ids))
	}
}

func TestAProcessThatDiesHandsItsEventsOn(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	dying := newBus(t, url, amqp.Config{})
	began, release := make(chan struct{}, 10), make(chan struct{})
	defer close(release)
	require.NoError(t, dying.Subscribe(events, func(context.Context, event.Event) error {
		began <- struct{}{}
		<-release
		return nil
	}))
	subscribed(t, url, eventsQueue)
	for range 8 {
		require.NoError(t, dying.Publish(t.Context(), bus.BrokerEvents, newEvent("1")))
	}
	for range events.Parallelism {
		recv(t, began)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, dying.Close(ended), context.Canceled)
	ids := collect(t, newBus(t, url, amqp.Config{}), events)
	for range 8 {
		recv(t, ids)
	}
	require.Empty(t, began, "what it had not begun it does not begin")
}

func TestAHandlerThatFailsDoesNotSpin(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	t.Run("Durable", func(t *testing.T) {
		t.Parallel()
		b := newBus(t, url, amqp.Config{Delay: 20 * time.Millisecond, MaxDelay: 80 * time.Millisecond})
		tries := make(chan time.Time, 100)
		require.NoError(t, b.Subscribe(events, func(context.Context, event.Event) error {
			tries <- time.Now()
			return errors.New("not now")
		}))
		subscribed(t, url, eventsQueue)
		require.NoError(t, b.Publish(t.Context(), bus.BrokerEvents, newEvent("1")))
		last := recv(t, tries)
		for _, least := range []time.Duration{20, 40, 80, 80, 80} {
			next := recv(t, tries)
			require.GreaterOrEqual(t, next.Sub(last), least*time.Millisecond)
			last = next
		}
		require.NoError(t, b.Close(t.Context()))
		n, _ := depth(url, eventsQueue)
		require.Equal(t, 1, n, "it has not been lost")
	})
	t.Run("NotDurable", func(t *testing.T) {
		t.Parallel()
		failure := errors.New("always")
		dropped := make(chan error, 1)
		b := newBus(t, url, amqp.Config{
			Delay: time.Millisecond, Tries: 4, Dropped: func(_ string, err error) { dropped <- err },
		})
		var tries atomic.Int32
		require.NoError(t, b.Subscribe(hints, func(context.Context, event.Event) error { tries.Add(1); return failure }))
		subscribed(t, url, hintsQueue)
		require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, newEvent("1")))
		require.ErrorIs(t, recv(t, dropped), failure)
		require.EqualValues(t, 4, tries.Load())
	})
}

func TestWhatIsNoEventIsHandedToUndecodable(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	told := make(chan bus.Undecodable, 100)
	var known atomic.Bool
	undecodable := func(_ context.Context, u bus.Undecodable) error {
		told <- u
		if known.Swap(true) {
			return nil
		}
		return errors.New("not now")
	}
	b := newBus(t, url, amqp.Config{Delay: time.Millisecond, Undecodable: undecodable})
	ids := collect(t, b, events)
	subscribed(t, url, eventsQueue)
	raw(t, url, func(ch *amqp091.Channel) error {
		m := amqp091.Publishing{Headers: amqp091.Table{"id": "1", "Key": int32(5)}, Body: []byte("junk")}
		return ch.Publish("homing.events", "", false, false, m)
	})
	for range 2 { // again after its error
		u := recv(t, told)
		require.Error(t, u.Err)
		require.Equal(t, "junk", string(u.Body))
		require.Equal(t, "5", u.Header["key"])
	}
	require.NoError(t, b.Publish(t.Context(), bus.BrokerEvents, newEvent("good")))
	require.Equal(t, "good", recv(t, ids))
	require.NoError(t, b.Drain(t.Context()))
	n, _ := depth(url, eventsQueue)
	require.Zero(t, n)
}

func TestABindingOfAnOlderFilterDoesNotCount(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	old := newBus(t, url, amqp.Config{})
	s := hints
	s.Filter = map[string]string{"type": "old"}
	collect(t, old, s)
	subscribed(t, url, hintsQueue)
	require.NoError(t, old.Close(t.Context()))

	b := newBus(t, url, amqp.Config{})
	s.Filter = map[string]string{"type": "test"}
	ids := collect(t, b, s)
	subscribed(t, url, hintsQueue)
	e := newEvent("old")
	e.SetType("old")
	require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, e))
	require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, newEvent("new")))
	require.Equal(t, "new", recv(t, ids))
}

// Processes share a subscription's events: none fetches more than it hands over, nor what does not match.
func TestAQueueKeepsWhatIsNotHandedOver(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	b := newBus(t, url, amqp.Config{})
	release := make(chan struct{})
	s := hints
	s.Parallelism, s.Filter = 2, map[string]string{"type": "test", "partition": "0"}
	require.NoError(t, b.Subscribe(s, func(context.Context, event.Event) error { <-release; return nil }))
	subscribed(t, url, hintsQueue)
	for range 10 {
		require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, newEvent("matches")))
		other := newEvent("does not")
		other.SetExtension("partition", "1")
		require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, other))
	}
	require.Eventually(t, func() bool {
		n, _ := depth(url, hintsQueue)
		return n == 10-s.Parallelism
	}, patience, 10*time.Millisecond)
	close(release)
}

func TestAQueueMadeByHandIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	raw(t, url, func(ch *amqp091.Channel) error {
		_, err := ch.QueueDeclare(eventsQueue, true, false, false, false, amqp091.Table{amqp091.QueueMaxLenArg: 1000})
		return err
	})
	b := newBus(t, url, amqp.Config{})
	ids := collect(t, b, events)
	subscribed(t, url, eventsQueue)
	require.NoError(t, b.Publish(t.Context(), bus.BrokerEvents, newEvent("1")))
	require.Equal(t, "1", recv(t, ids))
}
