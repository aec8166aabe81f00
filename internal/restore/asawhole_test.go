package restore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// A restore of all that there is: what the plan says, what is in the target then, what a
// second run finds, and what is left once finish has put the settings back. What is told is
// in testdata, in a line for each thing.
func TestRestoreAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	plan := w.look()
	if len(plan.Refusals) > 0 {
		t.Fatalf("refused: %q", plan.Refusals)
	}
	report, err := w.Planned(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	w.mustTell("plan", report)
	for _, run := range []string{"restore", "again"} {
		w.mustTell(run, w.run())
		w.mustHoldAll()
	}
	report, err = w.Finish(t.Context(), w.look())
	if err != nil {
		t.Fatal(err)
	}
	w.mustTell("finish", report)
	w.mustHoldAll()
	now, err := ask(t.Context(), w.admin, []string{"orders"})
	if err != nil {
		t.Fatal(err)
	}
	settings := now["orders"].settings
	for name, want := range map[string]string{"retention.ms": "45000", "retention.bytes": "-1", "max.message.bytes": "1000000", "segment.ms": "7000"} {
		if have := settings[name]; have.MaybeValue() != want || isOwn(have) != (name != "retention.bytes") {
			t.Errorf("%s is %s in the end, the topic's own %v; want %s", name, have.MaybeValue(), isOwn(have), want)
		}
	}
}

// A restore in shares is one: each share is what goes into one partition of the target, the
// older branch first, with what the catalogue has of it.
func TestSharesOfARestore(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	plan := w.look()
	if err := w.Prepare(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range plan.Shares() {
		line := ""
		for _, p := range s.Parts {
			line += fmt.Sprintf("%s[%d, %d) into %s; ", p.Source.Name, p.Ask.Start, p.Ask.End, p.Target)
		}
		got = append(got, fmt.Sprintf("%s%d records, %d bytes", line, s.Records, s.Bytes))
	}
	want := []string{
		"orders[10, 60) into orders; 50 records, 438 bytes",
		"orders[0, 35) into orders; 25 records, 225 bytes",
		"payments[0, 10) into payments; " + branchName + "[10, 30) into payments; 30 records, 270 bytes",
	}
	if !slices.Equal(got, want) {
		t.Errorf("shares\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	topics, err := w.admin.ListTopics(t.Context(), "orders", "payments", "quiet")
	if err != nil || len(topics["orders"].Partitions) != 2 || len(topics["payments"].Partitions) != 2 || len(topics["quiet"].Partitions) != 1 {
		t.Errorf("prepared are %+v: %v", topics, err)
	}
	for _, source := range []string{"orders", "payments"} { // nothing else was written
		if held := w.holds(source, 0); len(held) > 0 {
			t.Errorf("%s holds %q", source, held)
		}
	}
}

// Whoever watches is told how much there is to write, how much of it was there, and of each
// record once.
func TestProgressOfARestore(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	var total, done, records, bytes int64
	w.Begun = func(t, d int64) { total, done, records, bytes = t, d, 0, 0 }
	w.Committed = func(r, b int64) { records, bytes = records+r, bytes+b }
	first := w.run()
	if total != 105 || done != 0 || records != 104 || first.Records != 104 || bytes == 0 || bytes != first.Bytes {
		t.Errorf("%d of %d records were there, then %d were written, with %d bytes; the report has %d and %d", done, total, records, bytes, first.Records, first.Bytes)
	}
	if again := w.run(); total != 104 || done != 104 || records != 0 || again.Records != 104 {
		t.Errorf("the second time %d of %d records were there, and %d were written", done, total, records)
	}
}

// What was erased from the archive since it was written is there all the same, and more is not written than
// was said.
func TestProgressOverWhatWasErasedSince(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	var total, done, records int64
	w.Begun = func(t, d int64) { total, done, records = t, d, 0 }
	w.Committed = func(r, _ int64) { records += r }
	orders := bifrost.Partition{Name: "orders"}
	rows, progress := w.archived.rows[orders], &w.archived.progress[0]
	w.archived.rows[orders], progress.NextOffset, progress.PlannedOffset = rows[:1], 30, 30
	if first := w.run(); first.Records != 74 {
		t.Fatalf("%d records", first.Records)
	}
	rows[0].State, rows[0].GapReason, rows[0].Facts = bifrost.StateLost, bifrost.ReasonErased, bifrost.Facts{}
	w.archived.rows[orders], progress.NextOffset, progress.PlannedOffset = rows, 60, 60
	if w.run(); total != 104 || done != 74 || records != 30 {
		t.Errorf("%d of %d records were there, and %d were written", done, total, records)
	}
}

// What the target has deleted since is not there, and is told.
func TestRecordsThatTheTargetHasDeleted(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	w.run()
	upTo := kadm.Offsets{}
	upTo.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 5, LeaderEpoch: -1})
	if _, err := w.admin.DeleteRecords(t.Context(), upTo); err != nil {
		t.Fatal(err)
	}
	report := w.run()
	if of := report.Topics[0]; of.Deleted != 5 || of.Records != 69 || report.Records != 99 {
		t.Errorf("%+v", of)
	}
	if got := told(nil, report, nil); !strings.Contains(got, "topic orders: the target has deleted 5 of its records since they were written") {
		t.Errorf("told was\n%s", got)
	}
}

// Settings are put back once all records are there, not before.
func TestFinishBeforeTheRecordsAreThere(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	if err := w.Prepare(t.Context(), w.look()); err != nil {
		t.Fatal(err)
	}
	report, err := w.Finish(t.Context(), w.look())
	if err != nil {
		t.Fatal(err)
	}
	if report.Complete || report.Finished || len(report.Topics[0].Lifted) == 0 || len(report.Topics[2].Lifted) > 0 {
		t.Errorf("%s", tellReport(report))
	}
	got := told(nil, report, nil)
	for topic, left := range map[string]bool{"orders": true, "payments": true, "quiet": false} {
		if strings.Contains(got, "topic "+topic+": records are left to restore, so that its settings stay lifted") != left {
			t.Errorf("of %s was told\n%s", topic, got)
		}
	}
}

// A topic that was deleted in the target since is told of, and stops no other.
func TestFinishWithoutATopic(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	w.run()
	plan := w.look()
	if _, err := w.admin.DeleteTopics(t.Context(), "quiet"); err != nil {
		t.Fatal(err)
	}
	report, err := w.Finish(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if got := told(nil, report, nil); !strings.Contains(got, "topic quiet: it is not in the target") || len(report.Topics[0].Lifted) > 0 || !report.Finished {
		t.Errorf("%s", tellReport(report))
	}
}

// A topic that somebody has made before is filled, and what it has otherwise is told.
func TestATopicThatWasThere(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	w.makeTopic("orders", 3, map[string]*string{"retention.ms": kmsg.StringPtr("-1"), "segment.ms": kmsg.StringPtr("9")})
	got := told(nil, w.run(), nil)
	for _, says := range []string{
		"topic orders: it has 3 partitions, and had 2", "topic orders: it has 1 replicas, and had 3",
		`topic orders: segment.ms is "9", and was "7000": the topic was there, or was changed`,
	} {
		if !strings.Contains(got, says) {
			t.Errorf("told was\n%s\nwithout\n%s", got, says)
		}
	}
	w.mustHoldAll()
}
