package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/functions/local"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// rootDataDir is where root's embedded Homing is when nothing says otherwise: its Postgres runs as another user, who
// may not pass through root's home.
const rootDataDir = "/var/lib/homing"

// app is what the commands share.
type app struct {
	tenant  string
	output  string
	dataDir string
	ids     webhook.IDSource
	environ []string
}

func newApp() *app { return &app{environ: os.Environ()} }

func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "homing",
		Short: "Homing delivers webhooks: signed, at least once, until they are answered",
		Long: `Homing takes CloudEvents and POSTs each, signed, to every endpoint that subscribed, until it is answered.

Start with "homing serve --demo". Settings are environment variables; docs/configuration.md lists them.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       local.Version(),
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.output != "text" && a.output != "json" {
				return fmt.Errorf("--output %q is neither text nor json", a.output)
			}
			if !tenantForm.MatchString(a.tenant) {
				return fmt.Errorf("--tenant %q must be 1 to 64 of the characters a-z, 0-9, _ and -", a.tenant)
			}
			if a.dataDir == "" && os.Geteuid() == 0 && os.Getenv("HOMING_DATA_DIR")+os.Getenv("XDG_DATA_HOME") == "" {
				a.dataDir = rootDataDir
			}
			if a.dataDir != "" {
				a.environ = append(a.environ, "HOMING_DATA_DIR="+a.dataDir)
			}
			return nil
		},
	}
	f := cmd.PersistentFlags()
	f.StringVar(&a.tenant, "tenant", "default", "the tenant to act for")
	f.StringVarP(&a.output, "output", "o", "text", "text or json")
	f.StringVar(&a.dataDir, "data-dir", "", "where an embedded Homing keeps its data (HOMING_DATA_DIR)")
	cmd.AddCommand(serveCommand(a), sendCommand(a), listenCommand(a), endpointCommand(a), deliveryCommand(a),
		keyCommand(a), migrateCommand(a))
	for _, group := range cmd.Commands() {
		if group.HasSubCommands() {
			group.Args, group.RunE = cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return cmd
}

// tenantForm is what the id of a tenant looks like; see [store.Directory].
var tenantForm = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// config reads and validates the settings of a command.
func (a *app) config() (*config.Config, error) { return config.Load(config.FunctionCommand, a.environ) }

// found is config, with what an embedded Homing has left in its data directory where that is the one to work on.
func (a *app) found() (*config.Config, error) {
	cfg, err := a.config()
	if err == nil && cfg.Services.DatabaseURL.IsZero() {
		err = findEmbedded(cfg)
	}
	return cfg, err
}

// withStore opens the database directly, calls f and closes it.
func (a *app) withStore(ctx context.Context, f func(context.Context, store.Store) error) error {
	cfg, err := a.found()
	if err != nil {
		return err
	}
	keyring, err := local.Keyring(cfg)
	if err != nil {
		return err
	}
	s, err := postgres.Open(ctx, cfg.Database(), postgres.Options{
		Policy: cfg.WebhookPolicy(), Keyring: keyring, MaxConns: 2, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer s.Close()
	err = f(ctx, s)
	if errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("the database cannot be reached: %w\nstart one with `homing serve`, or set DATABASE_URL to one "+
			"that `homing migrate` has prepared", err)
	}
	return err
}

// checkTenant returns an error when the tenant named does not exist, for what would otherwise be an empty list.
func (a *app) checkTenant(ctx context.Context, s store.Directory) error {
	tenants, err := s.Tenants(ctx)
	if err == nil && !slices.Contains(tenants, a.tenant) {
		err = fmt.Errorf("there is no tenant %q; there are: %s", a.tenant, strings.Join(tenants, ", "))
	}
	return err
}

// explain says what a store's error means for a thing that a person named.
func (a *app) explain(err error, thing string) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("there is no %s (for tenant %q; --tenant names another)", thing, a.tenant)
	case errors.Is(err, store.ErrConflict):
		return fmt.Errorf("%s cannot be changed so just now: %w", thing, err)
	case errors.Is(err, seal.ErrNoKey):
		return errors.New("HOMING_ENCRYPTION_KEYS is not set, and secrets are stored sealed: set it to what the server has")
	default:
		return err
	}
}

// checkURL refuses what could never be delivered to.
func (a *app) checkURL(raw string) error {
	cfg, err := a.found()
	if err != nil {
		return err
	}
	err = local.CheckURL(cfg, raw)
	if err == nil || cfg.Mode() != config.ModeEmbedded || cfg.LoopbackAllowed() {
		return err
	}
	listens, _ := cfg.ListenAddress()
	inside := *cfg
	inside.Server.Listen = config.DefaultListen
	if local.CheckURL(&inside, raw) == nil {
		return fmt.Errorf("%w; deliveries to this machine are allowed while Homing listens on a loopback address only, and "+
			"this one listens on %s: start it with another HOMING_LISTEN", err, listens)
	}
	return err
}

// The files of an embedded Homing in its data directory.
const (
	fileAPIKey         = "api-key"
	fileEncryptionKeys = "encryption-keys"
	fileDatabaseURL    = "database-url"
	fileAddress        = "address"
)

// readFile reads one of those files; "" when it is not there.
func readFile(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// errNoDataDirectory says that nothing tells where an embedded Homing could be.
var errNoDataDirectory = errors.New("DATABASE_URL is not set, and without HOME there is no data directory: set " +
	"DATABASE_URL or HOMING_DATA_DIR")

// findEmbedded fills in what an embedded Homing has written into its data directory; also where it listens, for that
// decides whether this machine may be delivered to.
func findEmbedded(cfg *config.Config) error {
	dir := cfg.DataDirectory()
	if dir == "" {
		return errNoDataDirectory
	}
	url, err := readFile(dir, fileDatabaseURL)
	if err != nil {
		return err
	}
	if url == "" {
		return fmt.Errorf("there is no Homing in %s yet: start one with `homing serve`, or set DATABASE_URL", dir)
	}
	keys, err := readFile(dir, fileEncryptionKeys)
	if err != nil {
		return err
	}
	address, err := readFile(dir, fileAddress)
	if err != nil {
		return err
	}
	if address != "" {
		cfg.Server.Listen = strings.TrimPrefix(address, "http://")
	}
	return cfg.Embed(url, keys)
}
