package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var parameterLine = regexp.MustCompile(`(?m)^    "([A-Za-z]+=[^"]*)",$`)

// Each sample names parameters that exist, with values that nobody refuses, and
// answers the questions that matter, and those alone.
func TestSamplesCanBeDeployed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(root + "/docs/samples/*.toml")
	if err != nil || len(files) < 6 {
		t.Fatalf("samples %v, error %v", files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var parameters []string
		for _, line := range parameterLine.FindAllStringSubmatch(string(text), -1) {
			parameters = append(parameters, line[1])
		}
		if n := strings.Count(string(text), "\n    \""); n != len(parameters) || n < 3 || n > 8 {
			t.Errorf("%s has %d parameters, of which %d can be read", path, n, len(parameters))
		}
		if why := deployed(t, parameters...).refusals(); len(why) > 0 {
			t.Errorf("%s is refused: %v", path, why)
		}
	}
}
