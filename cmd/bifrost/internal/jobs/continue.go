// The command jobs continue: another execution of a job.

package jobs

import (
	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

func newContinue(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "continue ID",
		Short: "Go on with a job that was stopped or failed",
		Long: `Continue starts another execution of a job, with the items that it has. Those that
are done return at once, the others go on where they are. An interrupt leaves it
running.`,
		Example:     "  bifrost jobs continue replay-20260131T120000",
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{app.UnhealthyMeaning: jobUnhealthy},
		RunE: func(c *cobra.Command, args []string) error {
			control, parts, err := openControl(a, c.Context())
			if err != nil {
				return err
			}
			defer parts.Close()
			execution, err := control.Continue(c.Context(), args[0])
			if err != nil {
				return err
			}
			a.Say("Job %s goes on. An interrupt leaves it running.", args[0])
			return followJob(a, c.Context(), control, args[0], execution, asJSON)
		},
	}
	app.AddJSON(c, &asJSON)
	return c
}
