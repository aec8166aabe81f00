// How figures get into the tables of the pages.

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// In a page a table of figures stands between two comments. The first says which
// figures: those whose names begin with one of its words. In the same way stands
// the table of prices.
const (
	figuresBegin = "<!-- figures "
	pricesBegin  = "<!-- prices -->\n"
	blockEnd     = "<!-- end -->"
	tableHead    = "| figure | value | unit | target | how |\n|---|---|---|---|---|\n"
)

// refreshPages puts what was measured into the tables of the pages in the
// directory. What was not measured this time stays as it is.
func refreshPages(directory string, measured []figure) error {
	pages, err := filepath.Glob(filepath.Join(directory, "*.md"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		fresh := refreshPrices(refreshFigures(string(text), measured))
		if fresh == string(text) {
			continue
		}
		if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func refreshPrices(page string) string {
	before, rest, found := strings.Cut(page, pricesBegin)
	_, after, closed := strings.Cut(rest, blockEnd)
	if !found || !closed {
		return page
	}
	return before + pricesBegin + priceTable() + blockEnd + after
}

func refreshFigures(page string, measured []figure) string {
	before, rest, found := strings.Cut(page, figuresBegin)
	prefixes, body, opened := strings.Cut(rest, " -->\n")
	table, after, closed := strings.Cut(body, blockEnd)
	if !found || !opened || !closed {
		return page
	}
	fresh := tableHead + strings.Join(refreshRows(rowsOf(table), strings.Fields(prefixes), measured), "")
	return before + figuresBegin + prefixes + " -->\n" + fresh + blockEnd + refreshFigures(after, measured)
}

func rowsOf(table string) []string {
	var rows []string
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, line)
		}
	}
	return rows
}

// refreshRows replaces the rows of figures that were measured and adds those that
// are new.
func refreshRows(rows, prefixes []string, measured []figure) []string {
	for _, f := range measured {
		if !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(f.Name, prefix) }) {
			continue
		}
		old := slices.IndexFunc(rows, func(row string) bool { return strings.HasPrefix(row, "| `"+f.Name+"` |") })
		if old < 0 {
			rows = append(rows, f.row())
		} else {
			rows[old] = f.row()
		}
	}
	return rows
}

func (f figure) row() string {
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", f.Name, readable(f.Value), f.Unit, f.Target, f.Note)
}

// readable is a number with three digits that count, and all of those before the point.
func readable(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.3g", v), ".")
}
