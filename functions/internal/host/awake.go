package host

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/homing-hooks/homing/functions/retry/schedule"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/wire"
)

// awakeFor is how long a hint's request is held to keep the process awake: nearly as long as the autoscaling window in
// knative/base/retry.yaml, and with the hint that follows no longer than the timeout of the trigger retry-rescheduled.
const awakeFor = 5 * time.Second

// awake keeps retry from scaling to zero on Knative while timers come due before the next tick (those that come due
// later are the next tick's, which holds its own request for them). To the autoscaler only requests under way are work,
// and a broker waits for the answer to a hint for seconds only. So one hint at a time is held for a while, and then
// followed by another, which names nothing. A lost one makes timers late, at most until the next tick.
type awake struct {
	held atomic.Bool // a request is, of a tick or of a hint
}

// tick holds a tick's request while timers come due before the next one.
func (a *awake) tick(ctx context.Context, h *Host, s *schedule.Scheduler) {
	if a.held.CompareAndSwap(false, true) {
		defer a.held.Store(false)
	}
	h.hold(ctx, s)
}

// hint holds a hint's request, and sends another, unless nothing comes due or another request is held already.
func (a *awake) hint(ctx context.Context, h *Host, s *schedule.Scheduler) {
	if a.hold(ctx, h, s) {
		h.publishEmptyHint(ctx, wire.TypeRescheduled)
	}
}

// hold reports whether more comes due after it.
func (a *awake) hold(ctx context.Context, h *Host, s *schedule.Scheduler) (more bool) {
	if !a.held.CompareAndSwap(false, true) {
		return false
	}
	defer a.held.Store(false)
	held, cancel := context.WithTimeout(ctx, awakeFor)
	defer cancel()
	h.hold(held, s)
	return held.Err() != nil && ctx.Err() == nil
}

// publishEmptyHint sends a hint that names nothing.
func (h *Host) publishEmptyHint(ctx context.Context, hintType string) {
	ctx, cancel := context.WithTimeout(ctx, bus.HintTimeoutDefault)
	defer cancel()
	now := h.clock.Now()
	e, err := wire.Encode(&wire.Hint{Type: hintType}, h.ids.New(now), now)
	if err == nil {
		err = h.bus.Publish(ctx, bus.BrokerDeliveries, e)
	}
	if err != nil {
		h.hints.note(hintType, hintFailed, 1, err)
		return
	}
	h.hints.note(hintType, hintPublished, 1, nil)
}
