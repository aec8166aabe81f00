package human

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever it is, it is harmless when it is shown, and what can be read is as it was.
func TestVisible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("aé漢 \n\t\r\x1b\x07\x00\x7f\u0085\u009b\u202e\u2066\ufeff🎉\U000e0001\\"))).Draw(t, "text")
		got := Visible(text)
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
		"\x1b]0;owned\x07": `\x1b]0;owned\a`, "a\xffb": `a\xffb`, "\u009b2J": `\u009b2J`, "naïve 漢字\nnext": "naïve 漢字\nnext", "\ufffd": "\ufffd",
		"\ufffd\x07\xff\ufffd": "\ufffd\\a\\xff\ufffd",
	} {
		if got := Visible(text); got != want {
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
		safe := VisibleJSON(encoded)
		var back string
		if err := json.Unmarshal(safe, &back); err != nil || back != text {
			t.Fatalf("%q became %s, error %v", text, safe, err)
		}
		if strings.ContainsFunc(string(safe), obeyed) {
			t.Fatalf("%q is shown as %q", text, safe)
		}
	})
}
