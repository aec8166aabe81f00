package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// title is what sets the title of a terminal's window, and attacks with it.
const title = "\x1b]0;owned\x07"

// harmless fails if a terminal would obey some of a text.
func harmless(t testing.TB, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u202e' || r == '\u2066' {
			t.Fatalf("%q reaches the terminal in %q", r, text)
		}
	}
}

// Cells of tables, words for the person, warnings and JSON.
func TestWhatIsShownIsHarmless(t *testing.T) {
	t.Parallel()
	var out, talk bytes.Buffer
	a := app.New(nil, &out, &talk)
	table := &console.Table{Columns: []console.Column{{Title: "topic"}, {Title: "error", Shrink: true}}}
	table.AddRow(console.Plain("orders"+title), console.Plain("first\nsecond \u009b2J"))
	table.Foot = [][]console.Cell{{console.Plain(title), console.Plain("")}}
	if err := table.WriteTable(&out, 0, false); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("a table of a head and two rows has %d lines: %q", n, out.String())
	}
	a.Say("%s: %v %d", "orders"+title, errors.New(title), 7)
	a.Warn("%v", fmt.Errorf("broker says: %w", errors.New(title)))
	if err := a.PrintJSON(map[string]string{"error": title + "\u009b2J"}); err != nil {
		t.Fatal(err)
	}
	harmless(t, out.String()+talk.String())
	if !strings.Contains(talk.String(), "owned") || !strings.Contains(talk.String(), " 7\n") {
		t.Errorf("the words are gone: %q", talk.String())
	}
}

// On a terminal keys are shown, wherever a format prints them; values are data.
// Anywhere else everything is data.
func TestKeysOnATerminal(t *testing.T) {
	t.Parallel()
	r := &readback.Located{Record: baldr.Record{Key: []byte("key" + title + "\u009b2J"), Value: []byte("value"), Headers: []baldr.Header{{Key: []byte("header" + title), Value: []byte("v")}}}}
	for _, name := range []string{"%k %h %K", "json"} {
		for _, terminal := range []bool{true, false} {
			f, err := recordfmt.ParseFormat(name, terminal)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			out := bufio.NewWriter(&text)
			if err := f.Write(out, &recordfmt.Record{Located: *r}); err != nil {
				t.Fatal(err)
			}
			out.Flush()
			if terminal {
				harmless(t, text.String())
			} else if name != "json" && !strings.Contains(text.String(), "key"+title) {
				t.Errorf("a pipe gets %q", text.String())
			}
			if name != "json" && !strings.HasSuffix(text.String(), fmt.Sprint(" ", len(r.Key))) {
				t.Errorf("the size of the key: %q", text.String())
			}
		}
	}
}
