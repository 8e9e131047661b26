package server

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limiter bounds the requests that each key makes in a minute of the clock. It is this process's own: with several of
// them a key may make as many times more. It is for fairness and against runaway scripts, and guards nothing that must
// hold. It is safe for concurrent use.
type Limiter struct {
	perMinute int
	now       func() time.Time

	mu     sync.Mutex
	minute int64
	used   map[[16]byte]int
}

// maxCounted bounds the memory for counting: anybody may come without a key.
const maxCounted = 100_000

// NewLimiter makes a Limiter of perMinute requests; 0 means no bound.
func NewLimiter(perMinute int, now func() time.Time) *Limiter {
	return &Limiter{perMinute: perMinute, now: now, used: make(map[[16]byte]int)}
}

// Take counts a request and says so in the headers of its answer; when it is one too many, it returns in how long the
// next may be made.
func (l *Limiter) Take(key [16]byte, h http.Header) (retry time.Duration, ok bool) {
	return l.count(key, h, 1)
}

// Peek is Take for a request that is not counted: ok is whether the next one may be made.
func (l *Limiter) Peek(key [16]byte) (retry time.Duration, ok bool) { return l.count(key, nil, 0) }

func (l *Limiter) count(key [16]byte, h http.Header, n int) (retry time.Duration, ok bool) {
	if l.perMinute == 0 {
		return 0, true
	}
	now := l.now()
	left := time.Minute - time.Duration(now.Unix()%60)*time.Second
	used := l.add(now.Unix()/60, key, n)
	if n == 0 {
		return left, used < l.perMinute
	}
	h.Set("RateLimit-Limit", strconv.Itoa(l.perMinute))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(l.perMinute-used, 0)))
	h.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil(left.Seconds()))))
	h.Set("RateLimit-Policy", strconv.Itoa(l.perMinute)+";w=60")
	return left, used <= l.perMinute
}

// add counts n of a key in a minute, and returns how many it has made then.
func (l *Limiter) add(minute int64, key [16]byte, n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute != l.minute {
		l.minute = minute
		clear(l.used)
	}
	if _, known := l.used[key]; !known && len(l.used) >= maxCounted {
		key = [16]byte{} // so many at once share what is left
	}
	if n > 0 {
		l.used[key] += n
	}
	return l.used[key]
}
