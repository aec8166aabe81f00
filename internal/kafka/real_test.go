//go:build real

package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// real is a topic of one partition on a real broker.
type real struct {
	brokers string
	topic   string
	id      bifrost.TopicID
	client  *Client // the one under test
	admin   *kadm.Client
	writer  *kgo.Client
}

// newReal makes a topic on the broker that all tests share.
func newReal(t testing.TB, configs map[string]string) *real {
	t.Helper()
	return newRealOn(t, localservices.Kafka(t), configs)
}

func newRealOn(t testing.TB, brokers string, configs map[string]string) *real {
	t.Helper()
	writer := producer(t, []string{brokers}, kgo.ProducerBatchMaxBytes(16<<20))
	client, err := New(Config{Brokers: []string{brokers}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r := &real{brokers: brokers, topic: fmt.Sprintf("real-%d", rand.Uint64()), client: client, admin: kadm.NewClient(writer), writer: writer}
	r.create(t, configs)
	return r
}

func (r *real) create(t testing.TB, configs map[string]string) {
	t.Helper()
	pointers := make(map[string]*string)
	for name, value := range configs {
		pointers[name] = &value
	}
	created, err := localservices.CreateTopic(t.Context(), r.writer, r.topic, 1, 1, pointers)
	if err != nil {
		t.Fatal(err)
	}
	r.id = bifrost.TopicID(created.ID)
}

// produce appends one batch.
func (r *real) produce(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	for _, record := range records {
		record.Topic = r.topic
	}
	if err := r.writer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (r *real) read(t testing.TB, start, end int64) ([]baldr.Record, baldr.Missing, error) {
	t.Helper()
	return readAll(t, r.client, r.topic, r.id, 0, bifrost.Range{Start: start, End: end})
}

// check reads a range and compares it with what franz-go's consumer reads.
func (r *real) check(t testing.TB, start, end int64, missing baldr.Missing) {
	t.Helper()
	got, gotMissing, err := r.read(t, start, end)
	if err != nil {
		t.Fatal(err)
	}
	if gotMissing != missing {
		t.Errorf("missing in [%d, %d): %+v, want %+v", start, end, gotMissing, missing)
	}
	if difference := compare(got, r.consume(t, start, end)); difference != "" {
		t.Errorf("records of [%d, %d): %s", start, end, difference)
	}
}

// consume reads a range with franz-go's consumer, read_committed. It goes up to
// the last stable offset, so that it ends where no record does.
func (r *real) consume(t testing.TB, start, end int64) []baldr.Record {
	t.Helper()
	stable := r.offsets(t).LastStable
	consumer, err := kgo.NewClient(kgo.SeedBrokers(r.brokers), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: {0: kgo.NewOffset().At(start)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	records := []baldr.Record{}
	for next := start; !r.nothingFrom(t, next, stable) && ctx.Err() == nil; {
		consumer.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			next = record.Offset + 1
			if record.Offset < end && !record.Attrs.IsControl() {
				records = append(records, fromFranzGo(record))
			}
		})
	}
	if ctx.Err() != nil {
		t.Fatal("the consumer did not get to the end in time")
	}
	return records
}

// nothingFrom reports whether a plain fetch finds neither records nor markers, in
// which case a consumer would wait for ever.
func (r *real) nothingFrom(t testing.TB, from, to int64) bool {
	t.Helper()
	if from >= to {
		return true
	}
	f := &fetcher{client: r.client, topic: r.topic, id: r.id, position: from, end: to, leader: -1, epoch: -1, replica: -1}
	if err := f.locateLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := f.askLeader(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	return len(p.RecordBatches) == 0
}

func (r *real) offsets(t testing.TB) bifrost.OffsetAnswer {
	t.Helper()
	answers, err := r.client.Offsets(t.Context(), []bifrost.Topic{{Name: r.topic, Partitions: []int32{0}}})
	if err != nil {
		t.Fatal(err)
	}
	answer := answers[bifrost.TopicPartition{Topic: r.topic}]
	if answer.Err != nil {
		t.Fatal(answer.Err)
	}
	return answer
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func values(n int, format string) []*kgo.Record {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Value: fmt.Appendf(nil, format, i)}
	}
	return records
}

// keyed gives every record a key of its own, which a compacted topic wants.
func keyed(records []*kgo.Record) []*kgo.Record {
	for i, record := range records {
		record.Key = fmt.Append(nil, i)
	}
	return records
}

func TestRealRecords(t *testing.T) {
	t.Parallel()
	r := newReal(t, map[string]string{"retention.ms": "-1"}) // its records are old
	noon := time.UnixMilli(1_777_636_800_123)
	r.produce(t,
		&kgo.Record{Key: []byte("k"), Value: []byte("v"), Timestamp: noon},
		&kgo.Record{},
		&kgo.Record{Key: []byte{}, Value: []byte{}},
		&kgo.Record{Value: []byte{0, 1, 2, 0xff, '\n', 0x80}, Timestamp: noon.Add(-time.Hour)},
		&kgo.Record{Value: []byte("x"), Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Key: "", Value: []byte{}}, {Key: "a", Value: []byte("1")}}},
	)
	got, missing, err := r.read(t, 0, 5)
	if err != nil || missing != (baldr.Missing{}) {
		t.Fatalf("missing %+v, error %v", missing, err)
	}
	if got[0].Timestamp != noon.UnixMilli() || got[3].Timestamp != noon.Add(-time.Hour).UnixMilli() || got[0].TimestampType != baldr.CreateTime {
		t.Errorf("timestamps %d and %d, type %s", got[0].Timestamp, got[3].Timestamp, got[0].TimestampType)
	}
	if got[1].Key != nil || got[1].Value != nil || got[2].Key == nil || got[2].Value == nil {
		t.Errorf("null and empty are mixed up: %s and %s", describe(got[1]), describe(got[2]))
	}
	if !bytes.Equal(got[3].Value, []byte{0, 1, 2, 0xff, '\n', 0x80}) {
		t.Errorf("binary value %q", got[3].Value)
	}
	r.check(t, 0, 5, baldr.Missing{})
	r.check(t, 2, 4, baldr.Missing{})
}

func TestRealLogAppendTime(t *testing.T) {
	t.Parallel()
	r := newReal(t, map[string]string{"message.timestamp.type": "LogAppendTime"})
	r.produce(t, &kgo.Record{Timestamp: time.UnixMilli(1000)}, &kgo.Record{})
	got, _, err := r.read(t, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].TimestampType != baldr.LogAppendTime || time.Since(time.UnixMilli(got[0].Timestamp)) > time.Hour {
		t.Errorf("timestamp %d, type %s", got[0].Timestamp, got[0].TimestampType)
	}
	r.check(t, 0, 2, baldr.Missing{})
}

func TestRealCodecs(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReal(t, nil)
			r.writer = producer(t, []string{r.brokers}, kgo.ProducerBatchCompression(codec))
			r.produce(t, values(3000, strings.Repeat("value %d ", 30))...)
			r.check(t, 0, 3000, baldr.Missing{})
			r.check(t, 1234, 1236, baldr.Missing{})
		})
	}
}

