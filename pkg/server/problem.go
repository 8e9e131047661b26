package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/timer"
)

// The errors of HTTP requests that no other package has. Test with errors.Is; [Explain] adds what the client should
// know.
var (
	ErrBadRequest      = errors.New("bad request")
	ErrUnauthenticated = errors.New("unauthenticated")
	ErrForbidden       = errors.New("forbidden")
	ErrMethod          = errors.New("method not allowed")
	ErrPrecondition    = errors.New("precondition failed")
	ErrTooLarge        = errors.New("too large")
	ErrMediaType       = errors.New("unsupported media type")
	ErrTooMany         = errors.New("too many requests")
	ErrInternal        = errors.New("internal error")
)

// Kind is what sort of problem it is. Its values are stable: clients tell problems apart by them.
type Kind string

// The kinds of problem.
const (
	KindBadRequest      Kind = "bad-request"
	KindUnauthenticated Kind = "unauthenticated"
	KindForbidden       Kind = "forbidden"
	KindNotFound        Kind = "not-found"
	KindMethod          Kind = "method-not-allowed"
	KindConflict        Kind = "conflict"
	KindErased          Kind = "erased"
	KindPrecondition    Kind = "precondition-failed"
	KindTooLarge        Kind = "too-large"
	KindMediaType       Kind = "unsupported-media-type"
	KindInvalid         Kind = "invalid"
	KindTooMany         Kind = "too-many-requests"
	KindInternal        Kind = "internal"
	KindUnavailable     Kind = "unavailable"
)

// TypeBase is what the type URI of a problem (RFC 9457, section 3.1.1) begins with; its Kind follows. It leads to the
// page that says what to do about each.
const TypeBase = "https://github.com/homing-hooks/homing/blob/main/docs/problems.md#"

// kinds is the one table: which error is which kind, which status, and what it is called. A client reads the first
// error of a row from the kind. The first row with a status is what a bare status means.
var kinds = []struct {
	kind   Kind
	status int
	title  string
	errs   []error
}{
	{KindBadRequest, http.StatusBadRequest, "The request cannot be understood", []error{ErrBadRequest}},
	{KindUnauthenticated, http.StatusUnauthorized, "No valid API key was shown", []error{ErrUnauthenticated}},
	{KindForbidden, http.StatusForbidden, "That is not allowed", []error{ErrForbidden}},
	{KindNotFound, http.StatusNotFound, "There is no such thing", []error{store.ErrNotFound}},
	{KindMethod, http.StatusMethodNotAllowed, "That method does not go with that path", []error{ErrMethod}},
	{KindConflict, http.StatusConflict, "It was changed meanwhile, or exists already", []error{store.ErrConflict}},
	{KindErased, http.StatusConflict, "The event's payload was erased", []error{store.ErrErased}},
	{KindPrecondition, http.StatusPreconditionFailed, "It is not in the state that was asked for", []error{
		ErrPrecondition,
	}},
	{KindTooLarge, http.StatusRequestEntityTooLarge, "The request is too large", []error{ErrTooLarge}},
	{KindMediaType, http.StatusUnsupportedMediaType, "That media type is not supported", []error{ErrMediaType}},
	{KindInvalid, http.StatusUnprocessableEntity, "A value is not valid", []error{store.ErrInvalid}},
	{KindTooMany, http.StatusTooManyRequests, "Too many requests; try again later", []error{ErrTooMany}},
	{KindInternal, http.StatusInternalServerError, "Something went wrong here", []error{ErrInternal}},
	{KindUnavailable, http.StatusServiceUnavailable, "Not available just now; try again later", []error{
		store.ErrUnavailable, bus.ErrUnavailable, timer.ErrUnavailable, gate.ErrUnavailable,
		context.DeadlineExceeded, context.Canceled,
	}},
}

// retryLater is the Retry-After of answers 429 and 503 that name no time of their own.
const retryLater = 5 * time.Second

// Problem is an error as it goes over HTTP (RFC 9457).
type Problem struct {
	// Kind gives type, title and status; "" is KindInternal.
	Kind Kind
	// Detail is for people; "" when there is nothing to add.
	Detail string
	// Faults are the parts of the request that are at fault.
	Faults []Fault
	// RetryAfter is when the client should try again, rounded up to seconds; 0 means the default for 429 and 503, and that
	// there is no point for all others.
	RetryAfter time.Duration
}

// Fault is one part of a request that is at fault.
type Fault struct {
	// Field is where: a path like "schedule[2]", or the name of a header or parameter.
	Field string `json:"field"`
	// Detail says what is wrong, for people.
	Detail string `json:"detail"`
}

