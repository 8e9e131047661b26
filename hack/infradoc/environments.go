package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

//go:embed environments.md.tmpl
var environmentsText string

// overlay is what of an environment's Kustomization says how far the functions scale.
type overlay struct {
	ConfigMapGenerator []struct{ Literals []string }
	Patches            []struct {
		Target struct{ Kind, Name string }
		Patch  string
	}
}

// operation is one of a JSON patch.
type operation struct {
	Path  string
	Value any
}

const (
	maxScale       = "autoscaling.knative.dev~1max-scale"
	maxConnections = "homing.io~1postgres-max-connections"
)

// functions are the Knative services, in the order of an event's way.
var functions = []string{"ingest", "ingest-broker", "deliver", "retry", "manage"}

// renderEnvironments writes the guide to the environments.
func renderEnvironments(environments []*environment, knative string) ([]byte, error) {
	parsed, err := template.New("environments").Parse(environmentsText)
	if err != nil {
		return nil, fmt.Errorf("infradoc: environments.md.tmpl: %w", err)
	}
	scales, err := scaleRows(environments, knative)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]string{
		"Accounts": table(environments, accountRows), "Sizes": table(environments, sizeRows),
		"Scales": table(environments, scales),
	})
	return out.Bytes(), err
}

// row is a line of a table: what it is about, and the cell of an environment.
type row struct {
	what string
	cell func(e *environment) string
}

var accountRows = []row{
	{"account", func(e *environment) string { return "`" + e.Account + "`" }},
	{"domain", func(e *environment) string { return "`" + e.Domain + "`" }},
	{"[probes](synthetic.md), and their public name", func(e *environment) string { return yes(e.Probes) }},
	{"region, copies of backups", func(e *environment) string { return e.Region + ", " + e.BackupRegion }},
	{"network", func(e *environment) string { return "`" + e.Network.CIDR + "`" }},
	{"zones, NAT gateways", func(e *environment) string {
		gateways := 1
		if e.Network.NATPerZone {
			gateways = len(e.Network.Zones)
		}
		return fmt.Sprintf("%d, %d", len(e.Network.Zones), gateways)
	}},
}

var sizeRows = []row{
	{"nodes *system*", group("system")},
	{"nodes *application*", group("application")},
	{"nodes *build*", group("build")},
	{"Postgres", func(e *environment) string { return e.Postgres.InstanceClass + multiAZ(e.Postgres.MultiAZ) }},
	{"its storage, GiB: at first / at most", func(e *environment) string {
		return fmt.Sprintf("%g / %g", e.Postgres.StorageGiB, e.Postgres.MaxStorageGiB)
	}},
	{"its connections", func(e *environment) string { return fmt.Sprintf("%g", e.Postgres.MaxConnections) }},
	{"any moment of the last", func(e *environment) string { return fmt.Sprintf("%g days", e.Postgres.BackupDays) }},
	{"protected from deletion", func(e *environment) string { return yes(e.Postgres.Protected) }},
	{"Redis", func(e *environment) string { return fmt.Sprintf("%g × %s", e.Redis.Nodes, e.Redis.NodeType) }},
	{"each RabbitMQ node: CPUs, memory, volume", func(e *environment) string {
		return fmt.Sprintf("%g, %g GiB, %g GiB", e.RabbitMQ.CPUs, e.RabbitMQ.MemoryGiB, e.RabbitMQ.StorageGiB)
	}},
	{"RabbitMQ's nodes in zones of their own", func(e *environment) string { return yes(e.RabbitMQ.ZonesSeparated) }},
	{"controllers and gateways, each", func(e *environment) string { return fmt.Sprintf("%g", e.Replicas) }},
	{"logs are kept", func(e *environment) string { return fmt.Sprintf("%g days", e.LogRetentionDays) }},
	{"budget a month, USD", func(e *environment) string { return fmt.Sprintf("%g", e.MonthlyUSD) }},
	{"events of one address in 5 minutes, at most", func(e *environment) string { return fmt.Sprintf("%g", e.Events) }},
}

