package accept

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// EventsPath is where producers send events.
const EventsPath = "/v1/events"

// retryAfter is what a producer is asked to wait when the store is away.
const retryAfter = 5 * time.Second

// PublicConfig is what a PublicFace is made of.
type PublicConfig struct {
	Accepter *Accepter
	Store    store.Accepter
	// MaxBytes bounds a request's body: one event or a batch.
	MaxBytes int64
	// MaxBatch bounds the events of a batch; default 1000.
	MaxBatch int
	// MaxRequests bounds the requests that are taken at once, of which those of one tenant may be half; default 2000.
	// Beyond it the answer is 429.
	MaxRequests int
	// Strangers bounds requests without a valid API key; default: no bound.
	Strangers *server.Strangers
	Tracer    trace.Tracer
}

// PublicFace takes events from producers: POST /v1/events with an API key, one event in binary or structured mode, or a
// batch. It answers 202 with a receipt for each event once all are stored, 200 when all were duplicates, and
// problem+json (RFC 9457) otherwise: never 2xx unless stored.
type PublicFace struct {
	cfg    PublicConfig
	keys   *keys
	places *places
}

// NewPublicFace makes a PublicFace.
func NewPublicFace(c PublicConfig) *PublicFace {
	c.MaxBatch = cmp.Or(c.MaxBatch, 1000)
	c.MaxRequests = cmp.Or(c.MaxRequests, 2000)
	if c.Strangers == nil {
		c.Strangers = server.NewStrangers(0, nil, c.Accepter.cfg.Now)
	}
	return &PublicFace{
		cfg: c, places: newPlaces(c.MaxRequests),
		keys: &keys{store: c.Store, now: c.Accepter.cfg.Now, known: make(map[[32]byte]knownKey)},
	}
}

// ServeHTTP answers for POST /v1/events.
func (f *PublicFace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	status := f.serve(w, r)
	f.cfg.Accepter.cfg.Metrics.answered(facePublic, status, began)
}

func (f *PublicFace) serve(w http.ResponseWriter, r *http.Request) int {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return refuse(w, server.Problem{Kind: server.KindMethod, Detail: "send events with POST"})
	}
	receipts, batch, err := f.take(w, r)
	if err != nil {
		p := problemOf(err)
		if p.Kind == server.KindUnauthenticated {
			w.Header().Set("WWW-Authenticate", `Bearer realm="homing"`)
		}
		return refuse(w, p)
	}
	return writeReceipts(w, receipts, batch)
}

func refuse(w http.ResponseWriter, p server.Problem) int {
	server.WriteProblem(w, p)
	return p.Kind.Status()
}

// take authenticates, decodes, validates and accepts a request.
func (f *PublicFace) take(w http.ResponseWriter, r *http.Request) (receipts []Receipt, batch bool, err error) {
	ctx := r.Context()
	if !f.places.enter() {
		return nil, false, errBusy
	}
	defer f.places.leave()
	sender := credentialsOf(r)
	key, err := f.authenticate(w, r, sender)
	if err != nil {
		return nil, false, err
	}
	if !f.places.begin(key.Tenant) {
		return nil, false, errBusy
	}
	defer f.places.end(key.Tenant)
	raw, err := ReadRaw(w, r, f.cfg.MaxBytes)
	if err != nil {
		return nil, false, err
	}
	events, err := Decode(ctx, raw, true)
	if err != nil {
		return nil, false, err
	}
	batch = isBatch(raw)
	if len(events) == 0 {
		return nil, batch, nil
	}
	if len(events) > f.cfg.MaxBatch {
		return nil, batch, fmt.Errorf("%w: a batch may have at most %d events", ErrTooLarge, f.cfg.MaxBatch)
	}
	ctx, span := telemetry.StartSpan(telemetry.ContextWithTrace(ctx, events[0].Trace), f.cfg.Tracer,
		"homing.ingest.accept", trace.SpanKindServer)
	defer span.End()
	if err := prepare(ctx, events, key.Tenant); err != nil {
		return nil, batch, err
	}
	receipts, err = f.cfg.Accepter.Accept(ctx, events, func(ctx context.Context, version int64) error {
		_, err := f.keys.authenticate(ctx, sender, version)
		return err
	})
	return receipts, batch, err
}

