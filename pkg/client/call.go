package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is one operation's request, as generated methods describe it.
type request struct {
	method, path string
	// ids take the place of the {names} in path, in order.
	ids    []string
	query  url.Values
	header http.Header
	// body is sent as JSON; nil for none. raw is a body that is ready, with its Content-Type in header.
	body any
	raw  []byte
	// tenant is whether it is about one tenant's things, so that the header that names it goes with it.
	tenant bool
	// creates is whether an Idempotency-Key goes with it; safe whether it may be made twice for another reason.
	creates, safe bool
}

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 64 << 20

// one makes a request whose answer is one T.
func one[T any](ctx context.Context, c *Client, r request, options []CallOption) (*T, error) {
	out := new(T)
	if err := c.do(ctx, r, out, options); err != nil {
		return nil, err
	}
	return out, nil
}

// do makes a request, again while that is safe and may help, and reads the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, r request, out any, options []CallOption) error {
	called := call{tenant: c.tenant}
	for _, option := range options {
		option(&called)
	}
	if r.creates && called.idempotencyKey == "" {
		called.idempotencyKey = rand.Text()
	}
	target, err := c.target(&r)
	if err != nil {
		return err
	}
	if r.body != nil {
		if r.raw, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("client: %s %s: %w", r.method, r.path, err)
		}
	}
	for try := 0; ; try++ {
		err := c.try(ctx, &r, target, &called, out)
		wait, again := c.again(&r, &called, err, try)
		if !again || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// target is the URL of a request. Errors: an id that is empty, which would name another thing.
func (c *Client) target(r *request) (string, error) {
	path, ids := r.path, r.ids
	for {
		before, rest, ok := strings.Cut(path, "{")
		if !ok {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		if len(ids) == 0 || ids[0] == "" || ids[0] == "." || ids[0] == ".." {
			return "", fmt.Errorf("client: %s %s: the id of the %s is missing", r.method, r.path, name)
		}
		path, ids = before+url.PathEscape(ids[0])+after, ids[1:]
	}
	if len(r.query) > 0 {
		path += "?" + r.query.Encode()
	}
	return c.server.String() + path, nil
}

// try makes a request once.
func (c *Client) try(ctx context.Context, r *request, target string, called *call, out any) error {
	var body io.Reader = http.NoBody
	if r.raw != nil {
		body = bytes.NewReader(r.raw)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return fmt.Errorf("client: %s %s: %w", r.method, r.path, err)
	}
	c.setHeader(req.Header, r, called)
	res, err := c.http.Do(req)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the URL, which the error names by its server
		}
		return &UnreachableError{Server: c.server.String(), Err: err}
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusMultipleChoices {
		return problemOf(res)
	}
	if called.etag != nil {
		*called.etag = res.Header.Get("ETag")
	}
	return c.read(r, res, out)
}

func (c *Client) setHeader(h http.Header, r *request, called *call) {
	if r.raw != nil {
		h.Set("Content-Type", "application/json")
	}
	maps.Copy(h, r.header)
	h.Set("Accept", "application/json")
	h.Set("User-Agent", c.agent)
	if !r.tenant {
		called.tenant = ""
	}
	for name, value := range map[string]string{
		"Homing-Tenant": called.tenant, "If-Match": called.ifMatch, "Idempotency-Key": called.idempotencyKey,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if c.key != "" {
		h.Set("Authorization", "Bearer "+c.key)
	}
}

// read reads the answer of a request that went well.
func (c *Client) read(r *request, res *http.Response, out any) error {
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return &UnreachableError{Server: c.server.String(), Err: err}
	}
	if len(body) > maxAnswer {
		return fmt.Errorf("client: %s %s: the answer has more than %d bytes", r.method, r.path, maxAnswer)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("client: %s %s: the answer cannot be read; is %s a Homing? %w", r.method, r.path, c.server, err)
	}
	return nil
}

// again decides whether a request is made again, and after how long.
func (c *Client) again(r *request, called *call, err error, try int) (time.Duration, bool) {
	if err == nil || try >= c.retries {
		return 0, false
	}
	wait := backoff(try, mathrand.Float64)
	if p, ok := errors.AsType[*Problem](err); ok {
		wait = max(wait, p.RetryAfter)
		again := p.Status == http.StatusTooManyRequests || (p.Status == http.StatusServiceUnavailable && r.repeatable(called))
		return wait, again && wait <= c.longest
	}
	unreachable, ok := errors.AsType[*UnreachableError](err)
	return wait, ok && wait <= c.longest && (r.repeatable(called) || neverSent(unreachable.Err))
}

// repeatable reports whether a request may be made again although the first may have been done.
func (r *request) repeatable(called *call) bool {
	if called.ifMatch != "" {
		return false // the version would be another one, and the answer a puzzle
	}
	return r.safe || r.creates || r.method == http.MethodGet || r.method == http.MethodPatch ||
		r.method == http.MethodPut || r.method == http.MethodDelete
}

// neverSent reports whether a request failed before any of it was sent.
func neverSent(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// backoff is the wait before try+1: some 200 ms, doubling, up to 5 s; between half and all of it, so that many clients
// do not come back at once.
func backoff(try int, random func() float64) time.Duration {
	const first, most = 200 * time.Millisecond, 5 * time.Second
	wait := min(first<<min(try, 10), most)
	return wait/2 + time.Duration(random()*float64(wait/2))
}
