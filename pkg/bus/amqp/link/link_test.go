package link_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	queue    = "q"
	patience = time.Minute
	soon     = 200 * time.Millisecond // the Wait of publishers that are meant to fail
)

func newPublisher(t *testing.T, cfg link.PublisherConfig) *link.Publisher {
	t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	cfg.MinPause, cfg.MaxPause = 5*time.Millisecond, 50*time.Millisecond
	p, err := link.NewPublisher(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, p.Close(ctx))
	})
	return p
}

func declareQueue(c *link.Conn) error {
	return c.Do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
		return err
	})
}

func text(s string) link.Message {
	return link.Message{Key: queue, Publishing: amqp.Publishing{Body: []byte(s)}}
}

// works waits until something is published.
func works(t *testing.T, p *link.Publisher) {
	t.Helper()
	require.Eventually(t, func() bool { return p.Publish(t.Context(), text("x")) == nil }, patience, time.Millisecond)
}

func depth(t *testing.T, url string) (n int) {
	t.Helper()
	declare(t, url, func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		n = q.Messages
		return err
	})
	return n
}

func TestPublishPipelines(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p := newPublisher(t, link.PublisherConfig{Config: link.Config{URL: url}, Setup: declareQueue, MaxInFlight: 50})
	var all sync.WaitGroup
	errs := make(chan error, 500)
	for range cap(errs) {
		all.Go(func() { errs <- p.Publish(t.Context(), text("x")) })
	}
	all.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.Equal(t, cap(errs), depth(t, url))
}

func TestPublishTellsWhatTheServerDid(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p := newPublisher(t, link.PublisherConfig{Config: link.Config{URL: url}, Setup: func(c *link.Conn) error {
		return c.Do(func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{
				amqp.QueueMaxLenArg: 1, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
			})
			return err
		})
	}})
	require.NoError(t, p.Publish(t.Context(), text("fits")))
	require.ErrorIs(t, p.Publish(t.Context(), text("does not")), link.ErrUnavailable)

	nowhere := text("x")
	nowhere.Key = "nowhere"
	require.NoError(t, p.Publish(t.Context(), nowhere), "it did not ask")
	nowhere.Mandatory = true
	var all sync.WaitGroup
	errs := make(chan error, 200)
	for i := range cap(errs) {
		all.Go(func() {
			m := nowhere
			if i%2 == 0 {
				m.Key = "amq.rabbitmq.reply-to.none" // neither
			}
			errs <- p.Publish(t.Context(), m)
		})
	}
	all.Wait()
	for range cap(errs) {
		require.ErrorIs(t, <-errs, link.ErrUnroutable)
	}
}

func TestPublishRefusesWhatWouldCostTheConnection(t *testing.T) {
	t.Parallel()
	p := newPublisher(t, link.PublisherConfig{Config: link.Config{URL: testenv.RabbitMQ(t)}, Setup: declareQueue})
	require.NoError(t, p.Publish(t.Context(), text(strings.Repeat("x", link.MaxBody))))
	require.ErrorIs(t, p.Publish(t.Context(), text(strings.Repeat("x", link.MaxBody+1))), link.ErrTooBig)
	m := text("x")
	m.Headers = amqp.Table{"a": amqp.Table{"b": strings.Repeat("x", link.MaxHeaders-64)}}
	require.NoError(t, p.Publish(t.Context(), m))
	m.Headers["c"] = []byte(strings.Repeat("x", 64))
	require.ErrorIs(t, p.Publish(t.Context(), m), link.ErrTooBig)
}

