package dispatch

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

const short = 100 * time.Millisecond

// failing is an endpoint that misbehaves, and what must become of an attempt. serve returns its URL.
type failing struct {
	serve   func(t *testing.T) string
	change  func(t *testing.T, c *Config)
	request func(r *Request)
	outcome webhook.Outcome
	detail  string
}

func TestHostileEndpoints(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]failing{
		"ConnectionRefused": {serve: refusing, outcome: webhook.OutcomeConnect, detail: "refused"},
		"ConnectionReset": {
			serve:   raw(func(c *net.TCPConn) { readRequest(c); _ = c.SetLinger(0); _ = c.Close() }),
			outcome: webhook.OutcomeConnect, detail: "reset",
		},
		"ClosedWithoutAnswer": {
			serve: raw(func(c *net.TCPConn) { readRequest(c) }), outcome: webhook.OutcomeConnect, detail: "closed",
		},
		"ClosedInTheHeaders": {
			serve: answering("HTTP/1.1 200 OK\r\nContent-Le"), outcome: webhook.OutcomeProtocol,
		},
		"NotHTTP": {
			serve:   answering("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
			outcome: webhook.OutcomeProtocol, detail: "HTTP",
		},
		"BadHeader": {serve: answering("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), outcome: webhook.OutcomeProtocol},
		"TwoLengths": {
			serve:   answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
			outcome: webhook.OutcomeProtocol,
		},
		"StatusNotANumber": {serve: answering("HTTP/1.1 2x0 OK\r\n\r\n"), outcome: webhook.OutcomeProtocol},
		"EndlessInformation": {
			serve:   answering(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 5000)),
			outcome: webhook.OutcomeProtocol,
		},
		"ManyHeaders": {
			serve: handling(func(w http.ResponseWriter, _ *http.Request) {
				for i := range 10_000 {
					w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("v", 20))
				}
			}),
			outcome: webhook.OutcomeProtocol, detail: "headers of the answer are too large",
		},
		"Redirect": {
			serve: handling(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
			}),
			outcome: webhook.OutcomeRedirect, detail: "not followed",
		},
		"SwitchingProtocols": {
			serve: raw(func(c *net.TCPConn) { // and leaves the connection open
				readRequest(c)
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
				untilClosed(c)
			}),
			outcome: webhook.OutcomeServerError, detail: "101",
		},
		"UnknownAuthority": {serve: secure, outcome: webhook.OutcomeTLS, detail: "authority"},
		"OldTLS":           {serve: secureTo11, outcome: webhook.OutcomeTLS},
		"PlainBehindHTTPS": {
			serve:   func(t *testing.T) string { return "https" + strings.TrimPrefix(handling(ok)(t), "http") },
			outcome: webhook.OutcomeTLS,
		},
		"SlowConnect": {
			serve: full, change: func(_ *testing.T, c *Config) { c.ConnectTimeout = short },
			outcome: webhook.OutcomeTimeout, detail: "connecting took too long",
		},
		"SlowConnectWithinTheWhole": {
			serve: full, request: func(r *Request) { r.Endpoint.Timeout = short },
			outcome: webhook.OutcomeTimeout, detail: "connecting took too long",
		},
		"SlowTLS": {
			serve: silentTLS, change: func(_ *testing.T, c *Config) { c.TLSTimeout = short },
			outcome: webhook.OutcomeTimeout, detail: "the TLS handshake took too long",
		},
		"SlowTLSWithinTheWhole": {
			serve: silentTLS, request: func(r *Request) { r.Endpoint.Timeout = short },
			change:  func(_ *testing.T, c *Config) { c.TLSTimeout = 4 * short }, // the handshake goes on for so long
			outcome: webhook.OutcomeTimeout, detail: "the TLS handshake took too long",
		},
		"SlowFirstByte": {
			serve: handling(hang), change: func(_ *testing.T, c *Config) { c.FirstByteTimeout = short },
			outcome: webhook.OutcomeTimeout, detail: "the answer took too long",
		},
		"SlowWhole": {
			serve: handling(hang), request: func(r *Request) { r.Endpoint.Timeout = short },
			outcome: webhook.OutcomeTimeout, detail: "the answer took too long",
		},
		"SlowHeaders": {
			serve: raw(dripHeaders), change: func(_ *testing.T, c *Config) { c.FirstByteTimeout = short },
			outcome: webhook.OutcomeTimeout, detail: "the answer took too long",
		},
		"NotReading": {
			serve:   raw(func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, io.LimitReader(c, 1)); untilClosed(c) }),
			request: func(r *Request) { r.Endpoint.Timeout, r.Event.Data = short, make([]byte, 16<<20) },
			outcome: webhook.OutcomeTimeout, detail: "the answer took too long",
		},
		"NameThatDoesNotExist": {
			serve: named("http"), change: resolving(nil), outcome: webhook.OutcomeDNS, detail: "does not exist",
		},
		"NameServerThatIsSilent": {
			serve: named("http"),
			change: func(t *testing.T, c *Config) {
				c.Resolver, c.ConnectTimeout = newResolver(t, []netip.Addr{}), short
			},
			outcome: webhook.OutcomeDNS, detail: "no name server answered",
		},
		"NameServerThatIsSilentWithinTheWhole": {
			serve: named("http"),
			change: func(t *testing.T, c *Config) { // the lookup goes on for so long after the attempt
				c.Resolver, c.ConnectTimeout = newResolver(t, []netip.Addr{}), 4*short
			},
			request: func(r *Request) { r.Endpoint.Timeout = short },
			outcome: webhook.OutcomeTimeout, detail: "looking up the name took too long",
		},
		"NameThatIsPrivate": {
			serve: named("http"), change: resolving(addrs("10.0.0.1")), outcome: webhook.OutcomeBlocked, detail: "RFC 1918",
		},
		"NameThatIsPrivateInIPv6": {
			serve: named("http"), change: resolving(addrs("64:ff9b::10.0.0.1", "fd00:ec2::254", "::ffff:10.0.0.1")),
			outcome: webhook.OutcomeBlocked,
		},
		"CertificateOfAnotherName": {
			serve: func(t *testing.T) string {
				u, err := url.Parse(secure(t))
				require.NoError(t, err)
				return "https://receiver.test:" + u.Port()
			},
			change:  resolving(addrs("127.0.0.1")),
			outcome: webhook.OutcomeTLS,
		},
		"PrivateAddress":  {serve: at("http://10.0.0.1/"), outcome: webhook.OutcomeBlocked, detail: SettingAllowAddresses},
		"MetadataService": {serve: at("http://169.254.169.254/"), outcome: webhook.OutcomeBlocked, detail: "metadata"},
		"PortOfMail": {
			serve:   at("http://receiver.test:25/"),
			outcome: webhook.OutcomeBlocked, detail: SettingAllowPorts,
		},
		"UserInformation": {serve: at("http://user:hunter2@127.0.0.1/"), outcome: webhook.OutcomeConfig, detail: "user name"},
		"NotAURL":         {serve: at("http://%zz.hunter2/"), outcome: webhook.OutcomeConfig, detail: "not a URL"},
		"NoSecret": {
			serve: handling(ok), request: func(r *Request) { r.Secrets = nil },
			outcome: webhook.OutcomeConfig, detail: "no secret",
		},
		"SecretTooShort": {
			serve: handling(ok), request: func(r *Request) { r.Secrets[0].Key = []byte("hunter2") },
			outcome: webhook.OutcomeConfig, detail: "cannot sign",
		},
		"UnknownFormat": {
			serve: handling(ok), request: func(r *Request) { r.Endpoint.Format = "xml" },
			outcome: webhook.OutcomeConfig, detail: "body format",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (f *failing) run(t *testing.T) {
	t.Helper()
	s := setup(t, func(c *Config) {
		if f.change != nil {
			f.change(t, c)
		}
	})
	s.request.Endpoint.URL = strings.TrimSuffix(f.serve(t), "/") + "/path-of-the-endpoint?query=of-the-endpoint"
	if f.request != nil {
		f.request(&s.request)
	}
	result := s.Send(context.Background(), s.request)
	require.Equal(t, f.outcome, result.Attempt.Outcome, "%+v", result)
	require.Contains(t, result.Attempt.Detail, f.detail)
	require.NotEmpty(t, result.Attempt.Detail)
	require.Less(t, result.Attempt.Latency.Total, patience, "its own bound has ended it")
	require.Positive(t, result.Attempt.Latency.Total)
	requireNoSecret(t, &s.request, fmt.Sprintf("%+v %q", result, result.Attempt.ResponseBody))
}

// requireNoSecret fails when a text holds anything of a request that is nobody's business.
func requireNoSecret(t *testing.T, r *Request, text string) {
	t.Helper()
	for _, s := range r.Secrets {
		require.NotContains(t, text, string(s.Key))
		require.NotContains(t, text, base64.StdEncoding.EncodeToString(s.Key))
	}
	for _, secret := range []string{"of-the-endpoint", "hunter2", "twelve-fifty", "whsec_"} {
		require.NotContains(t, text, secret)
	}
}

func TestNameThatMeansSomethingElseWhenItIsCalled(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, false, http.StatusOK)
	u, err := url.Parse(r.URL)
	require.NoError(t, err)
	resolver := newResolver(t, addrs("93.184.215.14"), addrs("127.0.0.1"))
	s := setup(t, func(c *Config) { c.Guard, c.Resolver = newGuard(t, GuardConfig{}), resolver })
	s.request.Endpoint.URL = "http://receiver.test:" + u.Port()

	require.NoError(t, ValidateURL(s.request.Endpoint.URL, s.guard))
	first, err := resolver.LookupNetIP(context.Background(), "ip4", "receiver.test")
	require.NoError(t, err)
	require.NoError(t, s.guard.CheckAddr(first[0]), "whoever looks before sees a public address")

	a := s.Send(context.Background(), s.request).Attempt
	require.Equal(t, webhook.OutcomeBlocked, a.Outcome)
	require.Contains(t, a.Detail, SettingAllowAddresses)
	require.NotContains(t, a.Detail, "127.0.0.1")
	require.Empty(t, r.posts)
	require.Zero(t, r.conns)
}

