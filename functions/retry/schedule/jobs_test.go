package schedule_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/retry/schedule"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// work runs the work on jobs until the test ends.
func (b *bundle) work(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.scheduler.RunJobs(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func TestJobs(t *testing.T) {
	t.Parallel()

	t.Run("GoOnByTheirOwnTimesOnceAHintHasCome", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.work(t)
			b.store.giveJobs(nil, chunk(1, 0), chunk(2, 2*time.Second), chunk(3, 5*time.Second))
			start := time.Now()
			<-time.After(time.Hour)
			_, looks := b.store.didJobs()
			require.Zero(t, looks, "nobody is asked while nothing is known")
			require.NoError(t, b.scheduler.JobsDue(t.Context(), wire.Hint{Type: wire.TypeJobs}))
			<-time.After(time.Hour)
			run, looks := b.store.didJobs()
			require.Equal(t, 3, run)
			got := b.hints()
			require.Len(t, got, 3)
			for i, said := range got {
				require.Equal(t, wire.TypeDue, said.kind)
				require.Equal(t, byte(i+1), said.due[0].Delivery[15])
			}
			require.LessOrEqual(t, looks, 6)
			require.Positive(t, got[0].at.Sub(start))
		})
	})

	t.Run("AreAtTheirPace", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.work(t)
			b.store.giveJobs(nil, chunk(1, 0), chunk(2, 2*time.Second), chunk(3, 5*time.Second))
			start := time.Now()
			require.NoError(t, b.scheduler.JobsDue(t.Context(), wire.Hint{Type: wire.TypeJobs}))
			<-time.After(time.Minute)
			got := b.hints()
			require.Len(t, got, 3)
			for i, in := range []time.Duration{0, 2 * time.Second, 5 * time.Second} {
				require.Equal(t, in, got[i].at.Sub(start))
			}
		})
	})

	t.Run("AreHintedAtAsRedrivesAre", func(t *testing.T) {
		t.Parallel()
		redriven := 0
		b := setup(t, func(c *schedule.Config) {
			c.Redrive = func(context.Context) (int, error) { redriven++; return 0, errBus }
		})
		require.NoError(t, b.scheduler.JobsDue(t.Context(), wire.Hint{Type: wire.TypeJobs}),
			"the hint is not asked for again: the tick finds what waits")
		require.Equal(t, 1, redriven)
	})

	t.Run("AreFoundByTheTick", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.work(t)
			b.store.giveJobs(nil, chunk(1, 0), chunk(2, time.Second))
			require.NoError(t, b.scheduler.Tick(t.Context()))
			require.Len(t, b.hints(), 1)
			<-time.After(2 * time.Second)
			require.Len(t, b.hints(), 2, "and gone on with")
		})
	})

	t.Run("KeepATickThatIsHeld", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.work(t)
			b.store.giveJobs(nil, chunk(1, 0), chunk(2, 10*time.Second))
			require.NoError(t, b.scheduler.Tick(t.Context()))
			synctest.Wait()
			start := time.Now()
			b.scheduler.Hold(t.Context(), time.Minute)
			require.Len(t, b.hints(), 2)
			require.Less(t, time.Since(start), 15*time.Second)
			b.store.giveJobs(nil, chunk(3, 2*time.Minute))
			require.NoError(t, b.scheduler.Tick(t.Context()))
			synctest.Wait()
			start = time.Now()
			b.scheduler.Hold(t.Context(), time.Minute)
			require.Zero(t, time.Since(start), "not for what the next tick will find")
		})
	})

	t.Run("GoOnAfterAChunkThatWentWrong", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.work(t)
			b.store.giveJobs(errors.New("a row that cannot be"), chunk(1, 0))
			err := b.scheduler.Tick(t.Context())
			require.ErrorContains(t, err, "a row that cannot be")
			require.Len(t, b.hints(), 1, "the other jobs do not wait for it")
			b.store.giveJobs(store.ErrUnavailable, chunk(2, 0))
			require.NoError(t, b.scheduler.JobsDue(t.Context(), wire.Hint{}))
			<-time.After(time.Minute)
			require.Len(t, b.hints(), 2)
		})
	})

	t.Run("AreCountedWhenTheyHaveFailed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			b := setup(t, func(c *schedule.Config) { c.Metrics = schedule.NewMetrics(registry) })
			failed := func() (n int) {
				families, err := registry.Gather()
				require.NoError(t, err)
				for _, f := range families {
					for _, m := range f.GetMetric() {
						if f.GetName() == "homing_jobs_ended_total" && m.GetLabel()[1].GetValue() == string(store.JobFailed) {
							n += int(m.GetCounter().GetValue())
						}
					}
				}
				return n
			}
			b.store.giveJobs(errors.New("once"))
			require.Error(t, b.scheduler.Tick(t.Context()))
			require.Zero(t, failed(), "it is tried again")
			b.store.failedRun.Job = store.Job{ID: webhook.ID{0: 9}, Kind: store.JobReplay, State: store.JobFailed}
			b.store.giveJobs(errors.New("too often"))
			require.Error(t, b.scheduler.Tick(t.Context()))
			require.Equal(t, 1, failed())
		})
	})

	t.Run("LoseNothingWithTheirHints", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.failed = 1
			opened := chunk(2, 0)
			opened.Due, opened.Endpoints = nil, []webhook.ID{{0: 7}}
			opened.Job.State = store.JobDone
			b.store.giveJobs(nil, chunk(1, 0), opened)
			require.NoError(t, b.scheduler.Tick(t.Context()), "the reconciler will find what was not said")
			got := b.hints()
			require.Len(t, got, 1)
			require.Equal(t, webhook.ID{0: 7}, got[0].endpoints[0].Endpoint)
		})
	})
}
