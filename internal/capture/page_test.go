package capture

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The Python of docs/capture.md reads what is written here.
func TestPythonOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/capture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(page), "```python\n")
	program, _, _ = strings.Cut(program, "```")
	if lines := strings.Count(strings.TrimSpace(program), "\n") + 1; lines > 13 || lines < 5 {
		t.Errorf("the page has %d lines of Python", lines)
	}
	s := newStand(t)
	made, err := s.capturer().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "positions.jsonl.gz")
	if err := os.WriteFile(file, made.positions, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "-c", program, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	snapshot, err := made.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, g := range snapshot.Positions.Groups {
		for _, topic := range slices.Sorted(maps.Keys(g.Offsets)) {
			for _, c := range g.Offsets[topic] {
				metadata, _ := json.Marshal(c.Metadata)
				fmt.Fprintln(&want, g.Name, topic, c.Partition, c.Offset, c.LeaderEpoch, string(metadata))
			}
		}
	}
	if string(out) != want.String() || len(out) == 0 {
		t.Errorf("Python reads\n%s, want\n%s", out, want.String())
	}
	if err := os.WriteFile(file, made.positions[:len(made.positions)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("python3", "-c", program, file).CombinedOutput(); err == nil {
		t.Errorf("it takes a file that was cut:\n%s", out)
	}
}

// The page has each type of line and each part.
func TestPageNamesEverything(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/capture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		typeConfiguration, typePositions, typeBroker, typeFeature, typeTopic, typeACL, typeQuota, typeScramUser, typeGroup, typeOffsets, typeNotCaptured, typeEnd,
	} {
		if !strings.Contains(string(page), "\n| `"+name+"` |") {
			t.Errorf("the page has no row for the type %s", name)
		}
	}
	for _, part := range []Part{PartBrokers, PartFeatures, PartTopics, PartTopicSettings, PartACLs, PartQuotas, PartScramUsers, PartGroups, PartOffsets, PartTransactions} {
		if !strings.Contains(string(page), "`"+string(part)+"`") {
			t.Errorf("the page does not name the part %s", part)
		}
	}
}
