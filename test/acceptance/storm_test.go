//go:build faults

package acceptance_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/test/homingtest"
)

// The storms take minutes, so they are built with the tag faults only (`make test-faults`), and their names begin with
// TestSurvives.

const (
	stormPatience = homingtest.StormPatience
	// thousands is how many deliveries are under way, at the least, when a fault strikes.
	thousands = 2000
	// rising is how long the endpoints take until the last fault has struck: 60 POSTs a second, so that what is accepted
	// piles up on the slowest machine, and thousands are left for the last of several faults.
	rising = time.Second
	// ebbing is how long they take then: 600 POSTs a second.
	ebbing = 100 * time.Millisecond
)

type (
	traffic = homingtest.Traffic
	window  = homingtest.Window
)

var (
	elapse        = homingtest.Elapse
	refusingOnce  = homingtest.RefusingOnce
	seeded        = homingtest.Seeded
	stormSettings = homingtest.StormSettings
)

// stormed is an installation that a storm goes over.
type stormed struct {
	*installation
	ebbs atomic.Bool
}

// stormy makes an installation that a storm may go over, with the endpoints of the storms.
func stormy(t testing.TB, s homingtest.Services, settings ...string) *stormed {
	t.Helper()
	h := &stormed{installation: install(t, s, stormSettings(settings)...)}
	h.SubscribeForStorm(h.latency)
	return h
}

// latency is how long the endpoints take now.
func (h *stormed) latency() time.Duration {
	if h.ebbs.Load() {
		return ebbing
	}
	return rising
}

// taking has a script's answers take as long as the storm has them take.
func (h *stormed) taking(s homingtest.Script) homingtest.Script {
	return homingtest.Taking(h.latency, s)
}

// rise waits until so many more deliveries are under way than must be when the faults strike.
func (h *stormed) rise(more int) {
	h.T.Helper()
	wait(h.T, stormPatience, "thousands of deliveries are under way", func() bool {
		return h.UnderWay() >= thousands+more
	})
}

// strike has a fault come while thousands of deliveries are under way.
func (h *stormed) strike(tr *traffic, fault func()) {
	h.T.Helper()
	underWay := h.UnderWay()
	h.T.Logf("the fault strikes at %d deliveries under way", underWay)
	require.GreaterOrEqual(h.T, underWay, thousands, "the fault comes when the storm is over")
	tr.During(fault)
}

// gust has more events come, and lets a random moment pass, so that the fault finds some of them being accepted.
func (h *stormed) gust(tr *traffic, random *rand.Rand, name string) {
	h.T.Helper()
	h.More(tr, name, 80, 40)
	h.Moment(random, 1)
}

// ebb has the endpoints be quick from now on: the last fault has struck.
func (h *stormed) ebb() { h.ebbs.Store(true) }

// survive lets the storm ebb away, and checks the books.
func (h *stormed) survive(tr *traffic, wiped int) {
	h.T.Helper()
	h.ebb()
	h.Survive(tr, wiped)
}

// surviveUninterrupted is survive where deliver and Postgres lived through it all: then nothing has ended an attempt
// but its outcome, or its process that did not send it. (A database that dies may take the answer to a claim with it.)
func (h *stormed) surviveUninterrupted(tr *traffic, wiped int) {
	h.T.Helper()
	h.survive(tr, wiped)
	require.Zero(h.T, h.Count(`SELECT count(*) FROM deliveries d WHERE d.interruptions >
		(SELECT count(*) FROM attempts a WHERE a.delivery_id = d.id AND a.outcome = 'unsent')`),
		"leases were ended of attempts whose process lived")
}
