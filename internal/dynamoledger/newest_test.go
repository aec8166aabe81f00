package dynamoledger

import (
	"strings"
	"testing"
)

// The newest record of a range may have the very time of the one before it: then the
// first write holds, and no second one is needed.
func TestNewestRecordMayBeOfTheSameTime(t *testing.T) {
	t.Parallel()
	e := newExpression()
	e.newestRecord(1_700_000_000_000)
	condition := *e.conditionText()
	name := ""
	for placeholder, of := range e.names {
		if of == "last_timestamp" {
			name = placeholder
		}
	}
	if !strings.Contains(condition, "attribute_not_exists("+name+")") || !strings.Contains(condition, name+" <= :") {
		t.Errorf("condition %s, names %v: want one that holds for an equal time, and for none", condition, e.names)
	}
}
