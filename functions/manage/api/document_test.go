package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// committed is where the document is for readers, and for comparison. openAPISchema is what the OpenAPI Initiative
// says that a document of version 3.1 is (https://spec.openapis.org/oas/3.1/schema/2022-10-07).
const (
	committed     = "../../../docs/api/openapi.json"
	openAPISchema = "testdata/openapi-3.1.schema.json"
)

// contract is the committed document, whose schemas are those of JSON Schema 2020-12: every request that is taken and
// every answer in these tests is held to it.
type contract struct {
	document any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
}

var theContract = sync.OnceValues(func() (*contract, error) {
	text, err := os.ReadFile(committed)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", document); err != nil {
		return nil, err
	}
	return &contract{document: document, compiler: c, schemas: map[string]*jsonschema.Schema{}}, nil
})

// at returns a part of the document; nil when it is not there.
func (c *contract) at(path ...string) any {
	value := c.document
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// check holds JSON to the schema at a place of the document.
func (c *contract) check(text string, path ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	escaped := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	steps := []string{""}
	for _, name := range path {
		steps = append(steps, escaped.Replace(name))
	}
	pointer := strings.Join(steps, "/")
	schema := c.schemas[pointer]
	if schema == nil {
		var err error
		if schema, err = c.compiler.Compile("openapi.json#" + pointer); err != nil {
			return err
		}
		c.schemas[pointer] = schema
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// hold requires an answer to be as the document says, and, of a request that was taken, its body and parameters too.
func (b *bundle) hold(r *http.Request, a answer) {
	b.Helper()
	pattern := b.api.Pattern(r)
	method, path, isRoute := strings.Cut(pattern, " ")
	c, err := theContract()
	require.NoError(b, err)
	operation := []string{"paths", path, strings.ToLower(method)}
	if !isRoute || c.at(operation...) == nil {
		return // no route of the document
	}
	what := fmt.Sprintf("%s, answered with %d: %s", pattern, a.status, a.text)
	response := slices.Concat(operation, []string{"responses", strconv.Itoa(a.status)})
	require.NotNil(b, c.at(response...), "the document does not know the status: %s", what)
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	require.NoError(b, err, what)
	content := slices.Concat(response, []string{"content", media, "schema"})
	require.NotNil(b, c.at(content...), "the document does not know %s: %s", media, what)
	require.NoError(b, c.check(a.text, content...), what)
	if a.status >= http.StatusMultipleChoices {
		return
	}
	body, err := io.ReadAll(r.Body)
	require.NoError(b, err)
	if len(body) > 0 {
		schema := slices.Concat(operation, []string{"requestBody", "content", "application/json", "schema"})
		require.NoError(b, c.check(string(body), schema...), "it was taken, and is not as documented: %s", body)
	}
	known := map[string]bool{}
	parameters, _ := c.at(slices.Concat(operation, []string{"parameters"})...).([]any)
	for i := range parameters {
		parameter := parameters[i].(map[string]any)
		known[parameter["in"].(string)+" "+strings.ToLower(parameter["name"].(string))] = true
	}
	for name := range r.URL.Query() {
		require.True(b, known["query "+name], "the document does not know the parameter %s: %s", name, what)
	}
	for name := range r.Header {
		if name != "Authorization" && name != "Content-Type" {
			require.True(b, known["header "+strings.ToLower(name)], "the document does not know %s: %s", name, what)
		}
	}
}

// requireOpenAPI31 holds the document to the schema of OpenAPI 3.1, and each of its schemas to that of JSON Schema.
func requireOpenAPI31(t *testing.T) {
	t.Helper()
	c, err := theContract()
	require.NoError(t, err)
	text, err := os.ReadFile(openAPISchema)
	require.NoError(t, err)
	rules, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("rules.json", rules))
	schema, err := compiler.Compile("rules.json")
	require.NoError(t, err)
	require.NoError(t, schema.Validate(c.document))

	// That this can fail at all:
	var broken map[string]any
	again, err := json.Marshal(c.document)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(again, &broken))
	delete(broken["info"].(map[string]any), "title")
	require.Error(t, schema.Validate(broken))

	for name := range c.at("components", "schemas").(map[string]any) {
		c.mu.Lock()
		_, err := c.compiler.Compile("openapi.json#/components/schemas/" + name)
		c.mu.Unlock()
		require.NoError(t, err, name)
	}
}