// TestRealJavaCodecs reads what Kafka's own producer writes.
func TestRealJavaCodecs(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	root, err := localservices.Root()
	if err != nil {
		t.Fatal(err)
	}
	const perCodec = 2000
	codecs := []string{"none", "gzip", "snappy", "lz4", "zstd"}
	jars := filepath.Join(root, ".local", "kafka-4.2.0", "*")
	args := append([]string{"-cp", jars, "testdata/Produce.java", r.brokers, r.topic, fmt.Sprint(perCodec)}, codecs...)
	if out, err := exec.CommandContext(t.Context(), "java", args...).CombinedOutput(); err != nil {
		t.Fatalf("java: %v\n%s", err, out)
	}
	end := int64(perCodec * len(codecs))
	got, missing, err := r.read(t, 0, end)
	if err != nil || missing != (baldr.Missing{}) {
		t.Fatalf("missing %+v, error %v", missing, err)
	}
	for offset, record := range got {
		i := offset % perCodec
		want := strings.Repeat(fmt.Sprintf("record %d ", i), 20+i%50)
		if int(binary.BigEndian.Uint32(record.Key)) != i || string(record.Value) != want {
			t.Fatalf("offset %d, by %s: key %x, value %.40q", offset, codecs[offset/perCodec], record.Key, record.Value)
		}
	}
	r.check(t, 0, end, baldr.Missing{})
}

