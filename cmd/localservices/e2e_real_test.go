//go:build real || soak

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

const (
	plainRecords       = 600_000
	transactionRecords = 300_000 // those of aborted transactions included
	compactedRecords   = 100_000 // before compaction
	partitionsEach     = 4
)

// TestDeployedStackArchivesWhatConsumersSee is the whole of Bifrost, deployed by
// sam deploy with its roles enforced, to a cluster that is reached by TLS and
// SCRAM, with ACLs, by a secret in Secrets Manager: a million records in three topics of four partitions, with
// transactions, committed and aborted, and a compacted topic. What is in S3, read
// by another language's standard library, must be what a read_committed consumer
// sees. Then it looks that nothing is archived twice, and that a new topic needs
// nobody to be told.
func TestDeployedStackArchivesWhatConsumersSee(t *testing.T) {
	e := newEndToEnd(t)
	e.producePlain(e.topic("plain"), plainRecords)
	e.produceTransactions(e.topic("transactions"), transactionRecords)
	e.produceCompacted(e.topic("compacted"), compactedRecords)

	e.startStack(exportParameters())
	e.archive()
	e.comparePartitions()

	t.Run("nothing twice", func(*testing.T) { e.tickArchivesNothing() })
	t.Run("new topic", func(*testing.T) {
		e.producePlain(e.topic("new"), 1000)
		e.tickFindsTopics(4)
		e.archive()
		e.comparePartitions()
	})
	t.Run("export", func(*testing.T) { e.checkExport(e.topic("new")) })
	t.Run("rotated password", func(*testing.T) { e.rotate() })
	t.Run("log", func(*testing.T) { e.followTick() })
	t.Run("secret", func(*testing.T) { e.checkSecret() })
	t.Run("capture", func(*testing.T) { e.checkCapture() })
	t.Run("sample event", func(*testing.T) { e.invokeSample("DiscoverFunction", "discover.json") })
}

// An endToEnd is the state of the test. Its methods fail the test.
type endToEnd struct {
	*testing.T
	prefix  string                     // of the topics
	kafka   *localservices.SecureKafka // for the stack by TLS, for the test in plaintext
	brokers string
	client  *kgo.Client
	admin   *kadm.Client
	stack   *localservices.Stack
	topics  []string
}

func newEndToEnd(t *testing.T) *endToEnd {
	kafka := localservices.SecureKafkaForTest(t)
	e := endToEndOn(t, kafka.Addr(), "e2e.")
	e.kafka = kafka
	return e
}

// endToEndOn is a test with topics of this prefix, and with no stack yet.
func endToEndOn(t *testing.T, brokers, prefix string) *endToEnd {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &endToEnd{T: t, prefix: prefix, brokers: brokers, client: client, admin: kadm.NewClient(client)}
}

func (e *endToEnd) check(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *endToEnd) topic(name string) string { return e.prefix + name }

func (e *endToEnd) create(topic string, configs map[string]string) {
	e.Helper()
	pointers := map[string]*string{}
	for name, value := range configs {
		pointers[name] = &value
	}
	e.check(makeTopic(e.Context(), e.admin, topic, partitionsEach, pointers))
	e.topics = append(e.topics, topic)
}

// producePlain writes values of all kinds: text, binary, empty, null, and one
// about as large as Kafka takes by default.
func (e *endToEnd) producePlain(topic string, records int) {
	e.Helper()
	e.create(topic, nil)
	random := rand.New(rand.NewPCG(1, 2))
	promise := kgo.AbortingFirstErrPromise(e.client)
	for i := range records {
		e.client.Produce(e.Context(), &kgo.Record{
			Topic: topic, Partition: int32(i % partitionsEach), Key: []byte(strconv.Itoa(i)), Value: value(random, i),
		}, promise.Promise())
	}
	e.check(promise.Err())
}

func value(random *rand.Rand, i int) []byte {
	switch {
	case i == 500:
		return bytes.Repeat([]byte("large "), 160_000)
	case i%1000 == 1:
		return nil
	case i%1000 == 2:
		return []byte{}
	case i%10 == 3:
		return bytesOf(random)
	}
	return encode(map[string]any{"sequence": i, "number": random.Uint64(), "text": strings.Repeat("bifrost ", random.IntN(12))})
}

func bytesOf(random *rand.Rand) []byte {
	value := make([]byte, random.IntN(200))
	for i := range value {
		value[i] = byte(random.Uint32())
	}
	return value
}

