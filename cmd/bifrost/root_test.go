package main

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// The help shows what a flag takes in words, not by Go's types.
func TestFlagsTakeWhatTheirHelpSays(t *testing.T) {
	t.Parallel()
	checked := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			checked++
			takes, _ := pflag.UnquoteUsage(f)
			if !slices.Contains([]string{"", "string", "int"}, takes) && strings.ToLower(takes) == takes {
				t.Errorf("%s --%s takes %q", c.CommandPath(), f.Name, takes)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newTestRoot())
	if checked < 100 {
		t.Errorf("%d flags were checked", checked)
	}
}

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

// A command that asks Kafka says that brokers are missing before it asks anybody, in each
// form of its arguments; one that does not need them goes on without.
func TestWhoNeedsBrokers(t *testing.T) {
	t.Parallel()
	for line, needed := range map[string]bool{
		"clusters diff live latest": true, "clusters diff latest live": true, "clusters diff live live": true,
		"clusters diff @7d latest": false,
		"clusters list":            false, "clusters show": false, "capture": true,
		"flush": true, "flush orders": true, "plan": true, "plan orders": true, "run": true,
		"status": false, "status orders": false, "status --live": true, "status orders --live": true,
		"verify": false, "verify --deep": false, "verify --kafka": true, "verify orders --kafka": true,
		"replay orders:copy": true, "replay orders:copy --to-brokers other:9092": false,
		"map orders 0 7": true, "map orders:copy 0 7": true, "map orders 0 7 --to-brokers other:9092": false,
		"serve": true, "serve --cold": false,
		"ls orders": false, "cat orders": false, "get orders 0 7": false,
		"topics": false, "report": false, "rebuild": false,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			ended, end := context.WithCancel(t.Context()) // nothing that asks somebody goes on
			end()
			a := app.New(strings.NewReader(""), io.Discard, io.Discard)
			for variable, value := range map[string]string{
				"BIFROST_BROKERS": "", "BIFROST_BUCKET": "bucket", "BIFROST_GROUP": "g",
				"BIFROST_PROGRESS_TABLE": "p", "BIFROST_OBJECTS_TABLE": "o",
			} {
				a.SetVariable(variable, value)
			}
			root := newRoot(a)
			root.SetArgs(append(strings.Fields(line), "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:1"))
			err := root.ExecuteContext(ended)
			if err == nil {
				t.Fatal("it ends well")
			}
			named := strings.Contains(err.Error(), "BIFROST_BROKERS is not set")
			if named != needed || usage.Is(err) != needed {
				t.Errorf("error %v, want that brokers are missing: %v", err, needed)
			}
		})
	}
}
