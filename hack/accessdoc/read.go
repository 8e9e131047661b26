package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// policyDocument is the kind of the data sources that policies are written as.
const policyDocument = "aws_iam_policy_document"

// configuration is one directory of Terraform code.
type configuration struct {
	name  string // relative to the root: modules/edge
	items []item // in the order of files and lines
}

// item is a block of it, with the source that its expressions are shown from.
type item struct {
	labels []string // resource "aws_iam_role" "this": the words behind the block's type
	kind   string   // resource, data, module, locals, or the type of a nested block
	body   *hclsyntax.Body
	src    []byte
}

// load reads every directory below root that has .tf files, in the order of their names.
func load(root string) ([]configuration, error) {
	byDir := map[string]*configuration{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".tf" {
			return err
		}
		items, err := parse(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if byDir[name] == nil {
			byDir[name] = &configuration{name: filepath.ToSlash(name)}
		}
		byDir[name].items = append(byDir[name].items, items...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("accessdoc: load %s: %w", root, err)
	}
	configurations := make([]configuration, 0, len(byDir))
	for _, c := range byDir {
		configurations = append(configurations, *c)
	}
	slices.SortFunc(configurations, func(a, b configuration) int { return strings.Compare(a.name, b.name) })
	return configurations, nil
}

// parse returns the blocks of one file.
func parse(path string) ([]item, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, diagnostics := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, fmt.Errorf("%s: not written in HCL's own syntax", path)
	}
	return nested(body, src), nil
}

func nested(body *hclsyntax.Body, src []byte) []item {
	items := make([]item, 0, len(body.Blocks))
	for _, b := range body.Blocks {
		items = append(items, item{labels: b.Labels, kind: b.Type, body: b.Body, src: src})
	}
	return items
}

// is reports whether the item is a resource or data source of that type.
func (i item) is(kind, typ string) bool {
	return i.kind == kind && len(i.labels) == 2 && i.labels[0] == typ
}

// name is how Terraform calls it: aws_iam_role.this.
func (i item) name() string { return strings.Join(i.labels, ".") }

// children returns the nested blocks of that type, also those that are made by `dynamic`.
func (i item) children(kind string) []item {
	var found []item
	for _, child := range nested(i.body, i.src) {
		switch {
		case child.kind == kind:
			found = append(found, child)
		case child.kind == "dynamic" && child.labels[0] == kind:
			found = append(found, child.children("content")...)
		}
	}
	return found
}

// text returns an argument as it is written, without quotes and line breaks; "" where there is none.
func (i item) text(argument string) string {
	attribute := i.body.Attributes[argument]
	if attribute == nil {
		return ""
	}
	return i.expression(attribute.Expr)
}

// first returns the first of the arguments that is there.
func (i item) first(arguments ...string) string {
	for _, argument := range arguments {
		if text := i.text(argument); text != "" {
			return text
		}
	}
	return ""
}

func (i item) expression(expr hclsyntax.Expression) string {
	switch e := expr.(type) {
	case *hclsyntax.TupleConsExpr:
		parts := make([]string, len(e.Exprs))
		for n, part := range e.Exprs {
			parts[n] = i.expression(part)
		}
		return strings.Join(parts, ", ")
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		return strings.Trim(i.source(expr), `"`)
	default:
		return i.source(expr)
	}
}

func (i item) source(expr hclsyntax.Expression) string {
	written := expr.Range().SliceBytes(i.src)
	lines := strings.Split(string(written), "\n")
	for n, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines[n] = ""
		}
	}
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}

// documents returns the names of the policy documents that an argument refers to.
func (i item) documents(argument string) []string {
	attribute := i.body.Attributes[argument]
	if attribute == nil {
		return nil
	}
	var names []string
	for _, traversal := range attribute.Expr.Variables() {
		if traversal.RootName() != "data" || len(traversal) < 3 {
			continue
		}
		kind, ok := traversal[1].(hcl.TraverseAttr)
		name, named := traversal[2].(hcl.TraverseAttr)
		if ok && named && kind.Name == policyDocument && !slices.Contains(names, name.Name) {
			names = append(names, name.Name)
		}
	}
	return names
}

// refersTo reports whether an argument is of that resource: aws_iam_role.this.id of aws_iam_role.this.
func (i item) refersTo(argument, resource string) bool {
	attribute := i.body.Attributes[argument]
	if attribute == nil {
		return false
	}
	for _, traversal := range attribute.Expr.Variables() {
		if len(traversal) < 2 {
			continue
		}
		if name, ok := traversal[1].(hcl.TraverseAttr); ok && traversal.RootName()+"."+name.Name == resource {
			return true
		}
	}
	return false
}
