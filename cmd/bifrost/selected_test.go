package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
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
		{Selection: settings.Selection{Since: "3000"}, want: []int64{3, 6}},
		{Selection: settings.Selection{Since: "2000"}, want: []int64{0, 3, 6}},
		{Selection: settings.Selection{Since: "9000"}},
		{Selection: settings.Selection{Until: "3000"}, want: []int64{0}},
		{Selection: settings.Selection{Until: "3001"}, want: []int64{0, 3}},
		{Selection: settings.Selection{Since: "3000", Until: "6000"}, want: []int64{3}},
		{Selection: settings.Selection{From: 4}, want: []int64{3, 6, 9, 11}},
		{Selection: settings.Selection{To: 6}, want: []int64{0, 3}},
		{Selection: settings.Selection{From: 3, To: 7, Since: "5500"}, want: []int64{6}},
		{state: "LOST", want: []int64{9}},
		{state: "ARCHIVED", Selection: settings.Selection{Since: "6000"}, want: []int64{6}},
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
