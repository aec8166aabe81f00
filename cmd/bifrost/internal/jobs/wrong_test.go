package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/restore"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// The exit code of jobs show, in every state of every kind of job, as words and as JSON:
// a violation counts as soon as it is found, and that a job is not complete once it has ended.
func TestWhatIsWrongWithAJob(t *testing.T) {
	t.Parallel()
	differs := restore.Difference{Kind: "topic", Name: "orders", Reason: "missing"}
	differing := &job.Report{Restore: &restore.Report{Differences: []restore.Difference{differs}}}
	kinds := []struct {
		kind       job.Kind
		violations int // in the second of two items
		report     *job.Report
		wrong      bool
	}{
		{job.KindReplay, 0, nil, false},
		{job.KindReplay, 0, &job.Report{}, false},
		{job.KindRestore, 0, nil, false},
		{job.KindRestore, 0, &job.Report{Restore: &restore.Report{}}, false},
		{job.KindRestore, 0, differing, true},
		{job.KindVerify, 0, nil, false},
		{job.KindVerify, 0, &job.Report{}, false},
		{job.KindVerify, 1, nil, true},
		{job.KindVerify, 1, &job.Report{}, true},
	}
	for _, state := range []string{job.StateRunning, job.StateSucceeded, "FAILED", "TIMED_OUT", "ABORTED", "unknown"} {
		for n, c := range kinds {
			for _, complete := range []bool{false, true} {
				for _, asJSON := range []bool{false, true} {
					a := app.New(nil, io.Discard, io.Discard)
					status := job.Status{ID: "one", Kind: c.kind, State: state, Complete: complete, Report: c.report}
					err := showJob(a, t.Context(), controlWith(t, c.violations), status, asJSON)
					wrong := c.wrong || state != job.StateRunning && !complete
					if app.IsUnhealthy(err) != wrong || err != nil && !wrong {
						t.Errorf("%s, line %d, complete %v: error %v, want unhealthy %v", state, n, complete, err, wrong)
					}
				}
			}
		}
	}
}

// controlWith is the control of a job of two items, the second with so many violations.
func controlWith(t *testing.T, violations int) *job.Control {
	t.Helper()
	bucket := bifrosttest.NewStore()
	for item := 1; item <= 2; item++ {
		lines, err := json.Marshal(job.Done{Item: item})
		if err != nil {
			t.Fatal(err)
		}
		for range violations * (item - 1) {
			violation, err := json.Marshal(verify.Violation{Kind: "x", Topic: "orders"})
			if err != nil {
				t.Fatal(err)
			}
			lines = append(append(lines, '\n'), violation...)
		}
		bucket.Put(bifrost.JobPrefix("g", "one")+fmt.Sprintf("done/%06d.jsonl", item), append(lines, '\n'))
	}
	return &job.Control{Files: job.Files{Group: "g", Bucket: bucket}}
}

// The word for a state is that of the job: it is complete whatever became of an execution.
func TestStatesInWords(t *testing.T) {
	t.Parallel()
	for state, word := range map[string]string{
		job.StateRunning: "running", job.StateSucceeded: "complete",
		"FAILED": "failed", "TIMED_OUT": "timed out", "ABORTED": "stopped", job.StateUnknown: "unknown", "PENDING_REDRIVE": "unknown", "": "unknown",
	} {
		if got := stateText(job.Status{State: state}); got != word {
			t.Errorf("%q is %q, want %q", state, got, word)
		}
		if got := stateText(job.Status{State: state, Complete: true}); got != "complete" {
			t.Errorf("%q of a job that is complete is %q", state, got)
		}
	}
}

// What cannot be read is an error, and not a job without violations.
func TestViolationsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	control := controlWith(t, 0)
	control.Bucket.(*bifrosttest.Store).Put(bifrost.JobPrefix("g", "one")+"done/000003.jsonl", []byte("{"))
	status := job.Status{ID: "one", Kind: job.KindVerify, State: job.StateRunning}
	err := showJob(app.New(nil, io.Discard, io.Discard), t.Context(), control, status, false)
	if err == nil || app.IsUnhealthy(err) {
		t.Errorf("error %v", err)
	}
}

// machine is a state machine that answers always the same.
type machine struct {
	job.Machine
	state string
	err   error
}

func (m machine) Describe(context.Context, string) (job.Execution, error) {
	return job.Execution{State: m.state, Error: "out of memory"}, m.err
}

// Only who interrupts is told that the job goes on: an error of the look at it says nothing of
// that, and an execution that has ended does not.
func TestAnInterruptSaysThatTheJobGoesOn(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for name, c := range map[string]struct {
		machine     machine
		interrupted bool
		goesOn      bool
		err         string
	}{
		"interrupted":              {machine{state: job.StateRunning}, true, true, "context canceled"},
		"interrupted by its error": {machine{err: context.Canceled}, true, true, "context canceled"},
		"no answer":                {machine{err: away}, false, false, "away"},
		"ended":                    {machine{state: "FAILED"}, false, false, "the plan of job one was refused or failed"},
	} {
		var talk strings.Builder
		ctx, interrupt := context.WithCancel(t.Context())
		if c.interrupted {
			interrupt()
		}
		control := &job.Control{Files: job.Files{Group: "g", Bucket: bifrosttest.NewStore()}, Machine: c.machine}
		err := followJob(app.New(nil, io.Discard, &talk), ctx, control, "one", "arn", false)
		interrupt()
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", name, err, c.err)
		}
		if said := strings.Contains(talk.String(), "Job one goes on. bifrost jobs show one looks at it"); said != c.goesOn {
			t.Errorf("%s: told\n%s", name, talk.String())
		}
	}
}
