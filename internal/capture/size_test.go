package capture

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"context"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// largeCluster plays 10,000 topics with 60,000 partitions, and 2,000 groups that
// have read 48 partitions each.
type largeCluster struct {
	*fakeCluster
	random *rand.Rand
}

func newLargeCluster() largeCluster {
	c := largeCluster{newFake(), rand.New(rand.NewPCG(1, 2))}
	c.overview.Topics, c.groups = nil, nil
	for i := range 10_000 {
		t := topic(fmt.Sprintf("team-%d.topic-%05d", i%37, i), 0, 0)
		for n := range t.ID {
			t.ID[n] = byte(c.random.Uint32())
		}
		for range 6 {
			first := c.random.Int32N(12)
			t.Partitions = append(t.Partitions, []int32{first, (first + 1) % 12, (first + 2) % 12})
		}
		c.overview.Topics = append(c.overview.Topics, t)
	}
	for i := range 2_000 {
		c.groups = append(c.groups, Group{Name: fmt.Sprintf("application-%04d", i), Type: "classic", ProtocolType: "consumer", State: "Stable"})
	}
	return c
}

func (c largeCluster) CommittedOffsets(_ context.Context, groups []string) map[string]CommittedAnswer {
	answers := map[string]CommittedAnswer{}
	for _, g := range groups {
		offsets := map[string][]Committed{}
		for range 8 {
			name := c.overview.Topics[c.random.IntN(10_000)].Name
			for p := range int32(6) {
				offsets[name] = append(offsets[name], Committed{Partition: p, Offset: c.random.Int64N(1e9), LeaderEpoch: c.random.Int32N(50), Metadata: new(string)})
			}
		}
		answers[g] = CommittedAnswer{Offsets: offsets}
	}
	return answers
}

func (c largeCluster) Offsets(_ context.Context, topics []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	answers := map[bifrost.TopicPartition]bifrost.OffsetAnswer{}
	for _, t := range topics {
		for _, p := range t.Partitions {
			start := c.random.Int64N(1e9)
			end := start + c.random.Int64N(1e7)
			answers[bifrost.TopicPartition{Topic: t.Name, Partition: p}] = bifrost.OffsetAnswer{
				Observation: bifrost.Observation{LogStart: start, LastStable: end, HighWatermark: end, LeaderEpoch: c.random.Int32N(50)}}
		}
	}
	return answers, nil
}

func (c largeCluster) TopicIDs(context.Context, []string) (map[string]bifrost.TopicID, error) {
	ids := map[string]bifrost.TopicID{}
	for _, t := range c.overview.Topics {
		ids[t.Name] = t.ID
	}
	return ids, nil
}

// BenchmarkLargeCluster measures what docs/capture.md says of the size of a large
// cluster's captures, and what the rules take beside Kafka.
func BenchmarkLargeCluster(b *testing.B) {
	previous := []int{settingsAtOnce, groupsAtOnce, partitionsAtOnce}
	settingsAtOnce, groupsAtOnce, partitionsAtOnce = 500, 100, 5000
	defer func() { settingsAtOnce, groupsAtOnce, partitionsAtOnce = previous[0], previous[1], previous[2] }()
	for b.Loop() {
		c := &Capturer{Group: "g", Cluster: newLargeCluster(), Now: time.Now}
		made, err := c.Read(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(made.configuration)), "configuration-bytes")
		b.ReportMetric(float64(len(made.positions)), "positions-bytes")
	}
}
