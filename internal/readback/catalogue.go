// The rows of ranges that have wanted offsets.

package readback

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Catalogue is what a reader asks of the tables.
type Catalogue interface {
	// ListProgress reads every progress row.
	ListProgress(ctx context.Context) ([]bifrost.Progress, error)
	// Progress reads one progress row; bifrost.ErrNotFound when there is none.
	Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error)
	// Rows reads the rows of a partition with Start >= from in order, at most limit.
	Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error)
	// RowsBelow reads the rows of a partition with Start < below, the highest
	// first, at most limit.
	RowsBelow(ctx context.Context, p bifrost.Partition, below int64, limit int) ([]bifrost.Row, error)
}

// Everything is the range of all offsets.
var Everything = bifrost.Range{Start: 0, End: math.MaxInt64}

// pageRows is how many rows are asked for at once: DynamoDB answers with up to
// 1 MB, which is a few more than this. It is a variable because the tests of this
// package read in pages of a few.
var pageRows = 1000

// Rows returns the rows of a partition that have offsets in the range, in order.
func Rows(
	ctx context.Context, catalogue Catalogue, p bifrost.Partition, offsets bifrost.Range,
) iter.Seq2[bifrost.Row, error] {
	return func(yield func(bifrost.Row, error) bool) {
		from, err := firstRow(ctx, catalogue, p, offsets.Start)
		for err == nil {
			var rows []bifrost.Row
			rows, err = catalogue.Rows(ctx, p, from, pageRows)
			for _, row := range rows {
				if row.Start >= offsets.End || !yield(row, nil) {
					return
				}
			}
			if len(rows) < pageRows && err == nil {
				return
			}
			if len(rows) > 0 {
				from = rows[len(rows)-1].Start + 1
			}
		}
		yield(bifrost.Row{}, fmt.Errorf("read the catalogue of %s: %w", p, err))
	}
}

// FirstTimestamp is the least timestamp, in milliseconds, in the first range of the
// partition with records; false if there is none.
func FirstTimestamp(ctx context.Context, catalogue Catalogue, p bifrost.Partition) (ms int64, found bool, err error) {
	for row, err := range Rows(ctx, catalogue, p, Everything) {
		if err != nil {
			return 0, false, err
		}
		if row.State == bifrost.StateArchived && row.Facts.FirstTimestamp >= 0 {
			return row.Facts.FirstTimestamp, true, nil
		}
	}
	return 0, false, nil
}

// firstRow is the start of the row that holds the offset, or the offset itself.
func firstRow(ctx context.Context, catalogue Catalogue, p bifrost.Partition, offset int64) (int64, error) {
	if offset <= 0 {
		return 0, nil
	}
	rows, err := catalogue.RowsBelow(ctx, p, offset+1, 1)
	if err != nil || len(rows) == 0 || rows[0].End <= offset {
		return offset, err
	}
	return rows[0].Start, nil
}

// Topic lists the progress of all partitions that the name stands for, in order
// of incarnation and number: "orders" is the first incarnation of a topic,
// "orders@ID" a later one, as the tables have them. Without such a name the
// answer is an error that lists what there is.
func Topic(all []bifrost.Progress, name string) ([]bifrost.Progress, error) {
	var found []bifrost.Progress
	for _, p := range all {
		if p.Name == name {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("topic %q is not in the archive%s", name, alternatives(all, name))
	}
	SortProgress(found)
	return found, nil
}

// IsGlob reports whether a name stands for all topics that it matches.
func IsGlob(name string) bool { return strings.ContainsAny(name, "*?[") }

// ExpandGlobs puts the names of what a glob matches in its place, in order: all lives of every
// topic of the archive whose name in Kafka it matches, as [bifrost.TopicFilter] does. It is an
// error if there is none.
func ExpandGlobs(all []bifrost.Progress, names []string) (expanded []string, err error) {
	for _, name := range names {
		if !IsGlob(name) {
			expanded = append(expanded, name)
			continue
		}
		filter, err := bifrost.NewTopicFilter([]string{name}, nil)
		if err != nil {
			return nil, err
		}
		matching := slices.DeleteFunc(slices.Clone(all),
			func(p bifrost.Progress) bool { return !filter.Archives(p.Topic()) })
		NewLives(all).Sort(matching)
		var matched []string
		for _, p := range matching {
			matched = append(matched, p.Name)
		}
		if len(matched) == 0 {
			return nil, NoneMatches(all, name)
		}
		expanded = append(expanded, slices.Compact(matched)...)
	}
	return expanded, nil
}

// Topics lists the progress of what the name stands for, as [Topic] does: of one life, or of all
// that a glob matches.
func Topics(all []bifrost.Progress, name string) (rows []bifrost.Progress, err error) {
	names, err := ExpandGlobs(all, []string{name})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		found, err := Topic(all, name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// SelectProgress reads the progress rows of the named topics, or of all, lives by age, and each row
// once, however often it is named. A topic's own name stands for all of its lives, and a name may
// be a glob.
func SelectProgress(ctx context.Context, catalogue Catalogue, names []string) ([]bifrost.Progress, error) {
	all, err := catalogue.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		NewLives(all).Sort(all)
		return all, nil
	}
	if names, err = ExpandGlobs(all, names); err != nil {
		return nil, err
	}
	var selected []bifrost.Progress
	done := map[string]bool{}
	for _, name := range names {
		later := LaterLives(all, name)
		if _, err := Topic(all, name); err != nil && len(later) == 0 {
			return nil, err
		}
		for _, life := range append([]string{name}, later...) {
			if !done[life] {
				rows, _ := Topic(all, life)
				selected = append(selected, rows...)
			}
			done[life] = true
		}
	}
	return selected, nil
}

// SortProgress puts rows in order of name and number.
func SortProgress(rows []bifrost.Progress) {
	slices.SortFunc(rows, func(a, b bifrost.Progress) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
	})
}
