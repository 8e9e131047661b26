package attempt

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/homing-hooks/homing/pkg/backoff"
	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

const (
	// recordRetry is how long to wait before an outcome that could not be recorded is tried again, at first and at most.
	recordRetry, recordRetryMax = 50 * time.Millisecond, 2 * time.Second
	// recordFor is how long that goes on. Then the attempt is left to be found interrupted.
	recordFor = 2 * time.Minute
)

// attempt makes one attempt: send, decide, record, and say when the next one is due.
func (d *Deliverer) attempt(j *job) {
	w := j.work
	ctx, span := d.span(w)
	defer span.End()
	sent := d.send(ctx, j)
	result := d.decide(w, &sent)
	j.sent = describe(w.Event)
	w.Event = nil // its payload need not wait for the record
	d.unrecorded <- struct{}{}
	d.slots.done(w.Delivery.Endpoint, sent.Attempt.Outcome, sent.Attempt.Latency.Total)
	d.freed()
	recorded, err := d.record(ctx, result)
	<-d.unrecorded
	d.follow(&result, &recorded)
	d.observe(ctx, j, &result, &recorded, err)
	endSpan(span, &result)
}

// described is what is logged of an event.
type described struct {
	id    webhook.ID
	kind  string
	bytes int
}

// describe returns what is logged of an event; nothing of none.
func describe(e *webhook.Event) described {
	if e == nil {
		return described{}
	}
	return described{e.ID, e.Type, len(e.Data)}
}

// send makes the POST, unless it must not be made.
func (d *Deliverer) send(ctx context.Context, j *job) dispatch.Result {
	w := j.work
	if w.Err != nil || w.Target == nil {
		return notSent(j, webhook.OutcomeConfig, "the endpoint's secrets or headers cannot be opened: their key is not "+
			"among HOMING_ENCRYPTION_KEYS")
	}
	if w.DataLeftOut {
		free, err := d.fetch(ctx, w)
		if err != nil {
			return notSent(j, webhook.OutcomeUnsent, "the payload could not be read")
		}
		defer free()
	}
	if w.Event != nil && !w.Event.ErasedAt.IsZero() { // since the claim: the delivery is cancelled by now
		return notSent(j, webhook.OutcomeUnsent, "the payload was erased")
	}
	// The lease counts from the claim. One that no longer covers a whole attempt must not begin it: somebody else might
	// while it lasts.
	endpoint := &w.Target.Endpoint
	if time.Since(j.askedAt)+d.cfg.Policy.TimeoutOf(endpoint) > w.Delivery.LeaseUntil.Sub(w.Delivery.StartedAt) {
		return notSent(j, webhook.OutcomeUnsent, "claimed too long ago to be sent safely")
	}
	began := j.began()
	sent := d.cfg.Send.Send(ctx, dispatch.Request{
		Event: w.Event, Endpoint: endpoint, Secrets: w.Target.Secrets, Delivery: w.Delivery.ID,
		Attempt: w.Delivery.Attempt, Replay: !w.Delivery.ReplayOf.IsZero(), Now: d.cfg.Now(),
	})
	sent.Attempt.StartedAt = began
	return sent
}

// began is the store's time now, for the record of an attempt that begins: never later than it is, so that no POST
// arrives before its record says that it began. It is earlier by as long as the claim's answer took, at most.
func (j *job) began() time.Time { return j.work.Delivery.StartedAt.Add(time.Since(j.answeredAt)) }

// notSent is the result of an attempt that was claimed and could not be made.
func notSent(j *job, o webhook.Outcome, detail string) dispatch.Result {
	w := j.work
	return dispatch.Result{Attempt: webhook.Attempt{
		Delivery: w.Delivery.ID, Number: w.Delivery.Attempt, Tenant: w.Delivery.Tenant, Endpoint: w.Delivery.Endpoint,
		StartedAt: j.began(), Outcome: o, Detail: detail,
	}}
}

