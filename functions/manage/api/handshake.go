package api

import (
	"context"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Consent is what an endpoint has consented to.
type Consent struct {
	Origin    string    `json:"origin" doc:"The sender; each request carries it as WebHook-Request-Origin."`
	PerMinute int       `json:"per_minute,omitempty" doc:"How many attempts a minute it allows. Missing: any number."`
	At        time.Time `json:"at" doc:"When it consented."`
}

func showConsent(c webhook.Consent) *Consent {
	if c.Origin == "" {
		return nil
	}
	return &Consent{Origin: c.Origin, PerMinute: c.PerMinute, At: c.At}
}

// Handshake is what came of asking an endpoint.
type Handshake struct {
	Consented bool     `json:"consented" doc:"Whether it has consented."`
	Detail    string   `json:"detail,omitempty" doc:"What it answered, when it has not."`
	Consent   *Consent `json:"consent,omitempty" doc:"What it has consented to."`
}

func (a *API) registerHandshake() {
	register(a, operation{
		id: "handshakeEndpoint", method: http.MethodPost, path: "/v1/endpoints/{endpoint}/handshake", tag: "Endpoints",
		scope: webhook.ScopeEndpointsWrite, errors: []int{http.StatusConflict}, summary: "Ask an endpoint for its consent",
		description: "By the handshake of CloudEvents webhooks: an OPTIONS request with WebHook-Request-Origin. What it " +
			"answers takes the place of what it answered before; the rate that it allows bounds what it is sent. " +
			"409 where the " +
			"deployment has no name to ask by (HOMING_HANDSHAKE_ORIGIN).",
	}, a.handshakeEndpoint)
}

// askConsent asks an endpoint that is created, or has a new URL, as the policy says. Errors: store.ErrInvalid when it
// must consent and does not.
func (a *API) askConsent(ctx context.Context, e *webhook.Endpoint) error {
	e.Consent = webhook.Consent{}
	if !a.cfg.AskConsent {
		return nil
	}
	consent, err := a.cfg.Handshake(ctx, e.URL, e.RatePerSecond*60)
	if err != nil && a.cfg.NeedConsent {
		return invalid(server.Fault{Field: "url", Detail: "the endpoint does not consent to webhooks: " + err.Error()})
	}
	e.Consent = consent
	return nil
}

func (a *API) handshakeEndpoint(ctx context.Context, in *struct{ EndpointPath }) (*struct{ Body Handshake }, error) {
	e, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Status == webhook.EndpointDeleted:
		return nil, because(store.ErrConflict, "the endpoint was deleted")
	case a.cfg.Handshake == nil:
		return nil, because(store.ErrConflict, "this deployment has no name to ask by: set HOMING_HANDSHAKE_ORIGIN")
	}
	consent, refused := a.cfg.Handshake(ctx, e.URL, e.RatePerSecond*60)
	out := &struct{ Body Handshake }{Handshake{Consented: refused == nil, Consent: showConsent(consent)}}
	if refused != nil {
		out.Body.Detail = refused.Error()
	}
	asked := e.URL
	return out, Changing{}.update(func() error {
		if e, err = a.endpoint(ctx, in.ID); err != nil {
			return err
		}
		if e.URL != asked {
			return because(store.ErrConflict, "the endpoint got another URL meanwhile: ask again")
		}
		before := showEndpoint(e)
		e.Consent, e.Headers = consent, nil // headers stay as they are
		noted, err := a.noted(ctx, audited{"endpoint.handshake", e.ID.String(), before, out.Body})
		if err != nil {
			return err
		}
		return a.cfg.Store.UpdateEndpoint(noted, e)
	})
}
