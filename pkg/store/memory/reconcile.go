package memory

import (
	"context"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Reconcile implements store.Reconciler.
func (s *Store) Reconcile(ctx context.Context, r store.ReconcileRequest) (store.Reconciled, error) {
	return run(ctx, s, "reconcile", func(now time.Time) (store.Reconciled, error) {
		late := s.late(now)
		waking := s.waking(now)
		rows := min(r.Limit, len(late))
		endpoints := min(r.Limit-rows, len(waking))
		out := store.Reconciled{
			Counts: map[webhook.Action]int{},
			More:   rows < len(late) || endpoints < len(waking),
		}
		var due []store.Due
		for _, d := range late[:rows] {
			action := s.reconcile(d, r.EndLeases, now)
			out.Counts[action]++
			switch action {
			case webhook.ActionHint, webhook.ActionInterrupt:
				due = append(due, d.due())
			case webhook.ActionTimer:
				out.Timers = append(out.Timers, d.due())
			}
		}
		out.Due, out.Endpoints = collapse(due, r.PerEndpoint)
		for _, e := range waking[:endpoints] {
			if s.wake(e, now) && !slices.Contains(out.Endpoints, e.ID) {
				out.Endpoints = append(out.Endpoints, e.ID)
			}
		}
		return out, nil
	})
}

// late returns the live deliveries whose wake time has passed, the longest first.
func (s *Store) late(now time.Time) []*deliveryRow {
	s.live = stillLive(s.live)
	late := slices.DeleteFunc(slices.Clone(s.live), func(d *deliveryRow) bool { return d.WakeAt.After(now) })
	slices.SortStableFunc(late, func(a, b *deliveryRow) int { return a.WakeAt.Compare(b.WakeAt) })
	return late
}

// waking returns the endpoints whose wake time has passed, the oldest first.
func (s *Store) waking(now time.Time) []*endpointRow {
	return slices.DeleteFunc(slices.Clone(s.created), func(e *endpointRow) bool {
		return e.wakeAt.IsZero() || e.wakeAt.After(now)
	})
}

// reconcile moves one delivery.
func (s *Store) reconcile(d *deliveryRow, endLeases bool, now time.Time) webhook.Action {
	attempting := d.State == webhook.StateAttempting
	moved, action := s.policy.Reconcile(d.Delivery, &s.endpoints[d.Endpoint].Endpoint, endLeases, now)
	if attempting && moved.State != webhook.StateAttempting {
		d.interrupted(now)
	}
	d.Delivery = moved
	s.tellExhausted(&d.Delivery, now)
	return action
}

// wake decides when to look at an endpoint again, and reports whether it has work now. The work is what the reconciler
// held while the endpoint was closed: those deliveries' own wake times are far off, and writing each of them when it
// opens would cost a write for each.
func (s *Store) wake(e *endpointRow, now time.Time) bool {
	e.wakeAt = time.Time{}
	if e.Status != webhook.EndpointActive {
		return false // setting it active wakes it again
	}
	if !e.Open(now) {
		e.wakeAt = e.ThrottledUntil
		return false
	}
	e.live = stillLive(e.live)
	var oldest time.Time
	for _, d := range e.live {
		waits := d.State == webhook.StateScheduled && e.RunningClock(now).Before(d.ExpiresAt)
		if waits && (oldest.IsZero() || d.DueAt.Before(oldest)) {
			oldest = d.DueAt
		}
	}
	switch {
	case oldest.IsZero():
		return false
	case oldest.After(now):
		e.wakeAt = oldest.Add(s.policy.WakeGrace)
		return false
	default:
		e.wakeAt = now.Add(s.policy.WakeGrace)
		return true
	}
}

// collapse names endpoints with more than perEndpoint due deliveries as a whole.
func collapse(due []store.Due, perEndpoint int) (named []store.Due, endpoints []webhook.ID) {
	count := map[webhook.ID]int{}
	for _, d := range due {
		count[d.Endpoint]++
		if count[d.Endpoint] == perEndpoint+1 {
			endpoints = append(endpoints, d.Endpoint)
		}
	}
	return slices.DeleteFunc(due, func(d store.Due) bool { return count[d.Endpoint] > perEndpoint }), endpoints
}

// due names a delivery for a hint or a timer.
func (d *deliveryRow) due() store.Due {
	return store.Due{
		ClaimItem: store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint, Attempt: d.Attempt},
		DueAt:     d.DueAt,
	}
}

