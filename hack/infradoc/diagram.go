package main

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// renderDiagrams draws how an environment's modules depend on each other, what may connect to the databases, and the
// flows inside the cluster. All environments have the same files, so prod stands for all.
func renderDiagrams(dir string) ([]byte, error) {
	modules, err := moduleEdges(filepath.Join(dir, "environments", "prod"))
	if err != nil {
		return nil, err
	}
	databases, err := databaseEdges(filepath.Join(dir, "modules", "data", "security-groups.tf"))
	if err != nil {
		return nil, err
	}
	flows, err := flowEdges(filepath.Join(dir, "modules", "kubernetes", "flows.tf"))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(`# The infrastructure, drawn

<!-- Written by hack/infradoc from terraform/. Not to be edited. -->

What it is made of and why is in [terraform/README.md](../terraform/README.md), what it costs in [costs.md](costs.md).

## The modules of an environment

An arrow leads from what is made first to what uses it.

`)
	mermaid(&out, modules)
	out.WriteString("\n## Who may connect to the databases\n\nSecurity groups of the module data, with the port.\n\n")
	mermaid(&out, databases)
	out.WriteString("\n## Who may talk to whom in the cluster\n\nFlows of the module kubernetes, with the ports. " +
		"Everything else is refused, but for what the functions themselves call (`knative/`).\n\n")
	mermaid(&out, flows)
	return out.Bytes(), nil
}

// edge is an arrow with what stands on it.
type edge struct{ from, to, label string }

func mermaid(out *bytes.Buffer, edges []edge) {
	out.WriteString("```mermaid\nflowchart LR\n")
	for _, e := range edges {
		arrow := "-->"
		if e.label != "" {
			arrow = fmt.Sprintf("-->|%s|", e.label)
		}
		fmt.Fprintf(out, "  %s %s %s\n", strings.ReplaceAll(e.from, "-", "_"), arrow, strings.ReplaceAll(e.to, "-", "_"))
	}
	out.WriteString("```\n")
}

// moduleEdges returns, for each module call in dir, which others its arguments refer to.
func moduleEdges(dir string) ([]edge, error) {
	found := map[edge]bool{}
	err := eachBlock(dir, func(block *hclsyntax.Block) {
		if block.Type != "module" {
			return
		}
		for _, attribute := range block.Body.Attributes {
			for _, name := range modulesIn(attribute.Expr) {
				found[edge{from: name, to: block.Labels[0]}] = true
			}
		}
	})
	return slices.SortedFunc(maps.Keys(found), compareEdges), err
}

func compareEdges(a, b edge) int {
	return strings.Compare(a.from+"\x00"+a.to+"\x00"+a.label, b.from+"\x00"+b.to+"\x00"+b.label)
}

// databaseEdges reads the local `ingress`: who connects to what, and where.
func databaseEdges(file string) ([]edge, error) {
	body, err := parse(file)
	if err != nil {
		return nil, err
	}
	var edges []edge
	for _, rules := range objects(local(body, "ingress")) {
		for name, rule := range fields(rules) {
			to, from, _ := strings.Cut(name, "_from_")
			if port, ok := literal(fields(rule)["port"]); ok {
				edges = append(edges, edge{from: from, to: to, label: port})
			}
		}
	}
	slices.SortFunc(edges, compareEdges)
	if len(edges) == 0 {
		return nil, fmt.Errorf("infradoc: %s has no rules", file)
	}
	return edges, nil
}

// flowEdges reads the local `flows`.
func flowEdges(file string) ([]edge, error) {
	body, err := parse(file)
	if err != nil {
		return nil, err
	}
	var edges []edge
	for name, flow := range fields(local(body, "flows")) {
		from, to, ok := strings.Cut(name, "-to-")
		if !ok {
			return nil, fmt.Errorf("infradoc: %s: flow %s is not named FROM-to-TO", file, name)
		}
		ports, err := portsOf(body, fields(flow)["ports"])
		if err != nil {
			return nil, err
		}
		edges = append(edges, edge{from: from, to: to, label: ports})
	}
	slices.SortFunc(edges, compareEdges)
	return edges, nil
}

// portsOf returns a list of ports, which may stand in a local of its own.
func portsOf(body *hclsyntax.Body, expression hclsyntax.Expression) (string, error) {
	if traversal, ok := expression.(*hclsyntax.ScopeTraversalExpr); ok {
		if traversal.Traversal.RootName() == "local" {
			expression = local(body, attributeName(traversal.Traversal))
		}
	}
	value, diagnostics := expression.Value(nil)
	if diagnostics.HasErrors() {
		return "", diagnostics
	}
	var ports []string
	for _, port := range value.AsValueSlice() {
		number, _ := port.AsBigFloat().Int64()
		ports = append(ports, fmt.Sprint(number))
	}
	return strings.Join(ports, " "), nil
}

// literal returns a number that is written down as one.
func literal(expression hclsyntax.Expression) (string, bool) {
	if expression == nil {
		return "", false
	}
	value, diagnostics := expression.Value(nil)
	if diagnostics.HasErrors() || value.Type() != cty.Number {
		return "", false
	}
	number, _ := value.AsBigFloat().Int64()
	return fmt.Sprint(number), true
}