// produceTransactions writes transactions of 5,000 records over all partitions
// and aborts each third of them, the last one too.
func (e *endToEnd) produceTransactions(topic string, records int) {
	e.Helper()
	const each = 5000
	e.create(topic, nil)
	client, err := kgo.NewClient(kgo.SeedBrokers(e.brokers), kgo.TransactionalID(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	e.check(err)
	defer client.Close()
	for first := 0; first < records; first += each {
		e.check(client.BeginTransaction())
		promise := kgo.AbortingFirstErrPromise(client)
		for i := first; i < first+each; i++ {
			client.Produce(e.Context(), &kgo.Record{
				Topic: topic, Partition: int32(i % partitionsEach), Value: []byte("transaction " + strconv.Itoa(i)),
			}, promise.Promise())
		}
		e.check(promise.Err())
		e.check(client.EndTransaction(e.Context(), kgo.TransactionEndTry(first/each%3 != 2)))
	}
}

// produceCompacted writes few keys many times, waits until the cleaner has no
// more to do, and turns compaction off: what is compared must not change.
func (e *endToEnd) produceCompacted(topic string, records int) {
	e.Helper()
	e.create(topic, map[string]string{
		"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "0",
		// Small segments, and records that fill several: the last one is never compacted.
		"segment.bytes": "1048576", "compression.type": "uncompressed",
	})
	promise := kgo.AbortingFirstErrPromise(e.client)
	padding := strings.Repeat("x", 200)
	for i := range records {
		e.client.Produce(e.Context(), &kgo.Record{
			Topic: topic, Partition: int32(i % partitionsEach),
			Key: []byte("key-" + strconv.Itoa(i%997)), Value: []byte(strconv.Itoa(i) + padding),
		}, promise.Promise())
	}
	e.check(promise.Err())
	left := e.waitForCompaction(topic, records)
	e.Logf("compaction left %d of %d records", left, records)
	keep := "delete"
	forever := "-1"
	_, err := e.admin.AlterTopicConfigs(e.Context(), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &keep},
		{Op: kadm.SetConfig, Name: "retention.ms", Value: &forever},
	}, topic)
	e.check(err)
}

// waitForCompaction returns how many records are left when their number has been
// the same for five looks and is well below what was written.
func (e *endToEnd) waitForCompaction(topic string, written int) int {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.Context(), patience)
	defer cancel()
	last, same := -1, 0
	for same < 5 {
		if err := pause(ctx); err != nil {
			e.Fatalf("%s is not compacted: %d of %d records are left: %v", topic, last, written, err)
		}
		left := 0
		for p := range int32(partitionsEach) {
			for _, err := range consumed(ctx, []string{e.brokers}, topic, p) {
				e.check(err)
				left++
			}
		}
		if left == last && left < written/2 {
			same++
		} else {
			last, same = left, 0
		}
	}
	return last
}

func (e *endToEnd) startStack(more map[string]string) {
	e.Helper()
	parameters := map[string]string{
		"IncludeTopics": e.prefix + "*", "Brokers": e.kafka.Listener(localservices.ListenerReauth),
		"SecurityProtocol": "SASL_SSL", "SaslMechanism": "SCRAM-SHA-512",
	}
	maps.Copy(parameters, more)
	e.check(e.kafka.SetPassword(e.Context(), kafkaUser, firstPassword))
	e.check(e.kafka.Allow(e.Context(), "User:"+kafkaUser, kadm.OpRead, kadm.OpDescribeConfigs)) // as docs/kafka.md says
	e.stack = localservices.StackForTest(e.T, localservices.StackOptions{Kafka: e.brokers, KafkaSecret: e.secret(firstPassword), Parameters: parameters})
}

func (e *endToEnd) archive() {
	e.Helper()
	e.check(archiveAll(e.Context(), e.stack, func(answer summary) { e.Log(answer.text) }))
}

// comparePartitions compares what Python reads from S3 with what a consumer gets
// from Kafka.
func (e *endToEnd) comparePartitions() {
	e.Helper()
	got, want := e.fromS3(), e.fromKafka()
	if len(want) != len(e.topics)*partitionsEach {
		e.Fatalf("Kafka has records in %d partitions, want %d", len(want), len(e.topics)*partitionsEach)
	}
	total := 0
	for partition, w := range want {
		if got[partition] != w {
			e.Errorf("%s: S3 has %+v, Kafka has %+v", partition, got[partition], w)
		}
		total += w.Records
	}
	if len(got) != len(want) {
		e.Errorf("S3 has partitions %v", slices.Sorted(maps.Keys(got)))
	}
	e.Logf("%d records are the same in S3 and in Kafka", total)
}

