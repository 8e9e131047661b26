package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// insight is what the store keeps of notices and statistics. Counts are not kept: they are made of what is stored, up
// to where the counting has come.
type insight struct {
	notices []noticeRow
	// asOf is up to when everything was counted; through up to when for good; judged when endpoints were judged last.
	asOf, through, judged time.Time
	// mark stands for what was counted.
	mark int64
	// dropped is before when hours were dropped, droppedSpans before when shorter spans were.
	dropped, droppedSpans time.Time
}

// noticeRow is a notice, and when it was passed on.
type noticeRow struct {
	store.Notice
	toldAt time.Time
}

// tell writes a notice.
func (s *Store) tell(n store.Notice, now time.Time) {
	_, _ = rand.Read(n.ID[:])
	n.At = now
	s.notices = append(s.notices, noticeRow{Notice: n})
}

// tellExhausted writes the notice of a delivery, if it has just been exhausted.
func (s *Store) tellExhausted(d *webhook.Delivery, now time.Time) {
	if d.State == webhook.StateExhausted {
		s.tell(store.Notice{
			Kind: store.NoticeExhausted, Tenant: d.Tenant, Endpoint: d.Endpoint, Delivery: d.ID, Event: d.Event,
			Reason: string(d.Reason), Attempts: int64(d.Attempt),
		}, now)
	}
}

// tellDisabled writes the notice of an endpoint that has just been disabled.
func (s *Store) tellDisabled(e *endpointRow, now time.Time) {
	s.tell(store.Notice{Kind: store.NoticeDisabled, Tenant: e.Tenant, Endpoint: e.ID, Reason: e.StatusReason}, now)
}

// Untold implements store.Notices.
func (s *Store) Untold(ctx context.Context, limit int) ([]store.Notice, error) {
	return run(ctx, s, "untold", func(time.Time) ([]store.Notice, error) {
		var list []store.Notice
		for _, n := range s.notices {
			if n.toldAt.IsZero() {
				list = append(list, n.Notice)
			}
		}
		return page(list, limit)
	})
}

// Tell implements store.Notices.
func (s *Store) Tell(ctx context.Context, told []webhook.ID, events []store.NewEvent) ([]store.Accepted, error) {
	return run(ctx, s, "tell", func(now time.Time) ([]store.Accepted, error) {
		results := make([]store.Accepted, len(events))
		for i := range events {
			if t := s.tenants[events[i].Event.Tenant]; t == nil || t.version != events[i].ConfigVersion {
				results[i].Status = store.AcceptStale
				return results, nil
			}
		}
		for i := range events {
			results[i] = s.accept(&events[i], now)
		}
		for i := range s.notices {
			if n := &s.notices[i]; n.toldAt.IsZero() && slices.Contains(told, n.ID) {
				n.toldAt = now
			}
		}
		return results, nil
	})
}

// Tally implements store.Statistics.
func (s *Store) Tally(ctx context.Context, r store.TallyRequest) (store.Tallied, error) {
	return run(ctx, s, "tally", func(now time.Time) (store.Tallied, error) {
		if r.Spans < 1 {
			return store.Tallied{More: true}, nil
		}
		s.asOf, s.judged, s.mark = now, now, s.marked()
		s.through = now.Add(-store.TallySettled).Truncate(store.TallySpan)
		for _, e := range s.created {
			s.judge(e, r.Failing, now)
		}
		return store.Tallied{Spans: 1}, nil
	})
}

// uncounted reports whether Tally would change something.
func (s *Store) uncounted(rule webhook.FailingRule, now time.Time) bool {
	hour := s.through.Truncate(time.Hour)
	over := !now.Before(hour.Add(time.Hour + store.TallySettled))
	for at := range s.recorded() {
		out := at.Truncate(store.TallySpan).Add(rule.Window) // of the window
		if over && !at.Before(hour) || out.After(s.judged) && !out.After(now) {
			return true
		}
	}
	return s.marked() != s.mark
}

// marked stands for what was recorded: it grows with all that is, and with every correction.
func (s *Store) marked() int64 {
	var sum int64
	for at, outcome := range s.recorded() {
		sum += at.UnixNano() + int64(len(outcome))
	}
	return sum
}

