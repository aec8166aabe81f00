// The language of DynamoDB's expressions.

package dynamofake

import (
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// An expression is one text of a request while it is evaluated.
type expression struct {
	scope  *scope
	words  []string
	item   item // nil when there is none
	failed error
}

// scope is the placeholders of a request, with those that were used.
type scope struct {
	names  map[string]string
	values map[string]value
	used   map[string]bool
}

func newScope(r request) *scope {
	s := &scope{names: r.ExpressionAttributeNames, used: map[string]bool{}}
	if r.ExpressionAttributeValues != nil {
		s.values = *r.ExpressionAttributeValues
	}
	return s
}

// check refuses placeholders that no expression of the request uses.
func (s *scope) check() error {
	for name := range s.names {
		if !s.used[name] {
			return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", name)
		}
	}
	for name := range s.values {
		if !s.used[name] {
			return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", name)
		}
	}
	return nil
}

var word = regexp.MustCompile(`[#:][A-Za-z0-9_]+|[A-Za-z_]+|<=|>=|<>|[=<>(),+-]`)

func (s *scope) expression(text string, of item) *expression {
	e := &expression{scope: s, words: word.FindAllString(text, -1), item: of}
	if strings.Join(strings.Fields(text), "") != strings.Join(e.words, "") {
		e.fail("dynamofake cannot read the expression %q", text)
	}
	return e
}

func (e *expression) fail(format string, args ...any) {
	if e.failed == nil {
		e.failed = invalid("Invalid expression: "+format, args...)
	}
}

func (e *expression) next() string {
	if len(e.words) == 0 {
		return ""
	}
	return e.words[0]
}

func (e *expression) take() string {
	w := e.next()
	if w != "" {
		e.words = e.words[1:]
	}
	return w
}

func (e *expression) accept(w string) bool {
	if !strings.EqualFold(e.next(), w) {
		return false
	}
	e.take()
	return true
}

func (e *expression) expect(w string) {
	if !e.accept(w) {
		e.fail("syntax error near %q, want %q", e.next(), w)
	}
}

// attribute is the name behind a placeholder.
func (e *expression) attribute() string {
	placeholder := e.take()
	name, ok := e.scope.names[placeholder]
	if !ok {
		e.fail("an expression attribute name used in the document path is not defined: %s", placeholder)
	}
	e.scope.used[placeholder] = true
	return name
}

// operand is the present value of an attribute, nil for none, or a value of the request.
func (e *expression) operand() value {
	if !strings.HasPrefix(e.next(), ":") {
		return e.item[e.attribute()]
	}
	placeholder := e.take()
	v, ok := e.scope.values[placeholder]
	if !ok {
		e.fail("an expression attribute value used in expression is not defined: %s", placeholder)
	}
	e.scope.used[placeholder] = true
	return v
}

// holds evaluates a condition, all of it: there is no syntax error that a failed part hides.
func (e *expression) holds() (bool, error) {
	result := e.anyOf()
	if len(e.words) > 0 {
		e.fail("syntax error near %q", e.next())
	}
	return result, e.failed
}

func (e *expression) anyOf() bool {
	result := e.allOf()
	for e.accept("OR") {
		other := e.allOf()
		result = result || other
	}
	return result
}

func (e *expression) allOf() bool {
	result := e.single()
	for e.accept("AND") {
		other := e.single()
		result = result && other
	}
	return result
}

func (e *expression) single() bool {
	switch {
	case e.accept("("):
		result := e.anyOf()
		e.expect(")")
		return result
	case e.accept("attribute_exists"):
		return e.exists()
	case e.accept("attribute_not_exists"):
		return !e.exists()
	}
	left := e.operand()
	if e.accept("IN") {
		e.expect("(")
		found := equal(left, e.operand())
		for e.accept(",") {
			other := equal(left, e.operand())
			found = found || other
		}
		e.expect(")")
		return found
	}
	operator := e.take()
	right := e.operand()
	switch operator {
	case "=":
		return equal(left, right)
	case "<>":
		return !equal(left, right)
	case "<", "<=", ">", ">=":
		order, comparable := compare(left, right)
		return comparable && slices.Contains(map[string][]int{
			"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1},
		}[operator], order)
	}
	e.fail("syntax error near %q", operator)
	return false
}

func (e *expression) exists() bool {
	e.expect("(")
	_, ok := e.item[e.attribute()]
	e.expect(")")
	return ok
}

func equal(x, y value) bool {
	if order, ok := compare(x, y); ok {
		return order == 0
	}
	return x != nil && y != nil && reflect.DeepEqual(x, y)
}

// compare orders two numbers or two texts; others have no order.
func compare(x, y value) (order int, ok bool) {
	if a, isText := x["S"].(string); isText {
		b, isText := y["S"].(string)
		return strings.Compare(a, b), isText
	}
	a, b := numberOf(x), numberOf(y)
	if a == nil || b == nil {
		return 0, false
	}
	return a.Cmp(b), true
}

// numberOf is nil for what is no number.
func numberOf(v value) *big.Rat {
	digits, _ := v["N"].(string)
	n, ok := new(big.Rat).SetString(digits)
	if !ok {
		return nil
	}
	return n
}

func numberValue(n *big.Rat) value { return value{"N": strings.TrimSuffix(n.RatString(), "/1")} }

// update applies an update expression to a copy of the item. All that it reads is what the item
// was before.
func (e *expression) update(to item, fixed keyNames) error {
	changed := map[string]bool{}
	target := func() string {
		name := e.attribute()
		switch {
		case name == fixed.hash, name == fixed.sort:
			e.fail("Cannot update attribute %s. This attribute is part of the key", name)
		case changed[name]:
			e.fail("Two document paths overlap with each other; must remove or rewrite one of these paths; "+
				"path: [%s]", name)
		}
		changed[name] = true
		return name
	}
	for len(e.words) > 0 && e.failed == nil {
		clause := e.take()
		for {
			switch name := target(); strings.ToUpper(clause) {
			case "SET":
				e.expect("=")
				to[name] = e.assigned()
			case "REMOVE":
				delete(to, name)
			case "ADD":
				now, ok := e.item[name]
				if !ok {
					now = value{"N": "0"}
				}
				to[name] = e.sum(now, "+")
			default:
				e.fail("syntax error near %q", clause)
			}
			if e.failed != nil || !e.accept(",") {
				break
			}
		}
	}
	return e.failed
}

// assigned is the right side of a SET: one operand, or two with + or - between.
func (e *expression) assigned() value {
	left := e.operand()
	if left == nil {
		e.fail("The provided expression refers to an attribute that does not exist in the item")
		return nil
	}
	if w := e.next(); w == "+" || w == "-" {
		return e.sum(left, e.take())
	}
	return left
}

// sum adds the next operand to a number, or subtracts it.
func (e *expression) sum(left value, sign string) value {
	a, b := numberOf(left), numberOf(e.operand())
	if a == nil || b == nil {
		e.fail("An operand in the update expression has an incorrect data type, or does not exist in the item")
		return nil
	}
	if sign == "-" {
		return numberValue(new(big.Rat).Sub(a, b))
	}
	return numberValue(new(big.Rat).Add(a, b))
}
