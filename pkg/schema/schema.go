package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The bounds of schemas and data.
const (
	// MaxBytes is how long a schema may be.
	MaxBytes = 32 << 10
	// MaxDepth is how deep the JSON of a schema may nest.
	MaxDepth = 64
	// maxDataDepth is how deep the JSON of data may nest.
	maxDataDepth = 128
	// maxNumber is how long a number in data or schema may be, and maxExponent how many digits its exponent may have: what
	// is beyond is no number that anybody sends, and costs more to compare than to send.
	maxNumber, maxExponent = 100, 3
	// minSteps is how many schemas a validation may apply, besides one for each byte of the data.
	minSteps = 20_000
)

// ErrInvalid says that a schema cannot be taken. The error that wraps it says why, for whoever wrote the schema.
var ErrInvalid = errors.New("schema: invalid")

// Schema is a compiled schema. It is safe for concurrent use; validations by one schema take turns.
type Schema struct {
	compiled *jsonschema.Schema

	mu    sync.Mutex
	steps int // that are left to the validation under way
}

// location is what a schema is called while it is compiled; it is a name, and nothing is there.
const location = "homing:schema"

// Compile compiles a schema. Errors: ErrInvalid.
func Compile(text []byte) (*Schema, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: it is %d bytes long, at most %d are taken", ErrInvalid, len(text), MaxBytes)
	}
	document, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not JSON", ErrInvalid)
	}
	if err := checkValue(document, MaxDepth); err != nil {
		return nil, fmt.Errorf("%w: it %w", ErrInvalid, err)
	}
	if err := checkReferences(document, true); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nowhere{})
	if err := c.AddResource(location, document); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, explain(err))
	}
	compiled, err := compile(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, explain(err))
	}
	s := &Schema{compiled: compiled}
	s.count()
	return s, nil
}

// compile is the library's, which must not take the process with it whatever it is given.
func compile(c *jsonschema.Compiler) (s *jsonschema.Schema, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("it cannot be compiled")
		}
	}()
	return c.Compile(location)
}

// explain tells what is wrong with a schema; violations of the rules for schemas are told as those of data are.
func explain(err error) string {
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if violation, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
			return violations(violation)[0].String()
		}
	}
	return strings.ReplaceAll(err.Error(), location+"#", "")
}

// nowhere loads nothing.
type nowhere struct{}

// Load implements jsonschema.URLLoader.
func (nowhere) Load(string) (any, error) { return nil, errors.New("schemas are not fetched") }

// decode reads one JSON document, numbers as they are written.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var document any
	if err := d.Decode(&document); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	return document, nil
}

// checkValue refuses JSON that nests deeper than a bound, and numbers that are none to reckon with.
func checkValue(v any, depth int) error {
	if depth == 0 {
		return errors.New("nests too deep")
	}
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if err := checkValue(member, depth-1); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := checkValue(item, depth-1); err != nil {
				return err
			}
		}
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		if len(v) > maxNumber || len(strings.TrimLeft(exponent, "+-0")) > maxExponent {
			return errors.New("has a number that is too long")
		}
	}
	return nil
}

// dialect is the only one that is spoken.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// checkReferences refuses what would lead out of the schema, or out of what Schema.count reaches. It does not ask
// whether a member is a keyword or the name of a property: such names are not worth a schema of their own.
func checkReferences(v any, root bool) error {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			text, isText := member.(string)
			switch {
			case name == "$ref" && isText && !strings.HasPrefix(text, "#"):
				return fmt.Errorf("%w: $ref may refer to parts of the schema itself only: #/$defs/…", ErrInvalid)
			case name == "$schema" && isText && (!root || strings.TrimSuffix(text, "#") != dialect):
				return fmt.Errorf("%w: $schema may be %s, at the top", ErrInvalid, dialect)
			case name == "$dynamicRef" || name == "$recursiveRef" || name == "$id" || name == "$vocabulary":
				return fmt.Errorf("%w: %s is not taken", ErrInvalid, name)
			}
			if err := checkReferences(member, false); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := checkReferences(item, false); err != nil {
				return err
			}
		}
	}
	return nil
}
