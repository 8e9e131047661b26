package batch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/batch"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the panics below are meant
	goleak.VerifyTestMain(m)
}

// recorder is a run that takes a while, notes what it was given, and doubles it.
type recorder struct {
	takes time.Duration

	mu   sync.Mutex
	runs [][]int
	now  int // runs under way
	most int // runs under way at one time
}

func (r *recorder) run(ctx context.Context, items []int) ([]int, error) {
	r.mu.Lock()
	r.runs = append(r.runs, append([]int(nil), items...))
	r.now++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}()
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out := make([]int, len(items))
	for i, item := range items {
		out[i] = 2 * item
	}
	return out, nil
}

func (r *recorder) seen() [][]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs
}

// inBubble runs f with a clock of its own, and a group that is closed at the end.
func inBubble(t *testing.T, cfg batch.Config[int], r *recorder, f func(t *testing.T, g *batch.Group[int, int])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := batch.New(cfg, r.run)
		f(t, g)
		require.NoError(t, g.Close(t.Context()))
	})
}

// goDo starts a Do and returns how to wait for it. When it returns, the item is in the line or in a run.
func goDo(ctx context.Context, g *batch.Group[int, int], item int) func() (int, error) {
	var out int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err = g.Do(ctx, item)
	}()
	synctest.Wait()
	return func() (int, error) { <-done; return out, err }
}

func TestGroupsForm(t *testing.T) {
	t.Parallel()

	t.Run("AnItemRunsAtOnceWhenIdle", func(t *testing.T) {
		t.Parallel()
		r := &recorder{takes: time.Second}
		inBubble(t, batch.Config[int]{}, r, func(t *testing.T, g *batch.Group[int, int]) {
			started := time.Now()
			for range 3 {
				out, err := g.Do(t.Context(), 21)
				require.NoError(t, err)
				require.Equal(t, 42, out)
			}
			require.Equal(t, 3*time.Second, time.Since(started), "no time but the runs' own")
		})
	})

	t.Run("WhatArrivesDuringARunGoesIntoTheNext", func(t *testing.T) {
		t.Parallel()
		r := &recorder{takes: time.Second}
		inBubble(t, batch.Config[int]{}, r, func(t *testing.T, g *batch.Group[int, int]) {
			started := time.Now()
			var waits []func() (int, error)
			for i := 1; i <= 5; i++ {
				waits = append(waits, goDo(t.Context(), g, i))
			}
			for i, wait := range waits {
				out, err := wait()
				require.NoError(t, err)
				require.Equal(t, 2*(i+1), out, "each caller gets its own result")
			}
			require.Equal(t, [][]int{{1}, {2, 3, 4, 5}}, r.seen())
			require.Equal(t, 2*time.Second, time.Since(started))
		})
	})

	t.Run("NoMoreRunsAtOnceThanAllowed", func(t *testing.T) {
		t.Parallel()
		r := &recorder{takes: time.Second}
		inBubble(t, batch.Config[int]{MaxInFlight: 2}, r, func(t *testing.T, g *batch.Group[int, int]) {
			var waits []func() (int, error)
			for i := 1; i <= 6; i++ {
				waits = append(waits, goDo(t.Context(), g, i))
			}
			for _, wait := range waits {
				_, err := wait()
				require.NoError(t, err)
			}
			require.Equal(t, [][]int{{1}, {2}, {3, 4, 5, 6}}, r.seen())
			require.Equal(t, 2, r.most)
		})
	})

	t.Run("OnFlushIsToldBeforeTheCallers", func(t *testing.T) {
		t.Parallel()
		r := &recorder{takes: time.Second}
		var items int
		var took time.Duration
		cfg := batch.Config[int]{OnFlush: func(n int, d time.Duration) { items, took = n, d }}
		inBubble(t, cfg, r, func(t *testing.T, g *batch.Group[int, int]) {
			_, err := g.Do(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, 1, items)
			require.Equal(t, time.Second, took)
		})
	})
}

