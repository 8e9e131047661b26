// Package simulation runs the whole protocol of deliveries (accept, hint, claim, send, record, decide, timer, tick,
// reconcile) thousands of times a second in simulated time, with every fault that it must survive, and checks after
// every step that nothing accepted is lost and nothing is sent that must not be.
//
// It owns a scheduler that steps actors from one goroutine, in an order that is a function of a seed, and an oracle
// that keeps its own account of what may happen. The actor of retry runs functions/retry/schedule itself, as coroutines
// that wait at each seam for their turn (thread_test.go). Those of ingest and deliver do, one effect a step, what
// functions/ingest/accept and functions/deliver/attempt do with goroutines; each part says which function it mirrors.
// In half of the seeds a process is both, as in `homing serve`, and begins first attempts as it accepts.
// Store, timers, the policy, the decision after an attempt and the division of hints are the real ones: store/memory,
// timer/memory, webhook.Policy, backoff.Decide and wire.Split.
//
// It promises that a seed gives one timeline, to the byte: a failure prints the seed and its timeline, and
//
//	go test ./test/simulation -run TestSimulation -seed=123 -v
//
// shows it again. It never reads a clock or random numbers but the seed's (the random tails of replays' ids decide
// nothing and are never printed), and nothing within a simulation runs at the same time as anything else. Mutants, each
// a protocol with one guard taken out, prove that the oracle sees what it is there for.
//
// What the simulation did to its store is done to Postgres as well, at exactly the same times, for the replayed store
// sees a clock that the test sets (replay_test.go): every answer, and what is stored after every operation, must be the
// same, so that the store in memory cannot be right alone. Mutants of the statements prove that this sees what is wrong
// with them; they are planted on the way to the server (statements_test.go).
//
// Why it is made like this, and what it does not see, is in docs/decisions/0007-simulation.md.
package simulation
