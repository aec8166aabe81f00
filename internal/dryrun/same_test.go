package dryrun_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/dryrun"
)

var day = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// A rehearsal refuses what the tables refuse, and shows what they would show: any
// writes of a tick, met by any conditions, on both.
func TestARehearsalIsAsStrictAsTheTables(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tables, under := bifrosttest.NewLedger(), bifrosttest.NewLedger()
		for range rapid.IntRange(0, 8).Draw(t, "writes of before") {
			do := someWrite(t, tables)
			same(t, "before", do(tables), do(under))
		}
		before := under.AllRows()
		rehearsed := dryrun.NewLedger(under)
		for range rapid.IntRange(1, 12).Draw(t, "writes") {
			do := someWrite(t, tables)
			same(t, "rehearsed", do(tables), do(rehearsed))
			compareReads(t, tables, rehearsed)
		}
		if after := under.AllRows(); !slices.Equal(before, after) {
			t.Fatalf("the rehearsal wrote: rows %+v, before %+v", after, before)
		}
	})
}

// A row that was suspected since a tick has read it is not planned by what it read,
// nor the other way around. The property above draws such rows now and then only.
func TestARehearsalIsAsSuspiciousAsTheTables(t *testing.T) {
	t.Parallel()
	calm := bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, Generation: "one", Status: bifrost.StatusOpen}
	suspected, later := calm, calm
	suspected.Suspicion, suspected.SuspectedAt = "gone", day
	later.Suspicion, later.SuspectedAt = "gone", day.Add(time.Minute)
	all := []bifrost.Progress{calm, suspected, later}
	for i, there := range all {
		for j, read := range all {
			under := bifrosttest.NewLedger()
			under.PokeProgress(there)
			row := bifrost.Row{Partition: read.Partition, Range: bifrost.Range{End: 1}, State: bifrost.StatePlanned}
			write := bifrost.PlanWrite{Progress: read, PlannedOffset: 1, Rows: []bifrost.Row{row}}
			err := dryrun.NewLedger(under).Plan(t.Context(), write)
			if i == j && err != nil || i != j && !errors.Is(err, bifrost.ErrConflict) {
				t.Errorf("a row with %q since %s, planned as one with %q since %s: %v",
					there.Suspicion, there.SuspectedAt, read.Suspicion, read.SuspectedAt, err)
			}
		}
	}
}

// What a rehearsal has planned comes in pages as any other rows do.
func TestARehearsalKeepsLimits(t *testing.T) {
	t.Parallel()
	under := bifrosttest.NewLedger()
	p := bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, Generation: "one", Status: bifrost.StatusOpen}
	under.PokeProgress(p)
	rehearsed := dryrun.NewLedger(under)
	write := bifrost.PlanWrite{Progress: p, PlannedOffset: 3}
	for n := range int64(3) {
		write.Rows = append(write.Rows, bifrost.Row{Partition: p.Partition, Range: bifrost.Range{Start: n, End: n + 1}, State: bifrost.StatePlanned})
	}
	if err := rehearsed.Plan(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	for limit := 1; limit < 5; limit++ {
		rows, err := rehearsed.Rows(t.Context(), p.Partition, 0, limit)
		if err != nil || len(rows) != min(limit, 3) || rows[0].Start != 0 {
			t.Errorf("at most %d rows: %+v, error %v", limit, rows, err)
		}
	}
}

