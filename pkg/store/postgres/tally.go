package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The widths of tallies, in minutes; slices have none.
const (
	sliceWidth = 0
	spanWidth  = int(store.TallySpan / time.Minute)
	hourWidth  = 60
)

// sliceLength is what is counted at once: so little that Postgres cannot record more in that time than it can count in
// tallyTimeout, since to record an attempt costs more than to count it.
const sliceLength = 30 * time.Second

// idSlack is by how much the time in an event's id may differ from when it was accepted.
const idSlack = 2 * time.Minute

// tallyTimeout bounds the counting of one slice, which at thousands of attempts a second takes seconds.
const tallyTimeout = 25 * time.Second

// Tally implements [store.Statistics]. Each step is a transaction of its own, which holds the row that says how far the
// counting has come: of several processes one counts, and the others find the row locked and leave it to that one.
func (s *Store) Tally(ctx context.Context, r store.TallyRequest) (store.Tallied, error) {
	out := store.Tallied{More: true}
	c := counting{look: sliceLength}
	for out.More && out.Spans < r.Spans {
		err := s.runWithin(ctx, "tally", tallyTimeout, func(ctx context.Context) error {
			return s.inTx(ctx, func(tx pgx.Tx) error { return c.step(ctx, tx) })
		})
		if err != nil || c.others {
			out.More = false
			return out, err
		}
		out.Spans++
		out.More = !c.done
	}
	if out.More {
		return out, nil // judging waits until everything is counted
	}
	return out, s.judge(ctx, r.Failing)
}

// counting is a call of Tally under way. First it counts for good what is settled, slice by slice; then it counts what
// is not, the tail, which every call does anew.
type counting struct {
	// look is how much is looked at next: more and more while nothing is found there.
	look time.Duration
	// others is whether somebody else is counting, done whether everything is counted.
	others, done bool
	// tail is where the tail begins and next its next slice, zero before it is reached. mark is what recorded_in said of
	// it at asOf, before it was counted: what is committed meanwhile may be counted, and is looked at again.
	tail, next, asOf time.Time
	mark             pgtype.Numeric
}

// step counts one slice, or passes over a time in which nothing was recorded.
func (c *counting) step(ctx context.Context, tx pgx.Tx) error {
	var through, now time.Time
	err := tx.QueryRow(ctx, "SELECT through, clock_timestamp() FROM tallied FOR UPDATE SKIP LOCKED").Scan(&through, &now)
	if errors.Is(err, pgx.ErrNoRows) {
		c.others = true
		return nil
	}
	if err != nil {
		return err
	}
	settled := now.Add(-store.TallySettled).Truncate(sliceLength)
	if c.tail.IsZero() && through.Before(settled) {
		return c.settle(ctx, tx, through, settled)
	}
	if c.tail.IsZero() {
		c.tail, c.next, c.asOf = through, through, now
		err := tx.QueryRow(ctx, "SELECT recorded_in($1, 'infinity')", c.tail).Scan(&c.mark)
		if err != nil {
			return err
		}
	}
	if err := countSlice(ctx, tx, c.next); err != nil {
		return err
	}
	if c.next = c.next.Truncate(sliceLength).Add(sliceLength); !c.next.After(now) {
		return nil
	}
	c.done = true
	_, err = tx.Exec(ctx, "UPDATE tallied SET mark = $1, as_of = greatest(as_of, $2) WHERE through = $3", c.mark, c.asOf,
		c.tail)
	return err
}

// settle counts for good what comes after through, up to the end of a slice. Where nothing was found it looks at twice
// as much at once, up to an hour, so that what was idle for days is passed over soon.
func (c *counting) settle(ctx context.Context, tx pgx.Tx, through, settled time.Time) error {
	until := through.Truncate(c.look).Add(c.look)
	if until.After(settled) {
		until = settled
	}
	var empty bool
	if err := tx.QueryRow(ctx, "SELECT recorded_in($1, $2) = 0", through, until).Scan(&empty); err != nil {
		return err
	}
	c.look = min(2*c.look, time.Hour)
	if !empty {
		c.look = sliceLength
		until = through.Truncate(sliceLength).Add(sliceLength)
		if err := countSlice(ctx, tx, through); err != nil {
			return err
		}
	}
	if err := foldBetween(ctx, tx, through, until); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE tallied SET through = $1, mark = NULL, as_of = greatest(as_of, $1)", until)
	return err
}

// countSlice counts from a moment to the end of its slice, in the place of what was counted of that before.
func countSlice(ctx context.Context, tx pgx.Tx, from time.Time) error {
	until := from.Truncate(sliceLength).Add(sliceLength)
	b := new(pgx.Batch)
	b.Queue("DELETE FROM tallies WHERE width = $1 AND at >= $2 AND at < $3", sliceWidth, from, until)
	b.Queue(tallySliceSQL, from, until, sliceWidth, webhook.FirstID(from.Add(-idSlack)),
		webhook.LastID(until.Add(idSlack)))
	return tx.SendBatch(ctx, b).Close()
}

