package probe

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/signature"
)

// The paths of the receiver, one for each endpoint.
const (
	pathSteady    = "/steady"    // direct and brokered
	pathFaltering = "/faltering" // retry
)

// maxBody bounds what is read of a webhook; those of probes are far smaller.
const maxBody = 64 << 10

// expected is an event on its way.
type expected struct {
	path  string
	body  []byte
	tries int          // how many more webhooks are answered 503
	hook  string       // the webhook-id of the first one
	ended chan Outcome // holds one
}

// receiver is the endpoints. The zero value trusts nobody yet.
type receiver struct {
	mu      sync.Mutex
	keys    map[string]*signature.Verifier // by path
	waiting map[string]*expected           // by the event's id, which nobody can guess
}

// trust sets the keys that webhooks to a path are signed with.
func (r *receiver) trust(path string, v *signature.Verifier) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		r.keys = make(map[string]*signature.Verifier)
	}
	r.keys[path] = v
}

// expect announces an event; forget ends that.
func (r *receiver) expect(id string, e *expected) {
	e.ended = make(chan Outcome, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = make(map[string]*expected)
	}
	r.waiting[id] = e
}

func (r *receiver) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, id)
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil || req.Method != http.MethodPost {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(r.take(req, body, time.Now()))
}

// take judges a webhook and returns the status to answer it with. What nobody waits for is answered as if it were
// awaited: it is of an earlier round, or a stranger's.
func (r *receiver) take(req *http.Request, body []byte, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.keys[req.URL.Path]
	if v == nil {
		return http.StatusNotFound
	}
	e := r.waiting[req.Header.Get("ce-id")]
	if e != nil && e.path != req.URL.Path {
		e = nil
	}
	if err := v.Verify(req.Header, body, now); err != nil {
		e.end(Corrupt)
		return http.StatusUnauthorized
	}
	hook := req.Header.Get(signature.HeaderID)
	switch {
	case e == nil:
	case !bytes.Equal(body, e.body), e.hook != "" && e.hook != hook:
		e.end(Corrupt)
	case e.tries > 0:
		e.tries, e.hook = e.tries-1, hook
		return http.StatusServiceUnavailable
	default:
		e.end(Success)
	}
	return http.StatusOK
}

// end tells who waits how it ended; only the first time counts.
func (e *expected) end(o Outcome) {
	if e == nil {
		return
	}
	select {
	case e.ended <- o:
	default:
	}
}