func TestNameWithAnAddressThatIsRefusedAndOneThatIsNot(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, false, http.StatusOK)
	u, err := url.Parse(r.URL)
	require.NoError(t, err)
	s := setup(t, func(c *Config) { c.Resolver = newResolver(t, addrs("10.0.0.1", "127.0.0.1", "10.0.0.2")) })
	s.request.Endpoint.URL = "http://receiver.test:" + u.Port()
	a := s.Send(context.Background(), s.request).Attempt
	require.Equal(t, webhook.OutcomeSuccess, a.Outcome, a.Detail)
	require.Positive(t, a.Latency.DNS)
	r.last(t, 1)
}

func TestBodiesAreReadWithinBounds(t *testing.T) {
	t.Parallel()
	for name, secure := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		t.Run(name+"Endless", func(t *testing.T) {
			t.Parallel()
			var written atomic.Int64
			ended := make(chan struct{})
			server := start(t, secure, func(w http.ResponseWriter, _ *http.Request) {
				defer close(ended)
				chunk := []byte(strings.Repeat("x", 4096))
				for {
					n, err := w.Write(chunk)
					written.Add(int64(n))
					if err != nil {
						return
					}
				}
			})
			s := setup(t, func(c *Config) { c.RootCAs = rootsIf(t, secure, server) })
			s.request.Endpoint.URL = server.URL
			a := s.Send(context.Background(), s.request).Attempt
			require.Equal(t, webhook.OutcomeSuccess, a.Outcome, "the status decides")
			require.Len(t, a.ResponseBody, keptBytes)
			<-ended
			if secure { // of HTTP/1.1 the kernel's buffers take what they like
				require.Less(t, written.Load(), int64(1<<20), "HTTP/2 must not buffer what is not read")
			}
		})
		t.Run(name+"Slow", func(t *testing.T) {
			t.Parallel()
			server := start(t, secure, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "begin")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			s := setup(t, func(c *Config) { c.RootCAs = rootsIf(t, secure, server) })
			s.request.Endpoint.URL, s.request.Endpoint.Timeout = server.URL, short
			a := s.Send(context.Background(), s.request).Attempt
			require.Equal(t, webhook.OutcomeSuccess, a.Outcome, "the status decides")
			require.Equal(t, "begin", string(a.ResponseBody))
			require.GreaterOrEqual(t, a.Latency.Total, short)
		})
	}
	t.Run("NothingIsKeptWhereNothingShallBe", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t, false, http.StatusOK)
		r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "private")
		})
		for read, conns := range map[int]int{0: 2, readBytes: 1} {
			s := setup(t, func(c *Config) { c.KeepBody, c.ReadBody = 0, read })
			s.request.Endpoint.URL = r.URL
			r.mu.Lock()
			r.conns = 0
			r.mu.Unlock()
			for range 2 {
				require.Empty(t, s.Send(context.Background(), s.request).Attempt.ResponseBody)
			}
			r.mu.Lock()
			require.Equal(t, conns, r.conns, "what is read decides on the connection, not what is kept")
			r.mu.Unlock()
		}
	})
	t.Run("TheConnectionSurvivesWhatIsReadAndNoMore", func(t *testing.T) {
		t.Parallel()
		var size atomic.Int64
		r := newReceiver(t, false, http.StatusOK)
		r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, size.Load()))
		})
		s := setup(t)
		s.request.Endpoint.URL = r.URL
		for n, c := range []struct{ size, conns int }{
			{0, 1}, {10, 1}, {readBytes, 1}, {readBytes + 9, 1}, {0, 2},
		} {
			size.Store(int64(c.size))
			a := s.Send(context.Background(), s.request).Attempt
			require.Equal(t, webhook.OutcomeSuccess, a.Outcome)
			require.Len(t, a.ResponseBody, min(c.size, keptBytes))
			r.mu.Lock()
			require.Equal(t, c.conns, r.conns, n)
			r.mu.Unlock()
		}
	})
}

// An owner who gives an endpoint more time than others have wants its answers waited for, which begin late.
func TestALongTimeoutIsAlsoForTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "{}"} {
		server := start(t, false, hang)
		s := setup(t, func(c *Config) { c.Timeout, c.FirstByteTimeout = 2*short, short })
		s.request.Endpoint.URL, s.request.Event.Data = server.URL, []byte(data)
		s.request.Endpoint.Timeout = 4 * short
		a := s.Send(context.Background(), s.request).Attempt
		require.Equal(t, webhook.OutcomeTimeout, a.Outcome, a.Detail)
		require.GreaterOrEqual(t, a.Latency.Total, 4*short)
	}
}

func TestHTTP2KeepsTheSameBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		outcome webhook.Outcome
	}{
		"SlowFirstByte": {hang, webhook.OutcomeTimeout},
		"ManyHeaders": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 10_000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("v", 20))
			}
		}, webhook.OutcomeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, true, c.handler)
			s := setup(t, func(c *Config) { c.RootCAs, c.FirstByteTimeout = roots(t, server), 10*short })
			s.request.Endpoint.URL = server.URL
			a := s.Send(context.Background(), s.request).Attempt
			require.Equal(t, c.outcome, a.Outcome, a.Detail)
			require.Less(t, a.Latency.Total, patience, "its own bound has ended it")
		})
	}
}

