package schema_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/schema"
)

const order = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["order", "customer"],
	"additionalProperties": false,
	"properties": {
		"order": {"type": "integer", "minimum": 1},
		"customer": {"$ref": "#/$defs/person"},
		"state": {"enum": ["open", "paid"]},
		"items": {"type": "array", "maxItems": 3, "items": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"}}
	},
	"$defs": {"person": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}}}
}`

func TestValidate(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile([]byte(order))
	require.NoError(t, err)
	for data, want := range map[string][]string{
		`{"order": 1, "customer": {"email": "a@b.example"}}`:                         nil,
		`{"order": 1, "customer": {"email": "a@b.example"}, "items": ["ab", "abc"]}`: nil,
		``:                 {"there are no data"},
		`{"order": `:       {"is not JSON"},
		`{} {}`:            {"is not JSON"},
		`"hunter2"`:        {"must be object"},
		`{"customer": {}}`: {"lacks order", "/customer: lacks email"},
		`{"order": 0, "customer": {"email": "hunter2"}}`: {"/order: must be at least 1"},
		`{"order": "hunter2", "customer": {"email": 7}}`: {
			"/order: must be integer", "/customer/email: must be string",
		},
		`{"order": 1, "customer": {"email": "x"}, "hunter2": true}`: {
			"has a property that the schema does not have",
		},
		`{"order": 1, "customer": {"email": "x"}, "state": "hunter2"}`: {"/state: does not satisfy enum"},
		`{"order": 1, "customer": {"email": "x"}, "items": ["hunter2", "x"]}`: {
			"/items/0: must match ^[a-z]+$", "/items/1: must have at least 2 characters",
		},
		`{"order": 1e9999999, "customer": {"email": "x"}}`:  {"has a number that is too long"},
		`{"order": ` + strings.Repeat("9", 101) + `}`:       {"has a number that is too long"},
		strings.Repeat("[", 200) + strings.Repeat("]", 200): {"nests too deep"},
	} {
		var got []string
		for _, v := range s.Validate([]byte(data)) {
			got = append(got, v.String())
		}
		require.ElementsMatch(t, want, got, data)
		require.NotContains(t, strings.Join(got, " "), "hunter2", "a value is repeated")
	}
}

func TestValidateNamesAFewOfMany(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile([]byte(`{"items": {"type": "string"}}`))
	require.NoError(t, err)
	require.Len(t, s.Validate([]byte("[1"+strings.Repeat(",1", 1000)+"]")), schema.MaxViolations)
	deep := strings.Repeat(`{"`+strings.Repeat("x", 100)+`":`, 5) + "1" + strings.Repeat("}", 5)
	s, err = schema.Compile([]byte(`{"additionalProperties": {"$ref": "#"}, "type": "object"}`))
	require.NoError(t, err)
	require.Less(t, len(s.Validate([]byte(deep))[0].Path), 250)
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"NoJSON":          `{`,
		"TwoDocuments":    `{} {}`,
		"NoSchema":        `{"type": "text"}`,
		"WrongKeyword":    `{"minLength": -1}`,
		"TooLong":         `{"description": "` + strings.Repeat("x", schema.MaxBytes) + `"}`,
		"TooDeep":         strings.Repeat(`{"not":`, 100) + "{}" + strings.Repeat("}", 100),
		"Remote":          `{"$ref": "https://evil.example/schema.json"}`,
		"File":            `{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`,
		"Relative":        `{"$ref": "other.json"}`,
		"OtherDialect":    `{"$schema": "http://json-schema.org/draft-07/schema#"}`,
		"InnerDialect":    `{"properties": {"a": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}}`,
		"RemoteDialect":   `{"$schema": "https://evil.example/dialect"}`,
		"Id":              `{"$id": "https://evil.example/"}`,
		"DynamicRef":      `{"$dynamicRef": "#a"}`,
		"DanglingRef":     `{"$ref": "#/$defs/nothing"}`,
		"BadPattern":      `{"pattern": "("}`,
		"MonstrousNumber": `{"minimum": 1e99999999}`,
	} {
		_, err := schema.Compile([]byte(text))
		require.ErrorIs(t, err, schema.ErrInvalid, name)
		require.Less(t, len(err.Error()), 500, name)
	}
	for _, text := range []string{`true`, `false`, `{}`, `{"$schema": "https://json-schema.org/draft/2020-12/schema#"}`} {
		_, err := schema.Compile([]byte(text))
		require.NoError(t, err, text)
	}
}

// monsters are short schemas whose validation would take longer than anybody lives, with data for it.
var monsters = map[string]struct{ schema, data string }{
	"ByReference": {doubling(`{"type": "string"}`), `1`},
	"ThatHolds":   {doubling(`{"type": "integer"}`), `1`},
	"ByDepthOfData": {
		`{"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}`,
		strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat("}", 100),
	},
}

// doubling is a schema that applies another one 2^60 times.
func doubling(last string) string {
	var defs strings.Builder
	for i := range 60 {
		fmt.Fprintf(&defs, `"d%d": {"allOf": [{"anyOf": [{"$ref": "#/$defs/d%d"}, false]}, {"$ref": "#/$defs/d%[2]d"}]},`,
			i, i+1)
	}
	return `{"$ref": "#/$defs/d0", "$defs": {` + defs.String() + `"d60": ` + last + `}}`
}

func TestValidationEnds(t *testing.T) {
	t.Parallel()
	for name, m := range monsters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := schema.Compile([]byte(m.schema))
			require.NoError(t, err)
			began := time.Now()
			got := s.Validate([]byte(m.data))
			require.Less(t, time.Since(began), 10*time.Second)
			require.NotEmpty(t, got)
			s, err = schema.Compile([]byte(`{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}`))
			require.NoError(t, err)
			require.NotEmpty(t, s.Validate([]byte(`1`)), "a schema that refers to itself")
		})
	}
}

// TestLargeDataAreChecked holds that the bound on steps does not refuse data that are merely large.
func TestLargeDataAreChecked(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile([]byte(`{"items": {"type": "integer", "minimum": 0}}`))
	require.NoError(t, err)
	require.Empty(t, s.Validate([]byte("[0"+strings.Repeat(",1", 500_000)+"]")))
}

func BenchmarkValidate(b *testing.B) {
	s, err := schema.Compile([]byte(order))
	require.NoError(b, err)
	data := []byte(`{"order": 17, "customer": {"email": "a@b.example"}, "state": "paid", "items": ["ab", "cd", "ef"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if s.Validate(data) != nil {
			b.Fatal("not valid")
		}
	}
}

// FuzzCompileAndValidate holds that nothing panics, nothing goes on for ever, and texts stay fit for the store.
func FuzzCompileAndValidate(f *testing.F) {
	f.Add(order, `{"order": 1, "customer": {"email": "x"}}`)
	f.Add(`{"uniqueItems": true}`, `[1e999, 1, 1.0, {"a": []}, {"a": []}]`)
	f.Add(`{"multipleOf": 0.1, "minimum": 1e-999}`, `1e999`)
	f.Add(`{"enum": [1, "a", {}], "const": null}`, `{"\u0000": "\ud800"}`)
	for _, m := range monsters {
		f.Add(m.schema, m.data)
	}
	f.Fuzz(func(t *testing.T, text, data string) {
		s, err := schema.Compile([]byte(text))
		if err != nil {
			require.ErrorIs(t, err, schema.ErrInvalid)
			return
		}
		for _, v := range s.Validate([]byte(data)) {
			require.NotContains(t, v.String(), "\x00")
			require.NotEmpty(t, v.Rule)
		}
	})
}
