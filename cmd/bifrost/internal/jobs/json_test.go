package jobs

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/job"
)

// Each field of --json has the value of its own: they are all different here.
func TestFieldsOfAJobInJSON(t *testing.T) {
	t.Parallel()
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	status := job.Status{ID: "i", Kind: "k", State: "s", Complete: true, Execution: "x", Runs: 2, Begun: at(3), Ended: at(4),
		Error: "e", Items: 5, Done: 6, AtWork: 7, Records: 8, Bytes: 9, DoneRecords: 10, DoneBytes: 11}
	text, err := json.Marshal(newJobStatusJSON(status))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"i","kind":"k","state":"s","complete":true,"execution":"x","executions":2,` +
		`"begun":"1970-01-01T00:00:03.000Z","ended":"1970-01-01T00:00:04.000Z","error":"e","items":5,"done":6,"at_work":7,` +
		`"records":8,"bytes":9,"done_records":10,"done_bytes":11}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	report := job.Report{Complete: true, Items: 1, Done: 2, Failed: 3, Records: 4, Bytes: 5, Seconds: 6,
		Cost: job.Cost{Invocations: 7}, Failures: []job.Failure{{Item: 8, Error: "a", At: at(9)}, {Item: 10, Error: "b"}},
		Export: &job.Exported{Files: 11}}
	j := newJobReportJSON(&report)
	got := []any{j.Complete, j.Items, j.Done, j.Failed, j.Records, j.Bytes, j.Seconds, j.Cost.Invocations,
		len(j.Failures), j.Failures[0].Item, *j.Failures[0].At, j.Failures[1].Error, j.Export.Files}
	expected := []any{true, 1, 2, 3, int64(4), int64(5), 6.0, int64(7), 2, 8, "1970-01-01T00:00:09.000Z", "b", int64(11)}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got  %v\nwant %v", got, expected)
	}
}