func TestHeadersAreKeptWithinBounds(t *testing.T) {
	t.Parallel()
	h := http.Header{
		"Set-Cookie": {"session=1"}, "A-Many": {"1", "2"}, "B-Bad": {"a\x00\xff\u0085b"},
		"C-Long": {strings.Repeat("é", 5000)},
	}
	for i := range 100 {
		h.Set(fmt.Sprintf("X-%03d", i), "v")
	}
	kept := keepHeaders(h)
	require.LessOrEqual(t, len(kept), maxKeptHeaders)
	require.Equal(t, "1, 2", kept["A-Many"])
	require.Equal(t, "a??\u0085b", kept["B-Bad"])
	require.NotContains(t, kept, "Set-Cookie")
	size := 0
	for name, value := range kept {
		size += len(name) + len(value)
		require.Equal(t, strings.ToValidUTF8(value, ""), value, name)
	}
	require.LessOrEqual(t, size, maxKeptHeaderBytes)
	require.Equal(t, kept, keepHeaders(h), "which are kept does not depend on the order of a map")
	require.Nil(t, keepHeaders(nil))
}

func TestProxy(t *testing.T) {
	t.Parallel()
	proxied := make(chan string, 1)
	proxy := start(t, false, func(_ http.ResponseWriter, r *http.Request) { proxied <- r.URL.String() })
	u, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	s := setup(t, func(c *Config) { c.Guard, c.Proxy = nil, u })
	s.request.Endpoint.URL = "http://receiver.test/hook"
	require.Equal(t, webhook.OutcomeSuccess, s.Send(context.Background(), s.request).Attempt.Outcome)
	require.Equal(t, "http://receiver.test/hook", <-proxied)
	s.request.Endpoint.URL = "http://127.0.0.1/hook"
	require.Equal(t, webhook.OutcomeBlocked, s.Send(context.Background(), s.request).Attempt.Outcome)
}

