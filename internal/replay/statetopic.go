// The topic in which positions are kept.

package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// The state topic is in the target cluster, since a transaction cannot span two. Its
// name is the same for all replays, or two of them could write the same records
// without knowing of each other. It is compacted. A pair has one partition for its
// position and another for its stretches, which are many: whoever asks for a position
// does not read maps of offsets.
const (
	stateTopic      = bifrost.ReplayStateTopic
	positionShards  = 32
	statePartitions = 2 * positionShards
)

// The keys of the state topic.
func (p pair) positionKey() string            { return "position/" + p.String() }
func (p pair) stretchKeys() string            { return "stretch/" + p.String() + "/" }
func (p pair) stretchKey(number int64) string { return fmt.Sprintf("%s%012d", p.stretchKeys(), number) }
func (p pair) mapShard() int32                { return p.stateShard() + positionShards }

// readPositionKey tells the life and the identity of the target topic of a position.
func readPositionKey(key string) (life, target string, ok bool) {
	rest, isPosition := strings.CutPrefix(key, "position/")
	life, rest, _ = strings.Cut(rest, "/")
	_, target, ok = strings.Cut(rest, "/")
	return life, target, ok && isPosition
}

// ensureStateTopic makes the state topic unless it is there, and reports whether it did.
func (c cluster) ensureStateTopic(ctx context.Context) (state topicFacts, made bool, err error) {
	compact := "compact"
	segment := "16777216"     // small ones are compacted sooner, and positions read sooner
	const brokersDefault = -1 // replication (KIP-464)
	admin := kadm.NewClient(c.client)
	response, err := admin.CreateTopic(ctx, statePartitions, brokersDefault,
		map[string]*string{"cleanup.policy": &compact, "segment.bytes": &segment}, stateTopic)
	if err == nil {
		err = response.Err
	}
	made = err == nil
	if !made && !errors.Is(err, kerr.TopicAlreadyExists) {
		return topicFacts{}, false, fmt.Errorf("make the topic %s, which keeps the positions of replays: %w",
			stateTopic, err)
	}
	state, err = c.awaitTopic(ctx, stateTopic)
	return state, made, err
}

// awaitTopic returns when a topic is known and its leaders answer for it. The
// controller says that it is made before every broker has heard of it.
func (c cluster) awaitTopic(ctx context.Context, name string) (topic topicFacts, err error) {
	admin := kadm.NewClient(c.client)
	err = insist(ctx, func(ctx context.Context) error {
		facts, err := askTopics(ctx, c.client, []string{name})
		if err != nil {
			return err
		}
		var exists bool
		if topic, exists = facts[name]; !exists {
			return kerr.UnknownTopicOrPartition
		}
		ends, err := admin.ListEndOffsets(ctx, name)
		if err == nil {
			err = ends.Error()
		}
		return err
	})
	if err != nil {
		return topicFacts{}, fmt.Errorf("wait for topic %s: %w", name, err)
	}
	return topic, nil
}

// checkStateTopic refuses a state topic that would forget, or has another form.
func (c cluster) checkStateTopic(ctx context.Context, topic topicFacts) error {
	if n := len(topic.leaders); n < statePartitions {
		return refusef("topic %s, which keeps the positions of replays, has %d partitions instead of %d: something "+
			"else made it. Delete it if no replay of this cluster has to go on, or be known of", stateTopic, n,
			statePartitions)
	}
	described, err := kadm.NewClient(c.client).DescribeTopicConfigs(ctx, stateTopic)
	if err != nil {
		return fmt.Errorf("ask for the settings of topic %s: %w", stateTopic, err)
	}
	config, err := described.On(stateTopic, nil)
	if err == nil {
		err = config.Err
	}
	if err != nil {
		return fmt.Errorf("ask for the settings of topic %s: %w", stateTopic, err)
	}
	for _, setting := range config.Configs {
		if setting.Key == "cleanup.policy" && setting.MaybeValue() != "compact" {
			return refusef("topic %s, which keeps the positions of replays, has cleanup.policy=%s and would forget "+
				"them: set cleanup.policy=compact", stateTopic, setting.MaybeValue())
		}
	}
	return nil
}

// stateReader reads the state topic as it is when it is made. Partitions are read
// when they are first asked for.
type stateReader struct {
	cluster
	topic  topicFacts
	exists bool
	ends   map[int32]logEnds
	shards map[int32]shard
}

// shard is what is committed in a partition of the state topic.
type shard struct {
	values map[string][]byte // by key, the last one of each
	open   map[string]bool   // keys in transactions that have not ended
}

func (c cluster) newStateReader(ctx context.Context) (*stateReader, error) {
	r := &stateReader{cluster: c, shards: map[int32]shard{}}
	facts, err := c.describeTopics(ctx, stateTopic)
	if err != nil {
		return nil, err
	}
	if r.topic, r.exists = facts[stateTopic]; !r.exists {
		return r, nil
	}
	if err := c.checkStateTopic(ctx, r.topic); err != nil {
		return nil, err
	}
	ends, err := c.listEnds(ctx, stateTopic)
	r.ends = ends[stateTopic]
	return r, err
}

