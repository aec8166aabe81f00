package readback_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// timed is a bucket of three objects, with records of two timestamps each: 10 and 20, 20 and 30, and at the
// end one without a timestamp beside one of 40.
func timed() *bucket {
	b := newBucket("orders", 0)
	for i, times := range [][2]int64{{10, 20}, {20, 30}, {-1, 40}} {
		first := int64(2 * i)
		b.archive(first+2, baldr.Options{}, baldr.Record{Offset: first, Timestamp: times[0]}, baldr.Record{Offset: first + 1, Timestamp: times[1]})
	}
	return b
}

// TestTimesAreHalfOpen: since a time is with it, until a time is without it, and either may be left out. What
// has no timestamp comes only with everything.
func TestTimesAreHalfOpen(t *testing.T) {
	t.Parallel()
	b := timed()
	for times, want := range map[readback.Times][]int64{
		{}:                      {0, 1, 2, 3, 4, 5},
		{Since: 20}:             {1, 2, 3, 5},
		{Since: 21}:             {3, 5},
		{Since: 40}:             {5},
		{Since: 41}:             nil,
		{Until: 10}:             nil,
		{Until: 11}:             {0},
		{Until: 20}:             {0},
		{Until: 21}:             {0, 1, 2},
		{Until: 41}:             {0, 1, 2, 3, 5},
		{Since: 20, Until: 30}:  {1, 2},
		{Since: 20, Until: 21}:  {1, 2},
		{Since: 11, Until: 20}:  nil,
		{Since: 31, Until: 40}:  nil,
		{Since: 10, Until: 100}: {0, 1, 2, 3, 5},
	} {
		query := readback.Query{Partition: b.partition, Times: times}
		if got := offsets(collect(t, b.reader().Records(t.Context(), query))); !slices.Equal(got, want) {
			t.Errorf("%+v: offsets %v, want %v", times, got, want)
		}
		for _, row := range b.rows {
			var has bool
			for _, o := range want {
				has = has || row.Contains(o)
			}
			if has && !times.Overlaps(row) {
				t.Errorf("%+v: the row %s is passed over", times, row.Range)
			}
		}
	}
	for times, want := range map[readback.Times][3]bool{
		{}: {true, true, true}, {Since: 20}: {true, true, true}, {Since: 21}: {false, true, true}, {Since: 31}: {false, false, true},
		{Until: 10}: {}, {Until: 11}: {true, false, false}, {Until: 20}: {true, false, false}, {Until: 21}: {true, true, false},
	} {
		for i, row := range b.rows[:3] {
			if row.Facts.FirstTimestamp >= 0 && times.Overlaps(row) != want[i] {
				t.Errorf("%+v: the row %s overlaps: %v, want %v", times, row.Range, !want[i], want[i])
			}
		}
	}
	empty := b.row(9, bifrost.StateArchived)
	if (readback.Times{Since: 1}).Overlaps(empty) || !(readback.Times{}).Overlaps(empty) {
		t.Error("a row without records has some in no times but all")
	}
}

// takes is a gauge that reads what it is asked about, or nothing.
type takes struct {
	read    func(baldr.MemberFacts, bool) bool
	mutex   sync.Mutex
	records int64 // of members that are not read
	offsets []int64
}

func (g *takes) Member(facts baldr.MemberFacts, whole bool) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.read(facts, whole) {
		return true
	}
	g.records += facts.Records
	return false
}

func (g *takes) Record(_ bifrost.Partition, r *baldr.Record) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.offsets = append(g.offsets, r.Offset)
}

// TestMeasuringSeesWhatReadingGives: read one by one, it is told of the records of the query and no others;
// and where a member is asked for as a whole, its number is that of its records.
func TestMeasuringSeesWhatReadingGives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBucket("orders", 3)
		b.fill(rapid.IntRange(0, 9).Draw(t, "rows"), rand.New(rand.NewPCG(5, rapid.Uint64().Draw(t, "seed"))))
		query := readback.Query{Partition: b.partition}
		if rapid.Bool().Draw(t, "by offset") {
			start := rapid.Int64Range(0, b.end()+5).Draw(t, "start")
			query.Offsets = bifrost.Range{Start: start, End: start + rapid.Int64Range(1, 200).Draw(t, "length")}
		}
		if rapid.Bool().Draw(t, "by time") {
			query.Times.Since = rapid.Int64Range(0, 1000).Draw(t, "since")
			if rapid.Bool().Draw(t, "ends") {
				query.Times.Until = query.Times.Since + rapid.Int64Range(1, 500).Draw(t, "for")
			}
		}
		want := offsets(collect(t, b.reader().Records(t.Context(), query)))
		each := &takes{read: func(baldr.MemberFacts, bool) bool { return true }}
		if err := b.reader().Measure(t.Context(), query, each); err != nil {
			t.Fatal(err)
		}
		slices.Sort(each.offsets)
		if !slices.Equal(each.offsets, want) {
			t.Fatalf("query %+v: measured %v, want %v", query, each.offsets, want)
		}
		parts := &takes{read: func(_ baldr.MemberFacts, whole bool) bool { return !whole }}
		if err := b.reader().MeasureAll(t.Context(), []readback.Query{query, query}, parts); err != nil {
			t.Fatal(err)
		}
		if got := parts.records + int64(len(parts.offsets)); got != int64(2*len(want)) {
			t.Fatalf("query %+v, twice: measured %d records, want twice %d", query, got, len(want))
		}
	})
}

