package filter

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"

	cesql "github.com/cloudevents/sdk-go/sql/v2"
	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Matcher finds the endpoints of one version of a tenant's configuration that an event is for. It is made once for the
// version, never changes, and is safe for concurrent use.
type Matcher struct {
	every []int            // endpoints that take every type
	exact map[string][]int // endpoints by a type that they name
	// wild has the patterns by their literal beginnings, lengths the lengths of those, shortest first.
	wild    map[string][]*wildcard
	lengths []int
	// programs are the filters, each once, and programOf is the number of each endpoint's; see noFilter and unreadable.
	programs  []cesql.Expression
	programOf []int
	pool      sync.Pool // of *scratch
}

// The numbers that stand for no program.
const (
	noFilter   = iota
	unreadable // the endpoint's types or filter are not valid
	firstProgram
)

// wildcard is a pattern and the endpoints that have it.
type wildcard struct {
	pattern
	endpoints []int
}

// scratch is what one Match needs and the next can use again.
type scratch struct {
	lists   [][]int
	set     []uint64 // one bit for each endpoint; all zero between uses
	results []result // one for each program; all zero between uses
	used    []int    // those results that are not
}

// result is what a program said about the event at hand.
type result struct {
	done, holds bool
	kind        Kind
}

// Compile makes the Matcher of the endpoints. An endpoint whose types or filter are not valid (see [Validate]) matches
// nothing and is reported by Match; its error is at its place in errs, which is nil when there is none.
func Compile(endpoints []webhook.Endpoint) (m *Matcher, errs []error) {
	m = &Matcher{
		exact:     make(map[string][]int),
		wild:      make(map[string][]*wildcard),
		programOf: make([]int, len(endpoints)),
		programs:  make([]cesql.Expression, firstProgram),
	}
	b := builder{Matcher: m, numbers: map[string]int{"": noFilter}, wildcards: make(map[string]*wildcard)}
	for i := range endpoints {
		if err := b.add(i, endpoints[i].Types, endpoints[i].Filter); err != nil {
			if errs == nil {
				errs = make([]error, len(endpoints))
			}
			errs[i] = err
		}
	}
	for beginning := range m.wild {
		if !slices.Contains(m.lengths, len(beginning)) {
			m.lengths = append(m.lengths, len(beginning))
		}
	}
	slices.Sort(m.lengths)
	m.pool.New = func() any {
		return &scratch{set: make([]uint64, (len(endpoints)+63)/64), results: make([]result, len(m.programs))}
	}
	return m, errs
}

// builder adds endpoints to a Matcher. Equal filters become one program and equal patterns one wildcard.
type builder struct {
	*Matcher
	numbers   map[string]int // of the programs, by the filters
	wildcards map[string]*wildcard
}

func (b *builder) add(i int, types []string, filter string) error {
	source := filter
	number, known := b.numbers[filter]
	if known {
		source = "" // it has been read already
	}
	expr, err := compile(types, source)
	if err != nil {
		b.programOf[i] = unreadable
		if typesInvalid(err) {
			types = nil // which events it is meant for is not known, so every one reports it
		}
		b.index(i, types)
		return err
	}
	if !known {
		number = len(b.programs)
		b.programs = append(b.programs, expr)
		b.numbers[filter] = number
	}
	b.programOf[i] = number
	b.index(i, types)
	return nil
}

// index files an endpoint under its types.
func (b *builder) index(i int, types []string) {
	if len(types) == 0 || slices.Contains(types, "*") {
		b.every = append(b.every, i)
		return
	}
	for _, text := range types {
		if !strings.Contains(text, "*") {
			b.exact[text] = appendNew(b.exact[text], i)
			continue
		}
		w := b.wildcards[text]
		if w == nil {
			w = &wildcard{pattern: newPattern(text)}
			b.wildcards[text] = w
			b.wild[w.prefix] = append(b.wild[w.prefix], w)
		}
		w.endpoints = appendNew(w.endpoints, i)
	}
}

