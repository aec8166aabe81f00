package console

import (
	"bufio"
	"errors"
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

// What was written before something went wrong is not kept back.
func TestWhatWasWrittenIsWritten(t *testing.T) {
	t.Parallel()
	failed := errors.New("the next object is damaged")
	for _, want := range []error{nil, failed} {
		var out strings.Builder
		err := New(nil, &out, nil).WriteBuffered(func(w *bufio.Writer) error {
			_, _ = w.WriteString("first\n") // a buffer of memory does not fail
			return want
		})
		if !errors.Is(err, want) || out.String() != "first\n" {
			t.Errorf("error %v, want %v; written %q", err, want, out.String())
		}
	}
}
