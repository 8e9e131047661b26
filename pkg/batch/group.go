package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// What a caller can do about an error. Test with errors.Is.
var (
	// ErrNotRun: no run has seen the item, nor ever will. It comes with the cause: the caller's own context, or ErrClosed.
	ErrNotRun = errors.New("batch: not run")
	// ErrClosed: the group takes no more.
	ErrClosed = errors.New("batch: closed")
	// ErrResults: the run returned another number of results than it was given items. What it did is not known.
	ErrResults = errors.New("batch: wrong number of results")
)

// PanicError is what callers get whose item was in a run that panicked. Its text does not show the value panicked with,
// which may hold anything.
type PanicError struct {
	// Value is what the run panicked with; nil when it ended its goroutine instead (runtime.Goexit).
	Value any
	// Stack is the stack of the run at the panic.
	Stack []byte
}

// Error says of which type the value was.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "batch: run ended its goroutine"
	}
	return fmt.Sprintf("batch: run panicked with a %T", e.Value)
}

// DefaultTimeout bounds a run when Config.Timeout is 0.
const DefaultTimeout = 30 * time.Second

// Config says how items are grouped. The zero value puts everything that waits into one run, one run at a time.
type Config[T any] struct {
	// MaxItems bounds the items of a run; 0 means no bound.
	MaxItems int
	// MaxBytes bounds the sum of Size over the items of a run; 0 means no bound. An item above it runs alone.
	MaxBytes int
	// MaxInFlight bounds the runs at one time; below 1 it is 1. With more than 1, groups form only when all are busy.
	MaxInFlight int
	// Pace is the least time between the starts of two runs; 0 means none. A run that is due earlier waits, and takes
	// along what arrives meanwhile, so that a busy group makes fewer and larger runs. An item that finds the group idle
	// for that long still runs at once; and nothing waits once MaxItems do, or the group is closed.
	Pace time.Duration
	// Timeout bounds one run: its context ends then. 0 means DefaultTimeout.
	Timeout time.Duration
	// Size returns the bytes of an item; nil means that bytes are not counted. It is called once per item.
	Size func(T) int
	// OnFlush is told of each run when it is over, before its callers are: how many items it had, and how long it took.
	// It must be quick. nil means nobody is told.
	OnFlush func(items int, took time.Duration)
}

// Group is a waiting line and its runs. Make one with [New]; it is safe for concurrent use.
type Group[T, R any] struct {
	cfg Config[T]
	run func(context.Context, []T) ([]R, error)
	// life is the parent of every run's context. It ends when Close no longer waits for the runs.
	life    context.Context
	endLife context.CancelFunc
	waiters sync.Pool // of *waiter[R]
	runs    sync.Pool // of *batch[T, R]

	mu      sync.Mutex
	line    line[T, R]
	working int           // goroutines at work
	started time.Time     // when the last run was; only kept with a Pace
	hurry   chan struct{} // capacity 1: the line is full, or the group closed
	closed  bool          // no more is taken in
	drained chan struct{} // closed when closed and nothing is left
}

// New returns a group whose runs are calls of run: one result per item, in order, or an error for them all. run must
// not keep the slice that it is given.
func New[T, R any](cfg Config[T], run func(ctx context.Context, items []T) ([]R, error)) *Group[T, R] {
	cfg.MaxInFlight = max(cfg.MaxInFlight, 1)
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	g := &Group[T, R]{cfg: cfg, run: run, drained: make(chan struct{}), hurry: make(chan struct{}, 1)}
	g.life, g.endLife = context.WithCancel(context.Background())
	g.waiters.New = func() any { return &waiter[R]{done: make(chan struct{}, 1)} }
	g.runs.New = func() any { return new(batch[T, R]) }
	return g
}

// Do puts an item into a run and returns its result. When ctx ends first, it returns the cause at once, together with
// ErrNotRun if no run will see the item; otherwise the item's run goes on. Errors: what run returned, ErrNotRun,
// ErrResults, *PanicError.
func (g *Group[T, R]) Do(ctx context.Context, item T) (R, error) {
	var none R
	w := g.waiters.Get().(*waiter[R])
	w.expect(w.one[:])
	e := entry[T, R]{item: item, waiter: w, size: g.size(item)}
	w.bytes = e.size
	if err := g.enter(ctx, e); err != nil {
		return none, err
	}
	if err := g.wait(ctx, w); err != nil {
		return none, err
	}
	result, err := w.one[0], w.err
	g.giveBack(w)
	return result, err
}

// DoMany puts items into as few runs as hold them and returns their results, in order. When any of the runs fails, it
// returns that run's error; the other runs took place all the same. Otherwise it is like [Group.Do].
func (g *Group[T, R]) DoMany(ctx context.Context, items []T) ([]R, error) {
	if len(items) == 0 {
		return nil, nil
	}
	w := g.waiters.Get().(*waiter[R])
	w.expect(make([]R, len(items)))
	entries := make([]entry[T, R], len(items))
	for i, item := range items {
		entries[i] = entry[T, R]{item: item, waiter: w, index: i, size: g.size(item)}
		w.bytes += entries[i].size
	}
	if err := g.enter(ctx, entries...); err != nil {
		return nil, err
	}
	if err := g.wait(ctx, w); err != nil {
		return nil, err
	}
	results, err := w.results, w.err
	g.giveBack(w)
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Close refuses new items and waits until those taken in have been run. When ctx ends first, it ends the context of the
// runs, waits no longer, and returns the cause. It may be called more than once.
func (g *Group[T, R]) Close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.checkDrained()
		g.wakePaced()
	}
	g.mu.Unlock()
	defer g.endLife()
	select {
	case <-g.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("batch: close: %w", context.Cause(ctx))
	}
}

