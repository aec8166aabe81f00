// Which build this is.

package app

import (
	"runtime/debug"

	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// BuildVersion is the release, or else what Go knows of the build: the module's
// version for go install, the commit for a checkout.
func BuildVersion() string {
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
