package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves until the test ends.
func start(t *testing.T, cfg server.Config) *server.Server {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := server.New(cfg)
	require.NoError(t, s.Listen(t.Context()))
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		_ = s.Shutdown(context.Background()) // some tests have done it
		require.NoError(t, <-served)
	})
	return s
}

// client speaks HTTP/1.1, or HTTP/2 without TLS.
func client(t *testing.T, h2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetUnencryptedHTTP2(h2)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get returns status and body.
func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	r, err := c.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	return r.StatusCode, string(body)
}

// fixed answers with a text.
func fixed(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, text+r.Proto) })
}

var protocols = map[string]bool{"HTTP1": false, "H2C": true}

func TestPaths(t *testing.T) {
	t.Parallel()
	for name, h2 := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ready error
			s := start(t, server.Config{
				Handler: fixed("function "), Metrics: fixed("metrics "),
				Ready: func(context.Context) error { return ready },
			})
			require.NotContains(t, s.Addr(), ":0")
			require.Equal(t, s.Addr(), s.MetricsAddr())
			c, base := client(t, h2), "http://"+s.Addr()
			proto := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[h2]
			for path, want := range map[string]string{
				"/": "function " + proto, "/v1/events": "function " + proto, "/metrics": "metrics " + proto,
				"/healthz": "ok\n", "/readyz": "ready\n", "//": "function " + proto, "/healthz/": "function " + proto,
			} {
				status, body := get(t, c, base+path)
				require.Equal(t, http.StatusOK, status, path)
				require.Equal(t, want, body, path)
			}
			r, err := c.Post(base+"/healthz", "text/plain", nil)
			require.NoError(t, err)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.NoError(t, r.Body.Close())
			require.Equal(t, "function "+proto, string(body), "only GET is ours")

			ready = errors.New("store: not reachable")
			status, text := get(t, c, base+"/readyz")
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Contains(t, text, `"detail":"store: not reachable"`)
			status, _ = get(t, c, base+"/healthz")
			require.Equal(t, http.StatusOK, status, "a process that is not ready is alive")
		})
	}

	t.Run("MetricsApart", func(t *testing.T) {
		t.Parallel()
		s := start(t, server.Config{Metrics: fixed("metrics "), MetricsAddr: "127.0.0.1:0"})
		c := client(t, false)
		status, _ := get(t, c, "http://"+s.Addr()+"/metrics")
		require.Equal(t, http.StatusNotFound, status)
		status, body := get(t, c, "http://"+s.MetricsAddr()+"/metrics")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "metrics HTTP/1.1", body)
	})

	t.Run("NoMetrics", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, start(t, server.Config{}).MetricsAddr())
	})
}

func TestAPortThatIsTakenNamesTheSetting(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	addr := taken.Addr().String()

	err = server.New(server.Config{Addr: addr, Setting: "HOMING_LISTEN"}).Listen(t.Context())
	require.ErrorContains(t, err,
		"server: "+addr+" is in use by another program: stop that, or set HOMING_LISTEN to another address")

	s := server.New(server.Config{Addr: "127.0.0.1:0", Metrics: fixed(""), MetricsAddr: addr})
	require.ErrorContains(t, s.Listen(t.Context()), "set HOMING_METRICS_LISTEN to another address")
	_, err = net.Dial("tcp", s.Addr())
	require.Error(t, err, "the other address has been given back")

	err = server.New(server.Config{Addr: "256.0.0.1:x", Setting: "PORT"}).Listen(t.Context())
	require.ErrorContains(t, err, "listen on 256.0.0.1:x (from PORT)")
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, h2 := range protocols {
		t.Run(name+"WaitsForWhatIsInFlight", func(t *testing.T) {
			t.Parallel()
			entered, release := make(chan struct{}), make(chan struct{})
			s := start(t, server.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(entered)
				select {
				case <-release:
					_, _ = io.WriteString(w, "done")
				case <-r.Context().Done():
				}
			})})
			c := client(t, h2)
			answer := make(chan string, 1)
			go func() {
				r, err := c.Get("http://" + s.Addr())
				if err != nil {
					answer <- err.Error()
					return
				}
				defer func() { _ = r.Body.Close() }()
				body, _ := io.ReadAll(r.Body)
				answer <- string(body)
			}()
			<-entered
			down := make(chan error, 1)
			go func() { down <- s.Shutdown(t.Context()) }()
			require.Eventually(t, func() bool { // it no longer listens, and the request goes on
				conn, err := net.Dial("tcp", s.Addr())
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			}, 10*time.Second, time.Millisecond)
			require.Empty(t, down)
			close(release)
			require.Equal(t, "done", <-answer)
			require.NoError(t, <-down)
		})

		t.Run(name+"CutsOffAtItsDeadline", func(t *testing.T) {
			t.Parallel()
			entered, cut := make(chan struct{}), make(chan struct{})
			s := start(t, server.Config{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(entered)
				<-r.Context().Done()
				close(cut)
			})})
			c := client(t, h2)
			failed := make(chan error, 1)
			go func() {
				_, err := c.Get("http://" + s.Addr())
				failed <- err
			}()
			<-entered
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			err := s.Shutdown(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "requests were cut off")
			<-cut
			require.Error(t, <-failed)
		})
	}

	t.Run("UnreadyBeforeItStopsListening", func(t *testing.T) {
		t.Parallel()
		s := start(t, server.Config{Handler: fixed(""), DrainDelay: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(ctx) }()
		c := client(t, false)
		require.Eventually(t, func() bool {
			status, body := get(t, c, "http://"+s.Addr()+"/readyz")
			return status == http.StatusServiceUnavailable && strings.Contains(body, "shutting down")
		}, 10*time.Second, time.Millisecond)
		status, _ := get(t, c, "http://"+s.Addr()+"/")
		require.Equal(t, http.StatusOK, status, "requests that still come are answered")
		cancel()
		<-down //nolint:errcheck // whether a connection was left to cut depends on the moment
	})
}

func TestPanics(t *testing.T) {
	t.Parallel()
	for name, h2 := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			s := start(t, server.Config{
				Logger: slog.New(slog.NewJSONHandler(&log, nil)),
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/half":
						_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
					case "/abort":
						panic(http.ErrAbortHandler)
					}
					panic("secret payload")
				}),
			})
			c, base := client(t, h2), "http://"+s.Addr()
			status, body := get(t, c, base+"/x")
			require.Equal(t, http.StatusInternalServerError, status)
			require.NotContains(t, body, "secret")
			require.Contains(t, body, "#internal")
			require.Contains(t, log.String(), `"path":"/x"`)
			require.Contains(t, log.String(), "TestPanics")
			require.NotContains(t, log.String(), "secret")

			r, err := c.Get(base + "/half")
			if err == nil {
				_, err = io.ReadAll(r.Body)
				require.NoError(t, r.Body.Close())
			}
			require.Error(t, err, "half an answer does not look like a whole one")
			log.Reset()
			_, err = c.Get(base + "/abort")
			require.Error(t, err)
			require.Empty(t, log.String(), "aborting is not a fault")
			status, _ = get(t, c, base+"/healthz")
			require.Equal(t, http.StatusOK, status)
		})
	}
}
