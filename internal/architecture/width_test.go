package architecture

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
