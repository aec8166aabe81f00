package architecture

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A roomRow is a row of the table of docs/architecture.md, with what it lets its
// packages import of this module.
type roomRow struct {
	packages   []string // from the module's root
	may        []string // likewise
	everything bool
}

// adapters are what "every adapter" means in that table: the ports' other sides.
var adapters = []string{
	"internal/dynamoledger", "internal/kafka", "internal/lambdadispatch", "internal/metrics",
	"internal/s3store", "internal/secretsmanager", "internal/stepfunctions",
}

// roomRows reads the table. Own packages stand in backticks, without internal/ in the
// last column.
func roomRows(t *testing.T) []roomRow {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`([^`]+)`")
	var rows []roomRow
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		var row roomRow
		for _, p := range name.FindAllStringSubmatch(cells[1], -1) {
			row.packages = append(row.packages, strings.TrimSuffix(p[1], "/"))
		}
		for _, p := range name.FindAllStringSubmatch(cells[3], -1) {
			imported := p[1]
			if imported != "baldr" {
				imported = "internal/" + imported
			}
			row.may = append(row.may, imported)
		}
		if strings.Contains(cells[3], "every adapter") {
			row.may = append(row.may, adapters...)
		}
		row.everything = strings.Contains(cells[3], "everything")
		rows = append(rows, row)
	}
	if len(rows) < 30 {
		t.Fatalf("the table of docs/architecture.md has %d rows: the test looks in the wrong place", len(rows))
	}
	return rows
}

// rowOf is the row of a package: the one with the longest path that the package is in.
func rowOf(rows []roomRow, pkg string) *roomRow {
	var found *roomRow
	longest := -1
	for i := range rows {
		for _, p := range rows[i].packages {
			if within(pkg, p) && len(p) > longest {
				found, longest = &rows[i], len(p)
			}
		}
	}
	return found
}

// TestThePageSaysWhatIsImported: the last column of the table is what the code imports
// of this module, nothing less, nothing more.
func TestThePageSaysWhatIsImported(t *testing.T) {
	t.Parallel()
	rows := roomRows(t)
	imported := map[*roomRow]map[string]bool{}
	for i := range rows {
		imported[&rows[i]] = map[string]bool{}
	}
	for _, s := range sources(t) {
		row := rowOf(rows, s.pkg)
		if row == nil {
			t.Errorf("%s: package %s has no row in the table of docs/architecture.md", s.name, s.pkg)
			continue
		}
		for _, spec := range s.file.Imports {
			own, isOwn := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
			if !isOwn || withinAny(own, row.packages) {
				continue
			}
			imported[row][own] = true
			if !row.everything && !slices.Contains(row.may, own) {
				t.Errorf("%s imports %s; docs/architecture.md does not say so", s.name, own)
			}
		}
	}
	for i := range rows {
		row := &rows[i]
		for _, p := range row.may {
			if !imported[row][p] {
				t.Errorf("docs/architecture.md says that %s may import %s, and it does not",
					strings.Join(row.packages, ", "), p)
			}
		}
	}
}

// TestTheTableOfImportsHasNoMore: what a package is allowed is what it uses.
func TestTheTableOfImportsHasNoMore(t *testing.T) {
	t.Parallel()
	used := make([]map[string]bool, len(allowances))
	for _, s := range sources(t) {
		index := slices.IndexFunc(allowances, func(a allowance) bool { return within(s.pkg, a.pkg) })
		if index < 0 {
			continue // TestImportsFlowOneWay says so
		}
		if used[index] == nil {
			used[index] = map[string]bool{}
		}
		for _, spec := range s.file.Imports {
			used[index][strings.TrimPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")] = true
		}
	}
	for i, a := range allowances {
		if a.pkg == "cmd" {
			continue // commands may import everything
		}
		for _, allowed := range slices.Concat(a.own, a.foreign) {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(used[i])), func(p string) bool { return within(p, allowed) }) {
				t.Errorf("%s may import %s, and does not: take it out of allowances", a.pkg, allowed)
			}
		}
	}
}
