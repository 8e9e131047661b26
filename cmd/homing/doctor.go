package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/config"
)

// How a check came out.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkFailed  = "failed"
	checkSkipped = "skipped"
)

// check is one thing that the doctor has looked at.
type check struct {
	Name   string `json:"check"`
	Status string `json:"status"`
	// Detail is what was seen, Mend what to do about it.
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"`
}

// doctor looks at what a Homing needs.
type doctor struct {
	app    *app
	cfg    *config.Config
	to     target
	checks []check
}

// checkTimeout bounds each thing that the doctor looks at.
const checkTimeout = 5 * time.Second

func doctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check the server, its services and the settings, and say how to mend each",
		Args: cobra.NoArgs,
		Long: `Checks the settings; the server that commands talk to: name, certificate, health, version, clock, API key and
its scopes; and the services that the settings name, or that the embedded Homing has: database, migrations, the
database's clock, Redis, RabbitMQ. What the settings do not name is skipped. It changes nothing. It exits with 1 when a
check has failed.`,
		Example: `  homing doctor
  homing doctor --profile prod -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := doctor{app: a}
			d.examine(cmd.Context())
			if err := a.print(cmd, d.checks, d.human); err != nil {
				return err
			}
			failed := 0
			for _, c := range d.checks {
				if c.Status == checkFailed {
					failed++
				}
			}
			if failed > 0 {
				return &mended{exit: exitFailed, text: fmt.Sprintf("%d of %d checks failed", failed, len(d.checks))}
			}
			return nil
		},
	}
}

func (d *doctor) human(w io.Writer) error {
	t := newTable()
	for _, c := range d.checks {
		t.row(c.Status, c.Name, c.Detail)
		if c.Mend != "" {
			t.row("", "", "→ "+c.Mend)
		}
	}
	return t.write(w)
}

func (d *doctor) add(name, status, detail, mend string) {
	d.checks = append(d.checks, check{Name: name, Status: status, Detail: safe(detail), Mend: mend})
}

// examine makes all checks, each with a time of its own.
func (d *doctor) examine(ctx context.Context) {
	if !d.settings() {
		return
	}
	server := []func(context.Context){d.dns, d.tls, d.health, d.version, d.key}
	services := []func(context.Context){d.database, d.redis, d.rabbitMQ}
	if d.to.server == "" {
		server = nil
	}
	for _, look := range append(server, services...) {
		func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			look(ctx)
		}()
	}
}

// settings looks at the settings, and reports whether they can be used.
func (d *doctor) settings() bool {
	cfg, err := d.app.config()
	if err != nil {
		d.add("settings", checkFailed, err.Error(), "docs/configuration.md lists the variables and what they may be")
		return false
	}
	d.cfg = cfg
	d.add("settings", checkOK, "all can be used", "")
	d.to, err = d.app.reach(false)
	if err != nil {
		d.add("server", checkFailed, d.app.say(err), "`homing help profiles` says how it is found")
		d.to.server = ""
	}
	return true
}
