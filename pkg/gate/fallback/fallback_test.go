package fallback

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/gate/gatetest"
	"github.com/homing-hooks/homing/pkg/gate/memory"
	"github.com/homing-hooks/homing/pkg/gate/redis"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	request = []gate.Request{{Endpoint: webhook.ID{1}, PerMinute: 60_000, Want: 1}}
	errDown = errors.New("down")
)

// fake is a primary that can be switched off, or made to hang until its caller gives up.
type fake struct {
	gate.Gate
	mu     sync.Mutex
	err    error
	hangs  bool
	asked  int
	closed bool
}

func (f *fake) Take(ctx context.Context, now time.Time, requests []gate.Request) ([]gate.Grant, error) {
	f.mu.Lock()
	err, hangs := f.err, f.hangs
	f.asked++
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return f.Gate.Take(ctx, now, requests)
}

func (f *fake) Close() error { f.closed = true; return f.Gate.Close() }

func (f *fake) set(err error, hangs bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.hangs = err, hangs
}

// bundle is a gate over a fake primary, and what its hooks were told.
type bundle struct {
	*Gate
	primary *fake
	mu      sync.Mutex
	states  []State
	locals  []error
}

func setup(t *testing.T) *bundle {
	b := &bundle{primary: &fake{Gate: memory.New()}}
	b.Gate = New(b.primary, memory.New(), Options{
		PauseMin: time.Second, PauseMax: 4 * time.Second,
		OnChange: func(_ context.Context, s State) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.states = append(b.states, s)
		},
		OnLocal: func(_ context.Context, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.locals = append(b.locals, err)
		},
	})
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// take takes once, some time after noon, and wants a grant, for no delivery may wait for a primary that is down.
func (b *bundle) take(t *testing.T, after time.Duration) {
	t.Helper()
	grants, err := b.Take(t.Context(), noon.Add(after), request)
	require.NoError(t, err)
	require.Equal(t, []gate.Grant{{Granted: 1}}, grants)
}

func TestHealthyIsAsThePrimary(t *testing.T) {
	t.Parallel()
	gatetest.Test(t, gatetest.Harness{Space: func(testing.TB) func() gate.Gate {
		all := New(memory.New(), memory.New(), Options{})
		return func() gate.Gate { return all }
	}})
}

func TestDownIsAsTheLocal(t *testing.T) {
	t.Parallel()
	gatetest.Test(t, gatetest.Harness{Space: func(testing.TB) func() gate.Gate {
		all := New(&fake{Gate: memory.New(), err: errDown}, memory.New(), Options{})
		return func() gate.Gate { return all }
	}})
}

func TestBreakerLeavesADeadPrimaryAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.take(t, 0)
	require.Equal(t, Primary, b.State())
	b.primary.set(errDown, false)
	for range 10 {
		b.take(t, 0)
	}
	require.Equal(t, 1+FailuresDefault, b.primary.asked)
	require.Equal(t, Local, b.State())
	require.Equal(t, []State{Local}, b.states)
	require.Equal(t, []error{errDown, errDown, errDown, nil, nil, nil, nil, nil, nil, nil}, b.locals)
}

func TestFewerFailuresInARowDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		b.primary.set(errDown, false)
		for range FailuresDefault - 1 {
			b.take(t, 0)
		}
		b.primary.set(nil, false)
		b.take(t, 0)
	}
	require.Equal(t, 5*FailuresDefault, b.primary.asked)
	require.Empty(t, b.states)
}

func TestPauseDoublesToItsMostAndEndsWithAnAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.primary.set(errDown, false)
	for range FailuresDefault {
		b.take(t, 0)
	}
	at, asked := time.Duration(0), FailuresDefault
	for _, pause := range []time.Duration{1, 2, 4, 4} {
		at += pause * time.Second
		b.take(t, at-time.Nanosecond)
		require.Equal(t, asked, b.primary.asked, "before the pause of %d s is over", pause)
		b.take(t, at)
		b.take(t, at)
		asked++
		require.Equal(t, asked, b.primary.asked, "one call after the pause")
	}
	b.primary.set(nil, false)
	b.take(t, at+4*time.Second)
	require.Equal(t, Primary, b.State())
	require.Equal(t, []State{Local, Primary}, b.states)
	b.primary.set(errDown, false)
	for range FailuresDefault {
		b.take(t, at+5*time.Second)
	}
	b.take(t, at+6*time.Second)
	require.Equal(t, asked+1+FailuresDefault+1, b.primary.asked, "the next pause is the shortest again")
}

func TestHangingPrimaryCostsTheTimeoutAndOneCallAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.primary.set(nil, true)
		began := time.Now()
		for range FailuresDefault {
			b.take(t, 0)
		}
		require.Equal(t, FailuresDefault*TimeoutDefault, time.Since(began))
		probe := make(chan error)
		go func() {
			_, err := b.Take(t.Context(), noon.Add(time.Hour), request)
			probe <- err
		}()
		synctest.Wait() // the probe hangs
		began = time.Now()
		for range 10 {
			b.take(t, time.Hour)
		}
		require.Zero(t, time.Since(began), "others do not wait for the probe")
		require.Equal(t, FailuresDefault+1, b.primary.asked)
		require.NoError(t, <-probe)
	})
}

func TestCallersWhoLeaveSayNothingAboutThePrimary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.primary.set(nil, true)
		leave := func(after time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), TimeoutDefault/2)
			defer cancel()
			_, err := b.Take(ctx, noon.Add(after), request)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, gate.ErrUnavailable)
		}
		for range 2 * FailuresDefault {
			leave(0)
		}
		require.Equal(t, Primary, b.State())
		for range FailuresDefault {
			b.take(t, 0)
		}
		require.Equal(t, Local, b.State())
		leave(time.Second)
		b.primary.set(nil, false)
		b.take(t, time.Second)
		require.Equal(t, Primary, b.State(), "the next call probes in place of the one that left")
	})
}

func TestCloseClosesBoth(t *testing.T) {
	t.Parallel()
	primary, local := &fake{Gate: memory.New()}, &fake{Gate: memory.New()}
	require.NoError(t, New(primary, local, Options{}).Close())
	require.True(t, primary.closed)
	require.True(t, local.closed)
}

// The real thing: sends go on while Redis is away, at each process's own limit, and are shared again when it is back.
func TestSendsGoOnWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testenv.OwnRedis(t)
	primary, err := redis.Open(server.URL, redis.Options{})
	require.NoError(t, err)
	g := New(primary, memory.New(), Options{})
	defer func() { require.NoError(t, g.Close()) }()
	now := noon
	take := func() bool {
		now = now.Add(PauseMaxDefault) // each call may probe
		grants, err := g.Take(t.Context(), now, request)
		require.NoError(t, err)
		require.Equal(t, 1, grants[0].Granted)
		return true
	}
	const atMost, every = 10 * time.Second, 20 * time.Millisecond
	require.Eventually(t, func() bool { return take() && g.State() == Primary }, atMost, every)
	server.Kill()
	for range FailuresDefault {
		take()
	}
	require.Equal(t, Local, g.State())
	server.Start()
	require.Eventually(t, func() bool { return take() && g.State() == Primary }, atMost, every)
}
