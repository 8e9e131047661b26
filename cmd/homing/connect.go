package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/functions/local"
	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/config"
)

// target is a running Homing, the API key to show it, and the tenant to act for.
type target struct {
	server, key, tenant string
	// from says where server and key come from, for people.
	from string
}

// connect makes a client of the Homing that flags, environment or profile name, or else of the embedded one.
func (a *app) connect(sending bool) (*client.Client, target, error) {
	to, err := a.reach(sending)
	if err != nil {
		return nil, to, err
	}
	if to.key == "" {
		return nil, to, &mended{exit: exitNotAllowed, text: "HOMING_API_KEY is not set, and no key is known for " +
			to.server + ": `homing key create` makes one (--key-file names a file with it)"}
	}
	c, err := to.client()
	return c, to, err
}

func (t *target) client() (*client.Client, error) {
	c, err := client.New(t.server, t.key, client.WithTenant(t.tenant), client.WithUserAgent("homing-cli/"+local.Version()))
	if err != nil {
		return nil, &mended{exit: exitUsage, text: "the server " + fmt.Sprintf("%q", t.server) +
			" must be a URL like https://homing.example.com (--server, HOMING_SERVER or the profile says it)"}
	}
	return c, nil
}

// reach finds the Homing to talk to: flags, then environment, then profile, then the embedded one. A key goes with the
// server it was given for: that of a profile, or of an embedded Homing, is shown to no other.
func (a *app) reach(sending bool) (target, error) {
	to, err := a.find(sending)
	if a.operator {
		to.tenant = ""
	}
	return to, err
}

// find is reach, without what --operator says.
func (a *app) find(sending bool) (target, error) {
	cfg, err := a.config()
	if err != nil {
		return target{}, err
	}
	p, name, err := a.chosenProfile(cfg)
	if err != nil {
		return target{}, err
	}
	named := a.server
	if named == "" && cfg.IsSet("HOMING_SERVER") {
		named = cfg.Client.Server.Reveal()
	}
	to := target{
		server: named, tenant: cmp.Or(a.tenant, cfg.Client.Tenant, p.Tenant), key: cfg.Client.APIKey.Reveal(),
		from: "flags or environment",
	}
	if a.keyFile != "" {
		if to.key, err = readKey(a.keyFile, os.Stdin); err != nil {
			return to, err
		}
	}
	if p.Server != "" && (named == "" || same(named, p.Server)) {
		to.server, to.key, to.from = p.Server, cmp.Or(to.key, p.Key), "profile "+name
	}
	if to.server == "" && cfg.Mode() == config.ModeEmbedded {
		return to, to.embedded(cfg, sending)
	}
	if to.server == "" {
		to.server, to.from = cfg.Client.Server.Reveal(), "the default address"
	}
	return to, nil
}

// same reports whether two base URLs are the same.
func same(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

// embedded fills in the embedded Homing that runs in the data directory. Its operator's key manages; events are sent
// with the key of the tenant "default", for an operator sends none.
func (t *target) embedded(cfg *config.Config, sending bool) error {
	dir := cfg.DataDirectory()
	if dir == "" {
		return errNoDataDirectory
	}
	address, err := readFile(dir, fileAddress)
	if err != nil {
		return err
	}
	if address == "" {
		return &mended{exit: exitUnavailable, text: fmt.Sprintf("no Homing runs in %s: start one with `homing serve`, or "+
			"name another with --server or HOMING_SERVER, and its key with HOMING_API_KEY", dir)}
	}
	t.server, t.from = address, "the embedded Homing in "+dir
	if t.key != "" {
		return nil
	}
	t.tenant = cmp.Or(t.tenant, defaultTenant)
	if !sending {
		t.key, err = readFile(dir, fileOperatorKey)
		return err
	}
	if t.tenant != defaultTenant {
		return &mended{exit: exitNotAllowed, text: fmt.Sprintf("events are sent with a key of the tenant %q itself: "+
			"`homing key create --tenant %[1]s` makes one; set HOMING_API_KEY to it", t.tenant)}
	}
	t.tenant = ""
	t.key, err = readFile(dir, fileAPIKey)
	return err
}

// readKey reads an API key from a file, or from standard input.
func readKey(file string, in io.Reader) (string, error) {
	const most = 4096
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", &mended{exit: exitUsage, text: "--key-file: " + err.Error()}
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most))
	key := strings.TrimSpace(string(b))
	if err == nil && (key == "" || strings.ContainsAny(key, " \n\t")) {
		err = &mended{exit: exitUsage, text: "--key-file: there must be one API key, and nothing else"}
	}
	return key, err
}

// operatorFlag adds --operator to commands, for things that are no tenant's.
func (a *app) operatorFlag(short string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.Flags().BoolVar(&a.operator, "operator", false, short)
	}
}
