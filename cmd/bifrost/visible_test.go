package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
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

// Whatever it is, it is harmless when it is shown, and what can be read is as it was.
func TestVisible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("aé漢 \n\t\r\x1b\x07\x00\x7f\u0085\u009b\u202e\u2066\ufeff🎉\U000e0001\\"))).Draw(t, "text")
		got := visible(text)
		for _, r := range got {
			if r != '\n' && obeyed(r) {
				t.Fatalf("%q shows %q", text, got)
			}
		}
		if !strings.ContainsFunc(text, obeyed) && got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
	for text, want := range map[string]string{
		title: `\x1b]0;owned\a`, "a\xffb": `a\xffb`, "\u009b2J": `\u009b2J`, "naïve 漢字\nnext": "naïve 漢字\nnext", "\ufffd": "\ufffd",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// JSON says the same after it was made visible.
func TestVisibleJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("a\"\\\x1b\x7f\u0085\u009b\u202e🎉\U000e0001\ufffd"))).Draw(t, "text")
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		safe := visibleJSON(encoded)
		var back string
		if err := json.Unmarshal(safe, &back); err != nil || back != text {
			t.Fatalf("%q became %s, error %v", text, safe, err)
		}
		if strings.ContainsFunc(string(safe), obeyed) {
			t.Fatalf("%q is shown as %q", text, safe)
		}
	})
}

// Cells of tables, words for the person, warnings and JSON.
func TestWhatIsShownIsHarmless(t *testing.T) {
	t.Parallel()
	var out, talk bytes.Buffer
	a := newApp(nil, &out, &talk)
	table := &table{columns: []column{{title: "topic"}, {title: "error", shrink: true}}}
	table.add(plain("orders"+title), plain("first\nsecond \u009b2J"))
	table.foot = [][]cell{{plain(title), plain("")}}
	if err := table.write(&out, 0, false); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("a table of a head and two rows has %d lines: %q", n, out.String())
	}
	a.say("%s: %v %d", "orders"+title, errors.New(title), 7)
	a.warn("%v", fmt.Errorf("broker says: %w", errors.New(title)))
	if err := a.printJSON(map[string]string{"error": title + "\u009b2J"}); err != nil {
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
			f, err := parseFormat(name, terminal)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			out := bufio.NewWriter(&text)
			if err := f.write(out, &printed{Located: *r}); err != nil {
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
