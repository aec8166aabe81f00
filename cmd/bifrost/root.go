// The root command: help, groups, arguments that are wrong.

package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/replays"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/stackenv"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// newRoot puts the commands together.
func newRoot(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "bifrost",
		Short: "Look at, read, check and replay an archive of Kafka in S3",
		Long: `Bifrost archives Kafka to S3. This command is for the people around it: it shows
how the archive stands, reads records back, checks them, and replays them.

Where the archive is, it learns from flags, or from the same environment
variables as the deployed functions: "bifrost env" prints those of a stack, "make up"
writes its own to .local/env. AWS credentials, profile and region come from where the
AWS CLI takes them.`,
		Example: `  eval "$(bifrost env --stack bifrost)"
  bifrost status
  bifrost cat orders --last 10
  bifrost get orders 0 1234 --json`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       app.BuildVersion(),
		Args:          noSuchCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if !slices.Contains(console.ColorWords, a.Color) {
			return usage.Errorf("--color %q: want %s", a.Color, strings.Join(console.ColorWords, ", "))
		}
		if err := refuseEmptyFlags(c); err != nil {
			return err
		}
		for _, warning := range settings.UnknownVariables(os.Environ()) {
			a.Warn("%s", warning)
		}
		return nil
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Talk)
	root.SetVersionTemplate(versionLine() + "\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if number := negativeNumber.FindString(err.Error()); number != "" {
			return usage.Errorf("%s is no flag, and no number that an argument can be: want 0 or more", number)
		}
		return usage.Errorf("%s%s", usage.PlainWords(err.Error()), meantFlag(c, err.Error()))
	})
	a.AddFlags(root.PersistentFlags())
	root.PersistentFlags().StringVar(&a.Color, "color", console.ColorWords[0], "auto, always or never ($NO_COLOR)")
	app.CompleteWords(root, "color", console.ColorWords...)
	root.AddGroup(&cobra.Group{ID: groupLook, Title: "Look at the archive:"},
		&cobra.Group{ID: groupRead, Title: "Read it:"}, &cobra.Group{ID: groupWork, Title: "Archive:"},
		&cobra.Group{ID: groupCheck, Title: "Check and repair:"})
	root.AddCommand(commands(a)...)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = existingCommand(root)
	}
	finish(root)
	return root
}

// refuseEmptyFlags refuses flags that are given and empty, as by a variable of a script that is not set:
// as if they were left out they would select everything.
func refuseEmptyFlags(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		kind := f.Value.Type()
		if kind == "string" && f.Value.String() == "" || kind == "stringSlice" && f.Value.String() == "[]" {
			err = usage.Errorf("--%s is empty: give it a value, or leave it out", f.Name)
		}
	})
	return err
}

// negativeNumber is what was taken for flags of one letter each.
var negativeNumber = regexp.MustCompile(`-\d+$`)

// finish gives a command and those below it what all have.
func finish(c *cobra.Command) {
	if c.HasParent() && c.HasSubCommands() && !c.Runnable() {
		c.Args, c.RunE = noSuchCommand, wantCommand
	}
	c.Args = usageOf(c.Args)
	c.Long = strings.TrimSpace(c.Long) + "\n\n" + exitCodesHelp(c)
	for _, sub := range c.Commands() {
		finish(sub)
	}
}

// noSuchCommand refuses words behind a command that takes none, and says what was meant.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(),
		usage.DidYouMean(args[0], namesOfCommands(c)))
}

// wantCommand refuses a command that only holds others, alone: a script that forgot a word would take
// its help for a result.
func wantCommand(c *cobra.Command, _ []string) error {
	return usage.Errorf("%s alone does nothing: want one of %s", c.CommandPath(),
		strings.Join(namesOfCommands(c), ", "))
}

// namesOfCommands are those of the commands below one.
func namesOfCommands(c *cobra.Command) (names []string) {
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

// meantFlag says which flag was meant by one that there is not.
func meantFlag(c *cobra.Command, message string) string {
	wrong, isUnknown := strings.CutPrefix(message, "unknown flag: --")
	if !isUnknown {
		return ""
	}
	var names []string
	add := func(f *pflag.Flag) { names = append(names, "--"+f.Name) }
	c.Flags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return usage.DidYouMean("--"+wrong, names)
}

// existingCommand accepts the words that lead to a command.
func existingCommand(root *cobra.Command) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return fmt.Errorf("unknown command %q%s", strings.Join(args, " "),
				usage.DidYouMean(args[0], namesOfCommands(root)))
		}
		return nil
	}
}

// commands are all but cobra's own: help and completion.
func commands(a *app.App) []*cobra.Command {
	return []*cobra.Command{
		newStatus(a), newTopics(a), newLs(a), newClusters(a), newPlan(a), newReport(a),
		newCat(a), newGet(a), newExport(a), replays.New(a, groupRead), newRestore(a), newMap(a),
		jobs.New(a, groupRead), newServe(a),
		newRun(a), newFlush(a), newCapture(a),
		newVerify(a), newInit(a), newRebuild(a), newAccept(a), newDoctor(a), newDrill(a),
		newVersion(a), stackenv.New(a, groupLook),
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
			text := usage.PlainWords(strings.TrimSpace(err.Error()))
			if !c.HasSubCommands() {
				text += looseValue(c, args) + "\nusage: " + c.UseLine()
			}
			return usage.Of(errors.New(text))
		}
		return nil
	}
}

// looseValue says how a flag that is true or false is given its value, if one stands alone.
func looseValue(c *cobra.Command, args []string) (advice string) {
	for _, value := range args {
		if _, err := strconv.ParseBool(value); err != nil {
			continue
		}
		c.Flags().Visit(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				advice = fmt.Sprintf("; write --%s=%s", f.Name, value)
			}
		})
	}
	return advice
}

func exitCodesHelp(c *cobra.Command) string {
	text := "Exit codes: 0 success, 1 failure, 2 wrong usage"
	if !c.HasParent() {
		return text + ", 3 the work was done and something is\nwrong (the help of each command says what), 130 interrupted."
	}
	if meaning := c.Annotations[app.UnhealthyMeaning]; meaning != "" {
		text += ",\n3 " + meaning
	}
	return text + "."
}
