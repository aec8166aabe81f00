// What a worker of a job reads of the state of replays before it writes.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/job"
)

// statePairs is how many pairs of partitions other replays have written.
var statePairs = []int{10, 1_000, 100_000}

// stateStretches is how many batches' maps of offsets each of them has left, beside its
// position. A worker must not read them.
const stateStretches = 3

// benchJobState measures how many bytes of its target cluster a worker reads until it
// writes, next to the positions of other replays.
func benchJobState(report func(figure)) error {
	ctx := context.Background()
	p, stop, err := jobArchive(ctx, 1)
	if err != nil {
		return err
	}
	defer func() { check(stop()) }()
	// It makes the state topic.
	if _, err := p.replayJob(ctx, "first", partitionsFrom(0, 1), 0); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Brokers), kgo.TransactionalID("bench-state"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(oneStateRecord),
		kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer client.Close()
	known := 1
	for _, pairs := range statePairs {
		if err := p.copyPairs(ctx, client, known, pairs); err != nil {
			return err
		}
		known = pairs
		bytes, seconds, err := p.startOfWorker(ctx, fmt.Sprintf("beside-%d", pairs))
		if err != nil {
			return err
		}
		report(figure{Name: fmt.Sprintf("jobs/state/%d", pairs), Value: float64(bytes) / 1024, Unit: "KiB",
			Note: fmt.Sprintf("that a worker fetches until it writes, before its fence and after it, beside %d pairs "+
				"that have written %d batches; the whole item took %.2f s", pairs, pairs*stateStretches, seconds)})
	}
	return p.reportBatches(ctx, client, report)
}

// statePairsAgain is of how many pairs many more batches are written, of which the last
// position counts.
const (
	statePairsAgain  = 1_000
	batchesOfEach    = 100
	pairsTransaction = 5000 // records of a transaction
)

// reportBatches measures before and after many batches, whose positions Kafka has not
// compacted yet.
func (p parts) reportBatches(ctx context.Context, client *kgo.Client, report func(figure)) error {
	position, _, partitions, err := p.firstPair(ctx)
	if err != nil {
		return err
	}
	for range batchesOfEach {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		promise := kgo.AbortingFirstErrPromise(client)
		for n := range statePairsAgain {
			life := fmt.Sprintf("other-life-%012d", n)
			client.Produce(ctx, renamed(position, life, int32(n)%(partitions/2)), promise.Promise())
		}
		if err := errors.Join(promise.Err(), client.EndTransaction(ctx, kgo.TryCommit)); err != nil {
			return err
		}
	}
	bytes, _, err := p.startOfWorker(ctx, "after-batches")
	if err != nil {
		return err
	}
	report(figure{Name: "jobs/state/uncompacted", Value: float64(bytes) / 1024, Unit: "KiB",
		Note: fmt.Sprintf("the same beside all these pairs, of which %d have written %d batches more each, none "+
			"compacted yet: Kafka compacts segments that are full, 16 MiB", statePairsAgain, batchesOfEach)})
	return nil
}

// oneStateRecord is about the size of a position: a batch has one, as that of a replay has.
const oneStateRecord = 700

// startOfWorker replays a partition, and counts what the worker fetches: all of it is
// state, since the target is empty.
func (p parts) startOfWorker(ctx context.Context, name string) (fetched int64, seconds float64, err error) {
	var sum atomic.Int64
	runner := p.jobRunner(&sum)
	spec := job.Spec{ID: name, Kind: job.KindReplay, Topics: []string{jobTopic + ":" + name},
		To: &job.Target{Brokers: p.Brokers}, Replay: &job.Replay{Create: true, Partitions: partitionsFrom(1, 1)}}
	input, err := json.Marshal(spec)
	if err != nil {
		return 0, 0, err
	}
	plan := job.Event{Step: "plan", Job: input, Execution: "bench:" + spec.ID, Workers: 1}
	if _, err := runner.Plan(ctx, plan); err != nil {
		return 0, 0, err
	}
	items, err := runner.Items(ctx, spec.ID)
	if err != nil {
		return 0, 0, err
	}
	sum.Store(0)
	begin := time.Now()
	answer, err := runner.Work(ctx, job.Event{Step: "work", ID: spec.ID, Item: &items[0]}, time.Time{})
	if err == nil && !answer.Done {
		err = errors.New("the item is not done")
	}
	return sum.Load(), time.Since(begin).Seconds(), err
}

// copyPairs gives the state topic the records of more pairs: those that the first replay
// has left, under other names, evenly over its partitions.
func (p parts) copyPairs(ctx context.Context, client *kgo.Client, from, to int) error {
	position, stretch, partitions, err := p.firstPair(ctx)
	if err != nil {
		return err
	}
	shards := partitions / 2 // of positions; as many of stretches behind them
	for begin := from; begin < to; begin += pairsTransaction {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		promise := kgo.AbortingFirstErrPromise(client)
		for n := begin; n < min(to, begin+pairsTransaction); n++ {
			life := fmt.Sprintf("other-life-%012d", n)
			shard := int32(n) % shards
			client.Produce(ctx, renamed(position, life, shard), promise.Promise())
			for range stateStretches {
				client.Produce(ctx, renamed(stretch, life, shards+shard), promise.Promise())
			}
		}
		if err := errors.Join(promise.Err(), client.EndTransaction(ctx, kgo.TryCommit)); err != nil {
			return err
		}
	}
	return nil
}

// renamed is the record of a pair under the name of another life.
func renamed(r *kgo.Record, life string, partition int32) *kgo.Record {
	parts := strings.SplitN(string(r.Key), "/", 3)
	key := parts[0] + "/" + life + "/" + parts[2]
	return &kgo.Record{Topic: r.Topic, Partition: partition, Key: []byte(key), Value: r.Value}
}

// firstPair finds a position and a stretch on the state topic.
func (p parts) firstPair(ctx context.Context) (position, stretch *kgo.Record, partitions int32, err error) {
	reader, err := kgo.NewClient(kgo.SeedBrokers(p.Brokers), kgo.ConsumeTopics(bifrost.ReplayStateTopic))
	if err != nil {
		return nil, nil, 0, err
	}
	defer reader.Close()
	topics, err := kadm.NewClient(reader).ListTopics(ctx, bifrost.ReplayStateTopic)
	if err != nil {
		return nil, nil, 0, err
	}
	for position == nil || stretch == nil {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, nil, 0, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			switch {
			case bytes.HasPrefix(r.Key, []byte("position/")):
				position = r
			case bytes.HasPrefix(r.Key, []byte("stretch/")):
				stretch = r
			}
		})
	}
	return position, stretch, int32(len(topics[bifrost.ReplayStateTopic].Partitions)), nil
}

// sizeOf is how many bytes the topic's partitions have in the broker.
func (p parts) sizeOf(ctx context.Context, topic string) (float64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Brokers))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	dirs, err := kadm.NewClient(client).DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return 0, err
	}
	size := int64(0)
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if p.Topic == topic {
				size += p.Size
			}
		})
	})
	return float64(size), nil
}