// checkCapture looks at the capture that a tick made under its role, by credentials
// that may see topics and nothing else.
func (e *endToEnd) checkCapture() {
	e.Helper()
	store := s3store.New(e.stack.AWS.Config(), e.stack.Outputs["Bucket"])
	clusters, err := capture.Clusters(e.Context(), store, e.stack.Group)
	e.check(err)
	if len(clusters) != 1 {
		e.Fatalf("captures of clusters %v", clusters)
	}
	for _, captures := range clusters {
		last, err := capture.Open(e.Context(), store, captures[len(captures)-1].Key)
		e.check(err)
		if len(last.Configuration.Topics) < 3 || len(last.Positions.Offsets) != len(last.Configuration.Topics) {
			e.Errorf("a capture of topics %+v", last.Configuration.Topics)
		}
		denied := map[capture.Part]bool{}
		for _, n := range last.Missing() {
			denied[n.Part] = n.Needs != ""
		}
		want := map[capture.Part]bool{capture.PartACLs: true, capture.PartBrokers: true, capture.PartGroups: true, capture.PartQuotas: true, capture.PartScramUsers: true,
			capture.PartTransactions: true}
		if !maps.Equal(denied, want) {
			e.Errorf("not captured: %+v", last.Missing())
		}
		e.Logf("%d captures, the last %s", len(captures), last.Key)
	}
}

func (e *endToEnd) fromKafka() map[string]digest {
	e.Helper()
	found := map[string]digest{}
	for _, topic := range e.topics {
		for p := range int32(partitionsEach) {
			records, all := 0, sha256.New()
			for record, err := range consumed(e.Context(), []string{e.brokers}, topic, p) {
				e.check(err)
				one := sha256.Sum256(record.Value)
				all.Write(one[:])
				records++
			}
			found[fmt.Sprintf("%s/%d", topic, p)] = digest{records, hex.EncodeToString(all.Sum(nil))}
		}
	}
	return found
}

func (e *endToEnd) fromS3() map[string]digest {
	e.Helper()
	dir := e.TempDir()
	for _, o := range e.objects() {
		e.download(dir, o.key)
	}
	var problems bytes.Buffer
	cmd := exec.CommandContext(e.Context(), "python3.11", "testdata/values.py", filepath.Join(dir, e.stack.Group))
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		e.Fatalf("%v\n%s", err, problems.String())
	}
	var found map[string]digest
	e.check(json.Unmarshal(out, &found))
	return found
}

func (e *endToEnd) objects() []archivedObject {
	e.Helper()
	var all []archivedObject
	for _, topic := range e.topics {
		for p := range int32(partitionsEach) {
			objects, err := listObjects(e.Context(), e.stack, topic, p)
			e.check(err)
			all = append(all, objects...)
		}
	}
	return all
}

func (e *endToEnd) download(dir, key string) {
	e.Helper()
	object, err := s3.NewFromConfig(e.stack.AWS.Config()).GetObject(e.Context(), &s3.GetObjectInput{
		Bucket: aws.String(e.stack.Outputs["Bucket"]), Key: aws.String(key),
	})
	e.check(err)
	defer object.Body.Close()
	path := filepath.Join(dir, filepath.FromSlash(key))
	e.check(os.MkdirAll(filepath.Dir(path), 0o755))
	file, err := os.Create(path)
	e.check(err)
	_, err = io.Copy(file, object.Body)
	e.check(err)
	e.check(file.Close())
}

// tickArchivesNothing ticks once more, with nothing new in Kafka.
func (e *endToEnd) tickArchivesNothing() {
	e.Helper()
	before := e.objects()
	answer, err := tick(e.Context(), e.stack)
	e.check(err)
	if answer.Planned != 0 || answer.Dispatched != 0 {
		e.Errorf("a tick with nothing to do: %s", answer.text)
	}
	if after := e.objects(); !slices.Equal(before, after) {
		e.Errorf("a tick with nothing to do changed the objects from %v to %v", before, after)
	}
}

// tickFindsTopics expects the very next tick to see so many topics. Whether it
// plans the new one is up to who comes first, this tick or the schedule's.
func (e *endToEnd) tickFindsTopics(want int) {
	e.Helper()
	answer, err := tick(e.Context(), e.stack)
	e.check(err)
	if answer.Topics != want {
		e.Errorf("the tick after topic %d was made: %s", want, answer.text)
	}
}

// invokeSample sends a file of events/ the way the documentation says.
func (e *endToEnd) invokeSample(function, event string) {
	e.Helper()
	out, err := localservices.RemoteInvoke(context.WithoutCancel(e.Context()), e.stack, function, event)
	e.check(err)
	var answer summary
	if err := json.Unmarshal(out, &answer); err != nil {
		e.Errorf("sam remote invoke %s with %s: %v\n%s", function, event, err, out)
	}
}