// recorded yields when each thing that is counted was recorded, and of attempts with which outcome.
func (s *Store) recorded() iter.Seq2[time.Time, webhook.Outcome] {
	return func(yield func(time.Time, webhook.Outcome) bool) {
		for _, d := range s.stored {
			for _, a := range d.attempts {
				if !yield(d.recordedAt[a.Number], a.Outcome) {
					return
				}
			}
		}
		for _, n := range s.notices {
			if n.Kind == store.NoticeExhausted && !yield(n.At, "") {
				return
			}
		}
		for _, e := range s.events {
			if e.Origin.IsZero() && !yield(e.AcceptedAt, "") {
				return
			}
		}
	}
}

// judge notes whether an endpoint fails, and tells of it when that has changed.
func (s *Store) judge(e *endpointRow, rule webhook.FailingRule, now time.Time) {
	if e.Status == webhook.EndpointDeleted {
		return
	}
	var sent, succeeded int64
	for at, t := range s.tallies(e.Tenant, e.ID) {
		if at.After(now.Add(-rule.Window)) {
			sent += t.Sent()
			succeeded += t.Outcomes[webhook.OutcomeSuccess]
		}
	}
	was := !e.failingSince.IsZero()
	is := rule.Judge(was, sent, succeeded)
	if is == was {
		return
	}
	n := store.Notice{
		Kind: store.NoticeRecovered, Tenant: e.Tenant, Endpoint: e.ID, Attempts: sent, Succeeded: succeeded,
	}
	e.failingSince = time.Time{}
	if is {
		n.Kind, e.failingSince = store.NoticeFailing, now
	}
	s.tell(n, now)
}

// counts reports whether an outcome says something of the endpoint: the attempt was sent, and what came of it is known.
func counts(o webhook.Outcome) bool {
	return o != webhook.OutcomeInterrupted && o != webhook.OutcomeUnsent
}

// tallies counts by spans what has been counted of an endpoint, or of a tenant for the zero id.
func (s *Store) tallies(tenant string, endpoint webhook.ID) map[time.Time]*store.Tally {
	c := counting{s: s, spans: map[time.Time]*store.Tally{}}
	for _, d := range s.stored {
		if d.Tenant == tenant && (endpoint.IsZero() || d.Endpoint == endpoint) {
			c.delivery(d)
		}
	}
	for _, n := range s.notices {
		if n.Kind == store.NoticeExhausted && n.Tenant == tenant && (endpoint.IsZero() || n.Endpoint == endpoint) {
			c.add(n.At, func(t *store.Tally) { t.Exhausted++ })
		}
	}
	for _, e := range s.events {
		if endpoint.IsZero() && e.Tenant == tenant && e.Origin.IsZero() {
			c.add(e.AcceptedAt, func(t *store.Tally) { t.Events++ })
		}
	}
	return c.spans
}

// counting is what has been counted so far.
type counting struct {
	s     *Store
	spans map[time.Time]*store.Tally
}

// add counts something of a moment, if the counting has come so far and the span is kept.
func (c *counting) add(at time.Time, what func(t *store.Tally)) {
	if at.After(c.s.asOf) || at.Before(c.s.dropped) {
		return
	}
	span := at.Truncate(store.TallySpan)
	if c.spans[span] == nil {
		c.spans[span] = &store.Tally{At: span, Outcomes: map[webhook.Outcome]int64{}, Latency: store.Histogram{}}
	}
	what(c.spans[span])
}

// delivery counts the attempts of a delivery.
func (c *counting) delivery(d *deliveryRow) {
	for _, a := range d.attempts {
		c.add(d.recordedAt[a.Number], func(t *store.Tally) {
			t.Outcomes[a.Outcome]++
			if counts(a.Outcome) && a.Latency.Total > 0 {
				t.Latency.Add(a.Latency.Total)
			}
			if a.Outcome == webhook.OutcomeSuccess && d.State == webhook.StateSucceeded {
				t.Succeeded++
			}
		})
	}
}

