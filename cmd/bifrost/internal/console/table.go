// Tables for people, as wide as the terminal.

package console

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
)

// Style is an ANSI escape sequence (ECMA-48, Select Graphic Rendition).
type Style string

// The styles. What is good is green, a warning yellow, what is bad red.
const (
	styleNone Style = ""
	styleEnd  Style = "\x1b[0m"
	styleHead Style = "\x1b[2m"
	StyleGood Style = "\x1b[32m"
	StyleWarn Style = "\x1b[33m"
	StyleBad  Style = "\x1b[31m"
	StyleBold Style = "\x1b[1m"
)

// A Cell is one field of a table.
type Cell struct {
	Text  string
	style Style
}

// Plain is a cell without a style.
func Plain(text string) Cell { return Cell{Text: text} }

// Styled is a cell with a style.
func Styled(text string, style Style) Cell { return Cell{text, style} }

// Number is a cell with a number as a person reads it.
func Number(n int) Cell { return Plain(human.Count(int64(n))) }

// A Column of a table. Numbers go to the right.
type Column struct {
	Title  string
	Right  bool
	Shrink bool // cut where the table is wider than the terminal; one column at most
	Spare  int  // left out before that, the highest first; 0 never
}

// A Table is for people: aligned, with a head. Scripts read --json.
type Table struct {
	Columns []Column
	rows    [][]Cell
	Foot    [][]Cell // below a line of space, such as totals
}

// AddRow adds a row of as many cells as there are columns.
func (t *Table) AddRow(cells ...Cell) { t.rows = append(t.rows, cells) }

// IsEmpty reports whether there is no row.
func (t *Table) IsEmpty() bool { return len(t.rows) == 0 }

// between is the space between two columns.
const between = "  "

// WriteTable writes the table, cut to width characters if width is not 0.
func (t *Table) WriteTable(w io.Writer, width int, colored bool) error {
	out := bufio.NewWriter(w)
	for _, row := range slices.Concat(t.rows, t.Foot) {
		for i := range row {
			row[i].Text = human.OneLine(row[i].Text)
		}
	}
	widths := t.columnWidths(width)
	head := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = Cell{strings.ToUpper(c.Title), styleHead}
	}
	t.writeLine(out, widths, head, colored)
	for _, row := range t.rows {
		t.writeLine(out, widths, row, colored)
	}
	for _, row := range t.Foot {
		t.writeLine(out, widths, row, colored)
	}
	return out.Flush()
}

// columnWidths is how wide each column is, -1 for those that are left out: the ones
// without a text in any row, and what a terminal limit characters wide has no
// space for.
func (t *Table) columnWidths(limit int) []int {
	widths := t.naturalWidths()
	if limit == 0 {
		return widths
	}
	shrink := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Shrink })
	slack := 0
	if shrink >= 0 {
		slack = max(0, widths[shrink]-shortest)
	}
	for spare := len(t.Columns); spare > 0 && total(widths)-slack > limit; spare-- {
		if i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Spare == spare }); i >= 0 {
			widths[i] = -1
		}
	}
	if over := total(widths) - limit; over > 0 && slack > 0 {
		widths[shrink] -= min(over, slack)
	}
	return widths
}

// shortest is what a column that shrinks keeps.
const shortest = 12

// naturalWidths is how wide the columns are where there is space for all.
func (t *Table) naturalWidths() []int {
	widths := make([]int, len(t.Columns))
	for _, row := range slices.Concat(t.rows, t.Foot) {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	for i, c := range t.Columns {
		if widths[i] == 0 && len(t.rows) > 0 {
			widths[i] = -1
		} else {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Title))
		}
	}
	return widths
}

func total(widths []int) int {
	sum := -len(between)
	for _, width := range widths {
		if width >= 0 {
			sum += width + len(between)
		}
	}
	return sum
}

func (t *Table) writeLine(out *bufio.Writer, widths []int, row []Cell, colored bool) {
	var pending int // spaces not written yet, so that no line ends in them
	for i, c := range row {
		if widths[i] < 0 {
			continue
		}
		text := cut(c.Text, widths[i])
		space := widths[i] - utf8.RuneCountInString(text)
		if t.Columns[i].Right {
			pending += space
		}
		if text != "" {
			out.WriteString(strings.Repeat(" ", pending))
			pending = 0
			if colored && c.style != styleNone {
				text = string(c.style) + text + string(styleEnd)
			}
			out.WriteString(text)
		}
		if !t.Columns[i].Right {
			pending += space
		}
		pending += len(between)
	}
	out.WriteByte('\n')
}

// cut shortens a text to width characters and shows that it did.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(0, width-1)]) + "…"
}

// PrintTable writes the table to standard output as it is fit for.
func (c *Console) PrintTable(t *Table) error {
	width, _ := Terminal(c.Out)
	return t.WriteTable(c.Out, width, c.Colored(c.Out))
}
