package dispatch

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/binding"
	ce "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// received is a POST as a receiver saw it.
type received struct {
	header http.Header
	body   []byte
	proto  string
	method string
	path   string
	host   string
}

// receiver is a server that keeps what it is sent and answers with status.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	posts []received
	conns int
}

func newReceiver(tb testing.TB, tls bool, status int) *receiver {
	tb.Helper()
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.posts = append(r.posts, received{req.Header, body, req.Proto, req.Method, req.URL.RequestURI(), req.Host})
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "received")
	}))
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.conns++
		}
	}
	if tls {
		r.EnableHTTP2 = true
		r.StartTLS()
	} else {
		r.Start()
	}
	tb.Cleanup(r.Close)
	return r
}

// last returns the POST received last, of n.
func (r *receiver) last(tb testing.TB, n int) received {
	tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(tb, r.posts, n)
	return r.posts[n-1]
}

func TestSendDeliversAndReports(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, false, http.StatusAccepted)
	s := setup(t)
	s.request.Endpoint.URL = r.URL + "/hooks/a%2Fb?token=x"
	result := s.Send(context.Background(), s.request)
	a := result.Attempt
	require.Equal(t, webhook.OutcomeSuccess, a.Outcome)
	require.Equal(t, http.StatusAccepted, a.Status)
	require.Empty(t, a.Detail)
	require.Zero(t, result.RetryAfter)
	require.Equal(t, s.request.Delivery, a.Delivery)
	require.Equal(t, 1, a.Number)
	require.Equal(t, "acme", a.Tenant)
	require.Equal(t, s.request.Endpoint.ID, a.Endpoint)
	require.Equal(t, s.request.Now, a.StartedAt)
	require.Equal(t, "received", string(a.ResponseBody))
	require.Equal(t, "yes", a.ResponseHeaders["X-Answer"])
	require.Positive(t, a.Latency.Connect)
	require.Positive(t, a.Latency.FirstByte)
	require.Zero(t, a.Latency.DNS, "the URL has an address")
	require.Zero(t, a.Latency.TLS)
	require.GreaterOrEqual(t, a.Latency.Total, a.Latency.Connect+a.Latency.FirstByte)

	got := r.last(t, 1)
	require.Equal(t, http.MethodPost, got.method)
	require.Equal(t, "/hooks/a%2Fb?token=x", got.path)
	require.Equal(t, strings.TrimPrefix(r.URL, "http://"), got.host)
	require.Equal(t, "Homing/1.2.3", got.header.Get("User-Agent"))
	require.Equal(t, "Bearer token-of-the-endpoint", got.header.Get("Authorization"))
	require.Equal(t, "1", got.header.Get(HeaderAttempt))
	require.Equal(t, strconv.Itoa(len(got.body)), got.header.Get("Content-Length"))
	require.NotContains(t, got.header, keyReplay)
	require.NotContains(t, got.header, "Accept-Encoding", "an answer is kept as it came")
	require.NotContains(t, got.header, "Traceparent")
}

func TestSendSignsWhatItSends(t *testing.T) {
	t.Parallel()
	for _, format := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured, webhook.FormatStandard} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, false, http.StatusOK)
			s := setup(t)
			s.request.Endpoint.URL, s.request.Endpoint.Format = r.URL, format
			second, err := signature.NewSecret(webhook.SecretHMAC)
			require.NoError(t, err)
			s.request.Secrets = append(s.request.Secrets, second)
			require.Equal(t, webhook.OutcomeSuccess, s.Send(context.Background(), s.request).Attempt.Outcome)
			got := r.last(t, 1)
			require.Equal(t, webhook.MessageID(s.request.Event.ID, s.request.Endpoint.ID), got.header.Get("webhook-id"))
			require.Equal(t, strconv.FormatInt(s.request.Now.Unix(), 10), got.header.Get("webhook-timestamp"))
			for _, secret := range s.request.Secrets {
				text, err := signature.Format(secret)
				require.NoError(t, err)
				reference, err := standardwebhooks.NewWebhook(text)
				require.NoError(t, err)
				require.NoError(t, reference.Verify(got.body, got.header))
				require.Error(t, reference.Verify(append(got.body, ' '), got.header))
			}
		})
	}
}

