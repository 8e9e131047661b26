package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// fileDemo remembers the demo endpoint, which a crash may leave behind.
const fileDemo = "demo-endpoint"

// startDemo registers an endpoint in this process that verifies what it gets and prints it, and sends it an event. In
// the end forgetDemo deletes the endpoint.
func (s *serving) startDemo(ctx context.Context, dir store.Directory, base string) error {
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
	created, secret, err := s.demoEndpoint(ctx, dir, "http://"+bound.String()+"/demo")
	if err != nil {
		return err
	}
	if err := r.trust(secret); err != nil {
		return err
	}
	if err := writeFile(s.cfg.DataDirectory(), fileDemo, created.ID.String()); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.out, "demo endpoint %s at %s; sending it an event\n", created.ID, created.URL)
	key, err := readFile(s.cfg.DataDirectory(), fileAPIKey)
	if err != nil {
		return err
	}
	to := target{server: base, key: key}
	c, err := to.client()
	if err != nil {
		return err
	}
	_, err = c.Send(ctx, client.CloudEvent{
		Source: "/homing/demo", Type: "homing.demo", Data: []byte(`{"hello": "webhook"}`),
	})
	return err
}

// demoEndpoint stores an endpoint, and returns the secret that it signs with. It works on the store itself, for this
// process may not serve the API.
func (s *serving) demoEndpoint(ctx context.Context, dir store.Directory, url string) (webhook.Endpoint, string, error) {
	e := webhook.Endpoint{
		ID: s.app.ids.New(time.Now()), Tenant: defaultTenant, URL: url, Format: webhook.FormatBinary,
	}
	secret, err := signature.NewSecret(webhook.SecretHMAC)
	if err != nil {
		return e, "", err
	}
	secret.ID, secret.Endpoint = s.app.ids.New(time.Now()), e.ID
	text, err := signature.Format(secret)
	if err != nil {
		return e, "", err
	}
	return e, text, dir.CreateEndpoint(ctx, e, []webhook.Secret{secret})
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
		err = dir.SetEndpointStatus(ctx, defaultTenant, id, webhook.EndpointDeleted, "the demo ended")
	}
	if errors.Is(err, store.ErrUnavailable) {
		s.log.WarnContext(ctx, "the demo endpoint will be deleted at the next start", "error", err)
		return
	}
	_ = os.Remove(filepath.Join(data, fileDemo))
}
