package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	timers "github.com/homing-hooks/homing/pkg/timer/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// shape is what a seed makes of the world: how much of everything, and which faults. Each fault is left out of half of
// the seeds, so that they are seen alone, together and not at all.
type shape struct {
	instances                      map[string]int
	events, targets, slots         int
	batch, perEndpoint, partitions int
	tick, faultsFor                time.Duration
	skew                           time.Duration
	// together has the processes of ingest be those of deliver too, as in `homing serve`.
	together bool
	// poison has every POST of the first event kill its process, also after the faults: that must end as well.
	poison bool
	// hasty has deliveries live for less time than their schedule takes, as they do after long throttles.
	hasty bool
	// Probabilities: per step, per group of results, per operation of the store, per hint, per call of the timers.
	crash, stalls, recordLate, storeFails, answerLost       float64
	hintLost, hintTwice, hintLate, publishFails, timersFail float64
	// How many of each come upon the world before the faults end.
	outages, wipes, operators int
}

// functions are the kinds of process, in the order in which they are started.
var functions = []string{"ingest", "deliver", "retry"}

// draw draws the shape.
func (s *sim) draw() shape {
	some := func(p float64) float64 {
		if s.rng.IntN(2) == 0 {
			return 0
		}
		return p * s.rng.Float64()
	}
	few := func(n int) int { return s.rng.IntN(2) * s.rng.IntN(n+1) }
	sh := shape{
		instances: map[string]int{}, events: 1 + s.rng.IntN(5), targets: 1 + s.rng.IntN(3), slots: 1 + s.rng.IntN(4),
		batch: 1 + s.rng.IntN(4), perEndpoint: 1 + s.rng.IntN(3), partitions: 1 + s.rng.IntN(2),
		tick: time.Minute, faultsFor: time.Second + s.upTo(15*time.Minute),
		crash: some(0.05), stalls: some(1), recordLate: some(0.3), storeFails: some(0.1), answerLost: some(0.1),
		hintLost: some(0.5), hintTwice: some(0.3), hintLate: some(0.3), publishFails: some(0.2), timersFail: some(0.2),
		outages: few(3), wipes: few(3), operators: few(16),
	}
	for _, name := range functions {
		sh.instances[name] = 1 + s.rng.IntN(3)
	}
	sh.poison, sh.hasty = s.rng.IntN(12) == 0, s.rng.IntN(12) == 0
	if s.rng.IntN(4) == 0 && !s.coarse {
		sh.skew = []time.Duration{100 * time.Millisecond, 2 * time.Second, time.Minute, 5 * time.Minute}[s.rng.IntN(4)]
	}
	sh.together = s.rng.IntN(2) == 0
	if s.coarse {
		sh.slots, sh.batch, sh.tick = 1000, 1000, time.Duration(1+s.rng.IntN(5))*time.Minute
	}
	return sh
}

// begin starts the processes and all that comes upon them.
func (s *sim) begin() {
	if err := s.mem.CreateTenant(s.ctx, tenant); err != nil {
		panic(err) // an empty store takes it
	}
	for len(s.oracle.last.Endpoints) < s.targets {
		s.createEndpoint()
	}
	for _, name := range functions {
		for n := range s.instances[name] {
			s.procs[name] = append(s.procs[name], nil)
			s.boot(name, n, 1)
		}
	}
	for n := range s.events {
		p := &producer{s: s, number: n + 1}
		s.producers = append(s.producers, p)
		s.after(nil, s.upTo(s.faultsFor), "send", p.send)
	}
	for range s.outages {
		s.after(nil, s.upTo(s.faultsFor), "outage", s.outage).background = true
	}
	for range s.wipes {
		s.after(nil, s.upTo(s.faultsFor), "wipe", s.wipe).background = true
	}
	for range s.operators {
		s.after(nil, s.upTo(s.faultsFor), "operate", s.operate).background = true
	}
	s.after(nil, s.upTo(s.tick), "tick", s.ticks).background = true
}

// calm ends the faults: from here on everything must end by itself.
func (s *sim) calm() {
	s.runs, s.quiet = nil, true
	s.say("the faults are over")
	s.crash, s.stalls, s.recordLate, s.storeFails, s.answerLost = 0, 0, 0, 0, 0
	s.hintLost, s.hintTwice, s.hintLate, s.publishFails, s.timersFail = 0, 0, 0, 0, 0
	s.mem.SetUnavailable(false)
	s.bus.down, s.timing.down = false, false
	for _, name := range functions {
		for _, p := range s.procs[name] {
			p.skew = 0
			p.interrupt() // it may be asleep by a clock that was wrong
		}
	}
	for _, e := range s.oracle.last.Endpoints {
		status, id := e.Status, e.ID
		if status == webhook.EndpointPaused || status == webhook.EndpointDisabled && s.rng.IntN(2) == 0 {
			s.setStatus(id, webhook.EndpointActive)
		}
	}
	s.oracle.calm()
}

