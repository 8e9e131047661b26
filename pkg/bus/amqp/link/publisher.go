package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Defaults and bounds of publishing.
const (
	WaitDefault        = 5 * time.Second
	MaxInFlightDefault = 1000
	// MaxBody is how many bytes a message may have: half of what RabbitMQ 4 allows by default. One that is longer than
	// the server allows would cost everybody the connection.
	MaxBody = 8 << 20
	// MaxHeaders is how many bytes the headers of a message may take together: they must fit into one frame of 128 KiB.
	MaxHeaders = 96 << 10

	shortString = 255 // bytes of a message's properties, and of the names of headers
)

var (
	// ErrUnavailable says that the server did not confirm the message in time; it may have it all the same.
	ErrUnavailable = errors.New("RabbitMQ unavailable")
	// ErrUnroutable says that the server found no queue for a mandatory message.
	ErrUnroutable = errors.New("no queue takes the message")
	// ErrTooBig says that a message is longer than MaxBody, or its headers than MaxHeaders.
	ErrTooBig = errors.New("message too big for RabbitMQ")
)

// PublisherConfig is how a Publisher behaves.
type PublisherConfig struct {
	Config
	// Setup runs on every new connection, before anything is published: the place for declaring. It may be nil.
	Setup func(c *Conn) error
	// Wait is how long a Publish may take in all. Defaults to WaitDefault.
	Wait time.Duration
	// MaxInFlight is how many messages may wait for their confirms at once; more wait for their turn. Defaults to
	// MaxInFlightDefault.
	MaxInFlight int
}

// Message is a message and where to publish it.
type Message struct {
	Exchange, Key string
	// Mandatory asks for ErrUnroutable when no queue takes the message; the property CorrelationId is used for that.
	Mandatory bool
	amqp.Publishing
}

// Publisher publishes on one channel in confirm mode, many messages at once. It connects at the first Publish and
// whenever the connection was lost. While the last try to connect has failed, it answers ErrUnavailable at once.
type Publisher struct {
	cfg   PublisherConfig
	begin sync.Once
	ctx   context.Context
	end   context.CancelFunc
	done  chan struct{} // closed when the connection is closed for good
	slots chan struct{} // one for each message in flight

	flight  sync.WaitGroup // the messages that are not settled
	mu      sync.Mutex
	closed  bool
	session *session
	err     error         // why the last try to connect has failed
	changed chan struct{} // closed when session or err change
}

// session is a connection in working order.
type session struct {
	conn *Conn
	ch   *amqp.Channel

	number    atomic.Uint64 // of the last mandatory message
	abandoned atomic.Int64  // messages whose confirms nobody waits for any more
	once      sync.Once     // closes spent
	spent     chan struct{} // closed when another connection is wanted

	returned map[string]struct{} // CorrelationIds; owned by the goroutine of sort
	ask      chan question
}

// question asks whether a message has come back.
type question struct {
	id     string
	answer chan<- bool
}

// NewPublisher returns a Publisher that has not connected yet. Errors: ErrURL.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	var err error
	if cfg.Config, err = cfg.WithDefaults(); err != nil {
		return nil, err
	}
	cfg.Wait = cmp.Or(cfg.Wait, WaitDefault)
	cfg.MaxInFlight = cmp.Or(cfg.MaxInFlight, MaxInFlightDefault)
	p := &Publisher{
		cfg: cfg, done: make(chan struct{}), slots: make(chan struct{}, cfg.MaxInFlight), changed: make(chan struct{}),
	}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p, nil
}

// Publish returns nil when the server has confirmed the message. Errors: ErrUnavailable, ErrUnroutable, ErrTooBig.
func (p *Publisher) Publish(ctx context.Context, m Message) error {
	if len(m.Body) > MaxBody || size(m.Headers) > MaxHeaders {
		return ErrTooBig
	}
	if !p.enter() {
		return fmt.Errorf("%w: closed", ErrUnavailable)
	}
	defer p.flight.Done()
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Wait)
	defer cancel()
	p.begin.Do(func() {
		go func() {
			defer close(p.done)
			Keep(p.ctx, p.cfg.Config, p.serve, func(err error) { p.set(nil, err) })
		}()
	})
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	s, err := p.current(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return s.publish(ctx, &m, int64(p.cfg.MaxInFlight))
}

// enter counts a message in, unless the publisher is closed.
func (p *Publisher) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.flight.Add(1)
	return true
}

// size is about how many bytes a table takes in a frame.
func size(t amqp.Table) int {
	const entry = 16 // lengths, type and a value of fixed size
	n := 0
	for name, value := range t {
		n += entry + len(name)
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		case amqp.Table:
			n += size(v)
		}
	}
	return n
}

// ShortString reports whether a text fits into a property of a message, or the name of a header.
func ShortString(s string) bool { return len(s) <= shortString }

