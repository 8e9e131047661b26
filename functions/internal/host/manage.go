package host

import (
	"context"
	"errors"
	"strings"

	"github.com/homing-hooks/homing/functions/manage/api"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Manage attaches manage: the management API.
func Manage(h *Host) error {
	guard, err := Guard(h.cfg)
	if err != nil {
		return err
	}
	due := h.hinter(wire.TypeDue)
	handshake, err := h.handshake()
	if err != nil {
		return err
	}
	policy := h.cfg.Manage.Handshake
	h.manage = api.New(api.Config{
		Store: h.store, Policy: h.policy, Hint: due.Say, HintEndpoint: due.SayEndpoint, HintJobs: h.jobsHinter(),
		Now:       h.clock.Now,
		Handshake: handshake, AskConsent: policy != config.HandshakeOff, NeedConsent: policy == config.HandshakeRequired,
		CheckURL:      func(raw string) error { return checkURL(h.cfg, guard, raw) },
		SecretOverlap: h.cfg.Security.SecretOverlap, PerMinute: h.cfg.Manage.RequestsPerMinute,
		Strangers: h.strangersOnce(), Log: h.log,
		Metrics: api.NewMetrics(h.tel.Registry()),
	})
	return nil
}

// handshake returns what asks endpoints for their consent; nil where there is no name to ask by.
func (h *Host) handshake() (func(ctx context.Context, url string, perMinute int) (webhook.Consent, error), error) {
	origin := h.cfg.Manage.HandshakeOrigin
	if origin == "" {
		return nil, nil
	}
	sender, err := h.dispatcher()
	if err != nil {
		return nil, err
	}
	h.parts = append(h.parts, server.Part{
		Name: "handshake", Stop: func(context.Context) error { sender.Close(); return nil },
	})
	return func(ctx context.Context, url string, perMinute int) (webhook.Consent, error) {
		consent, err := sender.Handshake(ctx, dispatch.HandshakeRequest{URL: url, Origin: origin, PerMinute: perMinute})
		if err == nil {
			consent.At = h.clock.Now()
		}
		return consent, err
	}, nil
}

// CheckURL refuses URLs that could never be delivered to with these settings.
func CheckURL(cfg *config.Config, raw string) error {
	guard, err := Guard(cfg)
	if err != nil {
		return err
	}
	return checkURL(cfg, guard, raw)
}

func checkURL(cfg *config.Config, guard *dispatch.Guard, raw string) error {
	if strings.HasPrefix(raw, "http://") && !cfg.Deliver.AllowHTTP && !cfg.LoopbackAllowed() {
		return errors.New("must be https://; HOMING_ALLOW_HTTP=true allows http://, which sends payloads in clear")
	}
	return dispatch.ValidateURL(raw, guard)
}
