package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/homing-hooks/homing/pkg/signature"
)

// maxReceived bounds the body that the receiver reads: twice Homing's default limit on what it sends.
const maxReceived = 2 << 20

// receiver is a webhook endpoint for trying things out: it verifies the signature of each POST and prints a line about
// it.
type receiver struct {
	verifier atomic.Pointer[signature.Verifier]
	// answer is the status it answers verified POSTs with, unless forwardTo is set: then it is what that URL answers.
	answer    int
	forwardTo string

	mu   sync.Mutex
	out  io.Writer
	seen map[string]int // POSTs by webhook-id
}

// maxSeen bounds the ids remembered to tell repeats.
const maxSeen = 10_000

// newReceiver makes a receiver that verifies with keys; without any it trusts nobody until trust is called.
func newReceiver(out io.Writer, answer int, keys ...string) (*receiver, error) {
	r := &receiver{answer: answer, out: out, seen: make(map[string]int)}
	if len(keys) == 0 {
		return r, nil
	}
	return r, r.trust(keys...)
}

// trust sets the keys to verify with.
func (r *receiver) trust(keys ...string) error {
	v, err := signature.NewVerifier(keys...)
	if err == nil {
		r.verifier.Store(v)
	}
	return err
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxReceived))
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	id := req.Header.Get(signature.HeaderID)
	verifier := r.verifier.Load()
	if verifier == nil {
		http.Error(w, "not ready yet", http.StatusServiceUnavailable)
		return
	}
	if err := verifier.Verify(req.Header, body, time.Now()); err != nil {
		r.print("NOT VERIFIED webhook-id %s: %v\n", safe(id), err)
		http.Error(w, "the signature does not verify", http.StatusUnauthorized)
		return
	}
	again := ""
	if n := r.count(id); n > 1 {
		again = fmt.Sprintf(" (time %d)", n)
	}
	answered := r.pass(req, body)
	r.print("verified webhook-id %s%s: %s %s, %d bytes, answered %d\n", id, again, safe(nameOf(req)), preview(body),
		len(body), answered)
	w.WriteHeader(answered)
}

// pass passes a POST on, if there is somebody to pass it on to, and returns the status to answer with.
func (r *receiver) pass(req *http.Request, body []byte) int {
	if r.forwardTo == "" {
		return r.answer
	}
	ctx, cancel := context.WithTimeout(req.Context(), forwardTimeout)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, req.Method, r.forwardTo, bytes.NewReader(body))
	if err != nil {
		r.print("cannot forward: %v\n", err)
		return http.StatusBadGateway
	}
	out.Header = req.Header.Clone()
	for _, name := range []string{"Connection", "Content-Length", "Transfer-Encoding"} {
		out.Header.Del(name)
	}
	forward := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := forward.Do(out) //nolint:gosec // to where --forward-to says
	if err != nil {
		r.print("cannot forward: %v\n", err)
		return http.StatusBadGateway
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxReceived)) // so that the connection is used again
	return res.StatusCode
}

func (r *receiver) count(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) >= maxSeen {
		clear(r.seen)
	}
	r.seen[id]++
	return r.seen[id]
}

func (r *receiver) print(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, format, args...)
}

// nameOf says what was received: the event's type, or the content type where the body tells it.
func nameOf(req *http.Request) string {
	if t := req.Header.Get("ce-type"); t != "" {
		return t
	}
	return req.Header.Get("Content-Type")
}

// preview is the beginning of a body, on one line, with nothing that a terminal would act on.
func preview(body []byte) string {
	const most = 80
	text := fmt.Sprintf("%.*q", most, body)
	if len(body) > most {
		text += "…"
	}
	return text
}

// serveOn serves the receiver on an address until stop is called.
func (r *receiver) serveOn(ctx context.Context, address string) (bound net.Addr, stop func() error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot listen on %s: %w; is something running there? choose another with --port",
			address, err)
	}
	s := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.ErrorContext(ctx, "receiver ended", "error", err)
		}
	}()
	return l.Addr(), s.Close, nil
}
