//go:build real

package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dryrun"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// status is what status --json says, partition by partition.
func (s *sandbox) status(t testing.TB, code int) map[string]partitionJSON {
	t.Helper()
	o := s.run(t, "status", "--json")
	o.must(t, code)
	var status statusJSON
	if err := json.Unmarshal([]byte(o.out), &status); err != nil {
		t.Fatal(err)
	}
	if status.Healthy != (code == 0) {
		t.Errorf("healthy %v, and the exit code is to be %d", status.Healthy, code)
	}
	byName := map[string]partitionJSON{}
	for _, p := range status.Partitions {
		byName[fmt.Sprintf("%s/%d", strings.TrimPrefix(p.Topic, s.topics+"-"), p.Partition)] = p
	}
	return byName
}

// ownSandbox is a sandbox on brokers of its own.
func ownSandbox(t testing.TB, brokers ...*localservices.KafkaBroker) *sandbox {
	t.Helper()
	var addresses []string
	for _, b := range brokers {
		addresses = append(addresses, b.Addr())
	}
	s, err := newSandbox(t.Context(), strings.Join(addresses, ","), localservices.DynamoDB(t), localservices.S3(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// spread makes a topic whose partition n has one replica, on broker n+1.
func (s *sandbox) spread(t testing.TB, name string, partitions int32) {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, -1, -1
	forever := kmsg.NewCreateTopicsRequestTopicConfig() // the records of numbered are years old
	forever.Name, forever.Value = "retention.ms", kmsg.StringPtr("-1")
	topic.Configs = append(topic.Configs, forever)
	for n := range partitions {
		assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		assignment.Partition, assignment.Replicas = n, []int32{n + 1}
		topic.ReplicaAssignment = append(topic.ReplicaAssignment, assignment)
	}
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), client)
	must(t, err)
	if code := response.Topics[0].ErrorCode; code != 0 {
		t.Fatalf("make topic %s: error code %d", name, code)
	}
}

// leader waits until each of the brokers says that the partition has a leader, or none.
func leader(t testing.TB, brokers []*localservices.KafkaBroker, topic string, partition int32, want bool) {
	t.Helper()
	for _, b := range brokers {
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
		must(t, err)
		defer client.Close()
		said := func() bool {
			request := kmsg.NewPtrMetadataRequest()
			asked := kmsg.NewMetadataRequestTopic()
			asked.Topic = &topic
			request.Topics = append(request.Topics, asked)
			answer, err := client.Broker(int(b.Node())).Request(t.Context(), request)
			if err != nil {
				return false
			}
			for _, p := range answer.(*kmsg.MetadataResponse).Topics[0].Partitions {
				if p.Partition == partition {
					return (p.Leader >= 0) == want
				}
			}
			return false
		}
		for deadline := time.Now().Add(time.Minute); !said(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s/%d: has a leader is not %v within a minute at broker %d", topic, partition, want, b.Node())
			}
		}
	}
}

// Three brokers, one of which is killed: its partition has no leader. Everything
// else is archived, the partition is named by whatever shows health, and nothing
// advises rights.
func TestAPartitionWithoutALeader(t *testing.T) {
	t.Parallel()
	impatient := map[string]string{"broker.session.timeout.ms": "6000", "broker.heartbeat.interval.ms": "500"}
	first := localservices.KafkaForTest(t, localservices.KafkaOptions{Properties: impatient})
	brokers := []*localservices.KafkaBroker{first, nil, nil}
	var started sync.WaitGroup
	for i := range brokers[1:] {
		started.Go(func() {
			brokers[i+1] = localservices.KafkaForTest(t, localservices.KafkaOptions{Properties: impatient, Join: first})
		})
	}
	started.Wait()
	s := ownSandbox(t, brokers...)
	orders, payments := s.topics+"-orders", s.topics+"-payments"
	s.spread(t, orders, 3)
	s.spread(t, payments, 1)
	for n := range int32(3) {
		leader(t, brokers, orders, n, true)
	}
	produce := func(from, to int) {
		for n := range int32(3) {
			must(t, s.produce(t.Context(), numbered(orders, n, from, to)...))
		}
		must(t, s.produce(t.Context(), numbered(payments, 0, from, to)...))
	}
	produce(0, 10)
	s.run(t, "flush").must(t, 0)
	s.status(t, 0)
	produce(10, 20)

	dead := brokers[2]
	lost := int32(dead.Node() - 1)
	must(t, dead.Kill())
	leader(t, brokers[:2], orders, lost, false)
	place := fmt.Sprintf("%s/%d", orders, lost)
	s.run(t, "flush").must(t, 1, place+": list offsets: LEADER_NOT_AVAILABLE", "1 partition or topic failed")
	for name, p := range s.status(t, 3) {
		if name == fmt.Sprintf("orders/%d", lost) {
			if p.Healthy || !strings.Contains(p.Error, "LEADER_NOT_AVAILABLE") || p.ErrorSince == nil || p.NextOffset != 10 {
				t.Errorf("without a leader it is %+v", p)
			}
		} else if !p.Healthy || p.NextOffset != 20 || p.Error != "" {
			t.Errorf("%s is %+v", name, p)
		}
	}
	s.run(t, "status").must(t, 3, "LEADER_NOT_AVAILABLE")
	s.run(t, "status", "--live").must(t, 3, "LEADER_NOT_AVAILABLE")
	s.run(t, "flush", payments).must(t, 0)
	s.run(t, "report").must(t, 0, "Unhealthy: ", "LEADER_NOT_AVAILABLE")
	s.run(t, "doctor").must(t, 3, "1 of 4 partitions have none, such as topic "+orders, "no broker leads it")

	must(t, dead.Start(t.Context()))
	leader(t, brokers, orders, lost, true)
	s.run(t, "flush").must(t, 0)
	for name, p := range s.status(t, 0) {
		if p.NextOffset != 20 {
			t.Errorf("%s ends at %d", name, p.NextOffset)
		}
	}
	s.run(t, "verify", "--deep", "--kafka").must(t, 0)
}