// What has no elements is an empty list in JSON: null is for what is not known yet.
func TestNoListOfJobsIsNull(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"report": newJobReportJSON(&job.Report{}).Failures, "list": newListJSON(nil).Jobs} {
		if text, err := json.Marshal(value); err != nil || string(text) != "[]" {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	if newJobReportJSON(nil) != nil {
		t.Error("a job that has not ended has a report")
	}
}

// The rate is that of one execution, and what is left is what is not done yet.
func TestHowFarAJobIs(t *testing.T) {
	t.Parallel()
	a := app.New(nil, nil, nil)
	a.Now = func() time.Time { return time.Unix(100, 0) }
	begun := job.Status{State: job.StateRunning, Items: 10, Done: 4, Runs: 1, Begun: time.Unix(90, 0), Bytes: 8000, DoneBytes: 2000}
	for want, change := range map[string]func(*job.Status){
		"Planning.": func(s *job.Status) { s.Items = 0 },
		"4 of 10 items, 2.0 kB of 8.0 kB, 200 B/s, about 30s left.":                func(*job.Status) {},
		"4 of 10 items and parts of 3, 2.0 kB of 8.0 kB, 200 B/s, about 30s left.": func(s *job.Status) { s.AtWork = 3 },
		"4 of 10 items and parts of 1, 2.0 kB of 8.0 kB, 200 B/s, about 30s left.": func(s *job.Status) { s.AtWork = 1 },
		"4 of 10 items, 2.0 kB of 8.0 kB.":                                         func(s *job.Status) { s.Runs = 2 },
		"4 of 10 items, 0 B of 8.0 kB.":                                            func(s *job.Status) { s.DoneBytes = 0 },
		"1,000 of 2,000 items.":                                                    func(s *job.Status) { *s = job.Status{Items: 2000, Done: 1000, Runs: 1} },
		"10 of 10 items, 8.0 kB of 8.0 kB, 800 B/s, about 0s left.":                func(s *job.Status) { s.Done, s.DoneBytes = 10, 8000 },
		"10 of 10 items, 8.0 kB of 8.0 kB, 1.6 kB/s.": func(s *job.Status) { // whenever one looks at it
			s.State, s.Ended, s.Done, s.DoneBytes = "SUCCEEDED", time.Unix(95, 0), 10, 8000
		},
	} {
		s := begun
		change(&s)
		if got := progressText(a, s); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// What failed without a word is counted apart from what said why, and each violation counts,
// listed or not.
func TestWhatAReportSays(t *testing.T) {
	t.Parallel()
	say := func(r *job.Report) string {
		var talk strings.Builder
		a := app.New(nil, nil, &talk)
		a.Color = "never"
		sayReport(a, r)
		return talk.String()
	}
	failures := []job.Failure{{Item: 3, Error: "x"}, {Item: 7, Error: "y"}}
	for failed, words := range map[int]string{2: "", 3: "1 item is not done", 12: "10 items are not done"} {
		got := say(&job.Report{Failed: failed, Failures: failures})
		if !strings.Contains(got, "item 3: x") || !strings.Contains(got, "item 7: y") ||
			strings.Contains(got, "no worker of theirs") != (words != "") || !strings.Contains(got, words) {
			t.Errorf("%d failed: %s", failed, got)
		}
	}
	got := say(&job.Report{Export: &job.Exported{Objects: 1000, Files: 2000, Undecoded: 3, Erased: 4, Lost: 5, Waiting: 6}})
	for _, words := range []string{"2,000 files of 1,000 objects", "3 keys or values", "4 objects were erased",
		"5 offsets are recorded gaps", "6 offsets are planned"} {
		if !strings.Contains(got, words) {
			t.Errorf("it says\n%swithout %q", got, words)
		}
	}
	err := failureOf(job.Status{ID: "one", Kind: job.KindVerify}, 1234)
	if err == nil || !strings.Contains(err.Error(), "1,234 violations") {
		t.Errorf("error %v", err)
	}
}

// Of an export that is said which there is, be it one, and of what there is nothing, nothing.
func TestWhatAnExportHasIsSaid(t *testing.T) {
	t.Parallel()
	words := map[string]job.Exported{
		"could not be decoded":     {Undecoded: 1},
		"erased from the archive":  {Erased: 1},
		"recorded gap":             {Lost: 1},
		"planned and not archived": {Waiting: 1},
	}
	for has, exported := range words {
		var talk strings.Builder
		a := app.New(nil, nil, &talk)
		sayReport(a, &job.Report{Export: &exported})
		for word := range words {
			if strings.Contains(talk.String(), word) != (word == has) {
				t.Errorf("where %q is to be said, %q is %v:\n%s", has, word, word != has, talk.String())
			}
		}
	}
}

// Why a job ended and how it goes on is said of one that is not complete, and of no other.
func TestWhatIsSaidOfAJob(t *testing.T) {
	t.Parallel()
	for _, state := range []string{job.StateRunning, job.StateSucceeded, "FAILED", job.StateUnknown} {
		for _, complete := range []bool{false, true} {
			var talk strings.Builder
			a := app.New(nil, nil, &talk)
			s := job.Status{ID: "one", Kind: "k", State: state, Complete: complete, Error: "out of memory"}
			sayJob(a, s)
			if said := strings.Contains(talk.String(), "out of memory"); said == complete {
				t.Errorf("%s, complete %v: its error is said: %v", state, complete, said)
			}
			goesOn := !complete && state != job.StateRunning
			if said := strings.Contains(talk.String(), "bifrost jobs continue one"); said != goesOn {
				t.Errorf("%s, complete %v: how it goes on is said: %v", state, complete, said)
			}
			if !strings.Contains(talk.String(), "Job one, k: "+stateText(s)+".") {
				t.Errorf("%s, complete %v: %s", state, complete, talk.String())
			}
		}
	}
}
