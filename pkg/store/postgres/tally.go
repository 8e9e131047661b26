package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The widths of tallies, in minutes.
const (
	spanWidth = int(store.TallySpan / time.Minute)
	hourWidth = 60
)

// idSlack is by how much the time in an event's id may differ from when it was accepted.
const idSlack = 2 * time.Minute

// tallyTimeout bounds the counting of one span, which at thousands of attempts a second takes seconds.
const tallyTimeout = 25 * time.Second

// Tally implements [store.Statistics]. Each span is a transaction of its own, which holds the row that says how far the
// counting has come: of several processes one counts, and the others find the row locked and leave it to that one.
func (s *Store) Tally(ctx context.Context, r store.TallyRequest) (store.Tallied, error) {
	out := store.Tallied{More: true}
	var next time.Time
	for out.More && out.Spans < r.Spans {
		var mine bool
		err := s.runWithin(ctx, "tally", tallyTimeout, func(ctx context.Context) error {
			return s.inTx(ctx, func(tx pgx.Tx) (err error) {
				mine, out.More, next, err = tallySpanIn(ctx, tx, next)
				return err
			})
		})
		if err != nil || !mine {
			out.More = false
			return out, err
		}
		out.Spans++
	}
	if out.More {
		return out, nil // judging waits until everything is counted
	}
	return out, s.judge(ctx, r.Failing)
}

// tallySpanIn counts one span: that of next, or the first that is not counted for good. mine is whether nobody else is
// counting; more whether the span after it, which is returned, has begun.
func tallySpanIn(ctx context.Context, tx pgx.Tx, next time.Time) (mine, more bool, after time.Time, err error) {
	var through, now time.Time
	err = tx.QueryRow(ctx, "SELECT through, clock_timestamp() FROM tallied FOR UPDATE SKIP LOCKED").Scan(&through, &now)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, false, next, nil
	}
	if err != nil {
		return false, false, next, err
	}
	from := through.Truncate(store.TallySpan)
	if next.After(from) {
		from = next
	}
	until := from.Add(store.TallySpan)
	if _, err = tx.Exec(ctx, "DELETE FROM tallies WHERE width = $1 AND at = $2", spanWidth, from); err != nil {
		return false, false, next, err
	}
	_, err = tx.Exec(ctx, tallySpanSQL, from, until, spanWidth, webhook.FirstID(from.Add(-idSlack)),
		webhook.LastID(until.Add(idSlack)))
	if err != nil {
		return false, false, next, err
	}
	if from.Equal(through.Truncate(store.TallySpan)) && !until.Add(store.TallySettled).After(now) {
		if through, err = until, tallyHourIn(ctx, tx, until); err != nil {
			return false, false, next, err
		}
	}
	asOf := now
	if until.Before(now) {
		asOf = until
	}
	_, err = tx.Exec(ctx, "UPDATE tallied SET through = $1, as_of = greatest(as_of, $2)", through, asOf)
	return true, !until.After(now), until, err
}

// tallyHourIn makes an hour of its spans once all of them are counted for good.
func tallyHourIn(ctx context.Context, tx pgx.Tx, through time.Time) error {
	if !through.Truncate(time.Hour).Equal(through) {
		return nil
	}
	hour := through.Add(-time.Hour)
	if _, err := tx.Exec(ctx, "DELETE FROM tallies WHERE width = $1 AND at = $2", hourWidth, hour); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, tallyHourSQL, hour, through, hourWidth)
	return err
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
			if err := rows.Err(); err != nil || endpoint.count == 0 {
				return err
			}
			_, err = tx.Exec(ctx, failingSQL, &endpoint, &tenant, &failing, &attempts, &succeeded)
			return err
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
		list, err = pgx.CollectRows(rows, scanTally)
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
		return s.pool.QueryRow(ctx, "SELECT as_of FROM tallied").Scan(&at)
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
