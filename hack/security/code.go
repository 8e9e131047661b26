package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// code runs gosec, as golangci-lint has it, with the repository's own configuration: what is excluded there has its
// reason there, and a `//nolint:gosec` has its reason beside it (nolintlint insists).
func code(ctx context.Context, o options) ([]Finding, error) {
	dir, err := os.MkdirTemp("", "security-code-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "findings.json")
	// Exit 1 is findings, which the file has.
	_, err = run(ctx, o.root, o.golangci, "run", "--enable-only=gosec", "--output.json.path="+file,
		"--show-stats=false", "--issues-exit-code=0", "--allow-parallel-runners", "./...")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var report struct {
		Issues []struct {
			Text, Severity string
			Pos            struct{ Filename string }
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("golangci-lint: %w", err)
	}
	var out []Finding
	for _, i := range report.Issues {
		id, what, _ := strings.Cut(i.Text, ": ")
		out = append(out, Finding{ID: id, Where: i.Pos.Filename, Severity: severity(i.Severity), What: what})
	}
	return out, nil
}

// run runs a program in a directory and returns what it wrote to stdout. Errors have what it wrote to stderr.
func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, environment()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// environment is that of what is judged: without the experiment that the gate itself is built with.
func environment() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GOEXPERIMENT=") {
			out = append(out, v)
		}
	}
	return out
}
