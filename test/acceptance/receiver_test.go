package acceptance_test

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

// post is one POST as the receiver got it.
type post struct {
	endpoint string // its name
	id       string // webhook-id
	attempt  int    // homing-attempt
	replay   string // homing-replay; "" for one that is none
	header   http.Header
	body     []byte
	at       time.Time
	// before is how many POSTs with this id had come before, replays apart.
	before int
	// status is what the script answered, whether or not anybody was there any more to hear it.
	status int
}

// reply is what the receiver answers.
type reply struct {
	status int // 0 means 204
	header map[string]string
	body   string
	// hold, when not nil, keeps the answer back until it is closed, or until the sender has gone away.
	hold <-chan struct{}
}

// script says how an endpoint answers a POST.
type script func(p *post) reply

// failing answers the first n POSTs of each delivery with a status, and takes the rest.
func failing(n, status int) script {
	return func(p *post) reply {
		if p.before < n {
			return reply{status: status}
		}
		return reply{}
	}
}

// receiver is the endpoints' server. It verifies each POST with the reference library, logs it, and answers by script.
type receiver struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	expected map[string]*expected // by name of the endpoint
	posts    []*post
	counts   map[string]int // POSTs by webhook-id and replay
	open     map[string]int // POSTs that wait for their answer, by endpoint
	mostOpen map[string]int // the most that there were
	arrived  chan struct{}  // closed, and made anew, with each POST
}

// expected is an endpoint as the receiver knows it.
type expected struct {
	verifier *standardwebhooks.Webhook
	script   script
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{
		t: t, expected: make(map[string]*expected), counts: make(map[string]int), arrived: make(chan struct{}),
		open: make(map[string]int), mostOpen: make(map[string]int),
	}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) url(name string) string { return r.server.URL + "/" + name }

// expect makes the receiver know an endpoint, its secret, and how it answers; nil answers 204.
func (r *receiver) expect(name, secret string, s script) {
	r.t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	require.NoError(r.t, err)
	if s == nil {
		s = func(*post) reply { return reply{} }
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[name] = &expected{verifier, s}
}

// change gives an endpoint another script.
func (r *receiver) change(name string, s script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[name].script = s
}

// ServeHTTP takes a POST. It runs on the server's goroutines, so it must not end the test.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
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
	p := &post{
		endpoint: name, id: req.Header.Get("Webhook-Id"), attempt: attempt, replay: req.Header.Get("Homing-Replay"),
		header: req.Header.Clone(), body: body, at: time.Now(),
	}
	answer(w, req, r.take(p))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[name]--
}

// opened returns how many POSTs of an endpoint wait for their answer, and the most that there were since it was asked
// last.
func (r *receiver) opened(e *endpoint) (now, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, most = r.open[e.name], r.mostOpen[e.name]
	r.mostOpen[e.name] = now
	return now, most
}

// take asks the script and logs the POST.
func (r *receiver) take(p *post) reply {
	r.mu.Lock()
	key := p.id + " " + p.replay
	p.before = r.counts[key]
	r.counts[key]++
	r.open[p.endpoint]++
	r.mostOpen[p.endpoint] = max(r.mostOpen[p.endpoint], r.open[p.endpoint])
	s := r.expected[p.endpoint].script
	r.mu.Unlock()
	a := s(p)
	if a.status == 0 {
		a.status = http.StatusNoContent
	}
	p.status = a.status
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts = append(r.posts, p)
	close(r.arrived)
	r.arrived = make(chan struct{})
	return a
}

func answer(w http.ResponseWriter, req *http.Request, a reply) {
	if a.hold != nil {
		select {
		case <-a.hold:
		case <-req.Context().Done():
			return
		}
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// all returns the POSTs so far of an endpoint; of every endpoint, when it is nil.
func (r *receiver) all(e *endpoint) []*post {
	posts, _ := r.look(e)
	return posts
}

func (r *receiver) look(e *endpoint) (posts []*post, next <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e == nil {
		return slices.Clip(r.posts), r.arrived
	}
	for _, p := range r.posts {
		if p.endpoint == e.name {
			posts = append(posts, p)
		}
	}
	return posts, r.arrived
}

// wait waits until an endpoint (every endpoint, when it is nil) has got n POSTs, and returns them.
func (r *receiver) wait(e *endpoint, n int) []*post {
	r.t.Helper()
	return r.waitWithin(patience, e, n)
}

// waitWithin is wait with a deadline that is a promise.
func (r *receiver) waitWithin(within time.Duration, e *endpoint, n int) []*post {
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
