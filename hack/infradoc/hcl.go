package main

import (
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// modulesIn returns the modules that an expression refers to.
func modulesIn(expression hclsyntax.Expression) []string {
	var names []string
	for _, traversal := range expression.Variables() {
		if traversal.RootName() == "module" {
			names = append(names, attributeName(traversal))
		}
	}
	return names
}

// attributeName returns the name that follows the root of a reference.
func attributeName(traversal hcl.Traversal) string {
	if len(traversal) > 1 {
		if step, ok := traversal[1].(hcl.TraverseAttr); ok {
			return step.Name
		}
	}
	return ""
}

// local returns the expression of a local value; nil when there is none of the name.
func local(body *hclsyntax.Body, name string) hclsyntax.Expression {
	for _, block := range body.Blocks {
		if attribute, ok := block.Body.Attributes[name]; ok && block.Type == "locals" {
			return attribute.Expr
		}
	}
	return nil
}

// fields returns what an object consists of; nothing when the expression is none.
func fields(expression hclsyntax.Expression) map[string]hclsyntax.Expression {
	object, ok := expression.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return nil
	}
	found := make(map[string]hclsyntax.Expression, len(object.Items))
	for _, item := range object.Items {
		key, diagnostics := item.KeyExpr.Value(nil)
		if !diagnostics.HasErrors() {
			found[key.AsString()] = item.ValueExpr
		}
	}
	return found
}

// objects returns the objects that stand in an expression: itself, arguments of a call, branches of a condition.
func objects(expression hclsyntax.Expression) []hclsyntax.Expression {
	switch e := expression.(type) {
	case *hclsyntax.ObjectConsExpr:
		return []hclsyntax.Expression{e}
	case *hclsyntax.FunctionCallExpr:
		var found []hclsyntax.Expression
		for _, argument := range e.Args {
			found = append(found, objects(argument)...)
		}
		return found
	case *hclsyntax.ConditionalExpr:
		return append(objects(e.TrueResult), objects(e.FalseResult)...)
	default:
		return nil
	}
}

// calledModules returns the names of the modules that the configuration in dir calls.
func calledModules(dir string) ([]string, error) {
	var names []string
	err := eachBlock(dir, func(block *hclsyntax.Block) {
		if block.Type == "module" {
			if source, diagnostics := block.Body.Attributes["source"].Expr.Value(nil); !diagnostics.HasErrors() {
				names = append(names, filepath.Base(source.AsString()))
			}
		}
	})
	return names, err
}

// countResources returns how many resources of these types are written in dir.
func countResources(dir string, types ...string) (int, error) {
	n := 0
	err := eachBlock(dir, func(block *hclsyntax.Block) {
		if block.Type == "resource" && slices.Contains(types, block.Labels[0]) {
			n++
		}
	})
	return n, err
}

// eachBlock calls visit with every block at the top of the files in dir.
func eachBlock(dir string, visit func(*hclsyntax.Block)) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return err
	}
	for _, file := range files {
		body, err := parse(file)
		if err != nil {
			return err
		}
		for _, block := range body.Blocks {
			visit(block)
		}
	}
	return nil
}