func TestSendUsesTheSecretsOfTheRequest(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, false, http.StatusOK)
	s := setup(t)
	s.request.Endpoint.URL = r.URL
	for n := range 3 { // the same endpoint, with another secret each time
		secret, err := signature.NewSecret(webhook.SecretHMAC)
		require.NoError(t, err)
		copy(s.request.Secrets[0].Key, secret.Key)
		s.Send(context.Background(), s.request)
		reference, err := standardwebhooks.NewWebhookRaw(secret.Key)
		require.NoError(t, err)
		got := r.last(t, n+1)
		require.NoError(t, reference.Verify(got.body, got.header))
	}
}

func TestSignersNeverKeepASecretThatHasChanged(t *testing.T) {
	t.Parallel()
	var kept signers
	r := newRequest(t)
	for n := range 20 {
		r.Secrets[0].Key[0] = byte(n) // in place, as a careless caller would
		signer, err := kept.of(r.Endpoint.ID, r.Secrets)
		require.NoError(t, err)
		got, err := signer.Sign("msg_1", r.Now, nil)
		require.NoError(t, err)
		want, err := signature.Sign(r.Secrets, "msg_1", r.Now, nil)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := kept.of(r.Endpoint.ID, r.Secrets)
		require.NoError(t, err)
		require.Same(t, signer, again)
	}
}

func TestReplayKeepsTheMessageID(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, false, http.StatusOK)
	s := setup(t)
	s.request.Endpoint.URL = r.URL
	s.Send(context.Background(), s.request)
	first := r.last(t, 1)
	replayed := s.request
	event := *s.request.Event
	var ids webhook.IDSource
	event.Origin, event.ID = event.ID, ids.New(time.Now())
	replayed.Event, replayed.Replay, replayed.Attempt = &event, true, 3
	replayed.Now = replayed.Now.Add(time.Minute)
	s.Send(context.Background(), replayed)
	second := r.last(t, 2)
	require.Equal(t, first.header.Get("webhook-id"), second.header.Get("webhook-id"))
	require.NotEqual(t, first.header.Get("webhook-signature"), second.header.Get("webhook-signature"))
	require.Equal(t, s.request.Delivery.String(), second.header.Get(HeaderReplay))
	require.Equal(t, "3", second.header.Get(HeaderAttempt))
}

func TestCloudEventsSDKDecodesWhatIsSent(t *testing.T) {
	t.Parallel()
	event := webhook.Event{
		Source: "/orders?x=%20y", CEID: `a "quoted" 100% é€😀`, Type: "order.paid", Subject: "Zürich / größe",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC), DataType: "application/json; charset=utf-8",
		DataSchema: "https://schema.example/v1",
		Extensions: map[string]any{"region": "eu ü", "urgent": true, "weight": int32(-7), "1st": "1"},
		Data:       []byte(`{"name":"Ü","n":1.50}`),
	}
	for _, format := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured} {
		for name, data := range map[string]struct{ dataType, data string }{
			"json": {"application/json; charset=utf-8", `{"name":"Ü","n":1.50}`}, "text": {"text/plain", "Ü\x00\n"},
			"bytes": {"image/png", "\x89PNG\xff"}, "vendor": {"application/vnd.x+json", `{"a":[]}`},
		} {
			t.Run(string(format)+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := newReceiver(t, false, http.StatusOK)
				s := setup(t)
				e := event
				e.ID, e.DataType, e.Data = s.request.Event.ID, data.dataType, []byte(data.data)
				s.request.Event, s.request.Endpoint.URL, s.request.Endpoint.Format = &e, r.URL, format
				require.Equal(t, webhook.OutcomeSuccess, s.Send(context.Background(), s.request).Attempt.Outcome)
				requireSameEvent(t, &e, decode(t, r.last(t, 1)), format)
			})
		}
	}
}

