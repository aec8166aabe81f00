package restore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// Whatever of a record is another one is seen, null and empty told apart.
func TestDrillSeesEveryChange(t *testing.T) {
	t.Parallel()
	archived := baldr.Record{Timestamp: 5, Key: []byte("k"), Value: []byte{}, Headers: []baldr.Header{{Key: []byte("h"), Value: nil}, {Key: []byte("h"), Value: []byte("2")}}}
	restored := func(change func(*kgo.Record)) *kgo.Record {
		r := &kgo.Record{
			Timestamp: time.UnixMilli(5), Key: []byte("k"), Value: []byte{}, Offset: 77,
			Headers: []kgo.RecordHeader{{Key: "h"}, {Key: "h", Value: []byte("2")}},
		}
		change(r)
		return r
	}
	if !same(&archived, restored(func(*kgo.Record) {})) {
		t.Error("the same record is another one")
	}
	for name, change := range map[string]func(*kgo.Record){
		"time":             func(r *kgo.Record) { r.Timestamp = time.UnixMilli(6) },
		"key":              func(r *kgo.Record) { r.Key = nil },
		"null for empty":   func(r *kgo.Record) { r.Value = nil },
		"value":            func(r *kgo.Record) { r.Value = []byte("v") },
		"order of headers": func(r *kgo.Record) { slices.Reverse(r.Headers) },
		"a header less":    func(r *kgo.Record) { r.Headers = r.Headers[1:] },
		"empty for null":   func(r *kgo.Record) { r.Headers[0].Value = []byte{} },
		"a header's name":  func(r *kgo.Record) { r.Headers[0].Key = "g" },
	} {
		if same(&archived, restored(change)) {
			t.Errorf("%s: the change is not seen", name)
		}
	}
}

// A sample has topics with records, as many as fit, and one at least.
func TestDrillChoosesWhatFits(t *testing.T) {
	t.Parallel()
	topic := func(name string, records, bytes int64) Topic {
		return Topic{Topic: capture.Topic{Name: name}, Partitions: []Partition{{Records: records, Bytes: bytes}}}
	}
	topics := []Topic{topic("a", 1, 10), topic("b", 1, 20), topic("empty", 0, 0), topic("c", 1, 30)}
	for range 50 {
		if got := choose(topics, 60); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Fatalf("of 60 bytes %v were chosen", got)
		}
		if got := choose(topics, 5); len(got) != 1 || got[0] == "empty" {
			t.Fatalf("of 5 bytes %v were chosen", got)
		}
		if got := choose(topics, 25); len(got) != 1 {
			t.Fatalf("of 25 bytes %v were chosen", got)
		}
	}
}