// TestRealLargeRecords reads records that are larger than a fetch asks for
// (KIP-74), with small ones around them.
func TestRealLargeRecords(t *testing.T) {
	t.Parallel()
	r := newReal(t, map[string]string{"max.message.bytes": "20000000"})
	for _, size := range []int{10, 1 << 20, 0, 8 << 20, 10} {
		value := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(value)
		r.produce(t, &kgo.Record{Value: value})
	}
	for _, fetchBytes := range []int32{1, 1 << 20, 4 << 20} {
		r.client.fetchBytes = fetchBytes
		r.check(t, 0, 5, baldr.Missing{})
		r.check(t, 3, 4, baldr.Missing{})
	}
}

func TestRealTinyRecords(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	r.produce(t, values(100_000, "%d")...)
	r.check(t, 0, 100_000, baldr.Missing{})
}

func TestRealTransactions(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	transaction := func(id string, end kgo.TransactionEndTry) {
		writer := producer(t, []string{r.brokers}, kgo.TransactionalID(r.topic+id))
		if err := writer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for i := range 3 { // a batch each
			if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: r.topic, Value: fmt.Appendf(nil, "%s%d", id, i)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := writer.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		// The coordinator writes the marker a moment after it has answered.
		eventually(t, "the transaction's marker", func() bool { o := r.offsets(t); return o.LastStable == o.HighWatermark })
	}
	r.produce(t, values(2, "plain %d")...) // 0 1
	transaction("a", kgo.TryCommit)        // 2 3 4, marker 5
	transaction("b", kgo.TryAbort)         // 6 7 8, marker 9
	r.produce(t, values(1, "plain %d")...) // 10
	transaction("c", kgo.TryCommit)        // 11 12 13, marker 14
	open := producer(t, []string{r.brokers}, kgo.TransactionalID(r.topic+"open"))
	if err := open.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := open.ProduceSync(t.Context(), &kgo.Record{Topic: r.topic}).FirstErr(); err != nil { // 15
		t.Fatal(err)
	}
	r.produce(t, values(2, "behind the open one %d")...) // 16 17
	if o := r.offsets(t); o.LogStart != 0 || o.LastStable != 15 || o.HighWatermark != 18 {
		t.Fatalf("offsets %+v", o)
	}
	r.check(t, 0, 15, baldr.Missing{Control: 3, Aborted: 3})
	r.check(t, 5, 6, baldr.Missing{Control: 1})
	r.check(t, 4, 8, baldr.Missing{Control: 1, Aborted: 2})
	r.check(t, 8, 10, baldr.Missing{Control: 1, Aborted: 1})
	r.check(t, 9, 15, baldr.Missing{Control: 2})
	records, missing, err := r.read(t, 13, 18)
	var outside *bifrost.OutOfRangeError
	if !errors.As(err, &outside) || *outside != (bifrost.OutOfRangeError{Position: 15, LogStart: 0, LogEnd: 15}) || len(records) != 1 || missing.Control != 1 {
		t.Errorf("beyond the last stable offset: %d records, missing %+v, error %v", len(records), missing, err)
	}
	if err := open.EndTransaction(t.Context(), kgo.TryAbort); err != nil { // marker 18
		t.Fatal(err)
	}
	eventually(t, "the end of the open transaction", func() bool { return r.offsets(t).LastStable == 19 })
	r.check(t, 0, 19, baldr.Missing{Control: 4, Aborted: 4})
	r.check(t, 15, 19, baldr.Missing{Control: 1, Aborted: 1})
}

// TestRealCompaction waits until compaction has settled: below the active
// segment only the last record of each key is left.
func TestRealCompaction(t *testing.T) {
	t.Parallel()
	r := newReal(t, map[string]string{
		"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "segment.ms": "500", "delete.retention.ms": "0", "min.compaction.lag.ms": "0",
	})
	const keys, rounds = 10, 30
	for round := range rounds {
		var batch []*kgo.Record
		for key := range keys {
			batch = append(batch, &kgo.Record{Key: fmt.Append(nil, key), Value: fmt.Appendf(nil, "%d of round %d", key, round)})
		}
		r.produce(t, batch...)
	}
	r.produce(t, &kgo.Record{Key: []byte("0")}) // a tombstone, which compaction removes later
	end := int64(keys*rounds + 1)
	var missing baldr.Missing
	eventually(t, "compaction", func() bool {
		time.Sleep(600 * time.Millisecond)
		r.produce(t, &kgo.Record{Key: []byte("last"), Value: []byte("rolls the segment")})
		var err error
		if _, missing, err = r.read(t, 0, end); err != nil {
			t.Fatal(err)
		}
		return missing.Compacted >= end-keys+1
	})
	// Nine keys are left of the last round, of the tenth neither record nor tombstone.
	if want := (baldr.Missing{Compacted: end - keys + 1}); missing != want {
		t.Errorf("missing %+v, want %+v", missing, want)
	}
	r.check(t, 0, end, missing)
	r.check(t, 100, 200, baldr.Missing{Compacted: 100}) // nothing at all is left
	r.check(t, 0, 291, baldr.Missing{Compacted: 291})   // the range ends in the gap
	r.check(t, 292, 295, baldr.Missing{})
	r.check(t, 299, end, baldr.Missing{Compacted: 1})
}

func TestRealDeleteRecords(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	r.produce(t, values(10, "%d")...)
	r.produce(t, values(10, "%d")...)
	if _, err := r.admin.DeleteRecords(t.Context(), kadm.Offsets{r.topic: {0: {Topic: r.topic, At: 13}}}); err != nil {
		t.Fatal(err)
	}
	for _, start := range []int64{0, 12} {
		_, _, err := r.read(t, start, 20)
		var outside *bifrost.OutOfRangeError
		if !errors.As(err, &outside) || *outside != (bifrost.OutOfRangeError{Position: start, LogStart: 13, LogEnd: 20}) {
			t.Errorf("from offset %d: error %v", start, err)
		}
	}
	r.check(t, 13, 20, baldr.Missing{})
	_, _, err := r.read(t, 20, 25)
	var outside *bifrost.OutOfRangeError
	if !errors.As(err, &outside) || outside.LogEnd != 20 {
		t.Errorf("from the end: error %v", err)
	}
	_, _, err = r.read(t, 23, 25)
	if !errors.As(err, &outside) || outside.LogEnd != 20 || outside.LogStart != 13 {
		t.Errorf("beyond the end: error %v", err)
	}
}

func TestRealTopicMadeAgain(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	r.produce(t, values(10, "old %d")...)
	old := r.id
	r.check(t, 0, 10, baldr.Missing{})
	if _, err := r.admin.DeleteTopic(t.Context(), r.topic); err != nil {
		t.Fatal(err)
	}
	// The broker serves the topic for as long as it has not heard.
	eventually(t, "the news of the topic's end", func() bool {
		answers, err := r.client.Find(t.Context(), []string{r.topic})
		return err == nil && answers[r.topic].Err == nil && len(answers[r.topic].IDs) == 0
	})
	if _, _, err := r.read(t, 0, 10); !errors.Is(err, bifrost.ErrWrongTopicID) {
		t.Errorf("deleted: error %v", err)
	}
	r.create(t, nil)
	if r.id == old {
		t.Fatal("the new topic has the old ID")
	}
	r.writer = producer(t, []string{r.brokers})
	r.produce(t, values(12, "new %d")...)
	r.check(t, 0, 12, baldr.Missing{})
	r.id = old
	if records, _, err := r.read(t, 0, 10); !errors.Is(err, bifrost.ErrWrongTopicID) || len(records) > 0 {
		t.Errorf("made again: %d records, error %v", len(records), err)
	}
}

// TestRealWrongIDOnTheWire sends a fetch with an ID that only the broker can
// refuse, because the metadata were right when they were read.
func TestRealWrongIDOnTheWire(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	r.produce(t, values(1, "%d")...)
	r.check(t, 0, 1, baldr.Missing{})
	f := &fetcher{client: r.client, topic: r.topic, id: r.id, end: 1, leader: -1, epoch: -1, replica: -1}
	if err := f.locateLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.id = bifrost.TopicID{1, 2, 3}
	if _, err := f.askLeader(t.Context(), 0); !errors.Is(err, bifrost.ErrWrongTopicID) || !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("error %v", err)
	}
}

