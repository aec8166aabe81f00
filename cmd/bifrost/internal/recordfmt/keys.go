// Which records are selected by their keys.

package recordfmt

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// KeySelection is the flags that select records by their keys. Of several it takes
// what any of them selects; a null key is selected by none.
type KeySelection struct {
	keys, globs []string
}

// AddFlags adds --key and --key-glob.
func (s *KeySelection) AddFlags(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.keys, "key", nil,
		"only records with this `KEY`, byte for byte; may be given several times")
	c.Flags().StringArrayVar(&s.globs, "key-glob", nil,
		"only records whose keys match this `GLOB`: * any bytes, ? one byte; may be given several times")
}

// Check refuses globs of keys that are written as those of topics: they would match hardly a key.
func (s *KeySelection) Check() error {
	for _, glob := range s.globs {
		if strings.Contains(glob, "[") {
			return usage.Errorf("--key-glob %q: * stands for any bytes and ? for one, and there are no sets such as [a-z]; "+
				"write ? for a [ in a key, or give the whole key by --key", glob)
		}
	}
	return nil
}

// MatchKey returns what selects, nil where everything is.
func (s *KeySelection) MatchKey() func(key []byte) bool {
	if len(s.keys) == 0 && len(s.globs) == 0 {
		return nil
	}
	return func(key []byte) bool {
		return key != nil && (slices.ContainsFunc(s.keys, func(k string) bool { return k == string(key) }) ||
			slices.ContainsFunc(s.globs, func(g string) bool { return matchGlob(g, key) }))
	}
}

// matchGlob matches bytes, which need not be text. It goes back to the last * only,
// which is enough, and takes no longer than the product of the two lengths.
func matchGlob(glob string, text []byte) bool {
	star, mark := -1, 0 // the last *, and what of the text it stands for ends before
	at := 0
	for i := 0; i < len(text); {
		switch {
		case at < len(glob) && glob[at] == '*':
			star, mark = at, i
			at++
		case at < len(glob) && (glob[at] == '?' || glob[at] == text[i]):
			at++
			i++
		case star >= 0:
			mark++
			at, i = star+1, mark
		default:
			return false
		}
	}
	for at < len(glob) && glob[at] == '*' {
		at++
	}
	return at == len(glob)
}

// ErrNoKeys says that keys were asked for where there are none.
var ErrNoKeys = errors.New("it has values only, and no keys to select by")
