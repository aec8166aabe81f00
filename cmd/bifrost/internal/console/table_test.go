package console

import (
	"strings"
	"testing"
)

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	tab := &Table{Columns: []Column{{Title: "name"}, {Title: "n", Right: true, Spare: 1}, {Title: "empty"}, {Title: "size", Spare: 2}, {Title: "error", Shrink: true}}}
	tab.AddRow(Plain("a"), Plain("1"), Plain(""), Plain("1 kB"), Cell{"something went quite wrong", StyleBad})
	tab.AddRow(Plain("longer"), Plain("1,000"), Plain(""), Plain("2 kB"), Plain(""))
	for width, want := range map[int]string{
		0:  "NAME        N  SIZE  ERROR\na           1  1 kB  something went quite wrong\nlonger  1,000  2 kB\n",
		36: "NAME        N  SIZE  ERROR\na           1  1 kB  something went…\nlonger  1,000  2 kB\n",
		30: "NAME        N  ERROR\na           1  something went…\nlonger  1,000\n",
		20: "NAME    ERROR\na       something w…\nlonger\n",
		1:  "NAME    ERROR\na       something w…\nlonger\n",
	} {
		var out strings.Builder
		if err := tab.WriteTable(&out, width, false); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("in a terminal of %d got\n%swant\n%s", width, out.String(), want)
		}
	}
	var out strings.Builder
	if err := tab.WriteTable(&out, 0, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[31msomething went quite wrong\x1b[0m") {
		t.Errorf("no width cuts, and colours are written: %q", out.String())
	}
}

// The foot is below all rows, as wide as they are.
func TestTheFootOfATable(t *testing.T) {
	t.Parallel()
	tab := &Table{Columns: []Column{{Title: "name"}, {Title: "n", Right: true}}}
	tab.Foot = [][]Cell{{Plain("both of them"), Plain("1,003")}, {Plain(""), Plain("x\ny")}}
	for _, name := range []string{"a", "b"} {
		tab.AddRow(Plain(name), Plain("1"))
	}
	var out strings.Builder
	if err := tab.WriteTable(&out, 0, false); err != nil {
		t.Fatal(err)
	}
	const want = "NAME              N\na                 1\nb                 1\nboth of them  1,003\n               x\\ny\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
