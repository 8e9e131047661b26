package simulation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// scribe writes the answers of a store in names and in times since the beginning, so that two stores which did the same
// are written alike. A nil scribe writes nothing.
type scribe struct {
	names map[webhook.ID]string
	since func(time.Time) string
}

// scribe returns the simulation's, when somebody reads what it writes.
func (s *sim) scribe() *scribe {
	if !s.log && !s.coarse {
		return nil
	}
	return &scribe{s.names, func(t time.Time) string { return t.Sub(epoch).String() }}
}

func isUnavailable(err error) bool { return errors.Is(err, store.ErrUnavailable) }

// said adds the kind of an error to an answer.
func said(text string, err error) string {
	for _, kind := range []error{store.ErrNotFound, store.ErrConflict, store.ErrInvalid} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return text
}

// lines writes parts in an order of their own: stores may answer in any.
func lines(parts []string) string {
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (w *scribe) accepted(out []store.Accepted) string {
	if w == nil {
		return ""
	}
	var parts []string
	for _, one := range out {
		parts = append(parts, fmt.Sprint(one.Status, " ", w.names[one.EventID]))
		for i := range one.Begun {
			parts = append(parts, w.begun(&one.Begun[i].Delivery))
		}
	}
	return strings.Join(parts, ", ")
}

// begun writes an attempt that was claimed.
func (w *scribe) begun(d *webhook.Delivery) string {
	return fmt.Sprintf("%s/%d until %s (wake %s)", w.names[d.ID], d.Attempt, w.since(d.LeaseUntil), w.since(d.WakeAt))
}

func (w *scribe) claims(out *store.Claims) string {
	if w == nil {
		return ""
	}
	var parts []string
	for i := range out.Work {
		parts = append(parts, w.begun(&out.Work[i].Delivery))
	}
	for _, n := range out.NotDue {
		parts = append(parts, fmt.Sprintf("%s/%d not due", w.names[n.Delivery], n.Attempt))
	}
	for _, id := range out.Drained {
		parts = append(parts, w.names[id]+" drained")
	}
	for _, c := range out.Closed {
		parts = append(parts, fmt.Sprintf("%s closed %v", w.names[c.Endpoint], c.OpenIn > 0))
	}
	return lines(parts)
}

func (w *scribe) recorded(results []store.Result, out []store.Recorded) string {
	if w == nil {
		return ""
	}
	var parts []string
	for i := range out {
		r, a := &out[i], &results[i].Attempt
		text := fmt.Sprintf("%s/%d %s applied=%v %s", w.names[a.Delivery], a.Number, a.Outcome, r.Applied, r.State)
		if !r.DueAt.IsZero() {
			text += " due " + w.since(r.DueAt)
		}
		if r.Disabled {
			text += " disabled"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func (w *scribe) reconciled(out *store.Reconciled) string {
	if w == nil {
		return ""
	}
	var parts []string
	for action, n := range out.Counts {
		parts = append(parts, fmt.Sprint(action, "=", n))
	}
	for _, d := range out.Due {
		parts = append(parts, "due "+w.due(d))
	}
	for _, d := range out.Timers {
		parts = append(parts, "timer "+w.due(d))
	}
	for _, id := range out.Endpoints {
		parts = append(parts, "endpoint "+w.names[id])
	}
	return lines(parts)
}

func (w *scribe) due(d store.Due) string {
	if w == nil {
		return ""
	}
	return fmt.Sprintf("%s/%d at %s", w.names[d.Delivery], d.Attempt, w.since(d.DueAt))
}

// delivery writes everything about a delivery that two stores must agree on.
func (w *scribe) delivery(d *webhook.Delivery, attempts []webhook.Attempt) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s to %s %s %q attempt=%d interruptions=%d replay of %q due=%s lease=%s wake=%s expires=%s",
		w.names[d.ID], w.names[d.Endpoint], d.State, d.Reason, d.Attempt, d.Interruptions, w.names[d.ReplayOf],
		w.at(d.DueAt), w.at(d.LeaseUntil), w.at(d.WakeAt), w.at(d.ExpiresAt))
	for i := range attempts {
		fmt.Fprintf(&text, " %d:%s", attempts[i].Number, attempts[i].Outcome)
	}
	return text.String()
}

// endpoint does so for an endpoint.
func (w *scribe) endpoint(e *webhook.Endpoint) string {
	return fmt.Sprintf("%s %s version=%d paused=%s/%s throttled=%s", w.names[e.ID], e.Status, e.Version, w.at(e.PausedAt),
		e.PausedTotal, w.at(e.ThrottledUntil))
}

func (w *scribe) at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return w.since(t)
}
