package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/server"
)

// script notes what parts do.
type script struct{ steps []string }

func (s *script) part(name string, startErr, stopErr error) server.Part {
	return server.Part{
		Name:  name,
		Start: func(context.Context) error { s.steps = append(s.steps, "start "+name); return startErr },
		Stop:  func(context.Context) error { s.steps = append(s.steps, "stop "+name); return stopErr },
	}
}

var quiet = slog.New(slog.DiscardHandler)

func TestRun(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")

	t.Run("StartsInOrderAndStopsInReverse", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var s script
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- server.Run(ctx, quiet, time.Second, s.part("store", nil, nil), server.Part{Name: "nothing"},
					s.part("http", nil, nil))
			}()
			synctest.Wait()
			require.Equal(t, []string{"start store", "start http"}, s.steps)
			cancel()
			require.NoError(t, <-done)
			require.Equal(t, []string{"start store", "start http", "stop http", "stop store"}, s.steps)
		})
	})

	t.Run("APartThatDoesNotStartStopsThoseBeforeIt", func(t *testing.T) {
		t.Parallel()
		var s script
		err := server.Run(t.Context(), quiet, time.Second,
			s.part("store", nil, nil), s.part("bus", boom, nil), s.part("http", nil, nil))
		require.ErrorIs(t, err, boom)
		require.ErrorContains(t, err, "start bus: boom")
		require.Equal(t, []string{"start store", "start bus", "stop store"}, s.steps)
	})

	t.Run("APartThatFailsEndsTheProcess", func(t *testing.T) {
		t.Parallel()
		var s script
		failed := make(chan error, 1)
		failed <- boom
		store := s.part("store", nil, nil)
		store.Failed = failed
		err := server.Run(t.Context(), quiet, time.Second, store)
		require.ErrorIs(t, err, boom)
		require.ErrorContains(t, err, "store failed: boom")
		require.Equal(t, "stop store", s.steps[len(s.steps)-1])
	})

	t.Run("EveryPartIsStoppedWhateverTheOthersDo", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var s script
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			slow := server.Part{Name: "slow", Stop: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
			late := server.Part{Name: "late", Stop: func(ctx context.Context) error {
				s.steps = append(s.steps, "late")
				return ctx.Err()
			}}
			started := make(chan struct{})
			last := server.Part{Name: "last", Start: func(context.Context) error { close(started); return nil }}
			ctx2, cancel2 := context.WithCancel(context.WithoutCancel(ctx))
			go func() { <-started; cancel2() }()
			begun := time.Now()
			err := server.Run(ctx2, quiet, time.Minute, late, slow, s.part("bad", nil, boom), last)
			require.Equal(t, time.Minute, time.Since(begun), "there is one deadline for all")
			require.ErrorContains(t, err, "stop bad: boom")
			require.ErrorContains(t, err, "stop slow: context deadline exceeded")
			require.Equal(t, []string{"start bad", "stop bad", "late"}, s.steps)
		})
	})

	t.Run("ToldToEndWhileStarting", func(t *testing.T) {
		t.Parallel()
		var s script
		ctx, cancel := context.WithCancel(t.Context())
		ending := server.Part{Name: "ending", Start: func(context.Context) error { cancel(); return nil }}
		require.NoError(t, server.Run(ctx, quiet, time.Second, s.part("a", nil, nil), ending, s.part("b", nil, nil)))
		require.Equal(t, []string{"start a", "stop a"}, s.steps)
	})

	t.Run("AServerIsAPart", func(t *testing.T) {
		t.Parallel()
		var log bytes.Buffer
		s := server.New(server.Config{Addr: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		asked := server.Part{Name: "asked", Start: func(context.Context) error {
			defer cancel()
			status, _ := get(t, client(t, false), "http://"+s.Addr()+"/healthz")
			require.Equal(t, http.StatusOK, status)
			return nil
		}}
		require.NoError(t, server.Run(ctx, quiet, 10*time.Second, s.Part("http"), asked))
		require.Contains(t, log.String(), "addr="+s.Addr())
	})
}
