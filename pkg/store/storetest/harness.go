package storetest

import (
	"testing"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Harness is a store under test, with what the suite must be able to do to it.
type Harness struct {
	Store store.Store
	// Policy and DedupeWindow are what the store was opened with. webhook.DefaultPolicy and 24 h are right for Run; Replay
	// asks for ReplayPolicy and ReplayWindow. Durations under ten seconds would make the suite depend on the machine's
	// speed.
	Policy       webhook.Policy
	DedupeWindow time.Duration
	// Pass lets d pass on the store's clock, as far as anybody can tell by what is stored. See the package comment.
	Pass func(tb testing.TB, d time.Duration)

	// SetUnavailable cuts the store off from its back end, and brings it back. nil: this back end cannot be cut off, and
	// those tests are not there.
	SetUnavailable func(tb testing.TB, off bool)
	// SpoilSecret makes a stored secret one that cannot be opened. nil: this back end does not seal secrets.
	SpoilSecret func(tb testing.TB, tenant string, secret webhook.ID)
}

// Open opens an empty store for one test, and closes it when the test ends.
type Open func(tb testing.TB) Harness

// test is one behaviour; each gets a store of its own.
type test struct {
	name string
	run  func(t *testing.T, b *bundle)
}

// Run holds a back end to the contract.
func Run(t *testing.T, open Open) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"Accept", acceptTests},
		{"AcceptConcurrently", acceptConcurrentTests},
		{"AcceptAndBegin", beginTests},
		{"Authenticate", keyTests},
		{"Reject", rejectTests},
		{"Directory", directoryTests},
		{"Manage", manageTests},
		{"EventTypes", eventTypeTests},
		{"Payload", payloadTests},
		{"Redrive", redriveTests},
		{"Notes", noteTests},
		{"Isolation", isolationTests},
		{"Claim", claimTests},
		{"ClaimConcurrently", claimConcurrentTests},
		{"Record", recordTests},
		{"Reconcile", reconcileTests},
		{"Wake", wakeTests},
		{"Browse", browseTests},
		{"Jobs", jobTests},
		{"Erase", eraseTests},
		{"Housekeep", housekeepTests},
		{"Insight", insightTests},
		{"Notices", noticesTests},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			each(t, open, group.tests)
		})
	}
	t.Run("Faults", func(t *testing.T) {
		t.Parallel()
		runFaults(t, open)
	})
}

// each runs tests in parallel, and checks the invariants of what each leaves behind.
func each(t *testing.T, open Open, tests []test) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, open)
			t.Cleanup(func() { CheckInvariants(t, b.Store) })
			test.run(t, b)
		})
	}
}
