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
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// rootDataDir is where root's embedded Homing is when nothing says otherwise: its Postgres runs as another user, who
// may not pass through root's home.
const rootDataDir = "/var/lib/homing"

// defaultTenant is the one that an embedded Homing makes.
const defaultTenant = "default"

// app is what the commands share.
type app struct {
	// what the flags of all commands say
	server, profile, tenant, keyFile, output, dataDir string

	// operator is whether it is about what is no tenant's
	operator bool

	ids     webhook.IDSource
	environ []string
	// began is whether a command has begun: what goes wrong before is a mistake in how it was called.
	began bool
}

func newApp() *app { return &app{environ: os.Environ()} }

// The groups of commands, as help shows them.
var groups = []*cobra.Group{
	{ID: "run", Title: "Run Homing:"},
	{ID: "events", Title: "Send and receive:"},
	{ID: "manage", Title: "Manage and look:"},
	{ID: "setup", Title: "Set up:"},
}

func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "homing",
		Short: "Homing delivers webhooks: signed, at least once, until they are answered",
		Long: `Homing takes CloudEvents and POSTs each, signed, to every endpoint that subscribed, until it is answered.

Start with "homing serve --demo". The other commands find a Homing that runs so by themselves; for another one, name its
server and API key with flags, environment variables or a profile ("homing help profiles").`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		Version:           local.Version(),
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.check() },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&a.server, "server", "", "the base URL of the Homing to talk to (HOMING_SERVER)")
	f.StringVar(&a.profile, "profile", "", "the profile to use (HOMING_PROFILE)")
	f.StringVar(&a.tenant, "tenant", "", "with an operator's key: the tenant to act for (HOMING_TENANT)")
	f.StringVar(&a.keyFile, "key-file", "", "a file with the API key, - for standard input (HOMING_API_KEY holds a key)")
	f.StringVarP(&a.output, "output", "o", "text", "text, json or yaml")
	f.StringVar(&a.dataDir, "data-dir", "", "where an embedded Homing keeps its data (HOMING_DATA_DIR)")
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "yaml"},
		cobra.ShellCompDirectiveNoFileComp)))
	cmd.AddGroup(groups...)
	for group, commands := range map[string][]*cobra.Command{
		"run":    {serveCommand(a), migrateCommand(a), doctorCommand(a)},
		"events": {sendCommand(a), listenCommand(a), tailCommand(a)},
		"manage": {
			tenantCommand(a), keyCommand(a), endpointCommand(a), eventTypeCommand(a), eventCommand(a), deliveryCommand(a),
			attemptCommand(a), replayCommand(a), rejectedCommand(a), statsCommand(a), auditCommand(a),
		},
		"setup": {profileCommand(a), versionCommand(a)},
	} {
		for _, c := range commands {
			c.GroupID = group
			cmd.AddCommand(c)
		}
	}
	cmd.AddCommand(helpTopics()...)
	cmd.SetCompletionCommandGroupID("setup")
	cmd.SetHelpCommandGroupID("setup")
	a.prepare(cmd)
	return cmd
}

// prepare makes every command note that it has begun, and every group show its help.
func (a *app) prepare(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		a.prepare(c)
		if c.HasSubCommands() {
			c.Args, c.RunE = cobra.NoArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		if run := c.RunE; run != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				a.began = true
				return run(c, args)
			}
		}
	}
}

// check looks at the flags of all commands.
func (a *app) check() error {
	if !slices.Contains([]string{"text", "json", "yaml"}, a.output) {
		return fmt.Errorf("--output %q is none of text, json and yaml", a.output)
	}
	if a.tenant != "" && !tenantForm.MatchString(a.tenant) {
		return fmt.Errorf("--tenant %q must be 1 to 64 of the characters a-z, 0-9, _ and -", a.tenant)
	}
	if a.operator && a.tenant != "" {
		return errors.New("--operator and --tenant exclude each other: what is an operator's is no tenant's")
	}
	if a.dataDir == "" && os.Geteuid() == 0 && a.env("HOMING_DATA_DIR")+a.env("XDG_DATA_HOME") == "" {
		a.dataDir = rootDataDir
	}
	if a.dataDir != "" {
		a.environ = append(a.environ, "HOMING_DATA_DIR="+a.dataDir)
	}
	return nil
}

// env is a variable of the environment.
func (a *app) env(name string) (value string) {
	for _, line := range a.environ {
		if text, ok := strings.CutPrefix(line, name+"="); ok {
			value = text
		}
	}
	return value
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
		return fmt.Errorf("the database cannot be reached: %w\nset DATABASE_URL to one that `homing migrate` has prepared",
			err)
	}
	return err
}

// The files of an embedded Homing in its data directory.
const (
	fileAPIKey         = "api-key"
	fileOperatorKey    = "operator-key"
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

// findEmbedded fills in what an embedded Homing has written into its data directory.
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
	return cfg.Embed(url, keys)
}