// Tallies implements store.Statistics.
func (s *Store) Tallies(ctx context.Context, q store.TallyQuery) ([]store.Tally, error) {
	return run(ctx, s, "tallies", func(time.Time) ([]store.Tally, error) {
		if q.From.IsZero() || q.Until.IsZero() {
			return nil, fmt.Errorf("%w: a span of time has a beginning and an end", store.ErrInvalid)
		}
		whole := s.through.Truncate(time.Hour)
		sums := map[time.Time]*store.Tally{}
		for at, t := range s.tallies(q.Tenant, q.Endpoint) {
			hourly := q.Hourly && at.Before(whole)
			if hourly {
				at = at.Truncate(time.Hour)
			}
			if at.Before(q.From) || !at.Before(q.Until) || !hourly && at.Before(s.droppedSpans) {
				continue
			}
			if sums[at] == nil {
				sums[at] = &store.Tally{At: at, Outcomes: map[webhook.Outcome]int64{}, Latency: store.Histogram{}}
			}
			sums[at].Merge(t)
		}
		var list []store.Tally
		for _, at := range slices.SortedFunc(maps.Keys(sums), time.Time.Compare) {
			list = append(list, *sums[at])
		}
		return list, nil
	})
}

// TalliedAt implements store.Statistics.
func (s *Store) TalliedAt(ctx context.Context) (time.Time, error) {
	return run(ctx, s, "talliedat", func(now time.Time) (time.Time, error) { return s.countedUntil(now), nil })
}

// countedUntil returns up to when everything that was recorded is counted.
func (s *Store) countedUntil(now time.Time) time.Time {
	if now.Sub(s.asOf) <= time.Minute {
		return s.asOf
	}
	if s.marked() != s.mark {
		return s.asOf
	}
	return now
}

// Health implements store.Statistics.
func (s *Store) Health(ctx context.Context, tenant string, endpoint webhook.ID) (store.Health, error) {
	return run(ctx, s, "health", func(now time.Time) (store.Health, error) {
		e, err := s.endpoint(tenant, endpoint)
		if err != nil {
			return store.Health{}, err
		}
		h := s.health(e, now)
		e.live = stillLive(e.live)
		h.Waiting = min(len(e.live), store.HealthCap)
		return h, nil
	})
}

// health is what is known of an endpoint but for what waits.
func (s *Store) health(e *endpointRow, now time.Time) store.Health {
	h := store.Health{StatusAt: e.statusAt, FailingSince: e.failingSince, AsOf: s.countedUntil(now)}
	for _, d := range s.stored {
		if d.Endpoint == e.ID {
			s.lastOf(d, &h)
		}
	}
	return h
}

// HealthPage implements store.Statistics.
func (s *Store) HealthPage(
	ctx context.Context, tenant string, endpoints []webhook.ID, since time.Time,
) (map[webhook.ID]store.Summary, error) {
	return run(ctx, s, "healthpage", func(now time.Time) (map[webhook.ID]store.Summary, error) {
		if len(endpoints) > maxPage {
			return nil, fmt.Errorf("%w: at most %d endpoints", store.ErrInvalid, maxPage)
		}
		whole := s.through.Truncate(time.Hour)
		known := make(map[webhook.ID]store.Summary, len(endpoints))
		for _, id := range endpoints {
			e, err := s.endpoint(tenant, id)
			if err != nil {
				continue
			}
			h := store.Summary{Health: s.health(e, now)}
			for at, t := range s.tallies(tenant, id) {
				if at.Before(whole) {
					at = at.Truncate(time.Hour)
				}
				if !at.Before(since) {
					h.Sent += t.Sent()
					h.Succeeded += t.Outcomes[webhook.OutcomeSuccess]
				}
			}
			known[id] = h
		}
		return known, nil
	})
}

// lastOf notes the attempts of a delivery that are the last of their kind so far.
func (s *Store) lastOf(d *deliveryRow, h *store.Health) {
	for _, a := range d.attempts {
		at := d.recordedAt[a.Number]
		switch {
		case at.After(s.asOf) || !counts(a.Outcome):
		case a.Outcome == webhook.OutcomeSuccess:
			h.LastSuccessAt = slices.MaxFunc([]time.Time{h.LastSuccessAt, at}, time.Time.Compare)
		case cmp.Or(at.Compare(h.LastFailure.At), 1) > 0:
			h.LastFailure = store.Failure{At: at, Delivery: d.ID, Outcome: a.Outcome, Status: a.Status}
		}
	}
}

// dropCounted forgets counts past their retention, and notices that were told and counted.
func (s *Store) dropCounted(r store.Retention, now time.Time) {
	s.notices = slices.DeleteFunc(s.notices, func(n noticeRow) bool {
		return !n.toldAt.IsZero() && n.At.Before(s.dropped)
	})
	if r.Tallies > 0 {
		s.dropped = now.Add(-r.Tallies)
		s.droppedSpans = now.Add(-min(r.Tallies, store.TallyKept))
	}
}
