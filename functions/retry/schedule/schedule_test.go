package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/functions/retry/schedule"
	"github.com/homing-hooks/homing/pkg/store"
	timermemory "github.com/homing-hooks/homing/pkg/timer/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore gives what it is told, and notes what it is asked.
type fakeStore struct {
	mu    sync.Mutex
	found []store.Reconciled
	err   error
	asked []store.ReconcileRequest
	kept  int
	last  time.Time // when it was called last

	chunks    []store.JobRun // what the next calls of RunJob do
	jobErr    error          // of the next one
	failedRun store.JobRun   // what comes with it
	jobsRun   int
	looks     int // calls of RunJob
	stats     store.Stats

	idle      bool
	agendaErr error
	counted   int // calls of Tally
	untold    int // calls of Untold
}

// giveJobs says what the next calls of RunJob do; the first of them fails when there is an error.
func (f *fakeStore) giveJobs(err error, chunks ...store.JobRun) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobErr, f.chunks = err, chunks
}

// didJobs returns how many chunks were done, and how often somebody asked for one.
func (f *fakeStore) didJobs() (run, looks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.jobsRun, f.looks
}

// RunJob does the next chunk when it is due: that is, when the one before it said.
func (f *fakeStore) RunJob(ctx context.Context, _ *webhook.IDSource) (store.JobRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	if err := errors.Join(ctx.Err(), f.jobErr); err != nil {
		f.jobErr = nil
		return f.failedRun, err
	}
	if len(f.chunks) == 0 {
		return store.JobRun{}, nil
	}
	if next := f.chunks[0].Job.WakeAt; next.After(time.Now()) {
		return store.JobRun{Next: next}, nil
	}
	run := f.chunks[0]
	f.chunks = f.chunks[1:]
	if len(f.chunks) > 0 {
		run.Next = f.chunks[0].Job.WakeAt
	}
	f.jobsRun++
	return run, nil
}

// chunk is a chunk of a job that is due in a while and makes a delivery.
func chunk(n byte, in time.Duration) store.JobRun {
	return store.JobRun{
		Job: store.Job{
			ID: webhook.ID{0: 9}, Kind: store.JobReplay, State: store.JobRunning, WakeAt: time.Now().Add(in),
		},
		Changed: 1, Due: []store.Due{{ClaimItem: store.ClaimItem{Delivery: webhook.ID{15: n}, Endpoint: webhook.ID{0: 1}}}},
	}
}

func (f *fakeStore) Reconcile(ctx context.Context, r store.ReconcileRequest) (store.Reconciled, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return store.Reconciled{}, store.ErrUnavailable
	}
	f.asked = append(f.asked, r)
	if f.err != nil || len(f.found) == 0 {
		return store.Reconciled{}, f.err
	}
	next := f.found[0]
	f.found = f.found[1:]
	return next, nil
}

func (f *fakeStore) Housekeep(context.Context, store.Retention) (store.Housekept, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept++
	f.last = time.Now()
	return store.Housekept{}, nil
}

// Agenda says that there is everything to do, but while the store is idle: the other calls say what there is.
func (f *fakeStore) Agenda(context.Context, webhook.FailingRule) (store.Agenda, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle {
		return store.Agenda{Housekept: f.last}, f.agendaErr
	}
	return store.Agenda{
		Overdue: true, Jobs: true, Redrives: true, Notices: true, Uncounted: true, Housekept: f.last,
	}, f.agendaErr
}

func (f *fakeStore) Tally(context.Context, store.TallyRequest) (store.Tallied, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counted++
	return store.Tallied{}, nil
}

func (f *fakeStore) Untold(context.Context, int) ([]store.Notice, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.untold++
	return nil, nil
}

func (f *fakeStore) Tell(context.Context, []webhook.ID, []store.NewEvent) ([]store.Accepted, error) {
	return nil, nil
}

func (f *fakeStore) Subscriptions(context.Context, string) (store.Subscriptions, error) {
	return store.Subscriptions{}, nil
}

