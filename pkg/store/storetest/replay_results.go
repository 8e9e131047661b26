package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// record writes results of the works of late, most of them for the first time.
func (r *replay) record() {
	if len(r.work) == 0 {
		return
	}
	var results [2][]store.Result
	for range 1 + r.rng.IntN(4) {
		work := r.work[len(r.work)-1-r.rng.IntN(min(12, len(r.work)))]
		retryIn, throttled := r.hours(12, 2), r.chance(10)
		throttle := r.hours(6, 2)
		if r.chance(30) {
			retryIn = 0
		}
		for i, b := range r.sides {
			one := r.result(b, work.sides[i], work.kind, retryIn)
			if throttled && work.kind >= 45 {
				one.ThrottleFor = throttle
			}
			results[i] = append(results[i], one)
		}
	}
	r.each(func(b *bundle, i int) string {
		var said strings.Builder
		for _, out := range b.recordAll(results[i]...) {
			fmt.Fprintln(&said, out.Applied, out.State, ago(b.now(), out.DueAt), out.Disabled)
		}
		return said.String()
	})
}

// result makes one of the outcomes of a work.
func (r *replay) result(b *bundle, w store.Work, kind int, retryIn time.Duration) store.Result {
	switch {
	case kind < 45:
		return success(w)
	case kind < 80:
		return b.failure(w, retryIn)
	case kind < 88:
		unsent := b.failure(w, retryIn)
		unsent.Interrupted, unsent.Attempt.Outcome = true, webhook.OutcomeUnsent
		return unsent
	case kind < 96:
		return exhausted(w)
	default:
		gone := exhausted(w)
		gone.Reason, gone.DisableVersion, gone.DisableReason = webhook.ReasonGone, w.Target.Version, "it answered 410"
		return gone
	}
}

func (r *replay) reconcile() {
	request := everything
	request.EndLeases = !r.chance(20)
	if r.chance(20) {
		request.PerEndpoint = 1 + r.rng.IntN(3)
	}
	r.each(func(b *bundle, i int) string {
		out := b.reconcile(request)
		return fmt.Sprintf("counts %v more %v\ndue\n%s\ntimers\n%s", counted(out), out.More,
			r.dues(b, i, out.Due), r.dues(b, i, out.Timers))
	})
}

// some chooses a delivery among the latest.
func (r *replay) some() pair {
	return r.deliveries[len(r.deliveries)-1-r.rng.IntN(min(60, len(r.deliveries)))]
}

// tenantOf returns the tenant of an endpoint.
func (r *replay) tenantOf(endpoint webhook.ID) string {
	at := slices.IndexFunc(r.endpoints, func(e webhook.Endpoint) bool { return e.ID == endpoint })
	return r.endpoints[at].Tenant
}

func (r *replay) cancel() {
	if len(r.deliveries) == 0 {
		return
	}
	p := r.some()
	tenant := r.tenantOf(p[0].Endpoint)
	r.each(func(b *bundle, i int) string { return word(b.Store.CancelDelivery(b.ctx, tenant, p[i].Delivery)) })
}

func (r *replay) retryNow() {
	if len(r.deliveries) == 0 {
		return
	}
	p := r.some()
	tenant := r.tenantOf(p[0].Endpoint)
	var got [2]store.Due
	r.each(func(b *bundle, i int) string {
		var err error
		got[i], err = b.Store.RetryNow(b.ctx, tenant, p[i].Delivery, b.ids)
		replayed := err == nil && got[i].Delivery != p[i].Delivery
		return fmt.Sprint(word(err), replayed, got[i].Attempt, ago(b.now(), got[i].DueAt))
	})
	if r.said[0] != r.said[1] || got[0].Delivery.IsZero() || got[0].Delivery == p[0].Delivery {
		return
	}
	r.number(p[0].Endpoint, got[0].Delivery, got[1].Delivery)
	for i, b := range r.sides {
		r.index[i][b.as(tenant).view(got[i].Delivery).Event.ID] = len(r.index[i])
	}
}

