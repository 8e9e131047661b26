// Package parking keeps producers' raw events while the store is away, in a durable quorum queue of RabbitMQ, so that
// the broker's face of ingest can answer for them, and gives them back when the store can be written to again.
//
//	Park ─► exchange homing.parked (fanout) ─► queue homing.parked (quorum) ─► Drain
//
// It owns that exchange and queue and the form of what is in it. It promises that Park returns nil only for an event
// that the queue has on disk (mandatory, confirmed by a majority of its nodes), in bounded time; that Drain takes an
// event out only after its handler has taken it; and that no number of tries loses one: RabbitMQ 4 drops a message
// after 20 redeliveries by default, so the queue is declared with no limit there. It never looks inside an event, and
// never promises that an event comes out once only.
//
// A quorum queue that was made seconds ago is not safe yet: RabbitMQ (3.10, measured) notes where its log is a little
// later, and a node killed before that comes back with a queue that neither gives nor takes; Park then fails. So the
// queue should be there long before it is needed, made by hand or by the first Drain or Depth of a deployment.
//
// The exchange of its own is for permissions: who may write to RabbitMQ's default exchange may write to every queue. A
// user who only parks needs `write ^homing\.parked$` and nothing else; who drains, `read` of the same. Who declares
// needs `configure` too: a user without it uses what somebody else has declared. On RabbitMQ 4 who declares the queue
// by hand must give it `x-delivery-limit: -1`.
package parking

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
)

const (
	// QueueDefault is the name of the queue, and of its exchange.
	QueueDefault = "homing.parked"
	// WaitDefault is how long a Park may take.
	WaitDefault = 3 * time.Second
	// ParallelismDefault is how many events Drain hands over at once.
	ParallelismDefault = 16
	// MaxBodyDefault is how many bytes the body of a parked event may have: room for 1 MiB of data in base64.
	MaxBodyDefault = 2 << 20
	// MaxHeader is how many bytes the names and values of its header may have together.
	MaxHeader = 64 << 10
	// MaxHeaders is how many there may be.
	MaxHeaders = 512

	headerLimit = 255 // bytes of a header's name, in AMQP

	attributes = "attributes"  // the AMQP header with the event's header, a table
	receivedAt = "received-at" // the AMQP header with Parked.ReceivedAt, RFC 3339; absent when that is zero

	unlimitedSince = 4 // the RabbitMQ that has a delivery limit unless told otherwise
)

var (
	// ErrUnavailable says that RabbitMQ did not take the event in time, or could not be asked. It may have the event.
	ErrUnavailable = errors.New("parking unavailable")
	// ErrTooBig says that an event is longer than Config.MaxBody, MaxHeader or MaxHeaders.
	ErrTooBig = errors.New("too big to park")
)

// Config is where the events are parked. Of Link only URL has no default.
type Config struct {
	// Link is how to reach RabbitMQ. Parking connects when it parks or drains, and keeps one connection for parking.
	Link link.Config
	// Queue is the name of the queue and the exchange. Defaults to QueueDefault.
	Queue string
	// Wait is how long a Park may take. Defaults to WaitDefault.
	Wait time.Duration
	// Parallelism is how many events Drain hands over at once. Defaults to ParallelismDefault.
	Parallelism int
	// MaxBody is how many bytes the body of an event may have; more than link.MaxBody is not possible. It should be
	// more than what ingest takes, by a third when that may be parked in base64. Defaults to MaxBodyDefault.
	MaxBody int
}

// Parked is an event as it came.
type Parked struct {
	// Header is the headers that it came with, the content type among them.
	Header map[string]string
	// Body is the body that it came with.
	Body []byte
	// ReceivedAt is when it came; zero when that was not said.
	ReceivedAt time.Time
}

// Parking is the place. Make one with New.
type Parking struct {
	cfg       Config
	publisher *link.Publisher
	mayNot    atomic.Bool // the user may not declare: then it is not tried, which RabbitMQ would log as an error
}

// New returns a Parking that has not connected yet. Errors: link.ErrURL.
func New(cfg Config) (*Parking, error) {
	cfg.Queue = cmp.Or(cfg.Queue, QueueDefault)
	cfg.Wait = cmp.Or(cfg.Wait, WaitDefault)
	cfg.Parallelism = cmp.Or(cfg.Parallelism, ParallelismDefault)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, MaxBodyDefault)
	cfg.MaxBody = min(cfg.MaxBody, link.MaxBody)
	var err error
	if cfg.Link, err = cfg.Link.WithDefaults(); err != nil {
		return nil, fmt.Errorf("parking: %w", err)
	}
	p := &Parking{cfg: cfg}
	if p.publisher, err = link.NewPublisher(link.PublisherConfig{
		Config: cfg.Link, Wait: cfg.Wait, Setup: p.declare,
	}); err != nil {
		return nil, fmt.Errorf("parking: %w", err)
	}
	return p, nil
}

