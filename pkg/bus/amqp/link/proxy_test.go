package link_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// proxy stands between a test and RabbitMQ. It can stop passing bytes, cut connections, and speak in the server's name.
type proxy struct {
	t        *testing.T
	url      string
	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu      sync.Mutex
	clients []net.Conn // of the connections that are open
	pairs   int        // connections so far
	open    chan struct{}
}

// newProxy returns a proxy for the server of an AMQP URL.
func newProxy(t *testing.T, amqpURL string) *proxy {
	t.Helper()
	u, err := url.Parse(amqpURL)
	require.NoError(t, err)
	p := &proxy{t: t, target: u.Host, open: make(chan struct{})}
	close(p.open)
	p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u.Host = p.listener.Addr().String()
	p.url = u.String()
	p.work.Go(p.accept)
	t.Cleanup(func() {
		p.listener.Close()
		p.resume()
		p.cut()
		p.work.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.clients = append(p.clients, client)
		p.pairs++
		p.mu.Unlock()
		p.work.Go(func() { p.pass(client, server) })
		p.work.Go(func() { p.pass(server, client) })
	}
}

// pass passes bytes on until one side closes, except while the proxy is stalled.
func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

// stall makes the network swallow everything until resume.
func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.Close()
	}
	p.clients = nil
}

// connections returns how many have been made.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pairs
}

// say sends a frame to the newest client in the server's name; the server must be silent meanwhile.
func (p *proxy) say(frame []byte) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.clients[len(p.clients)-1].Write(frame)
	require.NoError(p.t, err)
}

// Frames of RabbitMQ's extension of AMQP 0-9-1: type method, channel 0, size, class connection (10), method, arguments.
var (
	blockedFrame = append([]byte{1, 0, 0, 0, 0, 0, 15, 0, 10, 0, 60, 10}, "low memory\xce"...)
	unblocked    = []byte{1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xce}
)

// declare runs f on a channel straight to the server.
func declare(t *testing.T, amqpURL string, f func(ch *amqp.Channel) error) {
	t.Helper()
	conn, err := amqp.Dial(amqpURL)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, f(ch))
}
