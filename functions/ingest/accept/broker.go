package accept

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/brokersign"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TenantAttribute is the extension that says whose event a brokered event is. Neither it nor its signature is sent on
// to endpoints.
const TenantAttribute = brokersign.TenantAttribute

// The reasons for which a brokered event is rejected: it is stored as such, and answered 2xx, for the broker would
// throw it away on a 4xx and repeat it on a 5xx.
const (
	rejectUndecodable = "undecodable"
	rejectInvalid     = "invalid"
	rejectSchema      = "schema"
	rejectTenant      = "tenant"
	rejectSignature   = "signature"
	rejectTooLarge    = "too_large"
)

// takeTimeout bounds the storing or parking of one brokered event.
const takeTimeout = 30 * time.Second

// Parker keeps raw events durably while the store is away.
type Parker interface {
	// Park returns once the event is safe elsewhere. Errors: it is not.
	Park(ctx context.Context, raw Raw) error
}

// BrokerFace takes events from the events broker: over HTTP from a trigger (POST /), from an AMQP subscription, or from
// where they were parked. Its answers are for a broker that counts 3xx and most 4xx as success: an event is stored,
// rejected for good or parked, all of them 2xx; or it is none of these, and 503 asks for it again.
type BrokerFace struct {
	accepter *Accepter
	parker   Parker // nil: nowhere to park
	maxBytes int64
	tenants  []string
	signed   Signatures
	tracer   trace.Tracer
	ids      webhook.IDSource
}

// Signatures says what an event's signature is worth (package brokersign).
type Signatures struct {
	// Check refuses events whose signature is wrong; Require those without one as well.
	Check, Require bool
	// Secrets are those that the tenants' keys are derived from, any of which may have been used.
	Secrets [][]byte
}

// allow reports whether an event may be the tenant's that it names. Errors: those of brokersign.
func (s *Signatures) allow(e *webhook.Event, tenant string) error {
	if !s.Check {
		return nil
	}
	signature, _ := e.Extensions[brokersign.Attribute].(string)
	err := brokersign.Verify(s.Secrets, brokersign.Parts{
		ID: e.CEID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time, Tenant: tenant, Data: e.Data,
	}, signature)
	_, there := e.Extensions[brokersign.Attribute]
	if errors.Is(err, brokersign.ErrMissing) && !there && !s.Require {
		return nil
	}
	return err
}

// BrokerConfig is what a BrokerFace is made of.
type BrokerConfig struct {
	Accepter *Accepter
	// Parker may be nil: then events are asked for again while the store is away.
	Parker Parker
	// MaxBytes bounds an event's body.
	MaxBytes int64
	// Tenants are those that the broker may speak for; none means all.
	Tenants []string
	// Signatures says whether events must be signed; the zero value: they need not be.
	Signatures Signatures
	Tracer     trace.Tracer
}

// NewBrokerFace makes a BrokerFace.
func NewBrokerFace(c BrokerConfig) *BrokerFace {
	return &BrokerFace{
		accepter: c.Accepter, parker: c.Parker, maxBytes: c.MaxBytes, tenants: c.Tenants,
		signed: c.Signatures, tracer: c.Tracer,
	}
}

// ServeHTTP takes the events of a trigger.
func (f *BrokerFace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	status := f.serve(w, r)
	w.WriteHeader(status)
	f.accepter.cfg.Metrics.answered(faceBroker, status, began)
}

func (f *BrokerFace) serve(w http.ResponseWriter, r *http.Request) int {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed
	}
	// A dispatcher that is stopped cancels its requests and acknowledges their messages all the same: an event that has
	// arrived is stored or parked even if nobody waits for the answer any more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), takeTimeout)
	defer cancel()
	raw, err := ReadRaw(w, r, f.maxBytes)
	switch {
	case errors.Is(err, ErrTooLarge):
		err = f.rejectLarge(ctx, unescaped(raw.Header[attributePrefix+TenantAttribute]), raw.Header, err)
	case err != nil:
		return http.StatusServiceUnavailable // the broker went away in the middle: let it come again
	default:
		err = f.Take(ctx, raw)
	}
	if err != nil {
		return http.StatusServiceUnavailable
	}
	return http.StatusAccepted
}

