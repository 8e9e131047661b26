package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/server/openapitest"
)

// committed is where the document is for readers, and for comparison. openAPISchema is what the OpenAPI Initiative
// says that a document of version 3.1 is (https://spec.openapis.org/oas/3.1/schema/2022-10-07).
const (
	committed     = "../../../docs/api/openapi.json"
	openAPISchema = "testdata/openapi-3.1.schema.json"
)

// theContract is the committed document: every request that is taken and every answer in these tests is held to it.
var theContract = sync.OnceValues(func() (*openapitest.Document, error) { return openapitest.Load(committed) })

// hold requires an answer to be as the document says, and, of a request that was taken, its body and parameters too.
func (b *bundle) hold(r *http.Request, a answer) {
	b.Helper()
	c, err := theContract()
	require.NoError(b, err)
	method, path, isRoute := strings.Cut(b.api.Pattern(r), " ")
	operation := c.Operation(method, path)
	if !isRoute || operation == nil {
		return // no route of the document
	}
	body, err := io.ReadAll(r.Body)
	require.NoError(b, err)
	require.NoError(b, c.Hold(openapitest.Exchange{
		Operation: operation, Request: r, Sent: body, Status: a.status, Header: a.header, Body: []byte(a.text),
	}))
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
	require.NoError(t, schema.Validate(c.Root()))

	// That this can fail at all:
	var broken map[string]any
	again, err := json.Marshal(c.Root())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(again, &broken))
	delete(broken["info"].(map[string]any), "title")
	require.Error(t, schema.Validate(broken))

	for name := range c.At("components", "schemas").(map[string]any) {
		_, err := c.Compile("components", "schemas", name)
		require.NoError(t, err, name)
	}
}
