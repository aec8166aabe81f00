package architecture

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDecisionsAreComplete: every page of docs/decisions says what it has to, and
// stands in the index as it says.
func TestDecisionsAreComplete(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root, "docs", "decisions")
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "0*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	head := regexp.MustCompile(`^# (\d+)\. (.+)\n\nDate: (\d{4}-\d\d-\d\d)\. State: ((?:accepted|superseded).*)\.\n\n`)
	for _, path := range pages {
		name := filepath.Base(path)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said := head.FindStringSubmatch(string(content))
		if said == nil {
			t.Errorf("%s does not begin with a numbered title and a line \"Date: 2006-01-02. State: accepted.\"", name)
			continue
		}
		if number := strings.TrimLeft(name[:4], "0"); number != said[1] {
			t.Errorf("%s says that it is number %s", name, said[1])
		}
		for _, section := range []string{"Context", "Decision", "Consequences"} {
			if !strings.Contains(string(content), "\n## "+section+"\n") {
				t.Errorf("%s has no section %s", name, section)
			}
		}
		if line := fmt.Sprintf("| [%s](%s) | %s | %s | %s |\n", said[1], name, said[2], said[3], said[4]); !strings.Contains(string(index), line) {
			t.Errorf("the index docs/decisions/README.md lacks the line\n%s", line)
		}
	}
}
