// Package app is what all commands share: a console, the settings of the archive, the
// completion of names, and the errors that decide about the exit code.
package app

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
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

// SayNothingArchived says why a list is empty.
func (a *App) SayNothingArchived() {
	a.Say("Nothing is archived yet: no tick of discover has run on these tables. " +
		"bifrost plan says what the first would do.")
}

// AddJSON adds the flag that every command with a table has.
func AddJSON(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON instead, for scripts")
}

// UnhealthyMeaning is the annotation that says what exit code 3 means for a command.
const UnhealthyMeaning = "unhealthy"

// TellLives says which of the names that are read stand for the first life of a topic that
// goes on as lives that are not among them.
func (a *App) TellLives(all []bifrost.Progress, names ...string) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		later := slices.DeleteFunc(readback.LaterLives(all, name),
			func(life string) bool { return slices.Contains(names, life) })
		if len(later) > 0 {
			a.Warn("%s is the first life of the topic; it goes on as %s, which is not read unless it is named", name,
				strings.Join(later, ", "))
		}
	}
}
