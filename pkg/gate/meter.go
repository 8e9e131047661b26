package gate

import "time"

// Meter is the state of one endpoint's rate limit: the generic cell rate algorithm in its leaky-bucket form (ITU-T
// I.371, Annex A, which shows that it equals the virtual-scheduling form). A send pours a minute's worth of
// microseconds into the bucket; each microsecond, as many units leak out as sends are allowed per minute; the bucket
// holds one second's leakage, which is the burst, and at least one send. All of it is whole numbers, so no rate is
// rounded. The zero value is an empty bucket. It is the arithmetic that every back end must follow.
type Meter struct {
	// Level is what is in the bucket.
	Level int64
	// At is the time, in microseconds since 1970, for which Level holds.
	At int64
}

const (
	second       = int64(time.Second / time.Microsecond)
	perSend      = int64(time.Minute / time.Microsecond) // units that a send pours in
	perMinuteMax = 1 << 32                               // keeps every product within the 53 bits of Redis's numbers
)

// ClampRate returns the sends per minute that a meter counts with: at least 1, and at most 2^32.
func ClampRate(perMinute int) int64 { return max(1, min(int64(perMinute), perMinuteMax)) }

// Take grants up to the sends wanted at now, in microseconds since 1970, and returns the state after; see [ClampRate]
// for rates out of bounds. A now before the meter's is that of another process, whose clock is behind: it drains
// nothing. When it is more than a second before, though, the meter's clock was wrong, and its time is set back, so
// that a process whose clock ran ahead cannot shut an endpoint for long.
func (m Meter) Take(now int64, perMinute, want int) (Meter, Grant) {
	rate := ClampRate(perMinute)
	full := max(rate*second, perSend)
	if m.At > now+second {
		m.At = now
	}
	elapsed := min(max(0, now-m.At), perSend)
	// A rate that was lowered meanwhile counts at most one burst.
	m.Level = max(0, min(m.Level, full)-min(elapsed*rate, full))
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
