package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a subscription.
const (
	// MaxTypes is how many types an endpoint may subscribe to.
	MaxTypes = 100
	// MaxTypeLength is how long a type may be, in bytes.
	MaxTypeLength = 255
	// MaxFilterLength is how long a filter may be, in bytes.
	MaxFilterLength = 2048
	// MaxTerms is how many literals, attributes, operators, brackets and function calls a filter may hold together.
	MaxTerms = 256
	// MaxDepth is how deep brackets, NOT and minus signs may nest.
	MaxDepth = 32
	// MaxCost is how many passes over one attribute an evaluation may take. Functions take one over each of their
	// arguments, LIKE one for each byte of its pattern. CONCAT_WS repeats its separator, so that without this bound a
	// short filter could ask for a text of any length. A filter without functions never comes to this.
	MaxCost = MaxFilterLength + MaxTerms
)

// Validate reports whether types and filter may be those of an endpoint. The error is an [InvalidError], or several
// joined: one for each type that is wrong and one for the filter.
func Validate(types []string, filter string) error {
	_, err := compile(types, filter)
	return err
}

// validateType returns what is wrong with the type at place i, or nil.
func validateType(i int, text string) *InvalidError {
	invalid := func(at int, problem, mend string) *InvalidError {
		return &InvalidError{Field: fmt.Sprintf("types[%d]", i), At: at, Problem: problem, Mend: mend}
	}
	switch {
	case text == "":
		return invalid(-1, "it is empty", `name a type, or "*" for every type`)
	case len(text) > MaxTypeLength:
		problem := fmt.Sprintf("it is longer than %d bytes", MaxTypeLength)
		return invalid(-1, problem, `shorten it; "*" stands for any characters`)
	}
	if at := badCharacter(text, ""); at >= 0 {
		return invalid(at, "no type has this character", "remove it: types are text in UTF-8 without control characters")
	}
	return nil
}

// badCharacter returns where text has a control character other than those allowed, or a byte that is not UTF-8; -1
// when nowhere.
func badCharacter(text, allowed string) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && size == 1 || (r < 0x20 || r >= 0x7f && r < 0xa0) && !strings.ContainsRune(allowed, r) {
			return at
		}
		at += size
	}
	return -1
}
