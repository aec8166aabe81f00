// The command doctor: prints what its checks have found.

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/doctor"
)

func newDoctor(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "doctor",
		GroupID: groupCheck,
		Short:   "Check settings, reachability, permissions, bucket, tables and clock",
		Long: `Doctor looks at everything the other commands and the functions stand on, and
prints a line for each, with what to do where something is wrong. It writes nothing.
Warnings are advice; only a failed check makes it exit with 3.`,
		Example:     "  bifrost doctor\n  bifrost doctor --json | jq '.checks[] | select(.result != \"ok\")'",
		Annotations: map[string]string{app.UnhealthyMeaning: "a check failed"},
		RunE:        func(c *cobra.Command, _ []string) error { return runDoctor(c.Context(), a, asJSON) },
	}
	app.AddJSON(c, &asJSON)
	return c
}

// doctorJSON is what doctor --json prints.
type doctorJSON struct {
	Checks []doctor.Check `json:"checks"`
}

func runDoctor(ctx context.Context, a *app.App, asJSON bool) error {
	checks := doctor.CheckAll(ctx, a)
	if asJSON {
		if err := a.PrintJSON(doctorJSON{checks}); err != nil {
			return err
		}
	} else if err := showChecks(a, checks); err != nil {
		return err
	}
	var failed []string
	for _, c := range checks {
		if c.Result == doctor.ResultFailed {
			failed = append(failed, c.Name)
		}
	}
	if len(failed) > 0 {
		return app.Unhealthyf("%d of %d checks failed: %s", len(failed), len(checks), strings.Join(failed, ", "))
	}
	return nil
}

func showChecks(a *app.App, checks []doctor.Check) error {
	t := &console.Table{Columns: []console.Column{{Title: "check"}, {Title: "result"}, {Title: "found", Shrink: true}}}
	styles := map[string]console.Style{
		doctor.ResultOK:      console.StyleGood,
		doctor.ResultWarning: console.StyleWarn,
		doctor.ResultFailed:  console.StyleBad,
	}
	for _, c := range checks {
		t.AddRow(console.Plain(c.Name), console.Styled(c.Result, styles[c.Result]), console.Plain(c.Found))
		if c.Next != "" {
			t.AddRow(console.Plain(""), console.Plain(""), console.Styled("→ "+c.Next, console.StyleBold))
		}
	}
	// Whole, and not cut to the terminal: what to do is the end of a line.
	return t.WriteTable(a.Out, 0, a.Colored(a.Out))
}
