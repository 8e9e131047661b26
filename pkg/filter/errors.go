package filter

import (
	"errors"
	"fmt"

	sqlerrors "github.com/cloudevents/sdk-go/sql/v2/errors"
)

// ErrInvalid is wrapped by every [InvalidError].
var ErrInvalid = errors.New("invalid subscription")

// InvalidError says what is wrong with the types or the filter of an endpoint, and how to mend it.
type InvalidError struct {
	// Field is where it is: "types", "types[3]" (counted from 0) or "filter".
	Field string
	// At is the byte of the text where the mistake was seen, counted from 0; -1 when it is in no one place.
	At int
	// Problem says what is wrong, Mend what to do.
	Problem, Mend string
}

// Error names the field, the place, the problem and the way to mend it.
func (e *InvalidError) Error() string {
	if e.At >= 0 {
		return fmt.Sprintf("%s: at character %d: %s; %s", e.Field, e.At+1, e.Problem, e.Mend)
	}
	return fmt.Sprintf("%s: %s; %s", e.Field, e.Problem, e.Mend)
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Kind is why a filter could not be evaluated: a small closed set, fit for a metric's label.
type Kind string

// The kinds of failure.
const (
	KindMissing  Kind = "missing_attribute" // the event lacks an attribute that the filter reads
	KindCast     Kind = "cast"              // a value is not of the type that the filter needs
	KindMath     Kind = "math"              // division by zero, overflow
	KindFunction Kind = "function"          // a function refused its arguments
	KindInvalid  Kind = "invalid"           // the endpoint's types or filter cannot be read
	KindInternal Kind = "internal"          // the evaluation broke down
)

// Kinds lists every kind, for metrics and for tests.
var Kinds = []Kind{KindMissing, KindCast, KindMath, KindFunction, KindInvalid, KindInternal}

// Failure is an endpoint that an event could not be matched with, so that it counts as not matching.
type Failure struct {
	// Index is the endpoint's place in what was given to Compile.
	Index int
	// Kind says why. The values of the event's attributes are left out on purpose.
	Kind Kind
}

// kindOf classifies an error of the SDK.
func kindOf(err error) Kind {
	switch {
	case sqlerrors.IsMissingAttributeError(err):
		return KindMissing
	case sqlerrors.IsCastError(err):
		return KindCast
	case sqlerrors.IsMathError(err):
		return KindMath
	case sqlerrors.IsFunctionEvaluationError(err), sqlerrors.IsMissingFunctionError(err):
		return KindFunction
	default:
		return KindInternal
	}
}
