package accept

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// ErrInvalid says that an event is CloudEvents but not one that can be accepted (HTTP 422). The error that wraps it is
// an [InvalidError].
var ErrInvalid = errors.New("accept: invalid event")

// InvalidError names what is wrong with an event, and how to mend it.
type InvalidError struct {
	// Index is the event's place in its batch, from 0.
	Index int
	// Attribute is the CloudEvents attribute at fault, or "data".
	Attribute string
	// Problem says what is wrong and how to mend it, without the value.
	Problem string
}

// Error implements error.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("event %d: %s: %s", e.Index, e.Attribute, e.Problem)
}

// Unwrap makes the error an ErrInvalid.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// The bounds of an event's attributes, in bytes: everything that comes from outside has one.
const (
	maxID, maxType, maxContentType     = 255, 255, 255
	maxSource, maxSubject, maxSchema   = 1024, 1024, 1024
	maxExtensionName, maxExtensionText = 64, 1024
	maxExtensions                      = 32
)

// Validate returns an [InvalidError] with the given index for the first thing that is wrong with an event, or nil.
func Validate(e *webhook.Event, index int) error {
	for _, a := range [...]struct {
		name, value string
		required    bool
		limit       int
	}{
		{"id", e.CEID, true, maxID},
		{"source", e.Source, true, maxSource},
		{"type", e.Type, true, maxType},
		{"subject", e.Subject, false, maxSubject},
		{"datacontenttype", e.DataType, false, maxContentType},
		{"dataschema", e.DataSchema, false, maxSchema},
	} {
		if problem := checkAttribute(a.value, a.required, a.limit); problem != "" {
			return &InvalidError{Index: index, Attribute: a.name, Problem: problem}
		}
	}
	return validateExtensions(e.Extensions, index)
}

func validateExtensions(extensions map[string]any, index int) error {
	if len(extensions) > maxExtensions {
		return &InvalidError{index, "extensions", fmt.Sprintf("there are %d, at most %d are taken", len(extensions),
			maxExtensions)}
	}
	for name, value := range extensions {
		if name == "data" {
			return &InvalidError{index, name, "is the payload and cannot be an attribute (CloudEvents 1.0.2, naming)"}
		}
		if len(name) > maxExtensionName || strings.ContainsFunc(name, notAttributeName) {
			return &InvalidError{index, "extensions", fmt.Sprintf(
				"a name must be lower-case letters and digits, at most %d (CloudEvents 1.0.2, naming)", maxExtensionName)}
		}
		if text, ok := value.(string); ok {
			if problem := checkAttribute(text, false, maxExtensionText); problem != "" {
				return &InvalidError{index, name, problem}
			}
		}
	}
	return nil
}

// checkAttribute returns what is wrong with the value of an attribute, or "".
func checkAttribute(value string, required bool, limit int) string {
	switch {
	case value == "" && required:
		return "is missing or empty; CloudEvents requires it"
	case len(value) > limit:
		return fmt.Sprintf("is %d bytes long, at most %d are taken", len(value), limit)
	default:
		return checkText(value)
	}
}

// checkText returns what keeps a text from being an attribute's value (CloudEvents 1.0.2, "Type System": String), or
// "".
func checkText(s string) string {
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "has a control character; CloudEvents does not allow them in attributes"
	}
	return ""
}

func notAttributeName(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }
