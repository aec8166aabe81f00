//go:build real

package kafka

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// listedOnce is a client that calls seen after it has listed transactions for the first
// time.
type listedOnce struct {
	*Client
	seen func(ids []string)
}

func (c *listedOnce) CommittingTransactions(ctx context.Context) ([]string, error) {
	ids, err := c.Client.CommittingTransactions(ctx)
	if err == nil && c.seen != nil {
		c.seen(ids)
		c.seen = nil
	}
	return ids, err
}

// TestCaptureInTheMiddleOfACommit: of two brokers that hold the output of a transaction one
// is down, so that its marker cannot be written there, while the group's coordinator has
// it: the position counts what nobody can read. A capture that is made now waits until the
// output is stable.
func TestCaptureInTheMiddleOfACommit(t *testing.T) {
	t.Parallel()
	const records = 10
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	client := producer(t, []string{broker.Addr()}, kgo.DefaultProduceTopic("input"))
	admin := kadm.NewClient(client)
	makeCoordinators(t, broker, client) // on the broker that stays
	second := localservices.KafkaForTest(t, localservices.KafkaOptions{Join: broker})
	createOn(t, client, "input", "1", int32(broker.Node()))
	createOn(t, client, "output", "2", int32(broker.Node()), int32(second.Node()))
	mustSucceed(t, client.ProduceSync(t.Context(), values(records, "%d")...).FirstErr())

	application, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(broker.Addr()), kgo.TransactionalID("application"), kgo.TransactionTimeout(10*time.Minute), kgo.ConsumerGroup("application"),
		kgo.ConsumeTopics("input"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DefaultProduceTopic("output"))
	mustSucceed(t, err)
	t.Cleanup(application.Close)
	mustSucceed(t, application.Begin())
	for read := 0; read < records; {
		for _, record := range application.PollFetches(t.Context()).Records() {
			mustSucceed(t, application.ProduceSync(t.Context(), kgo.SliceRecord(record.Value)).FirstErr())
			read++
		}
	}
	mustSucceed(t, second.Stop())
	eventually(t, "that the second broker is out of the ISR", func() bool {
		topics, err := admin.ListTopics(t.Context(), "output")
		mustSucceed(t, err)
		return len(topics["output"].Partitions[0].ISR) == 1
	})
	committed, err := application.End(t.Context(), kgo.TryCommit)
	mustSucceed(t, err)
	if !committed {
		t.Fatal("the transaction was not committed")
	}
	eventually(t, "that the group's position counts the transaction", func() bool {
		offsets, err := admin.FetchOffsets(t.Context(), "application")
		mustSucceed(t, err)
		at, _ := offsets.Lookup("input", 0)
		return at.At == records
	})

	cluster := &listedOnce{Client: connectPatiently(t, Config{Brokers: []string{broker.Addr()}})}
	var seen []string
	cluster.seen = func(ids []string) {
		seen = slices.Clone(ids)
		ends, err := admin.ListCommittedOffsets(t.Context(), "output")
		mustSucceed(t, err)
		if end, _ := ends.Lookup("output", 0); end.Offset != 0 {
			t.Errorf("the output is stable up to %d already: this shows nothing", end.Offset)
		}
		setReplicas := []kadm.AlterConfig{{Name: "min.insync.replicas", Value: kadm.StringPtr("1")}}
		_, err = admin.AlterTopicConfigs(t.Context(), setReplicas, "output")
		mustSucceed(t, err)
	}
	c := &capture.Capturer{Group: "g", Cluster: cluster, Bucket: bifrosttest.NewStore(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	made, err := c.CaptureNow(t.Context())
	mustSucceed(t, err)
	s, err := made.Snapshot()
	mustSucceed(t, err)
	if len(seen) != 1 || seen[0] != "application" {
		t.Errorf("transactions %q were seen", seen)
	}
	position := s.Positions.Groups[0].Offsets["input"][0].Offset
	if output := *s.Positions.Offsets[1].Partitions[0]; position != records || s.Positions.Offsets[1].Topic != "output" || output[1] != records+1 {
		t.Errorf("the group has read %d records, and the output ends at %v, want %d and the marker", position, output, records)
	}
	if len(s.Positions.NotCaptured) != 0 {
		t.Errorf("not captured: %+v", s.Positions.NotCaptured)
	}
}

func mustSucceed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeCoordinators makes the topics in which a cluster keeps groups and transactions, on
// the only broker that there is.
func makeCoordinators(t *testing.T, broker *localservices.KafkaBroker, client *kgo.Client) {
	t.Helper()
	admin := kadm.NewClient(client)
	createOn(t, client, "first", "1", int32(broker.Node()))
	eventually(t, "a coordinator of groups", func() bool {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: "first", At: 0, LeaderEpoch: -1})
		answers, err := admin.CommitOffsets(t.Context(), "first", offsets)
		return err == nil && answers.Error() == nil
	})
	transactional := producer(t, []string{broker.Addr()}, kgo.TransactionalID("first"))
	_, _, err := transactional.ProducerID(t.Context())
	mustSucceed(t, err)
	_, err = admin.DeleteGroups(t.Context(), "first")
	mustSucceed(t, err)
	_, err = admin.DeleteTopics(t.Context(), "first")
	mustSucceed(t, err)
}

// createOn makes a topic of one partition on these brokers.
func createOn(t *testing.T, client *kgo.Client, name, minInSync string, brokers ...int32) {
	t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, -1, -1
	assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
	assignment.Replicas = brokers
	topic.ReplicaAssignment = append(topic.ReplicaAssignment, assignment)
	config := kmsg.NewCreateTopicsRequestTopicConfig()
	config.Name, config.Value = "min.insync.replicas", &minInSync
	topic.Configs = append(topic.Configs, config)
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(t.Context(), client)
	mustSucceed(t, err)
	mustSucceed(t, kerr.ErrorForCode(answer.Topics[0].ErrorCode))
}
