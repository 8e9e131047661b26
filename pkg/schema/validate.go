package schema

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Violation is one thing in which data do not satisfy a schema.
type Violation struct {
	// Path is where, as a JSON Pointer (RFC 6901), bounded; "" is the data as a whole.
	Path string
	// Rule says what is asked for there, without the value that is there.
	Rule string
}

// String is the violation in one line.
func (v Violation) String() string {
	if v.Path == "" {
		return v.Rule
	}
	return v.Path + ": " + v.Rule
}

const (
	// MaxViolations is how many violations are told of the data.
	MaxViolations = 5
	// maxPath and maxRule bound the texts of a violation, in bytes.
	maxPath, maxRule = 200, 200
)

// errSteps ends a validation that takes too long.
var errSteps = errors.New("schema: too many steps")

// Validate returns what is wrong with data, at most MaxViolations; none when they satisfy the schema. Data that are not
// JSON, or that cannot be checked within bounds, do not.
func (s *Schema) Validate(data []byte) []Violation {
	if len(data) == 0 {
		return []Violation{{Rule: "there are no data"}}
	}
	value, err := decode(data)
	if err != nil {
		return []Violation{{Rule: "is not JSON"}}
	}
	if err := checkValue(value, maxDataDepth); err != nil {
		return []Violation{{Rule: err.Error()}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = minSteps + len(data)
	err = s.apply(value)
	if err == nil {
		return nil
	}
	if violation, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return violations(violation)
	}
	return []Violation{{Rule: "takes too long to check"}}
}

// apply is the library's validation, which ends when the steps do.
func (s *Schema) apply(value any) (err error) {
	defer func() {
		if recover() != nil {
			err = errSteps
		}
	}()
	return s.compiled.Validate(value)
}

// step is called for each application of a schema that has parts, before its parts.
func (s *Schema) step(any) error {
	if s.steps--; s.steps < 0 {
		panic(errSteps) // nothing else ends a validation at once
	}
	return nil
}

// count makes every part of the schema call step. The place for it is the format, which is looked at before any part;
// in 2020-12 formats are notes for readers, and nothing is held to them.
func (s *Schema) count() {
	format := &jsonschema.Format{Name: "step", Validate: s.step}
	seen := map[*jsonschema.Schema]bool{}
	var visit func(v reflect.Value)
	visit = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Interface:
			visit(v.Elem())
		case reflect.Slice:
			for i := range v.Len() {
				visit(v.Index(i))
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				visit(v.MapIndex(key))
			}
		case reflect.Pointer:
			part, ok := reflect.TypeAssert[*jsonschema.Schema](v)
			if !ok || part == nil || seen[part] {
				return
			}
			seen[part] = true
			part.Format = format
			for field, value := range v.Elem().Fields() {
				if field.IsExported() {
					visit(value)
				}
			}
		}
	}
	visit(reflect.ValueOf(s.compiled))
}

// violations lists the leaves of what the library found.
func violations(e *jsonschema.ValidationError) (list []Violation) {
	var visit func(e *jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		if len(list) == MaxViolations {
			return
		}
		if len(e.Causes) == 0 {
			list = append(list, Violation{Path: pointer(e.InstanceLocation), Rule: bounded(rule(e.ErrorKind), maxRule)})
		}
		for _, cause := range e.Causes {
			visit(cause)
		}
	}
	visit(e)
	return list
}

// pointer writes a place in the data.
func pointer(location []string) string {
	var b strings.Builder
	for _, name := range location {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return bounded(b.String(), maxPath)
}

// rule says what a schema asks for, in words that come from the schema alone.
func rule(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "must be " + strings.Join(k.Want, " or ")
	case *kind.Required:
		return "lacks " + strings.Join(k.Missing, ", ")
	case *kind.AdditionalProperties:
		return "has a property that the schema does not have"
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.Minimum:
		return "must be at least " + k.Want.RatString()
	case *kind.Maximum:
		return "must be at most " + k.Want.RatString()
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.Pattern:
		return "must match " + k.Want
	case *kind.RefCycle:
		return "cannot be checked: the schema refers to itself"
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return "does not satisfy " + path[0]
	}
	return "does not satisfy the schema"
}

// bounded cuts a text that is too long, and keeps out what cannot be stored or printed.
func bounded(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, text)
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "")
}