// TakeEvent takes one event from a subscription on the events broker. An error asks for it again.
func (f *BrokerFace) TakeEvent(ctx context.Context, ce event.Event) error {
	header := map[string]string{"content-type": typeStructured}
	if t := telemetry.TraceOf(ctx); t.Parent != "" { // the subscription has taken it from the message
		header["traceparent"], header["tracestate"] = t.Parent, t.State
	}
	e, err := FromCloudEvent(&ce)
	if err == nil {
		e.Trace = traceOf(header, e.Extensions)
	}
	// Its very bytes, whatever they are, and never more than a third longer: as text in JSON they may grow sixfold, and
	// would not fit where events are parked.
	ce.DataBase64 = true
	body, encodeErr := ce.MarshalJSON()
	if encodeErr != nil {
		body = ce.Data()
	}
	raw := Raw{Header: header, Body: body}
	if int64(len(ce.Data())) > f.maxBytes {
		tenant, _ := ce.Extensions()[TenantAttribute].(string)
		return f.rejectLarge(ctx, tenant, headerOf(&ce), ErrTooLarge)
	}
	return f.take(ctx, e, err, raw)
}

// TakeUndecodable takes what came from a subscription on the events broker and is no event. An error asks for it again.
func (f *BrokerFace) TakeUndecodable(ctx context.Context, raw Raw, cause error) error {
	raw.Header = tellingOnly(raw.Header)
	return f.take(ctx, webhook.Event{}, cause, raw)
}

// Take takes one event as it came. An error asks for it again.
func (f *BrokerFace) Take(ctx context.Context, raw Raw) error {
	return f.decodeAndTake(ctx, raw, true)
}

// Unpark takes one event from where it was parked. An error, store.ErrUnavailable, leaves it there: it is not parked
// anew.
func (f *BrokerFace) Unpark(ctx context.Context, raw Raw) error {
	return f.decodeAndTake(ctx, raw, false)
}

func (f *BrokerFace) decodeAndTake(ctx context.Context, raw Raw, mayPark bool) error {
	events, err := Decode(ctx, raw, false)
	var e webhook.Event
	if err == nil {
		e = events[0]
	}
	if !mayPark {
		return f.store(ctx, e, err, raw)
	}
	return f.take(ctx, e, err, raw)
}

// take stores or rejects an event, or parks it when the store is away.
func (f *BrokerFace) take(ctx context.Context, e webhook.Event, decoded error, raw Raw) error {
	err := f.store(ctx, e, decoded, raw)
	if err == nil || f.parker == nil {
		return err
	}
	if parkErr := f.parker.Park(ctx, raw); parkErr != nil {
		return fmt.Errorf("accept: park: %w", errors.Join(parkErr, err))
	}
	f.accepter.cfg.Metrics.parked.Inc()
	return nil
}

// store stores a decoded event, or rejects what cannot be stored. Errors: store.ErrUnavailable.
func (f *BrokerFace) store(ctx context.Context, e webhook.Event, decoded error, raw Raw) error {
	_, refused, err := f.judge(ctx, e, decoded)
	if err != nil || refused == nil {
		return err
	}
	return f.reject(ctx, refused.tenant, refused.reason, refused.cause, raw)
}

// refusal is why a brokered event is not accepted, and whose it is, "" where that is not known.
type refusal struct {
	tenant, reason string
	cause          error
}

