// The ways to the partitions of the target.

package replay

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// lane is the way to one partition of the target.
type lane struct {
	target
	joined  bool  // the transaction
	latest  *sent // of the transaction's batches, nil before the first
	filling *recordbatch.Writer
	filled  *sent // what filling will be
}

// openTarget finds out where to write.
func (w *writer) openTarget(ctx context.Context) error {
	facts, err := cluster{w.producer.client}.describeTopics(ctx, w.part.Target, w.state.name)
	if err != nil {
		return err
	}
	to := func(topic string, partition int32) target {
		leader, known := facts[topic].leaders[partition]
		if !known {
			leader = -1
		}
		return target{topic: topic, partition: partition, leader: leader}
	}
	w.position = to(w.state.name, w.part.pair.stateShard())
	w.offsets = to(w.state.name, w.part.pair.mapShard())
	if !w.request.Rekey {
		w.lanes = []lane{{target: to(w.part.Target, w.part.Source.Number)}}
		return nil
	}
	w.choose = kgo.StickyKeyPartitioner(nil).ForTopic(w.part.Target) // murmur2, as Kafka's own producers
	for partition := range int32(len(facts[w.part.Target].leaders)) {
		w.lanes = append(w.lanes, lane{target: to(w.part.Target, partition)})
	}
	if len(w.lanes) == 0 {
		return errTopicReplaced
	}
	return nil
}

// laneOf finds the way to the partition that a record goes to.
func (w *writer) laneOf(r *baldr.Record) *lane {
	if w.choose == nil {
		return &w.lanes[0]
	}
	w.keyed.Key = r.Key
	return &w.lanes[w.choose.Partition(&w.keyed, len(w.lanes))]
}

// sendLane sends the batch of a lane, behind those that are on their way.
func (w *writer) sendLane(ctx context.Context, l *lane) error {
	if l.filling == nil || l.filling.Count() == 0 {
		return nil
	}
	if !l.joined {
		if err := w.addPartitions(ctx); err != nil {
			return err
		}
	}
	if renewed, ok := w.choose.(kgo.TopicPartitionerOnNewBatch); ok {
		renewed.OnNewBatch() // records without a key go to another partition
	}
	s := l.filled
	s.batch, l.filling = l.filling, nil
	s.explain = func(err error) error {
		return fmt.Errorf("%d records from source offset %d on: %w", s.count, s.first, w.explainError(err))
	}
	l.latest = s
	return w.startBatch(ctx, &l.target, s)
}

// addPartitions makes all partitions for which there is something part of the transaction,
// in one request, and those of the state topic with the first of them.
func (w *writer) addPartitions(ctx context.Context) error {
	var partitions []int32
	for i := range w.lanes {
		if l := &w.lanes[i]; !l.joined && l.filling != nil && l.filling.Count() > 0 {
			partitions = append(partitions, l.partition)
			l.joined = true
		}
	}
	joining := map[string][]int32{}
	if len(partitions) > 0 {
		joining[w.part.Target] = partitions
	}
	if !w.stateJoined {
		joining[w.state.name] = []int32{w.position.partition, w.offsets.partition}
		w.stateJoined = true
	}
	if len(joining) == 0 {
		return nil
	}
	if err := w.producer.addPartitions(ctx, joining); err != nil {
		return w.explainError(err)
	}
	return nil
}
