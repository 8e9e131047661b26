package contract

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The document that clients rely on, and the one that the code makes. A release copies the second over the first
// (`make release-api`); so the check needs no history, which a shallow checkout lacks.
const (
	released = "../../docs/api/openapi.released.json"
	present  = "../../docs/api/openapi.json"
)

// TestTheAPIKeepsWhatClientsRelyOn fails on a change that would break a client of the last release.
func TestTheAPIKeepsWhatClientsRelyOn(t *testing.T) {
	t.Parallel()
	before, after := readJSON(t, released), readJSON(t, present)
	require.NotEmpty(t, child(before, "paths"))
	require.Empty(t, breaks(before, after), "clients would break; add beside what is there, or make a /v2")
}

// TestBreakingChangesAreFound breaks a small document in every way that the check knows.
func TestBreakingChangesAreFound(t *testing.T) {
	t.Parallel()
	const document = `{
		"paths": {"/v1/things/{thing}": {"post": {
			"security": [{"apiKey": ["things:write"]}],
			"parameters": [{"name": "q", "in": "query", "schema": {"type": "string", "enum": ["a", "b"], "maxLength": 9}}],
			"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}},
			"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}}}}
		}}},
		"components": {"schemas": {
			"In": {"type": "object", "required": ["a"], "properties": {
				"a": {"type": "string"}, "n": {"type": "integer", "minimum": 1, "maximum": 9}}},
			"Out": {"type": "object", "required": ["a"], "properties": {
				"a": {"type": "string", "enum": ["x", "y"]}, "list": {"type": "array", "items": {"type": "integer"}}}}
		}}
	}`
	for name, c := range map[string]struct{ from, to, want string }{
		"RouteRemoved":        {`/v1/things/{thing}`, `/v1/stuff/{thing}`, "is not there any more"},
		"MethodRemoved":       {`"post"`, `"put"`, "is not there any more"},
		"AnotherScope":        {`things:write`, `admin`, "needs another scope"},
		"StatusChanged":       {`"200"`, `"201"`, "does not answer 200"},
		"ParameterRemoved":    {`"name": "q"`, `"name": "p"`, "parameter query q is not there any more"},
		"ParameterRequired":   {`"in": "query",`, `"in": "query", "required": true,`, "is required now"},
		"ParameterLosesValue": {`["a", "b"]`, `["a"]`, "does not take b"},
		"ParameterShorter":    {`"maxLength": 9`, `"maxLength": 5`, "maxLength"},
		"MediaTypeRemoved": {
			`{"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}}`,
			`{"content": {"application/xml": {"schema": {"$ref": "#/components/schemas/In"}}}}`,
			"does not take application/json",
		},
		"BodyFieldRequired": {
			`"In": {"type": "object", "required": ["a"]`,
			`"In": {"type": "object", "required": ["a", "n"]`, "n is required now",
		},
		"BodyFieldRemoved": {
			`"n": {"type": "integer", `,
			`"m": {"type": "integer", `, "n is not taken any more",
		},
		"BodyFieldOfAnotherType": {`"n": {"type": "integer"`, `"n": {"type": "string"`, "was integer, is string"},
		"BodyBoundRaised":        {`"minimum": 1`, `"minimum": 2`, "minimum"},
		"BodyBoundNew": {
			`"a": {"type": "string"}, "n"`,
			`"a": {"type": "string", "pattern": "x"}, "n"`, "pattern",
		},
		"AnswerFieldRemoved": {`"list": {`, `"lists": {`, "list is not answered any more"},
		"AnswerFieldOptional": {
			`"Out": {"type": "object", "required": ["a"]`,
			`"Out": {"type": "object", "required": []`, "a may be missing now",
		},
		"AnswerItemsOfAnother": {
			`"items": {"type": "integer"}`,
			`"items": {"type": "string"}`, "was integer, is string",
		},
		"AnswerMayBeNull": {
			`"a": {"type": "string", "enum"`,
			`"a": {"type": ["string", "null"], "enum"`, "was string, is string or null",
		},
		"AnswerLosesValue":   {`["x", "y"]`, `["x"]`, ""},           // fewer answers: nothing breaks
		"AnswerHasANewValue": {`["x", "y"]`, `["x", "y", "z"]`, ""}, // docs/api tells clients to expect that
		"NewFields":          {`"n": {"type"`, `"extra": {"type": "string"}, "n": {"type"`, ""},
		"NewRoute":           {`"paths": {`, `"paths": {"/v1/new": {"get": {}}, `, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(document, c.from, c.to, 1)
			require.NotEqual(t, document, changed)
			var before, after any
			require.NoError(t, json.Unmarshal([]byte(document), &before))
			require.NoError(t, json.Unmarshal([]byte(changed), &after))
			found := strings.Join(breaks(before, after), "\n")
			if c.want == "" {
				require.Empty(t, found)
			} else {
				require.Contains(t, found, c.want)
			}
		})
	}
}

