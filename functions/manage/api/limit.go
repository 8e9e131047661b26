package api

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// limiter bounds the requests that each API key makes in a minute of the clock. It is this process's own: with several
// of them a key may make as many times more. It is for fairness and against runaway scripts, and guards nothing that
// must hold.
type limiter struct {
	perMinute int
	now       func() time.Time

	mu     sync.Mutex
	minute int64
	used   map[webhook.ID]int
}

// maxCounted bounds the memory for counting: anybody may come without a key.
const maxCounted = 100_000

func newLimiter(perMinute int, now func() time.Time) *limiter {
	return &limiter{perMinute: perMinute, now: now, used: make(map[webhook.ID]int)}
}

// take counts a request and says so in the headers of its answer; when it is one too many, it returns in how long the
// next may be made.
func (l *limiter) take(key webhook.ID, h http.Header) (retry time.Duration, ok bool) {
	if l.perMinute == 0 {
		return 0, true
	}
	now := l.now()
	left := time.Minute - time.Duration(now.Unix()%60)*time.Second
	l.mu.Lock()
	if minute := now.Unix() / 60; minute != l.minute {
		l.minute = minute
		clear(l.used)
	}
	if _, known := l.used[key]; !known && len(l.used) >= maxCounted {
		key = webhook.ID{} // so many at once share what is left
	}
	l.used[key]++
	used := l.used[key]
	l.mu.Unlock()
	seconds := strconv.Itoa(int(math.Ceil(left.Seconds())))
	h.Set("RateLimit-Limit", strconv.Itoa(l.perMinute))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(l.perMinute-used, 0)))
	h.Set("RateLimit-Reset", seconds)
	h.Set("RateLimit-Policy", strconv.Itoa(l.perMinute)+";w=60")
	return left, used <= l.perMinute
}
