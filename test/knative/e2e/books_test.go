//go:build e2e

package e2e_test

import (
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/test/homingtest"
)

// books is what was accepted against what arrived.
type books struct {
	accepted, expected int // events; deliveries that were to succeed
	lost               int // deliveries without a POST that was answered with success
	duplicates         int // such POSTs beyond the first
	// bound is how many duplicates the records explain: attempts whose outcome never came back, and those that failed
	// after the request had been sent.
	bound int
	// first is when each delivery first succeeded, by webhook-id; events are the ids of Homing, by those of producers.
	first  map[string]time.Time
	events map[string]webhook.ID
}

// settle waits until every delivery of the tenant has ended, and checks that nothing was lost, and nothing repeated
// beyond what the records explain.
func (c *cluster) settle(within time.Duration, endpoints []endpoint, all ...sent) books {
	c.t.Helper()
	var ids []string
	for _, s := range all {
		for _, a := range s.Accepted {
			ids = append(ids, a.ID)
		}
	}
	require.NotEmpty(c.t, ids)
	c.wait(within, "every accepted event is stored and every delivery has ended", func() bool {
		return c.count("SELECT count(*) FROM events WHERE tenant = $1 AND ce_id = ANY($2)", c.tenant, ids) == len(ids) &&
			c.count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL AND tenant = $1", c.tenant) == 0
	})
	for what, query := range homingtest.Invariants() {
		require.Zero(c.t, c.count(query), what)
	}
	b := c.account(ids, endpoints)
	require.Zero(c.t, b.lost, "lost: %+v", b)
	require.LessOrEqual(c.t, b.duplicates, b.bound, "more POSTs than the records explain")
	return b
}

// account keeps the books.
func (c *cluster) account(ids []string, endpoints []endpoint) books {
	c.t.Helper()
	b := books{
		accepted: len(ids), expected: len(ids) * len(endpoints),
		first: make(map[string]time.Time), events: c.stored(ids),
	}
	unknown := c.unknown(ids)
	successes := make(map[string]int)
	for _, p := range c.agent.all(c.t) {
		require.NotEqual(c.t, 401, p.Status, "a POST to %s is not signed as it must be", p.Hook)
		if p.Status/100 == 2 {
			if successes[p.ID]++; successes[p.ID] == 1 {
				b.first[p.ID] = p.At
			}
		}
	}
	for _, id := range ids {
		for _, e := range endpoints {
			message := webhook.MessageID(b.events[id], e.id)
			if successes[message] == 0 {
				b.lost++
				continue
			}
			b.duplicates += successes[message] - 1
			b.bound += unknown[message]
			require.LessOrEqual(c.t, successes[message]-1, unknown[message], "POSTs of %s", message)
		}
	}
	return b
}

// stored returns the ids of the events.
func (c *cluster) stored(ids []string) map[string]webhook.ID {
	rows, err := c.sql.Query(c.t.Context(), "SELECT ce_id, id FROM events WHERE tenant = $1 AND ce_id = ANY($2)",
		c.tenant, ids)
	require.NoError(c.t, err)
	events := make(map[string]webhook.ID)
	var name string
	var id [16]byte
	_, err = pgx.ForEachRow(rows, []any{&name, &id}, func() error {
		require.NotContains(c.t, events, name, "an event is stored twice")
		events[name] = id
		return nil
	})
	require.NoError(c.t, err)
	return events
}

// unknown counts, by webhook-id, the attempts that may have succeeded at the receiver without Homing knowing.
func (c *cluster) unknown(ids []string) map[string]int {
	rows, err := c.sql.Query(c.t.Context(), `
		SELECT d.event_id, d.endpoint_id, d.interruptions
			+ count(*) FILTER (WHERE a.outcome = ANY($3)) - count(*) FILTER (WHERE a.outcome = 'unsent')
		FROM events e JOIN deliveries d ON d.event_id = e.id LEFT JOIN attempts a ON a.delivery_id = d.id
		WHERE e.tenant = $1 AND e.ce_id = ANY($2) GROUP BY d.id, d.event_id, d.endpoint_id, d.interruptions`,
		c.tenant, ids,
		[]string{string(webhook.OutcomeTimeout), string(webhook.OutcomeProtocol), string(webhook.OutcomeConnect)})
	require.NoError(c.t, err)
	unknown := make(map[string]int)
	var event, to [16]byte
	var n int
	_, err = pgx.ForEachRow(rows, []any{&event, &to, &n}, func() error {
		unknown[webhook.MessageID(event, to)] = n
		return nil
	})
	require.NoError(c.t, err)
	return unknown
}
