package api

import (
	"context"
	"net/http"

	"github.com/homing-hooks/homing/pkg/webhook"
)

func (a *API) registerErase() {
	register(a, operation{
		id: "eraseEventPayload", method: http.MethodDelete, path: "/v1/events/{event}/payload", tag: "Events",
		scope: webhook.ScopeDeliveriesWrite, summary: "Erase an event's payload",
		description: "For good, with those of all its replays and the headers and bodies that its attempts were " +
			"answered with; that it was accepted and where it went stays on record. What is still to be sent of it " +
			"is cancelled; an attempt that is under way may still finish. It cannot be replayed any more. " +
			"Again changes nothing.",
	}, a.erasePayload)
}

func (a *API) erasePayload(ctx context.Context, in *struct{ EventPath }) (*eventAnswer, error) {
	tenant := callerOf(ctx).tenant
	e, err := a.cfg.Store.Event(ctx, tenant, in.ID)
	if err != nil {
		return nil, err
	}
	if e.ErasedAt.IsZero() {
		noted, err := a.noted(ctx, audited{action: "event.erase", target: in.ID.String(), before: showEvent(*e)})
		if err != nil {
			return nil, err
		}
		if _, err := a.cfg.Store.ErasePayload(noted, tenant, in.ID); err != nil {
			return nil, err
		}
	}
	return a.getEvent(ctx, in)
}
