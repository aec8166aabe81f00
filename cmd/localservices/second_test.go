package main

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// The second cluster answers where it says, until it is interrupted.
func TestASecondCluster(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serveSecond(ctx, out, true) }()
	lines := bufio.NewScanner(said)
	lines.Scan()
	go func() { _, _ = io.Copy(io.Discard, said) }()
	found := regexp.MustCompile(`^Ready: an empty cluster at (\S+), until`).FindStringSubmatch(lines.Text())
	if found == nil {
		t.Fatalf("it says %q", lines.Text())
	}
	if err := localservices.PingKafka(t.Context(), found[1]); err != nil {
		t.Errorf("nothing answers at %s: %v", found[1], err)
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
	if err := localservices.PingKafka(t.Context(), found[1]); err == nil {
		t.Errorf("something still answers at %s", found[1])
	}
}
