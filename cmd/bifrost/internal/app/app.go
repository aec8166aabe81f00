// Package app is what all commands share: a console, the settings of the archive, the
// completion of names, and the errors that decide about the exit code.
package app

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// App is what all commands share.
type App struct {
	*console.Console
	*settings.Settings
}

// New returns an App for the three streams of a process.
func New(in io.Reader, out, talk io.Writer) *App {
	return &App{Console: console.New(in, out, talk), Settings: settings.NewSettings()}
}

// OpenParts is [settings.Settings.OpenParts] with a log in words for the person, who has no use for
// what a stack logs of everything that goes well.
func (a *App) OpenParts(ctx context.Context, role config.Role) (*wiring.Parts, error) {
	parts, err := a.Settings.OpenParts(ctx, role)
	if err == nil {
		parts.Log = a.Logger(max(slog.LevelWarn, parts.Config.LogLevel))
	}
	return parts, err
}

// NothingArchived says why there are no rows.
const NothingArchived = "nothing is archived yet: no tick of discover has run on these tables; bifrost plan says " +
	"what the first would do"

// AddJSON adds the flag that every command with a table has.
func AddJSON(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON instead, for scripts")
}

// UnhealthyMeaning is the annotation that says what exit code 3 means for a command.
const UnhealthyMeaning = "unhealthy"

// TellLives says which of the names that are read stand for the first life of a topic that
// goes on as lives that are not among them (docs/decisions/0024).
func (a *App) TellLives(all []bifrost.Progress, names ...string) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		later := slices.DeleteFunc(readback.LaterLives(all, name),
			func(life string) bool { return slices.Contains(names, life) })
		if len(later) == 0 {
			continue
		}
		cluster := clusterOf(all, name)
		goesOn := slices.ContainsFunc(later, func(life string) bool { return clusterOf(all, life) == cluster })
		if cluster != "" && !goesOn {
			a.Warn("%s is the topic of cluster %s; one of the same name in another cluster is archived as %s: name "+
				"that for its records", name, cluster, strings.Join(later, ", "))
			continue
		}
		which := ""
		if present := readback.NewLives(all).Present(name); slices.Contains(later, present) && len(later) > 1 {
			which = ", of which " + present + " is the present one"
		}
		a.Warn("%s is the first life of the topic; it goes on as %s%s: name that for what came later",
			name, strings.Join(later, ", "), which)
	}
}

// clusterOf is the cluster of an archived topic; empty if its rows do not tell.
func clusterOf(all []bifrost.Progress, name string) string {
	for _, p := range all {
		if p.Name == name {
			return p.ClusterID
		}
	}
	return ""
}

// TellAllLives says which of the names stand for more than one life of a topic, where a topic's
// name stands for all of them.
func (a *App) TellAllLives(all []bifrost.Progress, names ...string) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		lives := readback.LaterLives(all, name)
		if _, err := readback.Topic(all, name); err == nil {
			lives = append([]string{name}, lives...)
		}
		if len(lives) > 1 {
			a.Say("%s stands for all lives of the topic here: %s", name, strings.Join(lives, ", "))
		}
	}
}