func TestPublishWithNobodyThere(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := newPublisher(t, link.PublisherConfig{
		Config: link.Config{URL: "amqp://user:secret@" + listener.Addr().String() + "/"}, Wait: time.Hour,
	})
	require.NoError(t, listener.Close())
	for range 3 { // at once, though Wait is long
		err = p.Publish(t.Context(), text("x"))
		require.ErrorIs(t, err, link.ErrUnavailable)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestDialIsBounded(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	cfg, err := link.Config{URL: "amqp://" + listener.Addr().String(), DialTimeout: soon}.WithDefaults()
	require.NoError(t, err)
	t.Run("ByItsTimeout", func(t *testing.T) {
		t.Parallel()
		_, err := link.Dial(t.Context(), cfg)
		require.Error(t, err)
	})
	t.Run("ByTheContext", func(t *testing.T) {
		t.Parallel()
		cfg := cfg
		cfg.DialTimeout = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		_, err := link.Dial(ctx, cfg)
		require.Error(t, err)
	})
}

func TestPublishIsBounded(t *testing.T) {
	t.Parallel()
	through := newProxy(t, testenv.RabbitMQ(t))
	p := newPublisher(t, link.PublisherConfig{
		Config: link.Config{URL: through.url}, Setup: declareQueue, Wait: soon, MaxInFlight: 3,
	})
	works(t, p)
	before := through.connections()
	through.stall()
	require.ErrorIs(t, p.Publish(t.Context(), text("x")), context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(soon/10, cancel)
	err := p.Publish(ctx, text("x"))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, link.ErrUnavailable)
	// A server that confirms nothing is left, so that its confirms do not pile up.
	require.ErrorIs(t, p.Publish(t.Context(), text("x")), link.ErrUnavailable)
	through.resume()
	require.Eventually(t, func() bool { return through.connections() > before }, patience, soon/10)
	works(t, p)
}

// RabbitMQ out of memory or disk takes nothing from publishers until it has some again.
func TestPublishWhileBlocked(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	through := newProxy(t, url)
	p := newPublisher(t, link.PublisherConfig{Config: link.Config{URL: through.url}, Setup: declareQueue, Wait: soon})
	works(t, p)
	through.say(blockedFrame)
	require.Eventually(t, func() bool {
		err := p.Publish(t.Context(), text("blocked"))
		return err != nil && strings.Contains(err.Error(), "blocked publishers")
	}, patience, time.Millisecond)
	sent := depth(t, url)
	require.ErrorIs(t, p.Publish(t.Context(), text("blocked")), link.ErrUnavailable)
	require.Equal(t, sent, depth(t, url), "nothing is sent that would come twice after a retry")
	through.say(unblocked)
	works(t, p)
}

func TestPublishReconnects(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	through := newProxy(t, url)
	p := newPublisher(t, link.PublisherConfig{Config: link.Config{URL: through.url}, Setup: declareQueue})
	for n := range 3 {
		works(t, p)
		require.Greater(t, through.connections(), n)
		through.cut()
	}
	nowhere := text("x")
	nowhere.Exchange = "gone" // closes the channel, not the connection
	works(t, p)
	require.ErrorIs(t, p.Publish(t.Context(), nowhere), link.ErrUnavailable)
	works(t, p)
}

func TestPublishTellsWhySetupFailed(t *testing.T) {
	t.Parallel()
	refused := errors.New("no permission")
	p := newPublisher(t, link.PublisherConfig{
		Config: link.Config{URL: testenv.RabbitMQ(t)}, Setup: func(*link.Conn) error { return refused },
	})
	require.ErrorIs(t, p.Publish(t.Context(), text("x")), refused)
}

func TestCloseWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	through := newProxy(t, testenv.RabbitMQ(t))
	p := newPublisher(t, link.PublisherConfig{Config: link.Config{URL: through.url}, Setup: declareQueue, Wait: patience})
	require.NoError(t, p.Publish(t.Context(), text("x")))
	through.stall()
	published, closed := make(chan error, 1), make(chan error, 1)
	go func() { published <- p.Publish(t.Context(), text("x")) }()
	ended, cancel := context.WithTimeout(t.Context(), soon/10)
	defer cancel()
	<-ended.Done() // let the publish be under way
	go func() { closed <- p.Close(t.Context()) }()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), soon/10)
		defer cancel()
		err := p.Publish(ctx, text("x"))
		return err != nil && strings.Contains(err.Error(), "closed")
	}, patience, time.Millisecond)
	require.Empty(t, closed)
	through.resume()
	require.NoError(t, <-published)
	require.NoError(t, <-closed)
}

func TestCloseBeforeUse(t *testing.T) {
	t.Parallel()
	p, err := link.NewPublisher(link.PublisherConfig{Config: link.Config{URL: "amqp://nobody.invalid"}})
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
	require.ErrorIs(t, p.Publish(t.Context(), text("x")), link.ErrUnavailable)
}

func TestConfigRefusesAURLWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "http://user:secret@host", "amqp://user:secret@host:port", "amqp://user:sec ret%@host/",
	} {
		_, err := link.NewPublisher(link.PublisherConfig{Config: link.Config{URL: url}})
		require.ErrorIs(t, err, link.ErrURL)
		require.NotContains(t, err.Error(), "sec")
	}
}

func TestServerMajor(t *testing.T) {
	t.Parallel()
	for version, want := range map[any]int{"3.10.8": 3, "4.0.1": 4, "4": 4, "x": 0, nil: 0, 4: 0} {
		c := link.Conn{Connection: &amqp.Connection{Properties: amqp.Table{"version": version}}}
		require.Equal(t, want, c.ServerMajor(), version)
	}
}

func TestTheConnectionHasItsName(t *testing.T) {
	t.Parallel()
	cfg, err := link.Config{URL: testenv.RabbitMQ(t), Name: "homing test"}.WithDefaults()
	require.NoError(t, err)
	c, err := link.Dial(t.Context(), cfg)
	require.NoError(t, err)
	defer c.End()
	require.Equal(t, "homing test", c.Config.Properties["connection_name"])
}
