package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/localdispatch"
	"github.com/bifrost-archive/bifrost/internal/restore"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// spoken is an App that keeps what it prints and says.
type spoken struct {
	*app.App
	out, talk strings.Builder
}

func newSpoken() *spoken {
	s := &spoken{}
	s.App = app.New(nil, &s.out, &s.talk)
	s.Color = "never"
	return s
}

// rows are the cells of a table that was printed, without its head, by row. No cell of these
// tables has two spaces side by side.
func (s *spoken) rows() (rows [][]string) {
	for line := range strings.Lines(s.out.String()) {
		var cells []string
		for _, cell := range strings.Split(strings.TrimSpace(line), "  ") {
			if cell = strings.TrimSpace(cell); cell != "" {
				cells = append(cells, cell)
			}
		}
		rows = append(rows, cells)
	}
	return rows[1:]
}

// A sum counts from the first range on, is of raw bytes, and is said once in five seconds. What
// failed is kept, all of it, and no worker waits until somebody takes note of it.
func TestASumOfWhatWasArchived(t *testing.T) {
	t.Parallel()
	s := newSpoken()
	now := time.Unix(1000, 0)
	s.Now = func() time.Time { return now }
	w := &work{App: s.App, listed: true, done: make(chan struct{}, 1)}
	for n := range 12 {
		o := localdispatch.Outcome{Results: []bifrost.RangeResult{{Records: 10, RawBytes: 1000, StoredBytes: 100}}}
		if n < 2 {
			o.Err = fmt.Errorf("failure %d", n)
		}
		w.takeOutcome(o)
		now = now.Add(time.Second)
	}
	want := "failed: failure 0\nfailed: failure 1\n" +
		"6 ranges so far: 60 records, 6.0 kB\n11 ranges so far: 110 records, 11 kB\n"
	if got := s.talk.String(); got != want {
		t.Errorf("it says\n%swant\n%s", got, want)
	}
	if len(w.failed) != 2 || len(w.results) != 12 {
		t.Errorf("%d failures and %d results are kept, want 2 and 12", len(w.failed), len(w.results))
	}
}

// Every range is told once where they are not listed; one that somebody else did is not.
func TestEachRangeIsTold(t *testing.T) {
	t.Parallel()
	s := newSpoken()
	w := &work{App: s.App, done: make(chan struct{}, 1)}
	for _, outcome := range []string{bifrost.OutcomeArchived, bifrost.OutcomeAdopted, bifrost.OutcomeDoneAlready,
		bifrost.OutcomeGone, bifrost.OutcomeLost} {
		w.takeOutcome(localdispatch.Outcome{Results: []bifrost.RangeResult{{Topic: "t", Outcome: outcome}}})
	}
	if lines := strings.Count(s.talk.String(), "\n"); lines != 3 {
		t.Errorf("%d lines, want 3:\n%s", lines, s.talk.String())
	}
}

// As many slots as fit are used without a word; one more is said to be too many. Go keeps to
// seven eighths of the memory.
func TestSlotsThatFit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	const fit = 1560 // in 100 GB
	for slots, said := range map[int]bool{1: false, fit - 1: false, fit: false, fit + 1: true, 2 * fit: true} {
		s := newSpoken()
		got, err := (&work{App: s.App, memory: "100GB"}).boundMemory(slots)
		if err != nil || got != min(slots, fit) || (s.talk.Len() > 0) != said {
			t.Errorf("%d slots: %d, %v; it says %q", slots, got, err, s.talk.String())
		}
		if limit := debug.SetMemoryLimit(-1); limit != 100e9/8*7 {
			t.Errorf("Go keeps to %d bytes", limit)
		}
	}
	for memory, fits := range map[string]bool{"163MB": false, "164MB": true} {
		if _, err := (&work{App: newSpoken().App, memory: memory}).boundMemory(1); (err == nil) != fits {
			t.Errorf("one slot in %s: %v", memory, err)
		}
	}
}

