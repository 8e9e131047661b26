package filter

import (
	"strings"

	cesql "github.com/cloudevents/sdk-go/sql/v2"
	"github.com/cloudevents/sdk-go/sql/v2/expression"
)

// functions lists the functions of CESQL 1.0 for those who misspell one.
const functions = "INT, BOOL, STRING, IS_INT, IS_BOOL, ABS, LENGTH, CONCAT, CONCAT_WS, LOWER, UPPER, " +
	"TRIM, LEFT, RIGHT, SUBSTRING"

// binding returns how tight an operator between operands binds; 0 for what is none.
func binding(operator string) int {
	switch operator {
	case "AND", "OR", "XOR":
		return bindLogic
	case "=", "!=", "<>", "<", "<=", ">", ">=":
		return bindComparison
	case "+", "-":
		return bindSum
	case "*", "/", "%":
		return bindProduct
	case "IN":
		return bindIn
	case "LIKE":
		return bindLike
	}
	return 0
}

// binary makes the expression of an operator between two operands.
func binary(operator string, left, right cesql.Expression) cesql.Expression {
	switch operator {
	case "AND":
		return expression.NewAndExpression(left, right)
	case "OR":
		return expression.NewOrExpression(left, right)
	case "XOR":
		return expression.NewXorExpression(left, right)
	case "=":
		return expression.NewEqualExpression(left, right)
	case "<":
		return expression.NewLessExpression(left, right)
	case "<=":
		return expression.NewLessOrEqualExpression(left, right)
	case ">":
		return expression.NewGreaterExpression(left, right)
	case ">=":
		return expression.NewGreaterOrEqualExpression(left, right)
	case "+":
		return expression.NewSumExpression(left, right)
	case "-":
		return expression.NewDifferenceExpression(left, right)
	case "*":
		return expression.NewMultiplicationExpression(left, right)
	case "/":
		return expression.NewDivisionExpression(left, right)
	case "%":
		return expression.NewModuleExpression(left, right)
	default: // != and <>
		return expression.NewNotEqualExpression(left, right)
	}
}

// call makes the expression of a function. Its cost is a pass over each argument, and over the separator of CONCAT_WS
// for each time that it is repeated.
func call(function string, args []node) node {
	n := node{size: 1, cost: 1}
	exprs := make([]cesql.Expression, len(args))
	for i, arg := range args {
		exprs[i] = arg.expr
		n.size += arg.size
		n.cost += arg.cost + arg.size
	}
	if function == "CONCAT_WS" && len(args) > 2 {
		repeated := args[0].size * (len(args) - 2)
		n.size += repeated
		n.cost += repeated
	}
	n.expr = expression.NewFunctionInvocationExpression(function, exprs)
	return n
}

// unquote returns what a string token stands for, as the SDK's parser does: only the escaped quote is replaced.
func unquote(text string) string {
	quote := text[:1]
	return strings.ReplaceAll(text[1:len(text)-1], `\`+quote, quote)
}
