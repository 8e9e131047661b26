// Package memory is the bus of one process: queues in memory between goroutines.
//
// It owns the queues and the goroutines that hand their events over. It promises what pkg/bus does, with bounded
// memory: a full queue makes Publish wait, a handler's error is tried again a few times and then the event is dropped
// and reported. It never keeps an event beyond the process: Durable has no meaning here, so whoever publishes what must
// not be lost needs another record of it. Events are handed over as they are, not encoded and decoded.
package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/bus"
)

// Defaults of Config.
const (
	QueueDefault = 1000
	WaitDefault  = 5 * time.Second
	TriesDefault = 3
	DelayDefault = 100 * time.Millisecond
)

// Config is how a Bus behaves; its zero value is ready for use.
type Config struct {
	// Queue is how many events wait for one subscription at most. Defaults to QueueDefault.
	Queue int
	// Wait is how long Publish waits for room in a full queue. Defaults to WaitDefault.
	Wait time.Duration
	// Tries is how often an event is handed to a handler that returns errors. Defaults to TriesDefault.
	Tries int
	// Delay is the pause before the second try; each further pause is twice as long. Defaults to DelayDefault.
	Delay time.Duration
	// Dropped is told of every event that was taken and given up: after the last try, with the handler's error, or by
	// Close, with bus.ErrUnavailable. Nil means that nobody wants to know.
	Dropped func(subscription string, err error)
}

// Bus is a bus.Bus in memory. Make one with New.
type Bus struct {
	cfg  Config
	stop chan struct{} // closed by Close
	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup // the handing goroutines
	puts sync.WaitGroup // the publishers at work

	mu     sync.RWMutex
	queues []*queue
	closed bool
}

// queue holds the events of one subscription. Subscriptions of one name share it.
type queue struct {
	sub   bus.Subscription
	items chan item
}

type item struct {
	event event.Event
	span  trace.SpanContext
}

var _ bus.Bus = (*Bus)(nil)

// New returns a bus with no subscriptions.
func New(cfg Config) *Bus {
	if cfg.Queue <= 0 {
		cfg.Queue = QueueDefault
	}
	if cfg.Wait <= 0 {
		cfg.Wait = WaitDefault
	}
	if cfg.Tries <= 0 {
		cfg.Tries = TriesDefault
	}
	if cfg.Delay <= 0 {
		cfg.Delay = DelayDefault
	}
	if cfg.Dropped == nil {
		cfg.Dropped = func(string, error) {}
	}
	ctx, end := context.WithCancel(context.Background())
	return &Bus{cfg: cfg, stop: make(chan struct{}), ctx: ctx, end: end}
}

// Publish puts the event into the queue of every subscription that matches; with none that matches it is gone, as with
// any broker. It waits for room as long as Config.Wait and ctx allow, then answers bus.ErrUnavailable; some of the
// subscriptions may have the event by then.
func (b *Bus) Publish(ctx context.Context, broker string, e event.Event) error {
	if err := bus.Check(&e); err != nil {
		return fmt.Errorf("memory bus: publish: %w", err)
	}
	it := item{event: e, span: trace.SpanContextFromContext(ctx)}
	b.mu.RLock()
	queues := b.queues // only ever appended to, under the lock
	closed := b.closed
	if !closed {
		b.puts.Add(1) // under the lock, so that Close waits for every publisher who has seen an open bus
		defer b.puts.Done()
	}
	b.mu.RUnlock()
	if closed {
		return fmt.Errorf("memory bus: publish: closed: %w", bus.ErrUnavailable)
	}
	for _, q := range queues {
		if q.sub.Broker != broker || !q.sub.Matches(&e) {
			continue
		}
		if err := b.put(ctx, q, it); err != nil {
			return fmt.Errorf("memory bus: publish to %s: %w: %w", q.sub.Name, bus.ErrUnavailable, err)
		}
	}
	return nil
}

var errFull = errors.New("queue full")

func (b *Bus) put(ctx context.Context, q *queue, it item) error {
	select {
	case q.items <- it:
		return nil
	default:
	}
	timer := time.NewTimer(b.cfg.Wait)
	defer timer.Stop()
	select {
	case q.items <- it:
		return nil
	case <-timer.C:
		return errFull
	case <-ctx.Done():
		return ctx.Err()
	case <-b.stop:
		return errors.New("closed")
	}
}

// Subscribe starts s.Parallelism goroutines that hand events to h. Subscriptions of one broker and name share the
// events; their filters must be the same.
func (b *Bus) Subscribe(s bus.Subscription, h bus.Handler) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fmt.Errorf("memory bus: subscribe %s: closed: %w", s.Name, bus.ErrUnavailable)
	}
	q, err := b.queue(s)
	if err != nil {
		return err
	}
	for range max(s.Parallelism, 1) {
		b.work.Go(func() { b.hand(q, h) })
	}
	return nil
}

// queue returns the queue of a subscription, a new one when its name is new. The lock is held.
func (b *Bus) queue(s bus.Subscription) (*queue, error) {
	for _, q := range b.queues {
		if q.sub.Broker != s.Broker || q.sub.Name != s.Name {
			continue
		}
		if !maps.Equal(q.sub.Filter, s.Filter) {
			return nil, fmt.Errorf("memory bus: subscribe %s: its name is taken by another filter", s.Name)
		}
		return q, nil
	}
	s.Filter = maps.Clone(s.Filter)
	q := &queue{sub: s, items: make(chan item, b.cfg.Queue)}
	b.queues = append(b.queues, q)
	return q, nil
}

// hand hands events over, one at a time, until Close.
func (b *Bus) hand(q *queue, h bus.Handler) {
	for {
		select {
		case <-b.stop:
			return
		default: // when both are ready, stopping comes first
		}
		select {
		case <-b.stop:
			return
		case it := <-q.items:
			if err := b.try(h, it); err != nil {
				b.cfg.Dropped(q.sub.Name, err)
			}
		}
	}
}

// try hands one event over until the handler takes it, and returns the handler's last error.
func (b *Bus) try(h bus.Handler, it item) error {
	ctx := b.ctx
	if it.span.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, it.span)
	}
	delay := b.cfg.Delay
	for tried := 1; ; tried++ {
		err := h(ctx, it.event)
		if err == nil || tried == b.cfg.Tries {
			return err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
			delay *= 2
		case <-b.stop:
			timer.Stop()
			return err
		}
	}
}

// Drain stops the subscriptions, drops what waits in the queues, and waits for the handlers at work. Nobody is left to
// publish to: Publish answers bus.ErrUnavailable from then on.
func (b *Bus) Drain(ctx context.Context) error {
	b.mu.Lock()
	queues := b.queues
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if first {
		close(b.stop)
	}
	b.puts.Wait()
	for _, q := range queues {
		b.drop(q)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("memory bus: drain: %w", ctx.Err())
	}
}

// Close drains. When ctx ends first, it ends the handlers' contexts and returns the reason of ctx.
func (b *Bus) Close(ctx context.Context) error {
	defer b.end()
	return b.Drain(ctx)
}

// drop reports what nobody has been handed.
func (b *Bus) drop(q *queue) {
	for {
		select {
		case <-q.items:
			b.cfg.Dropped(q.sub.Name, bus.ErrUnavailable)
		default:
			return
		}
	}
}
