package knative_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/knative"
)

var due = bus.Subscription{
	Name: "due", Broker: bus.BrokerDeliveries, Parallelism: 1,
	Filter: map[string]string{"type": "io.homing.deliveries.due"},
}

// post is a request of the dispatcher; name-value pairs replace its headers, an empty value removes one.
func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for name, value := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "io.homing.deliveries.due",
		"Content-Type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	return r
}

const (
	structured = `{"specversion":"1.0","id":"1","source":"/s","type":"io.homing.deliveries.due","data":{}}`
	ceJSON     = "application/cloudevents+json"
	ceBatch    = "application/cloudevents-batch+json"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request     *http.Request
		handler     error // what the handler answers
		undecodable error // what Config.Undecodable answers
		status      int
		handed      bool
		told        bool
	}{
		"Taken":               {request: post(`{}`), status: 204, handed: true},
		"TakenStructured":     {request: post(structured, "Content-Type", ceJSON), status: 204, handed: true},
		"AgainAfterAnError":   {request: post(`{}`), handler: errors.New("no"), status: 503, handed: true},
		"AgainWhenBusy":       {request: post(`{}`), handler: bus.ErrBusy, status: 429, handed: true},
		"NoSubscription":      {request: post(`{}`, "Ce-Type", "other"), status: 404},
		"NoID":                {request: post(`{}`, "Ce-Id", ""), status: 204, told: true},
		"NoVersion":           {request: post(`{}`, "Ce-Specversion", ""), status: 204, told: true},
		"BadTime":             {request: post(`{}`, "Ce-Time", "yesterday"), status: 204, told: true},
		"BadJSON":             {request: post(`{`, "Content-Type", ceJSON), status: 204, told: true},
		"Batch":               {request: post(`[]`, "Content-Type", ceBatch), status: 204, told: true},
		"TooLong":             {request: post(strings.Repeat("x", 101)), status: 204, told: true},
		"AgainWhenNotTold":    {request: post(`{`, "Ce-Id", ""), undecodable: errors.New("no"), status: 503, told: true},
		"AgainWhenToldIsBusy": {request: post(`{`, "Ce-Id", ""), undecodable: bus.ErrBusy, status: 429, told: true},
		"NotAPost":            {request: httptest.NewRequest(http.MethodGet, "/", nil), status: 405},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var handed, told bool
			b, err := knative.New(knative.Config{
				MaxBody: 100,
				Undecodable: func(_ context.Context, u bus.Undecodable) error {
					told = true
					require.Error(t, u.Err)
					require.NotEmpty(t, u.Body)
					require.LessOrEqual(t, len(u.Body), 100)
					require.Equal(t, test.request.Header.Get("Ce-Source"), u.Header["ce-source"])
					require.Len(t, u.Header, len(test.request.Header))
					return test.undecodable
				},
			})
			require.NoError(t, err)
			require.NoError(t, b.Subscribe(due, func(_ context.Context, e event.Event) error {
				handed = true
				require.Equal(t, "{}", string(e.Data()))
				return test.handler
			}))
			recorder := httptest.NewRecorder()
			b.Handler().ServeHTTP(recorder, test.request)
			require.Equal(t, test.status, recorder.Code)
			require.Equal(t, test.handed, handed)
			require.Equal(t, test.told, told)
			require.Empty(t, recorder.Body.String(), "a body may be taken for a reply event")
			require.Equal(t, test.status == http.StatusTooManyRequests, recorder.Header().Get("Retry-After") != "")
			require.NoError(t, b.Close(t.Context()))
		})
	}
}

func TestTheMostParticularSubscriptionGetsTheEvent(t *testing.T) {
	t.Parallel()
	b, err := knative.New(knative.Config{})
	require.NoError(t, err)
	var got []string
	for name, filter := range map[string]map[string]string{
		"all": nil, "type": due.Filter, "partition": {"type": due.Filter["type"], "partition": "1"},
	} {
		s := bus.Subscription{Name: name, Filter: filter, Parallelism: 1}
		require.NoError(t, b.Subscribe(s, func(context.Context, event.Event) error { got = append(got, name); return nil }))
		require.Error(t, b.Subscribe(s, nil), "the name is taken")
	}
	for _, r := range []*http.Request{post("", "Ce-Type", "x"), post(""), post("", "Ce-Partition", "1")} {
		b.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Equal(t, []string{"all", "type", "partition"}, got)
}

func TestAFullSubscriptionAnswers429(t *testing.T) {
	t.Parallel()
	b, err := knative.New(knative.Config{Wait: 10 * time.Millisecond})
	require.NoError(t, err)
	began, release := make(chan struct{}), make(chan struct{})
	require.NoError(t, b.Subscribe(due, func(context.Context, event.Event) error {
		began <- struct{}{}
		<-release
		return nil
	}))
	serve := func() int {
		recorder := httptest.NewRecorder()
		b.Handler().ServeHTTP(recorder, post(`{}`))
		return recorder.Code
	}
	first := make(chan int, 1)
	go func() { first <- serve() }()
	<-began
	require.Equal(t, http.StatusTooManyRequests, serve())
	close(release)
	require.Equal(t, http.StatusNoContent, <-first)
	go func() { first <- serve() }()
	<-began
	require.Equal(t, http.StatusNoContent, <-first)
}

// The dispatcher cancels its requests when it is restarted, and counts the events as failed; the work that has begun is
// worth finishing.
func TestAHandlerOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	b, err := knative.New(knative.Config{})
	require.NoError(t, err)
	began, gone, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	require.NoError(t, b.Subscribe(due, func(ctx context.Context, _ event.Event) error {
		close(began)
		<-gone
		ended <- ctx.Err()
		return nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go b.Handler().ServeHTTP(httptest.NewRecorder(), post(`{}`).WithContext(ctx))
	<-began
	cancel()
	close(gone)
	require.NoError(t, <-ended)
	require.NoError(t, b.Close(t.Context()))
}

func TestAClosedBusAnswers503(t *testing.T) {
	t.Parallel()
	b, err := knative.New(knative.Config{})
	require.NoError(t, err)
	require.NoError(t, b.Close(t.Context()))
	recorder := httptest.NewRecorder()
	b.Handler().ServeHTTP(recorder, post(`{}`))
	require.Equal(t, http.StatusServiceUnavailable, recorder.Code)
}

func BenchmarkReceive(b *testing.B) {
	k, err := knative.New(knative.Config{})
	require.NoError(b, err)
	require.NoError(b, k.Subscribe(due, func(context.Context, event.Event) error { return nil }))
	h, r, body := k.Handler(), post(""), strings.NewReader(strings.Repeat("x", 200))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = body.Seek(0, io.SeekStart)
		r.Body = io.NopCloser(body)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
