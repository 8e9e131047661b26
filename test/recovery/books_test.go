//go:build faults

package recovery_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/test/homingtest"
)

// rows is what a database says about its deliveries.
type rows = map[homingtest.DeliveryKey]homingtest.DeliveryRow

// books compares what receivers got, before the disaster and after it, with two records: the one that was lost, and the
// one that came back.
type books struct {
	died, known rows
	posted      int // POSTs before the disaster
}

// check holds that each of the events that came back has reached every endpoint, that nothing was sent again
// whose success had come back, and that what came twice is what the lost record says was sent after the point.
func (b books) check(t *testing.T, h *homingtest.Installation, events int) {
	t.Helper()
	all := h.Receiver.All(nil)
	successes, afterwards := make(map[string]int), make(map[string]int)
	for i, p := range all {
		if p.Status/100 == 2 {
			successes[p.ID]++
		}
		if i >= b.posted {
			afterwards[p.ID]++
		}
	}
	now := h.Deliveries()
	require.Zero(t, events*len(h.Endpoints)-len(now), "deliveries are missing")
	twice, explained := 0, 0
	for key, row := range now {
		id := key.MessageID()
		require.Equal(t, string(webhook.StateSucceeded), row.State, id)
		require.Positive(t, successes[id], "%s was accepted before the point and is not delivered", id)
		if b.known[key].State == string(webhook.StateSucceeded) {
			require.Zero(t, afterwards[id], "%s was sent again although its success had come back", id)
		}
		forgotten := b.died[key].Sent() - b.known[key].Sent() // attempts after the point
		require.LessOrEqual(t, successes[id]-1, forgotten+row.Unknown, "%s came more often than the records explain", id)
		twice += successes[id] - 1
		explained += forgotten + row.Unknown
	}
	t.Logf("%d deliveries, none lost; %d came twice, of %d attempts that the restored record does not know",
		len(now), twice, explained)
}
