package simulation

import (
	"iter"
	"slices"
	"time"
)

// thread runs code of the product in a process, one effect a step: whatever it does to the world passes a seam, and
// there it waits for its turn. It is a coroutine: while it runs everything else waits, so that there is one order only.
type thread struct {
	resume func() (step string, more bool)
	stop   func()
	yield  func(step string) bool
	// failed is whether a seam refused it something, next what the timers said last.
	failed bool
	next   time.Time
}

// crashed unwinds a thread whose process is dead.
type crashed struct{}

// thread starts one; then is told when it is over.
func (p *process) thread(body func(), then func(*thread)) {
	t := &thread{}
	t.resume, t.stop = iter.Pull(func(yield func(string) bool) {
		defer func() {
			if cause := recover(); cause != nil && cause != any(crashed{}) {
				panic(cause)
			}
		}()
		t.yield = yield
		body()
	})
	p.threads = append(p.threads, t)
	p.advance(t, then)
}

// advance lets a thread go on to its next effect, which has a step of its own.
func (p *process) advance(t *thread, then func(*thread)) {
	p.s.running = t
	step, more := t.resume()
	p.s.running = nil
	if more {
		p.then(step, func() { p.advance(t, then) }).background = true
		return
	}
	p.threads = slices.DeleteFunc(p.threads, func(other *thread) bool { return other == t })
	if then != nil {
		then(t)
	}
}

// halt ends the threads of a process where they are.
func (p *process) halt() {
	for _, t := range p.threads {
		t.stop()
	}
	p.threads = nil
}

// turn has the thread that runs wait for its turn to do something to the world.
func (s *sim) turn(step string) {
	if !s.running.yield(step) {
		panic(crashed{})
	}
}

// failed notes that something was refused to the thread that runs.
func (s *sim) failed(err error) error {
	s.running.failed = true
	return err
}