// outage takes the store, the bus or the timers away for a while.
func (s *sim) outage() {
	if s.quiet {
		return
	}
	d := time.Second + s.upTo(3*time.Minute)
	part := s.rng.IntN(4)
	if part == 3 {
		p := s.any(functions[s.rng.IntN(len(functions))])
		s.say("%s does not reach the store for %s", p.name, d)
		p.cutOff = s.now.Add(d)
		return
	}
	set := func(off bool) {
		switch part {
		case 0:
			s.mem.SetUnavailable(off)
		case 1:
			s.bus.down = off
		default:
			s.timing.down = off
		}
	}
	s.say("%s is away for %s", []string{"the store", "the bus", "the timers"}[part], d)
	s.stats["outages"]++
	set(true)
	s.after(nil, d, "outage over", func() { set(false) }).background = true
}

// wipe empties the timers, the bus or both, or kills a whole function.
func (s *sim) wipe() {
	if s.quiet {
		return
	}
	s.stats["wipes"]++
	what := s.rng.IntN(4)
	if what == 0 {
		name := functions[s.rng.IntN(len(functions))]
		s.say("every instance of %s is killed", name)
		for _, p := range s.procs[name] {
			p.crash()
		}
		return
	}
	if what != 1 {
		s.say("the timers are wiped")
		s.timers = timers.New()
		s.oracle.timersWiped()
	}
	if what != 2 {
		s.say("the bus is wiped")
		s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return t.name == carry })
		s.bus.queued = 0
	}
}

// ticks sends the tick, as the PingSource does: it may be lost and repeated.
func (s *sim) ticks() {
	s.after(nil, s.tick, "tick", s.ticks).background = true
	times := 1
	if s.hits(s.hintLost) {
		times = 0
	} else if s.hits(s.hintTwice) {
		times = 2
	}
	for range times {
		p := s.any("retry")
		s.after(p, s.latency(), "tick", p.tick)
	}
}

// any draws an instance of a function.
func (s *sim) any(name string) *process { return s.procs[name][s.rng.IntN(len(s.procs[name]))] }

// operate does what somebody does by hand.
func (s *sim) operate() {
	if s.quiet {
		return
	}
	id := s.oracle.last.Endpoints[s.rng.IntN(len(s.oracle.last.Endpoints))].ID
	switch n := s.rng.IntN(100); {
	case n < 25:
		s.setStatus(id, webhook.EndpointPaused)
		s.after(nil, s.upTo(10*time.Minute), "resume", func() {
			if !s.quiet {
				s.setStatus(id, webhook.EndpointActive)
			}
		}).background = true
	case n < 50:
		s.setStatus(id, webhook.EndpointActive)
	case n < 54:
		s.setStatus(id, webhook.EndpointDisabled)
	case n < 57:
		s.setStatus(id, webhook.EndpointDeleted)
	case n < 65:
		s.createEndpoint()
	case n < 85:
		s.retryNow()
	default:
		s.cancel()
	}
}

func (s *sim) createEndpoint() {
	id := s.newID('e', s.now)
	e := webhook.Endpoint{ID: id, Tenant: tenant, URL: "https://receiver.example", Format: webhook.FormatBinary}
	if s.rng.IntN(4) == 0 {
		e.Schedule = []time.Duration{10 * time.Second, 30 * time.Second}
	}
	if err := s.store.createEndpoint(e); err != nil {
		s.say("%s is not created: %v", s.names[id], err)
		return
	}
	s.say("%s is created", s.names[id])
}

func (s *sim) setStatus(id webhook.ID, status webhook.EndpointStatus) {
	err := s.store.setStatus(id, status)
	s.stats[string(status)]++
	s.say("%s is set %s: %v", s.names[id], status, err)
}

// retryNow mirrors the management API's retry by hand, which hints at what it made due.
func (s *sim) retryNow() {
	d := s.oracle.anyDelivery()
	if d.IsZero() {
		return
	}
	due, err := s.store.retryNow(d)
	s.say("%s is retried by hand: %s %v", s.names[d], s.names[due.Delivery], err)
	if err == nil {
		s.stats["retried"]++
		s.hintByHand(due)
	}
}

func (s *sim) cancel() {
	d := s.oracle.anyDelivery()
	if d.IsZero() {
		return
	}
	err := s.store.cancel(d)
	if errors.Is(err, store.ErrConflict) {
		s.stats["cancelled in vain"]++
	}
	s.stats["cancelled"]++
	s.say("%s is cancelled by hand: %v", s.names[d], err)
}

// producer sends one event until it is answered, and sometimes once more.
type producer struct {
	s      *sim
	number int
	acked  bool
	again  bool
}

// silence is how long a producer waits for an answer.
const silence = 30 * time.Second

// ceID is the CloudEvents id of its event.
func (p *producer) ceID() string { return fmt.Sprint("ce-", p.number) }

func (p *producer) send() {
	s := p.s
	if p.acked && p.again {
		return
	}
	p.again = p.acked
	to := s.any("ingest")
	s.say("event %d is sent to %s", p.number, to.name)
	s.after(to, s.latency(), "accept", func() { to.receive(p) })
	s.after(nil, silence, "send again", func() {
		if !p.acked {
			p.send()
		}
	})
}

// answered tells the producer what became of its event.
func (p *producer) answered(ok bool, id webhook.ID) {
	p.s.say("event %d is answered: %v %s", p.number, ok, p.s.names[id])
	if !ok {
		return // sent again after the silence
	}
	p.s.oracle.acked(p, id)
	if !p.acked && p.s.rng.IntN(5) == 0 {
		p.s.after(nil, p.s.upTo(time.Minute), "send", p.send)
	}
	p.acked = true
}
