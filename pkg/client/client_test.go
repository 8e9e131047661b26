package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/client"
)

// server answers requests from a list, and keeps what it was asked. It is an http.RoundTripper, so that time can be
// made to pass.
type server struct {
	answers  []any // *http.Response or error
	requests []*http.Request
	bodies   []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
	next := s.answers[min(len(s.requests), len(s.answers))-1]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(func() *http.Response)(), nil
}

// answer is one with a status, a body and headers.
func answer(status int, body string, header ...string) func() *http.Response {
	return func() *http.Response {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.WriteString(body)
		return w.Result()
	}
}

func problem(status int, kind string, header ...string) func() *http.Response {
	return answer(status, `{"type": "https://homing.test/problems#`+kind+`", "title": "T", "status": `+
		strconv.Itoa(status)+`, "detail": "D", "errors": [{"field": "url", "detail": "is wrong"}]}`,
		append([]string{"Content-Type", "application/problem+json"}, header...)...)
}

// later is the answer that asks to try again later.
func later(status int, retryAfter string) func() *http.Response {
	return problem(status, map[int]string{503: "unavailable", 429: "too-many-requests"}[status], "Retry-After", retryAfter)
}

func clientOf(t *testing.T, s *server, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New("https://homing.test/", "hmk_key",
		append([]client.Option{client.WithHTTPClient(&http.Client{Transport: s})}, options...)...)
	require.NoError(t, err)
	return c
}

func TestNewRefusesWhatIsNoServer(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "homing.test", "ftp://homing.test", "https://u:p@homing.test", "https://h/?q=1"} {
		_, err := client.New(bad, "hmk_key")
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "hmk_key")
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	broken := &net.OpError{Op: "read", Err: errors.New("connection reset")}
	get := func(ctx context.Context, c *client.Client) error { _, err := c.GetEndpoint(ctx, "e"); return err }
	create := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateEndpoint(ctx, client.CreateEndpointInput{URL: "https://x.test"})
		return err
	}
	replay := func(ctx context.Context, c *client.Client) error { _, err := c.RetryDelivery(ctx, "d"); return err }
	update := func(ctx context.Context, c *client.Client) error {
		_, err := c.UpdateEndpoint(ctx, "e", client.UpdateEndpointInput{}, client.IfMatch(`"1"`))
		return err
	}
	send := func(ctx context.Context, c *client.Client) error {
		_, err := c.Send(ctx, client.CloudEvent{Source: "/s", Type: "t"})
		return err
	}
	ok := answer(http.StatusOK, `{}`)
	for name, c := range map[string]struct {
		call     func(context.Context, *client.Client) error
		answers  []any
		requests int
		waits    time.Duration // at least
		fails    bool
	}{
		"NotAtAll":                     {get, []any{ok}, 1, 0, false},
		"AfterABrokenConnection":       {get, []any{broken, ok}, 2, 100 * time.Millisecond, false},
		"AsRetryAfterSays":             {get, []any{later(503, "7"), ok}, 2, 7 * time.Second, false},
		"WhenTooMany":                  {replay, []any{later(429, "3"), ok}, 2, 3 * time.Second, false},
		"NotWhenToldToWaitTooLong":     {get, []any{problem(503, "unavailable", "Retry-After", "3600"), ok}, 1, 0, true},
		"NotForever":                   {get, []any{broken}, 4, 700 * time.Millisecond, true},
		"NotWhatIsWrong":               {get, []any{problem(422, "invalid"), ok}, 1, 0, true},
		"NotAnInternalError":           {get, []any{problem(500, "internal"), ok}, 1, 0, true},
		"ACreateKeepsItsKey":           {create, []any{broken, later(503, "1"), ok}, 3, time.Second, false},
		"AnEventKeepsItsID":            {send, []any{broken, broken, ok}, 3, 0, false},
		"NotAReplayThatMayBeDone":      {replay, []any{broken, ok}, 1, 0, true},
		"AReplayThatWasNeverSent":      {replay, []any{refused, ok}, 2, 0, false},
		"NotAReplayThatIsUnavailable":  {replay, []any{problem(503, "unavailable"), ok}, 1, 0, true},
		"NotAChangeOfOneVersionTwice":  {update, []any{broken, ok}, 1, 0, true},
		"AChangeThatWasNeverEvenTried": {update, []any{refused, ok}, 2, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{answers: c.answers}
				began := time.Now()
				err := c.call(t.Context(), clientOf(t, s))
				require.Equal(t, c.fails, err != nil, "%v", err)
				require.Len(t, s.requests, c.requests)
				require.GreaterOrEqual(t, time.Since(began), c.waits)
				require.Less(t, time.Since(began), c.waits+20*time.Second)
				for _, r := range s.requests {
					for _, name := range []string{"Idempotency-Key", "Ce-Id"} {
						require.Equal(t, s.requests[0].Header.Get(name), r.Header.Get(name), "the same in every try")
					}
				}
			})
		})
	}
}

func TestACreateHasAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := &server{answers: []any{answer(http.StatusCreated, `{}`)}}
	c := clientOf(t, s)
	for range 2 {
		_, err := c.CreateTenant(t.Context(), client.CreateTenantInput{ID: "acme"})
		require.NoError(t, err)
	}
	_, err := c.CreateTenant(t.Context(), client.CreateTenantInput{ID: "acme"}, client.IdempotencyKey("mine"))
	require.NoError(t, err)
	key := func(i int) string { return s.requests[i].Header.Get("Idempotency-Key") }
	require.Greater(t, len(key(0)), 20)
	require.NotEqual(t, key(0), key(1), "another create")
	require.Equal(t, "mine", key(2))
}

func TestTheContextEndsACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answers: []any{problem(503, "unavailable", "Retry-After", "20")}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		_, err := clientOf(t, s).GetEndpoint(ctx, "e")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, client.IsUnavailable(err), "and what the server said is not lost")
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Len(t, s.requests, 1)
	})
}

func TestProblems(t *testing.T) {
	t.Parallel()
	is := map[string]func(error) bool{
		"not-found": client.IsNotFound, "conflict": client.IsConflict, "forbidden": client.IsNotAllowed,
		"unauthenticated": client.IsNotAllowed, "precondition-failed": client.IsPreconditionFailed,
		"invalid": client.IsInvalid, "unavailable": client.IsUnavailable,
	}
	for kind, status := range map[string]int{
		"not-found": 404, "conflict": 409, "forbidden": 403, "unauthenticated": 401, "precondition-failed": 412,
		"invalid": 422, "unavailable": 503,
	} {
		for what, answered := range map[string]func() *http.Response{
			"document": problem(status, kind), "bare status": answer(status, "<html>", "Content-Type", "text/html"),
		} {
			s := &server{answers: []any{answered}}
			_, err := clientOf(t, s, client.WithRetries(0, 0)).GetTenant(t.Context(), "acme")
			for other, holds := range is {
				require.Equal(t, other == kind || client.IsNotAllowed(err) && status < 404 && strings.HasPrefix(other, "unauth") ||
					status < 404 && other == "forbidden", holds(err), "%s %s: %s", what, kind, other)
			}
			p, ok := errors.AsType[*client.Problem](err)
			require.True(t, ok)
			require.Equal(t, status, p.Status)
			require.NotContains(t, err.Error(), "hmk_key")
		}
	}
	s := &server{answers: []any{problem(422, "invalid")}}
	_, err := clientOf(t, s).GetTenant(t.Context(), "acme")
	p, _ := errors.AsType[*client.Problem](err)
	require.Equal(t, []client.Fault{{Field: "url", Detail: "is wrong"}}, p.Errors)
	require.Equal(t, "T: D; url is wrong", err.Error())
}

func TestWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := &server{answers: []any{answer(http.StatusOK, `{"version": 3}`, "ETag", `"3"`)}}
	c := clientOf(t, s, client.WithTenant("acme"), client.WithUserAgent("test"))
	var etag string
	_, err := c.GetEndpoint(t.Context(), "a/b?c", client.StoreETag(&etag))
	require.NoError(t, err)
	require.Equal(t, `"3"`, etag)
	r := s.requests[0]
	require.Equal(t, "https://homing.test/v1/endpoints/a%2Fb%3Fc", r.URL.String(), "an id is one part of the path")
	require.Equal(t, "Bearer hmk_key", r.Header.Get("Authorization"))
	require.Equal(t, "acme", r.Header.Get("Homing-Tenant"))
	require.Equal(t, "test", r.Header.Get("User-Agent"))

	_, err = c.UpdateEndpoint(t.Context(), "e", client.UpdateEndpointInput{Types: []string{}, Filter: new("")},
		client.IfMatch(etag), client.ForTenant("other"))
	require.NoError(t, err)
	require.JSONEq(t, `{"types": [], "filter": ""}`, s.bodies[1], "empty is not left out")
	require.Equal(t, `"3"`, s.requests[1].Header.Get("If-Match"))
	require.Equal(t, "other", s.requests[1].Header.Get("Homing-Tenant"))

	_, err = c.GetTenant(t.Context(), "acme")
	require.NoError(t, err)
	require.Empty(t, s.requests[2].Header.Get("Homing-Tenant"), "it is in the path")

	_, err = c.DeleteEndpoint(t.Context(), "")
	require.ErrorContains(t, err, "the id of the endpoint is missing")
	require.Len(t, s.requests, 3)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := &server{answers: []any{answer(http.StatusFound, "", "Location", "https://other.test/")}}
	_, err := clientOf(t, s).GetTenant(t.Context(), "acme")
	require.Error(t, err)
	require.Len(t, s.requests, 1, "the key is shown to nobody else")
}

func TestListsGoThroughTheirPages(t *testing.T) {
	t.Parallel()
	pages := []any{
		answer(http.StatusOK, `{"data": [{"id": "1"}, {"id": "2"}], "next_cursor": "n"}`),
		answer(http.StatusOK, `{"data": [{"id": "3"}]}`),
	}
	s := &server{answers: pages}
	search := client.ListEndpointsParams{Search: "x", Limit: 2}
	all, err := client.Collect(clientOf(t, s).ListEndpoints(t.Context(), search), 0)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, "limit=2&search=x", s.requests[0].URL.RawQuery)
	require.Equal(t, "cursor=n&limit=2&search=x", s.requests[1].URL.RawQuery)

	s = &server{answers: pages}
	all, err = client.Collect(clientOf(t, s).ListEndpoints(t.Context(), client.ListEndpointsParams{}), 2)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Len(t, s.requests, 1, "the next page is not asked for")

	s = &server{answers: []any{pages[0], problem(403, "forbidden")}}
	all, err = client.Collect(clientOf(t, s).ListEndpoints(t.Context(), client.ListEndpointsParams{}), 0)
	require.True(t, client.IsNotAllowed(err))
	require.Len(t, all, 2, "what came before")
}

func TestSendWritesACloudEvent(t *testing.T) {
	t.Parallel()
	s := &server{answers: []any{answer(http.StatusAccepted, `{"id": "0199", "duplicate": false, "deliveries": 2}`)}}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	receipt, err := clientOf(t, s).Send(t.Context(), client.CloudEvent{
		ID: "1", Source: "/shop", Type: "order.paid", Subject: "Zürich \"5\" 50%", Time: at,
		Data: []byte(`{ "order":1 }`), Extensions: map[string]string{"region": "eu"},
	})
	require.NoError(t, err)
	require.Equal(t, &client.Receipt{ID: "0199", Deliveries: 2}, receipt)
	h := s.requests[0].Header
	require.Equal(t, `{ "order":1 }`, s.bodies[0], "the very bytes")
	for name, want := range map[string]string{
		"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop",
		"ce-type": "order.paid", "ce-subject": "Z%C3%BCrich%20%225%22%2050%25", "ce-time": "2026-03-01T12:00:00Z",
		"ce-region": "eu",
	} {
		require.Equal(t, want, h.Get(name), name)
	}
	s = &server{answers: []any{answer(http.StatusAccepted, `{"events": [{"id": "a"}, {"id": "b", "duplicate": true}]}`)}}
	receipts, err := clientOf(t, s).SendBatch(t.Context(), []client.CloudEvent{
		{ID: "1", Source: "/s", Type: "t", Data: []byte(`{"a":1}`)},
		{ID: "2", Source: "/s", Type: "t", Data: []byte{0xff}, DataContentType: "image/png"},
	})
	require.NoError(t, err)
	require.Equal(t, []client.Receipt{{ID: "a"}, {ID: "b", Duplicate: true}}, receipts)
	require.Equal(t, "application/cloudevents-batch+json", s.requests[0].Header.Get("Content-Type"))
	require.JSONEq(t, `[
		{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json",
			"data": {"a": 1}},
		{"specversion": "1.0", "id": "2", "source": "/s", "type": "t", "datacontenttype": "image/png", "data_base64": "/w=="}
	]`, s.bodies[0])
}
