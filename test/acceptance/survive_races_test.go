//go:build faults

package acceptance_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestSurvivesOperatorsRacingWithDeliveries pauses, resumes and deletes endpoints, and has one answer 410, at random
// moments while thousands of events go to each. What is open gets everything once; nothing begins at a closed endpoint;
// and what does not arrive says why.
func TestSurvivesOperatorsRacingWithDeliveries(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	h := stormy(t, allServices)
	paused, deleted := h.Endpoints[0], h.Subscribe("deleted", h.taking(refusingOnce(5)))
	gone := h.Subscribe("gone", h.taking(func(p *post) reply {
		if p.Attempt == 1 && refusingOnce(50)(p).Status != 0 {
			return reply{Status: http.StatusGone}
		}
		return reply{}
	}))
	all := h.Start()
	const direct, brokered = 1200, 800
	tr := h.Produce(all, direct, brokered)
	h.rise(1000)
	var closed []window
	var deletedAt time.Time
	for round := range 6 {
		h.Moment(random, 200)
		require.GreaterOrEqual(t, h.UnderWay(), thousands, "the operators come when the storm is over")
		h.SetStatus(paused, webhook.EndpointPaused)
		w := window{From: h.now()}
		h.Receiver.WaitWithin(stormPatience, nil, len(h.Receiver.All(nil))+50) // the others go on
		elapse(t, time.Second)
		w.To = h.now()
		h.SetStatus(paused, webhook.EndpointActive)
		closed = append(closed, w)
		h.SetStatus(gone, webhook.EndpointActive) // whatever 410 has made of it
		if round == 0 {
			h.SetStatus(deleted, webhook.EndpointDeleted)
			deletedAt = h.now()
		}
	}
	h.ebb()
	tr.Work.Wait()
	wait(t, stormPatience, "every event is stored", func() bool { return h.Stored() == direct+brokered })
	wait(t, stormPatience, "every delivery has ended", func() bool {
		h.SetStatus(gone, webhook.EndpointActive)
		return h.UnderWay() == 0
	})

	// Those two end otherwise too; everybody else is accounted for as ever.
	h.Endpoints = slices.DeleteFunc(h.Endpoints, func(e *endpoint) bool { return e == deleted || e == gone })
	h.surviveUninterrupted(tr, 0)
	for _, w := range closed {
		h.requireNoneBegun(paused, w)
	}
	h.requireNoneBegun(deleted, window{From: deletedAt, To: h.now()})
	rows := h.Deliveries()
	posts := h.PostsByDelivery(rows)
	ends := map[string]int{}
	for key, row := range rows {
		if key.Endpoint != deleted.ID && key.Endpoint != gone.ID {
			continue
		}
		got := successes(posts[key])
		require.LessOrEqual(t, got-1, row.Unknown, "a POST that nobody explains: %+v", row)
		require.Equal(t, got > 0, row.State == string(webhook.StateSucceeded), "%+v", row)
		ends[row.State]++
		if row.State == string(webhook.StateExhausted) {
			last := posts[key][len(posts[key])-1]
			require.Equal(t, http.StatusGone, last.Status, "it is given up for no reason: %+v", row)
		}
	}
	t.Logf("of the deleted and the gone endpoint's deliveries, %v", ends)
	require.Positive(t, ends[string(webhook.StateCancelled)])
	require.Positive(t, ends[string(webhook.StateExhausted)])
}

// now is the database's time.
func (h *stormed) now() (at time.Time) {
	h.T.Helper()
	require.NoError(h.T, h.SQL.QueryRow(h.T.Context(), "SELECT clock_timestamp()").Scan(&at))
	return at
}

// requireNoneBegun checks that no attempt at an endpoint began while it was closed. A claim that was under way when it
// was closed may still have committed, so the beginning is left out.
func (h *stormed) requireNoneBegun(e *endpoint, w window) {
	h.T.Helper()
	const underWay = 500 * time.Millisecond
	require.Zero(h.T, h.Count(`SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
		WHERE d.endpoint_id = $1 AND a.outcome <> 'unsent' AND a.started_at BETWEEN $2 AND $3`,
		e.ID, w.From.Add(underWay), w.To), "attempts at %s, which was closed from %s to %s", e.Name, w.From, w.To)
}
