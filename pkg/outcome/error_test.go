package outcome_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// secretPath is in every URL called: no text may hold a part of it.
const secretPath = "/hook/TOPSECRET?token=TOPSECRET"

// requireOutcome checks what an error is, and that its text gives nothing away.
func requireOutcome(t *testing.T, err error, want webhook.Outcome, text string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, outcome.OfError(err), "%v", err)
	require.Equal(t, text, outcome.Detail(err), "%v", err)
	require.NotContains(t, outcome.Detail(err), "TOPSECRET")
}

// answering serves each connection with f and returns the address.
func answering(t *testing.T, f func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// reading reads a request before it writes the answer.
func reading(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.Copy(io.Discard, request.Body)
			_, _ = io.WriteString(conn, answer)
		}
	}
}

// post sends as Homing does, and reads the whole answer.
func post(t *testing.T, transport *http.Transport, target string) error {
	if transport == nil {
		transport = &http.Transport{}
	}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader("{}"))
	require.NoError(t, err)
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func TestErrorsOfRealAnswers(t *testing.T) {
	t.Parallel()
	const closed = "the connection was closed before the answer was complete"
	for name, c := range map[string]struct {
		answer, text string
		want         webhook.Outcome
	}{
		"NoAnswer":        {"", closed, webhook.OutcomeConnect},
		"HalfAHeader":     {"HTTP/1.1 200 OK\r\nA: b\r\n", closed, webhook.OutcomeConnect},
		"HalfABody":       {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", closed, webhook.OutcomeConnect},
		"NotHTTP":         {"SSH-2.0-OpenSSH_9 TOPSECRET\r\n", "the answer is not HTTP", webhook.OutcomeProtocol},
		"MalformedStatus": {"HTTP/1.1 abc\r\n\r\n", "the answer is not HTTP", webhook.OutcomeProtocol},
		"MalformedHeader": {"HTTP/1.1 200 OK\r\nTOPSECRET\r\n\r\n", "the answer is not HTTP", webhook.OutcomeProtocol},
		"MalformedChunks": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
			"the answer breaks the rules of HTTP", webhook.OutcomeProtocol},
		"UnknownEncoding": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n", "the answer breaks the rules of HTTP",
			webhook.OutcomeProtocol},
		"EndlessHeaders": {"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: TOPSECRET\r\n", 1000),
			"the headers of the answer are too large", webhook.OutcomeProtocol},
		"EndlessOneHundred": {strings.Repeat("HTTP/1.1 100 Continue\r\nA: b\r\n\r\n", 1000),
			"the headers of the answer are too large", webhook.OutcomeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := answering(t, reading(c.answer))
			err := post(t, &http.Transport{MaxResponseHeaderBytes: 2048}, "http://user:TOPSECRET@"+address+secretPath)
			requireOutcome(t, err, c.want, c.text)
		})
	}
	t.Run("Reset", func(t *testing.T) {
		t.Parallel()
		address := answering(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.(*net.TCPConn).SetLinger(0)
		})
		requireOutcome(t, post(t, nil, "http://"+address+secretPath), webhook.OutcomeConnect, "the connection was reset")
	})
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		err = post(t, nil, "http://"+listener.Addr().String()+secretPath)
		requireOutcome(t, err, webhook.OutcomeConnect, "the connection was refused")
	})
}

// hanging accepts connections and says nothing until the test is over.
func hanging(t *testing.T) string {
	over := make(chan struct{})
	address := answering(t, func(net.Conn) { <-over })
	t.Cleanup(func() { close(over) }) // before that of answering, which waits for it
	return address
}

func TestErrorsOfTimeouts(t *testing.T) {
	t.Parallel()
	t.Run("Answer", func(t *testing.T) {
		t.Parallel()
		err := post(t, &http.Transport{ResponseHeaderTimeout: time.Millisecond}, "http://"+hanging(t)+secretPath)
		requireOutcome(t, err, webhook.OutcomeTimeout, "the answer took too long")
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		err := post(t, &http.Transport{TLSHandshakeTimeout: time.Millisecond}, "https://"+hanging(t)+secretPath)
		requireOutcome(t, err, webhook.OutcomeTimeout, "the TLS handshake took too long")
	})
	t.Run("Connect", func(t *testing.T) {
		t.Parallel()
		dialer := net.Dialer{Deadline: time.Unix(1, 0)}
		err := post(t, &http.Transport{DialContext: dialer.DialContext}, "http://127.0.0.1:1"+secretPath)
		requireOutcome(t, err, webhook.OutcomeTimeout, "connecting took too long")
	})
	t.Run("Whole", func(t *testing.T) {
		t.Parallel()
		client := &http.Client{Timeout: time.Millisecond, Transport: &http.Transport{}}
		_, err := client.Post("http://"+hanging(t)+secretPath, "", nil)
		requireOutcome(t, err, webhook.OutcomeTimeout, "the answer took too long")
	})
}

func TestErrorsOfTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.Config.ErrorLog = discard()
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, c := range map[string]struct {
		target, text string
		config       *tls.Config
	}{
		"UnknownAuthority": {server.URL, "the certificate is from an authority that is not trusted", &tls.Config{}},
		"WrongHost": {server.URL, "the certificate is not for this host", &tls.Config{RootCAs: roots,
			ServerName: "other.test"}},
		"Expired": {server.URL, "the certificate has expired or is not valid yet",
			&tls.Config{RootCAs: roots, Time: func() time.Time { return now.AddDate(200, 0, 0) }}},
		"NotTLS": {strings.Replace(plain.URL, "http:", "https:", 1), "the server does not speak TLS on this port",
			&tls.Config{}},
		"Refused": {server.URL, "the server refused the TLS handshake",
			&tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}},
	} {
		t.Run(name, func(t *testing.T) {
			err := post(t, &http.Transport{TLSClientConfig: c.config}, c.target+secretPath)
			requireOutcome(t, err, webhook.OutcomeTLS, c.text)
		})
	}
}

func TestErrorsOfOtherKinds(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://user:TOPSECRET@example.com" + secretPath, Err: err}
	}
	for _, c := range []struct {
		err  error
		want webhook.Outcome
		text string
	}{
		{&net.DNSError{Name: "example.com", IsNotFound: true}, webhook.OutcomeDNS, "the name example.com does not exist"},
		{&net.DNSError{Name: "example.com", IsTimeout: true}, webhook.OutcomeDNS,
			"no name server answered for the name example.com"},
		{&net.DNSError{Name: "a/TOPSECRET"}, webhook.OutcomeDNS, "the name could not be resolved"},
		{&net.DNSError{Name: strings.Repeat("a", 254)}, webhook.OutcomeDNS, "the name could not be resolved"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsTimeout: true}}, webhook.OutcomeDNS,
			"no name server answered for the name x"},
		{context.DeadlineExceeded, webhook.OutcomeTimeout, "the answer took too long"},
		{os.ErrDeadlineExceeded, webhook.OutcomeTimeout, "the answer took too long"},
		{&net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}, webhook.OutcomeTimeout, "connecting took too long"},
		{&net.OpError{Op: "dial", Err: context.DeadlineExceeded}, webhook.OutcomeTimeout, "connecting took too long"},
		{context.Canceled, webhook.OutcomeInterrupted, "cancelled before the answer came"},
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, webhook.OutcomeConnect, "the host cannot be reached"},
		{&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, webhook.OutcomeConnect, "the network cannot be reached"},
		{&net.OpError{Op: "dial", Err: errors.New("TOPSECRET")}, webhook.OutcomeConnect, "the connection failed"},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, webhook.OutcomeConnect,
			"the connection was closed while the request was sent"},
		{errors.New("tls: server selected unsupported group"), webhook.OutcomeTLS, "the TLS handshake failed"},
		{&net.OpError{Op: "local error", Err: errors.New("tls: bad record MAC")}, webhook.OutcomeTLS,
			"the TLS handshake failed"},
		{x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}, webhook.OutcomeTLS, "the certificate is not valid"},
		{errors.New("unsupported protocol scheme \"ftp\""), webhook.OutcomeConfig,
			"the endpoint's URL or headers cannot be sent"},
		{errors.New("net/http: invalid header field value for \"TOPSECRET\""), webhook.OutcomeConfig,
			"the endpoint's URL or headers cannot be sent"},
		{errors.New("http2: client connection lost"), webhook.OutcomeConnect,
			"the connection was closed before the answer was complete"},
		{errors.New("http2: response header list larger than advertised limit"), webhook.OutcomeProtocol,
			"the headers of the answer are too large"},
		{errors.New("TOPSECRET"), webhook.OutcomeProtocol, "the answer breaks the rules of HTTP"},
		{fmt.Errorf("dial: %w", outcome.ErrBlocked), webhook.OutcomeBlocked, "the address must not be called"},
		{outcome.ErrConfig, webhook.OutcomeConfig, "the endpoint cannot be used as configured"},
		{&net.OpError{Op: "dial", Err: &outcome.Error{
			Outcome: webhook.OutcomeBlocked, Text: "10.0.0.1 is private", Err: outcome.ErrBlocked,
		}}, webhook.OutcomeBlocked, "10.0.0.1 is private"},
	} {
		requireOutcome(t, c.err, c.want, c.text)
		requireOutcome(t, wrap(fmt.Errorf("attempt: %w", c.err)), c.want, c.text)
	}
	require.Equal(t, webhook.OutcomeSuccess, outcome.OfError(nil))
	require.Empty(t, outcome.Detail(nil))
}

func TestAnErrorWithATextIsACaseOfItsSentinel(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("dial: %w", &outcome.Error{Outcome: webhook.OutcomeBlocked, Text: "no", Err: outcome.ErrBlocked})
	require.ErrorIs(t, err, outcome.ErrBlocked)
	require.NotErrorIs(t, err, outcome.ErrConfig)
	require.EqualError(t, err, "dial: no")
}

func ExampleDetail() {
	err := &url.Error{Op: "Post", URL: "https://user:password@example.com/?token=1", Err: syscall.ECONNREFUSED}
	fmt.Println(outcome.OfError(err), "-", outcome.Detail(err))
	// Output: connect_error - the connection was refused
}

func BenchmarkOfError(b *testing.B) {
	err := &url.Error{Op: "Post", URL: "https://example.com", Err: io.ErrUnexpectedEOF}
	b.ReportAllocs()
	for b.Loop() {
		outcome.OfError(err)
	}
}