func TestPace(t *testing.T) {
	t.Parallel()
	const pace = 20 * time.Millisecond
	for name, tc := range map[string]struct {
		cfg   batch.Config[int]
		every time.Duration // between two items
		want  [][]int
		takes time.Duration // from the first item to the last result
	}{
		"BusyRunsStartAPaceApart": {
			every: 7 * time.Millisecond, want: [][]int{{0}, {1, 2}, {3, 4, 5}}, takes: 41 * time.Millisecond,
		},
		"AnIdleGroupRunsAtOnce": {
			every: pace, want: [][]int{{0}, {1}, {2}, {3}, {4}, {5}}, takes: 5*pace + time.Millisecond,
		},
		"AFullLineDoesNotWait": {
			cfg:   batch.Config[int]{MaxItems: 2},
			every: 2 * time.Millisecond, want: [][]int{{0}, {1, 2}, {3, 4}, {5}}, takes: 29 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{takes: time.Millisecond}
			tc.cfg.Pace = pace
			inBubble(t, tc.cfg, r, func(t *testing.T, g *batch.Group[int, int]) {
				started := time.Now()
				var waits []func() (int, error)
				for i := range 6 {
					<-time.After(time.Until(started.Add(time.Duration(i) * tc.every)))
					waits = append(waits, goDo(t.Context(), g, i))
				}
				for _, wait := range waits {
					_, err := wait()
					require.NoError(t, err)
				}
				require.Equal(t, tc.want, r.seen())
				require.Equal(t, tc.takes, time.Since(started))
			})
		})
	}

	t.Run("ClosingDoesNotWait", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{takes: time.Millisecond}
			g := batch.New(batch.Config[int]{Pace: time.Hour}, r.run)
			_, err := g.Do(t.Context(), 1)
			require.NoError(t, err)
			wait := goDo(t.Context(), g, 2)
			started := time.Now()
			require.NoError(t, g.Close(t.Context()))
			_, err = wait()
			require.NoError(t, err)
			require.Equal(t, time.Millisecond, time.Since(started))
		})
	})
}

