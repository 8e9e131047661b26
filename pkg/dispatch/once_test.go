package dispatch

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestAnAttemptIsSentOnce makes attempts against servers that close kept connections at the worst moments, where
// net/http likes to send again, and counts how often each attempt arrived.
func TestAnAttemptIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, misbehave := range map[string]func(c *net.TCPConn, r *bufio.Reader, seen func(*http.Request)){
		"ClosedAfterTheSecondRequest": func(c *net.TCPConn, r *bufio.Reader, seen func(*http.Request)) {
			if answer(c, r, seen) {
				readAndCount(r, seen)
			}
		},
		"ResetAfterTheSecondRequest": func(c *net.TCPConn, r *bufio.Reader, seen func(*http.Request)) {
			if answer(c, r, seen) {
				readAndCount(r, seen)
				_ = c.SetLinger(0)
			}
		},
		"ClosedWhenIdle": func(c *net.TCPConn, r *bufio.Reader, seen func(*http.Request)) { answer(c, r, seen) },
		"ResetWhenIdle": func(c *net.TCPConn, r *bufio.Reader, seen func(*http.Request)) {
			answer(c, r, seen)
			_ = c.SetLinger(0)
		},
		"ClosedWithinTheSecondRequest": func(c *net.TCPConn, r *bufio.Reader, seen func(*http.Request)) {
			if answer(c, r, seen) {
				_, _ = r.ReadByte()
			}
		},
	} {
		for kind, data := range map[string][]byte{"WithBody": []byte(`{"n":1}`), "WithoutBody": nil} {
			t.Run(name+kind, func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				arrived := map[string]int{}
				address := listen(t, func(c *net.TCPConn) {
					misbehave(c, bufio.NewReader(c), func(r *http.Request) {
						mu.Lock()
						defer mu.Unlock()
						arrived[r.Header.Get(HeaderAttempt)]++
					})
				})
				s := setup(t)
				s.request.Endpoint.URL, s.request.Event.Data = "http://"+address, data
				succeeded := 0
				for range 200 {
					if s.Send(context.Background(), s.request).Attempt.Outcome == webhook.OutcomeSuccess {
						succeeded++
					}
					s.request.Attempt++
				}
				require.GreaterOrEqual(t, succeeded, 100)
				mu.Lock()
				defer mu.Unlock()
				for attempt, n := range arrived {
					require.Equal(t, 1, n, "attempt %s arrived more than once", attempt)
				}
			})
		}
	}
}

// answer serves one request.
func answer(c net.Conn, r *bufio.Reader, seen func(*http.Request)) bool {
	if !readAndCount(r, seen) {
		return false
	}
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	return err == nil
}

// readAndCount counts a request as soon as its headers are in, as an application would see it.
func readAndCount(r *bufio.Reader, seen func(*http.Request)) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	seen(req)
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

// TestAnAttemptIsSentOnceOverHTTP2 does the same with the ways in which HTTP/2 refuses a request, after each of which
// net/http would send again what it can.
func TestAnAttemptIsSentOnceOverHTTP2(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(f *http2.Framer, stream uint32) error{
		"RefusedStream": func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"ProtocolError": func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeProtocol) },
		"Cancelled":     func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeCancel) },
		"GoAway":        func(f *http2.Framer, id uint32) error { return f.WriteGoAway(id-1, http2.ErrCodeNo, nil) },
		"GoAwayAndClose": func(f *http2.Framer, id uint32) error {
			_ = f.WriteGoAway(id-1, http2.ErrCodeNo, nil)
			return io.EOF
		},
		"Close": func(*http2.Framer, uint32) error { return io.EOF },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newHTTP2Server(t, refuse)
			s := setup(t, func(c *Config) { c.RootCAs = server.roots })
			s.request.Endpoint.URL = "https://" + server.address
			for n := range 5 {
				a := s.Send(context.Background(), s.request).Attempt
				require.Contains(t, []webhook.Outcome{webhook.OutcomeConnect, webhook.OutcomeProtocol}, a.Outcome)
				if name == "RefusedStream" || name == "GoAway" {
					require.Equal(t, "the server closed the connection without taking the request", a.Detail)
				}
				require.Equal(t, n+1, server.requests(), "one request for each attempt: %+v", a)
			}
		})
	}
	t.Run("WithoutBodyNotAtAll", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t, true, http.StatusOK)
		s := setup(t, func(c *Config) { c.RootCAs = roots(t, r.Server) })
		s.request.Endpoint.URL, s.request.Event.Data = r.URL, nil
		require.Equal(t, webhook.OutcomeSuccess, s.Send(context.Background(), s.request).Attempt.Outcome)
		got := r.last(t, 1)
		require.Equal(t, "HTTP/1.1", got.proto)
		require.Equal(t, "0", got.header.Get("Content-Length"))
	})
}

// http2Server speaks just enough HTTP/2 to refuse every request in one way.
type http2Server struct {
	address string
	roots   *x509.CertPool
	mu      sync.Mutex
	seen    int
}

func (s *http2Server) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func newHTTP2Server(t *testing.T, refuse func(f *http2.Framer, stream uint32) error) *http2Server {
	t.Helper()
	lender := httptest.NewUnstartedServer(nil) // of its certificate
	lender.StartTLS()
	t.Cleanup(lender.Close)
	s := &http2Server{roots: roots(t, lender)}
	config := &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"h2"}}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s.address = l.Addr().String()
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = c.Close() }()
				s.serve(c, refuse)
			})
		}
	})
	return s
}

func (s *http2Server) serve(c net.Conn, refuse func(f *http2.Framer, stream uint32) error) {
	if _, err := io.CopyN(io.Discard, c, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(c, c)
	if f.WriteSettings() != nil {
		return
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			s.mu.Lock()
			s.seen++
			s.mu.Unlock()
			err = refuse(f, frame.StreamID)
		}
		if err != nil {
			return
		}
	}
}