// Housekeep implements store.Housekeeper. There are no partitions, so events, deliveries and attempts stay.
func (s *Store) Housekeep(ctx context.Context, r store.Retention) (store.Housekept, error) {
	return run(ctx, s, "housekeep", func(now time.Time) (store.Housekept, error) {
		var out store.Housekept
		for key, row := range s.dedupe {
			if !row.expires.After(now) {
				delete(s.dedupe, key)
				out.KeysExpired++
			}
		}
		had := len(s.rejected)
		s.rejected = slices.DeleteFunc(s.rejected, func(old store.Rejected) bool {
			return !old.RejectedAt.After(now.Add(-r.Rejected))
		})
		out.RejectedDropped = had - len(s.rejected)
		for _, e := range s.created {
			e.secrets = slices.DeleteFunc(e.secrets, func(s webhook.Secret) bool { return spent(s, now) })
		}
		s.jobs = slices.DeleteFunc(s.jobs, func(j *jobRow) bool {
			return !j.FinishedAt.IsZero() && !j.FinishedAt.After(now.Add(-store.JobKept))
		})
		for hash, k := range s.keys {
			if k.Kind == store.KeyPortal && !k.ExpiresAt.After(now.Add(-store.PortalKept)) {
				delete(s.keys, hash)
			}
		}
		for key := range s.answers {
			if s.answer(key.owner, key.key, now) == nil {
				delete(s.answers, key)
			}
		}
		s.dropCounted(r, now)
		s.housekept = now
		return out, nil
	})
}

// Agenda implements store.Housekeeper.
func (s *Store) Agenda(ctx context.Context, rule webhook.FailingRule) (store.Agenda, error) {
	return run(ctx, s, "agenda", func(now time.Time) (store.Agenda, error) {
		a := store.Agenda{
			Overdue:   len(s.late(now))+len(s.waking(now)) > 0,
			Redrives:  slices.ContainsFunc(s.rejected, func(r store.Rejected) bool { return !r.RedriveAt.IsZero() }),
			Notices:   slices.ContainsFunc(s.notices, func(n noticeRow) bool { return n.toldAt.IsZero() }),
			Uncounted: s.uncounted(rule, now), Housekept: s.housekept,
		}
		if j := s.nextJob(); j != nil {
			a.Jobs, a.NextJob = !j.WakeAt.After(now), j.WakeAt
		}
		return a, nil
	})
}

// Stats implements store.Housekeeper.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	return run(ctx, s, "stats", func(now time.Time) (store.Stats, error) {
		s.live = stillLive(s.live)
		stats := store.Stats{Live: len(s.live), Endpoints: s.countEndpoints()}
		for _, d := range s.live {
			if d.Claimable(&s.endpoints[d.Endpoint].Endpoint, d.Attempt, now) {
				stats.OldestDue = max(stats.OldestDue, now.Sub(d.DueAt))
			}
		}
		return stats, nil
	})
}

// countEndpoints counts the endpoints by their health.
func (s *Store) countEndpoints() store.EndpointCounts {
	var n store.EndpointCounts
	for _, e := range s.endpoints {
		switch {
		case e.Status == webhook.EndpointActive && e.failingSince.IsZero():
			n.Active++
		case e.Status == webhook.EndpointActive:
			n.Failing++
		case e.Status == webhook.EndpointPaused:
			n.Paused++
		case e.Status == webhook.EndpointDisabled:
			n.Disabled++
		}
	}
	return n
}