// ago writes a moment relative to now, in units.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprint(int(t.Sub(now).Round(unit) / unit))
}

// accepted writes the answers to an Accept.
func (r *replay) accepted(b *bundle, i int, results []store.Accepted) string {
	var said strings.Builder
	for _, one := range results {
		fmt.Fprintln(&said, one.Status, r.name(i, one.EventID), ago(b.now(), one.AcceptedAt), word(one.Err))
	}
	return said.String()
}

// name returns the number of an event or delivery; 0 for none.
func (r *replay) name(i int, id webhook.ID) int {
	if id.IsZero() {
		return 0
	}
	n, known := r.index[i][id]
	if !known {
		return -1
	}
	return n + 1
}

// sorted writes lines in their own order.
func sorted(lines []string) string {
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// claims writes the answer to a Claim.
func (r *replay) claims(b *bundle, i int, c store.Claims) string {
	var lines []string
	for _, w := range c.Work {
		lines = append(lines, fmt.Sprintf("work %s event %d data %d secrets %d %v %v", r.line(b.now(), i, &w.Delivery),
			r.name(i, w.Event.ID), len(w.Event.Data), len(w.Target.Secrets), w.DataLeftOut, w.Err))
	}
	for _, n := range c.NotDue {
		lines = append(lines, fmt.Sprintf("not due %d/%d in %d", r.name(i, n.Delivery), n.Attempt, n.DueIn.Round(unit)/unit))
	}
	for _, id := range c.Drained {
		lines = append(lines, "drained "+id.String())
	}
	for _, closed := range c.Closed {
		lines = append(lines, fmt.Sprintf("closed %s for %d", closed.Endpoint, closed.OpenIn.Round(unit)/unit))
	}
	return sorted(lines)
}

// dues writes what the reconciler named.
func (r *replay) dues(b *bundle, i int, ds []store.Due) string {
	lines := make([]string, 0, len(ds))
	for _, d := range ds {
		lines = append(lines, fmt.Sprintf("%d/%d at %s", r.name(i, d.Delivery), d.Attempt, ago(b.now(), d.DueAt)))
	}
	return sorted(lines)
}

// line writes a delivery.
func (r *replay) line(now time.Time, i int, d *webhook.Delivery) string {
	return fmt.Sprintf("delivery %d %s event %d endpoint %s %s %q attempt %d interruptions %d replay of %d "+
		"due %s started %s lease %s wake %s expires %s", r.name(i, d.ID), d.Tenant, r.name(i, d.Event), d.Endpoint,
		d.State, d.Reason, d.Attempt, d.Interruptions, r.name(i, d.ReplayOf), ago(now, d.DueAt), ago(now, d.StartedAt),
		ago(now, d.LeaseUntil), ago(now, d.WakeAt), ago(now, d.ExpiresAt))
}

// state writes everything that a side has stored.
func (r *replay) state(b *bundle, i int) string {
	var lines []string
	for _, tenant := range r.tenants {
		b := b.as(tenant)
		for _, d := range allDeliveries(r.tb, b.Store, tenant) {
			v := b.view(d.ID)
			lines = append(lines, fmt.Sprintf("%s origin %d", r.line(b.now(), i, &v.Delivery), r.name(i, v.Event.Origin)))
			for _, a := range v.Attempts {
				lines = append(lines, fmt.Sprintf("attempt %d/%d %s %d %s", r.name(i, a.Delivery), a.Number, a.Outcome,
					a.Status, ago(b.now(), a.StartedAt)))
			}
		}
	}
	for _, e := range r.endpoints {
		got := b.as(e.Tenant).stored(e.ID)
		lines = append(lines, fmt.Sprintf("endpoint %s %s %q paused %s %s throttled %s", got.ID, got.Status,
			got.StatusReason, ago(b.now(), got.PausedAt), got.PausedTotal.Round(unit), ago(b.now(), got.ThrottledUntil)))
	}
	return sorted(lines)
}
