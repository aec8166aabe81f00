// The twin of a Kafka cluster.

package bifrosttest

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var (
	_ bifrost.Cluster         = (*Kafka)(nil)
	_ bifrost.History         = (*Kafka)(nil)
	_ bifrost.RetentionReader = (*Kafka)(nil)
	_ bifrost.Source          = (*Kafka)(nil)
)

// Kafka is a cluster in memory. Topics that were deleted stay in it, unseen by
// the ports, so that a checker can compare the archive with what once was.
type Kafka struct {
	ID           string // cluster ID
	BatchOffsets int64  // how many offsets one answer to a fetch spans, at most
	now          func() time.Time
	live         map[string]*KafkaTopic
	ever         []*KafkaTopic
	before       []bifrost.Topic // what the metadata said before topics last changed
	stale        Staleness
	reading      atomic.Int64 // ranges begun and not closed
}

// Staleness is how many of the brokers' metadata are behind.
type Staleness int

// Which brokers still say what was so before topics last changed.
const (
	NoneStale Staleness = iota
	OneStale            // the one that lists the topics; the others know better
	AllStale
)

// KafkaTopic is one incarnation of a topic.
type KafkaTopic struct {
	Name    string
	ID      bifrost.TopicID
	Logs    []*Log // by partition
	Keeps   bifrost.Retention
	Deleted bool
	hidden  bool
}

// NewKafka returns a cluster without topics.
func NewKafka(id string, now func() time.Time) *Kafka {
	return &Kafka{ID: id, BatchOffsets: 2, now: now, live: map[string]*KafkaTopic{}}
}

// CreateTopic makes a topic with a new ID, in place of one of the name that was deleted.
func (k *Kafka) CreateTopic(name string, partitions int) *KafkaTopic {
	if _, ok := k.live[name]; ok {
		panic("topic " + name + " exists")
	}
	t := &KafkaTopic{Name: name, Keeps: bifrost.Retention{Milliseconds: -1, Bytes: -1}}
	binary.BigEndian.PutUint64(t.ID[8:], uint64(len(k.ever)+1))
	t.ID[0] = 'T'
	for range partitions {
		t.Logs = append(t.Logs, newLog(k.now))
	}
	k.changeTopics(func() { k.live[name] = t })
	k.ever = append(k.ever, t)
	return t
}

// DeleteTopic deletes a topic; its records can be read no more.
func (k *Kafka) DeleteTopic(name string) {
	k.live[name].Deleted = true
	k.changeTopics(func() { delete(k.live, name) })
}

// Hide takes a topic out of what the credentials may describe, or puts it back.
func (k *Kafka) Hide(name string, hidden bool) {
	k.changeTopics(func() { k.live[name].hidden = hidden })
}

// Topic returns the live topic of the name, nil when there is none.
func (k *Kafka) Topic(name string) *KafkaTopic { return k.live[name] }

// Ever returns all topics that ever were, in order of their creation.
func (k *Kafka) Ever() []*KafkaTopic { return slices.Clone(k.ever) }

// StaleMetadata makes brokers list the topics as they were before one was last
// created, deleted, hidden or shown, until they are told otherwise.
func (k *Kafka) StaleMetadata(stale Staleness) { k.stale = stale }

// changeTopics changes topics and keeps what the metadata said before.
func (k *Kafka) changeTopics(change func()) {
	k.before = k.described()
	change()
}

func (k *Kafka) described() []bifrost.Topic {
	var topics []bifrost.Topic
	for _, name := range slices.Sorted(maps.Keys(k.live)) {
		if t := k.live[name]; !t.hidden {
			topics = append(topics, t.describe())
		}
	}
	return topics
}

func (t *KafkaTopic) describe() bifrost.Topic {
	topic := bifrost.Topic{Name: t.Name, ID: t.ID}
	for n := range t.Logs {
		topic.Partitions = append(topic.Partitions, int32(n))
	}
	return topic
}

// Topics implements bifrost.Cluster.
func (k *Kafka) Topics(ctx context.Context) (string, []bifrost.Topic, error) {
	if err := ended(ctx); err != nil {
		return "", nil, err
	}
	if k.stale != NoneStale {
		return k.ID, slices.Clone(k.before), nil
	}
	return k.ID, k.described(), nil
}

var (
	errHidden      = errors.New("TOPIC_AUTHORIZATION_FAILED")
	errNoPartition = errors.New("UNKNOWN_TOPIC_OR_PARTITION")
	errUnreadable  = errors.New("UNKNOWN_SERVER_ERROR")
	errNoLeader    = errors.New("LEADER_NOT_AVAILABLE")
)

// Find implements bifrost.Cluster.
func (k *Kafka) Find(ctx context.Context, names []string) (map[string]bifrost.TopicAnswer, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	answers := map[string]bifrost.TopicAnswer{}
	for _, name := range names {
		answers[name] = k.find(name)
	}
	return answers, nil
}

func (k *Kafka) find(name string) (answer bifrost.TopicAnswer) {
	if k.stale != NoneStale {
		for _, t := range k.before {
			if t.Name == name {
				answer.IDs = append(answer.IDs, t.ID)
			}
		}
	}
	t := k.live[name]
	switch {
	case k.stale == AllStale || t == nil:
	case t.hidden:
		return bifrost.TopicAnswer{Err: errHidden}
	case !slices.Contains(answer.IDs, t.ID):
		answer.IDs = append(answer.IDs, t.ID)
	}
	return answer
}

