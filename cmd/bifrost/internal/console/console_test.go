package console

import (
	"strings"
	"testing"
)

// What ends a command, what could not be done, and what is not as it was are no warnings.
func TestEachKindOfLineHasItsMark(t *testing.T) {
	t.Parallel()
	var talk strings.Builder
	c := New(nil, nil, &talk)
	c.Warn("%d partitions", 1)
	c.Refuse("%s", "a\x1b")
	c.Fail("item %d: %s", 7, "x")
	c.Differ("%s", "orders")
	want := "warning: 1 partition\nrefused: a\\x1b\nfailed: item 7: x\ndiffers: orders\n"
	if talk.String() != want {
		t.Errorf("said\n%swant\n%s", talk.String(), want)
	}
}
