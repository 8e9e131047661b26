package host

import (
	"context"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/functions/retry/schedule"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Retry attaches retry: its timers, and its tick, which comes from a PingSource on Knative and from a ticker elsewhere.
func Retry(h *Host) error {
	timers, err := h.openTimers()
	if err != nil {
		return err
	}
	drain, err := h.drainParked()
	if err != nil {
		return err
	}
	accepter, err := h.accepter()
	if err != nil {
		return err
	}
	broker := h.brokerFace(accepter)
	c := &h.cfg.Retry
	s := schedule.New(schedule.Config{
		Store: h.store, Timers: timers, IDs: &h.ids, Publish: h.publishHints, Now: h.clock.Past, Policy: h.policy,
		Interval: c.Tick, Batch: c.Batch, PerEndpoint: c.PerEndpoint, HousekeepEvery: c.HousekeepEvery,
		Drain: drain, Redrive: func(ctx context.Context) (int, error) { return broker.Redrive(ctx, h.store, maxRedriven) },
		Log: h.log,
		Retention: store.Retention{
			Events: c.RetentionEvents, Attempts: c.RetentionAttempts, Rejected: c.RetentionRejected,
			Tallies: c.RetentionStats, Ahead: c.PartitionsAhead,
		},
		Failing:        webhook.FailingRule{Window: c.FailingWindow, Attempts: c.FailingAttempts, Below: c.FailingBelow},
		OperatorTenant: c.OperatorTenant, Announce: h.announce,
		Metrics: schedule.NewMetrics(h.tel.Registry()),
	})
	h.parts = append(h.parts, loop("timers", s.Run), loop("jobs", s.RunJobs))
	rescheduled := s.Rescheduled
	if h.cfg.Mode() == config.ModeKnative {
		rescheduled = func(ctx context.Context, hint wire.Hint) error {
			err := s.Rescheduled(ctx, hint)
			h.awake.hint(ctx, h, s)
			return err
		}
		h.subscriptions = append(h.subscriptions, subscription{
			Subscription: bus.Subscription{
				Name: "tick", Filter: map[string]string{"type": wire.TypeTick}, Parallelism: maxTicks,
			},
			handler: func(ctx context.Context, _ event.Event) error {
				h.tick(ctx, s)
				h.awake.tick(ctx, h, s)
				return nil
			},
		})
	} else {
		h.parts = append(h.parts, loop("tick", func(ctx context.Context) {
			every(ctx, c.Tick, func(ctx context.Context) { h.tick(ctx, s) })
		}))
	}
	return h.on(config.FunctionRetry, func(string) bus.Handler {
		return handler(func(ctx context.Context, hint wire.Hint) error {
			if hint.Type == wire.TypeJobs {
				return s.JobsDue(ctx, hint)
			}
			return rescheduled(ctx, hint)
		})
	})
}

// maxTicks is how many ticks a process takes at once: each may be held while timers come due.
const maxTicks = 4

// hold keeps a request while timers come due before the next tick, but not a process from stopping.
func (h *Host) hold(ctx context.Context, s *schedule.Scheduler) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.stopping, cancel)()
	s.Hold(ctx, h.cfg.Retry.Tick)
}

// announce publishes an operational event on the deliveries bus, for anybody's trigger. What is lost there is in the
// store, and with those who have an endpoint.
func (h *Host) announce(ctx context.Context, e *webhook.Event) {
	out := event.New()
	out.SetID(e.CEID)
	out.SetSource(e.Source)
	out.SetType(e.Type)
	out.SetSubject(e.Subject)
	out.SetTime(e.Time)
	err := out.SetData(e.DataType, e.Data)
	if err == nil {
		err = h.bus.Publish(ctx, bus.BrokerDeliveries, out)
	}
	if err != nil {
		h.log.WarnContext(ctx, "an operational event is not on the bus", "type", e.Type, "error", err)
	}
}

func (h *Host) tick(ctx context.Context, s *schedule.Scheduler) {
	if err := s.Tick(ctx); err != nil && ctx.Err() == nil {
		h.log.WarnContext(ctx, "a tick fell short; the next one goes on", "error", err)
	}
}

// maxRedriven bounds how many rejected events one tick takes again.
const maxRedriven = 1000

// maxDrained bounds how many parked events one tick stores.
const maxDrained = 10_000

// drainParked returns what stores parked events once the store can be written to, which is asked only when some wait;
// nil when nothing can be parked.
func (h *Host) drainParked() (func(context.Context) (drained, left int, err error), error) {
	if err := h.openParking(); err != nil || h.parking == nil {
		return nil, err
	}
	accepter, err := h.accepter()
	if err != nil {
		return nil, err
	}
	broker := h.brokerFace(accepter)
	return func(ctx context.Context) (drained, left int, err error) {
		waiting, err := h.parking.Depth(ctx)
		if err != nil {
			return 0, -1, err
		}
		if waiting == 0 {
			return 0, 0, nil
		}
		if err := h.store.ProbeWrite(ctx); err != nil {
			return 0, waiting, fmt.Errorf("host: the store cannot be written to yet: %w", err)
		}
		drained, err = h.parking.Drain(ctx, maxDrained, func(ctx context.Context, p parking.Parked) error {
			return broker.Unpark(ctx, accept.Raw{Header: p.Header, Body: p.Body})
		})
		return drained, max(waiting-drained, 0), err
	}, nil
}
