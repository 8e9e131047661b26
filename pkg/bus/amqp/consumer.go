package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
)

const (
	mostParallelism = 1000             // also what is fetched and not acknowledged
	hintsMost       = 100_000          // hints in a queue; the oldest go first
	hintsExpire     = 30 * time.Minute // of a queue of hints without subscribers
	deliveryCount   = "x-delivery-count"

	limitSince  = 4 // the RabbitMQ that drops after 20 redeliveries unless told otherwise, and knows -1
	unlimited   = -1
	limitHeader = "x-delivery-limit"
)

var errConsumer = errors.New("amqp bus: the consumer was cancelled; its queue may be gone")

// consumer is a subscription.
type consumer struct {
	bus     *Bus
	sub     bus.Subscription
	handler bus.Handler
	queue   string
	work    sync.WaitGroup // the handlers at work
	places  chan struct{}  // taken while an event is handed over; outlives connections, as their handlers may
}

// declare makes the queue what it should be. A queue that is there with other arguments (made by hand, or by another
// version) is used as it is.
func (c *consumer) declare(conn *link.Conn) error {
	if err := conn.Do(c.bus.declareExchanges); err != nil {
		return fmt.Errorf("amqp bus: declare the exchanges: %w", err)
	}
	args := amqp091.Table{
		amqp091.QueueTypeArg: amqp091.QueueTypeClassic, amqp091.QueueTTLArg: int32(hintsExpire.Milliseconds()),
		amqp091.QueueMaxLenArg: int32(hintsMost), amqp091.QueueOverflowArg: amqp091.QueueOverflowDropHead,
	}
	if c.sub.Durable {
		args = amqp091.Table{amqp091.QueueTypeArg: amqp091.QueueTypeQuorum}
		if conn.ServerMajor() >= limitSince {
			args[limitHeader] = int32(unlimited)
		}
	}
	err := conn.Do(func(ch *amqp091.Channel) error {
		_, err := ch.QueueDeclare(c.queue, true, false, false, false, args)
		return err
	})
	var refused *amqp091.Error
	if errors.As(err, &refused) && refused.Code == amqp091.PreconditionFailed {
		c.bus.cfg.Link.Logger.Warn("a queue has other arguments than it would be given", "queue", c.queue, "error", err)
		err = nil
	}
	if err != nil {
		return fmt.Errorf("amqp bus: declare %s: %w", c.queue, err)
	}
	binding := amqp091.Table{"x-match": "all"}
	for name, value := range c.sub.Filter {
		binding[name] = value
	}
	err = conn.Do(func(ch *amqp091.Channel) error {
		return ch.QueueBind(c.queue, "", c.bus.exchange(c.sub.Broker), false, binding)
	})
	if err != nil {
		return fmt.Errorf("amqp bus: bind %s: %w", c.queue, err)
	}
	return nil
}

// serve is the subscription's link.Session.
func (c *consumer) serve(stop context.Context, conn *link.Conn, up func()) error {
	if err := c.declare(conn); err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("amqp bus: open a channel: %w", err)
	}
	if err := ch.Qos(c.sub.Parallelism, 0, false); err != nil {
		return fmt.Errorf("amqp bus: set the prefetch: %w", err)
	}
	const tag = "homing"
	deliveries, err := ch.Consume(c.queue, tag, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("amqp bus: consume: %w", err)
	}
	up()
	if err := c.receive(stop, deliveries); err != nil {
		return err
	}
	// What is at work may still be acknowledged on this connection; then it ends, and what is not goes back.
	_ = ch.Cancel(tag, false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.work.Wait()
	}()
	select {
	case <-done:
	case <-conn.Lost():
	case <-c.bus.ctx.Done():
	}
	return nil
}

// receive hands deliveries over until stop ends, or returns an error when the consumer does.
func (c *consumer) receive(stop context.Context, deliveries <-chan amqp091.Delivery) error {
	for {
		select {
		case <-stop.Done():
			return nil
		case c.places <- struct{}{}:
		}
		select {
		case <-stop.Done():
			<-c.places
			return nil
		case d, ok := <-deliveries:
			if !ok {
				<-c.places
				return errConsumer
			}
			c.work.Go(func() {
				defer func() { <-c.places }()
				c.hand(stop, &d)
			})
		}
	}
}

// hand hands one event over and settles its message. That may fail with the connection: then the event comes again.
func (c *consumer) hand(stop context.Context, d *amqp091.Delivery) {
	handle := c.handling(d)
	delay := c.firstDelay(d)
	for try := 1; ; try++ {
		err := handle()
		if err == nil {
			_ = d.Ack(false)
			return
		}
		if try == c.bus.cfg.Tries && !c.sub.Durable {
			c.bus.cfg.Dropped(c.sub.Name, err)
			_ = d.Ack(false)
			return
		}
		stopped := !pause(stop, delay)
		if stopped || c.sub.Durable {
			_ = d.Nack(false, true)
			return
		}
		delay = min(2*delay, c.bus.cfg.MaxDelay)
	}
}

// handling returns what is to be done with a message.
func (c *consumer) handling(d *amqp091.Delivery) func() error {
	ctx, e, err := decode(c.bus.ctx, d)
	switch {
	case err != nil:
		u := bus.Undecodable{Header: make(map[string]string, len(d.Headers)), Body: d.Body, Err: err}
		for name, value := range d.Headers {
			u.Header[strings.ToLower(name)] = fmt.Sprint(value)
		}
		return func() error { return c.bus.cfg.Undecodable(c.bus.ctx, u) }
	case !c.sub.Matches(&e): // it comes over a binding that an older version has left
		return func() error { return nil }
	default:
		return func() error { return c.handler(ctx, e) }
	}
}

// firstDelay is the pause after the handler's next error: for an event that has come back already it is longer.
func (c *consumer) firstDelay(d *amqp091.Delivery) time.Duration {
	delay := c.bus.cfg.Delay
	count, _ := d.Headers[deliveryCount].(int64)
	for ; count > 0 && delay < c.bus.cfg.MaxDelay; count-- {
		delay *= 2
	}
	return min(delay, c.bus.cfg.MaxDelay)
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
