package dataplane_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// route is the way to a service, in place of gateway, activator and queue-proxy. It has the service's address while
// processes come and go, answers 502 when there is none, counts the requests under way, and can make answers slow.
type route struct {
	address string

	mu    sync.Mutex
	open  int           // requests under way
	delay time.Duration // before each answer
	// refused is how many answers were 503.
	refused int
}

// newRoute makes the way to a service that listens on an address.
func newRoute(t testing.TB, to string) *route {
	t.Helper()
	const connections = 256
	transport := &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}
	t.Cleanup(transport.CloseIdleConnections)
	r := new(route)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to})
	proxy.Transport = transport
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ModifyResponse = func(res *http.Response) error { return r.linger(res) }
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = listener.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: proxy.ErrorLog, Handler: r.counting(proxy)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it ends with the test
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return r
}

func (r *route) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.open++
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			r.open--
			r.mu.Unlock()
		}()
		next.ServeHTTP(w, req)
	})
}

// linger keeps an answer back. Errors: who asked has gone.
func (r *route) linger(res *http.Response) error {
	r.mu.Lock()
	delay := r.delay
	if res.StatusCode == http.StatusServiceUnavailable {
		r.refused++
	}
	r.mu.Unlock()
	select {
	case <-time.After(delay):
		return nil
	case <-res.Request.Context().Done():
		return res.Request.Context().Err()
	}
}

// slow makes the service answer so much later from now on.
func (r *route) slow(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = by
}

// refusals is how many requests were answered 503 by the service.
func (r *route) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// underWay is how many requests wait for their answer.
func (r *route) underWay() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}