func (f *fakeStore) Stats(context.Context) (store.Stats, error) { return f.stats, nil }

// said is a hint that was published, and when.
type said struct {
	at        time.Time
	kind      string
	due       []wire.Due
	endpoints []wire.Endpoint
}

// bundle is retry over the memory timers, inside a bubble of fake time.
type bundle struct {
	store     *fakeStore
	timers    *timermemory.Timer
	scheduler *schedule.Scheduler

	mu     sync.Mutex
	said   []said
	failed int // publications to fail
}

var errBus = errors.New("the bus is away")

func setup(t *testing.T, change ...func(*schedule.Config)) *bundle {
	t.Helper()
	b := &bundle{store: &fakeStore{}, timers: timermemory.New()}
	cfg := schedule.Config{
		Store: b.store, Timers: b.timers, Publish: b.publish, Now: time.Now, Policy: webhook.DefaultPolicy(),
		Log: slog.New(slog.DiscardHandler), Metrics: schedule.NewMetrics(prometheus.NewRegistry()),
	}
	for _, c := range change {
		c(&cfg)
	}
	b.scheduler = schedule.New(cfg)
	return b
}

func (b *bundle) publish(_ context.Context, kind string, due []wire.Due, endpoints []wire.Endpoint) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed > 0 {
		b.failed--
		return errBus
	}
	b.said = append(b.said, said{at: time.Now(), kind: kind, due: due, endpoints: endpoints})
	return nil
}

func (b *bundle) hints() []said {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]said(nil), b.said...)
}

// run runs the firing until the test ends.
func (b *bundle) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.scheduler.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func due(n byte, in time.Duration) wire.Due {
	return wire.Due{Delivery: webhook.ID{15: n}, Endpoint: webhook.ID{0: 1}, Attempt: 1, Due: time.Now().Add(in)}
}

func rescheduled(d ...wire.Due) wire.Hint {
	return wire.Hint{Type: wire.TypeRescheduled, Deliveries: d}
}

func TestTimers(t *testing.T) {
	t.Parallel()

	t.Run("FireAtTheirTimeInTheirOrder", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.run(t)
			start := time.Now()
			require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(due(2, 5*time.Second))))
			synctest.Wait()
			require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(due(1, time.Second))))
			<-time.After(10 * time.Second)
			got := b.hints()
			require.Len(t, got, 2)
			require.Equal(t, byte(1), got[0].due[0].Delivery[15], "a timer set later that is due earlier wakes the firing")
			require.Equal(t, start.Add(time.Second), got[0].at)
			require.Equal(t, start.Add(5*time.Second), got[1].at)
			require.Equal(t, wire.TypeDue, got[0].kind)
			require.Equal(t, 1, got[0].due[0].Attempt)
			n, err := b.timers.Len(t.Context())
			require.NoError(t, err)
			require.Zero(t, n)
		})
	})

	t.Run("BeyondTheHorizonWaitInTheStore", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(due(1, time.Hour), due(2, time.Minute))))
			n, err := b.timers.Len(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, n)
		})
	})

	t.Run("AClockThatIsAheadMakesNoHintGoRoundAndRound", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const ahead = time.Minute
			b := setup(t, func(cfg *schedule.Config) { cfg.Now = func() time.Time { return time.Now().Add(ahead) } })
			b.run(t)
			// deliver, by the store's clock, finds the delivery not due yet and asks for its timer again.
			truly := due(1, ahead)
			for !time.Now().After(truly.Due) {
				before := len(b.hints())
				require.Less(t, before, 70, "first at once, then about one round a second")
				require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(truly)))
				for len(b.hints()) == before {
					<-time.After(time.Millisecond)
				}
			}
			late := b.hints()[len(b.hints())-1].at.Sub(truly.Due)
			require.Less(t, late, time.Second)
		})
	})

	t.Run("WhatIsJustDueIsHintedAtOnce", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.run(t)
			start := time.Now()
			require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(due(1, 0))))
			<-time.After(time.Second)
			require.Len(t, b.hints(), 1)
			require.LessOrEqual(t, b.hints()[0].at.Sub(start), 10*time.Millisecond)
		})
	})

	t.Run("AHintIsOutBeforeItsTimerIsGone", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.failed = 1
			b.run(t)
			require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(due(1, time.Second))))
			<-time.After(2 * time.Second)
			require.Empty(t, b.hints())
			n, err := b.timers.Len(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, n, "the bus was away: the timer is kept")
			<-time.After(time.Minute)
			require.Len(t, b.hints(), 1)
		})
	})

	t.Run("AnEndpointsTimerNamesTheEndpoint", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.run(t)
			e := wire.Endpoint{Endpoint: webhook.ID{0: 9}, Due: time.Now().UTC().Add(time.Second)}
			require.NoError(t, b.scheduler.Rescheduled(t.Context(), wire.Hint{Endpoints: []wire.Endpoint{e}}))
			<-time.After(2 * time.Second)
			require.Len(t, b.hints(), 1)
			require.Equal(t, []wire.Endpoint{e}, b.hints()[0].endpoints)
			require.Empty(t, b.hints()[0].due)
		})
	})

	t.Run("HoldGoesOnWhileTimersComeDueBeforeTheNextTick", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			start := time.Now()
			require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(due(1, 20*time.Second), due(2, 2*time.Minute))))
			b.scheduler.Hold(t.Context(), time.Minute)
			require.Len(t, b.hints(), 1)
			require.Equal(t, 20*time.Second, time.Since(start), "what is due after the next tick is not waited for")
		})
	})
}

