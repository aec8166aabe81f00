// The command jobs show: how a job stands, or how it ended.

package jobs

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/violation"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// jobUnhealthy is what exit code 3 means of a job.
const jobUnhealthy = "the job ended and is not complete, a verification found something, " +
	"or something is not as it was captured"

func newShow(a *app.App) *cobra.Command {
	var asJSON, follow bool
	c := &cobra.Command{
		Use:         "show ID",
		Short:       "Show how a job stands, or how it ended",
		Long:        `Show prints the state, the progress and the report of a job, and what a verification found.`,
		Example:     "  bifrost jobs show replay-20260131T120000\n  bifrost jobs show replay-20260131T120000 --follow",
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{app.UnhealthyMeaning: jobUnhealthy},
		RunE: func(c *cobra.Command, args []string) error {
			control, parts, err := openControl(a, c.Context())
			if err != nil {
				return err
			}
			defer parts.Close()
			status, err := control.Status(c.Context(), args[0])
			if err != nil {
				return err
			}
			if follow && status.Running() {
				return followJob(a, c.Context(), control, status.ID, status.Execution, asJSON)
			}
			return showJob(a, c.Context(), control, status, asJSON)
		},
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on until it ends")
	app.AddJSON(c, &asJSON)
	return c
}

// showJob prints how a job stands. A verification's violations look as the command's.
func showJob(a *app.App, ctx context.Context, control *job.Control, s job.Status, asJSON bool) error {
	shown := ShowJSON{
		jobStatusJSON: newJobStatusJSON(s),
		Report:        newJobReportJSON(s.Report),
		Violations:    []verify.Violation{},
	}
	violations := 0
	if s.Kind == job.KindVerify {
		err := control.EachDone(ctx, s.ID, func(d job.Done) error {
			for _, found := range d.Violations {
				violations++
				if asJSON {
					shown.Violations = append(shown.Violations, found)
				} else {
					fmt.Fprintln(a.Out, violation.Describe(a.Console, found))
				}
			}
			if d.Unlisted > 0 {
				violations += int(d.Unlisted)
				a.Warn("item %d found %s violations more, "+
					"which are counted and not listed", d.Item, human.Count(d.Unlisted))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if asJSON {
		if err := a.PrintJSON(shown); err != nil {
			return err
		}
	} else if s.Exists() {
		sayJob(a, s)
	}
	return failureOf(s, violations)
}

// failureOf says in a line what is wrong with a job; nil if nothing is.
func failureOf(s job.Status, violations int) error {
	switch {
	case !s.Exists():
		return app.Unhealthyf("the plan of job %s was refused or failed, so there is no such job (%s): settle that, and "+
			"start it again", s.ID, cmp.Or(s.Error, "state "+s.State))
	case violations > 0:
		return app.Unhealthyf("job %s has found %s violations", s.ID, human.Count(int64(violations)))
	case !s.Running() && !s.Complete:
		return app.Unhealthyf("job %s has ended and is not complete: bifrost jobs continue %s goes on with what is left",
			s.ID, s.ID)
	case s.Report != nil && s.Report.Restore != nil && !s.Report.Restore.Stands():
		return app.Unhealthyf("%d things are not as captured", len(s.Report.Restore.Differences))
	}
	return nil
}

// sayJob says how a job stands in words.
func sayJob(a *app.App, s job.Status) {
	a.Say("Job %s, %s: %s. %s", s.ID, s.Kind, stateText(s), progressText(a, s))
	if s.Error != "" && !s.Complete {
		a.Fail("%s", s.Error)
	}
	if s.Report != nil {
		sayReport(a, s.Report)
	}
	if !s.Complete && !s.Running() {
		a.Say("bifrost jobs continue %s goes on with what is left.", s.ID)
	}
}

// sayReport says what a job has done, and what it has not.
func sayReport(a *app.App, r *job.Report) {
	for _, f := range r.Failures {
		a.Fail("item %d: %s", f.Item, f.Error)
	}
	if n := r.Failed - len(r.Failures); n > 0 {
		a.Fail("%s items are not done, and no worker of theirs lived to say why: see the log of the function",
			human.Count(int64(n)))
	}
	a.Say("%s records, %s; %s of %s items done; %.0f s, %.0f function seconds, %s calls, about $%.2f.",
		human.Count(r.Records), human.Size(r.Bytes), human.Count(int64(r.Done)), human.Count(int64(r.Items)), r.Seconds,
		r.Cost.FunctionSeconds, human.Count(r.Cost.Invocations), r.Cost.Dollars)
	if x := r.Export; x != nil {
		a.Say("%s files of %s objects are in the place of the export.", human.Count(x.Files), human.Count(x.Objects))
		if x.Undecoded > 0 {
			a.Warn("%s keys or values could not be decoded: their bytes are there, and the reason in key_error, "+
				"value_error, key_record_error or record_error", human.Count(x.Undecoded))
		}
		if x.Erased > 0 {
			a.Warn("%s objects were erased from the archive after they had been exported; their files are still there",
				human.Count(x.Erased))
		}
		if x.Lost > 0 {
			a.Warn("%s offsets are recorded gaps; the place lists them in _bifrost/lost", human.Count(x.Lost))
		}
		if x.Waiting > 0 {
			a.Say("%s offsets are planned and not archived yet: start another job later.", human.Count(x.Waiting))
		}
	}
	if r.Restore != nil {
		for _, d := range r.Restore.Differences {
			a.Differ("%s %s: %s", d.Kind, d.Name, d.Reason)
		}
	}
}
