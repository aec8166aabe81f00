package recordfmt

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A glob is the regular expression that has .* for * and . for ?.
func TestGlobsOfKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		glob, key string
		want      bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "\xff\x00", true}, {"?", "", false}, {"a*b", "a/\n/b", true}, {"[a]", "a", false}, {"[a]", "[a]", true},
		{"*a*b", "aab", true}, {"a*a", "a", false}, {strings.Repeat("*a", 50) + "b", strings.Repeat("a", 10_000), false},
	} {
		if got := matchGlob(c.glob, []byte(c.key)); got != c.want {
			t.Errorf("%q of %q: %v", c.glob, c.key, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		glob, key := rapid.StringMatching(`[ab*?]{0,8}`).Draw(t, "glob"), rapid.StringMatching(`[ab]{0,8}`).Draw(t, "key")
		pattern := strings.NewReplacer("*", ".*", "?", ".").Replace(glob)
		if want := regexp.MustCompile("^(" + pattern + ")$").MatchString(key); matchGlob(glob, []byte(key)) != want {
			t.Fatalf("%q of %q: want %v", glob, key, want)
		}
	})
	if selected := (&KeySelection{keys: []string{""}, globs: []string{"*"}}).MatchKey(); selected(nil) || !selected([]byte{}) {
		t.Error("a null key is taken for an empty one")
	}
}
