package homingtest

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Balance is what the accountant found.
type Balance struct {
	Expected   int // deliveries of accepted events that were to succeed
	Lost       int // those of which no POST was answered with success
	Duplicates int // POSTs answered with success beyond the first of a delivery
	// Bound is how many duplicates the records explain: attempts whose outcome never came back (POSTs in flight at a
	// crash, leases that ran out), and those that failed after the request had been sent.
	Bound int
	// Never is how many events were never stored that a broker had taken.
	Never int
}

// Settle waits until every accepted event is stored and every delivery has ended, then checks that the database holds
// nothing that must never be there, and that what was received is what was accepted.
func (h *Installation) Settle(p *Producer) Balance {
	h.T.Helper()
	h.SettleWithin(Patience, p)
	b := h.Account(p)
	require.Zero(h.T, b.Lost+b.Never, "lost: %+v", b)
	require.LessOrEqual(h.T, b.Duplicates, b.Bound, "more POSTs than the records explain: %+v", b)
	return b
}

// SettleWithin waits until every accepted event is stored and every delivery has ended.
func (h *Installation) SettleWithin(within time.Duration, p *Producer) {
	h.T.Helper()
	Wait(h.T, within, "every accepted event is stored and every delivery has ended", func() bool {
		return h.Stored() >= len(p.Accepted) &&
			h.Count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL") == 0
	})
}

// Count returns the number that a query gives.
func (h *Installation) Count(query string, args ...any) (n int) {
	h.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	require.NoError(h.T, h.SQL.QueryRow(ctx, query, args...).Scan(&n), query)
	return n
}

// Account checks the books.
func (h *Installation) Account(p *Producer) Balance {
	h.T.Helper()
	h.CheckInvariants()
	ids := h.storedIDs(p)
	rows := h.Deliveries()
	posts := h.PostsByDelivery(rows)
	var b Balance
	for _, a := range p.Accepted {
		id, stored := ids[a.ID]
		if !stored { // a broker had it: see storedIDs
			b.Never++
			continue
		}
		for _, e := range h.Endpoints {
			key := DeliveryKey{id, e.ID}
			row, stored := rows[key]
			if e.Wants != nil && !e.Wants(a.CloudEvent) {
				require.False(h.T, stored, "%s is not for %s", a.ID, e.Name)
				continue
			}
			require.True(h.T, stored, "%s is for %s, and has no delivery", a.ID, e.Name)
			b.Expected++
			got := Successes(posts[key])
			if got == 0 {
				b.Lost++
			} else {
				b.Duplicates += got - 1
			}
			b.Bound += row.Unknown
			require.LessOrEqual(h.T, got-1, row.Unknown, "%s to %s: %+v", a.ID, e.Name, row)
			require.Equal(h.T, got > 0, row.State == string(webhook.StateSucceeded), "%s to %s is %s after %d successes",
				a.ID, e.Name, row.State, got)
		}
	}
	return b
}

// storedIDs returns Homing's ids of the accepted events, and checks that they are those of the receipts. Those that
// only a broker has answered for may be missing.
func (h *Installation) storedIDs(p *Producer) map[string]webhook.ID {
	h.T.Helper()
	rows, err := h.SQL.Query(h.T.Context(), "SELECT ce_id, id FROM events WHERE origin IS NULL")
	require.NoError(h.T, err)
	ids := make(map[string]webhook.ID)
	var ceID string
	var id [16]byte
	_, err = pgx.ForEachRow(rows, []any{&ceID, &id}, func() error {
		if _, twice := ids[ceID]; twice { // NotContains would look at every key
			return fmt.Errorf("event %s is stored twice", ceID)
		}
		ids[ceID] = id
		return nil
	})
	require.NoError(h.T, err)
	for name, a := range p.Accepted {
		if a.taken.IsZero() {
			id, stored := ids[name]
			require.True(h.T, stored, "an accepted event is not stored: %s", name)
			require.Equal(h.T, a.id, id, "the receipt's id of %s", name)
		}
	}
	return ids
}

// DeliveryKey is an event, by the id that receivers know it by, and an endpoint.
type DeliveryKey struct{ event, Endpoint webhook.ID }

// MessageID is the webhook-id of the delivery.
func (k DeliveryKey) MessageID() string { return webhook.MessageID(k.event, k.Endpoint) }

// DeliveryRow is what the database says about a delivery that is no replay.
type DeliveryRow struct {
	id       webhook.ID
	State    string
	attempts map[int]attemptRow
	Unknown  int // attempts that may have succeeded at the receiver without Homing knowing
}

// Sent is how many POSTs the row knows of that may have left: recorded ones, and one under way.
func (r DeliveryRow) Sent() (n int) {
	for _, a := range r.attempts {
		if a.outcome != string(webhook.OutcomeUnsent) {
			n++
		}
	}
	if r.State == string(webhook.StateAttempting) {
		n++
	}
	return n
}

