package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Strangers bounds what those can ask for who come without a valid API key, by the address that they come from. Nobody
// with a good key is turned away for what others at the same address do: a key that was good is known for a while, and
// one that is not known yet is still looked up, but no more than one such at a time. It is this process's own, and safe
// for concurrent use.
type Strangers struct {
	limit   *Limiter
	trusted []netip.Prefix
	// doubtful is taken while a key is looked up for an address that has sent too many wrong ones.
	doubtful chan struct{}

	mu    sync.RWMutex
	known map[[32]byte]time.Time // when a key was good last
	now   func() time.Time
}

const (
	// knownFor is how long a key is known after it was good.
	knownFor = time.Hour
	// maxKnown bounds the memory for known keys; over it all are forgotten.
	maxKnown = 100_000
	// retryDoubtful is what somebody is asked to wait whose key could not be looked up.
	retryDoubtful = time.Second
)

// NewStrangers makes Strangers who may come perMinute times without a good key from one address; 0 means no bound. The
// proxies in trusted say in X-Forwarded-For for whom they ask; nobody else is believed.
func NewStrangers(perMinute int, trusted []netip.Prefix, now func() time.Time) *Strangers {
	return &Strangers{
		limit: NewLimiter(perMinute, now), trusted: trusted, doubtful: make(chan struct{}, 1),
		known: make(map[[32]byte]time.Time), now: now,
	}
}

// Admit says whether a key, by its hash, may be looked up; the zero hash is no key. Call done when that was done. When
// it may not be, it returns when to try again.
func (s *Strangers) Admit(r *http.Request, key [32]byte) (done func(), retry time.Duration, ok bool) {
	nothing := func() {}
	retry, ok = s.limit.Peek(s.Visitor(r))
	if ok || s.knows(key) {
		return nothing, 0, true
	}
	if key == ([32]byte{}) {
		return nothing, retry, false
	}
	select {
	case s.doubtful <- struct{}{}:
		return func() { <-s.doubtful }, 0, true
	default:
		return nothing, retryDoubtful, false
	}
}

// Good notes that a key was good.
func (s *Strangers) Good(key [32]byte) {
	if s.knows(key) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[key] = s.now()
}

// Wrong counts a request without a good key, and says so in the headers of its answer; when it is one too many, it
// returns in how long the next may be made.
func (s *Strangers) Wrong(r *http.Request, key [32]byte, h http.Header) (retry time.Duration, ok bool) {
	s.mu.Lock()
	delete(s.known, key)
	s.mu.Unlock()
	return s.limit.Take(s.Visitor(r), h)
}

func (s *Strangers) knows(key [32]byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.known[key]
	return ok && s.now().Sub(at) < knownFor
}

// Visitor is what requests of somebody without a key are counted by: the address that they come from, of IPv6 the /64,
// which is what one customer of a provider has.
func (s *Strangers) Visitor(r *http.Request) (id [16]byte) {
	addr := s.client(r).Unmap().WithZone("")
	if !addr.IsValid() {
		return id
	}
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		addr = prefix.Addr()
	}
	return addr.As16()
}

// client is the address of who asks: of the connection, or where that is a trusted proxy's, the last one that the
// proxies name and that is not theirs.
func (s *Strangers) client(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !s.trusts(addr) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = next
	}
	return addr
}

func (s *Strangers) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(s.trusted, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}
