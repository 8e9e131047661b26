package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"
	"github.com/zricethezav/gitleaks/v8/sources"
)

// secrets runs gitleaks over every file that git has or would take, and with -history over every commit.
func secrets(ctx context.Context, o options) ([]Finding, error) {
	detector, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		return nil, fmt.Errorf("gitleaks: %w", err)
	}
	list, err := run(ctx, o.root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	var out []Finding
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(o.root, name))
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			continue // deleted and not yet committed, a link to a directory, or binary
		}
		out = append(out, leaks(detector.DetectContext(ctx, detect.Fragment{Raw: string(text), FilePath: name}))...)
	}
	if !o.history {
		return out, nil
	}
	log, err := sources.NewGitLogCmdContext(ctx, o.root, "--all")
	if err != nil {
		return nil, fmt.Errorf("gitleaks: %w", err)
	}
	found, err := detector.DetectSource(ctx, &sources.Git{Cmd: log, Config: &detector.Config, Sema: detector.Sema})
	if err != nil {
		return nil, fmt.Errorf("gitleaks: %w", err)
	}
	return append(out, leaks(found)...), nil
}

// leaks leaves out what must not be shown again.
func leaks(found []report.Finding) []Finding {
	var out []Finding
	for _, f := range found {
		out = append(out, Finding{ID: f.RuleID, Where: f.File, Severity: Critical, What: f.Description})
	}
	return out
}
