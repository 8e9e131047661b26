package dispatch

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Defaults of [Config].
const (
	DefaultTimeout          = 20 * time.Second
	DefaultConnectTimeout   = 5 * time.Second
	DefaultTLSTimeout       = 5 * time.Second
	DefaultFirstByteTimeout = 15 * time.Second
	DefaultIdleTimeout      = 90 * time.Second
	DefaultIdlePerHost      = 100
	DefaultIdle             = 1000
)

// The bounds of what is kept and read of an answer that are not configuration.
const (
	readAtOnce           = 4 << 10
	maxAnswerHeaderBytes = 64 << 10 // read; beyond, the answer is a protocol_error
	maxKeptHeaders       = 32
	maxKeptHeaderBytes   = 4 << 10 // names and values together
)

// HTTP/2 would let each peer send megabytes ahead of what is read: 4 MiB a stream, 1 GiB a connection. The windows are
// what an answer that is not read can cost in memory.
const (
	streamWindow     = 128 << 10
	connectionWindow = 1 << 20
	pingAfter        = 15 * time.Second
	pingTimeout      = 5 * time.Second
	sessionCache     = 512
)

// Config says how a [Dispatcher] sends. The zero value is good: it sends to the public internet only.
type Config struct {
	// Version is that of Homing, for the User-Agent "Homing/<version>". Default: "dev".
	Version string
	// Guard decides which addresses may be called. Default: the public internet's.
	Guard *Guard
	// Resolver resolves names. Default: the system's.
	Resolver *net.Resolver
	// RootCAs are the authorities that certificates must come from. Default: the system's.
	RootCAs *x509.CertPool
	// Proxy sends everything through a proxy (http, https or socks5), which resolves names in our stead: from then on
	// it is the proxy that must keep POSTs away from private networks. The guard still refuses addresses written in
	// URLs, and the proxy itself is called whatever the guard says. Default: none, and the environment's HTTP_PROXY
	// is not asked.
	Proxy *url.URL
	// Timeout bounds a whole attempt, for endpoints without a timeout of their own. Default: 20 s.
	Timeout time.Duration
	// ConnectTimeout bounds resolving the name and connecting, TLSTimeout the handshake (5 s each), FirstByteTimeout
	// the time from the end of the request to the end of the answer's headers (15 s), except to endpoints whose own
	// timeout is above Timeout: they may take all of it. Timeout, or the endpoint's own, holds besides.
	ConnectTimeout, TLSTimeout, FirstByteTimeout time.Duration
	// IdleTimeout is how long a connection is kept for the next attempt; default 90 s. IdlePerHost (100) and Idle
	// (1,000) bound how many are kept. How many are open is not bounded here: that is the number of slots.
	IdleTimeout       time.Duration
	IdlePerHost, Idle int
	// KeepBody is how many bytes of an answer's body are kept; 0 is none. ReadBody is how many are read, so that the
	// connection can be used again; with more to come it is closed instead. ReadBody is at least KeepBody.
	KeepBody, ReadBody int
}

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Guard == nil {
		c.Guard = &Guard{ports: refusedPorts}
	}
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	c.TLSTimeout = cmp.Or(c.TLSTimeout, DefaultTLSTimeout)
	c.FirstByteTimeout = cmp.Or(c.FirstByteTimeout, DefaultFirstByteTimeout)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, DefaultIdleTimeout)
	c.IdlePerHost = cmp.Or(c.IdlePerHost, DefaultIdlePerHost)
	c.Idle = cmp.Or(c.Idle, DefaultIdle)
	c.ReadBody = max(c.ReadBody, c.KeepBody)
	return c
}

// Dispatcher makes attempts. It keeps connections between them, and is safe for concurrent use.
type Dispatcher struct {
	guard     *Guard
	userAgent string
	timeout   time.Duration
	keepUpTo  int // bytes of an answer's body
	readUpTo  int
	buffers   sync.Pool // of *[]byte, KeepBody long at least
	signers   signers
	// transports have the bound on the first byte; patient have none, for endpoints with a longer timeout than others.
	transports, patient transports
}

// transports keep connections: withBody speaks HTTP/1.1 and HTTP/2, bodiless HTTP/1.1 only; see the package comment on
// sending once.
type transports struct{ withBody, bodiless *http.Transport }

func newTransports(c Config) transports {
	t := transports{withBody: newTransport(c), bodiless: newTransport(c)}
	t.withBody.Protocols.SetHTTP2(true)
	return t
}

func (t transports) closeIdle() {
	t.withBody.CloseIdleConnections()
	t.bodiless.CloseIdleConnections()
}

// New returns a dispatcher that has no connections yet. Close it when it is no longer used.
func New(c Config) *Dispatcher {
	c = c.withDefaults()
	d := &Dispatcher{
		guard: c.Guard, userAgent: userAgentName + c.Version, timeout: c.Timeout, keepUpTo: c.KeepBody,
		readUpTo: c.ReadBody,
	}
	d.buffers.New = func() any {
		b := make([]byte, max(c.KeepBody, readAtOnce))
		return &b
	}
	d.transports = newTransports(c)
	c.FirstByteTimeout = 0
	d.patient = newTransports(c)
	return d
}

// Close closes the connections that are idle. Attempts under way go on.
func (d *Dispatcher) Close() {
	d.transports.closeIdle()
	d.patient.closeIdle()
}

func newTransport(c Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t := &http.Transport{
		DialContext: dialer(c),
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs, ClientSessionCache: tls.NewLRUClientSessionCache(sessionCache),
		},
		TLSHandshakeTimeout:    c.TLSTimeout,
		ResponseHeaderTimeout:  c.FirstByteTimeout,
		IdleConnTimeout:        c.IdleTimeout,
		MaxIdleConns:           c.Idle,
		MaxIdleConnsPerHost:    c.IdlePerHost,
		MaxResponseHeaderBytes: maxAnswerHeaderBytes,
		DisableCompression:     true, // the record holds what came, and nobody can send us a bomb
		Protocols:              protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: connectionWindow,
			SendPingTimeout: pingAfter, PingTimeout: pingTimeout,
		},
	}
	if c.Proxy != nil {
		t.Proxy = http.ProxyURL(c.Proxy)
	}
	return t
}

// dialer returns the function by which connections are made: with the guard, unless it is to the proxy.
func dialer(c Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	open := net.Dialer{Timeout: c.ConnectTimeout, Resolver: c.Resolver}
	guarded := open
	guarded.ControlContext = c.Guard.control
	if c.Proxy == nil {
		return guarded.DialContext
	}
	proxy := proxyAddress(c.Proxy)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == proxy {
			return open.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
}

// proxyAddress returns the address that net/http dials for a proxy.
func proxyAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
