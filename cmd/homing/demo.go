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

// fileDemo remembers the demo endpoint of the last run, which a crash may have left behind.
const fileDemo = "demo-endpoint"

// startDemo registers an endpoint in this process that verifies what it gets and prints it, and sends it an event. The
// endpoint is deleted in the end.
func (s *serving) startDemo(ctx context.Context, dir store.Directory) error {
	if !s.cfg.LoopbackAllowed() {
		return errors.New("--demo delivers to this machine, which is allowed only without DATABASE_URL and on a loopback " +
			"address; `homing listen` receives anywhere")
	}
	s.forgetDemo(ctx, dir)
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

// forgetDemo deletes the demo endpoint of an earlier run: nobody listens there any more.
func (s *serving) forgetDemo(ctx context.Context, dir store.Directory) {
	text, err := readFile(s.cfg.DataDirectory(), fileDemo)
	if err != nil || text == "" {
		return
	}
	id, err := webhook.ParseID(text)
	if err == nil {
		err = dir.SetEndpointStatus(ctx, s.app.tenant, id, webhook.EndpointDeleted, "the demo ended")
	}
	if err != nil {
		s.log.DebugContext(ctx, "the last demo's endpoint is not deleted", "error", err)
	}
	_ = os.Remove(filepath.Join(s.cfg.DataDirectory(), fileDemo))
}
