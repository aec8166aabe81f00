package architecture

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryDependencyHasItsReason holds what is imported, by tests too, against
// the table of CONTRIBUTING.md, both ways.
func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Dependencies")
	var reasons []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		if strings.TrimSpace(cells[2]) == "" || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("no reason: %s", line)
		}
		for n, name := range strings.Split(cells[1], "`") {
			if n%2 == 1 && strings.Contains(name, ".") {
				reasons = append(reasons, name)
			}
		}
	}
	used := map[string]bool{}
	for _, imported := range imports(t) {
		index := slices.IndexFunc(reasons, func(module string) bool { return within(imported, module) })
		if index < 0 {
			t.Errorf("%s is imported, and CONTRIBUTING.md does not say why", imported)
			continue
		}
		for _, module := range reasons {
			used[module] = used[module] || within(imported, module)
		}
	}
	for _, module := range reasons {
		if !used[module] {
			t.Errorf("CONTRIBUTING.md gives a reason for %s, which nothing imports", module)
		}
	}
}

// imports lists the packages of other modules that are imported here.
func imports(t *testing.T) []string {
	t.Helper()
	const format = `{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`
	cmd := exec.Command("go", "list", "-tags", "real,soak", "-f", format, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(string(out))
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(imported string) bool {
		return within(imported, module) || !strings.Contains(strings.Split(imported, "/")[0], ".")
	})
}

// TestFunctionsLinkNothingOfTheCommandLine: what CONTRIBUTING.md says is for the
// command line alone is in no deployed function, however it would get there; what is for
// jobs as well, in no function but theirs.
func TestFunctionsLinkNothingOfTheCommandLine(t *testing.T) {
	t.Parallel()
	commandLine, jobs := modulesMarked(t, "(command line)"), modulesMarked(t, "(command line, jobs)")
	for function, banned := range map[string][]string{
		"./functions/archive":  slices.Concat(commandLine, jobs),
		"./functions/discover": slices.Concat(commandLine, jobs),
		"./functions/job":      commandLine,
	} {
		cmd := exec.Command("go", "list", "-deps", function)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		linked := strings.Fields(string(out))
		if len(linked) < 100 {
			t.Fatalf("%s links %d packages: the test looks in the wrong place", function, len(linked))
		}
		for _, pkg := range linked {
			if withinAny(pkg, banned) {
				t.Errorf("%s links %s", function, pkg)
			}
		}
	}
}

// modulesMarked lists the modules of CONTRIBUTING.md whose names end in the mark.
func modulesMarked(t *testing.T, mark string) (modules []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.HasSuffix(strings.TrimSpace(cells[1]), mark) {
			modules = append(modules, strings.Split(cells[1], "`")[1])
		}
	}
	if len(modules) == 0 {
		t.Fatalf("CONTRIBUTING.md marks no module with %s", mark)
	}
	return modules
}
