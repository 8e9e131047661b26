package dispatch

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Result is how an attempt ended.
type Result struct {
	// Attempt is complete, ready for the record.
	Attempt webhook.Attempt
	// RetryAfter is how long the answer asked to wait, at most outcome.MaxRetryAfter; 0 when it did not ask, or
	// succeeded.
	RetryAfter time.Duration
}

// Send makes one attempt and returns how it ended, whatever happens: it never fails otherwise. It takes at most the
// endpoint's timeout. When ctx is cancelled it ends at once, interrupted, or unsent if nothing was sent yet.
//
// As soon as the headers of an answer are in, its status decides; what then goes wrong with its body changes nothing.
func (d *Dispatcher) Send(ctx context.Context, r Request) Result {
	t := &timing{start: time.Now()}
	result := Result{Attempt: webhook.Attempt{
		Delivery: r.Delivery, Number: r.Attempt, Tenant: r.Endpoint.Tenant, Endpoint: r.Endpoint.ID, StartedAt: r.Now,
	}}
	a := &result.Attempt
	timeout := r.Endpoint.Timeout
	if timeout <= 0 {
		timeout = d.timeout
	}
	sending, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := d.post(sending, t, &r)
	if err != nil {
		a.Outcome, a.Detail = failure(t, err)
		a.Latency = t.latency()
		return result
	}
	defer func() { _ = res.Body.Close() }()
	a.Status = res.StatusCode
	a.Outcome = outcome.OfStatus(res.StatusCode, res.Header)
	a.Detail = outcome.StatusDetail(res.StatusCode)
	if a.Outcome != webhook.OutcomeSuccess {
		answered := r.Now.Add(time.Duration(t.now()))
		result.RetryAfter, _ = outcome.RetryAfter(res.Header.Get("Retry-After"), answered)
	}
	a.ResponseHeaders = keepHeaders(res.Header)
	a.ResponseBody = d.keepBody(res)
	a.Latency = t.latency()
	return result
}

// post sends the request, and returns when the headers of an answer are in.
func (d *Dispatcher) post(ctx context.Context, t *timing, r *Request) (*http.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	req, err := d.build(httptrace.WithClientTrace(ctx, t.trace()), r)
	if err != nil {
		return nil, err
	}
	via := d.transports
	if r.Endpoint.Timeout > d.timeout {
		via = d.patient
	}
	if req.ContentLength == 0 {
		return via.bodiless.RoundTrip(req)
	}
	return via.withBody.RoundTrip(req)
}

// failure says how an attempt without an answer ended.
func failure(t *timing, err error) (webhook.Outcome, string) {
	o, detail := outcome.OfError(err), outcome.Detail(err)
	switch {
	case o == webhook.OutcomeInterrupted && !t.sent():
		return webhook.OutcomeUnsent, "stopped before it was sent"
	case o == webhook.OutcomeTimeout && t.late() != "":
		return o, t.late()
	case strings.HasPrefix(err.Error(), notTaken):
		return webhook.OutcomeConnect, "the server closed the connection without taking the request"
	default:
		return o, detail
	}
}

// notTaken begins the error of a POST that a server has refused to take over HTTP/2 (GOAWAY, REFUSED_STREAM) and that
// net/http would send again if we let it; there is no type for it.
const notTaken = "http2: Transport: cannot retry err"
