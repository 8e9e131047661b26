// Package amqp is the bus on RabbitMQ itself, for one or many processes outside Kubernetes. It works as Knative's
// RabbitMQ broker does, so that either can stand in for the other: a durable headers exchange for each broker, a queue
// for each subscription, bound with its filter, and the same messages.
//
//	Publish ─► exchange homing.events ─────► queue homing.events.<name>, quorum ──────► handler, ack after nil
//	Publish ─► exchange homing.deliveries ─► queue homing.deliveries.<name>, classic ─► handler
//
// It owns those exchanges, queues and bindings, and declares them anew on every connection. It promises that Publish
// returns nil only for an event that RabbitMQ has confirmed (and for BrokerEvents has put into a queue), that a durable
// subscription loses nothing that its queue had, and that RabbitMQ being away, restarting, blocking publishers, or
// losing queues delays no start and needs nobody's help. It never keeps an event in the process.
//
// The queues of subscriptions that are not durable hold hints: on disk nothing of them, at most hintsMost of them, and
// they vanish when nobody has subscribed for half an hour. An error of such a handler is tried again a few times in the
// process. For a durable one the event goes back to its queue after a pause that grows with each time, without a limit
// of tries.
package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
)

// Defaults of Config.
const (
	PrefixDefault   = "homing"
	TriesDefault    = 3
	DelayDefault    = 100 * time.Millisecond
	MaxDelayDefault = 5 * time.Second
)

// Config is how a Bus behaves. Of Link only URL has no default.
type Config struct {
	// Link is how to reach RabbitMQ. The bus makes one connection to publish and one for each subscription.
	Link link.Config
	// Prefix begins the names of exchanges and queues, with a dot. Defaults to PrefixDefault.
	Prefix string
	// PublishWait is how long a Publish may take. Defaults to link.WaitDefault.
	PublishWait time.Duration
	// Tries is how often an event of a subscription that is not durable is handed to a handler that returns errors.
	// Defaults to TriesDefault.
	Tries int
	// Delay is the pause after a handler's first error; each further pause for the event is twice as long, up to
	// MaxDelay. The pause keeps the event's place of the subscription's parallelism. Default to DelayDefault and
	// MaxDelayDefault.
	Delay, MaxDelay time.Duration
	// Dropped is told of every event that was taken from a queue and given up after the last try, with the handler's
	// error. Nil means that nobody wants to know.
	Dropped func(subscription string, err error)
	// Undecodable is given every message that is no event; nil from it means that it is taken care of and must not come
	// again, an error is as one from a handler. Nil means that such messages are forgotten.
	Undecodable func(ctx context.Context, u bus.Undecodable) error
}

// Bus is a bus.Bus on RabbitMQ. Make one with New.
type Bus struct {
	cfg       Config
	publisher *link.Publisher

	stop    context.Context // ends with Drain: nothing new is handed over
	stopNow context.CancelFunc
	ctx     context.Context // ends when Close gives up: the handlers' contexts
	end     context.CancelFunc
	keepers sync.WaitGroup // the goroutines that keep the subscriptions' connections

	mu        sync.Mutex
	consumers []*consumer
	drained   bool
}

var (
	_ bus.Bus = (*Bus)(nil)

	brokers = []string{bus.BrokerEvents, bus.BrokerDeliveries}
)

// New returns a bus that connects when it is used first. Errors: link.ErrURL.
func New(cfg Config) (*Bus, error) {
	cfg.Prefix = cmp.Or(cfg.Prefix, PrefixDefault)
	cfg.Tries = cmp.Or(cfg.Tries, TriesDefault)
	cfg.Delay = cmp.Or(cfg.Delay, DelayDefault)
	cfg.MaxDelay = cmp.Or(cfg.MaxDelay, MaxDelayDefault)
	if cfg.Dropped == nil {
		cfg.Dropped = func(string, error) {}
	}
	if cfg.Undecodable == nil {
		cfg.Undecodable = func(context.Context, bus.Undecodable) error { return nil }
	}
	var err error
	if cfg.Link, err = cfg.Link.WithDefaults(); err != nil {
		return nil, fmt.Errorf("amqp bus: %w", err)
	}
	b := &Bus{cfg: cfg}
	publishing := cfg.Link
	publishing.Name += " publish"
	b.publisher, err = link.NewPublisher(link.PublisherConfig{
		Config: publishing, Wait: cfg.PublishWait, Setup: func(c *link.Conn) error { return c.Do(b.declareExchanges) },
	})
	if err != nil {
		return nil, fmt.Errorf("amqp bus: %w", err)
	}
	b.stop, b.stopNow = context.WithCancel(context.Background())
	b.ctx, b.end = context.WithCancel(context.Background())
	return b, nil
}