func TestCaps(t *testing.T) {
	t.Parallel()
	size := func(item int) int { return item }
	for name, tc := range map[string]struct {
		cfg   batch.Config[int]
		calls [][]int // one item: Do; more: DoMany. The first is run alone, the others wait for it.
		want  [][]int
	}{
		"ByItems": {
			cfg:   batch.Config[int]{MaxItems: 2},
			calls: [][]int{{0}, {1}, {2}, {3}, {4}, {5}},
			want:  [][]int{{0}, {1, 2}, {3, 4}, {5}},
		},
		"ByBytes": {
			cfg:   batch.Config[int]{MaxBytes: 10, Size: size},
			calls: [][]int{{1}, {4}, {6}, {1}, {9}, {2}},
			want:  [][]int{{1}, {4, 6}, {1, 9}, {2}},
		},
		"AnItemThatIsTooLargeRunsAlone": {
			cfg:   batch.Config[int]{MaxBytes: 10, Size: size},
			calls: [][]int{{1}, {2}, {50}, {3}},
			want:  [][]int{{1}, {2}, {50}, {3}},
		},
		"SeveralThatBelongTogetherStayTogether": {
			cfg:   batch.Config[int]{MaxItems: 4},
			calls: [][]int{{0}, {1}, {2}, {10, 11, 12}, {3}},
			want:  [][]int{{0}, {1, 2}, {10, 11, 12, 3}},
		},
		"SeveralJoinARunThatHasRoom": {
			cfg:   batch.Config[int]{MaxItems: 4},
			calls: [][]int{{0}, {1}, {10, 11, 12}, {3}},
			want:  [][]int{{0}, {1, 10, 11, 12}, {3}},
		},
		"SeveralByBytes": {
			cfg:   batch.Config[int]{MaxBytes: 10, Size: size},
			calls: [][]int{{1}, {4}, {5, 4}, {1}},
			want:  [][]int{{1}, {4}, {5, 4, 1}},
		},
		"MoreThanARunHoldsUseAsFewAsTheyCan": {
			cfg:   batch.Config[int]{MaxItems: 3},
			calls: [][]int{{0}, {1}, {10, 11, 12, 13, 14, 15, 16}, {2}},
			want:  [][]int{{0}, {1}, {10, 11, 12}, {13, 14, 15}, {16, 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{takes: time.Second}
			inBubble(t, tc.cfg, r, func(t *testing.T, g *batch.Group[int, int]) {
				var all sync.WaitGroup
				for _, items := range tc.calls {
					all.Go(func() {
						out, err := g.DoMany(t.Context(), items)
						if err != nil || len(out) != len(items) {
							t.Errorf("DoMany(%v) = %v, %v", items, out, err)
							return
						}
						for i := range out {
							if out[i] != 2*items[i] {
								t.Errorf("DoMany(%v) = %v: results are not in order", items, out)
							}
						}
					})
					synctest.Wait()
				}
				all.Wait()
				require.Equal(t, tc.want, r.seen())
			})
		})
	}
}

func TestGivingUp(t *testing.T) {
	t.Parallel()

	t.Run("AnItemInARunIsFinishedForTheOthers", func(t *testing.T) {
		t.Parallel()
		r := &recorder{takes: time.Second}
		inBubble(t, batch.Config[int]{}, r, func(t *testing.T, g *batch.Group[int, int]) {
			first := goDo(t.Context(), g, 1)
			ctx, cancel := context.WithCancel(t.Context())
			given := goDo(ctx, g, 2)
			other := goDo(t.Context(), g, 3)
			_, err := first()
			require.NoError(t, err)
			synctest.Wait() // the run of 2 and 3 is under way
			cancel()
			_, err = given()
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, batch.ErrNotRun)
			out, err := other()
			require.NoError(t, err)
			require.Equal(t, 6, out)
			require.Equal(t, [][]int{{1}, {2, 3}}, r.seen())
		})
	})

	t.Run("AnItemInTheLineIsNeverRun", func(t *testing.T) {
		t.Parallel()
		r := &recorder{takes: time.Second}
		inBubble(t, batch.Config[int]{}, r, func(t *testing.T, g *batch.Group[int, int]) {
			first := goDo(t.Context(), g, 1)
			cause := errors.New("client went away")
			ctx, cancel := context.WithCancelCause(t.Context())
			given := goDo(ctx, g, 2)
			other := goDo(t.Context(), g, 3)
			cancel(cause)
			_, err := given()
			require.ErrorIs(t, err, batch.ErrNotRun)
			require.ErrorIs(t, err, cause)
			for _, wait := range []func() (int, error){first, other} {
				_, err := wait()
				require.NoError(t, err)
			}
			require.Equal(t, [][]int{{1}, {3}}, r.seen())
		})
	})

	t.Run("AContextThatHasEndedPutsNothingIn", func(t *testing.T) {
		t.Parallel()
		r := &recorder{}
		inBubble(t, batch.Config[int]{}, r, func(t *testing.T, g *batch.Group[int, int]) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := g.Do(ctx, 1)
			require.ErrorIs(t, err, batch.ErrNotRun)
			require.Empty(t, r.seen())
		})
	})

	t.Run("ARunEndsAtItsOwnTimeout", func(t *testing.T) {
		t.Parallel()
		r := &recorder{takes: time.Hour}
		inBubble(t, batch.Config[int]{Timeout: time.Second}, r, func(t *testing.T, g *batch.Group[int, int]) {
			started := time.Now()
			_, err := g.Do(t.Context(), 1)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(started))
		})
	})
}