// gauges returns the gauges of a registry by name and the value of their label.
func gauges(t *testing.T, r prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetGauge() == nil {
				continue
			}
			name := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				name = append(name, l.GetValue())
			}
			values[strings.Join(name, " ")] = m.GetGauge().GetValue()
		}
	}
	return values
}

func TestTick(t *testing.T) {
	t.Parallel()

	t.Run("TakesStock", func(t *testing.T) {
		t.Parallel()
		registry := prometheus.NewRegistry()
		b := setup(t, func(c *schedule.Config) { c.Metrics = schedule.NewMetrics(registry) })
		b.store.stats = store.Stats{
			Live: 7, OldestDue: 90 * time.Second, Endpoints: store.EndpointCounts{Active: 5, Failing: 2, Paused: 3, Disabled: 1},
		}
		require.NoError(t, b.scheduler.Tick(t.Context()))
		require.Equal(t, map[string]float64{
			"homing_deliveries_live": 7, "homing_deliveries_oldest_due_seconds": 90, "homing_endpoints active": 5,
			"homing_endpoints failing": 2, "homing_endpoints paused": 3, "homing_endpoints disabled": 1,
			"homing_retry_parked": 0,
		}, gauges(t, registry))
	})

	t.Run("ReconcilesUntilNothingIsOverdueAndSaysWhatItFound", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			item := store.Due{ClaimItem: store.ClaimItem{Delivery: webhook.ID{15: 1}, Attempt: 2}, DueAt: time.Now()}
			soon := store.Due{ClaimItem: store.ClaimItem{Delivery: webhook.ID{15: 2}}, DueAt: time.Now().Add(time.Minute)}
			b.store.found = []store.Reconciled{
				{Due: []store.Due{item}, More: true},
				{Timers: []store.Due{soon}, Endpoints: []webhook.ID{{0: 7}}},
			}
			require.NoError(t, b.scheduler.Tick(t.Context()))
			got := b.hints()
			require.Len(t, got, 2)
			require.Equal(t, wire.TypeOverdue, got[0].kind)
			require.Equal(t, item.Delivery, got[0].due[0].Delivery)
			require.Equal(t, 2, got[0].due[0].Attempt)
			require.Equal(t, webhook.ID{0: 7}, got[1].endpoints[0].Endpoint)
			n, err := b.timers.Len(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, n)
		})
	})

	t.Run("EndsNoLeaseUntilTheStoreWasBackForOneAttempt", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			require.NoError(t, b.scheduler.Reconcile(t.Context()))
			b.store.err = store.ErrUnavailable
			require.ErrorIs(t, b.scheduler.Reconcile(t.Context()), store.ErrUnavailable)
			b.store.err = nil
			require.NoError(t, b.scheduler.Reconcile(t.Context()))
			require.NoError(t, b.scheduler.Reconcile(t.Context()))
			<-time.After(webhook.DefaultPolicy().Timeout)
			require.NoError(t, b.scheduler.Reconcile(t.Context()))
			var ends []bool
			for _, r := range b.store.asked {
				ends = append(ends, r.EndLeases)
			}
			require.Equal(t, []bool{true, true, false, false, true}, ends)
		})
	})

	t.Run("GoesOnWithTheRestWhenAPartFails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			drained, redriven := 0, 0
			b := setup(t, func(c *schedule.Config) {
				c.Drain = func(context.Context) (int, int, error) { drained++; return 3, 1, errBus }
				c.Redrive = func(context.Context) (int, error) { redriven++; return 2, errBus }
			})
			require.NoError(t, b.timers.Close())
			require.ErrorIs(t, b.scheduler.Tick(t.Context()), errBus)
			require.Equal(t, 1, drained)
			require.Equal(t, 1, redriven)
			require.Len(t, b.store.asked, 1)
			require.Equal(t, 1, b.store.kept)
		})
	})

	t.Run("DoesWhatTheStoreHasOnly", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			idle bool
			err  error
			want int
		}{{idle: true, want: 0}, {want: 1}, {idle: true, err: store.ErrUnavailable, want: 1}} {
			redriven := 0
			b := setup(t, func(c *schedule.Config) {
				c.Redrive = func(context.Context) (int, error) { redriven++; return 0, nil }
			})
			b.store.idle, b.store.agendaErr = c.idle, c.err
			require.ErrorIs(t, b.scheduler.Tick(t.Context()), c.err)
			_, looks := b.store.didJobs()
			require.Equal(t, [...]int{c.want, c.want, c.want, c.want, c.want},
				[...]int{len(b.store.asked), looks, redriven, b.store.counted, b.store.untold}, "%+v", c)
		}
	})

	t.Run("ReconcilesBeforeADrainThatTakesTheWholeTick", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, func(c *schedule.Config) {
				c.Drain = func(ctx context.Context) (int, int, error) { <-ctx.Done(); return 1, 0, ctx.Err() }
			})
			require.ErrorIs(t, b.scheduler.Tick(t.Context()), context.DeadlineExceeded)
			require.Len(t, b.store.asked, 1)
		})
	})

	t.Run("TellsHowMuchIsParked", func(t *testing.T) {
		t.Parallel()
		registry := prometheus.NewRegistry()
		left := 17
		b := setup(t, func(c *schedule.Config) {
			c.Metrics = schedule.NewMetrics(registry)
			c.Drain = func(context.Context) (int, int, error) { return 0, left, errBus }
		})
		for _, known := range []int{17, 5, -1} {
			left = known
			require.ErrorIs(t, b.scheduler.Tick(t.Context()), errBus)
			families, err := registry.Gather()
			require.NoError(t, err)
			i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "homing_retry_parked" })
			require.GreaterOrEqual(t, i, 0)
			if known < 0 {
				known = 5 // as far as anybody knows
			}
			require.Equal(t, known, int(families[i].GetMetric()[0].GetGauge().GetValue()))
		}
	})

	t.Run("KeepsHouseOnceAnHourInWhicheverProcess", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			for range 121 {
				s := setup(t, func(c *schedule.Config) { c.Store = b.store }).scheduler
				require.NoError(t, s.Tick(t.Context()))
				<-time.After(time.Minute)
			}
			require.Equal(t, 3, b.store.kept)
		})
	})
}

func TestWithoutTimersNothingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		require.NoError(t, b.timers.Close())
		require.NoError(t, b.scheduler.Rescheduled(t.Context(), rescheduled(due(1, time.Second))),
			"a hint is not asked for again: the reconciler finds the delivery")
	})
}