// set makes the outcome of a try to connect known to those who wait for it.
func (p *Publisher) set(s *session, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session, p.err = s, err
	close(p.changed)
	p.changed = make(chan struct{})
}

// current returns the session; while there is none and nothing has failed yet, it waits.
func (p *Publisher) current(ctx context.Context) (*session, error) {
	for {
		p.mu.Lock()
		s, err, changed := p.session, p.err, p.changed
		p.mu.Unlock()
		if s != nil || err != nil {
			return s, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.ctx.Done():
			return nil, errors.New("closed")
		}
	}
}

// serve is the publisher's session on a connection.
func (p *Publisher) serve(ctx context.Context, c *Conn, up func()) error {
	ch, err := p.open(c)
	if err != nil {
		p.set(nil, err)
		return err
	}
	s := &session{
		conn: c, ch: ch, spent: make(chan struct{}), returned: make(map[string]struct{}), ask: make(chan question),
	}
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	// Unbuffered: a return is with sort before the confirm that follows it is read from the connection.
	returns := ch.NotifyReturn(make(chan amqp.Return))
	go s.sort(returns)
	up()
	p.set(s, nil)
	defer p.set(nil, nil) // the next dial is not far: publishers may wait for it
	select {
	case <-ctx.Done():
		return ctx.Err()
	case e := <-closes:
		if e != nil {
			return fmt.Errorf("link: channel closed: %w", e)
		}
		return errors.New("link: channel closed")
	case <-c.Lost():
		return errors.New("link: connection lost")
	case <-s.spent:
		return errors.New("link: the server does not confirm, or lacks what was set up")
	}
}

// Renew makes the next connection, and so runs Setup again: for who learns that what Setup made is gone.
func (p *Publisher) Renew() {
	p.mu.Lock()
	s := p.session
	p.mu.Unlock()
	if s != nil {
		s.renew()
	}
}

func (s *session) renew() { s.once.Do(func() { close(s.spent) }) }

// open makes a channel ready for publishing.
func (p *Publisher) open(c *Conn) (*amqp.Channel, error) {
	if p.cfg.Setup != nil {
		if err := p.cfg.Setup(c); err != nil {
			return nil, fmt.Errorf("link: set up: %w", err)
		}
	}
	ch, err := c.Channel()
	if err != nil {
		return nil, fmt.Errorf("link: open a channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("link: ask for confirms: %w", err)
	}
	return ch, nil
}

// sort keeps the ids of the messages that came back, until the channel is closed.
func (s *session) sort(returns <-chan amqp.Return) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return
			}
			s.returned[r.CorrelationId] = struct{}{}
		case q := <-s.ask:
			_, came := s.returned[q.id]
			delete(s.returned, q.id)
			q.answer <- came
		}
	}
}

func (s *session) publish(ctx context.Context, m *Message, mostAbandoned int64) error {
	if blocked := s.conn.unblocked(); blocked != nil {
		select {
		case <-blocked:
		case <-ctx.Done():
			return fmt.Errorf("%w: it has blocked publishers (out of memory or disk): %w", ErrUnavailable, ctx.Err())
		case <-s.conn.Lost():
			return fmt.Errorf("%w: connection lost", ErrUnavailable)
		}
	}
	if m.Mandatory {
		m.CorrelationId = strconv.FormatUint(s.number.Add(1), 36)
	}
	confirm, err := s.ch.PublishWithDeferredConfirm(m.Exchange, m.Key, m.Mandatory, false, m.Publishing)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	select {
	case <-confirm.Done():
	case <-ctx.Done():
		// The client library keeps the confirm until it comes or the channel is closed: do not let them pile up.
		if s.abandoned.Add(1) >= mostAbandoned {
			s.renew()
		}
		return fmt.Errorf("%w: not confirmed: %w", ErrUnavailable, ctx.Err())
	}
	if !confirm.Acked() {
		return fmt.Errorf("%w: refused, or the connection was lost", ErrUnavailable)
	}
	if m.Mandatory {
		return s.routed(m.CorrelationId)
	}
	return nil
}

// routed returns ErrUnroutable when a message that was confirmed had been returned before.
func (s *session) routed(id string) error {
	answer := make(chan bool, 1)
	select {
	case s.ask <- question{id, answer}:
	case <-s.conn.Lost():
		return fmt.Errorf("%w: connection lost", ErrUnavailable) // and with it what had come back
	}
	if <-answer {
		return ErrUnroutable
	}
	return nil
}

// Close makes Publish answer ErrUnavailable, and ends the connection when the messages in flight are settled or ctx has
// ended, which it then reports.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		p.flight.Wait()
	}()
	select {
	case <-settled:
	case <-ctx.Done():
	}
	p.end()
	p.begin.Do(func() { close(p.done) })
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("link: close: %w", err)
	}
	return nil
}
