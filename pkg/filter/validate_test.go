package filter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/filter"
)

func TestValidateNamesTheMistake(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", filter.MaxTypeLength+1)
	for _, c := range []struct {
		types  []string
		filter string
		want   string
	}{
		{types: []string{"a", ""}, want: `types[1]: it is empty; name a type, or "*" for every type`},
		{types: []string{long}, want: `types[0]: it is longer than 255 bytes; shorten it; "*" stands for any characters`},
		{types: make([]string, 101), want: `types: there are more than 100; use "*" in types to name several at once`},
		{types: []string{"a\x00"}, want: "types[0]: at character 2: no type has this character"},
		{types: []string{"\xff"}, want: "types[0]: at character 1: no type has this character"},
		{filter: strings.Repeat(" ", 2049), want: "filter: it is longer than 2048 bytes; shorten it"},
		{filter: "a\x01", want: "filter: at character 2: it has a control character or is not UTF-8; remove the character"},
		{filter: "a" + strings.Repeat("+a", 128), want: "it has more than 256 terms; split it over several endpoints"},
		{filter: strings.Repeat("(", 33),
			want: "filter: at character 33: it nests deeper than 32 levels; use fewer brackets"},
		{filter: "type #", want: "filter: at character 6: '#' means nothing here; remove it, or put texts in quotes"},
		{filter: "type = 'a",
			want: "filter: at character 8: this text has no end; close it with the quote that it began with"},
		{filter: "type =", want: `filter: at character 7: "the end" stands where a value should; write a value here`},
		{filter: "a b", want: `filter: at character 3: "b" stands where an operator or the end should`},
		{filter: "a-1", want: `should; put a space between the sign and the number`},
		{filter: "a NOT b", want: `filter: at character 7: "b" stands where LIKE or IN should; write LIKE or IN here`},
		{filter: "a LIKE b", want: `filter: at character 8: "b" stands where a text in quotes should`},
		{filter: "a IN ()", want: `filter: at character 6: "(" stands where a set with something in it should`},
		{filter: "(a", want: `filter: at character 3: "the end" stands where a closing bracket should`},
		{filter: "a=2147483648", want: "at character 3: the number is too large; numbers go from -2147483648 to 2147483647"},
		{filter: "LEFT(a) = 'a'", want: "at character 1: there is no function LEFT of 1 arguments; use one of INT, BOOL"},
		{filter: "a_b = 1", want: "filter: at character 1: no attribute has an underscore in its name"},
		{filter: "a1(1)", want: "filter: at character 1: no function has a digit in its name"},
	} {
		err := filter.Validate(c.types, c.filter)
		require.ErrorIs(t, err, filter.ErrInvalid)
		require.ErrorContains(t, err, c.want)
	}
}

func TestValidateReportsEveryMistake(t *testing.T) {
	t.Parallel()
	err := filter.Validate([]string{"", "ok", "\n"}, "(")
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	var fields []string
	for _, err := range joined.Unwrap() {
		var invalid *filter.InvalidError
		require.ErrorAs(t, err, &invalid)
		fields = append(fields, invalid.Field)
	}
	require.Equal(t, []string{"types[0]", "types[2]", "filter"}, fields)
}

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	many := make([]string, filter.MaxTypes)
	for i := range many {
		many[i] = strings.Repeat("é", filter.MaxTypeLength/2)
	}
	require.NoError(t, filter.Validate(many, "a"+strings.Repeat("+a", 127)))
	require.NoError(t, filter.Validate(nil, strings.Repeat("(", filter.MaxDepth)+"a"+strings.Repeat(")", filter.MaxDepth)))
	require.NoError(t, filter.Validate(nil, "a LIKE '"+strings.Repeat("%", filter.MaxFilterLength-9)+"'"))
	require.NoError(t, filter.Validate(nil, strings.Repeat("a LIKE 'b' OR ", 80)+"a"))
	require.NoError(t, filter.Validate(nil, "type LIKE 'é%'\n\tAND source = 'ü'"))
}

// TestFiltersThatWouldTakeTooLongAreRefused guards against short filters that ask for endless texts.
func TestFiltersThatWouldTakeTooLongAreRefused(t *testing.T) {
	t.Parallel()
	separated := "a"
	for range 12 { // 8^12 copies of a
		separated = "CONCAT_WS(" + separated + strings.Repeat(",''", 9) + ")"
	}
	copied := strings.Repeat("LOWER(", 31) + "CONCAT(a" + strings.Repeat(",a", 200) + ")" + strings.Repeat(")", 31)
	for _, text := range []string{
		"LENGTH(" + separated + ") = 1", copied + " = 'a'", "CONCAT(a" + strings.Repeat(",a",
			99) + ") LIKE '" + strings.Repeat("_", 99) + "'",
	} {
		require.LessOrEqual(t, len(text), filter.MaxFilterLength)
		require.ErrorContains(t, filter.Validate(nil, text), "takes too long to evaluate")
	}
}

// TestHostileFiltersAreReadFast holds the reader to time that grows with the length only: the SDK's parser takes most
// of a second for some of these.
func TestHostileFiltersAreReadFast(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"(", "NOT ", "- ", "a=b AND ", "a+", "a IN (", "LOWER(", "'", `"\`, "a LIKE 'b' ",
		"''", "1", "_"} {
		text := strings.Repeat(unit, filter.MaxFilterLength/len(unit))
		began := time.Now()
		for range 100 {
			_ = filter.Validate(nil, text)
		}
		require.Less(t, time.Since(began)/100, 50*time.Millisecond, unit)
	}
}
