package acceptance_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// balance is what the accountant found.
type balance struct {
	Expected   int // deliveries of accepted events that were to succeed
	Lost       int // those of which no POST was answered with success
	Duplicates int // POSTs answered with success beyond the first of a delivery
	// Bound is how many duplicates the records explain: attempts whose outcome never came back (POSTs in flight at a
	// crash, leases that ran out), and those that failed after the request had been sent.
	Bound int
	// Never is how many events were never stored that a broker had taken.
	Never int
}

// settle waits until every accepted event is stored and every delivery has ended, then checks that the database holds
// nothing that must never be there, and that what was received is what was accepted.
func (h *installation) settle(p *producer) balance {
	h.t.Helper()
	h.settleWithin(patience, p)
	b := h.account(p)
	require.Zero(h.t, b.Lost+b.Never, "lost: %+v", b)
	require.LessOrEqual(h.t, b.Duplicates, b.Bound, "more POSTs than the records explain: %+v", b)
	return b
}

// settleWithin waits until every accepted event is stored and every delivery has ended.
func (h *installation) settleWithin(within time.Duration, p *producer) {
	h.t.Helper()
	wait(h.t, within, "every accepted event is stored and every delivery has ended", func() bool {
		return h.count("SELECT count(*) FROM events WHERE origin IS NULL") >= len(p.accepted) &&
			h.count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL") == 0
	})
}

// count returns the number that a query gives.
func (h *installation) count(query string, args ...any) (n int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(h.t, h.sql.QueryRow(ctx, query, args...).Scan(&n), query)
	return n
}

// account checks the books.
func (h *installation) account(p *producer) balance {
	h.t.Helper()
	h.checkInvariants()
	ids := h.storedIDs(p)
	rows := h.deliveries()
	posts := h.postsByDelivery(rows)
	var b balance
	for _, a := range p.accepted {
		id, stored := ids[a.cloudEvent.id]
		if !stored { // a broker had it: see storedIDs
			b.Never++
			continue
		}
		for _, e := range h.endpoints {
			key := deliveryKey{id, e.ID}
			row, stored := rows[key]
			if e.wants != nil && !e.wants(a.cloudEvent) {
				require.False(h.t, stored, "%s is not for %s", a.cloudEvent.id, e.name)
				continue
			}
			require.True(h.t, stored, "%s is for %s, and has no delivery", a.cloudEvent.id, e.name)
			b.Expected++
			got := successes(posts[key])
			if got == 0 {
				b.Lost++
			} else {
				b.Duplicates += got - 1
			}
			b.Bound += row.unknown
			require.LessOrEqual(h.t, got-1, row.unknown, "%s to %s: %+v", a.cloudEvent.id, e.name, row)
			require.Equal(h.t, got > 0, row.state == string(webhook.StateSucceeded), "%s to %s is %s after %d successes",
				a.cloudEvent.id, e.name, row.state, got)
		}
	}
	return b
}

// storedIDs returns Homing's ids of the accepted events, and checks that they are those of the receipts. Those that
// only a broker has answered for may be missing.
func (h *installation) storedIDs(p *producer) map[string]webhook.ID {
	h.t.Helper()
	rows, err := h.sql.Query(h.t.Context(), "SELECT ce_id, id FROM events WHERE origin IS NULL")
	require.NoError(h.t, err)
	ids := make(map[string]webhook.ID)
	var ceID string
	var id [16]byte
	_, err = pgx.ForEachRow(rows, []any{&ceID, &id}, func() error {
		require.NotContains(h.t, ids, ceID, "an event is stored twice")
		ids[ceID] = id
		return nil
	})
	require.NoError(h.t, err)
	for name, a := range p.accepted {
		if a.taken.IsZero() {
			require.Contains(h.t, ids, name, "an accepted event is not stored")
			require.Equal(h.t, a.id, ids[name], "the receipt's id of %s", name)
		}
	}
	return ids
}

// deliveryKey is an event, by the id that receivers know it by, and an endpoint.
type deliveryKey struct{ event, endpoint webhook.ID }

func (k deliveryKey) messageID() string { return webhook.MessageID(k.event, k.endpoint) }

// deliveryRow is what the database says about a delivery that is no replay.
type deliveryRow struct {
	id       webhook.ID
	state    string
	attempts map[int]attemptRow
	unknown  int // attempts that may have succeeded at the receiver without Homing knowing
}

type attemptRow struct {
	outcome string
	started time.Time
}