// Document is a problem as it is written in JSON.
type Document struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Faults []Fault `json:"errors,omitempty"`
}

// Document is the document of a problem; that of an internal one when the kind is unknown.
func (p Problem) Document() Document {
	for _, row := range kinds {
		if row.kind == p.Kind {
			return Document{
				Type: TypeBase + string(row.kind), Title: row.title, Status: row.status, Detail: p.Detail, Faults: p.Faults,
			}
		}
	}
	return Problem{Kind: KindInternal}.Document()
}

// Retry is the Retry-After that goes with a problem, in whole seconds; 0 for none.
func (p Problem) Retry() int {
	status := p.Kind.Status()
	if p.RetryAfter <= 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		p.RetryAfter = retryLater
	}
	return max(int(math.Ceil(p.RetryAfter.Seconds())), 0)
}

// Status is the HTTP status of a kind; an unknown one is as bad as internal.
func (k Kind) Status() int {
	for _, row := range kinds {
		if row.kind == k {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

// Err is the error that a client gets for a kind; an unknown one is ErrInternal.
func (k Kind) Err() error {
	for _, row := range kinds {
		if row.kind == k {
			return row.errs[0]
		}
	}
	return ErrInternal
}

// KindOfStatus is the kind that a bare status means; KindInternal for one that is not in the table.
func KindOfStatus(status int) Kind {
	for _, row := range kinds {
		if row.status == status {
			return row.kind
		}
	}
	return KindInternal
}

// KindOf says which kind an error is: the first in the table that it wraps an error of; KindInternal if there is none.
func KindOf(err error) Kind {
	for _, row := range kinds {
		for _, target := range row.errs {
			if errors.Is(err, target) {
				return row.kind
			}
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return KindTooLarge
	}
	return KindInternal
}

// explained is an error with what the client should know of it.
type explained struct {
	err     error
	problem Problem
}

func (e *explained) Error() string {
	if e.problem.Detail == "" {
		return e.err.Error()
	}
	return fmt.Sprintf("%v: %s", e.err, e.problem.Detail)
}

func (e *explained) Unwrap() error { return e.err }

// Explain adds to err what the client should know: p's Detail, Faults and RetryAfter; its Kind is that of err.
// Without it a client sees the kind only, for the text of an error is not written for clients.
func Explain(err error, p Problem) error { return &explained{err: err, problem: p} }

// ProblemOf is the problem that an error is for a client. Of an internal error it shows nothing.
func ProblemOf(err error) Problem {
	kind := KindOf(err)
	e, ok := errors.AsType[*explained](err)
	if !ok || kind == KindInternal {
		return Problem{Kind: kind}
	}
	p := e.problem
	p.Kind = kind
	return p
}

// WriteError answers with the problem that err is, and reports whether it was an internal one, which the caller logs.
func WriteError(w http.ResponseWriter, err error) (internal bool) {
	p := ProblemOf(err)
	WriteProblem(w, p)
	return p.Kind == KindInternal
}

// WriteProblem answers with a problem document.
func WriteProblem(w http.ResponseWriter, p Problem) {
	doc := p.Document()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // people read it, and no browser takes it for a page
	_ = encoder.Encode(doc)      // strings and numbers only
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if doc.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="homing"`) // RFC 9110, section 15.5.2
	}
	if seconds := p.Retry(); seconds > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds))
	}
	w.WriteHeader(doc.Status)
	_, _ = w.Write(body.Bytes()) // the client has gone
}

// maxDocument bounds how much of an answer is read.
const maxDocument = 64 << 10

// ReadError makes an error of an answer whose status is not 2xx, for clients: it wraps the same error that the server's
// did, by the document's type, or by the status when there is no document. It reads the body, and does not close it.
func ReadError(r *http.Response) error {
	kind := KindOfStatus(r.StatusCode)
	var doc Document
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "application/problem+json" {
		if json.NewDecoder(io.LimitReader(r.Body, maxDocument)).Decode(&doc) != nil {
			doc = Document{}
		}
	}
	for _, row := range kinds {
		if doc.Type == TypeBase+string(row.kind) {
			kind = row.kind
		}
	}
	p := Problem{Kind: kind, Detail: doc.Detail, Faults: doc.Faults}
	if p.Detail == "" && kind == KindInternal {
		p.Detail = "the server answered " + strings.TrimSpace(r.Status)
	}
	if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && seconds > 0 && seconds <= math.MaxInt32 {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return Explain(kind.Err(), p)
}
