package main

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// style is an ANSI escape sequence (ECMA-48, Select Graphic Rendition).
type style string

const (
	styleNone style = ""
	styleEnd  style = "\x1b[0m"
	styleHead style = "\x1b[2m"
	styleGood style = "\x1b[32m"
	styleWarn style = "\x1b[33m"
	styleBad  style = "\x1b[31m"
	styleBold style = "\x1b[1m"
)

// A cell is one field of a table.
type cell struct {
	text  string
	style style
}

func plain(text string) cell { return cell{text: text} }

// A column of a table. Numbers go to the right.
type column struct {
	title  string
	right  bool
	shrink bool // cut where the table is wider than the terminal; one column at most
	spare  int  // left out before that, the highest first; 0 never
}

// A table is for people: aligned, with a head. Scripts read --json.
type table struct {
	columns []column
	rows    [][]cell
	foot    [][]cell // below a line of space, such as totals
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// between is the space between two columns.
const between = "  "

// write writes the table, cut to width characters if width is not 0.
func (t *table) write(w io.Writer, width int, colored bool) error {
	out := bufio.NewWriter(w)
	for _, row := range slices.Concat(t.rows, t.foot) {
		for i := range row {
			row[i].text = oneLine(row[i].text)
		}
	}
	widths := t.widths(width)
	head := make([]cell, len(t.columns))
	for i, c := range t.columns {
		head[i] = cell{strings.ToUpper(c.title), styleHead}
	}
	t.line(out, widths, head, colored)
	for _, row := range t.rows {
		t.line(out, widths, row, colored)
	}
	for _, row := range t.foot {
		t.line(out, widths, row, colored)
	}
	return out.Flush()
}

// widths is how wide each column is, -1 for those that are left out: the ones
// without a text in any row, and what a terminal limit characters wide has no
// space for.
func (t *table) widths(limit int) []int {
	widths := t.natural()
	if limit == 0 {
		return widths
	}
	shrink := slices.IndexFunc(t.columns, func(c column) bool { return c.shrink })
	slack := 0
	if shrink >= 0 {
		slack = max(0, widths[shrink]-shortest)
	}
	for spare := len(t.columns); spare > 0 && total(widths)-slack > limit; spare-- {
		if i := slices.IndexFunc(t.columns, func(c column) bool { return c.spare == spare }); i >= 0 {
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

// natural is how wide the columns are where there is space for all.
func (t *table) natural() []int {
	widths := make([]int, len(t.columns))
	for _, row := range slices.Concat(t.rows, t.foot) {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for i, c := range t.columns {
		if widths[i] == 0 && len(t.rows) > 0 {
			widths[i] = -1
		} else {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.title))
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

func (t *table) line(out *bufio.Writer, widths []int, row []cell, colored bool) {
	var pending int // spaces not written yet, so that no line ends in them
	for i, c := range row {
		if widths[i] < 0 {
			continue
		}
		text := cut(c.text, widths[i])
		space := widths[i] - utf8.RuneCountInString(text)
		if t.columns[i].right {
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
		if !t.columns[i].right {
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

// print writes the table to standard output as it is fit for.
func (a *app) print(t *table) error {
	width, _ := terminal(a.out)
	return t.write(a.out, width, a.colored(a.out))
}
