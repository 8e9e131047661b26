package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/store/memory"
	timers "github.com/homing-hooks/homing/pkg/timer/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// options say which simulation to run.
type options struct {
	seed   uint64
	mutant mutant
	// coarse has everything happen at whole seconds, without jitter and without bounds on claims, so that Postgres can
	// be led through the same operations at the same times; they are kept in result.trace.
	coarse bool
	// log keeps the timeline.
	log bool
}

// result is what came of a simulation.
type result struct {
	failure  string // "" when every invariant held
	timeline string
	stats    stats
	trace    []operation
	names    map[webhook.ID]string
}

// stats count what happened, to see that the faults do.
type stats map[string]int

// tenant is the one that everything belongs to.
const tenant = "acme"

// epoch is when simulations begin.
var epoch = time.Date(2026, 3, 28, 23, 30, 0, 0, time.UTC)

// policy is the protocol's, with a schedule that is over soon, has a step beyond the horizon, and makes lifetimes of
// whole seconds.
func policy() webhook.Policy {
	p := webhook.DefaultPolicy()
	p.Schedule = []time.Duration{0, 6 * time.Second, time.Minute, 12 * time.Minute}
	p.PushCap = 2 * time.Minute
	p.HeldPush = time.Hour
	p.ExpirySlack = 30 * time.Minute
	return p
}

// sim is one simulation under way.
type sim struct {
	options
	shape
	ctx    context.Context
	rng    *rand.Rand
	now    time.Time // the store's
	policy webhook.Policy
	ids    uint32
	names  map[webhook.ID]string
	counts map[byte]int
	lines  strings.Builder

	mem    *memory.Store
	store  *gateway
	timers *timers.Timer
	timing clockwork
	bus    bus
	// procs are the instances of functions, by name of the function.
	procs map[string][]*process
	tasks []*task
	// runs says who takes the present step, and step which one it is.
	runs *process
	step string
	// running is the thread that runs within it, if any does.
	running *thread

	oracle    *oracle
	producers []*producer
	quiet     bool
	steps     int
	stats     stats
	failure   string
}

// clockwork is the state of the timers as a service.
type clockwork struct{ down bool }

// task is one thread of an actor: the step that it takes next, and when it may.
type task struct {
	on         *process // nil: the world's own
	name       string
	at         time.Time
	background bool // does not keep the simulation from ending
	run        func()
}

// maxSteps bounds a simulation: one that goes on beyond is going round in circles.
const maxSteps = 60_000

// simulate runs one simulation.
func simulate(o options) result {
	s := &sim{
		options: o, ctx: context.Background(), rng: rand.New(rand.NewPCG(o.seed, 0x686f6d696e67)), now: epoch,
		policy: policy(), names: map[webhook.ID]string{}, counts: map[byte]int{}, timers: timers.New(),
		procs: map[string][]*process{}, stats: stats{},
	}
	s.shape = s.draw()
	stored := s.policy
	s.mutatePolicy(&stored)
	s.mem = memory.New(memory.Options{Policy: stored, Clock: func() time.Time { return s.now }})
	s.oracle = newOracle(s)
	s.store = &gateway{s: s, inner: s.mutateStore(s.mem)}
	s.begin()
	for s.failure == "" && !s.over() {
		s.next()
	}
	if s.failure == "" {
		s.oracle.end()
	}
	for _, name := range functions {
		for _, p := range s.procs[name] {
			p.halt()
		}
	}
	return result{s.failure, s.lines.String(), s.stats, s.store.trace, s.names}
}

// next takes one step, or lets time pass to the next one.
func (s *sim) next() {
	if !s.quiet && !s.now.Before(epoch.Add(s.faultsFor)) {
		s.calm()
	}
	if s.steps++; s.steps > maxSteps {
		s.fail("%d steps and still not over", maxSteps)
		return
	}
	t := s.pick()
	s.runs, s.step = t.on, t.name
	crash := t.on != nil && s.hits(s.crash)
	if crash && s.rng.IntN(2) == 0 {
		s.say("crashes before %s", t.name)
		t.on.crash()
	} else {
		t.run()
		if crash && t.on != nil && !t.on.dead {
			s.say("crashes after %s", t.name)
			t.on.crash()
		}
	}
	s.oracle.look()
}

