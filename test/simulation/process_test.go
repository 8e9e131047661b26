package simulation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/wire"
)

// process is one instance of a function: a thing that can die, with what it has in memory.
type process struct {
	s          *sim
	function   string
	slot, life int
	name       string
	// skew is by how much its clock is off the store's.
	skew time.Duration
	dead bool
	// cutOff is until when it does not reach the store.
	cutOff time.Time

	// threads run code of the product.
	threads []*thread

	ingest
	deliver
	retry
}

// boot starts an instance in a slot, for the nth time.
func (s *sim) boot(function string, slot, life int) {
	p := &process{
		s: s, function: function, slot: slot, life: life, name: fmt.Sprintf("%s-%d.%d", function, slot+1, life),
	}
	if s.skew > 0 && !s.quiet {
		p.skew = s.upTo(2*s.skew) - s.skew
	}
	s.procs[function][slot] = p
	if function == "retry" {
		p.scheduler = p.newScheduler()
		p.run()
	}
}

// crash ends a process with all its threads; the platform starts another.
func (p *process) crash() {
	s := p.s
	p.dead = true
	s.stats["crashes"]++
	p.halt()
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return t.on == p })
	s.oracle.died(p)
	s.boot(p.function, p.slot, p.life+1)
}

// now mirrors clock.Clock.Now: the store's time as well as this process knows it.
func (p *process) now() time.Time { return p.s.now.Add(p.skew) }

// then takes the next step of a thread.
func (p *process) then(name string, run func()) *task { return p.s.after(p, p.s.latency(), name, run) }

// carry is the name of the task of a message in the bus.
const carry = "carry"

// errBus says that the bus took nothing, or did not say that it did.
var errBus = errors.New("bus unavailable")

// bus counts what is queued in it; the messages themselves are tasks of the world.
type bus struct {
	queued int
	down   bool
}

// publish puts one hint on the bus, which loses, repeats, delays and reorders as it likes.
func (s *sim) publish(h wire.Hint) error {
	s.oracle.published(&h)
	if s.bus.down || s.hits(s.publishFails) {
		s.say("cannot publish %s", s.show(&h))
		return errBus
	}
	s.say("publishes %s", s.show(&h))
	if h.Type == wire.TypeDue && s.runs != nil && s.runs.function == "retry" {
		s.oracle.timersFired(&h)
	}
	copies := 1
	if s.hits(s.hintTwice) {
		copies = 2
		s.stats["hints repeated"]++
	}
	for range copies {
		if s.hits(s.hintLost) {
			s.stats["hints lost"]++
			continue
		}
		delay := s.latency()
		if s.hits(s.hintLate) {
			delay += s.upTo(3 * time.Minute)
		}
		s.queue(h, delay, 1)
	}
	if s.hits(s.publishFails) {
		return errBus // its answer is lost
	}
	return nil
}

// queue has a hint arrive at one of the instances that it is for.
func (s *sim) queue(h wire.Hint, delay time.Duration, try int) {
	s.bus.queued++
	s.after(nil, delay, carry, func() {
		s.bus.queued--
		name := "deliver"
		switch {
		case h.Type == wire.TypeRescheduled:
			name = "retry"
		case s.together:
			name = "ingest"
		}
		to := s.any(name)
		s.say("%s gets %s", to.name, s.show(&h))
		m := &message{hint: h, try: try}
		if name == "retry" {
			to.then("take", func() { to.rescheduled(h) })
			return
		}
		to.then("admit", func() { to.handle(m) })
	})
}

// message is a hint on its way, for the nth time.
type message struct {
	hint wire.Hint
	try  int
}

// refuse gives a message back, to come again a few times.
func (s *sim) refuse(m *message) {
	if m.try < 4 {
		s.queue(m.hint, time.Second<<m.try, m.try+1)
	}
}

// hint mirrors bus.Hinter.Say: beside the work, best effort.
func (p *process) hint(hintType string, due []wire.Due, endpoints []wire.Endpoint) {
	for _, h := range wire.Split(hintType, p.s.partitions, due, endpoints) {
		p.then("hint", func() { _ = p.s.publish(h) }) // what is not published is forgotten
	}
}

// hintByHand says that somebody made a delivery due.
func (s *sim) hintByHand(d store.Due) {
	for _, h := range wire.Split(wire.TypeDue, s.partitions, dues([]store.Due{d}), nil) {
		_ = s.publish(h)
	}
}

// dues turns what a store says is due into what hints name.
func dues(found []store.Due) []wire.Due {
	out := make([]wire.Due, len(found))
	for i, d := range found {
		out[i] = wire.Due{Delivery: d.Delivery, Endpoint: d.Endpoint, Attempt: d.Attempt, Due: d.DueAt}
	}
	return out
}

// show writes a hint for the timeline.
func (s *sim) show(h *wire.Hint) string {
	if !s.log {
		return ""
	}
	var text strings.Builder
	text.WriteString(h.Type[len("io.homing.deliveries."):])
	for _, d := range h.Deliveries {
		fmt.Fprintf(&text, " %s/%d@%s", s.names[d.Delivery], d.Attempt, d.Due.Sub(epoch))
	}
	for _, e := range h.Endpoints {
		fmt.Fprintf(&text, " %s@%s", s.names[e.Endpoint], e.Due.Sub(epoch))
	}
	return text.String()
}
