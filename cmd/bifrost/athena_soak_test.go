//go:build real && soak

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// Whoever follows docs/athena.md word for word, in an account that has nothing, has an answer of
// Athena. Two things are not the page's: the address of the brokers, and the saved queries in the
// template, which the local AWS does not know.
func TestFromAnEmptyAccountToTheFirstQuery(t *testing.T) {
	t.Parallel()
	must(t, localservices.Install(t.Context(), nil, localservices.PartAWSCLI))
	awsCLI, err := localservices.Tool("aws")
	must(t, err)
	server, err := localservices.StartAWS(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, server.Remove()) })
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	s := &sandbox{brokers: broker.Addr(), db: server.Endpoint.Config()}
	s.store = s3.NewFromConfig(server.Endpoint.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	must(t, s.topic(t.Context(), "orders", 1))
	for day, records := range map[int]int{30: 2, 31: 3} {
		for range records {
			must(t, s.produce(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("v"), Timestamp: time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC)}))
		}
	}
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "infra"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "infra", "athena.yaml"), []byte(withoutQueries(t)), 0o644))
	blocks := blocksOf(t, "sh")
	if len(blocks) != 4 || !strings.Contains(blocks[0], "b-1.example.com:9092") {
		t.Fatalf("docs/athena.md has %d blocks, want those of its four steps", len(blocks))
	}
	script := strings.Replace(strings.Join(blocks, "\n"), "b-1.example.com:9092", s.brokers, 1)
	steps := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	steps.Dir = dir
	steps.Env = append(append(os.Environ(), server.Endpoint.Env()...),
		"PATH="+filepath.Dir(awsCLI)+":"+os.Getenv("PATH"), "HOME="+dir, "AWS_PAGER=")
	out, err := steps.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answer := strings.Fields(string(out[strings.LastIndex(string(out), "date"):]))
	if got := strings.Join(answer, " "); got != "date records 2026-01-30 2 2026-01-31 3" {
		t.Errorf("the first query answers %q behind\n%s", got, out)
	}
}
