// Variables that look like settings but are none.

package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/config"
)

// ofOthers are variables that begin as those of Bifrost and are for others: make up writes the
// discover function for people, and tests and benchmarks have their own.
var ofOthers = regexp.MustCompile(`^BIFROST_(DISCOVER_FUNCTION$|TEST_|BENCH_)`)

// UnknownVariables says of each variable of an environment, which has the form of os.Environ, that
// it begins as those of Bifrost and nothing reads it. An empty one counts as not set.
func UnknownVariables(environ []string) (warnings []string) {
	known := []string{JobMachine}
	for _, v := range slices.Concat(config.Variables, config.TargetVariables) {
		known = append(known, v.Name)
	}
	for _, text := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(text, "=")
		if strings.TrimSpace(value) == "" || !strings.HasPrefix(name, "BIFROST_") || slices.Contains(known, name) ||
			ofOthers.MatchString(name) {
			continue
		}
		meant := usage.DidYouMean(name, known)
		if meant == "" {
			meant = ": docs/configuration.md lists the variables"
		}
		warnings = append(warnings, fmt.Sprintf("%s is set, and nothing reads it%s", name, meant))
	}
	return warnings
}
