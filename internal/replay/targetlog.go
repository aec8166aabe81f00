// What the target is asked about its topics.

package replay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// cluster is where a replay writes to, as far as it is only asked.
type cluster struct {
	client *kgo.Client
}

// topicFacts is what brokers say of a topic.
type topicFacts struct {
	name    string
	id      [16]byte        // zero before Kafka 2.8
	leaders map[int32]int32 // by partition, -1 for one without
}

// identity names the life of the topic.
func (t topicFacts) identity() string {
	if t.id == [16]byte{} {
		return "name:" + t.name
	}
	return bifrost.TopicID(t.id).String() // has no slash
}

// describeTopics asks for topics by name. Those that do not exist are left out.
func (c cluster) describeTopics(ctx context.Context, names ...string) (map[string]topicFacts, error) {
	var facts map[string]topicFacts
	err := insist(ctx, func(ctx context.Context) (err error) {
		facts, err = askTopics(ctx, c.client, names)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask the target cluster for its topics: %w", err)
	}
	return facts, nil
}

// askTopics asks any broker, or the one that it is given.
func askTopics(ctx context.Context, of kmsg.Requestor, names []string) (map[string]topicFacts, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // nil would ask for all of them
	for _, name := range names {
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: &name})
	}
	response, err := request.RequestWith(ctx, of)
	if err != nil {
		return nil, err
	}
	facts := map[string]topicFacts{}
	for _, t := range response.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if err == nil && t.Topic == nil {
			err = errors.New("the broker answered for a topic without a name")
		}
		if err != nil {
			return nil, err
		}
		fact := topicFacts{name: *t.Topic, id: t.TopicID, leaders: map[int32]int32{}}
		for _, p := range t.Partitions {
			fact.leaders[p.Partition] = p.Leader
		}
		facts[*t.Topic] = fact
	}
	return facts, nil
}

// logEnds are the bounds of a partition's log.
type logEnds struct {
	start, end int64 // log start and high watermark
}

