package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// alert is a rule that alerts, as far as people are told of it.
type alert struct {
	Name        string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	meaning     string
}

// severities are in the order of how much they ask of people.
var severities = []struct{ name, means string }{
	{"page", "Somebody gets up."},
	{"ticket", "Somebody looks this week."},
	{"chat", "To be seen."},
}

// alerts writes the list of all alerts, by severity.
func alerts(rules, runbooks string) ([]byte, error) {
	all, err := readAlerts(rules)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].meaning, err = meaning(filepath.Join(runbooks, all[i].Name+".md")); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	b.WriteString(`# Alerts

<!-- Written by "go run ./gen" in test/monitoring from monitoring/prometheus/rules and docs/runbooks. Not to be edited. -->

What alerts, whom, and what it means; the name leads to what to do. The rules, their tests and who is told how are in
[monitoring/](../monitoring/README.md). By symptom: [troubleshooting](troubleshooting.md).
`)
	listed := 0
	for _, s := range severities {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| alert | owner | says | means |\n|---|---|---|---|\n", s.name, s.means)
		for _, a := range all {
			if a.Labels["severity"] == s.name {
				fmt.Fprintf(&b, "| [%s](runbooks/%s.md) | %s | %s | %s |\n", a.Name, a.Name, a.Labels["owner"], says(a), a.meaning)
				listed++
			}
		}
	}
	if listed != len(all) {
		return nil, fmt.Errorf("%d of %d alerts have a severity that is not known", len(all)-listed, len(all))
	}
	return b.Bytes(), nil
}

// readAlerts returns the alerts by name: of those with several rules (windows of a burn rate), one for each severity.
func readAlerts(dir string) (all []alert, err error) {
	for _, name := range ruleFiles {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		var file struct {
			Groups []struct {
				Rules []alert `json:"rules"`
			} `json:"groups"`
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	all = slices.DeleteFunc(all, func(a alert) bool { return a.Name == "" })
	slices.SortStableFunc(all, func(a, b alert) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Labels["severity"], b.Labels["severity"]))
	})
	return slices.CompactFunc(all, func(a, b alert) bool {
		return a.Name == b.Name && a.Labels["severity"] == b.Labels["severity"]
	}), nil
}

// says is an alert's summary, with a dash for what Prometheus fills in.
func says(a alert) string {
	text := a.Annotations["summary"]
	for {
		before, rest, found := strings.Cut(text, "{{")
		if !found {
			return strings.ReplaceAll(text, "|", "/")
		}
		_, after, _ := strings.Cut(rest, "}}")
		text = before + "…" + after
	}
}

// meaning is the first paragraph below "What it means" of a runbook.
func meaning(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(string(text), "\n## What it means\n\n")
	if !found {
		return "", fmt.Errorf("%s does not say what it means", path)
	}
	paragraph, _, _ := strings.Cut(rest, "\n\n")
	return strings.Join(strings.Fields(paragraph), " "), nil
}
