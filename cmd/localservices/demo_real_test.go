//go:build real

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo runs the program as make demo does, with the embedded Kafka, which
// nothing else here uses.
func TestDemo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "localservices")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "demo")
	cmd.Env = append(os.Environ(), "KAFKA=embedded")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"sam build", "sam deploy", "archived_records", ".baldr.gz", "key order-0", "the same in S3 and in Kafka", "from bifrost serve", "offset 0  key order-"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not show %q:\n%s", want, out)
		}
	}
}
