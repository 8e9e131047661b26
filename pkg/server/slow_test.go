package server

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener without a network, so that the time of its connections is the bubble's.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// slowly serves in a bubble and hands f a connection.
func slowly(t *testing.T, h http.HandlerFunc, f func(t *testing.T, conn net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		s := New(Config{Handler: h, Logger: slog.New(slog.DiscardHandler)})
		s.listener = p
		served := make(chan error, 1)
		go func() { served <- s.Serve() }()
		conn, theirs := net.Pipe()
		p.conns <- theirs
		f(t, conn)
		require.NoError(t, conn.Close())
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, <-served)
	})
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

func TestSlowClients(t *testing.T) {
	t.Parallel()

	t.Run("HeadersThatDoNotEnd", func(t *testing.T) {
		t.Parallel()
		slowly(t, nil, func(t *testing.T, conn net.Conn) {
			started := time.Now()
			write(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n")
			_, err := bufio.NewReader(conn).ReadByte()
			require.Error(t, err)
			require.Equal(t, ReadHeaderTimeout, time.Since(started))
		})
	})

	t.Run("ABodyThatDoesNotEnd", func(t *testing.T) {
		t.Parallel()
		var read error
		slowly(t, func(w http.ResponseWriter, r *http.Request) {
			_, read = io.ReadAll(r.Body)
			WriteError(w, ErrBadRequest)
		}, func(t *testing.T, conn net.Conn) {
			started := time.Now()
			write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusBadRequest, r.StatusCode)
			require.Equal(t, ReadTimeout, time.Since(started))
			require.Error(t, read)
		})
	})

	t.Run("ARequestThatIsHeldIsNotCutOff", func(t *testing.T) {
		t.Parallel()
		const held = 10 * time.Minute
		slowly(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				t.Error(err)
			}
			select {
			case <-time.After(held):
				w.WriteHeader(http.StatusNoContent)
			case <-r.Context().Done():
				w.WriteHeader(http.StatusGone)
			}
		}, func(t *testing.T, conn net.Conn) {
			started := time.Now()
			write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusNoContent, r.StatusCode)
			require.Equal(t, held, time.Since(started))
		})
	})

	t.Run("AConnectionWithoutRequests", func(t *testing.T) {
		t.Parallel()
		slowly(t, nil, func(t *testing.T, conn net.Conn) {
			write(t, conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
			in := bufio.NewReader(conn)
			r, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			_, err = io.ReadAll(r.Body)
			require.NoError(t, err)
			started := time.Now()
			_, err = in.ReadByte()
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, IdleTimeout, time.Since(started))
		})
	})
}

// The timeout for reading does not count on when the body is there, with HTTP/2 either.
func TestAHeldRequestOverHTTP2IsNotCutOff(t *testing.T) {
	t.Parallel()
	const reading = 20 * time.Millisecond
	s := New(Config{Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			select {
			case <-time.After(10 * reading):
				w.WriteHeader(http.StatusNoContent)
			case <-r.Context().Done():
				w.WriteHeader(http.StatusGone)
			}
		})})
	s.main.ReadTimeout = reading
	require.NoError(t, s.Listen(t.Context()))
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()

	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	for range 2 { // the connection is good for another request
		r, err := c.Post("http://"+s.Addr(), "text/plain", strings.NewReader("body"))
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, http.StatusNoContent, r.StatusCode)
	}
	body, end := io.Pipe() // never ends
	r, err := c.Post("http://"+s.Addr(), "text/plain", body)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusBadRequest, r.StatusCode)
	require.NoError(t, end.Close())
	require.NoError(t, s.Shutdown(t.Context()))
	require.NoError(t, <-served)
}
