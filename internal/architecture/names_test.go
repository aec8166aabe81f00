package architecture

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The ceilings of what reads badly. They only ever go down.
const (
	mostOneWordMethods = 0.35  // of the unexported methods
	mostLongLines      = 0.003 // of all lines
	longLine           = 120   // characters, of which a tab counts four
	mostFiles          = 30    // of one package
)

// TestMethodsNameTheirObject: a method that is not exported has one word for a name in
// few places, such as "settle" where "settleRow" says what is settled.
func TestMethodsNameTheirObject(t *testing.T) {
	t.Parallel()
	all, oneWord := 0, 0
	for _, s := range sources(t) {
		for _, declaration := range s.file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.IsExported() {
				continue
			}
			all++
			if strings.IndexFunc(f.Name.Name, unicode.IsUpper) < 0 {
				oneWord++
			}
		}
	}
	if all == 0 {
		t.Fatal("no methods found: the test looks in the wrong place")
	}
	if share := float64(oneWord) / float64(all); share > mostOneWordMethods {
		t.Errorf("%d of %d unexported methods have one word for a name, %.1f %%: at most %.0f %% are allowed; name their objects",
			oneWord, all, 100*share, 100*mostOneWordMethods)
	}
}

// TestLinesFitTheScreen counts lines that are too long.
func TestLinesFitTheScreen(t *testing.T) {
	t.Parallel()
	all, long := 0, 0
	for _, s := range sources(t) {
		content, err := os.ReadFile(filepath.Join(root, s.name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			all++
			line = bytes.TrimSuffix(line, []byte("\n"))
			if utf8.RuneCount(line)+3*bytes.Count(line, []byte("\t")) > longLine {
				long++
			}
		}
	}
	if share := float64(long) / float64(all); share > mostLongLines {
		t.Errorf("%d of %d lines have more than %d characters, %.2f %%: at most %.2f %% are allowed; break them, one field a line",
			long, all, longLine, 100*share, 100*mostLongLines)
	}
}

// TestNoPackageIsTooLarge: a package has at most so many files, tests not counted.
func TestNoPackageIsTooLarge(t *testing.T) {
	t.Parallel()
	files := map[string]int{}
	for _, s := range sources(t) {
		files[s.pkg]++
	}
	for pkg, n := range files {
		if n > mostFiles {
			t.Errorf("package %s has %d files, at most %d are allowed: split it by what its parts are for", pkg, n, mostFiles)
		}
	}
}

// TestFilesSayWhatTheyAreFor: each file begins with a sentence that says what it is for,
// and that is one thing. Of a file with the comment of its package nothing more is asked.
func TestFilesSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.file.Doc != nil {
			continue
		}
		sentence := ""
		for _, group := range s.file.Comments {
			if len(s.file.Decls) > 0 && (group.End() > s.file.Decls[0].Pos() || group == docOf(s.file.Decls[0])) {
				break
			}
			if sentence = strings.Join(strings.Fields(group.Text()), " "); sentence != "" { // no build constraint
				break
			}
		}
		switch sentence = strings.SplitAfter(sentence, ". ")[0]; {
		case !strings.HasSuffix(strings.TrimSpace(sentence), "."):
			t.Errorf("%s begins with %q: want a sentence that says what it is for, above the package clause",
				s.name, sentence)
		case strings.Contains(sentence, " and "):
			t.Errorf("%s is for two things, as it says: %s", s.name, sentence)
		}
	}
}

// docOf is the comment of a declaration; nil when it has none.
func docOf(d ast.Decl) *ast.CommentGroup {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Doc
	case *ast.GenDecl:
		return d.Doc
	}
	return nil
}
