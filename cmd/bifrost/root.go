package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot puts the commands together.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "bifrost",
		Short: "Look at, read, check and replay an archive of Kafka in S3",
		Long: `Bifrost archives Kafka to S3. This command is for the people around it: it shows
how the archive stands, reads records back, checks them, and replays them.

Where the archive is, it learns from flags, or from the same environment
variables as the deployed functions; "make up" writes them to .local/env. AWS
credentials, profile and region come from where the AWS CLI takes them.`,
		Example: `  . .local/env            # after make up
  bifrost status
  bifrost cat orders --last 10
  bifrost get orders 0 1234 --json`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		Args:              cobra.NoArgs,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.talk)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	a.addSettings(root.PersistentFlags())
	root.AddGroup(&cobra.Group{ID: groupLook, Title: "Look at the archive:"}, &cobra.Group{ID: groupRead, Title: "Read it:"},
		&cobra.Group{ID: groupWork, Title: "Archive:"}, &cobra.Group{ID: groupCheck, Title: "Check and repair:"})
	root.Args = usageOf(root.Args)
	root.AddCommand(commands(a)...)
	for _, command := range root.Commands() {
		command.Args = usageOf(command.Args)
		command.Long = strings.TrimRight(command.Long, "\n") + "\n\n" + exitCodesHelp(command)
	}
	root.Long += "\n\n" + exitCodesHelp(root)
	return root
}

// commands are the finished ones.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newStatus(a), newTopics(a), newLs(a), newPlan(a), newReport(a),
		newCat(a), newGet(a), newReplay(a),
		newRun(a), newFlush(a),
		newVerify(a), newRebuild(a), newAccept(a), newDoctor(a),
		newVersion(a),
	}
}

// The groups of the help.
const (
	groupLook  = "look"
	groupRead  = "read"
	groupWork  = "work"
	groupCheck = "check"
)

// usageOf makes errors about arguments errors about usage.
func usageOf(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.NoArgs
	}
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{errors.New(strings.TrimSpace(err.Error()) + "\nusage: " + c.UseLine())}
		}
		return nil
	}
}

// unhealthyMeaning is the annotation that says what exit code 3 means for a command.
const unhealthyMeaning = "unhealthy"

func exitCodesHelp(c *cobra.Command) string {
	text := "Exit codes: 0 success, 1 failure, 2 wrong usage"
	if meaning := c.Annotations[unhealthyMeaning]; meaning != "" {
		text += ",\n3 " + meaning
	}
	return text + "."
}
