// Package jobs has the commands for what many functions do side by side, and the flag
// --as-job that starts it.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/stepfunctions"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// New returns the command jobs, which lists them, with its commands. The group is where
// help shows it.
func New(a *app.App, group string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "jobs",
		GroupID: group,
		Short:   "Look at, stop and continue what was started with --as-job",
		Long: `Jobs are replays, restores, deep verifications and exports that many functions do
side by side. bifrost jobs lists them; its commands show, stop and continue one.
docs/jobs.md tells how they work, and how the console starts them.`,
		Example: "  bifrost jobs\n  bifrost jobs show verify-20260131T120000\n" +
			"  bifrost jobs continue verify-20260131T120000",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return listJobs(a, c.Context(), asJSON) },
	}
	app.AddJSON(c, &asJSON)
	c.AddCommand(newShow(a), newStop(a), newContinue(a))
	return c
}

// stateMachine is the state machine of jobs.
type stateMachine struct {
	stepfunctions.Client
	arn string
}

// Start implements job.Machine.
func (m stateMachine) Start(ctx context.Context, name, input string) (string, error) {
	return m.Client.Start(ctx, m.arn, name, input)
}

// Describe implements job.Machine.
func (m stateMachine) Describe(ctx context.Context, arn string) (job.Execution, error) {
	e, err := m.Client.Describe(ctx, arn)
	if errors.Is(err, stepfunctions.ErrGone) {
		err = fmt.Errorf("%w: %w", job.ErrForgotten, err)
	}
	return job.Execution{State: e.Status, Ended: e.Ended, Error: e.Error}, err
}

// machineARN matches what names a state machine (AWS General Reference, "Step Functions ARNs").
var machineARN = regexp.MustCompile(`^arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[^:]+$`)

// openControl opens what starts, shows and stops jobs.
func openControl(a *app.App, ctx context.Context) (*job.Control, *wiring.Parts, error) {
	arn, _ := a.LookupVariable(settings.JobMachine)
	if arn == "" {
		return nil, nil, usage.Errorf("--job-machine is missing: want the ARN of the state machine of jobs, "+
			"the output JobMachine of the stack ($%s)\n%s", settings.JobMachine, settings.HowToSet)
	}
	if !machineARN.MatchString(arn) {
		return nil, nil, usage.Errorf("--job-machine %q ($%s): want the ARN of a state machine, "+
			"the output JobMachine of the stack", arn, settings.JobMachine)
	}
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return nil, nil, err
	}
	return &job.Control{
		Files:   job.Files{Group: parts.Config.Group, Bucket: parts.Store},
		Machine: stateMachine{parts.Machines(), arn},
		Now:     a.Now,
	}, parts, nil
}

func listJobs(a *app.App, ctx context.Context, asJSON bool) error {
	control, parts, err := openControl(a, ctx)
	if err != nil {
		return err
	}
	defer parts.Close()
	ids, err := control.List(ctx)
	if err != nil {
		return err
	}
	var all []job.Status
	for _, id := range ids {
		status, err := control.Status(ctx, id)
		if err != nil {
			return err
		}
		all = append(all, status)
	}
	if asJSON {
		return a.PrintJSON(newListJSON(all))
	}
	if len(all) == 0 {
		a.Say("There are no jobs: --as-job starts one.")
		return nil
	}
	t := &console.Table{Columns: []console.Column{{Title: "job"}, {Title: "kind"}, {Title: "state"}, {Title: "begun"},
		{Title: "items", Right: true}, {Title: "done", Right: true}, {Title: "bytes done", Right: true}}}
	for _, s := range all {
		t.AddRow(console.Plain(s.ID), console.Plain(string(s.Kind)), console.Plain(stateText(s)),
			console.Plain(human.Ago(s.Begun, a.Now())), console.Plain(fmt.Sprint(s.Items)),
			console.Plain(fmt.Sprint(s.Done)), console.Plain(bytesDone(s)))
	}
	return a.PrintTable(t)
}

// bytesDone says how many bytes are done, unless no item says how many it has.
func bytesDone(s job.Status) string {
	if s.Bytes == 0 {
		return "-"
	}
	return human.Size(s.DoneBytes)
}

// stateText says in a word how a job stands.
func stateText(s job.Status) string {
	if s.Complete {
		return "complete"
	}
	word, known := map[string]string{
		job.StateRunning:   "running",
		job.StateSucceeded: "complete",
		"FAILED":           "failed",
		"TIMED_OUT":        "timed out",
		"ABORTED":          "stopped",
	}[s.State]
	if !known {
		return "unknown"
	}
	return word
}

// jobPause is the time between two looks at a job.
const jobPause = 5 * time.Second

func pauseBetweenLooks(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(jobPause):
		return nil
	}
}

// runJob starts a job and follows it. An interrupt leaves it running.
func runJob(a *app.App, ctx context.Context, control *job.Control, spec job.Spec, asJSON bool) error {
	execution, err := control.Start(ctx, spec)
	if err != nil {
		return err
	}
	a.Say("Job %s is started. An interrupt leaves it running; bifrost jobs show %s looks at it again.",
		spec.ID, spec.ID)
	return followJob(a, ctx, control, spec.ID, execution, asJSON)
}

// followJob shows how far an execution is, and how it ended.
func followJob(a *app.App, ctx context.Context, control *job.Control, id, execution string, asJSON bool) error {
	status, err := control.Follow(ctx, id, execution, pauseBetweenLooks, newTeller(a))
	if ctx.Err() != nil {
		a.Say("Job %s goes on. bifrost jobs show %s looks at it, bifrost jobs stop %s ends it.", id, id, id)
		return err
	}
	if err != nil {
		return err
	}
	return showJob(a, ctx, control, status, asJSON)
}

// newTeller says how far a job is, while it runs, when that is not what was said last.
func newTeller(a *app.App) func(job.Status) {
	var shown string
	return func(s job.Status) {
		if text := progressText(a, s); text != shown && s.Running() {
			a.Say("%s", text)
			shown = text
		}
	}
}

// progressText is one line: items, bytes a second, what is left.
func progressText(a *app.App, s job.Status) string {
	if s.Items == 0 {
		return "Planning."
	}
	text := fmt.Sprintf("%s of %s items", human.Count(int64(s.Done)), human.Count(int64(s.Items)))
	if s.AtWork > 0 {
		text += fmt.Sprintf(" and parts of %s", human.Count(int64(s.AtWork)))
	}
	if s.Bytes > 0 {
		text += fmt.Sprintf(", %s of %s", human.Size(s.DoneBytes), human.Size(s.Bytes))
		now := a.Now()
		if !s.Running() && !s.Ended.IsZero() {
			now = s.Ended
		}
		if seconds := now.Sub(s.Begun).Seconds(); seconds > 0 && s.Runs == 1 && s.DoneBytes > 0 {
			rate := float64(s.DoneBytes) / seconds
			text += fmt.Sprintf(", %s/s", human.Size(int64(rate)))
			if s.Running() {
				left := time.Duration(float64(s.Bytes-s.DoneBytes) / rate * float64(time.Second)).Round(time.Second)
				text += fmt.Sprintf(", about %s left", left)
			}
		}
	}
	return text + "."
}
