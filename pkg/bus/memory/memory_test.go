package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/bustest"
	"github.com/homing-hooks/homing/pkg/bus/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(testing.TB) bustest.Harness {
	b := memory.New(memory.Config{Delay: time.Millisecond})
	return bustest.Harness{Join: func(testing.TB) bus.Bus { return b }, InProcess: true, Tries: memory.TriesDefault}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	bustest.Run(t, open)
}

func Benchmark(b *testing.B) { bustest.Bench(b, open) }

var hints = bus.Subscription{Name: "hints", Broker: bus.BrokerDeliveries, Parallelism: 1}

func hint(id string) event.Event {
	e := event.New()
	e.SetID(id)
	e.SetSource("/test")
	e.SetType("test")
	e.DataEncoded = []byte(id)
	return e
}

func take(context.Context, event.Event) error { return nil }

func TestDropsAnEventThatFailsTooOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("always")
		var dropped []error
		b := memory.New(memory.Config{Tries: 4, Delay: time.Second, Dropped: func(name string, err error) {
			require.Equal(t, "hints", name)
			dropped = append(dropped, err)
		}})
		began := time.Now()
		var tries []time.Duration
		require.NoError(t, b.Subscribe(hints, func(context.Context, event.Event) error {
			tries = append(tries, time.Since(began))
			return failure
		}))
		require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, hint("1")))
		<-time.After(time.Minute) // of the bubble
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}, tries)
		require.Equal(t, []error{failure}, dropped)
	})
}

func TestPublishWaitsForRoomAndNoLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Config{Queue: 2, Wait: 3 * time.Second})
		release := make(chan struct{})
		require.NoError(t, b.Subscribe(hints, func(context.Context, event.Event) error { <-release; return nil }))
		publish := func(ctx context.Context) error { return b.Publish(ctx, bus.BrokerDeliveries, hint("1")) }
		began := time.Now()
		for range 3 { // one at work and two waiting
			require.NoError(t, publish(t.Context()))
			synctest.Wait()
		}
		require.Zero(t, time.Since(began))

		require.ErrorIs(t, publish(t.Context()), bus.ErrUnavailable)
		require.Equal(t, 3*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := publish(ctx)
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 4*time.Second, time.Since(began))

		time.AfterFunc(time.Second, func() { release <- struct{}{} })
		require.NoError(t, publish(t.Context()))
		require.Equal(t, 5*time.Second, time.Since(began))
		close(release)
		require.NoError(t, b.Close(t.Context()))
	})
}

func TestCloseReportsWhatNobodyWasHanded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dropped []error
		b := memory.New(memory.Config{Dropped: func(_ string, err error) { dropped = append(dropped, err) }})
		began, release := make(chan struct{}), make(chan struct{})
		require.NoError(t, b.Subscribe(hints, func(context.Context, event.Event) error {
			close(began)
			<-release
			return nil
		}))
		for range 3 {
			require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, hint("1")))
		}
		<-began
		time.AfterFunc(time.Second, func() { close(release) })
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, []error{bus.ErrUnavailable, bus.ErrUnavailable}, dropped)
	})
}

func TestCloseEndsThePauseBetweenTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dropped []error
		drop := func(_ string, err error) { dropped = append(dropped, err) }
		b := memory.New(memory.Config{Delay: time.Hour, Dropped: drop})
		failure := errors.New("always")
		require.NoError(t, b.Subscribe(hints, func(context.Context, event.Event) error { return failure }))
		require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, hint("1")))
		synctest.Wait()
		began := time.Now()
		require.NoError(t, b.Close(t.Context()))
		require.Zero(t, time.Since(began))
		require.Equal(t, []error{failure}, dropped)
	})
}

func TestEventsAreNotCopied(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Config{})
	got := make(chan event.Event, 1)
	require.NoError(t, b.Subscribe(hints, func(_ context.Context, e event.Event) error { got <- e; return nil }))
	published := hint("1")
	require.NoError(t, b.Publish(t.Context(), bus.BrokerDeliveries, published))
	require.Same(t, &published.DataEncoded[0], &(<-got).DataEncoded[0])
	require.NoError(t, b.Close(t.Context()))
}

func TestANameHasOneFilter(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Config{})
	require.NoError(t, b.Subscribe(hints, take))
	require.NoError(t, b.Subscribe(hints, take))
	other := hints
	other.Filter = map[string]string{"type": "x"}
	require.Error(t, b.Subscribe(other, take))
	require.NoError(t, b.Close(t.Context()))
}
