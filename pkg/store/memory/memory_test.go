package memory_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/store/storetest"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 10, 25, 0, 59, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open opens a store of the policy for the suite.
func open(policy webhook.Policy, window time.Duration) storetest.Harness {
	c := newClock()
	s := memory.New(memory.Options{Policy: policy, DedupeWindow: window, Clock: c.Now})
	return storetest.Harness{
		Store: s, Policy: policy, DedupeWindow: window,
		Pass:           func(_ testing.TB, d time.Duration) { c.Pass(d) },
		SetUnavailable: func(_ testing.TB, off bool) { s.SetUnavailable(off) },
	}
}

func openDefault(testing.TB) storetest.Harness {
	return open(webhook.DefaultPolicy(), memory.DefaultDedupeWindow)
}

func TestStore(t *testing.T) { storetest.Run(t, openDefault) }

func BenchmarkStore(b *testing.B) { storetest.Bench(b, openDefault) }

// TestReplay compares a store whose clock stands still between operations with one whose clock runs on a little
// whenever it is read, as a database's does.
func TestReplay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("Seed", seed), func(t *testing.T) {
			t.Parallel()
			running := newClock()
			s := memory.New(memory.Options{
				Policy: storetest.ReplayPolicy(), DedupeWindow: storetest.ReplayWindow,
				Clock: func() time.Time { running.Pass(time.Millisecond); return running.Now() },
			})
			storetest.Replay(t, open(storetest.ReplayPolicy(), storetest.ReplayWindow), storetest.Harness{
				Store: s, Policy: storetest.ReplayPolicy(), DedupeWindow: storetest.ReplayWindow,
				Pass: func(_ testing.TB, d time.Duration) { running.Pass(d) },
			}, seed, 400)
		})
	}
}
