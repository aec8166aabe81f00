package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// writesTimes is how code writes or reads times as text. A machine in UTC, as those of CI are,
// shows no time that is in its own zone by mistake.
var writesTimes = regexp.MustCompile(`\.Format\((time\.|"|[a-z]+(Day|Time)\))|time\.(Parse|Date)\(`)

// TestTimesAreTestedInAnotherZone: what writes or reads times is tested in another zone, too. The
// programs that measure, and what tests stand on, are not.
func TestTimesAreTestedInAnotherZone(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^TIMED +:= ((?:.*\\\n)*.*)$`).FindStringSubmatch(string(makefile))
	if line == nil {
		t.Fatal("the Makefile has no TIMED")
	}
	timed := strings.Fields(strings.ReplaceAll(line[1], "\\\n", " "))
	others := []string{"cmd/bench", "cmd/localservices", "cmd/release", "internal/bifrosttest", "internal/localservices",
		"internal/scale"}
	found := 0
	for _, s := range sources(t) {
		if withinAny(s.pkg, others) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, s.name))
		if err != nil {
			t.Fatal(err)
		}
		if !writesTimes.Match(text) {
			continue
		}
		found++
		if !slices.Contains(timed, "./"+s.pkg) {
			t.Errorf("%s writes or reads times: its package belongs to TIMED in the Makefile", s.name)
		}
	}
	if found == 0 {
		t.Error("no file writes a time")
	}
}
