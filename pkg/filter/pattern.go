package filter

import "strings"

// pattern is a type with wildcards: the literal pieces between them.
type pattern struct {
	prefix, suffix string
	middle         []string // in order, none empty
}

func newPattern(text string) pattern {
	pieces := strings.Split(text, "*")
	p := pattern{prefix: pieces[0], suffix: pieces[len(pieces)-1]}
	for _, piece := range pieces[1 : len(pieces)-1] {
		if piece != "" {
			p.middle = append(p.middle, piece)
		}
	}
	return p
}

// match reports whether the pattern matches the whole of s. Each piece is looked for once, from where the one before it
// ended, which finds a match if there is one: what a wildcard takes too little of, the next can take.
func (p *pattern) match(s string) bool {
	if len(s) < len(p.prefix)+len(p.suffix) || !strings.HasPrefix(s, p.prefix) || !strings.HasSuffix(s, p.suffix) {
		return false
	}
	s = s[len(p.prefix) : len(s)-len(p.suffix)]
	for _, piece := range p.middle {
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s = s[i+len(piece):]
	}
	return true
}
