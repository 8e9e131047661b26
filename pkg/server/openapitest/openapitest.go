// Package openapitest holds requests and answers to an OpenAPI document. It is for tests only.
//
// It owns the reading of a document of version 3.1, whose schemas are those of JSON Schema 2020-12. It promises that an
// answer which it lets pass has a status, a media type and a body as the document says, and that a request which was
// taken could have been made by somebody who knows the document alone. It never looks for what a document lacks: what
// it is not asked about, it does not hold.
package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is an OpenAPI document. Its methods are safe for concurrent use.
type Document struct {
	root     any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
}

// Load reads a document from a file. Errors: what reading gave; text that is no JSON.
func Load(path string) (*Document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("openapitest: %s: %w", path, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", root); err != nil {
		return nil, fmt.Errorf("openapitest: %s: %w", path, err)
	}
	return &Document{root: root, compiler: c, schemas: map[string]*jsonschema.Schema{}}, nil
}

// Root is the whole document, as JSON is decoded into any.
func (d *Document) Root() any { return d.root }

// At returns a part of the document; nil when it is not there.
func (d *Document) At(path ...string) any {
	value := d.root
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// Operation is where the document has an operation, as the path for At; nil when it has none. path is that of the
// document, "/v1/tenants/{tenant}".
func (d *Document) Operation(method, path string) []string {
	at := []string{"paths", path, strings.ToLower(method)}
	if d.At(at...) == nil {
		return nil
	}
	return at
}

// Compile reads the schema at a place of the document. Errors: one that is no JSON Schema.
func (d *Document) Compile(path ...string) (*jsonschema.Schema, error) {
	escaped := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "*", "%2A", "+", "%2B")
	var pointer strings.Builder
	for _, name := range path {
		pointer.WriteString("/" + escaped.Replace(name))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if schema := d.schemas[pointer.String()]; schema != nil {
		return schema, nil
	}
	schema, err := d.compiler.Compile("openapi.json#" + pointer.String())
	if err == nil {
		d.schemas[pointer.String()] = schema
	}
	return schema, err
}

// check holds JSON to the schema at a place of the document.
func (d *Document) check(text []byte, path ...string) error {
	schema, err := d.Compile(path...)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// Exchange is a request with what it was answered.
type Exchange struct {
	// Operation is where the document has it: see [Document.Operation].
	Operation []string
	// Request is what was asked; its body is Sent.
	Request *http.Request
	Sent    []byte
	Status  int
	Header  http.Header
	Body    []byte
}

// Hold requires an answer to be as the document says, and, of a request that was taken, its body and parameters too.
// Errors: what is not as documented.
func (d *Document) Hold(x Exchange) error {
	err := d.holdAnswer(x)
	if err == nil && x.Status < http.StatusMultipleChoices {
		err = errors.Join(d.holdBody(x), d.holdParameters(x))
	}
	if err != nil {
		return fmt.Errorf("%s, answered with %d: %s\n%w", strings.Join(x.Operation, " "), x.Status, x.Body, err)
	}
	return nil
}

func (d *Document) holdAnswer(x Exchange) error {
	response := below(x.Operation, "responses", strconv.Itoa(x.Status))
	if d.At(response...) == nil {
		return errors.New("the document does not know the status")
	}
	media, _, err := mime.ParseMediaType(x.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	schema := below(response, "content", media, "schema")
	if d.At(schema...) == nil {
		return fmt.Errorf("the document does not know the answer as %s", media)
	}
	return d.check(x.Body, schema...)
}

// holdBody holds what was sent to the schema of its media type. Bytes that the document leaves to the client ("*/*"
// without a schema) are good whatever they are.
func (d *Document) holdBody(x Exchange) error {
	if len(x.Sent) == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(x.Request.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	content := below(x.Operation, "requestBody", "content", media)
	switch {
	case d.At(content...) != nil:
		return d.check(x.Sent, below(content, "schema")...)
	case d.At(below(x.Operation, "requestBody", "content", "*/*")...) != nil:
		return nil
	default:
		return fmt.Errorf("the document does not know that %s is taken", media)
	}
}

// holdParameters looks for parameters and headers that the document does not know. Headers that begin with ce- are the
// extension attributes of an event, which have names of the producer's.
func (d *Document) holdParameters(x Exchange) error {
	known := map[string]bool{"header authorization": true, "header content-type": true}
	parameters, _ := d.At(below(x.Operation, "parameters")...).([]any)
	for i := range parameters {
		parameter := parameters[i].(map[string]any)
		known[parameter["in"].(string)+" "+strings.ToLower(parameter["name"].(string))] = true
	}
	for name := range x.Request.URL.Query() {
		if !known["query "+name] {
			return fmt.Errorf("the document does not know the parameter %s", name)
		}
	}
	for name := range x.Request.Header {
		name = strings.ToLower(name)
		if !known["header "+name] && (!known["header ce-id"] || !strings.HasPrefix(name, "ce-")) {
			return fmt.Errorf("the document does not know the header %s", name)
		}
	}
	return nil
}

// below is a path of At that goes on.
func below(path []string, names ...string) []string {
	return append(append(make([]string, 0, len(path)+len(names)), path...), names...)
}
