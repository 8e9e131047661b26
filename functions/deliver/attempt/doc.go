// Package attempt is the step of deliver: it turns hints into signed POSTs, each on record before it leaves.
//
// The way of a delivery: a hint names it → slots are taken (slots.go) and the gate asked → the claim commits the
// attempt's number, start and lease (claim.go) → one POST → its outcome decides what comes next → both are recorded in
// one group commit (deliver.go). What finds no slot is not put back row by row: its endpoint is marked as having work,
// and as slots free the endpoint's oldest due deliveries are pulled (pull.go). What accepts in the same process may
// take slots too, and claim first attempts as it stores them (begin.go).
//
// It promises that nothing is sent without a claim that covers the whole attempt, that an endpoint, a tenant and a host
// have a bounded share of the slots, and that Close waits for what is under way. It never decides by the process's
// own clock whether something is due: the claim does, by the store's. It never imports a back end.
package attempt
