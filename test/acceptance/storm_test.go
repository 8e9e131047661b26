//go:build faults

package acceptance_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/test/homingtest"
)

// The storms take minutes, so they are built with the tag faults only (`make test-faults`), and their names begin with
// TestSurvives.

const (
	stormPatience = homingtest.StormPatience
	// latency is how long the endpoints take: 300 POSTs a second at most, whatever the machine can do, so that what is
	// accepted piles up, and thousands are left when the last of several faults strikes.
	latency = 100 * time.Millisecond
	// thousands is how many deliveries are under way, at the least, when a fault strikes.
	thousands = 2000
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
	taking        = homingtest.Taking
)

// stormy makes an installation that a storm may go over.
func stormy(t testing.TB, s homingtest.Services, settings ...string) *installation {
	t.Helper()
	return &installation{homingtest.Stormy(t, s, latency, settings...)}
}

// rise waits until so many more deliveries are under way than must be when the faults strike.
func (h *installation) rise(more int) {
	h.T.Helper()
	wait(h.T, stormPatience, "thousands of deliveries are under way", func() bool {
		return h.UnderWay() >= thousands+more
	})
}

// strike has a fault come while thousands of deliveries are under way.
func (h *installation) strike(tr *traffic, fault func()) {
	h.T.Helper()
	underWay := h.UnderWay()
	h.T.Logf("the fault strikes at %d deliveries under way", underWay)
	require.GreaterOrEqual(h.T, underWay, thousands, "the fault comes when the storm is over")
	tr.During(fault)
}

// gust has more events come, and lets a random moment pass, so that the fault finds some of them being accepted.
func (h *installation) gust(tr *traffic, random *rand.Rand, name string) {
	h.T.Helper()
	h.More(tr, name, 80, 40)
	h.Moment(random, 1)
}

// surviveUninterrupted is Survive where deliver and Postgres lived through it all: then nothing has ended an attempt
// but its outcome, or its process that did not send it. (A database that dies may take the answer to a claim with it.)
func (h *installation) surviveUninterrupted(tr *traffic, wiped int) {
	h.T.Helper()
	h.Survive(tr, wiped)
	require.Zero(h.T, h.Count(`SELECT count(*) FROM deliveries d WHERE d.interruptions >
		(SELECT count(*) FROM attempts a WHERE a.delivery_id = d.id AND a.outcome = 'unsent')`),
		"leases were ended of attempts whose process lived")
}
