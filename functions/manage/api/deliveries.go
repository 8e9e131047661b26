package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Delivery is a delivery as the API shows it: one event for one endpoint.
type Delivery struct {
	ID       webhook.ID `json:"id" format:"uuid"`
	Event    webhook.ID `json:"event" format:"uuid"`
	Endpoint webhook.ID `json:"endpoint" format:"uuid"`
	State    string     `json:"state" enum:"scheduled,attempting,succeeded,exhausted,cancelled"`
	//nolint:lll // a tag cannot be broken
	Reason   string      `json:"reason,omitempty" doc:"Why it ended without success: schedule (every attempt was made), gated (its turn never came), gone (410), interrupted, endpoint_deleted, by_hand, erased."`
	Attempts int         `json:"attempts" doc:"How many attempts were begun."`
	DueAt    *time.Time  `json:"due_at,omitempty" doc:"When the next attempt may be made; missing once it has ended."`
	ReplayOf *webhook.ID `json:"replay_of,omitempty" format:"uuid" doc:"The delivery that this one replays."`
	//nolint:lll // a tag cannot be broken
	CreatedAt time.Time `json:"created_at" doc:"When it was made, to the millisecond: with the event, or when it was replayed."`
}

// DeliveryWithAttempts is a delivery with the records of its attempts.
type DeliveryWithAttempts struct {
	Delivery
	EventType string `json:"event_type"`
	Held      bool   `json:"held" doc:"Whether it waits only because its endpoint is not active."`
	//nolint:lll // a tag cannot be broken
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it ends if its turn does not come; it stands still while the endpoint is paused."`
	//nolint:lll // a tag cannot be broken
	History []Attempt `json:"history" nullable:"false" doc:"The attempts that are over, in order. The one under way is not in it. Records are kept for a shorter time than deliveries."`
}

// Attempt is the record of one POST.
type Attempt struct {
	Number    int       `json:"number"`
	Outcome   string    `json:"outcome" doc:"What came of it, in one word."`
	Status    int       `json:"status,omitempty" doc:"The HTTP status of the answer; missing when none came."`
	Detail    string    `json:"detail,omitempty" doc:"What went wrong, for people."`
	StartedAt time.Time `json:"started_at"`
	//nolint:lll // a tag cannot be broken
	Request StringMap `json:"request_headers,omitempty" doc:"The headers that were sent, as far as they follow from what is stored: signatures and the values of the endpoint's own headers are redacted, headers of the trace left out. Missing when nothing was sent, or it is not known whether."`
	//nolint:lll // a tag cannot be broken
	Partial    bool      `json:"request_headers_partial,omitempty" doc:"Whether only those are shown that do not depend on the endpoint, because its format or headers were changed since."`
	LatencyMS  Latency   `json:"latency_ms"`
	Headers    StringMap `json:"response_headers,omitempty" doc:"The headers of the answer, bounded."`
	Body       *string   `json:"response_body,omitempty" doc:"The beginning of the answer, when it is text."`
	BodyBase64 []byte    `json:"response_body_base64,omitempty" doc:"The beginning of the answer, when it is not text."`
}

// StringMap is a map of texts.
type StringMap map[string]string

// Latency is how long the phases of an attempt took, in milliseconds; 0 for those that did not happen.
type Latency struct {
	DNS       float64 `json:"dns"`
	Connect   float64 `json:"connect"`
	TLS       float64 `json:"tls"`
	FirstByte float64 `json:"first_byte"`
	Total     float64 `json:"total"`
}

func showDelivery(d webhook.Delivery) Delivery {
	out := Delivery{
		ID: d.ID, Event: d.Event, Endpoint: d.Endpoint, State: string(d.State), Reason: string(d.Reason),
		Attempts: d.Attempt, CreatedAt: d.ID.Time().UTC(),
	}
	if !d.State.Terminal() {
		out.DueAt = moment(d.DueAt)
	}
	if !d.ReplayOf.IsZero() {
		out.ReplayOf = &d.ReplayOf
	}
	return out
}

