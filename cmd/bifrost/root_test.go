package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

// Every command says what it is for, has examples that it understands itself,
// and lists its exit codes.
func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	checked := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Name() == "help" || c.HasParent() && c.Parent().Name() == "completion" || c.HasSubCommands() && c.HasParent() {
			return // cobra's own, and commands that only hold others
		}
		checked++
		if c.Short == "" || !strings.Contains(c.Long, "Exit codes: 0 success") {
			t.Errorf("%s: no short help, or no exit codes", c.CommandPath())
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			checkExample(t, strings.TrimSpace(line))
		}
	}
	walk(newTestRoot())
	if checked < 16 {
		t.Errorf("%d commands were checked", checked)
	}
}

func newTestRoot() *cobra.Command {
	return newRoot(app.New(strings.NewReader(""), io.Discard, io.Discard))
}

var quoted = regexp.MustCompile(`'[^']*'`)

// checkExample parses the last bifrost of a line of shell, up to a pipe, as the
// command itself would.
func checkExample(t *testing.T, line string) {
	t.Helper()
	at := strings.LastIndex(line, "bifrost ")
	if at < 0 {
		return
	}
	text, _, _ := strings.Cut(line[at:], " | ")
	text, _, _ = strings.Cut(text, " > ")
	text = quoted.ReplaceAllString(text, "quoted")
	root := newTestRoot()
	c, args, err := root.Find(strings.Fields(text)[1:])
	if err == nil {
		err = c.ParseFlags(args)
	}
	if err == nil {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err != nil {
		t.Errorf("example %q: %v", line, err)
	}
}
