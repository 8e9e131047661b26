package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/vuln/scan"
)

// vulndb is Go's vulnerability database as a module: where its own host is out of reach, the module proxy has it still,
// and the checksum database says that it is the true one.
const vulndb = "golang.org/x/vulndb"

// maxAge is how old the newest database may be. The module is published some times a week.
const maxAge = 60 * 24 * time.Hour

// errNoDatabase says that dependencies were not looked at.
var errNoDatabase = errors.New("not run: the vulnerability database is out of reach")

// dependencies runs govulncheck: a finding is a vulnerable function that Homing calls. One that is only linked, or only
// in a module that is required, is none.
func dependencies(ctx context.Context, o options) ([]Finding, error) {
	dir, err := os.MkdirTemp("", "security-vulndb-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := database(ctx, o, dir); err != nil {
		return nil, err
	}
	// govulncheck asks `go env` for the version, in the environment of this process, and not in the one that it is given.
	defer os.Setenv("GOTOOLCHAIN", os.Getenv("GOTOOLCHAIN"))
	if err := os.Setenv("GOTOOLCHAIN", toolchain(o.root)); err != nil {
		return nil, err
	}
	var out, stderr bytes.Buffer
	db := url.URL{Scheme: "file", Path: dir}
	cmd := scan.Command(ctx, "-C", o.root, "-format=json", "-db="+db.String(), "./...")
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &stderr, environment()
	if err := errors.Join(cmd.Start(), cmd.Wait()); err != nil {
		return nil, fmt.Errorf("govulncheck: %w: %s", err, stderr.String())
	}
	return called(&out)
}

// toolchain is the one that go.mod names: what is released is built with it, whatever Go is on this machine.
func toolchain(root string) string {
	text, _ := os.ReadFile(filepath.Join(root, "go.mod"))
	if found := regexp.MustCompile(`(?m)^toolchain (go\S+)$`).FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return "local"
}

// called reads govulncheck's stream.
func called(stream io.Reader) ([]Finding, error) {
	titles := map[string]string{}
	var out []Finding
	for decoder := json.NewDecoder(stream); ; {
		var m struct {
			OSV     *struct{ ID, Summary string }
			Finding *struct {
				OSV          string
				FixedVersion string `json:"fixed_version"`
				Trace        []struct{ Module, Function string }
			}
		}
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("govulncheck: %w", err)
		}
		if m.OSV != nil {
			titles[m.OSV.ID] = m.OSV.Summary
		}
		if f := m.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			what := titles[f.OSV] + "; mended in " + f.FixedVersion
			out = append(out, Finding{ID: f.OSV, Where: f.Trace[0].Module, Severity: High, What: what})
		}
	}
	return out, nil
}

// database lays the newest database out in dir, as govulncheck reads it.
func database(ctx context.Context, o options, dir string) error {
	// Outside of the root, so that its go.mod does not count.
	text, err := run(ctx, dir, "go", "mod", "download", "-json", vulndb+"@"+o.vulndb)
	var module struct{ Dir, Version string }
	if err != nil || json.Unmarshal(text, &module) != nil {
		return errors.Join(errNoDatabase, err)
	}
	stamp := regexp.MustCompile(`\d{14}`).FindString(module.Version)
	made, err := time.Parse("20060102150405", stamp)
	if err != nil {
		return fmt.Errorf("%s %s: %w", vulndb, module.Version, err)
	}
	if o.date.Sub(made) > maxAge {
		return fmt.Errorf("%w: the newest is of %s", errNoDatabase, made.Format(time.DateOnly))
	}
	o.notes["dependencies"] = "database of " + made.Format(time.DateOnly)
	return layOut(filepath.Join(module.Dir, "data", "osv"), dir, made)
}

// layOut copies the entries, and writes the indexes that say which module has which.
func layOut(from, to string, made time.Time) error {
	type vuln struct {
		ID       string    `json:"id"`
		Modified time.Time `json:"modified"`
	}
	type module struct {
		Path  string `json:"path"`
		Vulns []vuln `json:"vulns"`
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(to, "ID"), 0o700), os.MkdirAll(filepath.Join(to, "index"), 0o700)); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(from, "GO-*.json"))
	if err != nil || len(files) < 1000 {
		return errors.Join(fmt.Errorf("%w: %d entries", errNoDatabase, len(files)), err)
	}
	modules := map[string]*module{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var entry struct {
			ID       string
			Affected []struct{ Package struct{ Name string } }
		}
		if err := json.Unmarshal(text, &entry); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		if err := os.WriteFile(filepath.Join(to, "ID", entry.ID+".json"), text, 0o600); err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, a := range entry.Affected {
			name := a.Package.Name
			if seen[name] {
				continue
			}
			seen[name] = true
			if modules[name] == nil {
				modules[name] = &module{Path: name}
			}
			modules[name].Vulns = append(modules[name].Vulns, vuln{entry.ID, made})
		}
	}
	list := make([]*module, 0, len(modules))
	for _, m := range modules {
		list = append(list, m)
	}
	return errors.Join(writeJSON(filepath.Join(to, "index", "modules.json"), list),
		writeJSON(filepath.Join(to, "index", "db.json"), map[string]time.Time{"modified": made}))
}

func writeJSON(file string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