// fetch reads a payload that did not fit its claim, once there is room for one more in memory.
func (d *Deliverer) fetch(ctx context.Context, w *store.Work) (free func(), err error) {
	select {
	case d.large <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	free = func() { <-d.large }
	e, err := d.cfg.Store.Event(ctx, w.Delivery.Tenant, w.Delivery.Event)
	if err != nil {
		free()
		return nil, err
	}
	w.Event = e
	return free, nil
}

// decide turns what was sent into what is recorded.
func (d *Deliverer) decide(w *store.Work, sent *dispatch.Result) store.Result {
	endpoint := &webhook.Endpoint{}
	if w.Target != nil {
		endpoint = &w.Target.Endpoint
	}
	decision := backoff.Decide(backoff.Facts{
		Attempt: w.Delivery.Attempt, Interruptions: w.Delivery.Interruptions, Schedule: d.cfg.Policy.ScheduleOf(endpoint),
		Outcome: sent.Attempt.Outcome, RetryAfter: sent.RetryAfter, Jitter: rand.Float64(),
	})
	r := store.Result{
		Attempt: sent.Attempt, Next: decision.Next, Reason: decision.Reason, RetryIn: decision.RetryIn,
		ThrottleFor: decision.ThrottleFor, Interrupted: decision.Interrupted,
	}
	if decision.Next == webhook.StateScheduled {
		r.WakeIn = d.cfg.Policy.WakeAfter(decision.RetryIn, d.cfg.Policy.LeaseOf(endpoint))
	}
	if decision.Disable {
		r.DisableVersion, r.DisableReason = endpoint.Version, "the endpoint answered 410 Gone"
	}
	return r
}

// record writes an outcome, again and again while the store is away: an outcome that is not recorded is a POST made
// twice.
func (d *Deliverer) record(ctx context.Context, r store.Result) (store.Recorded, error) {
	began, wait := time.Now(), recordRetry
	for {
		recorded, err := d.records.Do(context.WithoutCancel(ctx), r)
		if err == nil || !errors.Is(err, store.ErrUnavailable) || time.Since(began) > recordFor {
			return recorded, err
		}
		select {
		case <-time.After(wait):
		case <-d.life.Done():
			return recorded, err
		}
		wait = min(2*wait, recordRetryMax)
	}
}

// follow says when the delivery, or its endpoint, is to be looked at again.
func (d *Deliverer) follow(r *store.Result, rec *store.Recorded) {
	now := d.cfg.Now()
	if rec.Applied && rec.State == webhook.StateScheduled && rec.DueAt.Sub(now) <= d.cfg.Policy.Horizon {
		d.cfg.Hint(wire.Due{
			Delivery: r.Attempt.Delivery, Endpoint: r.Attempt.Endpoint, Attempt: r.Attempt.Number, Due: rec.DueAt,
		})
	}
	if rec.Applied && rec.State == webhook.StateExhausted || rec.Disabled {
		// Due later than any timer is set for: it only says that there is something to tell, and waits for the tick if lost.
		d.cfg.HintEndpoint(wire.Endpoint{Endpoint: r.Attempt.Endpoint, Due: now.Add(d.cfg.Policy.Horizon + time.Minute)})
	}
	if r.ThrottleFor > 0 {
		d.wakeEndpoint(r.Attempt.Endpoint, r.ThrottleFor)
	}
}

// observe writes the one wide line of an attempt, and counts it.
func (d *Deliverer) observe(ctx context.Context, j *job, r *store.Result, rec *store.Recorded, err error) {
	of := &j.work.Delivery
	d.cfg.Metrics.attempted(r, of.StartedAt.Sub(of.DueAt), d.cfg.Now().Sub(of.ID.Time()))
	level := slog.LevelInfo
	attrs := make([]slog.Attr, 0, 24)
	a := &r.Attempt
	attrs = append(attrs,
		slog.String("tenant", a.Tenant), slog.String("delivery", a.Delivery.String()),
		slog.String("endpoint", a.Endpoint.String()), slog.Int("attempt", a.Number),
		slog.String("outcome", string(a.Outcome)), slog.Int("status", a.Status), slog.String("state", string(rec.State)),
		slog.Bool("applied", rec.Applied), slog.Int64("total_us", a.Latency.Total.Microseconds()),
		slog.Int64("dns_us", a.Latency.DNS.Microseconds()), slog.Int64("connect_us", a.Latency.Connect.Microseconds()),
		slog.Int64("tls_us", a.Latency.TLS.Microseconds()),
		slog.Int64("first_byte_us", a.Latency.FirstByte.Microseconds()),
		slog.Int64("late_us", of.StartedAt.Sub(of.DueAt).Microseconds()),
	)
	if event := j.sent; !event.id.IsZero() {
		attrs = append(attrs, slog.String("event", event.id.String()), slog.String("event_type", event.kind),
			slog.Int("bytes", event.bytes))
	}
	if a.Detail != "" {
		attrs = append(attrs, slog.String("detail", a.Detail))
	}
	if rec.State == webhook.StateScheduled {
		attrs = append(attrs, slog.Int64("retry_in_ms", r.RetryIn.Milliseconds()))
	}
	if r.Reason != webhook.ReasonNone {
		attrs = append(attrs, slog.String("reason", string(r.Reason)))
	}
	if err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	d.cfg.Log.LogAttrs(ctx, level, "attempt", attrs...)
}
