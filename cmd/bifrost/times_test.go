package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
)

// Every moment that a command prints is in UTC, says so, and looks the same: package human
// writes it. What a command prints can be given back to it.
func TestMomentsLookTheSame(t *testing.T) {
	t.Parallel()
	ownForm := []string{"internal/human/human.go", "internal/jobs/start.go", "internal/reportpage/axis.go",
		"internal/reportpage/topics.go"} // IDs, and an axis that has no room
	files, err := filepath.Glob("*.go")
	must(t, err)
	inside, err := filepath.Glob("internal/*/*.go")
	must(t, err)
	for _, name := range append(files, inside...) {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(ownForm, name) {
			continue
		}
		text, err := os.ReadFile(name)
		must(t, err)
		if found := regexp.MustCompile(`\.(Local\(\)|Format\([^)]*\))`).FindString(string(text)); found != "" {
			t.Errorf("%s has %s: times are for human.Moment, human.Ago and human.Timestamp", name, found)
		}
	}
	at := time.Date(2026, 1, 31, 12, 0, 5, 0, time.FixedZone("", 3600))
	if ms, err := human.ParseTime(human.Moment(at), time.Now()); err != nil || ms != at.UnixMilli() {
		t.Errorf("%q is read as %d: %v", human.Moment(at), ms, err)
	}
}
