// Names of which there are none in the archive.

package readback

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// NoneMatches says that nothing in the archive matches the names or globs, and what is there.
func NoneMatches(all []bifrost.Progress, globs ...string) error {
	return fmt.Errorf("nothing in the archive matches %s%s", strings.Join(globs, ", "), alternatives(all, globs[0]))
}

// CheckGlobs is [NoneMatches] of the first name or glob that matches no topic of the archive, by its
// name in Kafka or that of one of its lives; nil if each matches one.
func CheckGlobs(all []bifrost.Progress, globs []string) error {
	topics := make([]string, 0, 2*len(all))
	for _, p := range all {
		topics = append(topics, p.Topic(), p.Name)
	}
	if i := FirstUnmatched(topics, globs); i >= 0 {
		return NoneMatches(all, globs[i])
	}
	return nil
}

// FirstUnmatched is the index of the first glob that matches none of the topics; -1 if each matches one.
func FirstUnmatched(topics, globs []string) int {
	return slices.IndexFunc(globs, func(glob string) bool {
		return !slices.ContainsFunc(topics, func(t string) bool { return bifrost.MatchesAny([]string{glob}, t) })
	})
}

// alternatives names topics of the archive that a mistyped name may have meant.
func alternatives(all []bifrost.Progress, name string) string {
	if len(all) == 0 {
		return "; nothing is archived yet: bifrost status says why"
	}
	names := make([]string, 0, len(all))
	for _, p := range all {
		names = append(names, p.Name)
	}
	return "; it has " + SuchAs(names, name) + " (bifrost topics lists them)"
}

// mostSuch is how many names SuchAs has.
const mostSuch = 5

// SuchAs counts names, each once, and lists those that a mistyped one may have meant: 9, such as "orders".
func SuchAs(names []string, mistyped string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(distance(mistyped, a), distance(mistyped, b))
	})
	some := make([]string, 0, mostSuch)
	for _, n := range names[:min(mostSuch, len(names))] {
		some = append(some, strconv.Quote(n))
	}
	return fmt.Sprintf("%d, such as %s", len(names), strings.Join(some, ", "))
}

// distance is how many single changes turn one name into the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
