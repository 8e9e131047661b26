package knative_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/knative"
)

func hint() event.Event {
	e := event.New()
	e.SetID("0197")
	e.SetSource("/homing")
	e.SetType("io.homing.deliveries.due")
	e.SetExtension("partition", "0")
	e.SetDataContentType("application/json")
	e.DataEncoded = []byte(`{"deliveries":[]}`)
	return e
}

// ingress answers with the statuses in turn, the last one for ever, and keeps what it was sent.
type ingress struct {
	*httptest.Server
	statuses []int

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func newIngress(t *testing.T, statuses ...int) *ingress {
	i := &ingress{statuses: statuses}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.requests = append(i.requests, r)
	i.bodies = append(i.bodies, string(body))
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(i.statuses[min(len(i.requests), len(i.statuses))-1])
}

func (i *ingress) bus(t *testing.T, cfg knative.Config) *knative.Bus {
	secret := strings.Replace(i.URL, "http://", "http://user:secret@", 1) + "/?key=secret"
	cfg.Sinks = map[string]string{bus.BrokerDeliveries: secret}
	cfg.Delay = time.Millisecond
	b, err := knative.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close(context.Background())) })
	return b
}

func TestPublish(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		statuses    []int
		sent        int
		ok          bool
		unavailable bool
	}{
		"Accepted":                   {[]int{202}, 1, true, false},
		"OKFromAnotherSink":          {[]int{200}, 1, true, false},
		"AgainAfterAnError":          {[]int{500, 503, 202}, 3, true, false},
		"AgainWhileOverloaded":       {[]int{429, 202}, 2, true, false},
		"AgainWhileTheIngressStarts": {[]int{404, 202}, 2, true, false},
		"GivesUp":                    {[]int{500}, 3, false, true},
		"NotAgainWhenRefused":        {[]int{400}, 1, false, false},
		"NoOtherSuccessCounts":       {[]int{204}, 1, false, false},
		"NoRedirectIsFollowed":       {[]int{307}, 1, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := newIngress(t, test.statuses...)
			err := sink.bus(t, knative.Config{}).Publish(t.Context(), bus.BrokerDeliveries, hint())
			if test.ok {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
				require.NotContains(t, err.Error(), "secret")
			}
			if test.unavailable {
				require.ErrorIs(t, err, bus.ErrUnavailable)
			} else {
				require.NotErrorIs(t, err, bus.ErrUnavailable)
			}
			require.Len(t, sink.requests, test.sent)
			for i, r := range sink.requests {
				require.Equal(t, "0197", r.Header.Get("Ce-Id"), "each try has the same id")
				require.Equal(t, "0", r.Header.Get("Ce-Partition"))
				require.Equal(t, "application/json", r.Header.Get("Content-Type"), "binary mode")
				require.Equal(t, `{"deliveries":[]}`, sink.bodies[i])
			}
		})
	}
}

func TestPublishToNobody(t *testing.T) {
	t.Parallel()
	sink := newIngress(t, 202)
	b := sink.bus(t, knative.Config{})
	sink.Close()
	err := b.Publish(t.Context(), bus.BrokerDeliveries, hint())
	require.ErrorIs(t, err, bus.ErrUnavailable)
	require.NotContains(t, err.Error(), "secret")
	require.Error(t, b.Publish(t.Context(), "unknown", hint()))
}

// A sink that hangs, as the real ingress does under a memory alarm, costs the tries and no more.
func TestPublishEndsInTime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hanging.Close)
	sinks := map[string]string{bus.BrokerDeliveries: hanging.URL}

	t.Run("AfterTheTimeOfATry", func(t *testing.T) {
		b, err := knative.New(knative.Config{Sinks: sinks, Tries: 2, TryTimeout: 20 * time.Millisecond, Delay: 1})
		require.NoError(t, err)
		defer b.Close(context.Background())
		require.ErrorIs(t, b.Publish(t.Context(), bus.BrokerDeliveries, hint()), bus.ErrUnavailable)
	})
	t.Run("WithTheContext", func(t *testing.T) {
		b, err := knative.New(knative.Config{Sinks: sinks, TryTimeout: time.Hour, Delay: time.Hour})
		require.NoError(t, err)
		defer b.Close(context.Background())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err = b.Publish(ctx, bus.BrokerDeliveries, hint())
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestPublishKeepsItsConnections(t *testing.T) {
	t.Parallel()
	const publishers, rounds = 64, 10
	var opened atomic.Int32
	sink := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	}))
	sink.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	sink.Start()
	t.Cleanup(sink.Close)
	b, err := knative.New(knative.Config{Sinks: map[string]string{bus.BrokerDeliveries: sink.URL}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close(context.Background())) })
	for range rounds {
		var all sync.WaitGroup
		for range publishers {
			all.Go(func() {
				if err := b.Publish(t.Context(), bus.BrokerDeliveries, hint()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	// A dial that another connection's release has overtaken makes a few more than the publishers.
	require.Less(t, opened.Load(), int32(2*publishers), "of %d events", publishers*rounds)
}

func TestNewRefusesASinkThatIsNone(t *testing.T) {
	t.Parallel()
	for _, sink := range []string{"", "broker", "amqp://user:secret@host", "http://", "http://secret\x00"} {
		_, err := knative.New(knative.Config{Sinks: map[string]string{"deliveries": sink}})
		require.Error(t, err, sink)
		require.NotContains(t, err.Error(), "secret")
	}
}