// size returns the bytes that an item counts for.
func (g *Group[T, R]) size(item T) int {
	if g.cfg.Size == nil {
		return 0
	}
	return g.cfg.Size(item)
}

// enter puts entries into the line and sees that somebody works on it.
func (g *Group[T, R]) enter(ctx context.Context, entries ...entry[T, R]) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNotRun, context.Cause(ctx))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("%w: %w", ErrNotRun, ErrClosed)
	}
	g.line.add(entries...)
	if g.hurried() {
		g.wakePaced()
	}
	if g.working < g.cfg.MaxInFlight {
		g.working++
		go g.work()
	}
	return nil
}

// wait returns when every item of w has its result, or when ctx ends. In the latter case w belongs to the runs that
// have taken some of its items, and must not be used again.
func (g *Group[T, R]) wait(ctx context.Context, w *waiter[R]) error {
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-w.done: // both were ready: the result counts
		return nil
	default:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	w.gone = true
	if w.taken == 0 {
		return fmt.Errorf("%w: %w", ErrNotRun, context.Cause(ctx))
	}
	return fmt.Errorf("batch: gave up waiting for a run: %w", context.Cause(ctx))
}

// giveBack keeps a waiter for the next caller, without anything of this one.
func (g *Group[T, R]) giveBack(w *waiter[R]) {
	*w = waiter[R]{done: w.done}
	g.waiters.Put(w)
}

// work makes runs until the line is empty.
func (g *Group[T, R]) work() {
	over := false
	defer func() {
		if !over { // the run ended this goroutine: another one goes on
			go g.work()
		}
	}()
	b := g.runs.Get().(*batch[T, R])
	for {
		g.mu.Lock()
		g.keepPace()
		if !g.line.take(b, g.cfg.MaxItems, g.cfg.MaxBytes) {
			g.working--
			g.checkDrained()
			g.mu.Unlock()
			over = true
			g.runs.Put(b)
			return
		}
		g.mu.Unlock()
		g.flush(b)
	}
}

// keepPace waits, without mu, until the next run may start by the group's Pace, and counts it as started. The caller
// holds mu.
func (g *Group[T, R]) keepPace() {
	if g.cfg.Pace <= 0 {
		return
	}
	for g.line.len() > 0 && !g.hurried() {
		left := g.cfg.Pace - time.Since(g.started)
		if left <= 0 {
			break
		}
		g.mu.Unlock()
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-g.hurry:
			timer.Stop()
		}
		g.mu.Lock()
	}
	if g.line.len() > 0 {
		g.started = time.Now()
	}
}

// hurried reports whether the next run must not wait. The caller holds mu.
func (g *Group[T, R]) hurried() bool {
	return g.closed || g.cfg.MaxItems > 0 && g.line.len() >= g.cfg.MaxItems
}

// wakePaced wakes a run that waits for its turn; one that finds no reason to hurry goes on waiting.
func (g *Group[T, R]) wakePaced() {
	select {
	case g.hurry <- struct{}{}:
	default:
	}
}

// checkDrained lets Close return when nothing is left. The caller holds mu.
func (g *Group[T, R]) checkDrained() {
	if g.closed && g.working == 0 {
		select {
		case <-g.drained:
		default:
			close(g.drained)
		}
	}
}

// flush makes one run and hands out what came of it, whatever the run does.
func (g *Group[T, R]) flush(b *batch[T, R]) {
	var results []R
	err := error(&PanicError{}) // stands if the run ends the goroutine
	started := time.Now()
	defer func() {
		if panicked, ok := errors.AsType[*PanicError](err); ok {
			logPanic(panicked, len(b.items))
		}
		if g.cfg.OnFlush != nil {
			g.cfg.OnFlush(len(b.items), time.Since(started))
		}
		b.answer(results, err)
	}()
	results, err = g.call(b.items)
	if err == nil && len(results) != len(b.items) {
		err = fmt.Errorf("%w: %d for %d items", ErrResults, len(results), len(b.items))
	}
}

// call calls run, and turns a panic into an error.
func (g *Group[T, R]) call(items []T) (results []R, err error) {
	ctx, cancel := context.WithTimeout(g.life, g.cfg.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			results, err = nil, &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return g.run(ctx, items)
}

// logPanic leaves a trace of a panic even if none of the callers looks at its error. The value is not logged, for it
// may hold a payload; the stack says where to look.
func logPanic(e *PanicError, items int) {
	slog.LogAttrs(context.Background(), slog.LevelError, "a group of writes panicked",
		slog.String("error", e.Error()), slog.Int("items", items), slog.String("stack", string(e.Stack)))
}
