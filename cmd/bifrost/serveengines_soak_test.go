//go:build real && soak

package main

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// readingEngines are programs that read a topic up to given ends.
var readingEngines = map[string]readingProgram{
	"spark": func(t *testing.T, servers, topic string, steps ...string) *exec.Cmd {
		t.Helper()
		args := append([]string{servers, topic}, steps...)
		command, err := localservices.SparkProgram(t.Context(), "testdata/gateway/Spark.java", args...)
		must(t, err)
		return command
	},
	"flink": func(t *testing.T, servers, topic string, steps ...string) *exec.Cmd {
		t.Helper()
		args := append([]string{servers, topic}, steps...)
		return localservices.FlinkProgram(t, "testdata/gateway/Flink.java", args...)
	},
}

// Spark in batch and Flink bounded read the same records from Kafka and from the gateway,
// up to ends behind which there is more: from the archive alone, and from the archive and
// the live log behind it. A recorded gap ends them with an error.
func TestSparkAndFlinkReadTheArchive(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	ctx, random := t.Context(), rand.New(rand.NewPCG(22, 27))
	topic, lossy := s.topics+"-orders", s.topics+"-lossy"
	must(t, s.topic(ctx, topic, 2))
	must(t, s.topic(ctx, lossy, 1))
	// Kafka finds times of transaction markers, too, which are of now.
	base := time.Now().Add(10 * time.Minute).UnixMilli()
	write := func(round int) {
		var records []*kgo.Record
		for n := range 600 {
			r := oddOrder(topic, random)
			r.Timestamp = human.Millis(base + int64(round*1000+n+random.IntN(50)))
			records = append(records, r)
		}
		must(t, s.produceBy(t, kgo.Lz4Compression(), topic, records...))
		s.transaction(t, topic, true, numbered(topic, 0, 0, 5)...)
		s.transaction(t, topic, false, numbered(topic, 1, 0, 5)...) // an aborted tail
		s.settledEnd(t, topic)
	}
	write(0)
	s.bifrost(t, "flush")
	write(1)
	must(t, s.produce(ctx, numbered(lossy, 0, 0, 10)...))
	s.bifrost(t, "flush")
	must(t, s.produce(ctx, numbered(lossy, 0, 10, 20)...))
	s.cutBelow(t, lossy, 1, 15)
	s.bifrost(t, "flush")
	archived := s.endsOf(t, topic)
	write(2)
	both := s.endsOf(t, topic)
	stepsTo := func(ends string) []string {
		return []string{"earliest:" + ends, "offset:333:" + ends, fmt.Sprint("time:", base+1100, ":", ends)}
	}
	want, wantBoth := map[string]string{}, map[string]string{}
	for name, engine := range readingEngines {
		want[name] = inOrder(engine.read(t, s.brokers, topic, stepsTo(archived)...))
		wantBoth[name] = inOrder(engine.read(t, s.brokers, topic, stepsTo(both)...))
		if got := strings.Count(want[name], "\n"); got < 2000 {
			t.Fatalf("%s reads %d lines from Kafka", name, got)
		}
	}
	s.cutBelow(t, topic, 2, 60)
	cold := s.served(t)
	live, stop := s.serving(t, "--listen", "127.0.0.1:0")
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	for name, engine := range readingEngines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := inOrder(engine.read(t, cold, topic, stepsTo(archived)...)); got != want[name] {
				t.Errorf("from the archive:\n%s\nfrom Kafka:\n%s", firstDifference(got, want[name]), firstDifference(want[name], got))
			}
			if got := inOrder(engine.read(t, live, topic, stepsTo(both)...)); got != wantBoth[name] {
				t.Errorf("from both:\n%s\nfrom Kafka:\n%s", firstDifference(got, wantBoth[name]), firstDifference(wantBoth[name], got))
			}
			endsWith(t, engine(t, cold, lossy, "earliest:20"), "TopicAuthorizationException", nil)
		})
	}
}

// endsOf is where the partitions of a topic end, with commas between.
func (s *sandbox) endsOf(t *testing.T, topic string) string {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	listed, err := kadm.NewClient(client).ListCommittedOffsets(t.Context(), topic)
	must(t, err)
	var ends []string
	for p := range int32(len(listed[topic])) {
		end, _ := listed.Lookup(topic, p)
		ends = append(ends, fmt.Sprint(end.Offset))
	}
	return strings.Join(ends, ",")
}