// What failed and is not named is counted, also where it is one.
func TestFailuresThatAreNotNamed(t *testing.T) {
	t.Parallel()
	one := int32(1)
	named := []bifrost.TickFailure{{Topic: "orders", Partition: &one, Error: "x"}, {Error: "y"}}
	for all, more := range map[int]string{2: "", 3: "  … and 1 more\n", 12: "  … and 10 more\n"} {
		s := newSpoken()
		tellFailed(s.App, named, all)
		if want := "  failed orders/1: x\n  failed the cluster: y\n" + more; s.talk.String() != want {
			t.Errorf("of %d:\n%swant\n%s", all, s.talk.String(), want)
		}
	}
}

// Where an archive ends is said of all partitions, in whatever order they come.
func TestWhereAnArchiveEnds(t *testing.T) {
	t.Parallel()
	row := func(next, second int64) bifrost.Progress {
		return bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, NextOffset: next,
			LastRecordAt: time.Unix(second, 0)}
	}
	a, b, c := row(5, 30), row(9, 20), row(7, 10)
	for _, order := range [][]bifrost.Progress{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
		s := newSpoken()
		(&cat{App: s.App, selected: order}).tellNothingMatched()
		const want = "No record matches: the archive of orders ends at offsets 5 to 9, " +
			"its newest record is of 1970-01-01 00:00:30Z.\n"
		if s.talk.String() != want {
			t.Errorf("it says %q, want %q", s.talk.String(), want)
		}
	}
}

