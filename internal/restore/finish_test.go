package restore

import (
	"fmt"
	"slices"
	"testing"
)

// What a plan of finishing tells is what finishing tells, whichever topics lack records and
// whichever have nothing to put back.
func TestAPlanOfFinishingTellsTheSame(t *testing.T) {
	t.Parallel()
	differences := func(report *Report, err error) (all []string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range report.Differences {
			all = append(all, fmt.Sprintf("%s %s: %s", d.Kind, d.Name, d.Reason))
		}
		return append(all, fmt.Sprint(report.Complete))
	}
	for _, prepared := range []bool{true, false} { // or all records are there
		for _, kept := range [][]string{{"orders"}, {"payments", "quiet"}} {
			w := newWhole(t)
			for i, topic := range w.Snapshot.Configuration.Topics {
				if slices.Contains(kept, topic.Name) { // as long as a restore does: nothing is lifted
					w.Snapshot.Configuration.Topics[i].Settings = map[string]string{"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete",
						"message.timestamp.type": "CreateTime"}
				}
			}
			if prepared {
				if err := w.Prepare(t.Context(), w.look()); err != nil {
					t.Fatal(err)
				}
			} else {
				w.run()
			}
			planned := differences(w.PlannedFinish(t.Context(), w.look()))
			done := differences(w.Finish(t.Context(), w.look()))
			if !slices.Equal(planned, done) {
				t.Errorf("kept %q, prepared %v:\nplanned  %q\nfinished %q", kept, prepared, planned, done)
			}
			for _, topic := range []string{"orders", "payments"} {
				line := "topic " + topic + ": records are left to restore"
				if !slices.Contains(kept, topic) {
					line += ", so that its settings stay lifted"
				}
				if slices.Contains(done, line) != prepared {
					t.Errorf("kept %q, prepared %v: %q in %q", kept, prepared, line, done)
				}
			}
		}
	}
}