func group(name string) func(e *environment) string {
	return func(e *environment) string {
		g := e.NodeGroups[name]
		return fmt.Sprintf("%s, %g / %g / %g", strings.Join(g.InstanceTypes, ", "), g.Min, g.Desired, g.Max)
	}
}

func multiAZ(is bool) string {
	if is {
		return ", Multi-AZ"
	}
	return ""
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// table lays rows out.
func table(environments []*environment, lines []row) string {
	var out strings.Builder
	out.WriteString("| |")
	for _, e := range environments {
		out.WriteString(" " + e.Name + " |")
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(environments)) + "\n")
	for _, l := range lines {
		out.WriteString("| " + l.what + " |")
		for _, e := range environments {
			out.WriteString(" " + l.cell(e) + " |")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// scaleRows reads how far the functions scale in each environment.
func scaleRows(environments []*environment, knative string) ([]row, error) {
	base := make(map[string]string)
	for _, name := range functions {
		scale, err := baseScale(filepath.Join(knative, "base", name+".yaml"))
		if err != nil {
			return nil, err
		}
		base[name] = scale
	}
	cells := make(map[string]map[string]string) // by environment
	for _, e := range environments {
		found, err := readOverlay(filepath.Join(knative, "overlays", e.Name, "kustomization.yaml"), base)
		if err != nil {
			return nil, err
		}
		cells[e.Name] = found
	}
	var lines []row
	for _, what := range append(slices.Clone(functions), "connections of Postgres", "partitions of hints") {
		lines = append(lines, row{what, func(e *environment) string { return cells[e.Name][what] }})
	}
	return lines, nil
}

func baseScale(path string) (string, error) {
	var service struct {
		Spec struct {
			Template struct {
				Metadata struct{ Annotations map[string]string }
			}
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if err := yaml.Unmarshal(text, &service); err != nil {
		return "", fmt.Errorf("infradoc: %s: %w", path, err)
	}
	scale := service.Spec.Template.Metadata.Annotations[strings.ReplaceAll(maxScale, "~1", "/")]
	if scale == "" {
		return "", fmt.Errorf("infradoc: %s has no max-scale", path)
	}
	return scale, nil
}

// readOverlay returns an environment's cells: what base says, and what the overlay changes of it.
func readOverlay(path string, base map[string]string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var o overlay
	if err := yaml.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("infradoc: %s: %w", path, err)
	}
	cells := maps.Clone(base)
	cells["partitions of hints"] = "1"
	for _, g := range o.ConfigMapGenerator {
		for _, literal := range g.Literals {
			if n, found := strings.CutPrefix(literal, "HOMING_PARTITIONS="); found {
				cells["partitions of hints"] = n
			}
		}
	}
	for _, p := range o.Patches {
		if p.Target.Kind != "Service" && p.Target.Kind != "Namespace" {
			continue
		}
		var operations []operation
		if err := yaml.Unmarshal([]byte(p.Patch), &operations); err != nil {
			return nil, fmt.Errorf("infradoc: %s: %w", path, err)
		}
		of, err := regexp.Compile("^(?:" + p.Target.Name + ")$")
		if err != nil {
			return nil, fmt.Errorf("infradoc: %s: %w", path, err)
		}
		apply(operations, of, cells)
	}
	return cells, nil
}

// apply changes the cells of the functions that a patch is for.
func apply(operations []operation, of *regexp.Regexp, cells map[string]string) {
	for _, op := range operations {
		value, _ := op.Value.(string)
		switch {
		case strings.HasSuffix(op.Path, maxScale):
			for _, name := range functions {
				if of.MatchString(name) {
					cells[name] = value
				}
			}
		case strings.HasSuffix(op.Path, maxConnections):
			cells["connections of Postgres"] = value
		}
	}
}
