package host

import (
	"errors"
	"strings"

	"github.com/homing-hooks/homing/functions/manage/api"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Manage attaches manage: the management API.
func Manage(h *Host) error {
	guard, err := Guard(h.cfg)
	if err != nil {
		return err
	}
	due := h.hinter(wire.TypeDue)
	h.manage = api.New(api.Config{
		Store: h.store, Policy: h.policy, Hint: due.Say, HintEndpoint: due.SayEndpoint, HintJobs: h.jobsHinter(),
		Now:           h.clock.Now,
		CheckURL:      func(raw string) error { return checkURL(h.cfg, guard, raw) },
		SecretOverlap: h.cfg.Security.SecretOverlap, PerMinute: h.cfg.Manage.RequestsPerMinute, Log: h.log,
		Metrics: api.NewMetrics(h.tel.Registry()),
	})
	return nil
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