type attemptRow struct {
	outcome string
	started time.Time
}

// Deliveries returns what the database says about the deliveries that are no replays.
func (h *Installation) Deliveries() map[DeliveryKey]DeliveryRow {
	h.T.Helper()
	rows, err := h.SQL.Query(h.T.Context(), `
		SELECT d.id, d.event_id, d.endpoint_id, d.state::text, d.interruptions,
			coalesce(a.attempt_no, 0), coalesce(a.outcome, ''), coalesce(a.started_at, 'epoch')
		FROM deliveries d LEFT JOIN attempts a ON a.delivery_id = d.id
		WHERE d.replay_of IS NULL`)
	require.NoError(h.T, err)
	all := make(map[DeliveryKey]DeliveryRow)
	var id, event, endpoint [16]byte
	var state string
	var interruptions, number int
	var a attemptRow
	_, err = pgx.ForEachRow(rows, []any{&id, &event, &endpoint, &state, &interruptions, &number, &a.outcome, &a.started},
		func() error {
			key := DeliveryKey{event, endpoint}
			row, known := all[key]
			if !known {
				row = DeliveryRow{id: id, State: state, attempts: make(map[int]attemptRow), Unknown: interruptions}
			}
			switch webhook.Outcome(a.outcome) {
			case webhook.OutcomeUnsent:
				row.Unknown-- // an interruption in which nothing was sent
			case webhook.OutcomeTimeout, webhook.OutcomeProtocol, webhook.OutcomeConnect:
				row.Unknown++
			}
			if number > 0 {
				row.attempts[number] = a
			}
			all[key] = row
			return nil
		})
	require.NoError(h.T, err)
	return all
}

// sameClock is how far apart the same moment may be by the clocks of the receiver and of Postgres.
const sameClock = 10 * time.Millisecond

// PostsByDelivery sorts the POSTs that are no replays, and checks that each is the only one of its attempt, and is on
// record: as an attempt that was claimed before it arrived, and that is not said to be unsent.
func (h *Installation) PostsByDelivery(rows map[DeliveryKey]DeliveryRow) map[DeliveryKey][]*Post {
	h.T.Helper()
	keys := make(map[string]DeliveryKey, len(rows))
	for key := range rows {
		keys[key.MessageID()] = key
	}
	sorted := make(map[DeliveryKey][]*Post)
	seen := make(map[string]bool)
	for _, p := range h.Receiver.All(nil) {
		if p.Replay != "" {
			continue
		}
		key, known := keys[p.ID]
		require.True(h.T, known, "a POST of no delivery: %s", p.ID)
		attempt := fmt.Sprint(p.ID, " ", p.Attempt)
		require.False(h.T, seen[attempt], "attempt %d of %s is used twice", p.Attempt, p.ID)
		seen[attempt] = true
		record, ok := rows[key].attempts[p.Attempt]
		require.True(h.T, ok, "attempt %d of %s was made and is not on record", p.Attempt, p.ID)
		require.NotEqual(h.T, string(webhook.OutcomeUnsent), record.outcome, "attempt %d of %s was sent", p.Attempt, p.ID)
		require.False(h.T, record.started.After(p.At.Add(sameClock)), "attempt %d of %s arrived at %s, claimed at %s",
			p.Attempt, p.ID, p.At, record.started)
		sorted[key] = append(sorted[key], p)
	}
	return sorted
}

// Successes is how many of the POSTs were answered with success.
func Successes(posts []*Post) (n int) {
	for _, p := range posts {
		if p.Status/100 == 2 {
			n++
		}
	}
	return n
}

// Invariants returns queries that must find nothing, at any time, each by what it would mean.
func Invariants() map[string]string { return maps.Clone(invariants) }

// invariants are those queries.
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

// unhurried is how long a process may take from a claim to its POST without being stopped.
const unhurried = time.Second

// resumed finds attempts that were claimed although a success of an earlier one had been recorded: one that was claimed
// before may begin after it.
const resumed = `
	SELECT count(*)
	FROM attempts won
	JOIN attempts later ON later.delivery_id = won.delivery_id AND later.attempt_no > won.attempt_no
	WHERE won.outcome = 'success' AND later.outcome <> 'unsent' AND later.started_at > won.recorded_at + $1::interval`

// CheckInvariants looks into the database for what must never be there.
func (h *Installation) CheckInvariants() {
	h.T.Helper()
	for what, query := range invariants {
		require.Zero(h.T, h.Count(query), what)
	}
	require.Zero(h.T, h.Count(resumed, unhurried), "an attempt of a delivery that had succeeded")
	// The lease counts from the claim, a little before the start on record; its margin covers that.
	require.Zero(h.T, h.Count(overtaken, h.Config().WebhookPolicy().Timeout), "an attempt after a success was recorded")
}
