// The command version: which build this is.

package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

// versionJSON is what version --json prints.
type versionJSON struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  bifrost version\n  bifrost version --json",
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.PrintJSON(versionJSON{app.BuildVersion(), runtime.Version(), runtime.GOOS + "/" +
					runtime.GOARCH})
			}
			_, err := fmt.Fprintln(a.Out, versionLine())
			return err
		},
	}
	app.AddJSON(c, &asJSON)
	return c
}

// versionLine says which build this is, for version and --version.
func versionLine() string {
	return fmt.Sprintf("bifrost %s (%s, %s/%s)", app.BuildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
