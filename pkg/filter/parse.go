package filter

import (
	"fmt"
	"strconv"
	"strings"

	cesql "github.com/cloudevents/sdk-go/sql/v2"
	"github.com/cloudevents/sdk-go/sql/v2/expression"
	"github.com/cloudevents/sdk-go/sql/v2/runtime"
)

// How tight the operators bind, from the order of the alternatives in the grammar of CESQL 1.0 (CESQLParser.g4): NOT
// and minus bind tightest, AND, OR and XOR loosest, all three alike and to the right.
const (
	bindLogic = iota + 1
	bindComparison
	bindSum
	bindProduct
	bindIn
	bindLike
	bindPrefix
)

// node is a part of a filter: its expression, and bounds in units of the longest attribute.
type node struct {
	expr cesql.Expression
	// size is how long the text can be that it evaluates to, cost how many passes it takes to evaluate.
	size, cost int
}

// parser reads a filter by precedence climbing.
type parser struct {
	lexer        lexer
	token        token // the one to look at
	terms, depth int
}

// parse returns the expression of a filter.
func parse(src string) (cesql.Expression, *InvalidError) {
	if len(src) > MaxFilterLength {
		return nil, invalidFilter(-1, fmt.Sprintf("it is longer than %d bytes", MaxFilterLength), "shorten it")
	}
	if at := badCharacter(src, "\t\r\n"); at >= 0 {
		return nil, invalidFilter(at, "it has a control character or is not UTF-8", "remove the character")
	}
	p := &parser{lexer: lexer{src: src}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenEnd {
		return nil, p.unexpected("an operator or the end")
	}
	return n.expr, nil
}

func invalidFilter(at int, problem, mend string) *InvalidError {
	return &InvalidError{Field: "filter", At: at, Problem: problem, Mend: mend}
}

func (p *parser) unexpected(wanted string) *InvalidError {
	text := []rune(p.token.text)
	if len(text) > 20 {
		text = append(text[:20], '…')
	}
	mend := "write " + wanted + " here"
	if p.token.kind == tokenInteger && len(p.token.text) > 1 && !isDigit(p.token.text[0]) {
		mend = "put a space between the sign and the number" // a+1 is the two values a and +1
	}
	return invalidFilter(p.token.at, fmt.Sprintf("%q stands where %s should", string(text), wanted), mend)
}

func (p *parser) advance() (err *InvalidError) {
	p.token, err = p.lexer.next()
	return err
}

// is reports whether the token is this operator or keyword.
func (p *parser) is(text string) bool { return p.token.kind == tokenOperator && p.token.text == text }

// take goes past a token of the kind, or says that it is wanted.
func (p *parser) take(kind tokenKind, wanted string) *InvalidError {
	if p.token.kind != kind {
		return p.unexpected(wanted)
	}
	return p.advance()
}

// term counts one literal, attribute, operator or call.
func (p *parser) term() *InvalidError {
	if p.terms++; p.terms > MaxTerms {
		problem := fmt.Sprintf("it has more than %d terms", MaxTerms)
		return invalidFilter(p.token.at, problem, "split it over several endpoints")
	}
	return nil
}

// check refuses a node that costs too much.
func (p *parser) check(n node, err *InvalidError) (node, *InvalidError) {
	if err == nil && max(n.cost, n.size) > MaxCost {
		err = invalidFilter(p.token.at, "it takes too long to evaluate up to here", "use fewer functions or shorter patterns")
	}
	return n, err
}

// expression reads operands joined by operators that bind at least as tight as bind.
func (p *parser) expression(bind int) (node, *InvalidError) {
	left, err := p.operand()
	for err == nil {
		var more bool
		if left, more, err = p.suffix(left, bind); !more {
			break
		}
		left, err = p.check(left, err)
	}
	return left, err
}

// suffix reads one operator and what is to the right of it, and reports whether there was one that binds tight
// enough.
func (p *parser) suffix(left node, bind int) (node, bool, *InvalidError) {
	if p.token.kind != tokenOperator {
		return left, false, nil
	}
	at := binding(p.token.text)
	negated := p.is("NOT")
	if at == 0 && !negated || at != 0 && at < bind || negated && bind > bindLike {
		return left, false, nil
	}
	if err := p.term(); err != nil {
		return left, true, err
	}
	operator := p.token.text
	if err := p.advance(); err != nil {
		return left, true, err
	}
	if negated {
		operator = p.token.text
		if !p.is("LIKE") && !p.is("IN") {
			return left, true, p.unexpected("LIKE or IN")
		}
		if err := p.advance(); err != nil {
			return left, true, err
		}
	}
	n, err := p.right(left, operator)
	if err == nil && negated {
		n.expr = expression.NewNotExpression(n.expr)
	}
	return n, true, err
}

// right reads what is to the right of an operator.
func (p *parser) right(left node, operator string) (node, *InvalidError) {
	switch operator {
	case "LIKE":
		return p.like(left)
	case "IN":
		return p.in(left)
	}
	bind := binding(operator)
	if bind != bindLogic { // those associate to the right
		bind++
	}
	right, err := p.expression(bind)
	if err != nil {
		return node{}, err
	}
	n := node{size: 1, cost: 1 + left.cost + right.cost}
	n.expr = binary(operator, left.expr, right.expr)
	return n, nil
}

func (p *parser) like(left node) (node, *InvalidError) {
	if p.token.kind != tokenString {
		return node{}, p.unexpected("a text in quotes")
	}
	pattern := unquote(p.token.text)
	expr, err := expression.NewLikeExpression(left.expr, pattern)
	if err != nil {
		return node{}, invalidFilter(p.token.at, "the pattern cannot be used", "use % for any characters and _ for one")
	}
	return node{expr: expr, size: 1, cost: left.cost + left.size*(len(pattern)+1)}, p.advance()
}

func (p *parser) in(left node) (node, *InvalidError) {
	at := p.token
	set, err := p.list()
	if err != nil {
		return node{}, err
	}
	if len(set) == 0 {
		p.token = at
		return node{}, p.unexpected("a set with something in it")
	}
	n := node{size: 1, cost: 1 + left.cost}
	exprs := make([]cesql.Expression, len(set))
	for i, member := range set {
		exprs[i] = member.expr
		n.cost += member.cost
	}
	n.expr = expression.NewInExpression(left.expr, exprs)
	return n, nil
}

// operand reads a literal, an attribute, a call, a bracketed expression, or one of these after NOT, minus or EXISTS.
func (p *parser) operand() (node, *InvalidError) {
	if err := p.term(); err != nil {
		return node{}, err
	}
	t := p.token
	switch {
	case t.kind == tokenOpen, p.is("NOT"), p.is("-"):
		return p.nested()
	case p.is("EXISTS"):
		return p.exists()
	case t.kind == tokenString:
		return leaf(expression.NewLiteralExpression(unquote(t.text))), p.advance()
	case p.is("TRUE"), p.is("FALSE"):
		return leaf(expression.NewLiteralExpression(t.text == "TRUE")), p.advance()
	case t.kind == tokenInteger:
		value, err := strconv.ParseInt(t.text, 10, 32)
		if err != nil {
			return node{}, invalidFilter(t.at, "the number is too large", "numbers go from -2147483648 to 2147483647")
		}
		return leaf(expression.NewLiteralExpression(int32(value))), p.advance()
	case t.kind == tokenName, t.kind == tokenNumbered, t.kind == tokenScored:
		return p.name()
	}
	return node{}, p.unexpected("a value")
}

func leaf(expr cesql.Expression) node { return node{expr: expr, size: 1, cost: 1} }

// nested reads what begins with a bracket, NOT or minus, each of which goes one level down.
func (p *parser) nested() (node, *InvalidError) {
	open := p.token
	if err := p.enter(); err != nil {
		return node{}, err
	}
	defer p.leave()
	if err := p.advance(); err != nil {
		return node{}, err
	}
	if open.kind == tokenOpen {
		n, err := p.expression(0)
		if err != nil {
			return node{}, err
		}
		return n, p.take(tokenClose, "a closing bracket")
	}
	n, err := p.expression(bindPrefix)
	if err != nil {
		return node{}, err
	}
	n.size, n.cost = 1, n.cost+1
	if open.text == "NOT" {
		n.expr = expression.NewNotExpression(n.expr)
	} else {
		n.expr = expression.NewNegateExpression(n.expr)
	}
	return n, nil
}

// enter goes one level down, leave comes back.
func (p *parser) enter() *InvalidError {
	if p.depth++; p.depth > MaxDepth {
		return invalidFilter(p.token.at, fmt.Sprintf("it nests deeper than %d levels", MaxDepth), "use fewer brackets")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) exists() (node, *InvalidError) {
	if err := p.advance(); err != nil {
		return node{}, err
	}
	if p.token.kind != tokenName && p.token.kind != tokenNumbered {
		return node{}, p.unexpected("the name of an attribute")
	}
	name := strings.ToLower(p.token.text)
	return leaf(expression.NewExistsExpression(name)), p.advance()
}

// name reads an attribute or, before a bracket, a call.
func (p *parser) name() (node, *InvalidError) {
	t := p.token
	if err := p.advance(); err != nil {
		return node{}, err
	}
	if p.token.kind != tokenOpen {
		if t.kind == tokenScored {
			return node{}, invalidFilter(t.at, "no attribute has an underscore in its name",
				"attributes have letters and digits only; a function needs brackets")
		}
		return leaf(expression.NewIdentifierExpression(strings.ToLower(t.text))), nil
	}
	if t.kind == tokenNumbered {
		return node{}, invalidFilter(t.at, "no function has a digit in its name", "use one of "+functions)
	}
	args, err := p.list()
	if err != nil {
		return node{}, err
	}
	function := strings.ToUpper(t.text)
	if runtime.ResolveFunction(function, len(args)) == nil {
		return node{}, invalidFilter(t.at, fmt.Sprintf("there is no function %.30s of %d arguments", function, len(args)),
			"use one of "+functions)
	}
	return p.check(call(function, args), nil)
}

// list reads expressions with commas between them, in brackets, which go one level down.
func (p *parser) list() ([]node, *InvalidError) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.take(tokenOpen, "an opening bracket"); err != nil {
		return nil, err
	}
	var nodes []node
	for p.token.kind != tokenClose || len(nodes) > 0 {
		n, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if p.token.kind != tokenComma {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	return nodes, p.take(tokenClose, "a comma or a closing bracket")
}