func showAttempt(r webhook.Attempt) Attempt {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	out := Attempt{
		Number: r.Number, Outcome: string(r.Outcome), Status: r.Status, Detail: r.Detail, StartedAt: r.StartedAt,
		LatencyMS: Latency{
			DNS: ms(r.Latency.DNS), Connect: ms(r.Latency.Connect), TLS: ms(r.Latency.TLS),
			FirstByte: ms(r.Latency.FirstByte), Total: ms(r.Latency.Total),
		},
		Headers: r.ResponseHeaders,
	}
	switch {
	case len(r.ResponseBody) == 0:
	case utf8.Valid(r.ResponseBody):
		text := string(r.ResponseBody)
		out.Body = &text
	default:
		out.BodyBase64 = r.ResponseBody
	}
	return out
}

// requestSlack is how long an attempt may have waited with the endpoint as it was before it is sent: it is claimed,
// takes its turn, and is given back when its lease does not cover its timeout any more. Clocks that differ are in it.
const requestSlack = 2 * time.Minute

// unsent are the outcomes of attempts of which nothing reached the endpoint, or nobody knows.
var unsent = []webhook.Outcome{
	webhook.OutcomeDNS, webhook.OutcomeConnect, webhook.OutcomeTLS, webhook.OutcomeBlocked, webhook.OutcomeConfig,
	webhook.OutcomeInterrupted, webhook.OutcomeUnsent,
}

// requestHeaders makes the headers of an attempt again. partial is whether those that depend on the endpoint are left
// out: it may have had other headers, or another format, when the attempt was made.
func requestHeaders(
	view *store.DeliveryView, e *webhook.Endpoint, r *webhook.Attempt,
) (shown StringMap, partial bool, err error) {
	if slices.Contains(unsent, r.Outcome) {
		return nil, false, nil
	}
	request := dispatch.Request{
		Endpoint: e, EndpointID: e.ID, Event: &view.Event, Delivery: r.Delivery, Attempt: r.Number,
		Replay: !view.Delivery.ReplayOf.IsZero(), Now: r.StartedAt,
	}
	if !view.RequestSince.IsZero() && r.StartedAt.Before(view.RequestSince.Add(requestSlack)) {
		request.Endpoint, partial = nil, true
	}
	header, err := request.Headers()
	if err != nil {
		return nil, false, err
	}
	shown = make(StringMap, len(header))
	for name := range header {
		shown[strings.ToLower(name)] = header.Get(name)
	}
	return shown, partial, nil
}

type listDeliveriesInput struct {
	ForTenant
	Paging
	Endpoint webhook.ID `query:"endpoint" format:"uuid" doc:"Only those to this endpoint."`
	Event    webhook.ID `query:"event" format:"uuid" doc:"Only those of this event."`
	//nolint:lll // a tag cannot be broken
	State string `query:"state" enum:"scheduled,attempting,succeeded,exhausted,cancelled" doc:"Only those in this state: exhausted are those that were given up."`
	//nolint:lll // a tag cannot be broken
	Outcome string `query:"outcome" enum:"success,redirect,gone,throttled,client_error,server_error,timeout,dns_error,connect_error,tls_error,protocol_error,blocked,config_error,interrupted,unsent" doc:"Only those whose attempt that was recorded last had this outcome. They are looked for among what the other parameters select, 2,000 deliveries a page: a page may be short, or empty, and have a next_cursor all the same."`
	Span
}

// DeliveryPath names a delivery.
type DeliveryPath struct {
	ForTenant
	ID webhook.ID `path:"delivery" format:"uuid" doc:"The delivery's id."`
}

type deliveryAnswer struct{ Body DeliveryWithAttempts }

func (a *API) registerDeliveries() {
	const tag, one = "Deliveries", "/v1/deliveries/{delivery}"
	read, write := webhook.ScopeDeliveriesRead, webhook.ScopeDeliveriesWrite
	register(a, operation{
		id: "listDeliveries", method: http.MethodGet, path: "/v1/deliveries", tag: tag, scope: read,
		summary: "List deliveries", description: "Newest first.",
	}, a.listDeliveries)
	register(a, operation{
		id: "getDelivery", method: http.MethodGet, path: one, tag: tag, scope: read, summary: "Get a delivery",
		description: "With every attempt: what was sent, outcome, latency by phase, and the beginning of the answer.",
	}, a.getDelivery)
	register(a, operation{
		id: "retryDelivery", method: http.MethodPost, path: one + "/retry", tag: tag, scope: write,
		errors: []int{http.StatusConflict}, summary: "Retry a delivery now",
		description: "One that waits is attempted at once. One that has ended is replayed: the answer is the new delivery, " +
			"with the same webhook-id. 409 while an attempt is under way, or when the endpoint was deleted; " +
			"409 of another type (erased) when the payload is gone.",
	}, a.retryDelivery)
	register(a, operation{
		id: "cancelDelivery", method: http.MethodPost, path: one + "/cancel", tag: tag, scope: write,
		errors: []int{http.StatusConflict}, summary: "Cancel a delivery",
		description: "No further attempt is made. 409 when it has ended already.",
	}, a.cancelDelivery)
}

