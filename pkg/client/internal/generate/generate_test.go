package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const committed = "../../../../docs/api/openapi.json"

// TestTheGeneratedCodeIsThatOfTheDocument holds api_gen.go to the document.
func TestTheGeneratedCodeIsThatOfTheDocument(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(committed)
	require.NoError(t, err)
	want, err := generate(document)
	require.NoError(t, err)
	got, err := os.ReadFile("../../api_gen.go")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run: make generate")
}

// TestGenerateWritesWhatADocumentSays generates from small documents.
func TestGenerateWritesWhatADocumentSays(t *testing.T) {
	t.Parallel()
	document := func(operation, schemas string) []byte {
		return []byte(`{"paths": {"/v1/things/{thing}": {"get": ` + operation + `}}, "components": {"schemas": ` +
			schemas + `}}`)
	}
	const answer = `"responses": {"200": {"content": {"application/json": {"schema":
		{"$ref": "#/components/schemas/Thing"}}}}}`
	for name, c := range map[string]struct {
		document []byte
		want     []string
		err      string
	}{
		"AnAnswer": {
			document: document(`{"operationId": "getThing", "summary": "Get it", "parameters": [
				{"name": "thing", "in": "path", "schema": {"type": "string"}}], `+answer+`}`,
				`{"Thing": {"type": "object", "required": ["id"], "properties": {"at": {"type": "string", "format": "date-time"},
				"id": {"type": "string"}, "n": {"type": ["integer", "null"]}}}}`),
			want: []string{
				"func (c *Client) GetThing(ctx context.Context, thingID string, options ...CallOption) (*Thing, error)",
				"ID string    `json:\"id\"`", "At time.Time `json:\"at,omitzero\"`", "N  *int64    `json:\"n,omitzero\"`",
			},
		},
		"NoAnswer": {
			document: document(`{"operationId": "endThing", "responses": {"204": {}}}`, `{}`),
			want:     []string{"func (c *Client) EndThing(ctx context.Context, options ...CallOption) error"},
		},
		"ARequestTellsWhatIsLeftOut": {
			document: document(`{"operationId": "setThing", "requestBody": {"content": {"application/json": {"schema":
				{"$ref": "#/components/schemas/Thing"}}}}, "responses": {"204": {}}}`,
				`{"Thing": {"type": "object", "properties": {"n": {"type": "integer"}, "of": {"type": "array",
				"items": {"type": "string"}}}}}`),
			want: []string{"N  *int64   `json:\"n,omitzero\"`", "Of []string `json:\"of,omitzero\"`", "in Thing"},
		},
		"WhatItDoesNotKnow": {
			document: document(`{"operationId": "getThing", `+answer+`}`,
				`{"Thing": {"type": "object", "properties": {"x": {"type": "cube"}}}}`),
			err: "Thing.x: type cube",
		},
		"AnOperationWithoutAName": {document: document(`{}`, `{}`), err: "no operationId"},
		"NoDocument":              {document: []byte(`{`), err: "unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, err := generate(c.document)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			for _, want := range c.want {
				require.Contains(t, string(code), want)
			}
		})
	}
}
