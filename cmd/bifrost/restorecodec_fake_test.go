//go:build !real

package main

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// codecsOf are the codecs of the records of a topic, which has n of them, as Kafka numbers them.
func codecsOf(t *testing.T, brokers, topic string, n int) map[uint8]int {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(topic))
	must(t, err)
	defer client.Close()
	codecs := map[uint8]int{}
	for read := 0; read < n; {
		fetched := client.PollFetches(t.Context())
		must(t, fetched.Err())
		for _, r := range fetched.Records() {
			codecs[r.Attrs.CompressionType()]++
			read++
		}
	}
	return codecs
}

// TestARestoreHasTheCodecThatWasChosen: what the plan says is what is written, by a drill too.
func TestARestoreHasTheCodecThatWasChosen(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	orders := s.topics + "-orders"
	must(t, s.topic(t.Context(), orders, 1))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 300)...))
	s.inside(t, "flush").must(t, 0)
	s.inside(t, "capture").must(t, 0)
	for _, command := range []string{"restore", "drill"} {
		for name, number := range map[string]uint8{"": 2, "none": 0, "gzip": 1, "zstd": 4} {
			brokers, written := newCluster(t), name
			args := []string{command, "--at", "latest", "--to-brokers", brokers}
			if name == "" {
				written = "snappy"
			} else {
				args = append(args, "--compression", name)
			}
			s.inside(t, append(args, "--plan")...).must(t, 0, "Records of 1 topic would be compressed with "+written)
			s.inside(t, append(args, "--yes")...).must(t, 0)
			if got := codecsOf(t, brokers, orders, 300); len(got) != 1 || got[number] != 300 {
				t.Errorf("%s --compression %q: codecs %v, want %d", command, name, got, number)
			}
		}
		s.inside(t, command, "--at", "latest", "--to-brokers", "b", "--compression", "best", "--yes").must(t, 2, "--compression", "best")
	}
}
