package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// buildVersion is the release, or else what Go knows of the build: the module's
// version for go install, the commit for a checkout.
func buildVersion() string {
	if wiring.Version != "devel" {
		return wiring.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			return "devel-" + setting.Value[:12]
		}
	}
	return info.Main.Version
}

// versionJSON is what version --json prints.
type versionJSON struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  bifrost version\n  bifrost version --json",
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(versionJSON{buildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintf(a.out, "bifrost %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	addJSON(c, &asJSON)
	return c
}

// addJSON adds the flag that every command with a table has.
func addJSON(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON instead, for scripts")
}
