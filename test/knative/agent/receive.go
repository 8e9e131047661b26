package main

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// hook is a receiver: how it answers.
type hook struct {
	// Secret is the endpoint's; each POST is verified with it by the reference library.
	Secret string `json:"secret"`
	// Fail is how many POSTs of each webhook-id get Status before one gets 204.
	Fail   int `json:"fail"`
	Status int `json:"status"` // default 503
	// Hold is how long an answer takes.
	Hold string `json:"hold"`

	verifier *standardwebhooks.Webhook
	hold     time.Duration
	seen     map[string]int // POSTs by webhook-id
}

// post is an entry of the log.
type post struct {
	Hook    string    `json:"hook"`
	ID      string    `json:"id"`      // webhook-id
	Attempt int       `json:"attempt"` // homing-attempt
	At      time.Time `json:"at"`
	Status  int       `json:"status"` // what was answered; 401 when the signature is wrong
	// Trace is the traceparent header.
	Trace string `json:"trace,omitempty"`
}

type receiver struct {
	mu    sync.Mutex
	hooks map[string]*hook
	posts []post
}

func (r *receiver) change(w http.ResponseWriter, req *http.Request) {
	h := &hook{Status: http.StatusServiceUnavailable, seen: make(map[string]int)}
	err := json.NewDecoder(req.Body).Decode(h)
	if err == nil {
		h.hold, err = time.ParseDuration(cmp.Or(h.Hold, "0s"))
	}
	if err == nil {
		h.verifier, err = standardwebhooks.NewWebhook(h.Secret)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks[req.PathValue("name")] = h
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender died in the middle of it
	}
	attempt, err := strconv.Atoi(req.Header.Get("Homing-Attempt"))
	if err != nil {
		attempt = -1
	}
	p := post{
		Hook: req.PathValue("name"), ID: req.Header.Get("Webhook-Id"), Attempt: attempt, At: at,
		Trace: req.Header.Get("Traceparent"),
	}
	status, hold := r.note(p, body, req.Header)
	if hold > 0 {
		select {
		case <-time.After(hold):
		case <-req.Context().Done():
		}
	}
	w.WriteHeader(status)
}

// note decides the answer and logs the POST.
func (r *receiver) note(p post, body []byte, header http.Header) (status int, hold time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hooks[p.Hook]
	p.Status = http.StatusNoContent
	switch {
	case h == nil:
		p.Status = http.StatusNotFound
	case h.verifier.Verify(body, header) != nil:
		p.Status = http.StatusUnauthorized
	default:
		hold = h.hold
		if h.seen[p.ID]++; h.seen[p.ID] <= h.Fail {
			p.Status = h.Status
		}
	}
	r.posts = append(r.posts, p)
	return p.Status, hold
}

func (r *receiver) list(w http.ResponseWriter, req *http.Request) {
	from, err := strconv.Atoi(cmp.Or(req.URL.Query().Get("from"), "0"))
	if err != nil || from < 0 {
		http.Error(w, "from must be a number", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	posts := slices.Clip(r.posts[min(from, len(r.posts)):])
	r.mu.Unlock()
	reply(w, posts)
}
