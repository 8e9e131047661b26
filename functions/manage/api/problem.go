package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
)

// Problem is an error as it goes over HTTP (RFC 9457).
//
//nolint:errname // it is the name of the schema, which is a contract
type Problem struct {
	Type   string         `json:"type" format:"uri" doc:"Which problem it is: stable, and a page about it."`
	Title  string         `json:"title" doc:"What the problem is called, for people."`
	Status int            `json:"status" doc:"The HTTP status."`
	Detail string         `json:"detail,omitempty" doc:"More about this very case, for people."`
	Errors []ProblemFault `json:"errors,omitempty" nullable:"false" doc:"The parts of the request that are at fault."`
	retry  int
}

// ProblemFault is one part of a request that is at fault.
type ProblemFault struct {
	Field  string `json:"field" doc:"Where: a path in the body like schedule[2], or the name of a parameter or header."`
	Detail string `json:"detail" doc:"What is wrong with it."`
}

// newProblem makes the answer of a problem.
func newProblem(p server.Problem) *Problem {
	d := p.Document()
	out := &Problem{Type: d.Type, Title: d.Title, Status: d.Status, Detail: d.Detail, retry: p.Retry()}
	for _, f := range d.Faults {
		out.Errors = append(out.Errors, ProblemFault(f))
	}
	return out
}

// Error implements error.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	return h
}

// ContentType implements huma.ContentTypeFilter.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// useProblems makes huma's own errors, those of validation, problems as well. It is a setting of the whole process.
var useProblems = sync.OnceFunc(func() { huma.NewError = humaProblem })

// humaProblem is an error that huma found. What was wrong is named by its field; its value is not repeated, for it may
// be a secret.
func humaProblem(status int, message string, errs ...error) huma.StatusError {
	p := server.Problem{Kind: server.KindOfStatus(status)}
	for _, err := range errs {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			p.Kind = server.KindTooLarge
			continue
		}
		if detailer, ok := err.(huma.ErrorDetailer); ok {
			d := detailer.ErrorDetail()
			p.Faults = append(p.Faults, server.Fault{Field: field(d.Location), Detail: d.Message})
		}
	}
	if len(p.Faults) == 0 && p.Kind != server.KindInternal {
		p.Detail = message
	}
	return newProblem(p)
}

// field is where huma saw a mistake, as we name it: without the part of the request that it is in.
func field(location string) string {
	for _, part := range []string{"body.", "query.", "path.", "header."} {
		if rest, ok := strings.CutPrefix(location, part); ok {
			return rest
		}
	}
	return location
}

// problem is what a handler's error is for a client. Internal ones are logged, for the client learns nothing of them.
func (a *API) problem(ctx context.Context, err error) error {
	p := server.ProblemOf(err)
	if p.Kind == server.KindInternal && ctx.Err() == nil {
		a.cfg.Log.ErrorContext(ctx, "a request failed", slog.Any("error", err))
	}
	return newProblem(p)
}

// invalid says that fields of a request are not valid.
func invalid(faults ...server.Fault) error {
	return server.Explain(store.ErrInvalid, server.Problem{Faults: faults})
}

// because explains an error with a sentence.
func because(err error, detail string) error {
	return server.Explain(err, server.Problem{Detail: detail})
}
