package architecture

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// pageWidth is where the prose of every page is wrapped.
const pageWidth = 120

// TestPagesAreWrappedAtOneWidth: no line of prose is wider than pageWidth columns.
// Tables, code, comments and pictures are not prose.
func TestPagesAreWrappedAtOneWidth(t *testing.T) {
	t.Parallel()
	pages := markdownPages(t)
	if len(pages) < 30 {
		t.Fatalf("%d pages: the test looks in the wrong place", len(pages))
	}
	for _, page := range pages {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range wideLines(string(content)) {
			t.Errorf("%s:%d is wider than %d columns: wrap it, with continuation lines indented as the text of a list item is",
				strings.TrimPrefix(page, root+"/"), number, pageWidth)
		}
	}
}

// markdownPages returns the pages at the root and those below docs.
func markdownPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".md") {
			pages = append(pages, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// unbreakable is a command, the shape of a line of JSON, or a link's address, which
// is so long that no place to break the line around it would make it fit.
var unbreakable = regexp.MustCompile("`[^`]{90,}`|\\]\\([^) ]{90,}\\)|https?://[^) ]{90,}")

// wideLines returns the numbers of the lines of prose that are too wide, from 1.
func wideLines(page string) (numbers []int) {
	inCode := false
	number := 0
	for line := range strings.Lines(page) {
		number++
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "```") {
			inCode = !inCode
			continue
		}
		if inCode || strings.HasPrefix(text, "|") || strings.HasPrefix(text, "<!--") || strings.HasPrefix(text, "![") {
			continue
		}
		if utf8.RuneCountInString(unbreakable.ReplaceAllString(strings.TrimRight(line, "\n"), "")) > pageWidth {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func TestWideLines(t *testing.T) {
	t.Parallel()
	words := strings.Repeat("word ", 24) // 120 columns with the space at the end
	for page, want := range map[string]int{
		words[:119] + ".\n":                          0,
		words[:119] + "..\n":                         1,
		strings.Repeat("ü", pageWidth) + "\n":        0,
		"| " + words + words + " |\n":                0,
		"```sh\n" + words + words + "\n```\nshort\n": 0,
		"```sh\n```\n" + words + "..\n":              1,
		"- `a`: `" + words[:100] + "`; as it is\n":   0,
		"`" + words[:100] + "` " + words + "more\n":  1,
		"![" + words + "](a.png)" + words + "\n":     0,
		"a [link](" + strings.Repeat("x", 200) + ")": 0,
		"a `short` span in " + words + "\nand more":  1,
	} {
		if got := wideLines(page); len(got) != want {
			t.Errorf("%q: lines %v, want %d", page, got, want)
		}
	}
}

// TestPagesLeadSomewhere: every link from one page to another leads to a file that is
// there, and to a heading of it where it names one.
func TestPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	found := 0
	for _, page := range markdownPages(t) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			path, heading, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			linked, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
				continue
			}
			if heading == "" || linked.IsDir() || !strings.HasSuffix(target, ".md") {
				continue
			}
			if text, err := os.ReadFile(target); err != nil || !slices.Contains(headings(string(text)), heading) {
				t.Errorf("%s links to %s, which has no such heading (%v)", page, m[1], err)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d links: the test looks in the wrong place", found)
	}
}

// headings returns the fragments by which a page's headings are linked to.
func headings(page string) (fragments []string) {
	inCode := false
	notInFragments := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for line := range strings.Lines(page) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inCode = !inCode
		}
		if text := strings.TrimLeft(line, "#"); text != line && !inCode {
			text = notInFragments.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
			fragments = append(fragments, strings.ReplaceAll(text, " ", "-"))
		}
	}
	return fragments
}

// TestPagesNameWhatExists: the tests and the paths that pages name are in the tree.
// CHANGELOG.md is left out: it may name what was there once.
func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	test := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	path := regexp.MustCompile("`((?:internal|cmd|baldr|functions|infra|events|docs|\\.ci)/[^` ]+)`")
	found := 0
	for _, page := range markdownPages(t) {
		if filepath.Base(page) == "CHANGELOG.md" {
			continue
		}
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range test.FindAllString(string(content), -1) {
			found++
			if !slices.ContainsFunc(tests, func(is string) bool { return strings.HasPrefix(is, name) }) {
				t.Errorf("%s names %s, and no test's name begins with that", page, name)
			}
		}
		for _, m := range path.FindAllStringSubmatch(string(content), -1) {
			found++
			if files, err := filepath.Glob(filepath.Join(root, m[1])); err != nil || len(files) == 0 {
				t.Errorf("%s names %s, which is not there (%v)", page, m[1], err)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d names: the test looks in the wrong place", found)
	}
}

// testNames returns the names of all tests and fuzz tests, whatever their build tags.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range declaration.FindAllSubmatch(source, -1) {
			names = append(names, string(m[1]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
