package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// files are those of jobs that nobody runs.
func filesOfNobody(t *testing.T) (f Files, put func(id, name string, value any)) {
	t.Helper()
	store := bifrosttest.NewStore()
	f = Files{Group: "g", Bucket: store}
	return f, func(id, name string, value any) {
		t.Helper()
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		store.Put(f.keyOf(id, name), append(text, '\n'))
	}
}

func putItems(t *testing.T, f Files, id string, items ...Item) {
	t.Helper()
	var lines []byte
	for i, item := range items {
		item.Number = i + 1
		text, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, text...), '\n')
	}
	f.Bucket.(*bifrosttest.Store).Put(f.keyOf(id, itemsFile), lines)
}

// What many items are done of is added up, each for as much as it has and no more, of each job
// for itself; what is not planned yet is looked for again.
func TestStatusOfManyItems(t *testing.T) {
	t.Parallel()
	f, put := filesOfNobody(t)
	now := time.Unix(6000, 0)
	m := &manualMachine{states: map[string]Execution{"a:one-1": {State: "ABORTED"}, "a:one-2": {State: StateRunning}, "a:two-1": {State: StateRunning}}}
	c := &Control{Files: f, Machine: m, Now: func() time.Time { return now }}
	put("one", specFile, replayOf("one", "a:b"))
	put("two", specFile, replayOf("two", "a:b"))
	put("one", "runs/one-2.json", Run{Execution: "a:one-2", At: now})
	put("one", "runs/one-1.json", Run{Execution: "a:one-1", At: now.Add(-time.Hour)})
	put("two", "runs/two-1.json", Run{Execution: "a:two-1", At: now})
	for range 2 {
		if s, err := c.Status(t.Context(), "one"); err != nil || s.Items != 0 || s.Runs != 2 || s.Execution != "a:one-2" ||
			!s.Begun.Equal(now) || s.Report != nil {
			t.Errorf("before its plan: %+v, %v", s, err)
		}
	}
	putItems(t, f, "one", Item{Records: 100, Bytes: 1000}, Item{Records: 200, Bytes: 4000}, Item{Records: 300, Bytes: 9000},
		Item{Records: 400, Bytes: 16000}, Item{Bytes: 7}, Item{Records: 500, Bytes: 25000})
	putItems(t, f, "two", Item{Records: 5, Bytes: 50})
	put("one", doneFiles+doneName(2), Done{Item: 2})
	put("one", doneFiles+doneName(6), Done{Item: 6})
	for _, name := range []string{"000001-50", "000001-40", "000002-150", "000003-999", "000005-1"} {
		put("one", minuteFiles(now.Add(-time.Minute))+name+".json", Done{})
	}
	want := Status{ID: "one", Kind: KindReplay, State: StateRunning, Execution: "a:one-2", Runs: 2, Items: 6, Done: 2, AtWork: 2,
		Records: 1500, Bytes: 55007, DoneRecords: 200 + 500 + 50 + 300, DoneBytes: 4000 + 25000 + 500 + 9000}
	for range 2 {
		got, err := c.Status(t.Context(), "one")
		got.Begun = time.Time{}
		if err != nil || got != want {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
		if s, err := c.Status(t.Context(), "two"); err != nil || s.Items != 1 || s.Records != 5 || s.Bytes != 50 || s.Done != 0 {
			t.Errorf("the other job: %+v, %v", s, err)
		}
	}
	// The report is that of the last execution, and else the end of the job.
	put("one", reportFile, Report{ID: "the end"})
	if s, err := c.Status(t.Context(), "one"); err != nil || !s.Complete || s.Report == nil || s.Report.ID != "the end" {
		t.Errorf("complete: %+v, %v", s, err)
	}
	put("one", "reports/one-2.json", Report{ID: "the last"})
	put("one", "reports/one-1.json", Report{ID: "the first"})
	if s, err := c.Status(t.Context(), "one"); err != nil || !s.Complete || s.Report.ID != "the last" {
		t.Errorf("complete, by an execution: %+v, %v", s.Report, err)
	}
}

// An execution that ends before its plan is told as the machine tells it.
func TestFollowingWhatIsNeverPlanned(t *testing.T) {
	t.Parallel()
	f, put := filesOfNobody(t)
	put("one", specFile, replayOf("one", "a:b"))
	put("one", "runs/one-1.json", Run{Execution: "a:one-1", At: time.Unix(1, 0)})
	m := &manualMachine{states: map[string]Execution{"a:one-1": {State: "ABORTED", Error: "first"}, "a:one-2": {State: StateRunning}}}
	c := &Control{Files: f, Machine: m, Now: time.Now}
	for _, id := range []string{"one", "new"} { // a second execution of a job, and the first of another
		execution := "a:" + id + "-2"
		waits := 0
		m.states[execution] = Execution{State: StateRunning}
		s, err := c.Follow(t.Context(), id, execution, func(context.Context) error {
			if waits++; waits == 3 {
				m.states[execution] = Execution{State: "FAILED", Error: "refused", Ended: time.Unix(7, 0)}
			}
			return nil
		}, func(Status) { t.Error("shown, before it is planned") })
		if err != nil || waits != 3 || s.ID != id || s.Execution != execution || s.State != "FAILED" || s.Error != "refused" ||
			!s.Ended.Equal(time.Unix(7, 0)) {
			t.Errorf("%s: %+v after %d looks, %v", id, s, waits, err)
		}
	}
	// One that ended and is planned is told with all that is known of it.
	if s, err := c.Follow(t.Context(), "one", "a:one-1", nil, func(Status) {}); err != nil || s.State != "ABORTED" || s.Runs != 1 {
		t.Errorf("ended before: %+v, %v", s, err)
	}
	stopped := errors.New("stopped")
	m.states["a:one-1"] = Execution{State: StateRunning}
	if _, err := c.Follow(t.Context(), "one", "a:one-1", func(context.Context) error { return stopped }, func(Status) {}); !errors.Is(err, stopped) {
		t.Errorf("stopped: %v", err)
	}
}

// Names of executions have the time of one zone, so that they are different and in order.
func TestNamesOfExecutions(t *testing.T) {
	t.Parallel()
	f, _ := filesOfNobody(t)
	m := &manualMachine{states: map[string]Execution{}}
	c := &Control{Files: f, Machine: m, Now: func() time.Time {
		return time.Date(2024, 2, 29, 23, 30, 0, 0, time.FixedZone("west", -3600))
	}}
	if arn, err := c.Start(t.Context(), replayOf("one", "a:b")); err != nil || nameOf(arn) != "one-20240301T003000" {
		t.Errorf("%s, %v", arn, err)
	}
}

// A report adds up what was done of every item, and tells the last failure of each that is not.
func TestReportOfManyItems(t *testing.T) {
	t.Parallel()
	f, put := filesOfNobody(t)
	items := make([]Item, 32)
	putItems(t, f, "one", items...)
	for n := 1; n <= 8; n++ {
		settled := Done{Item: n, Records: int64(n), Bytes: int64(10 * n), Unlisted: int64(n),
			Export:     &Exported{int64(n), int64(2 * n), int64(3 * n), int64(4 * n), int64(5 * n), int64(6 * n)},
			Violations: make([]verify.Violation, n)}
		if err := f.settleItem(t.Context(), "one", settled); err != nil {
			t.Fatal(err)
		}
		put("one", fmt.Sprintf("failures/%06d/a.json", n), Failure{Item: n, Error: "before it was done"})
	}
	at := func(item, second int) Failure {
		return Failure{Item: item, Error: fmt.Sprintf("%d at %d", item, second), At: time.Unix(int64(second), 0).UTC()}
	}
	put("one", "failures/000009/a.json", at(9, 1))
	put("one", "failures/000009/b.json", at(9, 3))
	put("one", "failures/000009/c.json", at(9, 2))
	put("one", "failures/000010/a.json", at(10, 6))
	want := []Failure{at(9, 3), at(10, 6), at(11, 5)}
	for n := 13; n <= 32; n++ {
		want = append(want, at(n, 7))
		put("one", fmt.Sprintf("failures/%06d/a.json", n), at(n, 7))
	}
	put("one", "failures/000011/a.json", at(11, 5))
	put("one", "failures/000011/b.json", at(11, 4))
	r := &Runner{Files: f}
	report, err := r.sumReport(t.Context(), Spec{ID: "one", Kind: KindExport})
	if err != nil || report.Items != 32 || report.Done != 8 || report.Failed != 24 || report.Records != 36 || report.Bytes != 360 ||
		*report.Export != (Exported{36, 72, 108, 144, 180, 216}) {
		t.Errorf("%+v %+v, %v", report, report.Export, err)
	}
	if !slices.Equal(report.Failures, want) {
		t.Errorf("failures %v, want %v", report.Failures, want)
	}
	next := 0
	err = f.EachDone(t.Context(), "one", func(d Done) error {
		if next++; d.Item != next || d.Unlisted != int64(next) || len(d.Violations) != next {
			t.Errorf("item %d comes as %d, with %d violations", next, d.Item, len(d.Violations))
		}
		return nil
	})
	if err != nil || next != 8 {
		t.Errorf("%d items, %v", next, err)
	}
}
