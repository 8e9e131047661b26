//go:build faults

package acceptance_test

import (
	"testing"

	"github.com/homing-hooks/homing/test/homingtest"
)

// The storms take minutes, so they are built with the tag faults only (`make test-faults`), and their names begin with
// TestSurvives.

const (
	stormPatience = homingtest.StormPatience
	latency       = homingtest.Latency
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
	return &installation{homingtest.Stormy(t, s, settings...)}
}