// TestAMemberIsWholeUpToItsBounds: members are asked for as a whole if the query holds all of them, and are
// read if it is one record or one millisecond short.
func TestAMemberIsWholeUpToItsBounds(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(20, baldr.Options{}, baldr.Record{Offset: 10, Timestamp: 100}, baldr.Record{Offset: 12, Timestamp: 200})
	for name, c := range map[string]struct {
		offsets     bifrost.Range
		times       readback.Times
		told, whole bool
	}{
		"everything":            {told: true, whole: true},
		"its records":           {offsets: bifrost.Range{Start: 10, End: 13}, told: true, whole: true},
		"not the first":         {offsets: bifrost.Range{Start: 11, End: 13}, told: true},
		"not the last":          {offsets: bifrost.Range{Start: 10, End: 12}, told: true},
		"what is before it":     {offsets: bifrost.Range{Start: 0, End: 10}},
		"what is behind it":     {offsets: bifrost.Range{Start: 13, End: 99}},
		"its times":             {times: readback.Times{Since: 100, Until: 201}, told: true, whole: true},
		"without its last time": {times: readback.Times{Since: 100, Until: 200}, told: true},
		"without the first":     {times: readback.Times{Since: 101, Until: 201}, told: true},
		"since its first":       {times: readback.Times{Since: 100}, told: true, whole: true},
		"before":                {times: readback.Times{Until: 100}},
		"after":                 {times: readback.Times{Since: 201}},
	} {
		var told, whole bool
		gauge := &takes{read: func(_ baldr.MemberFacts, all bool) bool { told, whole = true, all; return false }}
		if err := b.reader().Measure(t.Context(), readback.Query{Partition: b.partition, Offsets: c.offsets, Times: c.times}, gauge); err != nil {
			t.Fatal(err)
		}
		if told != c.told || whole != c.whole {
			t.Errorf("%s: told %v, whole %v, want %v and %v", name, told, whole, c.told, c.whole)
		}
	}
	values := newBucket("orders", 1)
	values.archive(2, baldr.Options{ValuesOnly: true}, baldr.Record{Offset: 0, Value: []byte("x")})
	if err := values.reader().Measure(t.Context(), readback.Query{Partition: values.partition}, &takes{read: func(baldr.MemberFacts, bool) bool { return true }}); err == nil || !strings.Contains(err.Error(), "archived as values only") {
		t.Errorf("an object of values only: error %v", err)
	}
	lost := timed()
	lost.store.Delete(lost.rows[1].Facts.Key)
	if err := lost.reader().Measure(t.Context(), readback.Query{Partition: lost.partition}, &takes{read: func(baldr.MemberFacts, bool) bool { return true }}); err == nil || !strings.Contains(err.Error(), "which holds offsets [2, 4) of orders/0") {
		t.Errorf("an object that is not there: error %v", err)
	}
}

// TestTheNearestNamesAreSuggested: by what was mistyped, each once, however many partitions it has.
func TestTheNearestNamesAreSuggested(t *testing.T) {
	t.Parallel()
	var all []bifrost.Progress
	for _, name := range []string{"zebra", "orders", "borders", "order", "ordres", "payments", "orders", "a", "b", "ordersx"} {
		all = append(all, bifrost.Progress{Partition: bifrost.Partition{Name: name}})
	}
	for name, want := range map[string]string{
		"Orders":   `it has 9, such as "orders", "borders", "order", "ordersx", "ordres" (`,
		"payment":  `it has 9, such as "payments", `,
		"c":        `such as "a", "b", `,
		"rders":    `such as "orders", `,
		"zebraa":   `such as "zebra", `,
		"ordersxy": `such as "ordersx", "orders", `,
		"border":   `such as "borders", "order", "orders", `,
	} {
		if _, err := readback.Topic(all, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, want)
		}
	}
}