func TestProxyOfTheEnvironmentIsNotAsked(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	s := setup(t)
	for _, via := range []transports{s.transports, s.patient} {
		require.Nil(t, via.withBody.Proxy)
		require.Nil(t, via.bodiless.Proxy)
	}
}

// What follows are the endpoints of the table.

func ok(http.ResponseWriter, *http.Request) {}

func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func handling(h http.HandlerFunc) func(t *testing.T) string {
	return func(t *testing.T) string { return start(t, false, h).URL }
}

func secure(t *testing.T) string { return start(t, true, ok).URL }

func at(u string) func(*testing.T) string { return func(*testing.T) string { return u } }

func named(scheme string) func(*testing.T) string { return at(scheme + "://receiver.test") }

func addrs(texts ...string) []netip.Addr {
	out := make([]netip.Addr, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParseAddr(text)
	}
	return out
}

func resolving(answers ...[]netip.Addr) func(t *testing.T, c *Config) {
	return func(t *testing.T, c *Config) {
		c.Resolver, c.ConnectTimeout = newResolver(t, answers...), 2*time.Second
	}
}

func start(tb testing.TB, secure bool, h http.HandlerFunc) *httptest.Server {
	tb.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	tb.Cleanup(server.Close)
	return server
}

// listen returns a listener that is closed after the test, with all that goes on behind it.
func listen(t *testing.T, serve func(c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c.(*net.TCPConn))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// raw serves connections one after the other.
func raw(serve func(c *net.TCPConn)) func(t *testing.T) string {
	return func(t *testing.T) string { return "http://" + listen(t, serve) }
}

func answering(answer string) func(t *testing.T) string {
	return raw(func(c *net.TCPConn) {
		readRequest(c)
		_, _ = io.WriteString(c, answer)
		_ = c.CloseWrite()
		untilClosed(c)
	})
}

func readRequest(c net.Conn) {
	if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// untilClosed waits until the other side has closed.
func untilClosed(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

// dripHeaders sends a header a byte at a time, without end.
func dripHeaders(c *net.TCPConn) {
	readRequest(c)
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Drip: ")
	tick := time.NewTicker(short / 20)
	defer tick.Stop()
	for err == nil {
		<-tick.C
		_, err = io.WriteString(c, "x")
	}
}

func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

func silentTLS(t *testing.T) string {
	t.Helper()
	return "https://" + listen(t, untilClosed)
}

func secureTo11(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// full returns the URL of a listener whose queue is full, so that connecting to it takes for ever.
func full(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 10 {
		c, err := net.DialTimeout("tcp", address, short)
		if err != nil {
			return "http://" + address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	require.Fail(t, "the queue never fills")
	return ""
}

func rootsIf(tb testing.TB, secure bool, s *httptest.Server) *x509.CertPool {
	tb.Helper()
	if !secure {
		return nil
	}
	return roots(tb, s)
}
