package filter

import (
	"fmt"
	"strings"
)

// tokenKind is what a token is.
type tokenKind uint8

const (
	tokenEnd      tokenKind = iota
	tokenOpen               // (
	tokenClose              // )
	tokenComma              // ,
	tokenString             // "…" or '…', with its quotes
	tokenInteger            // digits, with their sign if it touches them
	tokenName               // letters: an attribute or a function
	tokenNumbered           // letters and digits: an attribute
	tokenScored             // letters and underscores: a function
	tokenOperator           // + - * / % = != <> < <= > >= and the keywords AND OR XOR NOT LIKE IN EXISTS TRUE FALSE
)

// token is a piece of a filter.
type token struct {
	kind tokenKind
	at   int
	// text is as it stands in the filter; a keyword is in upper case.
	text string
}

const spaces = " \t\r\n"

// lexer cuts a filter into tokens as the lexer grammar of CESQL 1.0 (CESQLLexer.g4) does: the longest token that
// fits, and of those of one length the one named first in the grammar.
type lexer struct {
	src string
	at  int
}

func (l *lexer) next() (token, *InvalidError) {
	for l.at < len(l.src) && strings.IndexByte(spaces, l.src[l.at]) >= 0 {
		l.at++
	}
	if l.at == len(l.src) {
		return token{kind: tokenEnd, at: l.at, text: "the end"}, nil
	}
	kind, length := l.measure()
	if kind == tokenEnd {
		return token{}, l.unknown(length)
	}
	t := token{kind: kind, at: l.at, text: l.src[l.at : l.at+length]}
	l.at += length
	if t.kind == tokenName {
		if upper := strings.ToUpper(t.text); isKeyword(upper) {
			t.kind, t.text = tokenOperator, upper
		}
	}
	return t, nil
}

// measure returns the kind and the length of the token that begins here. Its kind is tokenEnd when none does, with
// length 1 for an open string.
func (l *lexer) measure() (tokenKind, int) {
	rest := l.src[l.at:]
	switch c := rest[0]; {
	case c == '(':
		return tokenOpen, 1
	case c == ')':
		return tokenClose, 1
	case c == ',':
		return tokenComma, 1
	case c == '"' || c == '\'':
		if length := stringLength(rest); length > 0 {
			return tokenString, length
		}
		return tokenEnd, 1
	case isLetter(c) || isDigit(c):
		return word(rest)
	case (c == '+' || c == '-') && len(rest) > 1 && isDigit(rest[1]):
		return tokenInteger, 1 + span(rest[1:], isDigit)
	case strings.HasPrefix(rest, "!="), strings.HasPrefix(rest, "<>"),
		strings.HasPrefix(rest, "<="), strings.HasPrefix(rest, ">="):
		return tokenOperator, 2
	case strings.IndexByte("+-*/%=<>", c) >= 0:
		return tokenOperator, 1
	}
	return tokenEnd, 0
}

func (l *lexer) unknown(length int) *InvalidError {
	if length > 0 {
		return invalidFilter(l.at, "this text has no end", "close it with the quote that it began with")
	}
	r := []rune(l.src[l.at:])[0]
	return invalidFilter(l.at, fmt.Sprintf("%q means nothing here", r), "remove it, or put texts in quotes")
}

// word measures a token of letters, digits and underscores. An underscore makes it the name of a function, which has
// no digits; the longer reading wins.
func word(s string) (tokenKind, int) {
	letters := span(s, isLetter)
	length := span(s, func(c byte) bool { return isLetter(c) || isDigit(c) })
	if letters > 0 {
		if scored := span(s, func(c byte) bool { return isLetter(c) || c == '_' }); scored > length {
			return tokenScored, scored
		}
	}
	switch {
	case letters == length:
		return tokenName, length
	case span(s, isDigit) == length:
		return tokenInteger, length
	default:
		return tokenNumbered, length
	}
}

// stringLength measures a string with its quotes; 0 when it has no end. A backslash takes the character after it
// along, and a doubled quote does not end it.
func stringLength(s string) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return 0
}

// span returns how many bytes at the beginning of s are of the class.
func span(s string, class func(byte) bool) int {
	n := 0
	for n < len(s) && class(s[n]) {
		n++
	}
	return n
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isKeyword(upper string) bool {
	switch upper {
	case "AND", "OR", "XOR", "NOT", "LIKE", "IN", "EXISTS", "TRUE", "FALSE":
		return true
	}
	return false
}