func (a *API) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*listed[Delivery], error) {
	cursor, err := in.afterID()
	if err != nil {
		return nil, err
	}
	q := store.DeliveryQuery{
		Tenant: callerOf(ctx).tenant, Endpoint: in.Endpoint, Event: in.Event, State: webhook.State(in.State),
		From: in.from(), Before: in.before(cursor), Limit: in.Limit + 1,
	}
	if in.Outcome != "" {
		return a.deliveriesByOutcome(ctx, q, in)
	}
	list, err := a.cfg.Store.Deliveries(ctx, q)
	if err != nil {
		return nil, err
	}
	return paged(list, in.Limit, showDelivery, func(d webhook.Delivery) string { return d.ID.String() }), nil
}

// deliveriesByOutcome lists deliveries by the outcome that they had last. The next page begins where looking for them
// stopped, however many were found.
func (a *API) deliveriesByOutcome(
	ctx context.Context, q store.DeliveryQuery, in *listDeliveriesInput,
) (*listed[Delivery], error) {
	q.Limit = in.Limit
	page, err := a.cfg.Store.DeliveriesByOutcome(ctx, q, webhook.Outcome(in.Outcome))
	if err != nil {
		return nil, err
	}
	out := paged(page.Deliveries, in.Limit, showDelivery, func(webhook.Delivery) string { return "" })
	if !page.Next.IsZero() {
		out.Body.NextCursor = cursorOf(page.Next.String())
	}
	return out, nil
}

func (a *API) getDelivery(ctx context.Context, in *struct{ DeliveryPath }) (*deliveryAnswer, error) {
	tenant := callerOf(ctx).tenant
	view, err := a.cfg.Store.Delivery(ctx, tenant, in.ID)
	if err != nil {
		return nil, err
	}
	endpoint, err := a.cfg.Store.Endpoint(ctx, tenant, view.Delivery.Endpoint)
	if err != nil {
		return nil, err
	}
	out := &deliveryAnswer{Body: DeliveryWithAttempts{
		Delivery: showDelivery(view.Delivery), EventType: view.Event.Type,
		History: make([]Attempt, 0, len(view.Attempts)),
	}}
	if now := a.cfg.Now(); !view.Delivery.State.Terminal() {
		out.Body.Held = view.Delivery.State == webhook.StateScheduled && !endpoint.Open(now)
		// Deliveries expire by the running clock of their endpoint: see webhook.Endpoint.
		out.Body.ExpiresAt = moment(view.Delivery.ExpiresAt.Add(now.Sub(endpoint.RunningClock(now))))
	}
	for _, r := range view.Attempts {
		shown := showAttempt(r)
		if shown.Request, shown.Partial, err = requestHeaders(&view, &endpoint, &r); err != nil {
			return nil, err
		}
		out.Body.History = append(out.Body.History, shown)
	}
	return out, nil
}

func (a *API) retryDelivery(ctx context.Context, in *struct{ DeliveryPath }) (*deliveryAnswer, error) {
	noted, err := a.noted(ctx, audited{action: "delivery.retry", target: in.ID.String()})
	if err != nil {
		return nil, err
	}
	due, err := a.cfg.Store.RetryNow(noted, callerOf(ctx).tenant, in.ID, &a.ids)
	if err != nil {
		return nil, explainConflict(err, "an attempt is under way, or the endpoint was deleted")
	}
	a.cfg.Hint(wire.Due{Delivery: due.Delivery, Endpoint: due.Endpoint, Attempt: due.Attempt, Due: due.DueAt})
	in.ID = due.Delivery
	return a.getDelivery(ctx, in)
}

func (a *API) cancelDelivery(ctx context.Context, in *struct{ DeliveryPath }) (*deliveryAnswer, error) {
	noted, err := a.noted(ctx, audited{action: "delivery.cancel", target: in.ID.String()})
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Store.CancelDelivery(noted, callerOf(ctx).tenant, in.ID); err != nil {
		return nil, explainConflict(err, "it has ended already")
	}
	return a.getDelivery(ctx, in)
}