// A closed pipe is no failure, however deep in an error it is.
func TestAClosedPipeInAnError(t *testing.T) {
	t.Parallel()
	deep := fmt.Errorf("write to standard output: %w", errors.Join(errors.New("x"), syscall.EPIPE))
	if code := exitCode(t.Context(), deep); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TOPIC PARTITION OFFSET, each at its bounds.
func TestAPosition(t *testing.T) {
	t.Parallel()
	for words, good := range map[string]bool{
		"orders 0 0": true, "orders 2147483647 9223372036854775807": true, "orders 7 123": true,
		"orders 2147483648 0": false, "orders -1 0": false, "orders x 0": false,
		"orders 0 -1": false, "orders 0 9223372036854775808": false, "orders 0 x": false,
	} {
		args := strings.Fields(words)
		p, offset, err := parsePosition(args)
		if (err == nil) != good || good && fmt.Sprintf("%s %d %d", p.Name, p.Number, offset) != words {
			t.Errorf("%s: %v, %d, %v", words, p, offset, err)
		}
	}
}

// What is left is in order of topics and numbers, a whole topic before its partitions, and all of
// which nobody knows how much is left is counted.
func TestWhatIsLeftIsInOrder(t *testing.T) {
	t.Parallel()
	f := &flush{work: work{App: newSpoken().App}}
	f.parts = &wiring.Parts{Config: config.Config{Topics: bifrost.TopicFilter{Include: []string{"b*", "a*"}}}}
	f.unlisted = map[bifrost.TopicPartition]error{place("b", 2): errors.New("u"), place("a", 1): errors.New("u")}
	stuck := map[bifrost.TopicPartition]error{
		place("b", 10): errors.New("s"), place("b", 9): errors.New("s"), place("a", 0): errors.New("s"),
	}
	left := map[bifrost.TopicPartition]int64{place("b", 10): 100, place("b", 9): 20, place("a", 0): 3}
	err := f.failureOf(left, stuck, bifrost.TickSummary{Failed: []bifrost.TickFailure{
		{Topic: "c", Error: "not asked for"}, {Topic: "b", Error: "hidden"}}})
	var order []string
	for _, one := range f.left {
		order = append(order, fmt.Sprint(one.Topic, numberOf(one)))
	}
	if got := strings.Join(order, " "); got != "a0 a1 b-1 b2 b9 b10" {
		t.Errorf("left: %s", got)
	}
	const want = "6 partitions or topics failed; 123 offsets are left, and of 3 nobody knows how many"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

// The sums of a flush are those of the ranges that it lists: what others did is neither listed
// nor counted.
func TestTheSumsOfAFlush(t *testing.T) {
	t.Parallel()
	s := newSpoken()
	f := &flush{work: work{App: s.App}, json: true}
	size := int64(1)
	for _, outcome := range []string{bifrost.OutcomeDoneAlready, bifrost.OutcomeArchived, bifrost.OutcomeGone,
		bifrost.OutcomeAdopted, bifrost.OutcomeLost} {
		f.results = append(f.results,
			bifrost.RangeResult{Outcome: outcome, Records: size, RawBytes: 100 * size, StoredBytes: 10 * size})
		size *= 2
	}
	must(t, f.showResults(true))
	var got flushJSON
	must(t, json.Unmarshal([]byte(s.out.String()), &got))
	if len(got.Ranges) != 3 || got.Records != 2+8+16 || got.RawBytes != 2600 || got.StoredBytes != 260 {
		t.Errorf("%+v", got)
	}
}

// What is restored of many topics, partitions and groups is summed by topic and by group.
func TestATableOfWhatWasRestored(t *testing.T) {
	t.Parallel()
	lifted := []restore.Setting{{Name: "retention.ms"}, {Name: "cleanup.policy"}}
	gaps := func(lengths ...int64) restore.PartitionReport {
		p := restore.PartitionReport{}
		for _, n := range lengths {
			p.Missing = append(p.Missing, restore.GapReport{Start: 100, End: 100 + n})
		}
		return p
	}
	report := &restore.Report{
		Topics: []restore.TopicReport{
			{Topic: "a", Partitions: 3, Replicas: 2, Records: 10, Bytes: 2000, Lifted: lifted, FinishDoes: "x",
				Ranges: []restore.PartitionReport{gaps(5, 7), gaps(), gaps(100)}},
			{Topic: "b", Partitions: 1, Replicas: 1, Records: 1, Bytes: 1},
			{Topic: "c", Partitions: 1, Replicas: 1, Records: 1, Bytes: 1, Lifted: lifted[:1], FinishDoes: "y"},
		},
		Groups: []restore.GroupReport{
			{Group: "g", State: "Empty", Positions: []restore.PositionReport{{Stands: true}, {}, {Stands: true}}},
			{Group: "h", State: "Empty", Reason: "it is live", Positions: []restore.PositionReport{{Stands: true}, {}}},
		},
		QuietTails: 1,
	}
	s := newSpoken()
	r := &restorer{App: s.App}
	must(t, r.PrintTable(restoredTopics(report)))
	if head, _, _ := strings.Cut(s.out.String(), "\n"); !strings.Contains(head, "NOT RESTORED") || strings.Contains(head, "MISSING") {
		t.Errorf("missing offsets are no loss, and these are: %s", head)
	}
	rows := s.rows()
	if got := fmt.Sprint(rows[0]); got != "[a 3 2 10 2.0 kB 112 retention.ms cleanup.policy]" {
		t.Errorf("topic a: %s", got)
	}
	s.out.Reset()
	must(t, r.PrintTable(restoredGroups(report)))
	if got := fmt.Sprint(s.rows()); got != "[[g Empty 3 2] [h Empty 2 1 it is live]]" {
		t.Errorf("groups: %s", got)
	}
	must(t, r.showText(report))
	for _, words := range []string{
		"1 of these ", "are lifted on 2 topics",
		"Topic a: once its settings are put back, x.", "Topic c: once its settings are put back, y.",
		"All that was asked for is as it was captured.",
	} {
		if !strings.Contains(s.talk.String(), words) {
			t.Errorf("it says\n%swithout %q", s.talk.String(), words)
		}
	}
	s.talk.Reset()
	report.Plan = true
	must(t, r.showText(report))
	if strings.Contains(s.talk.String(), "is as it was captured") {
		t.Errorf("a plan says that all is there:\n%s", s.talk.String())
	}
	s.talk.Reset()
	must(t, r.showFinish(report))
	for _, words := range []string{"3 settings of 2 topics would be put back", "Topic a: once", "Topic c: once"} {
		if !strings.Contains(s.talk.String(), words) {
			t.Errorf("the plan of a finish says\n%swithout %q", s.talk.String(), words)
		}
	}
}

// A drill says the time of all by the sample's rate, and what the sample was chosen from.
func TestWhatADrillSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		topics, exclude, of string
	}{{"", "", "of the capture"}, {"a*", "", "that --topics and --exclude leave"},
		{"", "b*", "that --topics and --exclude leave"}} {
		s := newSpoken()
		d := &driller{App: s.App, from: restoreFlags{topics: c.topics, exclude: c.exclude}}
		report := &restore.DrillReport{Topics: []string{"a", "b"}, Records: 5, Bytes: 2000, Positions: 3, Seconds: 7,
			AllTopics: 9, AllRecords: 50, AllBytes: 20_000, AllSeconds: 70, Wrong: []string{"a/0: x", "b/1: y"},
			Restore: &restore.Report{}}
		d.tellReport(report)
		for _, words := range []string{"differs: a/0: x", "differs: b/1: y", "The sample: a, b", "2 partitions are not",
			"2.0 kB raw took 7s; all 9 topics " + c.of + ", with 50 records, 20 kB raw, would take 1m at that rate"} {
			if !strings.Contains(s.talk.String(), words) {
				t.Errorf("it says\n%swithout %q", s.talk.String(), words)
			}
		}
		if err := d.summarizeFailure(report); !strings.Contains(err.Error(), "2 partitions are not as before") {
			t.Errorf("error %v", err)
		}
		report.Restore, report.Refusals = nil, []string{"p", "q", "r"}
		if err := d.summarizeFailure(report); !strings.Contains(err.Error(), "3 things") {
			t.Errorf("error %v", err)
		}
	}
}

