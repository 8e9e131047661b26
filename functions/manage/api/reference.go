package api

import (
	"bytes"
	_ "embed" // for the page
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed reference.html
var referenceHTML string

var referencePage = template.Must(template.New("reference").Funcs(template.FuncMap{
	"type": typeName, "lower": strings.ToLower, "schema": schemaName,
}).Parse(referenceHTML))

// reference is what the page shows: the document in the order in which it is read.
type reference struct {
	Title, Version, Description string
	Tags                        []referenceTag
	Schemas                     []referenceSchema
}

type referenceTag struct {
	Name, Description string
	Operations        []referenceOperation
}

type referenceOperation struct {
	*huma.Operation
	Scope    string
	Bodies   []referenceBody
	Statuses []referenceStatus
}

// referenceBody is what a request may hold; Media is "" for the JSON that nearly all take, and Schema is nil for bytes
// that are the client's own.
type referenceBody struct {
	Media  string
	Schema *huma.Schema
}

type referenceStatus struct {
	Status, Description, Schema string
}

type referenceSchema struct {
	Name       string
	Properties []referenceProperty
}

type referenceProperty struct {
	Name     string
	Required bool
	*huma.Schema
}

// renderReference makes the page for people out of the document: one file without scripts, so that it works on networks
// that are closed, and under the strictest of policies.
func renderReference(doc *huma.OpenAPI) []byte {
	page := reference{Title: doc.Info.Title, Version: doc.Info.Version, Description: doc.Info.Description}
	for _, tag := range doc.Tags {
		page.Tags = append(page.Tags, referenceTag{tag.Name, tag.Description, operationsOf(doc, tag.Name)})
	}
	for name, schema := range doc.Components.Schemas.Map() {
		page.Schemas = append(page.Schemas, referenceSchema{name, propertiesOf(schema)})
	}
	slices.SortFunc(page.Schemas, func(a, b referenceSchema) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	if err := referencePage.Execute(&out, page); err != nil {
		panic(err) // a mistake in the template, which every test of the API would see
	}
	return out.Bytes()
}

// operationsOf lists the operations of a tag by path, and in the order in which things are made, read and removed.
func operationsOf(doc *huma.OpenAPI, tag string) []referenceOperation {
	paths := make([]string, 0, len(doc.Paths))
	for path := range doc.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var list []referenceOperation
	for _, path := range paths {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Post, item.Get, item.Put, item.Patch, item.Delete} {
			if op == nil || !slices.Contains(op.Tags, tag) {
				continue
			}
			o := referenceOperation{Operation: op}
			if len(op.Security) > 0 { // else it is for everybody
				o.Scope = op.Security[0][scheme][0]
			}
			o.Bodies = bodiesOf(op)
			for status, response := range op.Responses {
				shown := referenceStatus{Status: status, Description: response.Description}
				for _, content := range response.Content {
					shown.Schema = schemaName(content.Schema)
				}
				o.Statuses = append(o.Statuses, shown)
			}
			slices.SortFunc(o.Statuses, func(a, b referenceStatus) int { return strings.Compare(a.Status, b.Status) })
			list = append(list, o)
		}
	}
	return list
}

// bodiesOf lists what a request may hold, by media type.
func bodiesOf(op *huma.Operation) (list []referenceBody) {
	if op.RequestBody == nil {
		return nil
	}
	for media, content := range op.RequestBody.Content {
		if media == "application/json" {
			media = ""
		}
		list = append(list, referenceBody{media, content.Schema})
	}
	slices.SortFunc(list, func(a, b referenceBody) int { return strings.Compare(a.Media, b.Media) })
	return list
}

// propertiesOf lists the properties of a schema, required ones first.
func propertiesOf(schema *huma.Schema) []referenceProperty {
	list := make([]referenceProperty, 0, len(schema.Properties))
	for name, property := range schema.Properties {
		list = append(list, referenceProperty{name, slices.Contains(schema.Required, name), property})
	}
	slices.SortFunc(list, func(a, b referenceProperty) int {
		if a.Required != b.Required {
			return map[bool]int{true: -1, false: 1}[a.Required]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// schemaName is the name of the schema that one refers to, itself, by the first that it may be, or by its items; "" for
// none.
func schemaName(schema *huma.Schema) string {
	if schema != nil && len(schema.OneOf) > 0 {
		schema = schema.OneOf[0]
	}
	if schema != nil && schema.Ref == "" && schema.Items != nil {
		schema = schema.Items
	}
	if schema == nil {
		return ""
	}
	return schema.Ref[strings.LastIndex(schema.Ref, "/")+1:]
}

// typeName says of what type a value is.
func typeName(schema *huma.Schema) string {
	name := schemaName(schema)
	switch {
	case schema.Items != nil:
		return "list of " + typeName(schema.Items)
	case name != "":
		return name
	case len(schema.Enum) > 0:
		words := make([]string, 0, len(schema.Enum))
		for _, word := range schema.Enum {
			words = append(words, word.(string))
		}
		return strings.Join(words, " | ")
	case schema.Format != "":
		return schema.Type + " (" + schema.Format + ")"
	case schema.Type == "":
		return "anything"
	default:
		return schema.Type
	}
}

// serveReference answers with the page.
func (a *API) serveReference(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(a.reference) // the client has gone
}