func readJSON(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(text, &value))
	return value
}

// child is a part of JSON; nil when it is not there.
func child(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func object(value any) map[string]any { o, _ := value.(map[string]any); return o }
func list(value any) []any            { l, _ := value.([]any); return l }

// comparison is of two documents.
type comparison struct {
	before, after any
	found         []string
	seen          map[string]bool
}

// breaks lists what clients of one document cannot rely on with another.
func breaks(before, after any) []string {
	c := &comparison{before: before, after: after, seen: map[string]bool{}}
	for path, item := range object(child(before, "paths")) {
		for method, operation := range object(item) {
			where := strings.ToUpper(method) + " " + path
			now := child(after, "paths", path, method)
			if now == nil {
				c.add(where, "is not there any more")
				continue
			}
			c.operation(where, operation, now)
		}
	}
	slices.Sort(c.found)
	return c.found
}

func (c *comparison) add(where, format string, args ...any) {
	c.found = append(c.found, where+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) operation(where string, before, after any) {
	if fmt.Sprint(child(before, "security")) != fmt.Sprint(child(after, "security")) {
		c.add(where, "needs another scope")
	}
	c.parameters(where, list(child(before, "parameters")), list(child(after, "parameters")))
	c.bodies(where, before, after)
	for status, response := range object(child(before, "responses")) {
		now := child(after, "responses", status)
		if status[0] != '2' {
			continue // errors are problems, which clients tell apart by their type
		}
		if now == nil {
			c.add(where, "does not answer %s any more", status)
		}
		for media, content := range object(child(response, "content")) {
			c.schema(where+" answer", child(content, "schema"), child(now, "content", media, "schema"), false)
		}
	}
}

// bodies compares what clients send, by media type.
func (c *comparison) bodies(where string, before, after any) {
	sent := object(child(before, "requestBody", "content"))
	if len(sent) == 0 && child(after, "requestBody", "required") == true {
		c.add(where, "a body is required now")
	}
	for media, content := range sent {
		now := child(after, "requestBody", "content", media)
		switch was := child(content, "schema"); {
		case now == nil:
			c.add(where, "does not take %s any more", media)
		case was != nil:
			c.schema(where+" body", was, child(now, "schema"), true)
		}
	}
}

func (c *comparison) parameters(where string, before, after []any) {
	name := func(p any) string { return fmt.Sprint(child(p, "in"), " ", child(p, "name")) }
	find := func(in []any, p any) any {
		if i := slices.IndexFunc(in, func(q any) bool { return name(q) == name(p) }); i >= 0 {
			return in[i]
		}
		return nil
	}
	for _, p := range before {
		if child(p, "in") == "path" {
			continue // its name is in the path
		}
		now := find(after, p)
		if now == nil {
			c.add(where, "parameter %s is not there any more", name(p))
			continue
		}
		c.schema(where+" parameter "+name(p), child(p, "schema"), child(now, "schema"), true)
	}
	for _, p := range after {
		was := find(before, p)
		if child(p, "required") == true && child(was, "required") != true && child(p, "in") != "path" {
			c.add(where, "parameter %s is required now", name(p))
		}
	}
}

// resolve follows a reference.
func resolve(document, schema any) (target any, name string) {
	if ref, ok := child(schema, "$ref").(string); ok {
		path := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		return child(document, path...), ref
	}
	return schema, ""
}

// schema compares what clients send (in), which may only become more, or what they get, which may only become narrower
// in its kind and richer in its fields.
func (c *comparison) schema(where string, before, after any, in bool) {
	before, ref := resolve(c.before, before)
	after, _ = resolve(c.after, after)
	if key := fmt.Sprint(where, ref); ref != "" {
		if c.seen[key] {
			return
		}
		c.seen[key] = true
	}
	if after == nil {
		c.add(where, "has no schema any more")
		return
	}
	if was, is := types(before), types(after); was != is {
		c.add(where, "was %s, is %s", was, is)
		return
	}
	if child(before, "format") != child(after, "format") {
		c.add(where, "had the format %v, has %v", child(before, "format"), child(after, "format"))
	}
	if in {
		c.values(where, list(child(before, "enum")), list(child(after, "enum")))
		c.bounds(where, before, after)
	}
	c.fields(where, before, after, in)
	if items := child(before, "items"); items != nil {
		c.schema(where+"[]", items, child(after, "items"), in)
	}
	if values := object(child(before, "additionalProperties")); values != nil {
		c.schema(where+"{}", values, child(after, "additionalProperties"), in)
	}
}

func types(schema any) string {
	switch t := child(schema, "type").(type) {
	case string:
		return t
	case []any:
		words := make([]string, len(t))
		for i, word := range t {
			words[i] = fmt.Sprint(word)
		}
		slices.Sort(words)
		slices.Reverse(words)
		return strings.Join(words, " or ")
	}
	return "anything"
}

// values compares the values that clients may send. Answers may have new ones.
func (c *comparison) values(where string, before, after []any) {
	for _, value := range before {
		if len(after) > 0 && !slices.Contains(after, value) {
			c.add(where, "does not take %v any more", value)
		}
	}
	if len(before) == 0 && len(after) > 0 {
		c.add(where, "takes certain values only now")
	}
}

// bounds compares the limits on what clients send.
func (c *comparison) bounds(where string, before, after any) {
	for bound, tighter := range map[string]func(was, is float64) bool{
		"maximum": less, "maxLength": less, "maxItems": less, "minimum": more, "minLength": more, "minItems": more,
	} {
		was, had := child(before, bound).(float64)
		is, has := child(after, bound).(float64)
		if has && (!had || tighter(was, is)) {
			c.add(where, "%s is %v now", bound, is)
		}
	}
	if is := child(after, "pattern"); is != nil && is != child(before, "pattern") {
		c.add(where, "has the pattern %v now", is)
	}
}

func less(was, is float64) bool { return is < was }
func more(was, is float64) bool { return is > was }

func (c *comparison) fields(where string, before, after any, in bool) {
	required, requiredBefore := list(child(after, "required")), list(child(before, "required"))
	for name, was := range object(child(before, "properties")) {
		is := child(after, "properties", name)
		switch {
		case is == nil && in:
			c.add(where, "%s is not taken any more", name)
			continue
		case is == nil:
			c.add(where, "%s is not answered any more", name)
			continue
		case !in && slices.Contains(requiredBefore, any(name)) && !slices.Contains(required, any(name)):
			c.add(where, "%s may be missing now", name)
		}
		c.schema(where+" "+name, was, is, in)
	}
	for _, name := range required {
		if in && !slices.Contains(requiredBefore, name) {
			c.add(where, "%v is required now", name)
		}
	}
}
