//go:build real && soak

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestARM64 deploys the processor that the template names, which is not that of
// most machines that test it: functions for arm64 archive records of all kinds, and
// what is in S3 is what is in Kafka.
func TestARM64(t *testing.T) {
	undo, err := localservices.RegisterARM64(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := undo(); err != nil {
			t.Error(err)
		}
	})
	e := plainEndToEnd(t, localservices.Kafka(t))
	e.producePlain(e.topic("plain"), 20_000)
	e.produceTransactions(e.topic("transactions"), 30_000)
	e.stack = localservices.StackForTest(t, localservices.StackOptions{Kafka: e.brokers, Architecture: "arm64",
		Parameters: map[string]string{"IncludeTopics": e.prefix + "*"}})
	e.archive()
	e.comparePartitions()
	for _, topic := range e.topics {
		for p := range int32(partitionsEach) {
			_, err := comparePartition(t.Context(), e.stack, topic, p)
			e.check(err)
		}
	}
	e.ranAsARM64()
}

// ranAsARM64 looks at the warm processes of the functions. Where QEMU runs them,
// its program is theirs.
func (e *endToEnd) ranAsARM64() {
	e.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/environ")
	e.check(err)
	functions := 0
	for _, environ := range processes {
		content, err := os.ReadFile(environ)
		if err != nil || !bytes.Contains(content, []byte("AWS_LAMBDA_FUNCTION_NAME=")) || !bytes.Contains(content, []byte(e.stack.AWS.URL)) {
			continue // of somebody else, or gone
		}
		program, err := os.Readlink(filepath.Join(filepath.Dir(environ), "exe"))
		if err != nil {
			continue
		}
		functions++
		if qemu := filepath.Base(program) == "qemu-aarch64"; qemu != (runtime.GOARCH != "arm64") {
			e.Errorf("a function runs as %s on %s", program, runtime.GOARCH)
		}
	}
	if functions == 0 {
		e.Error("no process of a function is left to look at")
	}
}
