package simulation

import (
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// oracle keeps its own account of what was promised, made of what went in and came out, and holds every step to it. It
// judges by the policy that the protocol should have, not by the one that the store was given.
type oracle struct {
	s            *sim
	policy       webhook.Policy
	before, last memory.Snapshot
	facts        []*fact // in the order of last.Deliveries
	byID         map[webhook.ID]*fact
	endpoints    map[webhook.ID]*endpointFact
	events       map[string]webhook.ID // by the producer's id
	timers       map[timer.Entry]bool  // set, and their hints not out yet; without their times
	calmSince    time.Time
	looked       time.Time
}

// fact is what is known of a delivery.
type fact struct {
	id   webhook.ID
	name string
	at   int       // index in snapshots
	due  time.Time // when the next attempt may be made, by what was asked for
	// claims holds each attempt's, in order; held is whether the last one's result is still to come.
	claims []claimFact
	held   bool
	// flying is who has a POST in flight.
	flying    []*process
	succeeded bool // a success is on record
	// afterSuccess is whether a POST began when a success was on record already.
	afterSuccess bool
	byHand       bool // cancelled
	// over counts the attempts that were ended without their result.
	over int
}

// claimFact is what is known of one attempt.
type claimFact struct {
	due, lease time.Time
	sent       bool
	overtaken  bool // by the late success of an earlier one
	answer     webhook.Outcome
	recorded   webhook.Outcome // "" as long as nothing is on record
}

// endpointFact is what is known of an endpoint.
type endpointFact struct {
	row    *webhook.Endpoint // in last
	status webhook.EndpointStatus
	since  time.Time // of the status
	// closed is whether it ever was disabled or throttled: then deliveries may expire before their turn.
	closed bool
}

func newOracle(s *sim) *oracle {
	return &oracle{
		s: s, policy: policy(), byID: map[webhook.ID]*fact{}, endpoints: map[webhook.ID]*endpointFact{},
		events: map[string]webhook.ID{}, timers: map[timer.Entry]bool{},
	}
}

// refresh takes note of what an operation changed.
func (o *oracle) refresh() {
	o.before, o.last = o.last, o.s.mem.Snapshot()
	if len(o.last.Deliveries) < len(o.before.Deliveries) {
		o.s.fail("a delivery vanished from the store")
	}
	for i := len(o.facts); i < len(o.last.Deliveries); i++ {
		id := o.last.Deliveries[i].ID
		f := &fact{id: id, name: o.s.names[id], at: i}
		o.facts = append(o.facts, f)
		o.byID[id] = f
	}
	for i := range o.last.Endpoints {
		e := &o.last.Endpoints[i]
		f := o.endpoints[e.ID]
		if f == nil {
			f = &endpointFact{}
			o.endpoints[e.ID] = f
		}
		if f.row = e; f.status != e.Status {
			f.status, f.since = e.Status, o.s.now
		}
		f.closed = f.closed || e.Status == webhook.EndpointDisabled || !e.ThrottledUntil.IsZero()
	}
}

// was returns a delivery as it was before the operation; nil when it was not.
func (o *oracle) was(f *fact) *memory.SnapshotDelivery {
	if f == nil || f.at >= len(o.before.Deliveries) {
		return nil
	}
	return &o.before.Deliveries[f.at]
}

// endpointWas returns an endpoint as it was before the operation.
func (o *oracle) endpointWas(id webhook.ID) *webhook.Endpoint {
	for i := range o.before.Endpoints {
		if o.before.Endpoints[i].ID == id {
			return &o.before.Endpoints[i]
		}
	}
	return nil
}

// accepted holds a group of events to promise 1: each identity once, for exactly the endpoints there are.
func (o *oracle) accepted(events []store.NewEvent, out []store.Accepted) {
	want := 0
	for i := range o.before.Endpoints {
		if o.before.Endpoints[i].Status != webhook.EndpointDeleted {
			want++
		}
	}
	for i := range events {
		n := &events[i]
		first, known := o.events[n.Event.CEID]
		switch out[i].Status {
		case store.AcceptStored:
			if known {
				o.s.fail("%s is stored twice", n.Event.CEID)
			}
			o.events[n.Event.CEID] = n.Event.ID
			got := 0
			for j := range n.Deliveries {
				if f := o.byID[n.Deliveries[j].ID]; f != nil {
					f.due = o.s.now.Add(n.Deliveries[j].DueIn)
					got++
				}
			}
			if got != want {
				o.s.fail("%s has %d deliveries and there are %d endpoints", n.Event.CEID, got, want)
			}
		case store.AcceptDuplicate:
			o.s.stats["duplicates"]++
			if out[i].EventID != first {
				o.s.fail("%s is a duplicate of another event", n.Event.CEID)
			}
		case store.AcceptStale:
			o.s.stats["stale matches"]++
		}
	}
}

// begun holds the first attempts that began with the acceptance to what a claim would have done.
func (o *oracle) begun(events []store.NewEvent, out []store.Accepted) {
	for i := range events {
		begun := out[i].Begun
		for _, d := range events[i].Deliveries {
			f := o.byID[d.ID]
			began := len(begun) > 0 && begun[0].Delivery.ID == d.ID
			if began {
				begun = begun[1:]
			}
			if out[i].Status != store.AcceptStored || f == nil {
				continue
			}
			e := o.endpointWas(d.Endpoint)
			open, due := e.Open(o.s.now), !f.due.After(o.s.now)
			switch may := d.Begin && open && due; {
			case began != may:
				o.s.fail("%s begins with its acceptance: %v, and may: %v", f.name, began, may)
			case began:
				o.s.stats["begun with the acceptance"]++
				f.claims = append(f.claims, claimFact{due: f.due, lease: o.s.now.Add(o.policy.LeaseOf(e))})
				f.held = true
			case d.Begin && due:
				o.s.stats["to begin while "+string(e.Status)]++
			case d.Begin && open:
				o.s.stats["to begin before the due time"]++
			}
		}
		if len(begun) > 0 {
			o.s.fail("an attempt of %s began that was not asked for, or is another's", events[i].Event.CEID)
		}
	}
}

// acked holds an answer to what is stored.
func (o *oracle) acked(p *producer, id webhook.ID) {
	if stored := o.events[p.ceID()]; stored.IsZero() || stored != id {
		o.s.fail("%s was answered and is not stored", p.ceID())
	}
}

// wanted counts what comes to nothing by one guard of the claim alone: mutants without it need such.
func (o *oracle) wanted(r *store.ClaimRequest) {
	for _, p := range r.Pulls {
		for i := range o.before.Deliveries {
			d, e := &o.before.Deliveries[i], o.endpointWas(p.Endpoint)
			switch due := !d.DueAt.After(o.s.now); {
			case d.Endpoint != p.Endpoint || !e.Open(o.s.now):
			case d.State == webhook.StateScheduled && !due:
				o.s.stats["pulls before the due time"]++
			case d.State == webhook.StateAttempting && due:
				o.s.stats["pulls during an attempt"]++
			}
		}
	}
	for _, item := range r.Items {
		d, e := o.was(o.byID[item.Delivery]), o.endpointWas(item.Endpoint)
		if d == nil || e == nil || d.DueAt.After(o.s.now) {
			continue
		}
		expected := d.Attempt == item.Attempt
		scheduled := d.State == webhook.StateScheduled
		expired := !e.RunningClock(o.s.now).Before(d.ExpiresAt)
		switch open := e.Open(o.s.now); {
		case open && scheduled && !expired && !expected:
			o.s.stats["hints with an old attempt"]++
		case open && !scheduled && !expired && expected:
			o.s.stats["hints after the end"]++
		case open && scheduled && expired && expected:
			o.s.stats["hints after the expiry"]++
		case !open && scheduled && !expired && expected:
			o.s.stats["hints while "+string(e.Status)]++
		}
	}
}

// claimed holds claims to promises 3 and 4.
func (o *oracle) claimed(out *store.Claims) {
	for i := range out.Work {
		d := &out.Work[i].Delivery
		f := o.byID[d.ID]
		was := o.was(f)
		e := o.endpointWas(d.Endpoint)
		switch {
		case was == nil || d.Attempt != was.Attempt+1 || d.Attempt != len(f.claims)+1:
			o.s.fail("attempt number %d of %s is used twice", d.Attempt, o.s.names[d.ID])
			return
		case f.succeeded:
			o.s.fail("%s is claimed after its success was recorded", f.name)
		case was.State != webhook.StateScheduled:
			o.s.fail("%s is claimed while it is %s", f.name, was.State)
		case f.due.After(o.s.now):
			o.s.fail("%s is claimed %s before it is due", f.name, f.due.Sub(o.s.now))
		case !e.Open(o.s.now):
			o.s.fail("%s is claimed while its endpoint is closed", f.name)
		}
		f.claims = append(f.claims, claimFact{due: f.due, lease: o.s.now.Add(o.policy.LeaseOf(e))})
		f.held = true
	}
}

// recorded holds results to the compare-and-set of the contract.
func (o *oracle) recorded(results []store.Result, out []store.Recorded) {
	type standing struct {
		state   webhook.State
		attempt int
	}
	want := map[*fact]standing{}
	disabled := map[webhook.ID]bool{}
	for i := range results {
		r := &results[i]
		f := o.byID[r.Attempt.Delivery]
		d, known := want[f]
		if was := o.was(f); !known {
			d = standing{was.State, was.Attempt}
		}
		success := r.Next == webhook.StateSucceeded
		switch {
		case d.state == webhook.StateAttempting && d.attempt == r.Attempt.Number:
			d.state, f.held = r.Next, false
			if r.Next == webhook.StateScheduled {
				f.due = o.s.now.Add(r.RetryIn)
			}
			e := o.endpointWas(r.Attempt.Endpoint)
			disable := r.DisableVersion != 0 && r.DisableVersion == e.Version && !disabled[e.ID] &&
				e.Status == webhook.EndpointActive
			disabled[e.ID] = disabled[e.ID] || disable
			if r.DisableVersion != 0 && r.DisableVersion != e.Version && e.Status == webhook.EndpointActive {
				o.s.stats["gone by an old version"]++
			}
			if r.ThrottleFor > 0 && o.s.now.Add(r.ThrottleFor).Before(e.ThrottledUntil) {
				o.s.stats["throttles that end sooner"]++
			}
			if disable != out[i].Disabled {
				o.s.fail("%s's answer disables its endpoint: %v, and should: %v", f.name, out[i].Disabled, disable)
			}
		case success && !d.state.Terminal():
			o.s.stats["late successes"]++
			d.state = webhook.StateSucceeded
			if f.held {
				f.held = false
				f.over++
				f.claims[len(f.claims)-1].overtaken = true
			}
		case d.state == webhook.StateAttempting:
			o.s.stats["late results during another attempt"]++
		default:
			o.s.stats["late results"]++
		}
		f.succeeded = f.succeeded || success
		want[f] = d
	}
	for i := range results { // in an order that is always the same
		f := o.byID[results[i].Attempt.Delivery]
		d := &o.last.Deliveries[f.at]
		if w := want[f]; d.State != w.state || d.Attempt != w.attempt {
			o.s.fail("%s is %s after %d attempts, and its results make it %s after %d", f.name, d.State, d.Attempt, w.state,
				w.attempt)
		}
	}
}

// reconciled holds the reconciler to leases.
func (o *oracle) reconciled(out *store.Reconciled) {
	for _, id := range out.Endpoints {
		if e := o.endpoints[id]; !e.row.ThrottledUntil.IsZero() && e.row.Version == 1 {
			o.s.stats["endpoints woken after a throttle"]++
		}
	}
	for i := range o.before.Deliveries {
		was, d, f := &o.before.Deliveries[i], &o.last.Deliveries[i], o.facts[i]
		if was.State != webhook.StateAttempting || d.State == webhook.StateAttempting {
			continue
		}
		o.s.stats["interrupted"]++
		if lease := f.claims[len(f.claims)-1].lease; lease.After(o.s.now) {
			o.s.fail("%s/%d is ended %s before its lease is over", f.name, d.Attempt, lease.Sub(o.s.now))
		}
		f.held = false
		f.over++
		f.due = o.s.now
	}
}

// retried takes note of a retry by hand.
func (o *oracle) retried(id webhook.ID, due store.Due) {
	f := o.byID[due.Delivery]
	if replay := due.Delivery != id; replay {
		o.s.stats["replays"]++
		f.due = o.s.now
	}
	if f.due.After(o.s.now) {
		f.due = o.s.now
	}
}

// cancelled takes note of a cancellation.
func (o *oracle) cancelled(id webhook.ID) {
	f := o.byID[id]
	f.byHand = true
	if f.held {
		f.held = false
		f.over++
	}
}

// postBegins holds a POST to promises 3 and 4. One whose claim was committed before the late success of an earlier
// attempt was recorded may still begin, within its lease: nothing stands between its claim and the POST that could stop
// it. That can be so for one attempt of a delivery only, for none is claimed after a success.
func (o *oracle) postBegins(p *process, w *store.Work, a *answer) {
	f, n := o.byID[w.Delivery.ID], w.Delivery.Attempt
	c := &f.claims[n-1]
	switch {
	case c.sent:
		o.s.fail("%s/%d is sent twice", f.name, n)
	case o.last.Deliveries[f.at].Attempt < n:
		o.s.fail("%s/%d is sent and not on record", f.name, n)
	case len(f.flying) > 0:
		o.s.fail("%s/%d is sent while another POST of it is under way", f.name, n)
	case c.due.After(o.s.now):
		o.s.fail("%s/%d is sent before it is due", f.name, n)
	case o.s.now.Add(o.policy.TimeoutOf(&w.Target.Endpoint)).After(c.lease):
		o.s.fail("%s/%d is sent and may outlive its lease", f.name, n)
	case f.afterSuccess:
		o.s.fail("%s/%d is the second POST of it that begins after its success was recorded", f.name, n)
	case f.succeeded:
		o.s.stats["POSTs claimed before a late success and sent after"]++
		f.afterSuccess = true
	}
	c.sent, c.answer = true, a.outcome
	f.flying = append(f.flying, p)
	o.s.stats["POSTs"]++
}

// postEnds takes note of an answer.
func (o *oracle) postEnds(w *store.Work) {
	f := o.byID[w.Delivery.ID]
	f.flying = f.flying[:len(f.flying)-1]
}

// died takes note of a crash: its POSTs are cut.
func (o *oracle) died(p *process) {
	for _, f := range o.facts {
		if len(f.flying) > 0 && f.flying[0] == p {
			o.s.stats["POSTs cut"]++
			f.flying = f.flying[:0]
		}
	}
}

// published holds hints to what is committed: a hint that comes before its commit says nothing.
func (o *oracle) published(h *wire.Hint) {
	for _, d := range h.Deliveries {
		f := o.byID[d.Delivery]
		if f == nil || o.last.Deliveries[f.at].Attempt < d.Attempt {
			o.s.fail("a hint names %s/%d, which is not committed", o.s.names[d.Delivery], d.Attempt)
		}
	}
}

// timersSet, timersFired and timersWiped keep account of timers: one that is set goes away with its hint only.
func (o *oracle) timersSet(entries []timer.Entry) {
	for _, e := range entries {
		o.timers[bare(e)] = true
	}
}

func (o *oracle) timersFired(h *wire.Hint) {
	for _, d := range h.Deliveries {
		delete(o.timers, timer.Entry{Endpoint: d.Endpoint, Delivery: d.Delivery, Attempt: d.Attempt})
	}
	for _, e := range h.Endpoints {
		delete(o.timers, timer.Entry{Endpoint: e.Endpoint})
	}
}

func (o *oracle) timersWiped() { clear(o.timers) }

// bare is an entry without its times.
func bare(e timer.Entry) timer.Entry {
	return timer.Entry{Endpoint: e.Endpoint, Delivery: e.Delivery, Attempt: e.Attempt}
}

// anyDelivery draws one; the zero id when there is none.
func (o *oracle) anyDelivery() webhook.ID {
	if len(o.facts) == 0 {
		return webhook.ID{}
	}
	return o.facts[o.s.rng.IntN(len(o.facts))].id
}