// log finds a partition of a live topic by name, as requests without topic IDs do.
func (k *Kafka) log(name string, partition int32) (*Log, error) {
	t := k.live[name]
	if t == nil || t.hidden || int(partition) >= len(t.Logs) {
		return nil, fmt.Errorf("topic %s partition %d: %w", name, partition, errNoPartition)
	}
	if t.Logs[partition].leaderless {
		return nil, fmt.Errorf("topic %s partition %d: %w", name, partition, errNoLeader)
	}
	return t.Logs[partition], nil
}

// Offsets implements bifrost.Cluster.
func (k *Kafka) Offsets(
	ctx context.Context, topics []bifrost.Topic,
) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	answers := map[bifrost.TopicPartition]bifrost.OffsetAnswer{}
	for _, t := range topics {
		for _, n := range t.Partitions {
			var answer bifrost.OffsetAnswer
			log, err := k.log(t.Name, n)
			if err == nil {
				answer.Observation = log.observe(k.now())
			}
			answer.Err = err
			answers[bifrost.TopicPartition{Topic: t.Name, Partition: n}] = answer
		}
	}
	return answers, nil
}

// OffsetsAt implements bifrost.History.
func (k *Kafka) OffsetsAt(
	ctx context.Context, partitions []bifrost.TopicPartition, at time.Time,
) (map[bifrost.TopicPartition]bifrost.OffsetAtAnswer, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	answers := map[bifrost.TopicPartition]bifrost.OffsetAtAnswer{}
	for _, p := range partitions {
		var answer bifrost.OffsetAtAnswer
		log, err := k.log(p.Topic, p.Partition)
		if err == nil {
			answer.Offset = log.firstSince(at)
		}
		answer.Err = err
		answers[p] = answer
	}
	return answers, nil
}

// EpochEnds implements bifrost.History.
func (k *Kafka) EpochEnds(
	ctx context.Context, epochs map[bifrost.TopicPartition]int32,
) (map[bifrost.TopicPartition]bifrost.EpochAnswer, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	answers := map[bifrost.TopicPartition]bifrost.EpochAnswer{}
	for p, epoch := range epochs {
		log, err := k.log(p.Topic, p.Partition)
		answer := bifrost.EpochAnswer{End: -1, Err: err}
		if err == nil {
			answer.End = log.epochEnd(epoch)
		}
		answers[p] = answer
	}
	return answers, nil
}

// Retention implements bifrost.RetentionReader. Nothing is deleted by it: that is
// for [Log.Retain].
func (k *Kafka) Retention(ctx context.Context, topics []string) (map[string]bifrost.Retention, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	answers := map[string]bifrost.Retention{}
	for _, name := range topics {
		switch t := k.live[name]; {
		case t == nil:
			answers[name] = bifrost.Retention{Err: bifrost.ErrNotFound}
		case t.hidden:
			answers[name] = bifrost.Retention{Err: errHidden}
		default:
			answers[name] = t.Keeps
		}
	}
	return answers, nil
}

// ClusterID implements bifrost.Source.
func (k *Kafka) ClusterID(ctx context.Context) (string, error) {
	if err := ended(ctx); err != nil {
		return "", err
	}
	return k.ID, nil
}

// Read implements bifrost.Source.
func (k *Kafka) Read(
	ctx context.Context, topic string, id bifrost.TopicID, partition int32, r bifrost.Range,
) (bifrost.Records, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	k.reading.Add(1)
	return &fetch{kafka: k, topic: topic, id: id, partition: partition, position: r.Start, end: r.End}, nil
}

// ByID returns the live topic with the ID, nil when there is none.
func (k *Kafka) ByID(id bifrost.TopicID) *KafkaTopic {
	for _, t := range k.live {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// fetch reads a range, an answer of a broker at a time.
type fetch struct {
	kafka         *Kafka
	topic         string
	id            bifrost.TopicID
	partition     int32
	position, end int64
	closed        bool
}

// Close implements bifrost.Records.
func (f *fetch) Close() {
	if !f.closed {
		f.closed = true
		f.kafka.reading.Add(-1)
	}
}

// Reading is how many ranges are being read: begun, and not closed.
func (k *Kafka) Reading() int { return int(k.reading.Load()) }

func (f *fetch) log() (*Log, error) {
	if f.id.IsZero() {
		return f.kafka.log(f.topic, f.partition)
	}
	t := f.kafka.ByID(f.id)
	if t == nil || t.hidden || int(f.partition) >= len(t.Logs) {
		return nil, fmt.Errorf("topic ID %s: %w", f.id, bifrost.ErrWrongTopicID)
	}
	if t.Logs[f.partition].leaderless {
		return nil, fmt.Errorf("topic ID %s partition %d: %w", f.id, f.partition, errNoLeader)
	}
	return t.Logs[f.partition], nil
}

func compareEntries(e Entry, offset int64) int { return cmp.Compare(e.Record.Offset, offset) }
