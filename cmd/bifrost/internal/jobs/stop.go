// The command jobs stop: ends the executions of a job.

package jobs

import (
	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

func newStop(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "stop ID",
		Short: "Stop a job",
		Long: `Stop ends the executions of a job that run. Functions that are at work go on until
they end by themselves, within 15 minutes; what they write is part of the job. jobs
continue goes on with it.`,
		Example: "  bifrost jobs stop replay-20260131T120000",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			control, parts, err := openControl(a, c.Context())
			if err != nil {
				return err
			}
			defer parts.Close()
			n, err := control.Stop(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.PrintJSON(map[string]any{"id": args[0], "stopped": n})
			}
			if n == 0 {
				a.Say("Job %s does not run.", args[0])
				return nil
			}
			a.Say("Job %s is stopped. bifrost jobs continue %s goes on with what is left.", args[0], args[0])
			return nil
		},
	}
	app.AddJSON(c, &asJSON)
	return c
}
