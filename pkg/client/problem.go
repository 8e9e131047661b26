package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind says which problem it is: the end of a problem's type, which is stable.
type Kind string

// The kinds of problem; docs/problems.md says what to do about each.
const (
	KindBadRequest      Kind = "bad-request"
	KindUnauthenticated Kind = "unauthenticated"
	KindForbidden       Kind = "forbidden"
	KindNotFound        Kind = "not-found"
	KindConflict        Kind = "conflict"
	KindPrecondition    Kind = "precondition-failed"
	KindTooLarge        Kind = "too-large"
	KindInvalid         Kind = "invalid"
	KindTooMany         Kind = "too-many-requests"
	KindInternal        Kind = "internal"
	KindUnavailable     Kind = "unavailable"
)

// Problem is an answer that says what went wrong (RFC 9457). Get it with errors.As, or ask [IsNotFound] and the others.
//
//nolint:errname // it is what the standard, the API and its users call it
type Problem struct {
	// Type is a URI that names the problem: stable, and a page about it. "" when the answer was no problem document.
	Type string `json:"type"`
	// Title is what the problem is called, for people.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail says more about this very case, for people.
	Detail string `json:"detail,omitempty"`
	// Errors are the parts of the request that are at fault.
	Errors []Fault `json:"errors,omitempty"`
	// RetryAfter is when the server wants to be asked again; 0 when it does not say.
	RetryAfter time.Duration `json:"-"`
}

// Fault is one part of a request that is at fault.
type Fault struct {
	// Field is where: a path in the body like "schedule[2]", or the name of a parameter or header.
	Field string `json:"field"`
	// Detail says what is wrong with it, for people.
	Detail string `json:"detail"`
}

// Kind is the end of Type; by the status when there is no type.
func (p *Problem) Kind() Kind {
	if _, kind, ok := strings.Cut(p.Type, "#"); ok {
		return Kind(kind)
	}
	return kindOfStatus[p.Status]
}

var kindOfStatus = map[int]Kind{
	http.StatusBadRequest: KindBadRequest, http.StatusUnauthorized: KindUnauthenticated,
	http.StatusForbidden: KindForbidden, http.StatusNotFound: KindNotFound, http.StatusConflict: KindConflict,
	http.StatusPreconditionFailed: KindPrecondition, http.StatusRequestEntityTooLarge: KindTooLarge,
	http.StatusUnprocessableEntity: KindInvalid, http.StatusTooManyRequests: KindTooMany,
	http.StatusInternalServerError: KindInternal, http.StatusServiceUnavailable: KindUnavailable,
}

// Error is the title, the detail and the fields at fault, on one line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, f := range p.Errors {
		b.WriteString("; " + f.Field + " " + f.Detail)
	}
	return b.String()
}

// UnreachableError says that no answer came: the server is away, or its name, address or certificate is wrong.
type UnreachableError struct {
	// Server is the base URL that was tried.
	Server string
	// Err is what the connection says.
	Err error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no Homing answers at %s: %v", e.Server, e.Err)
}

// Unwrap returns what the connection says; also the context's error when that ended the call.
func (e *UnreachableError) Unwrap() error { return e.Err }

func isKind(err error, kinds ...Kind) bool {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		return false
	}
	for _, kind := range kinds {
		if p.Kind() == kind {
			return true
		}
	}
	return false
}

// IsNotFound reports whether there is no such thing, or it is another tenant's.
func IsNotFound(err error) bool { return isKind(err, KindNotFound) }

// IsConflict reports whether it exists already, was changed meanwhile, or is in a state that does not allow it.
func IsConflict(err error) bool { return isKind(err, KindConflict) }

// IsPreconditionFailed reports whether [IfMatch] named a version that is not the present one.
func IsPreconditionFailed(err error) bool { return isKind(err, KindPrecondition) }

// IsInvalid reports whether a value of the request is not valid; Errors name the fields.
func IsInvalid(err error) bool { return isKind(err, KindInvalid, KindBadRequest, KindTooLarge) }

// IsNotAllowed reports whether the API key is missing, unknown, expired or revoked, or lacks the scope.
func IsNotAllowed(err error) bool { return isKind(err, KindUnauthenticated, KindForbidden) }

// IsUnavailable reports whether it may go well later: no answer came, or the server said to try again.
func IsUnavailable(err error) bool {
	_, unreachable := errors.AsType[*UnreachableError](err)
	return unreachable || isKind(err, KindUnavailable, KindTooMany)
}

// maxProblem bounds how much of an error's answer is read.
const maxProblem = 64 << 10

// problemOf reads the problem that an answer is.
func problemOf(res *http.Response) *Problem {
	p := new(Problem)
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if media == "application/problem+json" {
		if json.NewDecoder(io.LimitReader(res.Body, maxProblem)).Decode(p) != nil {
			*p = Problem{}
		}
	}
	p.Status = res.StatusCode
	if p.Title == "" {
		p.Title = "the server answered " + strings.TrimSpace(res.Status)
	}
	p.RetryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	return p
}

// retryAfter reads a Retry-After: seconds or a date (RFC 9110, section 10.2.3). 0 for none, and for what is past.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
