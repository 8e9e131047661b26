package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// document is what is read of an OpenAPI document.
type document struct {
	Info struct {
		Version string `json:"version"`
	} `json:"info"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Description string                `json:"description"`
	Parameters  []parameter           `json:"parameters"`
	RequestBody *body                 `json:"requestBody"`
	Responses   map[string]body       `json:"responses"`
	Security    []map[string][]string `json:"security"`
	Tags        []string              `json:"tags"`

	method, path string
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

type body struct {
	Content map[string]struct {
		Schema *schema `json:"schema"`
	} `json:"content"`
}

// schema is what is read of a JSON Schema.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 any                `json:"type"` // a word, or a list of words when null is one of them
	Format               string             `json:"format"`
	ContentEncoding      string             `json:"contentEncoding"`
	Description          string             `json:"description"`
	Enum                 []any              `json:"enum"`
	Items                *schema            `json:"items"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	AdditionalProperties any                `json:"additionalProperties"`
}

func parse(text []byte) (*document, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	for path, item := range d.Paths {
		for method, o := range item {
			if o.ID == "" {
				return nil, fmt.Errorf("%s %s has no operationId", method, path)
			}
			o.method, o.path = strings.ToUpper(method), path
		}
	}
	return &d, nil
}

// operations are those of the document, in the order of their paths.
func (d *document) operations() []*operation {
	var all []*operation
	for _, item := range d.Paths {
		for _, o := range item {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b *operation) int {
		return strings.Compare(a.path+" "+a.method, b.path+" "+b.method)
	})
	return all
}

// requested are the names of the schemas that requests hold: there "left out" differs from "empty".
func (d *document) requested() map[string]bool {
	found := make(map[string]bool)
	var walk func(s *schema)
	walk = func(s *schema) {
		if s == nil {
			return
		}
		if name := s.name(); name != "" && !found[name] {
			found[name] = true
			walk(d.Components.Schemas[name])
		}
		walk(s.Items)
		for _, p := range s.Properties {
			walk(p)
		}
		if values, ok := s.values(); ok {
			walk(values)
		}
	}
	for _, o := range d.operations() {
		walk(o.request())
	}
	return found
}

// name is that of the schema that a reference is to; "" for none.
func (s *schema) name() string { return strings.TrimPrefix(s.Ref, "#/components/schemas/") }

// kind is the type, without null.
func (s *schema) kind() string {
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		for _, word := range t {
			if word != "null" {
				return fmt.Sprint(word)
			}
		}
	}
	return ""
}

// values is the schema of a map's values, when the schema is one of maps.
func (s *schema) values() (*schema, bool) {
	object, ok := s.AdditionalProperties.(map[string]any)
	if !ok {
		return nil, false
	}
	text, err := json.Marshal(object)
	var values schema
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	return &values, err == nil
}

// request is the schema of the body; nil for none.
func (o *operation) request() *schema {
	if o.RequestBody == nil {
		return nil
	}
	return o.RequestBody.Content["application/json"].Schema
}

// response is the schema of the answer when all goes well; nil when there is no body, or it is no JSON.
func (o *operation) response() (s *schema, isJSON bool) {
	for status, r := range o.Responses {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		for media, c := range r.Content {
			if strings.HasSuffix(media, "json") {
				return c.Schema, true
			}
		}
	}
	return nil, false
}

// takes reports whether the operation has a header.
func (o *operation) takes(header string) bool {
	return slices.ContainsFunc(o.Parameters, func(p parameter) bool {
		return p.In == "header" && strings.EqualFold(p.Name, header)
	})
}

// in are the parameters of one place, without the headers that the client sees to itself.
func (o *operation) in(place string) []parameter {
	var found []parameter
	for _, p := range o.Parameters {
		own := strings.EqualFold(p.Name, "Homing-Tenant") || strings.EqualFold(p.Name, "If-Match") ||
			strings.EqualFold(p.Name, "Idempotency-Key")
		if p.In == place && !own {
			found = append(found, p)
		}
	}
	return found
}
