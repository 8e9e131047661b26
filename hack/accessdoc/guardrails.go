package main

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// guardrails shows the service control policies: lists of statements in `locals`, as they are long and many.
func (p *page) guardrails(c configuration) {
	for _, i := range c.items {
		if i.kind != "locals" || i.body.Attributes["guardrails"] == nil {
			continue
		}
		groups, ok := i.body.Attributes["guardrails"].Expr.(*hclsyntax.ObjectConsExpr)
		if !ok {
			p.problems = append(p.problems, c.name+": local.guardrails is not written as an object")
			return
		}
		for _, group := range groups.Items {
			p.guardrail(c, i, i.source(group.KeyExpr), group.ValueExpr)
		}
	}
}

func (p *page) guardrail(c configuration, i item, group string, expr hclsyntax.Expression) {
	statements, ok := expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		p.problems = append(p.problems, c.name+": local.guardrails."+group+" is not written as a list")
		return
	}
	for _, s := range statements.Exprs {
		object, ok := s.(*hclsyntax.ObjectConsExpr)
		if !ok {
			p.problems = append(p.problems, c.name+": a statement of local.guardrails."+group+" is not an object")
			continue
		}
		fields := map[string]string{}
		for _, field := range object.Items {
			fields[i.source(field.KeyExpr)] = i.expression(field.ValueExpr)
		}
		p.line("- %s, %s: %s", group, strings.Trim(fields["Sid"], `"`), guarded(fields))
	}
}

// guarded says what one statement forbids.
func guarded(fields map[string]string) string {
	what := code(fields["Action"])
	if except := fields["NotAction"]; except != "" {
		what = "anything but " + code(except)
	}
	if on := fields["Resource"]; on != "*" {
		what += " on " + code(on)
	}
	if condition := fields["Condition"]; condition != "" {
		what += ", if " + code(condition)
	}
	return what
}