// foldBetween makes a span of its slices, and an hour of its spans, where one moment is in it and a later one is not.
// Nothing was recorded between the ends of those and the later one.
func foldBetween(ctx context.Context, tx pgx.Tx, from, until time.Time) error {
	b := new(pgx.Batch)
	fold := func(width, of int, d time.Duration) {
		begin := from.Truncate(d)
		if end := begin.Add(d); !until.Before(end) {
			b.Queue("DELETE FROM tallies WHERE width = $1 AND at = $2", width, begin)
			b.Queue(tallyFoldSQL, begin, end, width, of)
		}
	}
	fold(spanWidth, sliceWidth, store.TallySpan)
	fold(hourWidth, spanWidth, time.Hour)
	if end := until.Truncate(store.TallySpan); from.Before(end) {
		b.Queue("DELETE FROM tallies WHERE width = $1 AND at < $2", sliceWidth, end)
	}
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// judge says which endpoints have begun to fail or have recovered.
func (s *Store) judge(ctx context.Context, rule webhook.FailingRule) error {
	return s.run(ctx, "judge", func(ctx context.Context) error {
		return s.inTx(ctx, func(tx pgx.Tx) error {
			var endpoint, tenant, failing, attempts, succeeded array
			rows, err := tx.Query(ctx, judgedSQL, rule.Window)
			if err != nil {
				return err
			}
			for rows.Next() {
				var id webhook.ID
				var owner string
				var was bool
				var sent, success int64
				if err := rows.Scan(&id, &owner, &was, &sent, &success); err != nil {
					return err
				}
				if is := rule.Judge(was, sent, success); is != was {
					endpoint.uuid(id)
					tenant.text(owner)
					failing.int32(count(is))
					attempts.int64(sent)
					succeeded.int64(success)
				}
			}
			if err := rows.Err(); err != nil {
				return err
			}
			b := new(pgx.Batch)
			b.Queue("UPDATE tallied SET judged_at = now()")
			if endpoint.count > 0 {
				b.Queue(failingSQL, &endpoint, &tenant, &failing, &attempts, &succeeded)
			}
			return tx.SendBatch(ctx, b).Close()
		})
	})
}

// Tallies implements [store.Statistics].
func (s *Store) Tallies(ctx context.Context, q store.TallyQuery) ([]store.Tally, error) {
	var list []store.Tally
	err := s.run(ctx, "tallies", func(ctx context.Context) error {
		if q.From.IsZero() || q.Until.IsZero() {
			return fmt.Errorf("%w: a span of time has a beginning and an end", store.ErrInvalid)
		}
		rows, err := s.pool.Query(ctx, talliesSQL, q.Tenant, [16]byte(q.Endpoint), q.From, q.Until, q.Hourly)
		if err != nil {
			return err
		}
		slices, err := pgx.CollectRows(rows, scanTally)
		for i := range slices {
			if last := len(list) - 1; last >= 0 && list[last].At.Equal(slices[i].At) {
				list[last].Merge(&slices[i])
			} else {
				list = append(list, slices[i])
			}
		}
		return err
	})
	return list, err
}

func scanTally(row pgx.CollectableRow) (t store.Tally, err error) {
	var outcomes []byte
	var cells []int32
	var counts []int64
	if err := row.Scan(&t.At, &t.Events, &t.Succeeded, &t.Exhausted, &outcomes, &cells, &counts); err != nil {
		return t, err
	}
	if len(cells) != len(counts) {
		return t, errors.New("a tally's histogram is broken")
	}
	t.Latency = make(store.Histogram, len(cells))
	for i, cell := range cells {
		t.Latency[int(cell)] = counts[i]
	}
	return t, json.Unmarshal(outcomes, &t.Outcomes)
}

// TalliedAt implements [store.Statistics].
func (s *Store) TalliedAt(ctx context.Context) (at time.Time, err error) {
	err = s.run(ctx, "tallied at", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, "SELECT counted_until()").Scan(&at)
	})
	return at, err
}

// Health implements [store.Statistics].
func (s *Store) Health(ctx context.Context, tenant string, endpoint webhook.ID) (store.Health, error) {
	var h store.Health
	err := s.run(ctx, "health", func(ctx context.Context) error {
		f := &h.LastFailure
		return s.pool.QueryRow(ctx, healthSQL, endpoint, tenant, store.HealthCap).Scan(&h.StatusAt, &h.LastSuccessAt,
			&f.At, &f.Delivery, (*nullText)(&f.Outcome), &f.Status, &h.FailingSince, &h.AsOf, &h.Waiting)
	})
	if err != nil {
		return store.Health{}, err
	}
	return h, nil
}

// HealthPage implements [store.Statistics].
func (s *Store) HealthPage(
	ctx context.Context, tenant string, endpoints []webhook.ID, since time.Time,
) (map[webhook.ID]store.Summary, error) {
	known := make(map[webhook.ID]store.Summary, len(endpoints))
	err := s.run(ctx, "health page", func(ctx context.Context) error {
		if len(endpoints) > maxPage {
			return fmt.Errorf("%w: at most %d endpoints", store.ErrInvalid, maxPage)
		}
		rows, err := s.pool.Query(ctx, healthPageSQL, uuids(endpoints), tenant, since)
		if err != nil {
			return err
		}
		for rows.Next() {
			var id webhook.ID
			var h store.Summary
			f := &h.LastFailure
			err := rows.Scan(&id, &h.StatusAt, &h.LastSuccessAt, &f.At, &f.Delivery, (*nullText)(&f.Outcome), &f.Status,
				&h.FailingSince, &h.AsOf, &h.Sent, &h.Succeeded)
			if err != nil {
				return err
			}
			known[id] = h
		}
		return rows.Err()
	})
	return known, err
}
