package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/functions/local"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/telemetry"
)

func serveCommand(a *app) *cobra.Command {
	var demo bool
	var listen string
	var only []string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run Homing: everything in one process, or some of its functions", Args: cobra.NoArgs,
		Long: `Runs ingest, deliver, retry and manage in one process. Without DATABASE_URL it is embedded: it starts a private
Postgres in the data directory, makes the tenant "default" with an API key and an operator's key, and allows deliveries
to this machine. With
DATABASE_URL, REDIS_URL and RABBITMQ_URL it uses those; run "homing migrate" first.`,
		Example: `  homing serve --demo
  DATABASE_URL=postgres://... RABBITMQ_URL=amqp://... homing serve --only deliver`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if listen != "" {
				a.environ = append(a.environ, "HOMING_LISTEN="+listen)
			}
			s := serving{app: a, demo: demo, out: cmd.OutOrStdout()}
			for _, name := range only {
				s.only = append(s.only, config.Function(name))
			}
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&demo, "demo", false, "register a demo endpoint that verifies and prints, and send it an event")
	f.StringVar(&listen, "listen", "", "the address to listen on (HOMING_LISTEN)")
	f.StringSliceVar(&only, "only", nil, "run only these functions: ingest, deliver, retry, manage; the others are "+
		"processes of their own, over RABBITMQ_URL")
	return cmd
}

// serving is one run of serve.
type serving struct {
	app  *app
	demo bool
	only []config.Function
	out  io.Writer
	cfg  *config.Config
	log  *slog.Logger
	// databaseEnded is closed when the private Postgres has ended; nil without one.
	databaseEnded <-chan struct{}
	// what ends after the server, the last first
	closers []func(context.Context) error
}

// closeTimeout bounds the stopping of what serve itself started.
const closeTimeout = 30 * time.Second

// run serves until ctx ends.
func (s *serving) run(ctx context.Context) (err error) {
	if s.cfg, err = config.Parse(config.FunctionLocal, s.app.environ); err != nil {
		return err
	}
	s.cfg.Only = s.only
	if err := s.cfg.Validate(); err != nil {
		return err
	}
	s.log = telemetry.NewLogger(os.Stderr, &s.cfg.Telemetry)
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		for i := range s.closers {
			err = errors.Join(err, s.closers[len(s.closers)-1-i](closing))
		}
	}()
	if s.cfg.Mode() == config.ModeEmbedded {
		if err := s.embed(ctx); err != nil {
			return err
		}
	} else if err := s.checkSchema(ctx); err != nil {
		return err
	}
	server, err := local.New(s.cfg, s.log, s.only...)
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	err = s.serve(ctx, server)
	// The server stops within HOMING_SHUTDOWN_TIMEOUT by itself.
	return errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
}

// serve does what a newcomer sees: first keys, demo and banner; then it waits for the end.
func (s *serving) serve(ctx context.Context, server *local.App) error {
	base := "http://" + server.Addr()
	if s.cfg.Mode() == config.ModeEmbedded {
		if err := s.firstStart(ctx, server.Store(), base); err != nil {
			return err
		}
	}
	s.banner(base)
	if s.demo {
		defer s.forgetDemo(context.WithoutCancel(ctx), server.Store())
		if err := s.startDemo(ctx, server.Store(), base); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(s.out, "stopping: what is in flight is finished first")
		return nil
	case err := <-server.Done():
		return err
	case <-s.databaseEnded:
		return errors.New("the private Postgres has ended; its log is in the data directory, postgres/postgres.log")
	}
}

// checkSchema refuses a database that "homing migrate" has not prepared. One that is away is no reason: it comes back.
func (s *serving) checkSchema(ctx context.Context) error {
	db, err := postgres.Open(ctx, s.cfg.Database(), postgres.Options{MaxConns: 1})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer db.Close()
	have, err := db.SchemaVersion(ctx)
	switch need := postgres.SchemaVersion(); {
	case errors.Is(err, store.ErrUnavailable):
		s.log.WarnContext(ctx, "the database cannot be reached yet", "error", err)
		return nil
	case err != nil:
		return err
	case have < need:
		return fmt.Errorf("the database's schema has version %d, this homing needs %d: run `homing migrate` first",
			have, need)
	}
	return nil
}

// banner says what is running where, and what to try.
func (s *serving) banner(base string) {
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "  %-10s %s\n", name, text) }
	fmt.Fprintf(&b, "\nHoming %s is running\n", local.Version())
	if len(s.only) == 0 || slices.Contains(s.only, config.FunctionIngest) {
		line("events", base+"/v1/events")
	}
	if len(s.only) == 0 || slices.Contains(s.only, config.FunctionManage) {
		line("api", base+"/docs")
	}
	line("health", base+"/readyz   metrics "+base+"/metrics")
	if s.cfg.Mode() == config.ModeEmbedded {
		line("database", "private Postgres in "+s.cfg.DataDirectory())
	} else {
		line("database", s.cfg.Services.DatabaseURL.String())
	}
	line("timers", backend(s.cfg.Timers(), s.cfg.Services.RedisURL))
	line("bus", backend(s.cfg.Bus(), s.cfg.Services.RabbitMQURL))
	if s.cfg.LoopbackAllowed() {
		line("loopback", "deliveries to this machine are allowed, because only it can reach this Homing")
	} else if len(s.cfg.Deliver.AllowAddresses) == 0 {
		line("loopback", "deliveries to private addresses are refused; HOMING_ALLOW_ADDRESSES allows some")
	}
	b.WriteString("\nTry, in another terminal:\n")
	command := os.Args[0]
	switch {
	case s.cfg.Mode() != config.ModeEmbedded:
		fmt.Fprintf(&b, "  %s key create   # then set HOMING_API_KEY to the key, and HOMING_SERVER to %s\n", command, base)
	case s.cfg.IsSet("HOMING_DATA_DIR") && s.cfg.DataDirectory() != rootDataDir:
		command += " --data-dir " + s.cfg.DataDirectory()
	}
	fmt.Fprintf(&b, "  %s send --type order.paid --data '{\"order\": 1}'\n", command)
	fmt.Fprintf(&b, "  %s delivery list\n\n", command)
	_, _ = io.WriteString(s.out, b.String())
}

func backend(b config.Backend, u config.URL) string {
	if b == config.BackendMemory {
		return "in memory; the database keeps what matters"
	}
	return u.String()
}
