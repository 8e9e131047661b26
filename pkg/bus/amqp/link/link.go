// Package link keeps connections to RabbitMQ open: what pkg/bus/amqp and pkg/parking need of AMQP 0-9-1 and the client
// library leaves to its users.
//
// It owns dialing, pauses between dials, and publishing with confirms. It promises that nothing here waits without a
// bound: not for a dial, a write, a confirm, nor for a server that has blocked the connection; that RabbitMQ being away
// delays no start and fails none; and that a Publish which returned nil was confirmed by the server, and routed when
// that was asked for. It never declares anything itself, never retries a publish, and never shows credentials in an
// error or a log.
package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Defaults of Config.
const (
	DialTimeoutDefault  = 5 * time.Second
	WriteTimeoutDefault = 5 * time.Second
	MinPauseDefault     = 100 * time.Millisecond
	MaxPauseDefault     = 10 * time.Second

	heartbeat    = 10 * time.Second
	closeTimeout = time.Second // for the good-bye; a server that has blocked the connection does not read it
)

// Config is how to reach RabbitMQ. Only URL has no default.
type Config struct {
	// URL is an amqp:// or amqps:// URL with user, password and virtual host.
	URL string
	// TLS is the configuration for amqps://. Defaults to the system's roots.
	TLS *tls.Config
	// Name is shown for the connection in RabbitMQ's management. Defaults to "homing".
	Name string
	// DialTimeout is how long it may take to connect and log in. Defaults to DialTimeoutDefault.
	DialTimeout time.Duration
	// WriteTimeout is how long the network may refuse to take bytes before the connection counts as lost. Defaults to
	// WriteTimeoutDefault.
	WriteTimeout time.Duration
	// MinPause is the pause after a connection was lost; each further one is twice as long, up to MaxPause. A random
	// half of each is left out. Default to MinPauseDefault and MaxPauseDefault.
	MinPause, MaxPause time.Duration
	// Logger is told when the connection is lost, and when it is there again. Defaults to slog.Default().
	Logger *slog.Logger
}

// ErrURL says that Config.URL is not an AMQP URL; it does not say why, because that would quote the password.
var ErrURL = errors.New("not an amqp:// or amqps:// URL")

// WithDefaults returns a copy with the defaults filled in. Errors: ErrURL.
func (c Config) WithDefaults() (Config, error) {
	if _, err := amqp.ParseURI(c.URL); err != nil {
		return c, ErrURL
	}
	if c.Name == "" {
		c.Name = "homing"
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.DialTimeout = cmp.Or(c.DialTimeout, DialTimeoutDefault)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, WriteTimeoutDefault)
	c.MinPause = cmp.Or(c.MinPause, MinPauseDefault)
	c.MaxPause = cmp.Or(c.MaxPause, MaxPauseDefault)
	return c, nil
}

// Conn is a connection that knows whether it is lost or blocked.
type Conn struct {
	*amqp.Connection

	lost chan struct{} // closed when the connection has ended

	mu      sync.Mutex
	blocked chan struct{} // closed when the server has unblocked the connection; nil when it has not blocked it
}

// Dial connects. cfg has its defaults filled in.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	var raw net.Conn
	stop := func() bool { return true }
	defer func() { stop() }()
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(cfg.Name)
	connection, err := amqp.DialConfig(cfg.URL, amqp.Config{
		Heartbeat: heartbeat, Properties: properties, TLSClientConfig: cfg.TLS.Clone(),
		Dial: func(network, address string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: cfg.DialTimeout}
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// For TLS and the log-in; the client library lifts it afterwards.
			if err := c.SetDeadline(time.Now().Add(cfg.DialTimeout)); err != nil {
				return nil, errors.Join(err, c.Close())
			}
			raw = &boundedConn{c, cfg.WriteTimeout}
			stop = context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
			return raw, nil
		},
	})
	if err != nil {
		if raw != nil {
			_ = raw.Close()
		}
		return nil, fmt.Errorf("link: dial: %w", err)
	}
	c := &Conn{Connection: connection, lost: make(chan struct{})}
	closes := connection.NotifyClose(make(chan *amqp.Error, 1))
	blocks := connection.NotifyBlocked(make(chan amqp.Blocking, 1))
	go c.watch(closes, blocks)
	return c, nil
}

// boundedConn ends writes that the peer does not take: without it a dead peer would block publishers until the kernel
// gives up.
type boundedConn struct {
	net.Conn
	timeout time.Duration
}

func (c *boundedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// watch keeps track of the connection's state until it ends.
func (c *Conn) watch(closes <-chan *amqp.Error, blocks <-chan amqp.Blocking) {
	defer close(c.lost)
	for {
		select {
		case <-closes: //nolint:errcheck // why does not matter: the connection is lost
			return
		case b, ok := <-blocks:
			if !ok {
				<-closes //nolint:errcheck // as above
				return
			}
			c.setBlocked(b.Active)
		}
	}
}

func (c *Conn) setBlocked(blocked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case blocked && c.blocked == nil:
		c.blocked = make(chan struct{})
	case !blocked && c.blocked != nil:
		close(c.blocked)
		c.blocked = nil
	}
}

// Lost returns a channel that is closed when the connection has ended.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// unblocked returns nil when the server takes publishes, else a channel that is closed when it does again.
func (c *Conn) unblocked() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked
}

// End closes the connection, its channels and consumers; it waits for the server's answer a second at most.
func (c *Conn) End() {
	_ = c.CloseDeadline(time.Now().Add(closeTimeout)) // an error: it has ended already, or has now
	<-c.lost
}

// Do runs f with a channel of its own, which a refusal by the server closes.
func (c *Conn) Do(f func(ch *amqp.Channel) error) error {
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := f(ch); err != nil {
		_ = ch.Close()
		return err
	}
	return ch.Close()
}

// ServerMajor returns the first number of RabbitMQ's version, 0 when it does not say.
func (c *Conn) ServerMajor() int {
	version, _ := c.Properties["version"].(string)
	text, _, _ := strings.Cut(version, ".")
	major, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return major
}

// Session is what is done with a connection. It returns when ctx ends or the connection is lost, at the latest, and
// calls up when it is in working order.
type Session func(ctx context.Context, c *Conn, up func()) error

// Keep dials and runs session with the connection; when session returns, or dialing fails (undialed is told why), it
// pauses and begins again, until ctx ends. cfg has its defaults filled in.
func Keep(ctx context.Context, cfg Config, session Session, undialed func(error)) {
	pause, down := cfg.MinPause, false
	var since time.Time // when the session was last in working order; zero when it is not
	up := func() {
		since = time.Now()
		if down {
			cfg.Logger.InfoContext(ctx, "RabbitMQ is there again", "connection", cfg.Name)
			down = false
		}
	}
	for {
		conn, err := Dial(ctx, cfg)
		if err == nil {
			err = session(ctx, conn, up)
			conn.End()
		} else {
			undialed(err)
		}
		if ctx.Err() != nil {
			return
		}
		if !since.IsZero() && time.Since(since) > cfg.MaxPause { // one that is lost at once again is no fresh start
			pause = cfg.MinPause
		}
		since = time.Time{}
		if !down {
			cfg.Logger.WarnContext(ctx, "RabbitMQ is away", "connection", cfg.Name, "error", err)
			down = true
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
			pause = min(2*pause, cfg.MaxPause)
		case <-ctx.Done():
			return
		}
	}
}
