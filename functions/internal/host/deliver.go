package host

import (
	"context"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/functions/deliver/attempt"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Deliver attaches deliver.
func Deliver(h *Host) error {
	gate, err := h.openGate()
	if err != nil {
		return err
	}
	sender, err := h.dispatcher()
	if err != nil {
		return err
	}
	rescheduled, due := h.hinter(wire.TypeRescheduled), h.hinter(wire.TypeDue)
	c := &h.cfg.Deliver
	d := attempt.New(attempt.Config{
		Store: h.store, Gate: gate, Send: sender, Hint: rescheduled.Say, HintEndpoint: rescheduled.SayEndpoint,
		HandOver: due.SayEndpoint, Now: h.clock.Now, Policy: h.policy,
		Slots: attempt.SlotConfig{
			Total: c.Slots, EndpointShare: percent(c.EndpointShare), TenantShare: percent(c.TenantShare),
			HostShare: percent(c.HostShare),
		},
		HoldBudget: c.HoldBudget, ClaimItems: c.ClaimItems, ClaimBytes: int(c.ClaimBytes), Log: h.log,
		Metrics: attempt.NewMetrics(h.tel.Registry()), Tracer: h.tel.Tracer(),
	})
	if h.cfg.Bus() == config.BackendMemory {
		h.sender = d
	}
	h.parts = append(h.parts,
		server.Part{Name: "dispatcher", Stop: func(context.Context) error { sender.Close(); return nil }},
		server.Part{Name: "deliver", Stop: d.Close},
	)
	return h.on(config.FunctionDeliver, func(string) bus.Handler {
		return handler(d.Handle)
	})
}

// dispatcher makes what POSTs, with the guard that the settings ask for.
func (h *Host) dispatcher() (*dispatch.Dispatcher, error) {
	guard, err := Guard(h.cfg)
	if err != nil {
		return nil, err
	}
	c := &h.cfg.Deliver
	return dispatch.New(dispatch.Config{
		Version: Version, Guard: guard, Proxy: c.OutboundProxy.URL(), Timeout: h.policy.Timeout,
		ConnectTimeout: c.ConnectTimeout, TLSTimeout: c.TLSTimeout, FirstByteTimeout: c.FirstByteTimeout,
		KeepBody: int(c.ResponseKept), ReadBody: int(c.ResponseRead),
		// As many as there can be in flight: an endpoint that takes its time would otherwise be connected to anew for
		// most of its attempts.
		IdlePerHost: max(int(percent(c.HostShare)*float64(c.Slots)), 1), Idle: c.Slots,
	}), nil
}

// Guard makes the guard of the addresses that may be called, as the settings say.
func Guard(cfg *config.Config) (*dispatch.Guard, error) {
	g := dispatch.GuardConfig{
		Allow: cfg.Deliver.AllowAddresses, Deny: cfg.Deliver.DenyAddresses, AllowPorts: cfg.Deliver.AllowPorts,
	}
	if cfg.LoopbackAllowed() {
		g.Allow = append(g.Allow, loopback...)
	}
	return dispatch.NewGuard(g)
}

func percent(n int) float64 { return float64(n) / 100 }

// handler turns a handler of hints into one of events. What is no hint is dropped: it can never become one.
func handler(handle func(ctx context.Context, h wire.Hint) error) bus.Handler {
	return func(ctx context.Context, e event.Event) error {
		hint, err := wire.Decode(&e)
		if err != nil {
			return nil //nolint:nilerr // a hint may be lost, and a forged one must not come again
		}
		return handle(ctx, hint)
	}
}