// readShard reads one partition of the state topic to its end. Transactions of others may
// be open: what is committed behind them counts all the same, so that no run waits
// for another. After a pair is fenced it has none that is open.
func (r *stateReader) readShard(ctx context.Context, number int32) (shard, error) {
	if read, done := r.shards[number]; done || !r.exists {
		return read, nil
	}
	read, err := r.cluster.readShard(ctx, r.topic, number, r.ends[number])
	if err != nil {
		return shard{}, err
	}
	r.shards[number] = read
	return read, nil
}

func (c cluster) readShard(ctx context.Context, topic topicFacts, number int32, ends logEnds) (shard, error) {
	read := shard{values: map[string][]byte{}, open: map[string]bool{}}
	type entry struct {
		key   string
		value []byte
	}
	pending := map[int64][]entry{} // by producer
	for b, err := range c.readBatches(ctx, topic, number, ends.start, ends.end) {
		if err != nil {
			return shard{}, err
		}
		if b.control {
			committed, err := b.commits()
			if err != nil {
				return shard{}, fmt.Errorf("read topic %s, partition %d: %w", topic.name, number, err)
			}
			if committed {
				for _, e := range pending[b.producer] {
					read.values[e.key] = e.value
				}
			}
			delete(pending, b.producer)
			continue
		}
		if !b.transactional { // nothing that a replay writes
			continue
		}
		records, err := b.records()
		if err != nil {
			return shard{}, fmt.Errorf("read topic %s, partition %d, offset %d: %w", topic.name, number, b.base, err)
		}
		for _, record := range records {
			pending[b.producer] = append(pending[b.producer], entry{string(record.Key), record.Value})
		}
	}
	for _, entries := range pending {
		for _, e := range entries {
			read.open[e.key] = true
		}
	}
	return read, nil
}

// readPosition is what is committed of a pair. Busy says that a transaction of it has not
// ended: a run is under way, or was killed a moment ago.
func (r *stateReader) readPosition(ctx context.Context, p pair) (position Position, busy bool, err error) {
	read, err := r.readShard(ctx, p.stateShard())
	if err != nil {
		return Position{}, false, err
	}
	if value := read.values[p.positionKey()]; value != nil {
		if err := json.Unmarshal(value, &position); err != nil {
			return Position{}, false, fmt.Errorf("read the position of %s from topic %s: %w", p, stateTopic, err)
		}
	}
	return position, read.open[p.positionKey()], nil
}

// readStretches are those of a pair up to its position, in order.
func (r *stateReader) readStretches(ctx context.Context, p pair, position Position) ([]Stretch, error) {
	read, err := r.readShard(ctx, p.mapShard())
	if err != nil {
		return nil, err
	}
	var found []Stretch
	for _, key := range slices.Sorted(maps.Keys(read.values)) {
		if !strings.HasPrefix(key, p.stretchKeys()) {
			continue
		}
		var s Stretch
		if err := json.Unmarshal(read.values[key], &s); err != nil {
			return nil, fmt.Errorf("read the offset map of %s from topic %s: %w", p, stateTopic, err)
		}
		if s.Number <= position.Stretch { // those above were taken back
			found = append(found, s)
		}
	}
	return found, nil
}

// replays are all that have written to one topic.
type replays struct {
	producers map[int64]bool  // their IDs
	marks     map[int32]int64 // by partition, the offset after the last record of any
	foreign   map[int32]int64 // by partition, the first known record that none of them has written
	lives     map[string]bool // whose records they have written
}

// findReplays finds those by the identity of the topic. It reads all positions there are.
func (r *stateReader) findReplays(ctx context.Context, target string) (replays, error) {
	known := replays{map[int64]bool{}, map[int32]int64{}, map[int32]int64{}, map[string]bool{}}
	for number := range int32(positionShards) {
		read, err := r.readShard(ctx, number)
		if err != nil {
			return replays{}, err
		}
		for key, value := range read.values {
			life, of, isPosition := readPositionKey(key)
			if !isPosition || of != target {
				continue
			}
			var position Position
			if err := json.Unmarshal(value, &position); err != nil {
				return replays{}, fmt.Errorf("read %s from topic %s: %w", key, stateTopic, err)
			}
			known.addPosition(life, position)
		}
	}
	return known, nil
}

func (r replays) addPosition(life string, position Position) {
	if len(position.Marks) > 0 {
		r.lives[life] = true
	}
	for _, id := range position.Producers {
		r.producers[id] = true
	}
	for _, m := range position.Marks {
		r.marks[m.Partition] = max(r.marks[m.Partition], m.nextOffset())
		if first, some := r.foreign[m.Partition]; m.Foreign != nil && (!some || *m.Foreign < first) {
			r.foreign[m.Partition] = *m.Foreign
		}
	}
}
