// Package backoff decides what becomes of a delivery after an attempt: whether it is over, and if not, when it is
// tried again.
//
// It owns schedules (their bounds and text form), the waiting time before the next attempt, and [Decide]. It promises
// to be pure: what is random comes in as a number, what is time comes in as a duration. A wait is never shorter than
// the schedule's step, nor than what Retry-After asked for; jitter only adds to it, so that what failed together does
// not come back together. It never sends, stores or sets a timer.
package backoff
