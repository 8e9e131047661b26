package homingtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

// Post is one POST as the receiver got it.
type Post struct {
	endpoint string // its name
	ID       string // webhook-id
	Attempt  int    // homing-attempt
	Replay   string // homing-replay; "" for one that is none
	Header   http.Header
	Body     []byte
	At       time.Time
	// Before is how many POSTs with this id had come before, replays apart.
	Before int
	// Status is what the script answered, whether or not anybody was there any more to hear it.
	Status int
}

// Reply is what the receiver answers.
type Reply struct {
	Status int // 0 means 204
	Header map[string]string
	Body   string
	// Hold, when not nil, keeps the answer back until it is closed, or until the sender has gone away.
	Hold <-chan struct{}
}

// Script says how an endpoint answers a POST.
type Script func(p *Post) Reply

// Failing answers the first n POSTs of each delivery with a status, and takes the rest.
func Failing(n, status int) Script {
	return func(p *Post) Reply {
		if p.Before < n {
			return Reply{Status: status}
		}
		return Reply{}
	}
}

// Receiver is the endpoints' server. It verifies each POST with the reference library, logs it, and answers by script.
type Receiver struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	expected map[string]*expected // by name of the endpoint
	posts    []*Post
	counts   map[string]int // POSTs by webhook-id and replay
	open     map[string]int // POSTs that wait for their answer, by endpoint
	mostOpen map[string]int // the most that there were
	arrived  chan struct{}  // closed, and made anew, with each POST
}

// expected is an endpoint as the receiver knows it.
type expected struct {
	verifier *standardwebhooks.Webhook
	script   Script
}

func newReceiver(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{
		t: t, expected: make(map[string]*expected), counts: make(map[string]int), arrived: make(chan struct{}),
		open: make(map[string]int), mostOpen: make(map[string]int),
	}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

// URL is that of an endpoint.
func (r *Receiver) URL(name string) string { return r.server.URL + "/" + name }

// expect makes the receiver know an endpoint, its secret, and how it answers; nil answers 204.
func (r *Receiver) expect(name, secret string, s Script) {
	r.t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	require.NoError(r.t, err)
	if s == nil {
		s = func(*Post) Reply { return Reply{} }
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[name] = &expected{verifier, s}
}

// Change gives an endpoint another script.
func (r *Receiver) Change(name string, s Script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[name].script = s
}

// ServeHTTP takes a POST. It runs on the server's goroutines, so it must not end the test.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender died in the middle of it
	}
	name := strings.TrimPrefix(req.URL.Path, "/")
	r.mu.Lock()
	e := r.expected[name]
	r.mu.Unlock()
	if e == nil || req.Method != http.MethodPost {
		r.t.Errorf("the receiver got a %s of %s", req.Method, req.URL.Path)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err := e.verifier.Verify(body, req.Header); err != nil {
		r.t.Errorf("%s: the reference library does not verify the signature: %v", name, err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	attempt, err := strconv.Atoi(req.Header.Get("Homing-Attempt"))
	if err != nil {
		r.t.Errorf("%s: homing-attempt is no number: %q", name, req.Header.Get("Homing-Attempt"))
	}
	p := &Post{
		endpoint: name, ID: req.Header.Get("Webhook-Id"), Attempt: attempt, Replay: req.Header.Get("Homing-Replay"),
		Header: req.Header.Clone(), Body: body, At: time.Now(),
	}
	answer(w, req, r.take(p))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[name]--
}

// Opened returns how many POSTs of an endpoint wait for their answer, and the most that there were since it was asked
// last.
func (r *Receiver) Opened(e *Endpoint) (now, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, most = r.open[e.Name], r.mostOpen[e.Name]
	r.mostOpen[e.Name] = now
	return now, most
}

// take asks the script and logs the POST.
func (r *Receiver) take(p *Post) Reply {
	r.mu.Lock()
	key := p.ID + " " + p.Replay
	p.Before = r.counts[key]
	r.counts[key]++
	r.open[p.endpoint]++
	r.mostOpen[p.endpoint] = max(r.mostOpen[p.endpoint], r.open[p.endpoint])
	s := r.expected[p.endpoint].script
	r.mu.Unlock()
	a := s(p)
	if a.Status == 0 {
		a.Status = http.StatusNoContent
	}
	p.Status = a.Status
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts = append(r.posts, p)
	close(r.arrived)
	r.arrived = make(chan struct{})
	return a
}

func answer(w http.ResponseWriter, req *http.Request, a Reply) {
	if a.Hold != nil {
		select {
		case <-a.Hold:
		case <-req.Context().Done():
			return
		}
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

// All returns the POSTs so far of an endpoint; of every endpoint, when it is nil.
func (r *Receiver) All(e *Endpoint) []*Post {
	posts, _ := r.look(e)
	return posts
}

func (r *Receiver) look(e *Endpoint) (posts []*Post, next <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e == nil {
		return slices.Clip(r.posts), r.arrived
	}
	for _, p := range r.posts {
		if p.endpoint == e.Name {
			posts = append(posts, p)
		}
	}
	return posts, r.arrived
}

// Wait waits until an endpoint (every endpoint, when it is nil) has got n POSTs, and returns them.
func (r *Receiver) Wait(e *Endpoint, n int) []*Post {
	r.t.Helper()
	return r.WaitWithin(Patience, e, n)
}

// WaitWithin is wait with a deadline that is a promise.
func (r *Receiver) WaitWithin(within time.Duration, e *Endpoint, n int) []*Post {
	r.t.Helper()
	over := time.NewTimer(within)
	defer over.Stop()
	for {
		posts, next := r.look(e)
		if len(posts) >= n {
			return posts
		}
		select {
		case <-next:
		case <-over.C:
			require.Fail(r.t, "too few POSTs", "%d of %d within %s", len(posts), n, within)
		}
	}
}
