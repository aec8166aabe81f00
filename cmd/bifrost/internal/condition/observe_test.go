package condition

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// answering answers in Kafka's place.
type answering struct {
	bifrost.Cluster
	topics  []bifrost.Topic
	offsets map[bifrost.TopicPartition]bifrost.OffsetAnswer
}

func (c answering) Topics(context.Context) (string, []bifrost.Topic, error) {
	return "here", c.topics, nil
}

func (c answering) Offsets(context.Context, []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	return c.offsets, nil
}

// TestAskingKafkaNow: --live takes what Kafka says of the log, keeps what only a tick
// works out, and says of each partition of which Kafka says nothing why.
func TestAskingKafkaNow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id, soon := bifrost.TopicID{1}, now.Add(time.Hour)
	answer := bifrost.Observation{LogStart: 10, LastStable: 150, HighWatermark: 160, LeaderEpoch: 3, At: now}
	offsets := map[bifrost.TopicPartition]bifrost.OffsetAnswer{
		{Topic: "orders", Partition: 0}: {Observation: answer}, {Topic: "orders", Partition: 1}: {Err: errors.New("no leader")},
		{Topic: "anew", Partition: 0}: {Observation: answer},
	}
	cluster := answering{topics: []bifrost.Topic{{Name: "orders", ID: id}, {Name: "anew", ID: bifrost.TopicID{2}}}, offsets: offsets}
	begun := now.Add(-time.Minute)
	row := func(topic string, number int32, change func(p *bifrost.Progress)) bifrost.Progress {
		p := bifrost.Progress{Partition: bifrost.Partition{Name: topic, Number: number}, ClusterID: "here", TopicID: id, Status: bifrost.StatusOpen, NextOffset: 100}
		p.Observation = bifrost.Observation{LogStart: 1, LastStable: 120, HighWatermark: 130, At: begun, LossAt: soon}
		p.Trouble = bifrost.Trouble{Error: "before", Since: begun}
		if change != nil {
			change(&p)
		}
		return p
	}
	forecast := answer
	forecast.LossAt = soon
	for name, c := range map[string]struct {
		row     bifrost.Progress
		want    bifrost.Observation
		trouble string
	}{
		"looked at":         {row("orders", 0, nil), forecast, ""},
		"all was archived":  {row("orders", 0, func(p *bifrost.Progress) { p.NextOffset = 130 }), answer, ""},
		"an error":          {row("orders", 1, nil), row("", 0, nil).Observation, "no leader"},
		"not listed":        {row("gone", 0, nil), row("", 0, nil).Observation, "the brokers do not list it"},
		"made anew":         {row("anew", 0, nil), row("", 0, nil).Observation, "the brokers do not list it"},
		"another cluster":   {row("orders", 0, func(p *bifrost.Progress) { p.ClusterID = "there" }), row("", 0, nil).Observation, "cluster here, and not of cluster there"},
		"closed":            {row("orders", 0, func(p *bifrost.Progress) { p.Status = bifrost.StatusClosed }), row("", 0, nil).Observation, "before"},
		"a branch of a log": {row("orders", 0, func(p *bifrost.Progress) { p.Status = bifrost.StatusForked }), row("", 0, nil).Observation, "before"},
	} {
		rows := []bifrost.Progress{c.row}
		if err := ObserveLive(t.Context(), cluster, rows, now); err != nil {
			t.Fatal(err)
		}
		got := rows[0]
		if got.Observation != c.want || !strings.Contains(got.Trouble.Error, c.trouble) || (c.trouble == "") != (got.Trouble.Error == "") {
			t.Errorf("%s: %+v, trouble %+v\nwant %+v, %q", name, got.Observation, got.Trouble, c.want, c.trouble)
		}
		if got.Trouble.Error != "" && !got.Trouble.Since.Equal(begun) {
			t.Errorf("%s: trouble since %s, and it was there since %s", name, got.Trouble.Since, begun)
		}
	}
}