func TestRunsThatGoWrong(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		fault func() ([]int, error)
		check func(t *testing.T, err error)
	}{
		"AnErrorIsForEveryItem": {
			fault: func() ([]int, error) { return nil, boom },
			check: func(t *testing.T, err error) { require.ErrorIs(t, err, boom) },
		},
		"APanicBecomesAnError": {
			fault: func() ([]int, error) { panic("secret payload") },
			check: func(t *testing.T, err error) {
				var p *batch.PanicError
				require.ErrorAs(t, err, &p)
				require.Equal(t, "secret payload", p.Value)
				require.Contains(t, string(p.Stack), "TestRunsThatGoWrong")
				require.NotContains(t, err.Error(), "secret payload")
			},
		},
		"AGoroutineThatEndsBecomesAnError": {
			fault: func() ([]int, error) { runtime.Goexit(); return nil, nil },
			check: func(t *testing.T, err error) {
				var p *batch.PanicError
				require.ErrorAs(t, err, &p)
				require.Equal(t, "batch: run ended its goroutine", err.Error())
			},
		},
		"TooFewResultsAreAnError": {
			fault: func() ([]int, error) { return []int{1}, nil },
			check: func(t *testing.T, err error) { require.ErrorIs(t, err, batch.ErrResults) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				g := batch.New(batch.Config[int]{MaxItems: 2}, func(_ context.Context, items []int) ([]int, error) {
					<-time.After(time.Second) // of the bubble's clock: callers gather meanwhile
					runs++
					if runs == 2 {
						return tc.fault()
					}
					return items, nil
				})
				var waits []func() (int, error)
				for i := range 4 { // runs: 0; 1, 2; 3
					waits = append(waits, goDo(t.Context(), g, i))
				}
				_, err := waits[0]()
				require.NoError(t, err)
				for _, i := range []int{1, 2} {
					_, err := waits[i]()
					require.Error(t, err)
					tc.check(t, err)
				}
				out, err := waits[3]()
				require.NoError(t, err, "the group goes on")
				require.Equal(t, 3, out)
				require.NoError(t, g.Close(t.Context()))
			})
		})
	}
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("DrainsWhatWasTakenIn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{takes: time.Second}
			g := batch.New(batch.Config[int]{MaxItems: 1}, r.run)
			var waits []func() (int, error)
			for i := range 3 {
				waits = append(waits, goDo(t.Context(), g, i))
			}
			started := time.Now()
			require.NoError(t, g.Close(t.Context()))
			require.Equal(t, 3*time.Second, time.Since(started))
			for _, wait := range waits {
				_, err := wait()
				require.NoError(t, err)
			}
			_, err := g.Do(t.Context(), 9)
			require.ErrorIs(t, err, batch.ErrClosed)
			require.ErrorIs(t, err, batch.ErrNotRun)
			_, err = g.DoMany(t.Context(), []int{9, 9})
			require.ErrorIs(t, err, batch.ErrClosed)
			require.NoError(t, g.Close(t.Context()), "closing twice is harmless")
		})
	})

	t.Run("CutsTheRunsShortAtItsDeadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{takes: 10 * time.Second}
			g := batch.New(batch.Config[int]{}, r.run)
			wait := goDo(t.Context(), g, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, g.Close(ctx), context.DeadlineExceeded)
			_, err := wait()
			require.ErrorIs(t, err, context.Canceled)
		})
	})
}

// Every caller gets its own result while callers come, give up, and share waiters' memory.
func TestManyCallersUnderRace(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	g := batch.New(batch.Config[int]{MaxItems: 7, MaxInFlight: 3}, func(_ context.Context, items []int) ([]string, error) {
		ran.Add(int64(len(items)))
		runtime.Gosched()
		out := make([]string, len(items))
		for i, item := range items {
			out[i] = fmt.Sprint(item)
		}
		return out, nil
	})
	var all sync.WaitGroup
	var notRun atomic.Int64
	const callers, each = 32, 100
	for c := range callers {
		all.Go(func() {
			for i := range each {
				ctx, cancel := context.WithCancel(t.Context())
				if i%5 == 0 {
					go cancel()
				}
				item := c*1000 + i
				out, err := g.DoMany(ctx, []int{item, -item})
				cancel()
				switch {
				case errors.Is(err, batch.ErrNotRun):
					notRun.Add(2)
				case err == nil && strings.Join(out, " ") != fmt.Sprintf("%d %d", item, -item):
					t.Errorf("item %d got %v", item, out)
				case err != nil && !errors.Is(err, context.Canceled):
					t.Errorf("item %d: %v", item, err)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, g.Close(t.Context()))
	require.EqualValues(t, callers*each*2, ran.Load()+notRun.Load(), "an item is run, or said not to be")
}

func BenchmarkDo(b *testing.B) {
	for _, callers := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			b.ReportAllocs()
			var runs atomic.Int64
			g := batch.New(batch.Config[int]{MaxItems: 256}, func(_ context.Context, items []int) ([]int, error) {
				runs.Add(1)
				return items, nil
			})
			var all sync.WaitGroup
			for c := range callers {
				all.Go(func() {
					for i := c; i < b.N; i += callers {
						if out, err := g.Do(context.Background(), i); err != nil || out != i {
							b.Errorf("Do(%d) = %d, %v", i, out, err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/float64(runs.Load()), "items/run")
			if err := g.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