func (h *installation) deliveries() map[deliveryKey]deliveryRow {
	h.t.Helper()
	rows, err := h.sql.Query(h.t.Context(), `
		SELECT d.id, d.event_id, d.endpoint_id, d.state::text, d.interruptions,
			coalesce(a.attempt_no, 0), coalesce(a.outcome, ''), coalesce(a.started_at, 'epoch')
		FROM deliveries d LEFT JOIN attempts a ON a.delivery_id = d.id
		WHERE d.replay_of IS NULL`)
	require.NoError(h.t, err)
	all := make(map[deliveryKey]deliveryRow)
	var id, event, endpoint [16]byte
	var state string
	var interruptions, number int
	var a attemptRow
	_, err = pgx.ForEachRow(rows, []any{&id, &event, &endpoint, &state, &interruptions, &number, &a.outcome, &a.started},
		func() error {
			key := deliveryKey{event, endpoint}
			row, known := all[key]
			if !known {
				row = deliveryRow{id: id, state: state, attempts: make(map[int]attemptRow), unknown: interruptions}
			}
			switch webhook.Outcome(a.outcome) {
			case webhook.OutcomeUnsent:
				row.unknown-- // an interruption in which nothing was sent
			case webhook.OutcomeTimeout, webhook.OutcomeProtocol, webhook.OutcomeConnect:
				row.unknown++
			}
			if number > 0 {
				row.attempts[number] = a
			}
			all[key] = row
			return nil
		})
	require.NoError(h.t, err)
	return all
}

// postsByDelivery sorts the POSTs that are no replays, and checks that each is the only one of its attempt, and is on
// record: as an attempt that was claimed before it arrived, and that is not said to be unsent.
func (h *installation) postsByDelivery(rows map[deliveryKey]deliveryRow) map[deliveryKey][]*post {
	h.t.Helper()
	const sameClock = 50 * time.Millisecond // between Postgres and this process, on one machine
	keys := make(map[string]deliveryKey, len(rows))
	for key := range rows {
		keys[key.messageID()] = key
	}
	sorted := make(map[deliveryKey][]*post)
	seen := make(map[string]bool)
	for _, p := range h.receiver.all(nil) {
		if p.replay != "" {
			continue
		}
		key, known := keys[p.id]
		require.True(h.t, known, "a POST of no delivery: %s", p.id)
		attempt := fmt.Sprint(p.id, " ", p.attempt)
		require.False(h.t, seen[attempt], "attempt %d of %s is used twice", p.attempt, p.id)
		seen[attempt] = true
		record, ok := rows[key].attempts[p.attempt]
		require.True(h.t, ok, "attempt %d of %s was made and is not on record", p.attempt, p.id)
		require.NotEqual(h.t, string(webhook.OutcomeUnsent), record.outcome, "attempt %d of %s was sent", p.attempt, p.id)
		require.False(h.t, record.started.After(p.at.Add(sameClock)), "attempt %d of %s arrived at %s, claimed at %s",
			p.attempt, p.id, p.at, record.started)
		sorted[key] = append(sorted[key], p)
	}
	return sorted
}

func successes(posts []*post) (n int) {
	for _, p := range posts {
		if p.status/100 == 2 {
			n++
		}
	}
	return n
}

// invariants are queries that must find nothing, at any time.
var invariants = map[string]string{
	"a delivery that has ended is to be woken, or one that has not is forgotten": `
		SELECT count(*) FROM deliveries
		WHERE (state IN ('succeeded', 'exhausted', 'cancelled')) <> (wake_at IS NULL)`,
	"a lease without an attempt, or an attempt without a lease": `
		SELECT count(*) FROM deliveries WHERE (state = 'attempting') <> (lease_until IS NOT NULL)`,
	"an attempt is on record that was never claimed": `
		SELECT count(*) FROM attempts a LEFT JOIN deliveries d ON d.id = a.delivery_id
		WHERE d.id IS NULL OR a.attempt_no NOT BETWEEN 1 AND d.attempt_no`,
	"an attempt is missing from the record": `
		SELECT count(*) FROM deliveries d
		WHERE d.state <> 'attempting'
			AND d.attempt_no <> (SELECT count(*) FROM attempts a WHERE a.delivery_id = d.id)`,
	"a delivery succeeded without an attempt that did": `
		SELECT count(*) FROM deliveries d
		WHERE d.state = 'succeeded'
			AND NOT EXISTS (SELECT FROM attempts a WHERE a.delivery_id = d.id AND a.outcome = 'success')`,
	"an end has no reason, or a success has one": `
		SELECT count(*) FROM deliveries
		WHERE (state IN ('exhausted', 'cancelled')) <> (coalesce(reason, '') <> '')`,
}

// overtaken finds attempts that began although an earlier one had succeeded and its lease had not run out.
const overtaken = `
	SELECT count(*)
	FROM attempts won
	JOIN attempts later ON later.delivery_id = won.delivery_id AND later.attempt_no > won.attempt_no
	WHERE won.outcome = 'success' AND later.outcome <> 'unsent' AND later.started_at < won.started_at + $1::interval`

func (h *installation) checkInvariants() {
	h.t.Helper()
	for what, query := range invariants {
		require.Zero(h.t, h.count(query), what)
	}
	// The lease counts from the claim, a little before the start on record; its margin covers that.
	require.Zero(h.t, h.count(overtaken, h.config().WebhookPolicy().Timeout), "an attempt after a success was recorded")
}