// A drill compares a sample with the archive, says how long all would take, and measures
// nothing where the sample is there already.
func TestDrillOfASample(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	began := capturedAt
	w.Now = func() time.Time { began = began.Add(time.Second); return began }
	drill, err := w.Drill(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if !drill.Stands() || len(drill.Wrong) > 0 {
		t.Errorf("wrong %q, refused %q", drill.Wrong, drill.Refusals)
	}
	got := fmt.Sprint(drill.Topics, drill.Records, drill.Bytes, drill.Positions, drill.AllTopics, drill.AllRecords, drill.AllBytes)
	if want := "[orders payments] 104 933 8 3 105 933"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if drill.Seconds <= 0 || drill.AllSeconds != drill.Seconds {
		t.Errorf("the sample, which is all, took %g seconds, and all takes %g", drill.Seconds, drill.AllSeconds)
	}
	refused := "[the target has topics of the sample already, orders, payments, so that nothing would be measured: " +
		"delete them there, or choose others with --topics]"
	again, err := w.Drill(t.Context(), 1<<20)
	if err != nil || fmt.Sprint(again.Refusals) != refused || again.Restore != nil || again.Stands() {
		t.Errorf("a second drill: %+v, %v", again, err)
	}
}

// A planned drill says what would be restored, and leaves nothing in the target: the drill after it
// restores all of it.
func TestAPlannedDrillWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	plan, err := w.PlannedDrill(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Plan || !plan.Restore.Plan || fmt.Sprint(plan.Topics) != "[orders payments]" || plan.Restore.Bytes != 933 || plan.Records != 0 {
		t.Errorf("planned %+v of %+v", plan, plan.Restore)
	}
	if drill, err := w.Drill(t.Context(), 1<<20); err != nil || drill.Plan || !drill.Stands() {
		t.Errorf("the drill after it: %+v, %v", drill, err)
	}
	again, err := w.PlannedDrill(t.Context(), 1<<20)
	if err != nil || len(again.Refusals) != 1 || !strings.Contains(again.Refusals[0], "already, orders, payments, so") ||
		again.Restore != nil || again.Stands() {
		t.Errorf("a plan of a second drill: %+v, %v", again, err)
	}
}

// All takes as long as the sample, times what there is more of.
func TestDrillOfAPart(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	began := capturedAt
	w.Now = func() time.Time { began = began.Add(time.Second); return began }
	drill, err := w.Drill(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(drill.Topics) != 1 || drill.Bytes >= drill.AllBytes || len(drill.Restore.Topics) != 1 {
		t.Errorf("%+v", drill)
	}
	if want := drill.Seconds * float64(drill.AllBytes) / float64(drill.Bytes); drill.Seconds <= 0 || drill.AllSeconds != want {
		t.Errorf("all takes %g seconds, want %g", drill.AllSeconds, want)
	}
}

// Whatever of a partition is not as it was is told: records, their number, where groups
// stand.
func TestDrillTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	plan := w.look()
	if _, err := w.Restorer.Run(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	ends, err := w.stableEnds(t.Context(), []string{"orders"})
	if err != nil {
		t.Fatal(err)
	}
	last, _ := ends.Lookup("orders", 0)
	end := last.Offset
	all := plan.Topics[0].Partitions[0]
	other := newWhole(t)
	other.Client = w.Client
	other.store.Delete(bifrost.ObjectKey("g", bifrost.Partition{Name: "orders"}, 30, 0))
	part := all
	part.branches = []branch{{all.branches[0].row, bifrost.Range{Start: 10, End: 59}}}
	swapped := all
	swapped.branches = []branch{{all.branches[0].row, bifrost.Range{Start: 11, End: 60}}}
	position := func(source, at int64) PositionReport {
		return PositionReport{Topic: "orders", Source: source, Committed: &at}
	}
	for name, c := range map[string]struct {
		by        *whole
		partition Partition
		end       int64
		positions []PositionReport
		records   int64
		want      string
	}{
		"nothing":                         {w, all, end, []PositionReport{position(10, 0), position(17, 7), position(18, 7), position(60, end), position(70, end)}, 49, ""},
		"the last record is not there":    {w, all, 48, nil, 48, "the record at source offset 59 of orders is not there, or is another one"},
		"a record more":                   {w, part, end, nil, 48, "it has more records than there were"},
		"another record":                  {w, swapped, end, nil, 0, "the record at source offset 11 of orders is not there, or is another one"},
		"a group one record behind":       {w, all, end, []PositionReport{position(18, 6)}, 8, "a group stood at 18 and stands at 6, and its next record is at 7"},
		"the second of two groups":        {w, all, end, []PositionReport{position(18, 7), position(18, 8)}, 8, "a group stood at 18 and stands at 8, and its next record is at 7"},
		"a group that is not at the end":  {w, all, end, []PositionReport{position(60, 48)}, 49, fmt.Sprintf("a group stood at 60, behind all records, and stands at 48 instead of the end, %d", end)},
		"an object that cannot be opened": {other, all, end, nil, 19, "error"},
	} {
		records, wrong, err := c.by.comparePartition(t.Context(), "orders", c.partition, c.end, c.positions)
		if (c.want == "error") != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && wrong != c.want || records != c.records {
			t.Errorf("%s: %d records, %q; want %d, %q", name, records, wrong, c.records, c.want)
		}
	}
}