// What a rehearsal tells is in order of topics, partitions and offsets, in whatever order a tick came by.
func TestWhatARehearsalTellsIsInOrder(t *testing.T) {
	t.Parallel()
	under := bifrosttest.NewLedger()
	rehearsed := dryrun.NewLedger(under)
	var want, got []string
	for _, partition := range []bifrost.Partition{{Name: "orders", Number: 10}, {Name: "orders", Number: 9}, {Name: "clicks"}} {
		p := bifrost.Progress{Partition: partition, Generation: "one", Status: bifrost.StatusOpen}
		if err := rehearsed.CreateProgress(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		write := bifrost.PlanWrite{Progress: p, PlannedOffset: 40}
		var told []string
		for n := range int64(40) {
			row := bifrost.Row{Partition: p.Partition, Range: bifrost.Range{Start: n, End: n + 1}, State: bifrost.StatePlanned}
			write.Rows, told = append(write.Rows, row), append(told, row.Partition.String()+row.Range.String())
		}
		if err := rehearsed.Plan(t.Context(), write); err != nil {
			t.Fatal(err)
		}
		want = append(told, want...)
	}
	for _, row := range rehearsed.Planned() {
		got = append(got, row.Partition.String()+row.Range.String())
	}
	if made := fmt.Sprint(rehearsed.Made()); !slices.Equal(got, want) || made != "[clicks/0 orders/9 orders/10]" {
		t.Errorf("made %s, planned %v", made, got)
	}
}

// What a tick writes seldom is refused as the tables refuse it, and shown as they would show it.
func TestARehearsalOfSeldomWrites(t *testing.T) {
	t.Parallel()
	ctx, under := t.Context(), bifrosttest.NewLedger()
	p := bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, Generation: "one", Status: bifrost.StatusOpen, NextOffset: 2, PlannedOffset: 4}
	under.PokeProgress(p)
	row := bifrost.Row{Partition: p.Partition, Range: bifrost.Range{Start: 4, End: 5}, State: bifrost.StatePlanned, Error: "throttled"}
	under.Poke(row)
	rehearsed := dryrun.NewLedger(under)
	for _, from := range []int64{1, 3, 2} {
		write := bifrost.AdvanceWrite{Partition: p.Partition, Generation: "one", From: from, To: 3}
		if err := rehearsed.Advance(ctx, write); errors.Is(err, bifrost.ErrConflict) != (from != 2) || from == 2 && err != nil {
			t.Errorf("advanced from offset %d: %v", from, err)
		}
	}
	if now, err := rehearsed.Progress(ctx, p.Partition); err != nil || now.NextOffset != 3 {
		t.Errorf("advanced to %d, %v", now.NextOffset, err)
	}
	leased, err := rehearsed.Lease(ctx, row, "0.a", 2, day)
	if err != nil || leased.Error != "" || leased.Invocation != "0.a" || leased.Attempts != 2 || !leased.LeaseUntil.Equal(day) {
		t.Errorf("leased %+v, %v", leased, err)
	}
	planned := bifrost.PlanWrite{Progress: p, PlannedOffset: 5, Rows: []bifrost.Row{row}}
	if err := rehearsed.Plan(ctx, planned); !errors.Is(err, bifrost.ErrConflict) {
		t.Errorf("planned over a row that is there: %v", err)
	}
	marks := []bifrost.TablesMark{{Series: "one"}, {Series: "one", Next: "two"}, {Series: "one", Number: 1}}
	for _, there := range marks {
		for _, read := range marks {
			l := bifrosttest.NewLedger()
			if err := l.SetMark(ctx, bifrost.TablesMark{}, there); err != nil {
				t.Fatal(err)
			}
			err := dryrun.NewLedger(l).SetMark(ctx, read, bifrost.TablesMark{Series: "one", Number: 2})
			if fits := there == read; fits != (err == nil) || !fits && !errors.Is(err, bifrost.ErrConflict) {
				t.Errorf("%+v is there, counted up from %+v: %v", there, read, err)
			}
		}
	}
	p.NextOffset = 3
	if err := rehearsed.DeleteProgress(ctx, p); err != nil || fmt.Sprint(rehearsed.Dropped()) != "[orders/0]" {
		t.Errorf("dropped %v, %v", rehearsed.Dropped(), err)
	}
	fresh := dryrun.NewLedger(bifrosttest.NewLedger())
	open := bifrost.Progress{Partition: p.Partition, Generation: "one", Status: bifrost.StatusOpen}
	row.Range = bifrost.Range{End: 1}
	if err := errors.Join(fresh.CreateProgress(ctx, open), fresh.Plan(ctx, bifrost.PlanWrite{Progress: open, PlannedOffset: 1, Rows: []bifrost.Row{row}})); err != nil {
		t.Fatal(err)
	}
	if all, err := fresh.ListPlanned(ctx); err != nil || len(all) != 1 {
		t.Errorf("planned %+v, %v; want what the rehearsal has planned", all, err)
	}
}