func TestRealUnknownPartition(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	if _, _, err := readAll(t, r.client, r.topic, r.id, 3, bifrost.Range{Start: 0, End: 1}); !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("read: error %v", err)
	}
	answers, err := r.client.Offsets(t.Context(), []bifrost.Topic{{Name: r.topic, Partitions: []int32{0, 3}}})
	if err != nil || answers[bifrost.TopicPartition{Topic: r.topic}].Err != nil {
		t.Errorf("answers %v, error %v", answers, err)
	}
	if err := answers[bifrost.TopicPartition{Topic: r.topic, Partition: 3}].Err; !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("offsets: error %v", err)
	}
}

// TestRealCluster compares what the client says of the cluster with what kadm does.
func TestRealCluster(t *testing.T) {
	t.Parallel()
	r := newReal(t, map[string]string{"retention.ms": "60000", "retention.bytes": "12345", "cleanup.policy": "delete,compact"})
	// A committed offset makes Kafka create its internal topic.
	if err := r.admin.CommitAllOffsets(t.Context(), r.topic, kadm.Offsets{r.topic: {0: {Topic: r.topic, At: 3}}}); err != nil {
		t.Fatal(err)
	}
	clusterID, topics, err := r.client.Topics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := r.admin.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if clusterID != metadata.Cluster || clusterID == "" {
		t.Errorf("cluster %q, want %q", clusterID, metadata.Cluster)
	}
	found := false
	for _, topic := range topics {
		if metadata.Topics[topic.Name].IsInternal {
			t.Errorf("internal topic %s", topic.Name)
		}
		found = found || topic.Name == r.topic && topic.ID == r.id && len(topic.Partitions) == 1
	}
	if !found || !metadata.Topics["__consumer_offsets"].IsInternal {
		t.Errorf("topics %v", topics)
	}
	retention, err := r.client.Retention(t.Context(), []string{r.topic, "no-such-topic"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (bifrost.Retention{Milliseconds: 60000, Bytes: 12345, Compacted: true}); retention[r.topic] != want {
		t.Errorf("retention %+v, want %+v", retention[r.topic], want)
	}
	if err := retention["no-such-topic"].Err; !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("retention of an unknown topic: error %v", err)
	}
}

func TestRealOffsetsAt(t *testing.T) {
	t.Parallel()
	r := newReal(t, map[string]string{"retention.ms": "-1"}) // or the records, which are old, may be gone before they are asked for
	noon := time.UnixMilli(1_777_636_800_000)
	for i := range 3 {
		r.produce(t, &kgo.Record{Timestamp: noon.Add(time.Duration(i) * time.Minute)})
	}
	tp := bifrost.TopicPartition{Topic: r.topic}
	for after, want := range map[time.Duration]int64{-time.Hour: 0, time.Minute: 1, 61 * time.Second: 2, time.Hour: 3} {
		answers, err := r.client.OffsetsAt(t.Context(), []bifrost.TopicPartition{tp}, noon.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if a := answers[tp]; a.Err != nil || a.Offset != want {
			t.Errorf("%s after noon: %+v, want %d", after, a, want)
		}
	}
}

// TestRealOwnBroker does to a broker what the shared one must not suffer.
func TestRealOwnBroker(t *testing.T) {
	t.Parallel()
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{
		Listeners: map[string]string{"LOGIN": "SASL_PLAINTEXT"},
		Properties: map[string]string{
			"listener.name.login.sasl.enabled.mechanisms": "PLAIN",
			"listener.name.login.plain.sasl.jaas.config":  `org.apache.kafka.common.security.plain.PlainLoginModule required user_archive="password";`,
			"authorizer.class.name":                       "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users":                                 "User:ANONYMOUS",
			"socket.request.max.bytes":                    "200000000",
		},
	})
	t.Run("credentials", func(t *testing.T) { realCredentials(t, broker) })
	t.Run("large batch", func(t *testing.T) { realLargeBatch(t, broker) })
	t.Run("restart", func(t *testing.T) { realRestart(t, broker) })
	t.Run("compacted tail", func(t *testing.T) { realCompactedTail(t, broker) })
	t.Run("dead", func(t *testing.T) { realDead(t, broker) })
}

// realCredentials logs in wrongly, then rightly but without the right to see.
func realCredentials(t *testing.T, broker *localservices.KafkaBroker) {
	hidden, seen := newRealOn(t, broker.Addr(), nil), newRealOn(t, broker.Addr(), nil)
	hidden.produce(t, values(1, "%d")...)
	seen.produce(t, values(1, "%d")...)
	acl := kadm.NewACLs().Allow("User:archive").AllowHosts("*").Topics(seen.topic).Operations(kadm.OpDescribe, kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral)
	if _, err := hidden.admin.CreateACLs(t.Context(), acl); err != nil {
		t.Fatal(err)
	}
	login := func(password string) *Client {
		mechanism := plain.Auth{User: "archive", Pass: password}.AsMechanism()
		client, err := New(Config{Brokers: []string{broker.Listener("LOGIN")}, Options: []kgo.Opt{kgo.SASL(mechanism)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	_, _, err := login("guess").Topics(t.Context())
	if !errors.Is(err, kerr.SaslAuthenticationFailed) || !strings.Contains(err.Error(), broker.Listener("LOGIN")+" refuse the credentials") {
		t.Errorf("wrong password: error %v", err)
	}
	client := login("password")
	eventually(t, "the ACL", func() bool {
		_, topics, err := client.Topics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(topics) == 1 && topics[0].Name == seen.topic
	})
	answers, err := client.Find(t.Context(), []string{hidden.topic, seen.topic})
	if err != nil || answers[seen.topic].Err != nil {
		t.Errorf("answers %v, error %v", answers, err)
	}
	if err := answers[hidden.topic].Err; !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("find: error %v", err)
	}
	if _, _, err := readAll(t, client, hidden.topic, hidden.id, 0, bifrost.Range{Start: 0, End: 1}); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("read: error %v", err)
	}
	if records, _, err := readAll(t, client, seen.topic, seen.id, 0, bifrost.Range{Start: 0, End: 1}); err != nil || len(records) != 1 {
		t.Errorf("read: %d records, error %v", len(records), err)
	}
	retention, err := client.Retention(t.Context(), []string{seen.topic})
	if err != nil || !errors.Is(retention[seen.topic].Err, kerr.TopicAuthorizationFailed) {
		t.Errorf("retention without the right to describe configs: %v, error %v", retention, err)
	}
}

// realLargeBatch has a batch beyond 100 MiB, which franz-go takes by default.
func realLargeBatch(t *testing.T, broker *localservices.KafkaBroker) {
	const size = 110 << 20
	r := newRealOn(t, broker.Addr(), map[string]string{"max.message.bytes": "200000000"})
	r.produce(t, values(3, "%d")...)
	produceBytes(t, []string{broker.Addr()}, r.topic, size)
	records, _, err := r.read(t, 0, 4)
	if err != nil || len(records) != 4 || len(records[3].Value) != size {
		t.Errorf("%d records, error %v", len(records), err)
	}
	r.client = connect(t, Config{Brokers: []string{broker.Addr()}, LargestBatch: 100 << 20})
	records, _, err = r.read(t, 0, 4)
	if len(records) != 3 || !errors.Is(err, recordbatch.ErrTooLarge) {
		t.Errorf("with less memory: %d records, error %v", len(records), err)
	}
}

// realRestart stops the broker in the middle of a range and starts it again.
func realRestart(t *testing.T, broker *localservices.KafkaBroker) {
	r := newRealOn(t, broker.Addr(), nil)
	for i := range 40 {
		r.produce(t, values(10, fmt.Sprintf("batch %d, value %%d", i))...)
	}
	client, err := newClient(Config{Brokers: []string{broker.Addr()}}, 2*time.Minute) // however busy the machine is
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.fetchBytes = 1
	reading, err := client.Read(t.Context(), r.topic, r.id, 0, bifrost.Range{Start: 0, End: 400})
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	var got []baldr.Record
	restarted := make(chan error, 1)
	for i := 0; ; i++ {
		stretch, err := reading.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range stretch.Records {
			got = append(got, record.Clone())
		}
		if i == 10 {
			if err := broker.Stop(); err != nil {
				t.Fatal(err)
			}
			go func() { restarted <- broker.Start(t.Context()) }()
		}
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	if difference := compare(got, r.consume(t, 0, 400)); difference != "" {
		t.Error(difference)
	}
	tp := bifrost.TopicPartition{Topic: r.topic}
	r.produce(t, values(1, "%d")...)
	epoch := r.offsets(t).LeaderEpoch
	ends, err := r.client.EpochEnds(t.Context(), map[bifrost.TopicPartition]int32{tp: epoch - 1})
	if err != nil || ends[tp].Err != nil || ends[tp].End != 400 {
		t.Errorf("the epoch before %d ends at %+v, error %v", epoch, ends[tp], err)
	}
}

// realCompactedTail lays a log on the broker's disk as compaction can leave it,
// but not on demand: the last segment is empty, and the one before has lost its
// last batch. So nothing is left between that and the last stable offset.
func realCompactedTail(t *testing.T, broker *localservices.KafkaBroker) {
	r := newRealOn(t, broker.Addr(), map[string]string{"cleanup.policy": "compact"})
	r.produce(t, keyed(values(4, "kept %d"))...)
	log := filepath.Join(broker.Dir(), "data", r.topic+"-0")
	kept, err := os.Stat(filepath.Join(log, "00000000000000000000.log"))
	if err != nil {
		t.Fatal(err)
	}
	r.produce(t, keyed(values(3, "compacted away %d"))...)
	if err := broker.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(log, "00000000000000000000.log"), kept.Size()); err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"00000000000000000000.index", "00000000000000000000.timeindex"} {
		if err := os.Remove(filepath.Join(log, index)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(log, "00000000000000000007.log"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log with a compacted tail", func() bool { return r.offsets(t).LastStable == 7 })
	for r7, want := range map[bifrost.Range]baldr.Missing{
		{Start: 0, End: 7}: {Compacted: 3},
		{Start: 5, End: 6}: {Compacted: 1},
		{Start: 3, End: 5}: {Compacted: 1},
	} {
		r.check(t, r7.Start, r7.End, want)
	}
	_, missing, err := r.read(t, 2, 9)
	var outside *bifrost.OutOfRangeError
	if !errors.As(err, &outside) || outside.Position != 7 || missing.Compacted != 3 {
		t.Errorf("beyond the tail: missing %+v, error %v", missing, err)
	}
}

// realDead kills the broker for good.
func realDead(t *testing.T, broker *localservices.KafkaBroker) {
	r := newRealOn(t, broker.Addr(), nil)
	r.produce(t, values(10, "%d")...)
	r.check(t, 0, 10, baldr.Missing{})
	if err := broker.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, _, err := r.read(t, 0, 10); err == nil || !strings.Contains(err.Error(), broker.Addr()) {
		t.Errorf("error %v", err)
	}
	// A last attempt may begin while there is still patience, and each has its own: an answer that keeps coming, or
	// that a quota holds back, is waited for.
	if took := time.Since(began); took > 2*r.client.patience {
		t.Errorf("took %s, want at most twice the patience of %s", took, r.client.patience)
	}
	if _, _, err := r.client.Topics(t.Context()); err == nil || !strings.Contains(err.Error(), broker.Addr()) {
		t.Errorf("error %v", err)
	}
}
