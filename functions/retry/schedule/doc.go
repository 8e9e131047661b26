// Package schedule is the step of retry: it keeps time. It sets timers for deliveries that are due soon and fires them
// as hints (timers.go), works on jobs chunk by chunk (jobs.go), and on every tick repairs what hints and timers lost,
// drains what was parked and keeps house (tick.go), counts what was recorded, and tells those who want to know what
// went wrong (tell.go).
//
// It promises that a timer's hint is out before the timer is gone, that what the reconciler found is committed before
// it is said, and that no lease is ended while outcomes may still be on their way to a store that was away. It never
// decides what happens to a delivery: that is webhook.Policy.Reconcile, inside the store's transaction. It never
// imports a back end, and it may be run by any number of processes at once.
package schedule