// Another cluster at the same address: what was seen of the first one is not well,
// and what was never archived of it is said.
func TestAnotherClusterAtTheSameAddress(t *testing.T) {
	t.Parallel()
	first := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	s := ownSandbox(t, first)
	orders := s.topics + "-orders"
	must(t, s.topic(t.Context(), orders, 1))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 10)...))
	s.run(t, "flush").must(t, 0)
	s.status(t, 0)
	must(t, s.produce(t.Context(), numbered(orders, 0, 10, 25)...))
	s.planOnly(t)
	must(t, first.Stop())

	localservices.KafkaForTest(t, localservices.KafkaOptions{At: first.Port()})
	must(t, s.topic(t.Context(), orders, 1))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 5)...))
	s.run(t, "doctor").must(t, 0, "of the partitions in the tables 0 are of it, and 1 of cluster", "of which 15 offsets were seen and never archived")
	s.run(t, "flush").must(t, 2, "are these the brokers of this archive?")
	s.run(t, "flush", "--new-cluster").must(t, 0)
	healthy, sick := 0, 0
	for name, p := range s.status(t, 3) {
		switch {
		case p.Healthy:
			healthy++
		case !strings.Contains(p.Unseen, "offsets [10, 25) at least were never archived and are in no gap"):
			t.Errorf("%s says %q", name, p.Unseen)
		default:
			sick++
		}
	}
	if healthy != 1 || sick != 1 {
		t.Errorf("%d partitions are healthy and %d are not, want the new one and the old one", healthy, sick)
	}
	s.run(t, "status").must(t, 3, "the brokers are those of cluster")
	s.run(t, "report").must(t, 0, "Unhealthy: ")
	s.run(t, "doctor").must(t, 0, "of the partitions in the tables 1 are of it, and 1 of cluster")
}

// planOnly runs one tick whose workers never come.
func (s *sandbox) planOnly(t testing.TB) {
	t.Helper()
	lookup := map[string]string{"BIFROST_MAX_AGE_SECONDS": "0", "BIFROST_ARCHIVE_FUNCTION": "none"}
	for _, variable := range s.env {
		name, value, _ := strings.Cut(variable, "=")
		lookup[name] = value
	}
	c, err := config.Load(config.Archiver, func(name string) (string, bool) { v, ok := lookup[name]; return v, ok })
	must(t, err)
	client, err := kafka.New(kafka.Config{Brokers: c.Brokers})
	must(t, err)
	defer client.Close()
	store := s3store.New(s.storeConfig, c.Bucket)
	d := bifrost.Discoverer{
		Cluster: client, History: client, Retention: client, Ledger: dynamoledger.New(s.db, s.tables), Store: store, Bucket: store,
		Dispatcher: &dryrun.Dispatcher{}, Settings: c.Settings(), Now: time.Now, NewGeneration: rand.Text, Log: slog.New(slog.DiscardHandler),
	}
	if summary, err := d.Tick(t.Context(), time.Time{}); err != nil || summary.Dispatched != 1 {
		t.Fatalf("the tick planned %+v, %v", summary, err)
	}
}

// A range that fails stops nothing else, and is nobody's failure who did not ask
// for its topic.
func TestAFailureElsewhere(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	good, bad := s.topics+"-good", s.topics+"-bad"
	for _, topic := range []string{good, bad} {
		must(t, s.topic(t.Context(), topic, 1))
		must(t, s.produce(t.Context(), numbered(topic, 0, 0, 10)...))
	}
	for alternative := range 2 { // what is foreign is at every key
		_, err := s.store.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &s.bucket, Key: aws.String(bifrost.ObjectKey("test", bifrost.Partition{Name: bad}, 0, alternative)), Body: strings.NewReader("somebody's notes"),
		})
		must(t, err)
	}
	var all flushJSON
	o := s.run(t, "flush", "--json")
	o.must(t, 1, "every key for this start is taken", "1 partition failed", "10 offsets are left")
	must(t, json.Unmarshal([]byte(o.out), &all))
	if all.Complete || all.Records != 10 || len(all.Failed) != 1 || all.Failed[0].Topic != bad {
		t.Errorf("flush archived %d records and says that %+v failed", all.Records, all.Failed)
	}
	row := bifrost.Row{Partition: bifrost.Partition{Name: bad}, Range: bifrost.Range{Start: 0, End: 10}, Attempts: 1}
	must(t, dynamoledger.New(s.db, s.tables).Release(t.Context(), row, "its pause is over", time.Now()))
	must(t, s.produce(t.Context(), numbered(good, 0, 10, 15)...))
	s.run(t, "flush", good).must(t, 0)
	if p := s.status(t, 3)["good/0"]; !p.Healthy || p.NextOffset != 15 {
		t.Errorf("the other topic is %+v", p)
	}
}