// listEnds asks for the bounds of all partitions of topics.
func (c cluster) listEnds(ctx context.Context, topics ...string) (map[string]map[int32]logEnds, error) {
	var starts, ends kadm.ListedOffsets
	admin := kadm.NewClient(c.client)
	err := insist(ctx, func(ctx context.Context) (err error) {
		if starts, err = admin.ListStartOffsets(ctx, topics...); err == nil {
			err = starts.Error()
		}
		if err != nil {
			return err
		}
		if ends, err = admin.ListEndOffsets(ctx, topics...); err == nil { // high watermarks: what is open counts
			err = ends.Error()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask the target cluster where its logs begin and end: %w", err)
	}
	found := map[string]map[int32]logEnds{}
	ends.Each(func(o kadm.ListedOffset) {
		if found[o.Topic] == nil {
			found[o.Topic] = map[int32]logEnds{}
		}
		start, _ := starts.Lookup(o.Topic, o.Partition)
		found[o.Topic][o.Partition] = logEnds{start.Offset, o.Offset}
	})
	return found, nil
}

// logBatch is a batch as it lies in a log, committed or not.
type logBatch struct {
	base, next    int64 // offsets, half-open; records between may have been compacted away
	producer      int64 // producer ID, -1 for none
	epoch         int16
	sequence      int32
	transactional bool
	control       bool
	raw           []byte
}

// parseBatches reads the batches of a fetch answer; a part of one at the end is left
// out. What is older than the v2 format is told by its offsets only.
func parseBatches(raw []byte) (batches []logBatch, err error) {
	for {
		size, err := recordbatch.WholeBytes(raw)
		if size == 0 || err != nil {
			return batches, err
		}
		b := logBatch{base: int64(binary.BigEndian.Uint64(raw)), producer: -1, raw: raw[:size]}
		b.next = b.base + 1
		if !recordbatch.IsOld(raw) {
			h, err := recordbatch.ParseHeader(b.raw)
			if err != nil {
				return batches, err
			}
			b.next, b.producer, b.epoch, b.sequence = h.Last+1, h.ProducerID, h.ProducerEpoch, h.BaseSequence
			b.transactional, b.control = h.Transactional(), h.Control()
		}
		batches = append(batches, b)
		raw = raw[size:]
	}
}

// largestRead bounds what one batch of a target's log may be, uncompressed. Batches
// with states and markers are small.
const largestRead = 64 << 20

// records are those of the batch.
func (b logBatch) records() ([]baldr.Record, error) {
	h, err := recordbatch.ParseHeader(b.raw)
	if err != nil || h.Records == 0 { // compaction leaves nothing to decompress
		return nil, err
	}
	decompressor := recordbatch.Decompressor{Most: largestRead}
	defer decompressor.Close()
	body, err := decompressor.Decompress(h.Codec(), b.raw[recordbatch.HeaderBytes:])
	if err != nil {
		return nil, h.Wrap(err)
	}
	reader := recordbatch.NewReader(h, body)
	var headers []baldr.Header
	records := make([]baldr.Record, 0, min(h.Records, int32(len(body))))
	for reader.Left() > 0 {
		var r baldr.Record
		if err := reader.Read(&r, &headers); err != nil {
			return nil, h.Wrap(err)
		}
		records = append(records, r)
	}
	return records, nil
}

// commits reports what a control batch says: that its producer's transaction is
// committed, or that it is aborted.
func (b logBatch) commits() (bool, error) {
	records, err := b.records()
	if err != nil || len(records) != 1 || len(records[0].Key) < 4 {
		return false, fmt.Errorf("offset %d holds an unreadable end of a transaction: %w", b.base, err)
	}
	return binary.BigEndian.Uint16(records[0].Key[2:]) == 1, nil
}

const (
	// scanBytes is how much of a log is asked for at a time.
	scanBytes = 1 << 20
	// scanWait is how long a broker may wait for something to answer.
	scanWait = 100 * time.Millisecond
)

// readBatches reads what a log has in [from, to), uncommitted batches too. The first one
// may begin before from, the last one end after to. A log without anything up to its
// end just ends.
func (c cluster) readBatches(ctx context.Context, topic topicFacts, partition int32, from,
	to int64) iter.Seq2[logBatch, error] {
	return func(yield func(logBatch, error) bool) {
		for from < to {
			found, err := c.fetchFrom(ctx, topic, partition, from, to)
			if err != nil {
				yield(logBatch{}, fmt.Errorf("read topic %s, partition %d, from offset %d on: %w", topic.name,
					partition, from, err))
				return
			}
			if len(found) == 0 {
				return
			}
			for _, b := range found {
				if b.base >= to || !yield(b, nil) {
					return
				}
				from = max(from, b.next)
			}
		}
	}
}

// A broker that has been asked too much answers with no topic, or an empty one, and
// with how long it wants to be left alone. One that has just begun to lead answers with
// nothing behind a high watermark that is older than the log's, until its followers have
// fetched from it.
var (
	errThrottled = errors.New("the broker throttles")
	errNothing   = errors.New("the broker answered with nothing")
)

// fetchFrom asks the leader for what it has in [from, to). A broker that knows the log that
// far, and has nothing several times, has nothing.
func (c cluster) fetchFrom(ctx context.Context, topic topicFacts, partition int32, from,
	to int64) (batches []logBatch, err error) {
	leader, empty := topic.leaders[partition], 0
	err = insist(ctx, func(ctx context.Context) error {
		if leader < 0 {
			facts, err := askTopics(ctx, c.client, []string{topic.name})
			if err != nil {
				return err
			}
			if now, exists := facts[topic.name]; !exists || now.id != topic.id {
				return errTopicReplaced
			} else if leader = now.leaders[partition]; leader < 0 {
				return kerr.LeaderNotAvailable
			}
		}
		answer, known, err := c.askFetch(ctx, leader, topic, partition, from)
		if errors.Is(err, errNothing) && known < to {
			leader = -1 // it may not lead any more
			return fmt.Errorf("%w: it knows the log up to offset %d, and it had %d before", err, known, to)
		}
		if errors.Is(err, errNothing) {
			if empty++; empty == emptyAnswers {
				return nil
			}
			return err
		}
		if errors.Is(err, errThrottled) {
			return err
		}
		if err != nil {
			leader = -1
			return err
		}
		batches = answer
		return nil
	})
	return batches, err
}

// emptyAnswers is how many of them are believed. Each takes scanWait.
const emptyAnswers = 10

// askFetch asks a leader once. Beside the batches it answers the high watermark that the
// leader knows, -1 for none.
func (c cluster) askFetch(ctx context.Context, leader int32, topic topicFacts, partition int32,
	from int64) (batches []logBatch, known int64, err error) {
	request := kmsg.NewPtrFetchRequest()
	request.ReplicaID = -1
	request.MaxWaitMillis = int32(scanWait.Milliseconds())
	request.MinBytes = 1
	request.MaxBytes = scanBytes
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = partition, from, scanBytes, -1
	request.Topics = []kmsg.FetchRequestTopic{{Topic: topic.name, TopicID: topic.id,
		Partitions: []kmsg.FetchRequestTopicPartition{part}}}
	response, err := request.RequestWith(ctx, c.client.Broker(int(leader)))
	if err != nil {
		return nil, -1, err
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, -1, err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return nil, -1, nothing(ctx, response.ThrottleMillis)
	}
	p := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return nil, -1, err
	}
	batches, err = parseBatches(p.RecordBatches)
	if err != nil {
		return nil, -1, err
	}
	// A batch that begins below the offset holds it; anything else before it is not asked for.
	for len(batches) > 0 && batches[0].next <= from && !recordbatch.IsOld(batches[0].raw) {
		batches = batches[1:]
	}
	if len(batches) == 0 {
		return nil, p.HighWatermark, nothing(ctx, response.ThrottleMillis)
	}
	return batches, p.HighWatermark, nil
}

// nothing is what an empty answer means. It leaves a broker alone for as long as that
// asks for.
func nothing(ctx context.Context, throttleMillis int32) error {
	if throttleMillis <= 0 {
		return errNothing
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Duration(throttleMillis) * time.Millisecond):
		return errThrottled
	}
}

// errTopicReplaced says that a topic is another one than it was when the run began.
var errTopicReplaced = errors.New("the target topic was deleted, or made anew, while the replay was under way; what " +
	"it held is gone with it: run the command again")
