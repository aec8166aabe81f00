// How updates are written in DynamoDB's language.

package dynamoledger

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// attributes is an item or a key as the SDK wants it.
type attributes = map[string]types.AttributeValue

// An expression gathers an update and its conditions. Every name gets a
// placeholder, because many good names (status, state, error, partition) are
// reserved words of DynamoDB.
type expression struct {
	sets, removes, adds, conditions []string
	names                           map[string]string
	values                          attributes
}

func newExpression() *expression {
	return &expression{names: map[string]string{}, values: attributes{}}
}

func (e *expression) name(attribute string) string {
	placeholder := "#" + attribute
	e.names[placeholder] = attribute
	return placeholder
}

func (e *expression) value(v types.AttributeValue) string {
	placeholder := ":v" + strconv.Itoa(len(e.values))
	e.values[placeholder] = v
	return placeholder
}

func (e *expression) set(attribute string, v types.AttributeValue) *expression {
	e.sets = append(e.sets, e.name(attribute)+" = "+e.value(v))
	return e
}

// setDifference sets target to minuend - subtrahend, one of which may be the
// present value of an attribute: the arithmetic is done by DynamoDB, so no other
// write can come between.
func (e *expression) setDifference(target, minuend, subtrahend string) *expression {
	e.sets = append(e.sets, e.name(target)+" = "+minuend+" - "+subtrahend)
	return e
}

// setText removes the attribute when there is nothing to say.
func (e *expression) setText(attribute, text string) *expression {
	if text == "" {
		return e.remove(attribute)
	}
	return e.set(attribute, textValue(text))
}

func (e *expression) remove(attribute string) *expression {
	e.removes = append(e.removes, e.name(attribute))
	return e
}

// add adds to a number; an absent one counts as zero.
func (e *expression) add(attribute string, n int64) *expression {
	if n != 0 {
		e.adds = append(e.adds, e.name(attribute)+" "+e.value(number(n)))
	}
	return e
}

// require demands that the attribute has the value.
func (e *expression) require(attribute string, v types.AttributeValue) *expression {
	return e.condition(e.name(attribute) + " = " + e.value(v))
}

// requirePresent demands that the row exists: the attribute is one that every row has.
func (e *expression) requirePresent(attribute string) *expression {
	return e.condition("attribute_exists(" + e.name(attribute) + ")")
}

// requireAbsent demands that the row does not exist, or has no such attribute.
func (e *expression) requireAbsent(attribute string) *expression {
	return e.condition("attribute_not_exists(" + e.name(attribute) + ")")
}

func (e *expression) condition(c string) *expression {
	e.conditions = append(e.conditions, c)
	return e
}

func (e *expression) conditionText() *string {
	text := strings.Join(e.conditions, " AND ")
	return &text
}

func (e *expression) updateText() *string {
	var clauses []string
	for _, clause := range []struct {
		word  string
		parts []string
	}{{"SET ", e.sets}, {"REMOVE ", e.removes}, {"ADD ", e.adds}} {
		if len(clause.parts) > 0 {
			clauses = append(clauses, clause.word+strings.Join(clause.parts, ", "))
		}
	}
	text := strings.Join(clauses, " ")
	return &text
}

// valuesOrNil is what the SDK wants: DynamoDB refuses an empty map of values.
func (e *expression) valuesOrNil() attributes {
	if len(e.values) == 0 {
		return nil
	}
	return e.values
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func textValue(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// isoLayout is ISO 8601 in UTC with milliseconds. Its length is fixed, so the
// console sorts it as people expect.
const isoLayout = "2006-01-02T15:04:05.000Z"

// iso is the time as people read it; empty when it is not known or when its year
// does not have four digits, which a producer's timestamp may well claim.
func iso(t time.Time) string {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return ""
	}
	return t.Format(isoLayout)
}

// parseISO is the time, or zero for the empty string.
func parseISO(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(isoLayout, text)
}

// isoMillis is iso for milliseconds since the Unix epoch, -1 for none.
func isoMillis(ms int64) string {
	if ms < 0 {
		return ""
	}
	return iso(time.UnixMilli(ms))
}

// millis is the number that conditions compare: milliseconds since the Unix
// epoch, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the inverse of millis.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
