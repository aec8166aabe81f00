package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// archived is a partition of so many objects of three records each, a second from
// record to record, with a gap and a planned range behind them.
func archived(t *testing.T, objects int) (*bifrosttest.Ledger, *bifrosttest.Store, bifrost.Partition) {
	t.Helper()
	ledger, store, p := bifrosttest.NewLedger(), bifrosttest.NewStore(), bifrost.Partition{Name: "orders"}
	start := int64(0)
	for range objects {
		var content bytes.Buffer
		w := baldr.NewWriter(&content, baldr.Options{})
		for offset := start; offset < start+3; offset++ {
			if err := w.WriteRecord(&baldr.Record{Offset: offset, Timestamp: 1000 * offset, Value: fmt.Append(nil, offset)}); err != nil {
				t.Fatal(err)
			}
		}
		summary, err := w.Close(baldr.Summary{Topic: "orders", Start: start, End: start + 3})
		if err != nil {
			t.Fatal(err)
		}
		row := bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: start + 3}, State: bifrost.StateArchived}
		row.Facts = bifrost.Facts{Key: bifrost.ObjectKey("g", p, start, 0), Range: row.Range, Records: 3,
			FirstTimestamp: summary.FirstTimestamp, LastTimestamp: summary.LastTimestamp}
		store.Put(row.Facts.Key, content.Bytes())
		ledger.Poke(row)
		start += 3
	}
	ledger.Poke(bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: start + 2}, State: bifrost.StateLost})
	ledger.Poke(bifrost.Row{Partition: p, Range: bifrost.Range{Start: start + 2, End: start + 5}, State: bifrost.StatePlanned})
	return ledger, store, p
}

// ls lists what the bounds, the times and the state select, each by itself and
// together, and nothing else.
func TestLsListsWhatIsSelected(t *testing.T) {
	t.Parallel()
	ledger, _, p := archived(t, 3) // seconds 0 to 2, 3 to 5, 6 to 8
	for _, c := range []struct {
		settings.Selection
		state string
		want  []int64 // starts
	}{
		{want: []int64{0, 3, 6, 9, 11}},
		{Selection: settings.Selection{Since: "1970-01-01T00:00:03.000Z"}, want: []int64{3, 6}},
		{Selection: settings.Selection{Since: "1970-01-01T00:00:02.000Z"}, want: []int64{0, 3, 6}},
		{Selection: settings.Selection{Since: "1970-01-01T00:00:09.000Z"}},
		{Selection: settings.Selection{Until: "1970-01-01T00:00:03.000Z"}, want: []int64{0}},
		{Selection: settings.Selection{Until: "1970-01-01T00:00:03.001Z"}, want: []int64{0, 3}},
		{Selection: settings.Selection{Since: "1970-01-01T00:00:03.000Z", Until: "1970-01-01T00:00:06.000Z"}, want: []int64{3}},
		{Selection: settings.Selection{From: 4}, want: []int64{3, 6, 9, 11}},
		{Selection: settings.Selection{To: 6}, want: []int64{0, 3}},
		{Selection: settings.Selection{From: 3, To: 7, Since: "1970-01-01T00:00:05.500Z"}, want: []int64{6}},
		{state: "LOST", want: []int64{9}},
		{state: "ARCHIVED", Selection: settings.Selection{Since: "1970-01-01T00:00:06.000Z"}, want: []int64{6}},
		{state: "PLANNED", want: []int64{11}},
	} {
		l := &ls{Selection: c.Selection, state: c.state}
		if err := l.ParseFlags(nil, time.Now()); err != nil {
			t.Fatal(err)
		}
		var starts []int64
		err := l.eachRow(t.Context(), ledger, []bifrost.Progress{{Partition: p}}, func(r bifrost.Row) error {
			starts = append(starts, r.Start)
			return nil
		})
		if err != nil || !slices.Equal(starts, c.want) {
			t.Errorf("since %q until %q from %d to %d state %q: ranges from %v, want %v; error %v",
				c.Since, c.Until, c.From, c.To, c.state, starts, c.want, err)
		}
	}
}

// cat --last prints so many records, the last ones, wherever objects begin.
func TestCatPrintsTheLast(t *testing.T) {
	t.Parallel()
	ledger, store, p := archived(t, 3)
	for last := int64(1); last <= 11; last++ {
		k := &cat{last: last}
		var got []int64
		for record, err := range k.partitionRecords(t.Context(), &readback.Reader{Catalogue: ledger, Objects: store}, readback.Query{Partition: p}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, record.Offset)
		}
		var want []int64
		for offset := max(0, 9-last); offset < 9; offset++ {
			want = append(want, offset)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the last %d: offsets %v, want %v", last, got, want)
		}
	}
}

