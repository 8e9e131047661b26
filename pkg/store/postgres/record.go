package postgres

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Record implements [store.Recorder]. A group in which no result throttles or disables an endpoint is one round trip.
func (s *Store) Record(ctx context.Context, results []store.Result) ([]store.Recorded, error) {
	recorded := make([]store.Recorded, len(results))
	if len(results) == 0 {
		return recorded, nil
	}
	rounds, apart := rounds(results)
	err := s.run(ctx, "record", func(ctx context.Context) error {
		clear(recorded)
		if apart {
			return s.recordInTx(ctx, results, rounds, recorded)
		}
		b := new(pgx.Batch)
		for _, round := range rounds {
			queueRound(b, results, round, recorded)
		}
		return s.pool.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return nil, err
	}
	return recorded, nil
}

// rounds arranges results into groups in which each delivery occurs once, sorted by delivery. Nearly always there is
// one. apart reports whether endpoints are concerned as well.
func rounds(results []store.Result) (groups [][]int, apart bool) {
	seen := make(map[webhook.ID]int, len(results))
	for i := range results {
		r := &results[i]
		apart = apart || r.ThrottleFor > 0 || r.DisableVersion != 0
		n := seen[r.Attempt.Delivery]
		seen[r.Attempt.Delivery] = n + 1
		if n == len(groups) {
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	for _, group := range groups {
		slices.SortFunc(group, func(a, b int) int {
			return bytes.Compare(results[a].Attempt.Delivery[:], results[b].Attempt.Delivery[:])
		})
	}
	return groups, apart
}

// queueRound adds the statement for one round; what it says goes into recorded.
func queueRound(b *pgx.Batch, results []store.Result, round []int, recorded []store.Recorded) {
	sql := recordSQL
	if slices.ContainsFunc(round, func(i int) bool { return results[i].Next == webhook.StateExhausted }) {
		sql = recordAndTellSQL
	}
	b.Queue(sql, recordArguments(results, round)...).Query(func(rows pgx.Rows) error {
		at := make(map[webhook.ID]int, len(round))
		for _, i := range round {
			at[results[i].Attempt.Delivery] = i
		}
		for rows.Next() {
			var id webhook.ID
			var r store.Recorded
			if err := rows.Scan(&id, &r.Applied, (*string)(&r.State), &r.DueAt); err != nil {
				return err
			}
			if r.State != webhook.StateScheduled {
				r.DueAt = time.Time{}
			}
			recorded[at[id]] = r
		}
		return rows.Err()
	})
}

// Codes of record.sql for the next state.
var nextCodes = map[webhook.State]int{webhook.StateScheduled: 0, webhook.StateSucceeded: 1, webhook.StateExhausted: 2}

// recordArguments lays a round out in the arrays of record.sql.
func recordArguments(results []store.Result, round []int) []any {
	var delivery, number, next, reason, retryIn, wakeIn, interrupted, tenants, tenant array
	var outcome, status, startedAt, total, dns, connect, tls, firstByte, detail, headers, body array
	positions := make(map[string]int, 1)
	for _, i := range round {
		r := &results[i]
		a := &r.Attempt
		if positions[a.Tenant] == 0 {
			positions[a.Tenant] = len(positions) + 1
			tenants.text(a.Tenant)
		}
		delivery.uuid(a.Delivery)
		number.int32(a.Number)
		next.int32(nextCodes[r.Next])
		reason.optional(string(r.Reason))
		retryIn.interval(r.RetryIn)
		wakeIn.interval(r.WakeIn)
		interrupted.int32(count(r.Interrupted))
		tenant.int32(positions[a.Tenant])
		outcome.text(string(a.Outcome))
		status.int32(a.Status)
		startedAt.time(a.StartedAt)
		total.micros(a.Latency.Total)
		dns.micros(a.Latency.DNS)
		connect.micros(a.Latency.Connect)
		tls.micros(a.Latency.TLS)
		firstByte.micros(a.Latency.FirstByte)
		// What an endpoint answered may be any bytes, and must not keep an outcome from being recorded.
		detail.optional(clean(a.Detail))
		headers.jsonb(encodeHeaders(a.ResponseHeaders))
		body.bytes(a.ResponseBody)
	}
	return []any{
		&delivery, &number, &next, &reason, &retryIn, &wakeIn, &interrupted, &tenants, &tenant,
		&outcome, &status, &startedAt, &total, &dns, &connect, &tls, &firstByte, &detail, &headers, &body,
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// clean returns a text as Postgres can store it.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// encodeHeaders writes headers as JSON that Postgres can store; nil when there are none.
func encodeHeaders(h map[string]string) []byte {
	if len(h) == 0 {
		return nil
	}
	cleaned := make(map[string]string, len(h))
	for name, value := range h {
		cleaned[clean(name)] = clean(value)
	}
	b, _ := json.Marshal(cleaned) // a map of texts can always be written
	return b
}

// recordInTx records a group that also says something about endpoints: only a result that decided about its delivery
// may, so that has to be known first. Deliveries are locked before endpoints, and endpoints before tenants, everywhere.
func (s *Store) recordInTx(ctx context.Context, results []store.Result, rounds [][]int, out []store.Recorded) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		b := new(pgx.Batch)
		for _, round := range rounds {
			queueRound(b, results, round, out)
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		if err := throttle(ctx, tx, results, out); err != nil {
			return err
		}
		return disable(ctx, tx, results, out)
	})
}

// throttle applies the longest throttle of each endpoint.
func throttle(ctx context.Context, tx pgx.Tx, results []store.Result, out []store.Recorded) error {
	longest := make(map[webhook.ID]*store.Result)
	for i := range results {
		r := &results[i]
		known := longest[r.Attempt.Endpoint]
		if out[i].Applied && r.ThrottleFor > 0 && (known == nil || known.ThrottleFor < r.ThrottleFor) {
			longest[r.Attempt.Endpoint] = r
		}
	}
	if len(longest) == 0 {
		return nil
	}
	var endpoint, span, tenants, tenant array
	for i, id := range sortedIDs(slices.Collect(maps.Keys(longest))) {
		endpoint.uuid(id)
		span.interval(longest[id].ThrottleFor)
		tenants.text(longest[id].Attempt.Tenant)
		tenant.int32(i + 1)
	}
	_, err := tx.Exec(ctx, throttleSQL, &endpoint, &span, &tenants, &tenant)
	return err
}

// disable applies the disablings, in the order of the endpoints' ids.
func disable(ctx context.Context, tx pgx.Tx, results []store.Result, out []store.Recorded) error {
	var wanted []int
	for i := range results {
		if out[i].Applied && results[i].DisableVersion != 0 {
			wanted = append(wanted, i)
		}
	}
	slices.SortStableFunc(wanted, func(a, b int) int {
		x, y := &results[a].Attempt, &results[b].Attempt
		return cmp.Or(bytes.Compare(x.Endpoint[:], y.Endpoint[:]), cmp.Compare(a, b))
	})
	for _, i := range wanted {
		r := &results[i]
		tag, err := tx.Exec(ctx, disableSQL, r.Attempt.Endpoint, r.Attempt.Tenant, r.DisableVersion,
			clean(r.DisableReason))
		if err != nil {
			return err
		}
		out[i].Disabled = tag.RowsAffected() > 0
	}
	return nil
}