func (b *Bus) exchange(broker string) string { return b.cfg.Prefix + "." + broker }

func (b *Bus) declareExchanges(ch *amqp091.Channel) error {
	for _, broker := range brokers {
		err := ch.ExchangeDeclare(b.exchange(broker), amqp091.ExchangeHeaders, true, false, false, false, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// Publish returns nil when RabbitMQ has confirmed the event. A hint that no subscription matches is gone, as with any
// broker; a producer's event (BrokerEvents) that would be gone is refused with bus.ErrUnavailable instead. Events are
// written to disk, hints are not.
func (b *Bus) Publish(ctx context.Context, broker string, e event.Event) error {
	if err := bus.Check(&e); err != nil {
		return fmt.Errorf("amqp bus: publish to %s: %w", broker, err)
	}
	if broker != bus.BrokerEvents && broker != bus.BrokerDeliveries {
		return fmt.Errorf("amqp bus: publish: no broker %q", broker)
	}
	m := link.Message{Exchange: b.exchange(broker)}
	var err error
	if m.Publishing, err = encode(ctx, &e); err != nil {
		return fmt.Errorf("amqp bus: publish to %s: %w", broker, err)
	}
	if broker == bus.BrokerEvents {
		m.Mandatory, m.DeliveryMode = true, amqp091.Persistent
	}
	switch err := b.publisher.Publish(ctx, m); {
	case err == nil:
		return nil
	case errors.Is(err, link.ErrTooBig):
		return fmt.Errorf("amqp bus: publish to %s: %w", broker, err)
	default:
		return fmt.Errorf("amqp bus: publish to %s: %w: %w", broker, bus.ErrUnavailable, err)
	}
}

// Subscribe begins to connect, and returns. The queue is there once RabbitMQ could be reached; a durable one stays when
// the process has gone.
func (b *Bus) Subscribe(s bus.Subscription, h bus.Handler) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drained {
		return fmt.Errorf("amqp bus: subscribe %s: closed: %w", s.Name, bus.ErrUnavailable)
	}
	if s.Broker != bus.BrokerEvents && s.Broker != bus.BrokerDeliveries {
		return fmt.Errorf("amqp bus: subscribe %s: no broker %q", s.Name, s.Broker)
	}
	s.Filter = maps.Clone(s.Filter)
	s.Parallelism = min(max(s.Parallelism, 1), mostParallelism)
	c := &consumer{
		bus: b, sub: s, handler: h, queue: b.exchange(s.Broker) + "." + s.Name,
		places: make(chan struct{}, s.Parallelism),
	}
	b.consumers = append(b.consumers, c)
	cfg := b.cfg.Link
	cfg.Name += " " + s.Name
	b.keepers.Go(func() { link.Keep(b.stop, cfg, c.serve, func(error) {}) })
	return nil
}

// Drain stops the subscriptions and waits for the handlers at work. What had been fetched and not handed over goes back
// to its queue. Publish still works.
func (b *Bus) Drain(ctx context.Context) error {
	b.mu.Lock()
	b.drained = true
	consumers := b.consumers
	b.mu.Unlock()
	b.stopNow()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.keepers.Wait()
		for _, c := range consumers {
			c.work.Wait()
		}
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("amqp bus: drain: %w", ctx.Err())
	}
}

// Close drains, then waits for the publishes in flight and closes the connections. When ctx ends first, it ends the
// handlers' contexts and the connections, and returns the reason of ctx.
func (b *Bus) Close(ctx context.Context) error {
	defer b.end()
	err := b.Drain(ctx)
	if err != nil {
		b.end() // lets the subscriptions' connections go without the handlers
	}
	return errors.Join(err, b.publisher.Close(ctx))
}