// A rehearsal shows each field that a write sets, and keeps each that it leaves alone.
func TestARehearsalShowsEachField(t *testing.T) {
	t.Parallel()
	open := bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, Generation: "one", Status: bifrost.StatusOpen, PlannedEpoch: 5}
	open.Observation = bifrost.Observation{LastStable: 5, LeaderEpoch: 4, At: day}
	fencing, opened := open, open
	fencing.Status = bifrost.StatusFencing
	opened.KnownUntil, opened.StartOffset, opened.PlannedEpoch = 3, 1, -1
	blocked := bifrost.StatusWrite{Progress: open, Status: bifrost.StatusBlocked, Error: "a transaction has been open"}
	seen := blocked
	seen.Observation = bifrost.Observation{LastStable: 7, LeaderEpoch: 6, At: day.Add(time.Hour)}
	for name, c := range map[string]struct {
		there bifrost.Progress
		do    func(l bifrost.Ledger) error
	}{
		"a status":                     {open, func(l bifrost.Ledger) error { return l.ChangeStatus(t.Context(), blocked) }},
		"a status with an observation": {open, func(l bifrost.Ledger) error { return l.ChangeStatus(t.Context(), seen) }},
		"an opened partition":          {fencing, func(l bifrost.Ledger) error { return l.OpenProgress(t.Context(), opened) }},
	} {
		tables, under := bifrosttest.NewLedger(), bifrosttest.NewLedger()
		tables.PokeProgress(c.there)
		under.PokeProgress(c.there)
		rehearsed := dryrun.NewLedger(under)
		if err := errors.Join(c.do(tables), c.do(rehearsed)); err != nil {
			t.Fatal(name, err)
		}
		want, _ := tables.Progress(t.Context(), open.Partition)
		got, _ := rehearsed.Progress(t.Context(), open.Partition)
		if got != want {
			t.Errorf("%s: the tables show\n%#v\nthe rehearsal\n%#v", name, want, got)
		}
	}
}

func same(t *rapid.T, what string, want, got error) {
	t.Helper()
	for _, kind := range []error{bifrost.ErrConflict, bifrost.ErrNotFound} {
		if errors.Is(want, kind) != errors.Is(got, kind) {
			t.Fatalf("%s: the tables say %v, the rehearsal %v", what, want, got)
		}
	}
	if (want == nil) != (got == nil) {
		t.Fatalf("%s: the tables say %v, the rehearsal %v", what, want, got)
	}
}

func somePartition(t *rapid.T) bifrost.Partition {
	return bifrost.Partition{Name: "orders", Number: rapid.Int32Range(0, 1).Draw(t, "partition")}
}

// someRead is a progress row as some tick may have read it.
func someRead(t *rapid.T) bifrost.Progress {
	suspicions := []string{"", "gone"}
	p := bifrost.Progress{
		Partition: somePartition(t), Generation: rapid.SampledFrom([]string{"one", "two"}).Draw(t, "generation"),
		PlannedOffset: rapid.Int64Range(0, 3).Draw(t, "planned"), Status: rapid.SampledFrom(
			[]bifrost.Status{bifrost.StatusFencing, bifrost.StatusOpen, bifrost.StatusClosed}).Draw(t, "status"),
		Suspicion: rapid.SampledFrom(suspicions).Draw(t, "suspicion"),
	}
	if p.Suspicion != "" {
		p.SuspectedAt = day
	}
	return p
}

// asRead is what a tick has read of the tables, but for one condition at most.
func asRead(t *rapid.T, tables bifrost.Ledger) bifrost.Progress {
	other := someRead(t)
	p, err := tables.Progress(context.Background(), other.Partition)
	if err != nil {
		return other
	}
	switch rapid.IntRange(0, 7).Draw(t, "what has changed") {
	case 0:
		p.Generation = other.Generation
	case 1:
		p.PlannedOffset = other.PlannedOffset
	case 2:
		p.Status = other.Status
	case 3:
		p.Suspicion, p.SuspectedAt = other.Suspicion, other.SuspectedAt
	case 4:
		p.NextOffset = 1
	}
	return p
}

