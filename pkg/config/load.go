package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// prefix is what variables of our own begin with.
const prefix = "HOMING_"

// Problem is one thing that is wrong with the settings.
type Problem struct {
	// Variable is the name of the variable at fault.
	Variable string
	// Text says what is wrong with it and how to mend it; it goes on where the name ends.
	Text string
}

// Error is everything that is wrong with the settings, in the order of the variables.
type Error struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("config:")
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.Variable + " " + p.Text)
	}
	return b.String()
}

// Load reads the settings of a function from an environment ([os.Environ]) and validates them. Errors: *[Error].
func Load(f Function, environ []string) (*Config, error) {
	c, err := Parse(f, environ)
	if err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Parse reads the settings without validating them together, for a caller that changes some by flags before it calls
// [Config.Validate]. Errors: *[Error], for values that cannot be read and variables that nobody knows.
func Parse(f Function, environ []string) (*Config, error) {
	vars := env.ToMap(environ)
	maps.DeleteFunc(vars, func(_, value string) bool { return strings.TrimSpace(value) == "" })
	c := &Config{Function: f, home: home(vars), set: make(map[string]bool, len(vars))}
	for name := range vars {
		c.set[name] = true
	}
	problems := unknown(vars)
	err := env.ParseWithOptions(c, env.Options{Environment: vars, FuncMap: map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[time.Duration](): func(v string) (any, error) { return ParseDuration(v) },
		reflect.TypeFor[int]():           parseInt,
		reflect.TypeFor[bool]():          parseBool,
	}})
	if err != nil {
		problems = append(problems, unreadable(err)...)
	}
	if len(problems) > 0 {
		return nil, sorted(problems)
	}
	return c, nil
}

// home is where the data directory is by default.
func home(vars map[string]string) string {
	if data := vars["XDG_DATA_HOME"]; data != "" {
		return filepath.Join(data, "homing")
	}
	if home := vars["HOME"]; home != "" {
		return filepath.Join(home, ".local", "share", "homing")
	}
	return ""
}

// sorted puts problems into an order that does not depend on chance.
func sorted(problems []Problem) *Error {
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Variable, b.Variable) })
	return &Error{Problems: problems}
}

// unreadable says which variables cannot be read. The library names the field; the names of fields are unique.
func unreadable(err error) []Problem {
	names := fieldVariables()
	var problems []Problem
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return []Problem{{Variable: "environment", Text: "cannot be read"}}
	}
	for _, err := range all.Errors {
		if parse, ok := errors.AsType[env.ParseError](err); ok {
			problems = append(problems, Problem{Variable: names[parse.Name], Text: parse.Err.Error()})
		}
	}
	return problems
}

// fieldVariables maps the names of the fields to those of their variables.
func fieldVariables() map[string]string {
	names := make(map[string]string)
	config := reflect.TypeFor[Config]()
	for group := range config.Fields() {
		if group.Type.Kind() != reflect.Struct {
			continue
		}
		for field := range group.Type.Fields() {
			names[field.Name] = field.Tag.Get("env")
		}
	}
	return names
}

// Variables returns the names of all variables, sorted.
func Variables() []string { return slices.Sorted(maps.Values(fieldVariables())) }

// serviceLink matches the variables that Kubernetes sets for services that happen to be called homing or homing-*; see
// "Environment variables" in its documentation of services. The value tells HOMING_PORT=tcp://... from a misspelling.
var serviceLink = regexp.MustCompile(
	`_SERVICE_HOST=|_SERVICE_PORT(_[A-Z0-9_]+)?=\d+$|_PORT=\w+://|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=`)

// unknown finds variables that look like ours and are not.
func unknown(vars map[string]string) []Problem {
	known := Variables()
	var problems []Problem
	for name, value := range vars {
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || serviceLink.MatchString(name+"="+value) {
			continue
		}
		nearest := slices.MinFunc(known, func(a, b string) int { return far(a, name) - far(b, name) })
		problems = append(problems, Problem{Variable: name, Text: fmt.Sprintf("is not a setting; did you mean %s?", nearest)})
	}
	return problems
}

// far is how far a name is from that of a setting, with or without our prefix.
func far(setting, name string) int { return distance(prefix+strings.TrimPrefix(setting, prefix), name) }

// distance is how many letters must be put in, left out or changed to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
