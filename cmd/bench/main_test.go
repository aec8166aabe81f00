package main

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The tests' own program is a process of ticks when it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv(tickProcess) != "" {
		runTicks()
		return
	}
	rounds, formatViews, seekBytes = 1, 2_000, 3e6
	seekObjects, seekRoundTrip = 2_500, time.Microsecond
	os.Exit(m.Run())
}

// What no page shows is not measured: a benchmark has a table of figures, or a
// sentence that says how to run it.
func TestEveryBenchmarkIsOnAPage(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, pattern := range []string{"../../docs/*.md", "../../docs/decisions/*.md"} {
		pages, err := filepath.Glob(pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages at %s: %v", pattern, err)
		}
		for _, page := range pages {
			content, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(content)
		}
	}
	for _, b := range benchmarks {
		tables := regexp.MustCompile(`(?m)^<!-- figures (.* )?` + regexp.QuoteMeta(strings.SplitAfter(b.name, "/")[0]))
		named := regexp.MustCompile("`(go run ./cmd/bench -run )?" + regexp.QuoteMeta(b.name) + "`")
		if !tables.MatchString(text.String()) && !named.MatchString(text.String()) {
			t.Errorf("no page of docs shows or names the benchmark %s: put it there, or leave it out", b.name)
		}
	}
}

// The benchmarks of the format, on few records and in one round.
func TestFormatBenchmarksInSmall(t *testing.T) {
	t.Parallel()
	for _, b := range formatBenchmarks {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			figures := map[string]float64{}
			err := b.run(func(f figure) {
				if math.IsNaN(f.Value) || math.IsInf(f.Value, 0) || f.Unit == "" {
					t.Errorf("the figure %+v is none", f)
				}
				if _, twice := figures[f.Name]; twice || !strings.HasPrefix(f.Name, b.name) {
					t.Errorf("%s is reported twice, or is another benchmark's", f.Name)
				}
				figures[f.Name] = f.Value
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(figures) == 0 {
				t.Error("no figures")
			}
			for _, name := range []string{"format/seek/open-reads", "format/seek/reads"} {
				if reads, measured := figures[name]; measured && reads != 1 {
					t.Errorf("%s = %v, want 1", name, reads)
				}
			}
		})
	}
}

// Times are looked for among few objects: each is found, with two reads of S3 at most.
func TestGatewaySeekInSmall(t *testing.T) {
	t.Parallel()
	figures := map[string]float64{}
	if err := benchGatewaySeek(func(f figure) { figures[f.Name] = f.Value }); err != nil {
		t.Fatal(err)
	}
	if reads, measured := figures["gateway/seek/reads"]; !measured || reads < 1 || reads > 2 {
		t.Errorf("the most reads of S3 are %v, want 1 or 2", reads)
	}
}

func TestPageViewsAreTheSameForASeed(t *testing.T) {
	t.Parallel()
	one, same, other := pageViews(50, 1), pageViews(50, 1), pageViews(50, 2)
	for i := range one {
		if string(one[i].Value) != string(same[i].Value) || string(one[i].Key) != string(same[i].Key) {
			t.Fatalf("record %d is another one", i)
		}
	}
	if string(one[0].Value) == string(other[0].Value) {
		t.Error("another seed makes the same records")
	}
}