// someWrite draws a write, and does the same one to any ledger.
func someWrite(t *rapid.T, tables bifrost.Ledger) func(bifrost.Ledger) error {
	p, ctx := asRead(t, tables), context.Background()
	end := p.PlannedOffset + rapid.Int64Range(1, 2).Draw(t, "offsets")
	switch rapid.IntRange(0, 10).Draw(t, "write") {
	case 10:
		before := bifrost.TablesMark{Series: rapid.SampledFrom([]string{"", "one"}).Draw(t, "series"), Number: rapid.Int64Range(0, 2).Draw(t, "number")}
		after := bifrost.TablesMark{Series: "one", Number: before.Number + 1}
		return func(l bifrost.Ledger) error { return l.SetMark(ctx, before, after) }
	case 0, 1:
		p.Status, p.PlannedOffset, p.Suspicion, p.SuspectedAt = bifrost.StatusFencing, 0, "", time.Time{}
		return func(l bifrost.Ledger) error { return l.CreateProgress(ctx, p) }
	case 2:
		p.FencedAt = day
		return func(l bifrost.Ledger) error { return l.FenceProgress(ctx, p) }
	case 3, 4:
		p.KnownUntil, p.StartOffset = rapid.Int64Range(0, 2).Draw(t, "known"), rapid.Int64Range(0, 2).Draw(t, "start")
		return func(l bifrost.Ledger) error { return l.OpenProgress(ctx, p) }
	case 5:
		return func(l bifrost.Ledger) error { return l.DeleteProgress(ctx, p) }
	case 6:
		w := bifrost.StatusWrite{Progress: p, Status: bifrost.StatusOpen, Suspicion: rapid.SampledFrom([]string{"", "gone"}).Draw(t, "then")}
		if w.Suspicion != "" {
			w.SuspectedAt, w.Error = day, "the topic is gone"
		}
		if rapid.Bool().Draw(t, "with an observation") {
			w.Observation = bifrost.Observation{LastStable: 7, At: day}
		}
		return func(l bifrost.Ledger) error { return l.ChangeStatus(ctx, w) }
	default:
		w := bifrost.PlanWrite{Progress: p, PlannedOffset: end, PlannedEpoch: 1, Observation: bifrost.Observation{LastStable: 9, At: day}}
		if rapid.Bool().Draw(t, "with rows") {
			w.Rows = []bifrost.Row{{Partition: p.Partition, Range: bifrost.Range{Start: p.PlannedOffset, End: end}, State: bifrost.StatePlanned, PlannedAt: day}}
		}
		return func(l bifrost.Ledger) error { return l.Plan(ctx, w) }
	}
}

func compareReads(t *rapid.T, tables, rehearsed bifrost.Ledger) {
	t.Helper()
	ctx := context.Background()
	for n := range int32(2) {
		p := bifrost.Partition{Name: "orders", Number: n}
		want, wantErr := tables.Progress(ctx, p)
		got, gotErr := rehearsed.Progress(ctx, p)
		same(t, "read progress", wantErr, gotErr)
		compare(t, "progress", want, got)
		for start := range int64(5) {
			want, wantErr := tables.Row(ctx, p, start)
			got, gotErr := rehearsed.Row(ctx, p, start)
			same(t, "read a row", wantErr, gotErr)
			compare(t, "row", want, got)
			for limit := 1; limit < 4; limit++ {
				want, _ := tables.Rows(ctx, p, start, limit)
				got, _ := rehearsed.Rows(ctx, p, start, limit)
				compare(t, fmt.Sprintf("at most %d rows from %d", limit, start), want, got)
			}
		}
	}
	mark, markErr := tables.Mark(ctx)
	shown, shownErr := rehearsed.Mark(ctx)
	same(t, "read the mark", markErr, shownErr)
	compare(t, "mark", mark, shown)
	want, _ := tables.ListProgress(ctx)
	got, _ := rehearsed.ListProgress(ctx)
	slices.SortFunc(got, func(a, b bifrost.Progress) int { return cmp.Compare(a.Number, b.Number) })
	compare(t, "all progress", want, got)
}

func compare(t *rapid.T, what string, want, got any) {
	t.Helper()
	// Not %+v: a progress row has the String of its partition. No rows are none, whether nil or empty.
	plain := func(v any) string { return strings.ReplaceAll(fmt.Sprintf("%#v", v), "(nil)", "{}") }
	if w, g := plain(want), plain(got); w != g {
		t.Fatalf("%s: the tables show\n%s\nthe rehearsal\n%s", what, w, g)
	}
}
