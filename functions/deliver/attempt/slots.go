package attempt

import (
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// SlotConfig bounds the POSTs in flight.
type SlotConfig struct {
	// Total is how many one process may have in flight; default 3000.
	Total int
	// EndpointShare, TenantShare and HostShare are the largest part of Total that one of them may hold, above 0 up to 1;
	// defaults 0.25, 0.5, 0.5.
	EndpointShare, TenantShare, HostShare float64
}

// The adaptive share of an endpoint. It starts small, for nothing is known of it; a receiver that answers in 100 ms is
// given hundreds after five rounds, half a second.
const (
	firstShare      = 16
	quickAnswer     = 2 * time.Second // an answer within this lets the share grow
	failuresInARow  = 5               // after this many the share is one
	maxKnown        = 50_000          // endpoints remembered; idle ones are forgotten beyond
	maxPullAtOnce   = 500             // deliveries pulled for one endpoint at once
	maxPullsPerTurn = 64              // endpoints pulled from by one claim
	// recheck is how long after work was marked it is pulled once more: it may have been marked a little before it was
	// due by the store's clock, and then the first pull did not see it.
	recheck = 100 * time.Millisecond
)

// slots is the right to have POSTs in flight: a bounded number for the process, of which each endpoint, tenant and host
// has a bounded share. An endpoint's share adapts: it grows by one with each quick answer (so it doubles in a round
// trip), halves on a timeout, and is one after a row of failures: that is the circuit, one attempt at a time probes it.
// It also remembers which endpoints have more work than they had slots for.
type slots struct {
	cfg struct{ total, endpoint, tenant, host int }

	mu        sync.Mutex
	used      int
	endpoints map[webhook.ID]*share
	tenants   map[string]int
	hosts     map[string]int
	backlog   []*share // those with work, in the order of their turns
}

// share is what is known of one endpoint.
type share struct {
	endpoint webhook.ID
	limit    int // slots it may hold now
	used     int
	failures int // in a row
	// known is whether a claim has told tenant, host and rate. Until then one slot is all it gets, so that neither the
	// tenant's share nor a rate limit is passed by before anybody knew of it.
	known  bool
	tenant string
	host   string
	rate   int // attempts per minute; 0: no limit
	// marks counts how often it was said that there is work; pulled is the count that the last pull answered.
	marks, pulled int
	// markedAt is when it was said last; recheckAt is when a drained endpoint is pulled from once more, zero when it is
	// not.
	markedAt, recheckAt time.Time
	queued              bool // in backlog
	// notBefore is when the gate lets the next attempt pass; zero when at once.
	notBefore time.Time
}

func newSlots(c SlotConfig) *slots {
	s := &slots{
		endpoints: make(map[webhook.ID]*share), tenants: make(map[string]int), hosts: make(map[string]int),
	}
	part := func(of, otherwise float64) int {
		if of <= 0 || of > 1 {
			of = otherwise
		}
		return max(1, int(of*float64(s.cfg.total)))
	}
	s.cfg.total = c.Total
	if c.Total <= 0 {
		s.cfg.total = 3000
	}
	s.cfg.endpoint = part(c.EndpointShare, 0.25)
	s.cfg.tenant, s.cfg.host = part(c.TenantShare, 0.5), part(c.HostShare, 0.5)
	return s
}

// take takes up to want slots for an endpoint and returns how many it got. rate is the endpoint's limit, to be asked of
// the gate before the slots are used; 0 when it has none.
func (s *slots) take(endpoint webhook.ID, want int, now time.Time) (got, rate int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(endpoint)
	if e.notBefore.After(now) || e.waiting() {
		return 0, e.rate // what came before goes first
	}
	got = min(want, s.room(e))
	s.hold(e, got)
	return got, e.rate
}

// reserve takes one slot for each of the endpoints that is known, may be sent to as often as there are slots, and has
// no backlog. It notes which in reserved, and returns how many.
func (s *slots) reserve(endpoints []webhook.ID, reserved []bool, now time.Time) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range endpoints {
		e := s.endpoints[id]
		if e == nil || !e.known || e.rate > 0 || e.notBefore.After(now) || e.waiting() || s.room(e) == 0 {
			continue
		}
		s.hold(e, 1)
		reserved[i] = true
		n++
	}
	return n
}

// of returns what is known of an endpoint. The caller holds mu.
func (s *slots) of(endpoint webhook.ID) *share {
	e := s.endpoints[endpoint]
	if e == nil {
		if len(s.endpoints) >= maxKnown {
			s.forgetIdle()
		}
		e = &share{endpoint: endpoint, limit: min(firstShare, s.cfg.endpoint)}
		s.endpoints[endpoint] = e
	}
	return e
}

// room returns how many more slots an endpoint may hold. The caller holds mu.
func (s *slots) room(e *share) int {
	limit := e.limit
	if !e.known {
		limit = 1
	}
	room := min(limit-e.used, s.cfg.total-s.used)
	if e.known {
		room = min(room, s.cfg.tenant-s.tenants[e.tenant], s.cfg.host-s.hosts[e.host])
	}
	return max(room, 0)
}

// hold counts n slots, which may be negative, as held by an endpoint. The caller holds mu.
func (s *slots) hold(e *share, n int) {
	s.used += n
	e.used += n
	if e.known {
		add(s.tenants, e.tenant, n)
		add(s.hosts, e.host, n)
	}
}

