package host

import (
	"context"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Ingest attaches ingest: the face or faces that the settings name.
func Ingest(h *Host) error {
	accepter, err := h.accepter()
	if err != nil {
		return err
	}
	if face := h.cfg.Ingest.Face; face != config.FaceBroker {
		h.routes[accept.EventsPath] = accept.NewPublicFace(accept.PublicConfig{
			Accepter: accepter, Store: h.store, MaxBytes: int64(h.cfg.Ingest.MaxPayload), Tracer: h.tel.Tracer(),
			Strangers: h.strangersOnce(),
		})
		if face == config.FacePublic {
			return nil
		}
	}
	broker := h.brokerFace(accepter)
	if h.cfg.Bus() == config.BackendKnative {
		h.routes["/"] = broker
		return nil
	}
	h.undecodable = func(ctx context.Context, u bus.Undecodable) error {
		return broker.TakeUndecodable(ctx, accept.Raw{Header: u.Header, Body: u.Body}, u.Err)
	}
	return h.on(config.FunctionIngest, func(string) bus.Handler {
		return func(ctx context.Context, e event.Event) error { return broker.TakeEvent(ctx, e) }
	})
}

// accepter returns what accepts events, for ingest's faces and for what retry unparks.
func (h *Host) accepter() (*accept.Accepter, error) {
	if h.accepts != nil {
		return h.accepts, nil
	}
	if err := h.openParking(); err != nil {
		return nil, err
	}
	hinter := h.hinter(wire.TypeDue)
	h.accepts = accept.New(accept.Config{
		Store: h.store, Policy: h.policy, Hint: hinter.Say, Sender: h.sender, Now: h.clock.Now,
		GroupItems: h.cfg.Ingest.GroupItems,
		GroupBytes: int(h.cfg.Ingest.GroupBytes), Writers: h.cfg.Ingest.GroupWriters,
		RejectedPerDay: h.cfg.Ingest.RejectedPerDay, Log: h.log, Metrics: accept.NewMetrics(h.tel.Registry()),
	})
	h.parts = append(h.parts, server.Part{Name: "accept", Stop: h.accepts.Close})
	return h.accepts, nil
}

// brokerFace returns the face that brokered and parked events come through.
func (h *Host) brokerFace(a *accept.Accepter) *accept.BrokerFace {
	c := accept.BrokerConfig{
		Accepter: a, MaxBytes: int64(h.cfg.Ingest.MaxPayload), Tenants: h.cfg.Ingest.BrokerTenants,
		Tracer: h.tel.Tracer(), Signatures: signatures(&h.cfg.Ingest),
	}
	if h.parking != nil {
		c.Parker = parker{h.parking}
	}
	return accept.NewBrokerFace(c)
}

// signatures says what the signatures of brokered events are worth.
func signatures(c *config.Ingest) accept.Signatures {
	s := accept.Signatures{
		Check: c.BrokerSignatures != config.SignaturesOff, Require: c.BrokerSignatures == config.SignaturesRequire,
	}
	for _, key := range c.BrokerSigningKeys {
		s.Secrets = append(s.Secrets, key.Reveal())
	}
	return s
}

// parker parks what accept could not store.
type parker struct{ place *parking.Parking }

// Park implements accept.Parker.
func (p parker) Park(ctx context.Context, raw accept.Raw) error {
	return p.place.Park(ctx, parking.Parked{Header: raw.Header, Body: raw.Body})
}