// judge stores a decoded event, or says why it cannot be. Errors: store.ErrUnavailable.
func (f *BrokerFace) judge(ctx context.Context, e webhook.Event, decoded error) (Receipt, *refusal, error) {
	if decoded != nil {
		return Receipt{}, &refusal{"", rejectUndecodable, decoded}, nil
	}
	tenant, _ := e.Extensions[TenantAttribute].(string)
	if !f.speaksFor(tenant) {
		return Receipt{}, &refusal{"", rejectTenant, errTenant}, nil
	}
	if err := f.signed.allow(&e, tenant); err != nil {
		return Receipt{}, &refusal{"", rejectSignature, err}, nil // nobody's: a stranger fills no tenant's list
	}
	delete(e.Extensions, TenantAttribute)
	delete(e.Extensions, brokersign.Attribute)
	e.Tenant = tenant
	ctx, span := telemetry.StartSpan(telemetry.ContextWithTrace(ctx, e.Trace), f.tracer, "homing.ingest.accept",
		trace.SpanKindConsumer)
	defer span.End()
	if traced := telemetry.TraceOf(ctx); traced.Parent != "" {
		e.Trace = traced // so that attempts hang below it
	}
	if err := Validate(&e, 0); err != nil {
		return Receipt{}, &refusal{tenant, rejectInvalid, err}, nil
	}
	receipts, err := f.accepter.Accept(ctx, []webhook.Event{e}, nil)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Receipt{}, &refusal{"", rejectTenant, errTenant}, nil
	case errors.Is(err, ErrSchema):
		return Receipt{}, &refusal{tenant, rejectSchema, err}, nil
	case errors.Is(err, ErrInvalid):
		return Receipt{}, &refusal{tenant, rejectInvalid, err}, nil
	case err != nil:
		return Receipt{}, nil, err
	}
	return receipts[0], nil, nil
}

var errTenant = fmt.Errorf("the %q extension must name a tenant that exists and that this broker may speak for",
	TenantAttribute)

// speaksFor reports whether the broker may speak for a tenant, which need not be there.
func (f *BrokerFace) speaksFor(tenant string) bool {
	return tenant != "" && (len(f.tenants) == 0 || slices.Contains(f.tenants, tenant))
}

// rejectLarge keeps what is too large, without its body, for the tenant that it names if that is one: where events must
// be signed, for nobody, since the signature cannot be checked without all of the body.
func (f *BrokerFace) rejectLarge(ctx context.Context, tenant string, header map[string]string, cause error) error {
	if f.speaksFor(tenant) && !f.signed.Require {
		_, err := f.accepter.directory.of(ctx, tenant, 0)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil {
			return f.reject(ctx, tenant, rejectTooLarge, cause, Raw{Header: header})
		}
	}
	return f.reject(ctx, "", rejectTooLarge, cause, Raw{Header: header})
}

// reject keeps what cannot be accepted, as long as the day's bound for the tenant allows.
func (f *BrokerFace) reject(ctx context.Context, tenant, reason string, cause error, raw Raw) error {
	a := f.accepter
	headers := storableHeaders(raw.Header)
	kept, err := a.cfg.Store.Reject(ctx, store.Rejected{
		ID: f.ids.New(a.cfg.Now()), Tenant: tenant, Reason: reason, Detail: storable(cause.Error()),
		Headers: headers, Body: raw.Body, Whole: reason != rejectTooLarge && maps.Equal(headers, raw.Header),
	}, a.cfg.RejectedPerDay)
	if err != nil {
		return fmt.Errorf("accept: reject: %w", err)
	}
	a.cfg.Metrics.rejected.WithLabelValues(reason).Inc()
	a.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "event rejected", slog.String("reason", reason),
		slog.String("tenant", tenant), slog.Bool("kept", kept))
	return nil
}

// maxDetail bounds the explanation kept with a rejected event.
const maxDetail = 500

// maxKeptHeader bounds the headers kept with it: above what any attribute may have when it is percent-encoded, so that
// what is cut is none that could be accepted later.
const maxKeptHeader = 4 << 10

// storable makes any text fit for the store: what is rejected may be rejected for just that.
func storable(s string) string { return storableWithin(s, maxDetail) }

func storableWithin(s string, limit int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

func storableHeaders(h map[string]string) map[string]string {
	clean := make(map[string]string, len(h))
	for name, value := range h {
		clean[storable(name)] = storableWithin(value, maxKeptHeader)
	}
	return clean
}