// learn notes whose endpoint it is, where it is, and how often it may be sent to, and reports whether none of that was
// known. The slots that it holds already are counted to them.
func (s *slots) learn(endpoint webhook.ID, tenant, host string, rate int) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(endpoint)
	if e.known && e.tenant == tenant && e.host == host {
		e.rate = rate
		return false
	}
	first = !e.known
	held := e.used
	s.hold(e, -held)
	e.known, e.tenant, e.host, e.rate = true, tenant, host, rate
	s.hold(e, held)
	return first
}

// giveBack frees slots that were not used: no delivery was claimed with them.
func (s *slots) giveBack(endpoint webhook.ID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold(s.of(endpoint), -n)
}

// done frees the slot of an attempt and lets its endpoint's share adapt to the outcome.
func (s *slots) done(endpoint webhook.ID, o webhook.Outcome, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(endpoint)
	s.hold(e, -1)
	switch o {
	case webhook.OutcomeSuccess:
		e.failures = 0
		if took <= quickAnswer {
			e.limit = min(e.limit+1, s.cfg.endpoint)
		}
		return
	case webhook.OutcomeUnsent, webhook.OutcomeInterrupted:
		return // says nothing about the endpoint
	case webhook.OutcomeTimeout:
		e.limit = max(e.limit/2, 1)
	}
	e.failures++
	if e.failures >= failuresInARow {
		e.limit = 1
	}
}

// mark notes that an endpoint has due deliveries that found no slot.
func (s *slots) mark(endpoint webhook.ID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(endpoint)
	e.marks++
	e.markedAt = now
	s.enqueue(e)
}

// delay keeps an endpoint from being sent to until the gate lets the next attempt pass.
func (s *slots) delay(endpoint webhook.ID, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(endpoint).notBefore = until
}

func (s *slots) enqueue(e *share) {
	if !e.queued {
		e.queued = true
		s.backlog = append(s.backlog, e)
	}
}

// waiting reports whether there is work that no pull has answered for.
func (e *share) waiting() bool { return e.marks > e.pulled }

// pull is slots taken for the backlog of an endpoint.
type pull struct {
	endpoint webhook.ID
	slots    int
	rate     int
	marks    int // what the pull answers for when it drains the endpoint
	at       time.Time
}

// pulls takes slots for endpoints with a backlog, in turns, and returns for which. next is when one that is waited for
// by time can be looked at; zero when there is none.
func (s *slots) pulls(now time.Time) (taken []pull, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var blocked []*share
	turns := s.backlog
	s.backlog = nil
	for i, e := range turns {
		if len(taken) == maxPullsPerTurn || s.used >= s.cfg.total {
			blocked = append(blocked, turns[i:]...)
			break
		}
		if !e.waiting() && e.recheckAt.IsZero() {
			e.queued = false
			continue
		}
		if until := e.blockedUntil(); until.After(now) {
			if next.IsZero() || until.Before(next) {
				next = until
			}
			blocked = append(blocked, e)
			continue
		}
		n := min(s.room(e), maxPullAtOnce)
		if n == 0 {
			blocked = append(blocked, e)
			continue
		}
		s.hold(e, n)
		e.queued, e.recheckAt = false, time.Time{}
		taken = append(taken, pull{endpoint: e.endpoint, slots: n, rate: e.rate, marks: e.marks, at: now})
	}
	s.backlog = append(blocked, s.backlog...)
	return taken, next
}

// blockedUntil is when an endpoint in the backlog can be pulled from, as far as that is a matter of time.
func (e *share) blockedUntil() time.Time {
	if !e.waiting() && e.recheckAt.After(e.notBefore) {
		return e.recheckAt
	}
	return e.notBefore
}

// pulled notes what a pull found: drained means that nothing more was due when it looked. An endpoint that is not
// drained, or was marked meanwhile, has its next turn after the others; one that was marked just before is looked at
// once more.
func (s *slots) pulled(p pull, drained bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(p.endpoint)
	if drained {
		e.pulled = max(e.pulled, p.marks)
		if again := e.markedAt.Add(recheck); again.After(p.at) {
			e.recheckAt = again
		}
	}
	if e.waiting() || !e.recheckAt.IsZero() {
		s.enqueue(e)
	}
}

// behind returns the endpoints with work, to be handed over when the process ends.
func (s *slots) behind() []webhook.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []webhook.ID
	for _, e := range s.backlog {
		if e.waiting() {
			ids = append(ids, e.endpoint)
		}
	}
	return ids
}

// inFlight returns how many slots are held, and how many endpoints have a backlog.
func (s *slots) inFlight() (used, behind int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, len(s.backlog)
}

// forgetIdle drops endpoints that hold no slot and have no work. The caller holds mu.
func (s *slots) forgetIdle() {
	for id, e := range s.endpoints {
		if e.used == 0 && !e.queued && !e.waiting() {
			delete(s.endpoints, id)
		}
	}
}

// add adds n to a count and drops it at zero, so that what is gone costs nothing.
func add(counts map[string]int, key string, n int) {
	if counts[key] += n; counts[key] == 0 {
		delete(counts, key)
	}
}
