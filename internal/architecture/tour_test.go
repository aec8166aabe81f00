package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheTourIsTrue: the files that docs/tour.md leads through are there, no more than
// a newcomer reads in an afternoon, and hold what it says they hold.
func TestTheTourIsTrue(t *testing.T) {
	t.Parallel()
	tour, err := os.ReadFile(filepath.Join(root, "docs", "tour.md"))
	if err != nil {
		t.Fatal(err)
	}
	step := regexp.MustCompile("(?m)^\\d+\\. \\*\\*\\[`([^`]+)`\\]\\(\\.\\./([^)]+)\\)\\*\\*(.*\\n(?:   .*\\n)*)")
	word := regexp.MustCompile("`([A-Za-z]+)`")
	steps := step.FindAllStringSubmatch(string(tour), -1)
	if len(steps) == 0 || len(steps) > 12 {
		t.Errorf("the tour has %d files, want 1 to 12", len(steps))
	}
	for _, s := range steps {
		file, told := s[1], s[3]
		source, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || s[2] != file {
			t.Errorf("the tour leads to %s as %s: %v", file, s[2], err)
			continue
		}
		found := 0
		for _, name := range word.FindAllStringSubmatch(told, -1) {
			if declared(string(source), name[1]) {
				found++
			}
		}
		if found == 0 {
			t.Errorf("the tour names nothing that %s declares", file)
		}
	}
}

// declared reports whether the source declares a function, method or type of the name.
func declared(source, name string) bool {
	return regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )`+name+`\b`).MatchString(source) ||
		strings.Contains(source, "\n\t"+name+" func(")
}