// appendNew appends the number of an endpoint to a list unless it is the last one: an endpoint may name a type twice.
func appendNew(list []int, i int) []int {
	if n := len(list); n > 0 && list[n-1] == i {
		return list
	}
	return append(list, i)
}

// compile returns the expression of a filter, nil for "", if types and filter are valid.
func compile(types []string, filter string) (cesql.Expression, error) {
	var errs []error
	if len(types) > MaxTypes {
		errs = append(errs, &InvalidError{Field: "types", At: -1,
			Problem: fmt.Sprintf("there are more than %d", MaxTypes), Mend: `use "*" in types to name several at once`})
		types = nil
	}
	for i, text := range types {
		if err := validateType(i, text); err != nil {
			errs = append(errs, err)
		}
	}
	var expr cesql.Expression
	if filter != "" {
		var err *InvalidError
		if expr, err = parse(filter); err != nil {
			errs = append(errs, err)
		}
	}
	return expr, errors.Join(errs...)
}

// typesInvalid reports whether the error of compile is about the types, alone or with the filter.
func typesInvalid(err error) bool {
	var first *InvalidError // that of the filter comes last
	return errors.As(err, &first) && first.Field != "filter"
}

// Match appends to dst the endpoints that the event is for, as their places in what was given to Compile, in order and
// each once. Endpoints whose filter went wrong are not among them but in failed.
func (m *Matcher) Match(dst []int, e *webhook.Event) (matched []int, failed []Failure) {
	s := m.pool.Get().(*scratch)
	m.collect(s, e.Type)
	p := pass{Matcher: m, scratch: s, event: e, matched: dst}
	switch len(s.lists) {
	case 0:
	case 1: // in order already
		for _, i := range s.lists[0] {
			p.endpoint(i)
		}
	default:
		p.union()
	}
	for _, number := range s.used {
		s.results[number] = result{}
	}
	s.used = s.used[:0]
	m.pool.Put(s)
	return p.matched, p.failed
}

// collect puts the lists of the endpoints that take the type into s.lists.
func (m *Matcher) collect(s *scratch, eventType string) {
	s.lists = s.lists[:0]
	if len(m.every) > 0 {
		s.lists = append(s.lists, m.every)
	}
	if list := m.exact[eventType]; len(list) > 0 {
		s.lists = append(s.lists, list)
	}
	for _, length := range m.lengths {
		if length > len(eventType) {
			break
		}
		for _, w := range m.wild[eventType[:length]] {
			if w.match(eventType) {
				s.lists = append(s.lists, w.endpoints)
			}
		}
	}
}

// pass is one Match under way.
type pass struct {
	*Matcher
	*scratch
	event   *webhook.Event
	view    event.Event // made when the first expression needs it
	matched []int
	failed  []Failure
}

// union goes through the endpoints that are in any of the lists, in order.
func (p *pass) union() {
	for _, list := range p.lists {
		for _, i := range list {
			p.set[i/64] |= 1 << (i % 64)
		}
	}
	for at, word := range p.set {
		p.set[at] = 0
		for ; word != 0; word &= word - 1 {
			p.endpoint(at*64 + bits.TrailingZeros64(word))
		}
	}
}

// endpoint sorts an endpoint that takes the event's type into matched, failed or neither.
func (p *pass) endpoint(i int) {
	number := p.programOf[i]
	switch number {
	case noFilter:
		p.matched = append(p.matched, i)
		return
	case unreadable:
		p.failed = append(p.failed, Failure{Index: i, Kind: KindInvalid})
		return
	}
	result := &p.results[number]
	if !result.done {
		if p.view.Context == nil {
			p.view = newView(p.event)
		}
		result.done = true
		p.used = append(p.used, number)
		result.holds, result.kind = evaluate(p.programs[number], p.view)
	}
	switch {
	case result.kind != "":
		p.failed = append(p.failed, Failure{Index: i, Kind: result.kind})
	case result.holds:
		p.matched = append(p.matched, i)
	}
}
