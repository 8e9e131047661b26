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
// moments while a thousand events go to each. What is open gets everything once; nothing begins at a closed endpoint;
// and what does not arrive says why.
func TestSurvivesOperatorsRacingWithDeliveries(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	h := stormy(t, allServices)
	paused, deleted := h.endpoints[0], h.subscribe("deleted", taking(latency, refusingOnce(5)))
	gone := h.subscribe("gone", taking(latency, func(p *post) reply {
		if p.attempt == 1 && refusingOnce(50)(p).status != 0 {
			return reply{status: http.StatusGone}
		}
		return reply{}
	}))
	all := h.start()
	tr := h.produce(all, 800, 400)
	h.halfway(tr, 200)
	var closed []window
	var deletedAt time.Time
	for round := range 6 {
		h.moment(random, 200)
		h.setStatus(paused, webhook.EndpointPaused)
		w := window{from: h.now()}
		h.receiver.waitWithin(stormPatience, nil, min(len(h.receiver.all(nil))+50, 1200)) // the others go on
		elapse(t, time.Second)
		w.to = h.now()
		h.setStatus(paused, webhook.EndpointActive)
		closed = append(closed, w)
		h.setStatus(gone, webhook.EndpointActive) // whatever 410 has made of it
		if round == 0 {
			h.setStatus(deleted, webhook.EndpointDeleted)
			deletedAt = h.now()
		}
	}
	tr.work.Wait()
	wait(t, stormPatience, "every event is stored", func() bool { return h.count("SELECT count(*) FROM events") == 1200 })
	wait(t, stormPatience, "every delivery has ended", func() bool {
		h.setStatus(gone, webhook.EndpointActive)
		return h.underWay() == 0
	})

	// Those two end otherwise too; everybody else is accounted for as ever.
	h.endpoints = slices.DeleteFunc(h.endpoints, func(e *endpoint) bool { return e == deleted || e == gone })
	h.survive(tr, 0)
	for _, w := range closed {
		h.requireNoneBegun(paused, w)
	}
	h.requireNoneBegun(deleted, window{deletedAt, h.now()})
	rows := h.deliveries()
	posts := h.postsByDelivery(rows)
	ends := map[string]int{}
	for key, row := range rows {
		if key.endpoint != deleted.ID && key.endpoint != gone.ID {
			continue
		}
		got := successes(posts[key])
		require.LessOrEqual(t, got-1, row.unknown, "a POST that nobody explains: %+v", row)
		require.Equal(t, got > 0, row.state == string(webhook.StateSucceeded), "%+v", row)
		ends[row.state]++
		if row.state == string(webhook.StateExhausted) {
			last := posts[key][len(posts[key])-1]
			require.Equal(t, http.StatusGone, last.status, "it is given up for no reason: %+v", row)
		}
	}
	t.Logf("of the deleted and the gone endpoint's deliveries, %v", ends)
	require.Positive(t, ends[string(webhook.StateCancelled)])
	require.Positive(t, ends[string(webhook.StateExhausted)])
}

// now is the database's time.
func (h *installation) now() (at time.Time) {
	h.t.Helper()
	require.NoError(h.t, h.sql.QueryRow(h.t.Context(), "SELECT clock_timestamp()").Scan(&at))
	return at
}

// requireNoneBegun checks that no attempt at an endpoint began while it was closed. A claim that was under way when it
// was closed may still have committed, so the beginning is left out.
func (h *installation) requireNoneBegun(e *endpoint, w window) {
	h.t.Helper()
	const underWay = 500 * time.Millisecond
	require.Zero(h.t, h.count(`SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
		WHERE d.endpoint_id = $1 AND a.outcome <> 'unsent' AND a.started_at BETWEEN $2 AND $3`,
		e.ID, w.from.Add(underWay), w.to), "attempts at %s, which was closed from %s to %s", e.name, w.from, w.to)
}