// pick takes one of the tasks whose time has come, or else of those whose time comes first.
func (s *sim) pick() *task {
	ready, first := 0, s.tasks[0].at
	for _, t := range s.tasks {
		if !t.at.After(s.now) {
			ready++
		}
		if t.at.Before(first) {
			first = t.at
		}
	}
	if ready == 0 {
		s.now = first
		for _, t := range s.tasks {
			if !t.at.After(s.now) {
				ready++
			}
		}
	}
	nth := s.rng.IntN(ready)
	for i, t := range s.tasks {
		if t.at.After(s.now) {
			continue
		}
		if nth == 0 {
			s.tasks = slices.Delete(s.tasks, i, i+1)
			return t
		}
		nth--
	}
	panic("unreachable: one of the ready tasks is the nth")
}

// after has a step taken by p (nil: the world) some time from now.
func (s *sim) after(p *process, d time.Duration, name string, run func()) *task {
	t := &task{on: p, name: name, at: s.now.Add(max(d, 0)), run: run}
	s.tasks = append(s.tasks, t)
	return t
}

// over reports whether there is nothing left to wait for.
func (s *sim) over() bool {
	if !s.quiet || s.bus.queued > 0 || !s.oracle.allEnded() {
		return false
	}
	for _, t := range s.tasks {
		if !t.background {
			return false
		}
	}
	return true
}

// latency draws how long a step takes: mostly nothing, now and then long enough for a lease to run out.
func (s *sim) latency() time.Duration {
	switch n := s.rng.IntN(100); {
	case n < 60:
		return 0
	case n < 85 && !s.coarse:
		return s.upTo(50 * time.Millisecond)
	case n < 92 || !s.hits(s.stalls):
		return s.upTo(2 * time.Second)
	default:
		s.stats["stalls"]++
		return s.upTo(2 * time.Minute)
	}
}

// upTo draws a duration of at most d.
func (s *sim) upTo(d time.Duration) time.Duration {
	unit := time.Millisecond
	if s.coarse {
		unit = time.Second
	}
	return time.Duration(s.rng.Int64N(int64(d/unit)+1)) * unit
}

// hits is true with a probability.
func (s *sim) hits(p float64) bool { return p > 0 && s.rng.Float64() < p }

// newID makes an id of a moment: a counter stands where webhook.IDSource has random bits.
func (s *sim) newID(kind byte, at time.Time) webhook.ID {
	id := webhook.FirstID(at)
	id[6], id[8] = 0x70, 0x80
	s.ids++
	binary.BigEndian.PutUint32(id[12:], s.ids)
	s.named(kind, id)
	return id
}

// named gives an id a short name: e1 an endpoint, v1 an event, d1 a delivery.
func (s *sim) named(kind byte, id webhook.ID) {
	s.counts[kind]++
	s.names[id] = fmt.Sprintf("%c%d", kind, s.counts[kind])
}

// say writes a line of the timeline.
func (s *sim) say(format string, args ...any) {
	if !s.log {
		return
	}
	who := "world"
	if s.runs != nil {
		who = s.runs.name
	}
	fmt.Fprintf(&s.lines, "%12s %-12s ", s.now.Sub(epoch), who)
	fmt.Fprintf(&s.lines, format, args...)
	s.lines.WriteByte('\n')
}

// fail notes the first invariant that does not hold.
func (s *sim) fail(format string, args ...any) {
	if s.failure != "" {
		return
	}
	s.failure = fmt.Sprintf(format, args...)
	s.say("BROKEN: %s", s.failure)
}
