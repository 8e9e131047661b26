package memory

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Record implements store.Recorder.
func (s *Store) Record(ctx context.Context, results []store.Result) ([]store.Recorded, error) {
	return run(ctx, s, "record", func(now time.Time) ([]store.Recorded, error) {
		recorded := make([]store.Recorded, 0, len(results))
		for i := range results {
			recorded = append(recorded, s.record(&results[i], now))
		}
		return recorded, nil
	})
}

// record writes one result.
func (s *Store) record(r *store.Result, now time.Time) store.Recorded {
	d, err := s.delivery(r.Attempt.Tenant, r.Attempt.Delivery)
	if err != nil {
		return store.Recorded{}
	}
	var out store.Recorded
	if number := r.Attempt.Number; number >= 1 && number <= d.Attempt {
		inTime := d.State == webhook.StateAttempting && d.Attempt == number
		switch {
		case inTime:
			out.Applied = true
			d.move(r, now)
			s.tellExhausted(&d.Delivery, now)
			if out.Disabled = s.endpoints[d.Endpoint].answered(r, now); out.Disabled {
				s.tellDisabled(s.endpoints[d.Endpoint], now)
				s.tenants[d.Tenant].version++
			}
		case r.Next == webhook.StateSucceeded && !d.State.Terminal():
			out.Applied = true
			if d.State == webhook.StateAttempting {
				d.interrupted(now)
			}
			d.end(webhook.StateSucceeded, webhook.ReasonNone)
		}
		a := cloneAttempt(r.Attempt)
		a.Endpoint = d.Endpoint
		if !s.events[d.Event].ErasedAt.IsZero() {
			a.ResponseHeaders, a.ResponseBody = nil, nil
		}
		d.correct(a, now)
	}
	out.State = d.State
	if d.State == webhook.StateScheduled {
		out.DueAt = d.DueAt
	}
	return out
}

// move gives a delivery the state that its result decided.
func (d *deliveryRow) move(r *store.Result, now time.Time) {
	if r.Interrupted {
		d.Interruptions++
	}
	if r.Next != webhook.StateScheduled {
		d.end(r.Next, r.Reason)
		return
	}
	d.State = webhook.StateScheduled
	d.LeaseUntil = time.Time{}
	d.DueAt = now.Add(r.RetryIn)
	d.WakeAt = now.Add(r.WakeIn)
}

// answered lets a result throttle and disable its endpoint, and reports whether it disabled it.
func (e *endpointRow) answered(r *store.Result, now time.Time) bool {
	if until := now.Add(r.ThrottleFor); r.ThrottleFor > 0 && until.After(e.ThrottledUntil) {
		e.ThrottledUntil = until
		if e.Status == webhook.EndpointActive {
			e.wakeAt = until
		}
	}
	if r.DisableVersion == 0 || r.DisableVersion != e.Version || e.Status != webhook.EndpointActive {
		return false
	}
	e.Status, e.StatusReason, e.statusAt = webhook.EndpointDisabled, r.DisableReason, now
	e.Version++
	e.wakeAt = time.Time{}
	return true
}