// The globs of restore and drill are those of IncludeTopics and ExcludeTopics: one that
// excludes wins, and one that is none is refused with its flag.
func TestTopicsOfARestore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		topics, exclude string
		selected        string // of orders, orders-tmp and payments
		refused         string
	}{
		{"", "", "orders orders-tmp payments", ""},
		{"orders*", "", "orders orders-tmp", ""},
		{"", "*-tmp, payments", "orders", ""},
		{"orders*,payments", "orders-*", "orders payments", ""},
		{"orders", "*", "", ""},
		{"[o", "", "", "--topics"},
		{"", "[o", "", "--exclude"},
		{"", " , ", "", "--exclude"},
	} {
		filter, err := (&restoreFlags{topics: c.topics, exclude: c.exclude}).filter()
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%q, %q: %v", c.topics, c.exclude, err)
			}
			continue
		}
		var selected []string
		for _, topic := range []string{"orders", "orders-tmp", "payments"} {
			if filter.Selects(topic) {
				selected = append(selected, topic)
			}
		}
		if got := strings.Join(selected, " "); err != nil || got != c.selected {
			t.Errorf("%q, %q: %s are selected: %v", c.topics, c.exclude, got, err)
		}
	}
}

// cat --merge and cat --last print by time whatever of a record is printed, and else
// partition by partition: the order needs what the format does not. What is held back to
// the end is what was read, although the reader uses its memory again.
func TestCatMergesByTime(t *testing.T) {
	t.Parallel()
	const each = 40
	ledger, store := bifrosttest.NewLedger(), bifrosttest.NewStore()
	var partitions []bifrost.Progress
	var merged, oneByOne []string
	for number := range int32(3) {
		p := bifrost.Partition{Name: "orders", Number: number}
		var content bytes.Buffer
		w := baldr.NewWriter(&content, baldr.Options{MemberBytes: 64})
		for offset := range int64(each) {
			second := 3*offset + 2 - int64(number) // of partitions 2, 1, 0, 2, 1, 0 ...
			record := baldr.Record{Offset: offset, Timestamp: 1000 * second, Value: fmt.Append(nil, second)}
			if err := w.WriteRecord(&record); err != nil {
				t.Fatal(err)
			}
			merged, oneByOne = append(merged, fmt.Sprint(len(merged))), append(oneByOne, fmt.Sprint(second))
		}
		if _, err := w.Close(baldr.Summary{Topic: "orders", Partition: number, Start: 0, End: each}); err != nil {
			t.Fatal(err)
		}
		row := bifrost.Row{Partition: p, Range: bifrost.Range{Start: 0, End: each}, State: bifrost.StateArchived}
		row.Facts = bifrost.Facts{Key: bifrost.ObjectKey("g", p, 0, 0), Range: row.Range, Records: each}
		store.Put(row.Facts.Key, content.Bytes())
		ledger.Poke(row)
		partitions = append(partitions, bifrost.Progress{Partition: p})
	}
	all := len(merged)
	for _, c := range []struct {
		k    cat
		want []string
	}{
		{cat{}, oneByOne},
		{cat{last: each}, oneByOne},
		{cat{merge: true}, merged},
		{cat{merge: true, last: each + 1}, merged},
		{cat{last: 1, lastInAll: 1}, merged[all-1:]},
		{cat{last: 2, lastInAll: 2, merge: true}, merged[all-2:]},
		{cat{last: 32, lastInAll: 32}, merged[all-32:]},
		{cat{last: int64(all), lastInAll: int64(all)}, merged},
		{cat{last: int64(all) + 1, lastInAll: int64(all) + 1}, merged},
	} {
		for name, format := range recordfmt.Formats {
			reader := &readback.Reader{Catalogue: ledger, Objects: store}
			var got []string
			for record, err := range c.k.joinRecords(t.Context(), reader, partitions, format) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(record.Value))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s, merge %v, last %d, last of all %d: %v, want %v", name, c.k.merge, c.k.last, c.k.lastInAll, got, c.want)
			}
		}
	}
}

// Days are refused as the template refuses them, each at its bound.
func TestDaysThatInitTakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		transition, expiration, captures, lock int32
		refused                                string // the flag; empty for none
	}{
		{0, 0, 90, 30, ""},
		{0, 0, 0, 1, ""},
		{0, 0, 90, 0, "--lock-days"},
		{0, 0, 90, -1, "--lock-days"},
		{0, 1, 90, 30, ""},
		{-1, 0, 90, 30, "--transition-days"},
		{0, -1, 90, 30, "--expiration-days"},
		{0, 0, -1, 30, "--capture-days"},
		{1, 0, 90, 30, ""}, // objects are kept
		{29, 30, 90, 30, ""},
		{30, 30, 90, 30, "--transition-days"},
		{31, 30, 90, 30, "--transition-days"},
		{1, 1, 90, 30, "--transition-days"},
		{1, 2, 90, 30, ""},
		{29, 30, 30, 30, ""},
	} {
		i := &initializer{bucket: s3store.BucketSettings{TransitionClass: "GLACIER_IR", TransitionDays: c.transition,
			ExpirationDays: c.expiration, CaptureDays: c.captures, LockDays: c.lock}}
		err, refused := i.check(), c.refused != ""
		if usage.Is(err) != refused || refused && !strings.HasPrefix(err.Error(), c.refused) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
