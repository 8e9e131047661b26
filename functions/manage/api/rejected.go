package api

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// RejectedEvent is something that came in from a broker and could not be accepted.
type RejectedEvent struct {
	ID         webhook.ID `json:"id" format:"uuid"`
	Reason     string     `json:"reason" doc:"Why, in one word."`
	Detail     string     `json:"detail,omitempty" doc:"Why, for people."`
	RejectedAt time.Time  `json:"rejected_at"`
	Whole      bool       `json:"whole" doc:"Whether all that came is kept, so that it can be taken again."`
	RedriveAt  *time.Time `json:"redrive_at,omitempty" doc:"Since when it waits to be taken again."`
	//nolint:lll // a tag cannot be broken
	Event *webhook.ID `json:"event,omitempty" format:"uuid" doc:"The event that it has become; it is not listed any more then."`
}

// RejectedEventWithBody is one with what came.
type RejectedEventWithBody struct {
	RejectedEvent
	Headers    StringMap `json:"headers,omitempty" doc:"The headers that it came with."`
	Body       *string   `json:"body,omitempty" doc:"What came, when it is text."`
	BodyBase64 []byte    `json:"body_base64,omitempty" doc:"What came, when it is not text."`
}

func showRejected(r store.Rejected) RejectedEvent {
	out := RejectedEvent{
		ID: r.ID, Reason: r.Reason, Detail: r.Detail, RejectedAt: r.RejectedAt, Whole: r.Whole,
		RedriveAt: moment(r.RedriveAt),
	}
	if !r.Event.IsZero() {
		out.Event = &r.Event
	}
	return out
}

// RejectedPath names something that was rejected.
type RejectedPath struct {
	ForTenant
	ID webhook.ID `path:"rejected" format:"uuid" doc:"Its id."`
}

type rejectedAnswer struct{ Body RejectedEventWithBody }

func (a *API) registerRejected() {
	const tag, one = "Rejected events", "/v1/rejected-events/{rejected}"
	const nobodys = " With an operator's key that names no tenant: of what no tenant is known for."
	register(a, operation{
		id: "listRejectedEvents", method: http.MethodGet, path: "/v1/rejected-events", tag: tag, realm: realmAny,
		scope: webhook.ScopeDeliveriesRead, summary: "List rejected events",
		description: "Newest first. A broker cannot be told what is wrong with an event, so it is kept here." + nobodys,
	}, a.listRejected)
	register(a, operation{
		id: "getRejectedEvent", method: http.MethodGet, path: one, tag: tag, scope: webhook.ScopeDeliveriesRead,
		realm: realmAny, summary: "Get a rejected event", description: "With everything that came.",
	}, a.getRejected)
	register(a, operation{
		id: "discardRejectedEvent", method: http.MethodDelete, path: one, tag: tag, scope: webhook.ScopeDeliveriesWrite,
		realm: realmAny, summary: "Discard a rejected event", description: "For good.",
	}, a.discardRejected)
}

func (a *API) listRejected(ctx context.Context, in *struct {
	ForTenant
	Paging
},
) (*listed[RejectedEvent], error) {
	before, err := in.afterID()
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Store.RejectedPage(ctx, callerOf(ctx).tenant, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, showRejected, func(r store.Rejected) string { return r.ID.String() }), nil
}

func (a *API) getRejected(ctx context.Context, in *struct{ RejectedPath }) (*rejectedAnswer, error) {
	r, err := a.cfg.Store.Rejected(ctx, callerOf(ctx).tenant, in.ID)
	if err != nil {
		return nil, err
	}
	out := &rejectedAnswer{Body: RejectedEventWithBody{RejectedEvent: showRejected(r), Headers: r.Headers}}
	if r.Body == nil {
		return out, nil
	}
	if utf8.Valid(r.Body) {
		text := string(r.Body)
		out.Body.Body = &text
	} else {
		out.Body.BodyBase64 = r.Body
	}
	return out, nil
}

func (a *API) discardRejected(ctx context.Context, in *struct{ RejectedPath }) (*rejectedAnswer, error) {
	out, err := a.getRejected(ctx, in)
	if err != nil {
		return nil, err
	}
	change := audited{action: "rejected_event.discard", target: in.ID.String(), before: out.Body.RejectedEvent}
	noted, err := a.noted(ctx, change)
	if err != nil {
		return nil, err
	}
	return out, a.cfg.Store.DiscardRejected(noted, callerOf(ctx).tenant, in.ID)
}
