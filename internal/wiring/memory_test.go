package wiring

import (
	"runtime/debug"
	"testing"
)

// The limit is the process's, and so is the variable: this test runs alone.
func TestMemoryLimitIsThatOfTheFunction(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
	LimitMemory()
	if limit := debug.SetMemoryLimit(-1); limit != before {
		t.Errorf("outside of Lambda the limit becomes %d", limit)
	}
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
	LimitMemory()
	if limit := debug.SetMemoryLimit(-1); limit != 448<<20 {
		t.Errorf("with 512 MB the limit is %d bytes, want 448 MiB", limit)
	}
}
