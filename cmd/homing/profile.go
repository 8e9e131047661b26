package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/pkg/config"
)

// profile is a Homing to talk to, by a name.
type profile struct {
	Server string `json:"server"`
	Tenant string `json:"tenant,omitempty"`
	Key    string `json:"key,omitempty"`
}

// profiles are the contents of the file.
type profiles struct {
	Current  string             `json:"current,omitempty"`
	Profiles map[string]profile `json:"profiles"`
}

// profileFile is where the profiles are: $XDG_CONFIG_HOME/homing/config.yaml, by default below ~/.config. "" when
// there is no home.
func (a *app) profileFile() string {
	dir := a.env("XDG_CONFIG_HOME")
	if dir == "" && a.env("HOME") != "" {
		dir = filepath.Join(a.env("HOME"), ".config")
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "homing", "config.yaml")
}

// readProfiles reads the profiles; there are none when there is no file. It refuses a file that others may read.
func (a *app) readProfiles() (profiles, error) {
	p := profiles{Profiles: make(map[string]profile)}
	file := a.profileFile()
	info, err := os.Stat(file)
	if file == "" || errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return p, usage(fmt.Sprintf("%s holds API keys, and others may read it: chmod 600 %[1]s", file))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return p, err
	}
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		return p, &mended{exit: exitUsage, text: file + " cannot be read: mend it, or remove it and use `homing profile set`"}
	}
	return p, nil
}

func (a *app) writeProfiles(p profiles) error {
	file := a.profileFile()
	if file == "" {
		return errors.New("there is no HOME to keep profiles in: set HOME or XDG_CONFIG_HOME")
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return writeFile(filepath.Dir(file), filepath.Base(file), string(text))
}

// chosenProfile is the one that --profile, HOMING_PROFILE or `homing profile use` names; an empty one for none.
func (a *app) chosenProfile(cfg *config.Config) (profile, string, error) {
	all, err := a.readProfiles()
	if err != nil {
		return profile{}, "", err
	}
	name := all.Current
	if cfg.Client.Profile != "" {
		name = cfg.Client.Profile
	}
	if a.profile != "" {
		name = a.profile
	}
	p, ok := all.Profiles[name]
	if name != "" && !ok {
		return p, name, noProfile(name, all)
	}
	return p, name, nil
}

func noProfile(name string, all profiles) error {
	return &mended{exit: exitNotFound, text: fmt.Sprintf("there is no profile %q; there are: %s. `homing profile set "+
		"%[1]s --server URL` makes it", name, joined(slices.Sorted(maps.Keys(all.Profiles))))}
}

func profileCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "profile", Short: "Keep the servers and keys of several Homings by name",
		Long: `A profile is a server, its API key and a tenant, by a name. They are kept in ~/.config/homing/config.yaml,
which only you may read. "homing help profiles" says which settings go before which.`,
	}
	cmd.AddCommand(profileList(a), profileSet(a),
		profileChange(a, "use NAME", "Use this profile from now on", func(p *profiles, name string) string {
			p.Current = name
			return "is used from now on"
		}),
		profileChange(a, "remove NAME", "Forget a profile and its key", func(p *profiles, name string) string {
			delete(p.Profiles, name)
			if p.Current == name {
				p.Current = ""
			}
			return "is forgotten"
		}))
	return cmd
}

// profileLine is a profile as it is listed: without its key.
type profileLine struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Server  string `json:"server"`
	Tenant  string `json:"tenant,omitempty"`
	HasKey  bool   `json:"has_key"`
}

func profileList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the profiles", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.readProfiles()
			if err != nil {
				return err
			}
			lines := []profileLine{}
			t := newTable("", "NAME", "SERVER", "TENANT", "KEY")
			for _, name := range slices.Sorted(maps.Keys(all.Profiles)) {
				p := all.Profiles[name]
				lines = append(lines, profileLine{name, name == all.Current, p.Server, p.Tenant, p.Key != ""})
				t.row(map[bool]string{true: "*"}[name == all.Current], name, p.Server, p.Tenant,
					map[bool]string{true: "kept", false: "none"}[p.Key != ""])
			}
			return a.print(cmd, lines, t.write)
		},
	}
}

func profileSet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "set NAME --server URL [--tenant TENANT] [--key-file FILE]", Short: "Make a profile, or change it",
		Long: `Makes a profile, or changes what is given of one. The first one is used from then on. The key is read from a
file, or from standard input with --key-file -, so that it is in no shell's history.`,
		Example: `  homing profile set prod --server https://homing.example.com --tenant acme --key-file -
  homing profile set local --server http://127.0.0.1:8080 --key-file ~/.local/share/homing/operator-key`,
		Args: oneName("profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := a.readProfiles()
			if err != nil {
				return err
			}
			p := all.Profiles[args[0]]
			if a.server != "" && p.Server != "" && !same(a.server, p.Server) {
				p.Key = "" // it was for the other server
			}
			for _, f := range []struct {
				to   *string
				text string
			}{{&p.Server, a.server}, {&p.Tenant, a.tenant}} {
				if f.text != "" {
					*f.to = f.text
				}
			}
			if a.keyFile != "" {
				if p.Key, err = readKey(a.keyFile, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			if _, err := (&target{server: p.Server}).client(); err != nil {
				return err
			}
			all.Profiles[args[0]] = p
			if len(all.Profiles) == 1 {
				all.Current = args[0]
			}
			if err := a.writeProfiles(all); err != nil {
				return err
			}
			line := profileLine{args[0], all.Current == args[0], p.Server, p.Tenant, p.Key != ""}
			return a.print(cmd, line, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "profile %s is kept in %s\n", args[0], a.profileFile())
				return err
			})
		},
	}
}

// profileChange is a command that changes the profiles by the name of one.
func profileChange(a *app, use, short string, change func(*profiles, string) string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: oneName("profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := a.readProfiles()
			if err != nil {
				return err
			}
			if _, ok := all.Profiles[args[0]]; !ok {
				return noProfile(args[0], all)
			}
			what := change(&all, args[0])
			if err := a.writeProfiles(all); err != nil {
				return err
			}
			return a.print(cmd, map[string]string{"name": args[0]}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "profile %s %s\n", args[0], what)
				return err
			})
		},
	}
}