// authenticate is that of keys, within the bounds for those who have no good key.
func (f *PublicFace) authenticate(w http.ResponseWriter, r *http.Request, c credentials) (store.APIKey, error) {
	strangers := f.cfg.Strangers
	done, retry, ok := strangers.Admit(r, c.key)
	if !ok {
		return store.APIKey{}, &wrongKeysError{retry}
	}
	defer done()
	key, err := f.keys.authenticate(r.Context(), c, 0)
	switch {
	case errors.Is(err, ErrUnauthorized):
		if retry, ok := strangers.Wrong(r, c.key, w.Header()); !ok {
			err = &wrongKeysError{retry}
		}
	case err == nil:
		strangers.Good(c.key)
	}
	return key, err
}

// wrongKeysError says that an address has sent too many requests without a good key, and when the next may come.
type wrongKeysError struct{ retry time.Duration }

// Error implements error.
func (*wrongKeysError) Error() string {
	return "too many requests without a valid API key came from this address"
}

// prepare validates events and makes them the tenant's. All that is wrong is said at once.
func prepare(ctx context.Context, events []webhook.Event, tenant string) error {
	var errs []error
	for i := range events {
		events[i].Tenant = tenant
		if traced := telemetry.TraceOf(ctx); traced.Parent != "" {
			events[i].Trace = traced // the span of this request, so that attempts hang below it
		}
		if err := Validate(&events[i], i); err != nil && len(errs) < maxFaultsNamed {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// maxFaultsNamed bounds how many invalid events of a batch an answer names.
const maxFaultsNamed = 20

// problemOf says what a producer can do about an error.
func problemOf(err error) server.Problem {
	if wrong, ok := errors.AsType[*wrongKeysError](err); ok {
		return server.Problem{Kind: server.KindTooMany, Detail: wrong.Error(), RetryAfter: wrong.retry}
	}
	if errors.Is(err, errNameTenant) {
		detail := strings.TrimPrefix(err.Error(), "accept: ")
		return server.Problem{Kind: server.KindInvalid, Detail: detail, Faults: []server.Fault{{
			Field: TenantHeader, Detail: "name the tenant that the operator's key sends for",
		}}}
	}
	for _, row := range []struct {
		is   error
		kind server.Kind
	}{
		{ErrUnauthorized, server.KindUnauthenticated},
		{ErrForbidden, server.KindForbidden},
		{ErrTooLarge, server.KindTooLarge},
		{ErrNotCloudEvents, server.KindMediaType},
		{ErrUndecodable, server.KindBadRequest},
		{ErrInvalid, server.KindInvalid},
		{errBusy, server.KindTooMany},
	} {
		if errors.Is(err, row.is) {
			p := server.Problem{Kind: row.kind, Detail: strings.TrimPrefix(err.Error(), "accept: "), Faults: faultsOf(err)}
			if row.kind == server.KindTooMany {
				p.RetryAfter = time.Second
			}
			return p
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return server.Problem{Kind: server.KindForbidden, Detail: "the tenant does not exist, or not any more"}
	}
	return server.Problem{Kind: server.KindUnavailable, RetryAfter: retryAfter,
		Detail: "the event is not stored: send it again; it will not be taken twice"}
}

// faultsOf lists the attributes at fault.
func faultsOf(err error) []server.Fault {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		faults := make([]server.Fault, 0, maxFaultsNamed)
		for _, e := range all.Unwrap() {
			faults = append(faults, faultsOf(e)...)
		}
		return faults
	}
	invalid, ok := errors.AsType[*InvalidError](err)
	if !ok {
		return nil
	}
	return []server.Fault{{Field: fmt.Sprintf("[%d].%s", invalid.Index, invalid.Attribute), Detail: invalid.Problem}}
}

// receiptJSON is the answer for one event.
type receiptJSON struct {
	ID         webhook.ID `json:"id"`
	Duplicate  bool       `json:"duplicate"`
	Deliveries int        `json:"deliveries"`
}

func writeReceipts(w http.ResponseWriter, receipts []Receipt, batch bool) int {
	status := http.StatusOK
	answers := make([]receiptJSON, len(receipts))
	for i, r := range receipts {
		answers[i] = receiptJSON(r)
		if !r.Duplicate {
			status = http.StatusAccepted
		}
	}
	var body any = map[string]any{"events": answers}
	if !batch {
		body = answers[0]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The events are stored; a producer that went away asks again and gets the same ids.
	_ = json.NewEncoder(w).Encode(body)
	return status
}
