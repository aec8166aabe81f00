// What the shell completes: names of topics, numbers of partitions.

package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// completePatience is how long a person who pressed TAB waits for names.
const completePatience = 3 * time.Second

// CompleteTopics completes the names of topics in the archive.
func (a *App) CompleteTopics(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return otherTopics(a.knownProgress(c.Context()), args), cobra.ShellCompDirectiveNoFileComp
}

// otherTopics are the names of the rows, which are in order, that are not given yet.
func otherTopics(rows []bifrost.Progress, given []string) (names []string) {
	for _, p := range rows {
		if !slices.Contains(given, p.Name) && (len(names) == 0 || names[len(names)-1] != p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// CompletePartitions completes a topic, and then its partitions, up to so many
// arguments; 0 for no end.
func (a *App) CompletePartitions(most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			names, _ := a.CompleteTopics(c, args, begun)
			return names, cobra.ShellCompDirectiveDefault // without a topic the shell completes files
		}
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return otherNumbers(a.knownProgress(c.Context()), args), cobra.ShellCompDirectiveNoFileComp
	}
}

// otherNumbers are the partitions of the topic that is given first, but those that are given
// behind it.
func otherNumbers(rows []bifrost.Progress, given []string) (numbers []string) {
	for _, p := range rows {
		if number := fmt.Sprint(p.Number); p.Name == given[0] && !slices.Contains(given[1:], number) {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// knownProgress is the progress rows, or nothing: completion has no place for errors.
func (a *App) knownProgress(ctx context.Context) []bifrost.Progress {
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	defer cancel()
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return nil
	}
	defer parts.Close()
	rows, err := readback.SelectProgress(ctx, parts.Ledger, nil)
	if err != nil {
		return nil
	}
	return rows
}

// CompleteWords completes the value of a flag from a fixed list.
func CompleteWords(c *cobra.Command, flag string, words ...string) {
	complete := cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag does not exist
	}
}
