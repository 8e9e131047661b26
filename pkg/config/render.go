package config

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
)

// source is where the paragraphs of the reference are: beside the fields that they are about, and nowhere else.
//
//go:embed fields.go
var source string

// Doc returns the reference of all settings in Markdown, made of the comments of the fields.
func Doc() (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "fields.go", source, parser.ParseComments)
	if err != nil {
		return "", fmt.Errorf("config: doc: %w", err)
	}
	var b strings.Builder
	b.WriteString(docHead)
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		spec := gen.Specs[0].(*ast.TypeSpec)
		if fields, ok := spec.Type.(*ast.StructType); ok && spec.Name.Name != "Config" {
			section(&b, spec.Name.Name, gen.Doc.Text(), fields)
		}
	}
	return b.String(), nil
}

const docHead = `# Configuration

<!-- Made from the comments in pkg/config/fields.go by "go generate ./pkg/config"; change them there. -->

Every setting is an environment variable. An empty variable counts as one that is not set. Durations are numbers with
units (90d, 24h, 5m, 1.5s, 250ms), sizes are bytes or numbers with KiB, MiB or GiB, lists are separated by commas. A
process does not start with a setting that is out of range, contradicts another, or begins with HOMING_ and does not
exist; it says which, and how to mend it.
`

// section writes one group of settings as a table.
func section(b *strings.Builder, name, doc string, fields *ast.StructType) {
	doc = oneLine(doc)
	doc = strings.ToUpper(doc[len(name)+1:][:1]) + doc[len(name)+2:] // without the name of the type
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| variable | default | meaning |\n|---|---|---|\n", name, doc)
	for _, field := range fields.Fields.List {
		tag, _ := strconv.Unquote(field.Tag.Value)
		preset := "not set"
		if value, ok := reflect.StructTag(tag).Lookup("envDefault"); ok {
			preset = "`" + value + "`"
		}
		meaning := strings.ReplaceAll(oneLine(field.Doc.Text()), "|", `\|`)
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", reflect.StructTag(tag).Get("env"), preset, meaning)
	}
}

// oneLine joins the lines of a comment.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