// Of a file that could not be written whole nothing is left.
func TestAReportThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "report.html")
	err := console.WriteFile(name, func(io.Writer) error { return errors.New("no such topic") })
	if err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, error %v", left, err)
	}
}

// A plan lists each range once, a partition that only waits behind them, and says why.
func TestWhyARangeIsStarted(t *testing.T) {
	t.Parallel()
	p := bifrost.Partition{Name: "orders", Number: 1}
	row := func(start, end int64, gap string) bifrost.Row {
		return bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: end}, GapReason: gap}
	}
	task := func(start int64, attempt int) bifrost.Task {
		return bifrost.Task{Name: p.Name, Partition: 1, StartOffset: start, EndOffset: start + 10, Attempt: attempt}
	}
	plan := &planner{planned: []bifrost.Row{row(100, 110, ""), row(110, 120, bifrost.ReasonRetention)}}
	for _, c := range []struct {
		task bifrost.Task
		want string
	}{
		{task(100, 1), "planned by this tick"},
		{task(110, 1), "a gap: " + bifrost.ReasonRetention},
		{task(90, 1), "planned earlier, and nobody works on it"},
		{task(90, 2), "attempt 2:"},
		{task(90, 3), "attempt 3:"},
	} {
		if why := plan.whyRange(c.task); !strings.HasPrefix(why, c.want) {
			t.Errorf("%d, attempt %d: %q, want %q", c.task.StartOffset, c.task.Attempt, why, c.want)
		}
	}
	row2 := bifrost.Progress{Partition: p, Status: bifrost.StatusOpen, NextOffset: 100, PlannedOffset: 100}
	row2.LastStable = 100
	whys := map[string]func(*bifrost.Progress){
		"all is archived":                     func(*bifrost.Progress) {},
		"all is planned, workers are at it":   func(r *bifrost.Progress) { r.NextOffset = 90 },
		"cannot be looked at: away":           func(r *bifrost.Progress) { r.Trouble.Error = "away" },
		"must be seen by two ticks: vanished": func(r *bifrost.Progress) { r.Suspicion = "vanished" },
	}
	for want, change := range whys {
		r := row2
		change(&r)
		if why := (&planner{}).whyNot(r); why != want {
			t.Errorf("%q, want %q", why, want)
		}
	}
	r := row2
	r.LastStable, r.PlannedOffset = 130, 101
	r.NextOffset = 101
	if why := (&planner{older: true}).whyNot(r); !strings.HasPrefix(why, "nothing is planned: ") {
		t.Errorf("over older tables: %q", why)
	}
	if why := (&planner{}).whyNot(r); !strings.HasPrefix(why, "29 offsets wait for") {
		t.Errorf("29 offsets that wait: %q", why)
	}
}