// decode reads a POST with the SDK. Its reader does not decode percent signs, which the HTTP binding has since 1.0
// asked receivers to do (section 3.1.3.2), so that is done before.
func decode(t *testing.T, got received) *ce.Event {
	t.Helper()
	for name := range got.header {
		if strings.HasPrefix(name, "Ce-") {
			text, err := url.PathUnescape(got.header.Get(name))
			require.NoError(t, err)
			require.True(t, utf8.ValidString(text))
			got.header.Set(name, text)
		}
	}
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(got.body)))
	req.Header = got.header
	event, err := binding.ToEvent(context.Background(), cehttp.NewMessageFromHttpRequest(req))
	require.NoError(t, err)
	require.NoError(t, event.Validate())
	return event
}

func requireSameEvent(t *testing.T, sent *webhook.Event, got *ce.Event, format webhook.BodyFormat) {
	t.Helper()
	require.Equal(t, "1.0", got.SpecVersion())
	require.Equal(t, sent.CEID, got.ID())
	require.Equal(t, sent.Source, got.Source())
	require.Equal(t, sent.Type, got.Type())
	require.Equal(t, sent.Subject, got.Subject())
	require.Equal(t, sent.DataType, got.DataContentType())
	require.Equal(t, sent.DataSchema, got.DataSchema())
	require.True(t, sent.Time.Equal(got.Time()))
	require.Equal(t, string(sent.Data), string(got.Data()))
	want := sent.Extensions
	if format == webhook.FormatBinary { // headers have no types
		want = map[string]any{"region": "eu ü", "urgent": "true", "weight": "-7", "1st": "1"}
	}
	require.Equal(t, want, got.Extensions())
}

func TestSendCarriesTheTrace(t *testing.T) {
	t.Parallel()
	stored := webhook.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "a=b"}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	for name, c := range map[string]struct {
		ctx           context.Context
		stored        webhook.Trace
		parent, state string
	}{
		"OfTheEvent": {context.Background(), stored, stored.Parent, "a=b"},
		"OfTheSpanFirst": {
			trace.ContextWithSpanContext(context.Background(), span), stored,
			"00-01" + strings.Repeat("0", 30) + "-02" + strings.Repeat("0", 14) + "-00", "",
		},
		"None":          {context.Background(), webhook.Trace{}, "", ""},
		"NotWhatBreaks": {context.Background(), webhook.Trace{Parent: "00-1\r\nX-Evil: 1", State: "a=b"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, false, http.StatusOK)
			s := setup(t)
			s.request.Endpoint.URL, s.request.Event.Trace = r.URL, c.stored
			require.Equal(t, webhook.OutcomeSuccess, s.Send(c.ctx, s.request).Attempt.Outcome)
			got := r.last(t, 1)
			require.Equal(t, c.parent, got.header.Get("traceparent"))
			require.Equal(t, c.state, got.header.Get("tracestate"))
			require.NotContains(t, got.header, "X-Evil")
		})
	}
}

