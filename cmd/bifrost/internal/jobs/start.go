// The flag --as-job, which makes a job of a command.

package jobs

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/job"
)

// AddFlag adds the flag that makes a job of a command.
func AddFlag(c *cobra.Command, asJob *bool) {
	c.Flags().BoolVar(asJob, "as-job", false,
		"do it in the stack, by many functions side by side, and show how far they are (docs/jobs.md)")
}

// RefuseFlags refuses flags that mean nothing to a job.
func RefuseFlags(c *cobra.Command, names ...string) error {
	for _, name := range names {
		if c.Flags().Changed(name) {
			return usage.Errorf("--%s does not go together with --as-job", name)
		}
	}
	return nil
}

// NewID is an ID that nobody has to think of.
func NewID(a *app.App, kind job.Kind) string {
	return fmt.Sprintf("%s-%s", kind, a.Now().UTC().Format("20060102T150405"))
}

// Start checks a job, starts it and follows it.
func Start(a *app.App, ctx context.Context, spec job.Spec, asJSON bool) error {
	if err := spec.Check(); err != nil {
		return usage.Of(err)
	}
	control, parts, err := openControl(a, ctx)
	if err != nil {
		return err
	}
	defer parts.Close()
	if spec.Kind == job.KindReplay { // to the others a name stands for all lives of its topic
		all, err := parts.Ledger.ListProgress(ctx)
		if err != nil {
			return err
		}
		a.TellLives(all, sourcesOf(spec.Topics)...)
	}
	return runJob(a, ctx, control, spec, asJSON)
}

// sourcesOf is the topics of a replay without their targets. A glob stands for all lives.
func sourcesOf(arguments []string) (names []string) {
	for _, argument := range arguments {
		source, _, _ := strings.Cut(argument, ":")
		names = append(names, source)
	}
	return names
}
