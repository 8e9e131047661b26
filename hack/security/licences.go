package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences whose terms an image keeps with a notice: no source has to go along. MPL-2.0 asks for the
// source of its own files only, which are unchanged and public.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0",
	"Unicode-DFS-2016"}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([-.].*)?$`)

// enough is the share, in percent, of a licence's text that has to be known for it to count.
const enough = 75

// licences looks at the licence of every module of which something gets into a binary.
func licences(ctx context.Context, o options) ([]Finding, error) {
	text, err := run(ctx, o.root, "go", "list", "-deps", "-json=Module", "./...")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []Finding
	for decoder := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if m := p.Module; m != nil && !m.Main && !seen[m.Path] {
			seen[m.Path] = true
			out = append(out, licence(m.Path, m.Dir)...)
		}
	}
	return out, nil
}

// licence returns a finding for each licence of a module that is not allowed, or for having none that is known.
func licence(module, dir string) []Finding {
	entries, _ := os.ReadDir(dir)
	var out []Finding
	known := false
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		cover := licensecheck.Scan(text)
		known = known || cover.Percent >= enough
		for _, m := range cover.Match {
			if !m.IsURL && !slices.Contains(allowed, m.ID) {
				out = append(out, Finding{ID: m.ID, Where: module, Severity: High, What: "a licence that is not allowed"})
			}
		}
	}
	if !known {
		out = append(out, Finding{ID: "no-licence", Where: module, Severity: High, What: "no licence that is known"})
	}
	return out
}
