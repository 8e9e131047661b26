// Package clock tells the store's time to processes whose own clocks are wrong.
//
// It owns the offset between this process's clock and the store's. It promises that Now is the store's time to within
// the round trip of the last measurement, that it never blocks, and that measuring costs a few small questions in five
// minutes of use and none when idle. It never decides about due times or leases: those are compared inside the store.
package clock

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// MaxOffset is how far a process's clock may be off before the process says that it is not ready: further, and its
	// logs, its TLS checks and its neighbours' are wrong too.
	MaxOffset = 60 * time.Second

	remeasureAfter = 5 * time.Minute
	// retryAfter is how long after a measurement that failed the next one is tried: without one the process's own clock
	// must do, and receivers refuse signatures whose time is five minutes wrong.
	retryAfter     = 5 * time.Second
	measureTimeout = 5 * time.Second
	// samples is how often one measurement asks: the first question may have to connect, and the quickest answer is the
	// most exact.
	samples = 3
)

// Clock tells the store's time. Its methods are safe for concurrent use.
type Clock struct {
	ask      func(ctx context.Context) (time.Time, error)
	local    func() time.Time
	offset   atomic.Int64 // nanoseconds to add to the local clock
	doubt    atomic.Int64 // nanoseconds that the offset may be wrong by
	measured atomic.Int64 // local Unix nanoseconds of the last measurement, or of its beginning
}

// New returns a clock that asks for the store's time with ask, and has not asked yet. local is the process's own clock.
func New(ask func(ctx context.Context) (time.Time, error), local func() time.Time) *Clock {
	return &Clock{ask: ask, local: local}
}

// Now returns the store's time. Once in five minutes it has it measured anew, meanwhile going on with what it knows.
func (c *Clock) Now() time.Time {
	now := c.local()
	if last := c.measured.Load(); now.UnixNano()-last > int64(remeasureAfter) {
		if c.measured.CompareAndSwap(last, now.UnixNano()) {
			go func() { _ = c.Measure(context.Background()) }()
		}
	}
	return now.Add(time.Duration(c.offset.Load()))
}

// Past returns a moment that the store's clock has passed already, as close to Now as the last measurement was exact:
// what is done because it is due by Past is not done too early for the store.
func (c *Clock) Past() time.Time { return c.Now().Add(-time.Duration(c.doubt.Load())) }

// Measure asks for the store's time now. Errors: those of asking; the old offset then stays, and use of the clock soon
// has it measured again.
func (c *Clock) Measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	c.measured.Store(c.local().UnixNano())
	best := time.Duration(-1)
	for range samples {
		before := c.local()
		at, err := c.ask(ctx)
		if err != nil {
			c.measured.Store(c.local().Add(retryAfter - remeasureAfter).UnixNano())
			return fmt.Errorf("clock: measure: %w", err)
		}
		// The answer was made somewhere between question and answer: take the middle (Cristian's algorithm).
		if took := c.local().Sub(before); best < 0 || took < best {
			best = took
			c.offset.Store(int64(at.Sub(before.Add(took / 2))))
			c.doubt.Store(int64(took/2) + 1)
		}
	}
	return nil
}

// Offset returns what is added to the process's own clock.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Check returns an error when the process's clock is off by more than MaxOffset.
func (c *Clock) Check() error {
	if off := c.Offset(); off > MaxOffset || off < -MaxOffset {
		return fmt.Errorf("clock: this machine's clock differs from the database's by %s (at most %s is allowed): "+
			"set it right, for example with NTP", off.Round(time.Second), MaxOffset)
	}
	return nil
}
