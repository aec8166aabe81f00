package readback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

var errAway = errors.New("the tables are away")

// away is a catalogue of which one read fails, counted from the first.
type away struct {
	readback.Catalogue
	left *int
}

func (a away) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	if *a.left--; *a.left == 0 {
		return nil, errAway
	}
	return a.Catalogue.Rows(ctx, p, from, limit)
}

func (a away) RowsBelow(ctx context.Context, p bifrost.Partition, below int64, limit int) ([]bifrost.Row, error) {
	if *a.left--; *a.left == 0 {
		return nil, errAway
	}
	return a.Catalogue.RowsBelow(ctx, p, below, limit)
}

// TestRowsOfARange: those that have an offset of the range, in order, whichever range it is; and
// a catalogue that cannot be read is an error wherever it fails, and never an early end.
func TestRowsOfARange(t *testing.T) {
	t.Parallel()
	p := bifrost.Partition{Name: "orders", Number: 2}
	ledger := bifrosttest.NewLedger()
	all := []bifrost.Range{{Start: 3, End: 4}, {Start: 4, End: 7}, {Start: 9, End: 10}, {Start: 10, End: 14}, {Start: 14, End: 15}, {Start: 15, End: 17}, {Start: 17, End: 20}}
	for _, r := range all {
		ledger.Poke(bifrost.Row{Partition: p, Range: r, State: bifrost.StateArchived})
	}
	read := func(catalogue readback.Catalogue, offsets bifrost.Range) (got []bifrost.Range, err error) {
		for row, err := range readback.Rows(t.Context(), catalogue, p, offsets) {
			if err != nil {
				return got, err
			}
			got = append(got, row.Range)
		}
		return got, nil
	}
	for start := int64(0); start < 22; start++ {
		for end := start + 1; end < 23; end++ {
			offsets := bifrost.Range{Start: start, End: end}
			var want []bifrost.Range
			for _, r := range all {
				if r.Start < end && start < r.End {
					want = append(want, r)
				}
			}
			if got, err := read(ledger, offsets); err != nil || !slices.Equal(got, want) {
				t.Fatalf("rows of %s are %v, error %v; want %v", offsets, got, err, want)
			}
			for failing := 1; ; failing++ {
				left := failing
				got, err := read(away{ledger, &left}, offsets)
				if left > 0 { // it needed fewer reads
					break
				}
				if !errors.Is(err, errAway) || !strings.Contains(fmt.Sprint(err), p.String()) {
					t.Fatalf("rows of %s, read %d fails: %v and error %v", offsets, failing, got, err)
				}
			}
		}
	}
}