func TestEndpointHeadersNeverReplaceOurs(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, false, http.StatusOK)
	s := setup(t)
	s.request.Endpoint.URL = r.URL
	s.request.Endpoint.Headers = map[string]string{"user-agent": "mine", "x-lower": "1"}
	require.Equal(t, webhook.OutcomeSuccess, s.Send(context.Background(), s.request).Attempt.Outcome)
	require.Equal(t, "mine", r.last(t, 1).header.Get("User-Agent"))
	require.Equal(t, "1", r.last(t, 1).header.Get("X-Lower"))
	// One that was stored although it is not valid stops the attempt before anything is sent.
	for _, name := range []string{"webhook-signature", "Content-Length", "Idempotency-Key", "a b"} {
		s.request.Endpoint.Headers = map[string]string{name: "v"}
		a := s.Send(context.Background(), s.request).Attempt
		require.Equal(t, webhook.OutcomeConfig, a.Outcome, name)
		require.Contains(t, a.Detail, "headers")
	}
	r.last(t, 1)
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	for name, tls := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, tls, http.StatusOK)
			s := setup(t, func(c *Config) {
				if tls {
					c.RootCAs = roots(t, r.Server)
				}
			})
			s.request.Endpoint.URL = r.URL
			for n := range 20 {
				a := s.Send(context.Background(), s.request).Attempt
				require.Equal(t, webhook.OutcomeSuccess, a.Outcome, a.Detail)
				require.Equal(t, name, r.last(t, n+1).proto)
				require.Equal(t, n == 0, a.Latency.Connect > 0)
				require.Equal(t, tls && n == 0, a.Latency.TLS > 0)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			require.Equal(t, 1, r.conns)
		})
	}
}

func TestStatusDecides(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]webhook.Outcome{
		200: webhook.OutcomeSuccess, 204: webhook.OutcomeSuccess, 299: webhook.OutcomeSuccess,
		301: webhook.OutcomeRedirect, 307: webhook.OutcomeRedirect, 304: webhook.OutcomeRedirect,
		400: webhook.OutcomeClientError, 410: webhook.OutcomeGone, 429: webhook.OutcomeThrottled,
		500: webhook.OutcomeServerError, 503: webhook.OutcomeThrottled,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "17")
				w.WriteHeader(status)
			}))
			t.Cleanup(server.Close)
			s := setup(t)
			s.request.Endpoint.URL = server.URL
			result := s.Send(context.Background(), s.request)
			require.Equal(t, want, result.Attempt.Outcome)
			require.Equal(t, status, result.Attempt.Status)
			if want == webhook.OutcomeSuccess {
				require.Zero(t, result.RetryAfter)
				require.Empty(t, result.Attempt.Detail)
				return
			}
			require.Equal(t, 17*time.Second, result.RetryAfter)
			require.Contains(t, result.Attempt.Detail, strconv.Itoa(status))
		})
	}
}

func TestCancelledAttempts(t *testing.T) {
	t.Parallel()
	t.Run("BeforeIsUnsent", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t, false, http.StatusOK)
		s := setup(t)
		s.request.Endpoint.URL = r.URL
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.Equal(t, webhook.OutcomeUnsent, s.Send(ctx, s.request).Attempt.Outcome)
		require.Empty(t, r.posts)
	})
	t.Run("UnderWayIsInterrupted", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		ctx, cancel := context.WithCancel(context.Background())
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		}))
		t.Cleanup(server.Close)
		s.request.Endpoint.URL = server.URL
		require.Equal(t, webhook.OutcomeInterrupted, s.Send(ctx, s.request).Attempt.Outcome)
	})
}

func TestPercentEncode(t *testing.T) {
	t.Parallel()
	// The example of the HTTP binding 1.0.2, section 3.1.3.2.
	require.Equal(t, "Euro%20%E2%82%AC%20%F0%9F%98%80", percentEncode("Euro € 😀"))
	require.Equal(t, "!#$&'()*+,-./:;<=>?@[]^_`{|}~", percentEncode("!#$&'()*+,-./:;<=>?@[]^_`{|}~"))
	require.Equal(t, "%22%25%00%7F%0D%0A%C2%A0", percentEncode("\"%\x00\x7f\r\n\u00a0"))
}

func FuzzPercentEncode(f *testing.F) {
	f.Add("Euro € 😀")
	f.Fuzz(func(t *testing.T, s string) {
		encoded := percentEncode(s)
		require.True(t, validHeaderValue(encoded))
		decoded, err := url.PathUnescape(encoded)
		require.NoError(t, err)
		require.Equal(t, s, decoded)
	})
}
