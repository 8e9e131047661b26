package timer

import "time"

// maxMicros is the last microsecond that a float64, Redis's score, holds exactly: in the year 2255. What is later
// counts as this, what is before 1970 as 0.
const maxMicros = 1 << 53

// DueMicros is how back ends keep the moment that an entry was set for: microseconds since 1970, rounded up to an even
// number, so that nothing is claimed early. Ends of leases are odd; see [LeaseMicros].
func DueMicros(due time.Time) int64 {
	micros := due.UnixMicro()
	if due.Nanosecond()%1000 != 0 {
		micros++
	}
	micros = max(0, min(micros, maxMicros))
	return (micros + 1) &^ 1
}

// LeaseMicros is how back ends keep the end of a lease: microseconds since 1970, rounded up to an odd number. So no
// moment that an entry is set for is ever taken for the end of a lease, and Done, which compares moments, leaves what
// was set anew even when it was set for the very microsecond at which the lease ends.
func LeaseMicros(now time.Time, lease time.Duration) int64 {
	return max(0, min(now.Add(lease).UnixMicro(), maxMicros-1)) | 1
}

// Moment is the time of a number of microseconds, as [Entry] has it.
func Moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
