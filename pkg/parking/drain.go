package parking

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
)

const (
	// MaxFailures is how many events a handler may refuse before Drain stops.
	MaxFailures = 16

	quiet = time.Second // without an event, when the queue should have one: another process drains too
)

// Handle takes an event that was parked; an error means that it must stay.
type Handle func(ctx context.Context, event Parked) error

// Depth returns how many events wait. Errors: ErrUnavailable.
func (p *Parking) Depth(ctx context.Context) (int, error) {
	n := 0
	err := p.connected(ctx, func(c *link.Conn) (err error) {
		n, err = p.depth(c)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("parking: depth: %w", err)
	}
	return n, nil
}

// Drain hands events to handle, Config.Parallelism at once, until as many have been taken as waited when it began, or
// most, or ctx ends. What handle takes, by returning nil, is gone; what it refuses stays, and the rest goes on beside
// it, until it has refused MaxFailures: then the store is away again, and Drain stops. It returns how many were taken,
// always, and the first refusal. Errors: handle's, ErrUnavailable, that of ctx.
//
// It connects for itself and leaves nothing behind, so it may be called by every tick: an empty queue costs one look.
func (p *Parking) Drain(ctx context.Context, most int, handle Handle) (int, error) {
	taken := 0
	err := p.connected(ctx, func(c *link.Conn) error {
		waiting, err := p.depth(c)
		if err != nil || waiting == 0 || most <= 0 {
			return err
		}
		d := drain{handle: handle, want: min(waiting, most), places: make(chan struct{}, p.cfg.Parallelism)}
		err = d.run(ctx, c, p.cfg.Queue)
		taken = d.taken
		return err
	})
	if err != nil {
		return taken, fmt.Errorf("parking: drain: %w", err)
	}
	return taken, nil
}

// connected runs f with a connection of its own, with exchange and queue declared.
func (p *Parking) connected(ctx context.Context, f func(c *link.Conn) error) error {
	cfg := p.cfg.Link
	cfg.Name += " drain"
	c, err := link.Dial(ctx, cfg)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer c.End()
	if err := p.declare(c); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return f(c)
}

func (p *Parking) depth(c *link.Conn) (n int, err error) {
	err = c.Do(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(p.cfg.Queue, true, false, false, false, nil)
		n = q.Messages
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return n, nil
}

// drain is one run of Drain.
type drain struct {
	handle Handle
	want   int
	places chan struct{}
	work   sync.WaitGroup

	mu      sync.Mutex
	taken   int
	refused int
	err     error // the first
}

// run consumes. Refused events are not settled but kept, so that they do not come again at once; they, and what was
// fetched too many, go back to the queue with the connection.
func (d *drain) run(ctx context.Context, c *link.Conn, queue string) error {
	ch, err := c.Channel()
	if err != nil {
		return fmt.Errorf("%w: open a channel: %w", ErrUnavailable, err)
	}
	if err := ch.Qos(cap(d.places)+MaxFailures, 0, false); err != nil {
		return fmt.Errorf("%w: set the prefetch: %w", ErrUnavailable, err)
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("%w: consume: %w", ErrUnavailable, err)
	}
	err = d.receive(ctx, deliveries)
	d.work.Wait()
	return errors.Join(err, d.err)
}

// receive begins handlers for as many events as wanted.
func (d *drain) receive(ctx context.Context, deliveries <-chan amqp.Delivery) error {
	for range d.want {
		select {
		case d.places <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if d.failing() {
			return nil
		}
		timer := time.NewTimer(quiet)
		select {
		case delivery, ok := <-deliveries:
			timer.Stop()
			if !ok {
				return fmt.Errorf("%w: the consumer was cancelled", ErrUnavailable)
			}
			d.work.Go(func() {
				defer func() { <-d.places }()
				d.settle(ctx, &delivery)
			})
		case <-timer.C:
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

func (d *drain) failing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused >= MaxFailures
}

// settle hands one event over, and takes it out of the queue if it was taken.
func (d *drain) settle(ctx context.Context, delivery *amqp.Delivery) {
	err := d.handle(ctx, decode(delivery))
	if err == nil {
		if err = delivery.Ack(false); err != nil { // it will come again
			err = fmt.Errorf("%w: acknowledge: %w", ErrUnavailable, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.taken++
		return
	}
	d.refused++
	if d.err == nil {
		d.err = err
	}
}
