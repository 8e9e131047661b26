package gate

import "time"

// Meter is the state of one endpoint's rate limit: the generic cell rate algorithm in its leaky-bucket form (ITU-T
// I.371, Annex A, which shows that it equals the virtual-scheduling form). A send pours a second's worth of
// microseconds into the bucket; each microsecond, as many units leak out as sends are allowed per second; the bucket
// holds one second's leakage, which is the burst. All of it is whole numbers, so no rate is rounded. The zero value
// is an empty bucket. It is the arithmetic that every back end must follow.
type Meter struct {
	// Level is what is in the bucket.
	Level int64
	// At is the time, in microseconds since 1970, for which Level holds.
	At int64
}

const (
	perSend      = int64(time.Second / time.Microsecond) // units that a send pours in
	perSecondMax = 1 << 30                               // keeps every product within the 53 bits of Redis's numbers
)

// ClampRate returns the sends per second that a meter counts with: at least 1, and at most 2^30.
func ClampRate(perSecond int) int64 { return int64(max(1, min(perSecond, perSecondMax))) }

// Take grants up to the sends wanted at now, in microseconds since 1970, and returns the state after; see [ClampRate]
// for rates out of bounds. A now before the meter's is that of another process, whose clock is behind: it drains
// nothing. When it is more than a second before, though, the meter's clock was wrong, and its time is set back, so
// that a process whose clock ran ahead cannot shut an endpoint for long.
func (m Meter) Take(now int64, perSecond, want int) (Meter, Grant) {
	rate := ClampRate(perSecond)
	full := rate * perSend
	if m.At > now+perSend {
		m.At = now
	}
	elapsed := min(max(0, now-m.At), perSend)
	m.Level = max(0, min(m.Level, full)-elapsed*rate) // a rate that was lowered meanwhile counts at most one burst
	m.At = max(m.At, now)
	granted := max(0, min(int64(want), (full-m.Level)/perSend))
	m.Level += granted * perSend
	g := Grant{Granted: int(granted)}
	if g.Granted < want {
		missing := max(0, m.Level+perSend-full)
		g.RetryIn = time.Duration((missing+rate-1)/rate+m.At-now) * time.Microsecond
	}
	return m, g
}

// Drained reports whether the meter is as good as new at now, in microseconds since 1970, whatever its rate.
func (m Meter) Drained(now int64) bool { return now >= m.At+perSend }