// declare makes exchange and queue, or finds those that somebody else has made when the user may not.
func (p *Parking) declare(c *link.Conn) error {
	if p.mayNot.Load() && p.there(c) {
		return nil
	}
	err := p.make(c)
	if refused, ok := errors.AsType[*amqp.Error](err); ok && refused.Code == amqp.AccessRefused && p.there(c) {
		p.mayNot.Store(true)
		return nil
	}
	return err
}

// there reports whether exchange and queue have been made. Asking needs no permission.
func (p *Parking) there(c *link.Conn) bool {
	_, err := p.depth(c)
	return err == nil && nil == c.Do(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(p.cfg.Queue, amqp.ExchangeFanout, true, false, false, false, nil)
	})
}

// make makes exchange and queue. A queue that is there with other arguments is used.
func (p *Parking) make(c *link.Conn) error {
	args := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	if c.ServerMajor() >= unlimitedSince {
		args["x-delivery-limit"] = int32(-1)
	}
	name := p.cfg.Queue
	err := c.Do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		return err
	})
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		p.cfg.Link.Logger.Warn("the queue has other arguments than it would be given", "queue", name, "error", err)
		err = nil
	}
	if err != nil {
		return fmt.Errorf("parking: declare the queue: %w", err)
	}
	err = c.Do(func(ch *amqp.Channel) error {
		if err := ch.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
			return err
		}
		return ch.QueueBind(name, "", name, false, nil)
	})
	if err != nil {
		return fmt.Errorf("parking: declare the exchange: %w", err)
	}
	return nil
}

// Park returns nil when the queue has the event. Errors: ErrUnavailable, ErrTooBig.
func (p *Parking) Park(ctx context.Context, event Parked) error {
	if n := len(event.Body); n > p.cfg.MaxBody {
		return fmt.Errorf("parking: park: a body of %d bytes: %w", n, ErrTooBig)
	}
	m, err := encode(&event)
	if err != nil {
		return fmt.Errorf("parking: park: %w", err)
	}
	err = p.publisher.Publish(ctx, link.Message{Exchange: p.cfg.Queue, Mandatory: true, Publishing: m})
	if errors.Is(err, link.ErrUnroutable) {
		p.publisher.Renew() // the queue was deleted: the next one finds it again
	}
	if err != nil {
		return fmt.Errorf("parking: park: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// Close ends the connection when the events being parked are settled, or ctx has ended, which it then reports.
func (p *Parking) Close(ctx context.Context) error { return p.publisher.Close(ctx) }

func encode(event *Parked) (amqp.Publishing, error) {
	if n := len(event.Header); n > MaxHeaders {
		return amqp.Publishing{}, fmt.Errorf("%d headers: %w", n, ErrTooBig)
	}
	table, size := make(amqp.Table, len(event.Header)), 0
	for name, value := range event.Header {
		if len(name) > headerLimit {
			return amqp.Publishing{}, fmt.Errorf("a header's name of %d bytes: %w", len(name), ErrTooBig)
		}
		size += len(name) + len(value)
		table[name] = value
	}
	if size > MaxHeader {
		return amqp.Publishing{}, fmt.Errorf("headers of %d bytes: %w", size, ErrTooBig)
	}
	headers := amqp.Table{attributes: table}
	if !event.ReceivedAt.IsZero() {
		headers[receivedAt] = event.ReceivedAt.UTC().Format(time.RFC3339Nano)
	}
	return amqp.Publishing{Headers: headers, DeliveryMode: amqp.Persistent, Body: event.Body}, nil
}

// decode reads whatever is in the queue: what is not of our form comes out with less, for the handler to judge.
func decode(d *amqp.Delivery) Parked {
	p := Parked{Header: map[string]string{}, Body: d.Body}
	table, _ := d.Headers[attributes].(amqp.Table)
	for name, value := range table {
		if text, ok := value.(string); ok {
			p.Header[name] = text
		}
	}
	text, _ := d.Headers[receivedAt].(string)
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		p.ReceivedAt = at
	}
	return p
}
