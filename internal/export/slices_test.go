package export

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// However a partition is cut, each row is in one slice, each slice but the last has as many rows as
// it was to have and none has more, and exported slice by slice it is what one export makes of it.
func TestSlicesTogetherAreThePartition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		a := newArchived()
		rows := rapid.IntRange(0, 8).Draw(t, "rows")
		for range rows {
			switch rapid.IntRange(0, 3).Draw(t, "row") {
			case 0:
				a.addRow(bifrost.StateLost, bifrost.ReasonRetention)
			case 1:
				a.addRow(bifrost.StatePlanned, "")
			default:
				a.add(make([]baldr.Record, rapid.IntRange(1, 9).Draw(t, "records"))...)
			}
		}
		most := rapid.IntRange(1, 4).Draw(t, "objects")
		cut, err := Slices(ctx, a.ledger, partition, 1<<40, most)
		if err != nil {
			t.Fatal(err)
		}
		if want := (rows + most - 1) / most; len(cut) != want {
			t.Fatalf("%d rows are in %d slices of %d at most, want %d: %v", rows, len(cut), most, want, cut)
		}
		next, records := int64(0), int64(0)
		for _, s := range cut {
			if s.Starts.Start != next || s.Starts.End <= next {
				t.Fatalf("slices %v", cut)
			}
			next = s.Starts.End
			records += s.Records
		}
		if next != a.end || records != int64(len(a.records)) {
			t.Fatalf("slices %v of a partition that ends at %d and has %d records", cut, a.end, len(a.records))
		}
		whole, parts := bifrosttest.NewStore(), bifrosttest.NewStore()
		var all, sum Summary
		one := Exporter{Reader: a.reader(), Place: InBucket(whole, "lake", "x/")}
		if err := one.Export(ctx, &all, Part{partition, bifrost.Range{End: a.end}}); err != nil {
			t.Fatal(err)
		}
		for _, s := range rapid.Permutation(cut).Draw(t, "order") {
			before := sum.Objects
			e := Exporter{Reader: a.reader(), Place: InBucket(parts, "lake", "x/")}
			if err := e.Export(ctx, &sum, Part{partition, s.Starts}); err != nil {
				t.Fatal(err)
			}
			if int(sum.Objects-before) > most {
				t.Fatalf("slice %v has %d objects, and was to have %d", s, sum.Objects-before, most)
			}
		}
		if sum != all || !slices.Equal(parts.Keys(), whole.Keys()) {
			t.Fatalf("in slices %+v with %q, at once %+v with %q", sum, parts.Keys(), all, whole.Keys())
		}
	})
}

// A slice ends with the object that makes it large enough.
func TestSlicesHaveTheirBytes(t *testing.T) {
	t.Parallel()
	ledger := bifrosttest.NewLedger()
	for i, stored := range []int64{5, 5, 1, 20, 3} {
		row := bifrost.Row{Partition: partition, Range: bifrost.Range{Start: int64(i), End: int64(i) + 1}, State: bifrost.StateArchived}
		row.Facts = bifrost.Facts{Range: row.Range, Records: 1, RawBytes: 10 * stored, StoredBytes: stored}
		ledger.Poke(row)
	}
	cut, err := Slices(t.Context(), ledger, partition, 10, 100)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(cut), "[{[0, 2) 2 100} {[2, 4) 2 210} {[4, 5) 1 30}]"; got != want {
		t.Errorf("slices %s, want %s", got, want)
	}
}

// What is selected is each life of a topic that a glob names, by Kafka's name or the archive's.
func TestPartitionsOfAnExport(t *testing.T) {
	t.Parallel()
	var all []bifrost.Progress
	for _, name := range []string{"payments", "orders@Xk3hU0pRQ6Wl9yqF7aTzKw", "orders"} {
		for _, n := range []int32{1, 0} {
			all = append(all, bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: n}})
		}
	}
	for glob, want := range map[string]int{"orders": 4, "orders@*": 2, "pay*": 2, "*": 6, "none": 0} {
		filter, err := bifrost.NewTopicFilter([]string{glob}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := Partitions(all, filter); len(got) != want {
			t.Errorf("%s selects %v", glob, got)
		}
	}
}
