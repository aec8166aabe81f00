// What was probably meant by a word that is none.

package usage

import (
	"fmt"
	"slices"
	"strings"
)

// mostChanges is how many single changes may turn a word into what was meant; of a short one, half of its
// letters at most.
const mostChanges = 2

// leastBegun is how many letters of a name say which is meant, if no other begins with them.
const leastBegun = 3

// DidYouMean is ", did you mean X?" for the nearest of the names, or the only one that begins with
// the word; or nothing.
func DidYouMean(word string, names []string) string {
	best, least := "", mostChanges+1
	for _, name := range names {
		if n := distance(word, name); n < least && 2*n <= len(word) {
			best, least = name, n
		}
	}
	if best == "" {
		best = onlyBegun(word, names)
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// onlyBegun is the only name that begins with the word; empty if none or several do.
func onlyBegun(word string, names []string) (only string) {
	for _, name := range names {
		if len(word) < leastBegun || !strings.HasPrefix(name, word) || name == only {
			continue
		}
		if only != "" {
			return ""
		}
		only = name
	}
	return only
}

// distance is how many single changes turn one word into the other: letters put in, left out,
// replaced or swapped (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = slices.Min([]int{replaced, rows[i-1][j] + 1, rows[i][j-1] + 1})
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
