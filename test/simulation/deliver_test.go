package simulation

import (
	"time"

	"github.com/homing-hooks/homing/pkg/backoff"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// deliver is what an instance of deliver has in memory.
type deliver struct {
	used      int       // mirrors attempt.slots: POSTs in flight, of at most sim.slots
	backlog   []*marked // mirrors slots.backlog
	pulling   bool
	results   []*pending // mirrors Deliverer.records, a group commit
	recording bool
}

// marked mirrors attempt.share: an endpoint with more work than there were slots.
type marked struct {
	endpoint      webhook.ID
	marks, pulled int
}

func (m *marked) waiting() bool { return m.marks > m.pulled }

// pending is a result on its way to the store.
type pending struct {
	result store.Result
	since  time.Time
}

const (
	// recordRetry and recordFor mirror those of attempt.
	recordRetry, recordFor = time.Second, 2 * time.Minute
	pullRetry              = time.Second
)

// handle mirrors Deliverer.Handle and admit.
func (p *process) handle(m *message) {
	var items []store.ClaimItem
	for _, due := range m.hint.Deliveries {
		share := p.share(due.Endpoint)
		if share.waiting() || p.used >= p.s.slots {
			share.marks++
			continue
		}
		p.used++
		items = append(items, store.ClaimItem{Delivery: due.Delivery, Endpoint: due.Endpoint, Attempt: due.Attempt})
	}
	for _, e := range m.hint.Endpoints {
		p.share(e.Endpoint).marks++
	}
	p.freed()
	if len(items) == 0 {
		if p.used >= p.s.slots && p.s.rng.IntN(2) == 0 {
			p.s.refuse(m) // mirrors ErrFull
		}
		return
	}
	at := p.s.now
	p.then("claim", func() { p.claim(m, items, at) })
}

// share returns what is known of an endpoint.
func (p *process) share(id webhook.ID) *marked {
	for _, m := range p.backlog {
		if m.endpoint == id {
			return m
		}
	}
	m := &marked{endpoint: id}
	p.backlog = append(p.backlog, m)
	return m
}

// claim mirrors Deliverer.claimGroup and the rest of Handle. at is when the claim was asked for.
func (p *process) claim(m *message, items []store.ClaimItem, at time.Time) {
	claims, err := p.s.store.claim(store.ClaimRequest{Items: items})
	if err != nil {
		p.used -= len(items)
		p.freed()
		p.s.refuse(m)
		return
	}
	p.used -= len(items) - len(claims.Work)
	for i := range claims.Work {
		p.start(&claims.Work[i], at)
	}
	for _, n := range claims.NotDue {
		p.hint(wire.TypeRescheduled, []wire.Due{{
			Delivery: n.Delivery, Endpoint: n.Endpoint, Attempt: n.Attempt, Due: p.now().Add(n.DueIn),
		}}, nil)
	}
	for _, c := range claims.Closed {
		p.wakeEndpoint(c.Endpoint, c.OpenIn)
	}
	p.freed()
}

// freed mirrors Deliverer.freed and pullLoop: it pulls when there is room and work.
func (p *process) freed() {
	if p.pulling || p.used >= p.s.slots {
		return
	}
	for _, m := range p.backlog {
		if m.waiting() {
			p.pulling = true
			p.pull(m)
			return
		}
	}
}

// pull mirrors Deliverer.pullOnce and settle.
func (p *process) pull(m *marked) {
	marks, at, room := m.marks, p.s.now, p.s.slots-p.used
	p.used += room
	p.then("pull", func() {
		claims, err := p.s.store.claim(store.ClaimRequest{Pulls: []store.Pull{{Endpoint: m.endpoint, Limit: room}}})
		p.used -= room - len(claims.Work)
		if err != nil {
			p.s.after(p, pullRetry, "pull again", func() { p.pulling = false; p.freed() })
			return
		}
		for i := range claims.Work {
			p.start(&claims.Work[i], at)
		}
		for _, c := range claims.Closed {
			p.wakeEndpoint(c.Endpoint, c.OpenIn)
		}
		if len(claims.Drained)+len(claims.Closed) > 0 {
			m.pulled = max(m.pulled, marks)
		}
		p.pulling = false
		p.freed()
	})
}

// wakeEndpoint mirrors Deliverer.wakeEndpoint.
func (p *process) wakeEndpoint(id webhook.ID, in time.Duration) {
	if in > 0 && in <= p.s.policy.Horizon {
		p.hint(wire.TypeRescheduled, nil, []wire.Endpoint{{Endpoint: id, Due: p.now().Add(in)}})
	}
}

// start mirrors Deliverer.start.
func (p *process) start(w *store.Work, at time.Time) {
	p.then("POST", func() { p.send(w, at) })
}

// send mirrors Deliverer.send: no POST begins that could outlive its lease.
func (p *process) send(w *store.Work, at time.Time) {
	endpoint := &w.Target.Endpoint
	late := p.s.now.Sub(at)+p.s.policy.TimeoutOf(endpoint) > p.s.policy.LeaseOf(endpoint)
	if late && !p.s.is(leaseNotChecked) {
		p.s.say("does not send %s/%d: claimed too long ago", p.s.names[w.Delivery.ID], w.Delivery.Attempt)
		p.s.stats["unsent"]++
		p.decide(w, answer{outcome: webhook.OutcomeUnsent}, p.now())
		return
	}
	began := p.now()
	a := p.s.answerOf(w)
	p.s.say("POSTs %s/%d", p.s.names[w.Delivery.ID], w.Delivery.Attempt)
	p.s.oracle.postBegins(p, w, &a)
	if p.s.poison && w.Event.CEID == "ce-1" {
		p.s.after(p, p.s.upTo(a.took), "die", p.crash)
		return
	}
	p.s.after(p, a.took, "answer", func() {
		p.s.say("%s/%d is answered: %s", p.s.names[w.Delivery.ID], w.Delivery.Attempt, a.outcome)
		p.s.oracle.postEnds(w)
		p.decide(w, a, began)
	})
}

// decide mirrors Deliverer.decide.
func (p *process) decide(w *store.Work, a answer, began time.Time) {
	endpoint := &w.Target.Endpoint
	jitter := p.s.rng.Float64()
	if p.s.coarse {
		jitter = 0
	}
	facts := backoff.Facts{
		Attempt: w.Delivery.Attempt, Interruptions: w.Delivery.Interruptions, Schedule: p.s.policy.ScheduleOf(endpoint),
		Outcome: a.outcome, RetryAfter: a.retryAfter, Jitter: jitter,
	}
	if p.s.is(scheduleNeverEnds) {
		facts.Attempt = 1
	}
	d := backoff.Decide(facts)
	r := store.Result{
		Attempt: webhook.Attempt{
			Delivery: w.Delivery.ID, Number: w.Delivery.Attempt, Tenant: w.Delivery.Tenant, Endpoint: w.Delivery.Endpoint,
			StartedAt: began, Outcome: a.outcome,
		},
		Next: d.Next, Reason: d.Reason, RetryIn: d.RetryIn, ThrottleFor: d.ThrottleFor, Interrupted: d.Interrupted,
	}
	if d.Next == webhook.StateScheduled {
		r.WakeIn = p.s.policy.WakeAfter(d.RetryIn, p.s.policy.LeaseOf(endpoint))
		if p.s.is(noWakeOnReschedule) {
			r.WakeIn = 1000 * time.Hour
		}
	}
	if d.Disable {
		r.DisableVersion, r.DisableReason = endpoint.Version, "the endpoint answered 410 Gone"
	}
	p.results = append(p.results, &pending{r, p.s.now})
	if p.recording {
		return
	}
	p.recording = true
	late := p.s.latency()
	if p.s.hits(p.s.recordLate) {
		late += p.s.upTo(3 * time.Minute)
	}
	p.s.after(p, late, "record", p.record)
}

// record mirrors Deliverer.record and its group commit: again and again while the store is away.
func (p *process) record() {
	group := p.results
	p.results = nil
	results := make([]store.Result, len(group))
	for i, one := range group {
		results[i] = one.result
	}
	recorded, err := p.s.store.record(results)
	for i, one := range group {
		switch {
		case err == nil:
			p.used--
			p.follow(&one.result, &recorded[i])
		case p.s.now.Sub(one.since) > recordFor:
			p.used-- // left to be found interrupted
			p.s.stats["records given up"]++
		default:
			p.results = append(p.results, one)
		}
	}
	p.recording = len(p.results) > 0
	if p.recording {
		p.s.after(p, recordRetry, "record", p.record)
	}
	p.freed()
}

// follow mirrors Deliverer.follow.
func (p *process) follow(r *store.Result, rec *store.Recorded) {
	if rec.Applied && rec.State == webhook.StateScheduled && rec.DueAt.Sub(p.now()) <= p.s.policy.Horizon {
		p.hint(wire.TypeRescheduled, []wire.Due{{
			Delivery: r.Attempt.Delivery, Endpoint: r.Attempt.Endpoint, Attempt: r.Attempt.Number, Due: rec.DueAt,
		}}, nil)
	}
	if r.ThrottleFor > 0 {
		p.wakeEndpoint(r.Attempt.Endpoint, r.ThrottleFor)
	}
}

// answer is what a receiver does with one POST.
type answer struct {
	outcome    webhook.Outcome
	retryAfter time.Duration
	took       time.Duration
}

// answerOf draws it: receivers answer anything, some of them the same for long.
func (s *sim) answerOf(w *store.Work) answer {
	timeout := s.policy.TimeoutOf(&w.Target.Endpoint)
	a := answer{took: s.upTo(500 * time.Millisecond)}
	if s.rng.IntN(3) == 0 {
		a.took = s.upTo(timeout)
	}
	// Each endpoint has its temper, which the seed and its number decide.
	temper := (s.seed>>3 + uint64(w.Target.ID[15])) % 4
	switch n := s.rng.IntN(100); {
	case temper == 0 && n < 90 || n < 35:
		a.outcome = webhook.OutcomeSuccess
	case temper == 1 && n < 80 || n < 50:
		a.outcome = webhook.OutcomeServerError
	case n < 65:
		a.outcome, a.took = webhook.OutcomeTimeout, timeout
	case n < 80:
		a.outcome, a.retryAfter = webhook.OutcomeThrottled, s.upTo(15*time.Minute)
	case n < 84 || temper == 2 && n < 92:
		a.outcome = webhook.OutcomeGone
	default:
		others := []webhook.Outcome{
			webhook.OutcomeRedirect, webhook.OutcomeClientError, webhook.OutcomeDNS, webhook.OutcomeConnect,
			webhook.OutcomeTLS, webhook.OutcomeProtocol, webhook.OutcomeBlocked,
		}
		a.outcome = others[s.rng.IntN(len(others))]
	}
	return a
}
