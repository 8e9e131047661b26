package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// fileDemo remembers the demo endpoint, which a crash may leave behind.
const fileDemo = "demo-endpoint"

// startDemo registers an endpoint in this process that verifies what it gets and prints it, and sends it an event. In
// the end forgetDemo deletes the endpoint.
func (s *serving) startDemo(ctx context.Context, dir store.Directory) error {
	if !s.cfg.LoopbackAllowed() {
		return errors.New("--demo delivers to this machine, which is allowed only without DATABASE_URL and on a loopback " +
			"address; `homing listen` receives anywhere")
	}
	r, err := newReceiver(s.out, http.StatusOK)
	if err != nil {
		return err
	}
	bound, stop, err := r.serveOn(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { return stop() })
	n := newEndpoint{
		url: "http://" + bound.String() + "/demo", format: string(webhook.FormatBinary), signing: string(webhook.SecretHMAC),
	}
	created, err := n.create(ctx, s.app, dir)
	if err != nil {
		return err
	}
	if err := r.trust(created.Secret); err != nil {
		return err
	}
	if err := writeFile(s.cfg.DataDirectory(), fileDemo, created.ID.String()); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.out, "demo endpoint %s at %s; sending it an event\n", created.ID, created.URL)
	e := newEvent{
		source: "/homing/demo", eventType: "homing.demo", data: `{"hello": "webhook"}`, contentType: "application/json",
	}
	to, err := reachEmbedded(s.cfg)
	if err != nil {
		return err
	}
	_, err = e.post(ctx, to, "demo-"+s.app.ids.New(time.Now()).String(), []byte(e.data))
	return err
}

// forgetDemo deletes the demo endpoint of this run, or of an earlier one that crashed: nobody listens there any more,
// and it would fail every event for days.
func (s *serving) forgetDemo(ctx context.Context, dir store.Directory) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	data := s.cfg.DataDirectory()
	text, err := readFile(data, fileDemo)
	if err != nil || text == "" {
		return
	}
	id, err := webhook.ParseID(text)
	if err == nil {
		err = dir.SetEndpointStatus(ctx, s.app.tenant, id, webhook.EndpointDeleted, "the demo ended")
	}
	if errors.Is(err, store.ErrUnavailable) {
		s.log.WarnContext(ctx, "the demo endpoint will be deleted at the next start", "error", err)
		return
	}
	_ = os.Remove(filepath.Join(data, fileDemo))
}
