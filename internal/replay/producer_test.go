package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// startCluster starts franz-go's own brokers in this process. It keeps sequence
// numbers, epochs and transactions as Kafka does.
func startCluster(t *testing.T, partitions int32) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(partitions, "target"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// archived is a source of n records of each partition; every seventh offset is
// missing. A value is "partition/offset".
func archived(n int64, size int) Source {
	return func(_ context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return func(yield func(baldr.Record, error) bool) {
			padding := strings.Repeat("x", size)
			for offset := span.Start; offset < min(n, span.End); offset++ {
				if offset%7 == 6 {
					continue
				}
				r := baldr.Record{Offset: offset, Timestamp: 1_700_000_000_000 + offset, Key: fmt.Appendf(nil, "key %d", offset%100), Value: fmt.Appendf(nil, "%d/%d %s", p.Source.Number, offset, padding)}
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// doingAt is a source that does something once, before it gives the record at an offset.
func doingAt(source Source, offset int64, do func() error) Source {
	var once sync.Once
	return func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return func(yield func(baldr.Record, error) bool) {
			for r, err := range source(ctx, p, span) {
				if r.Offset == offset {
					once.Do(func() { err = do() })
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

func requestOf(n int64, partitions int32) Request {
	var request Request
	for p := range partitions {
		request.Parts = append(request.Parts, Part{Source: bifrost.Partition{Name: "source", Number: p}, Life: "life", Target: "target", Ask: AllTimes(0, n)})
	}
	return request
}

// optionsOf are those of tests in which a source that waits for something is no silent one.
func optionsOf(cluster *kfake.Cluster) Options {
	return Options{
		silence:  time.Hour,
		Client:   []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.MetadataMinAge(10 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return time.Millisecond })},
		Parallel: 2,
	}
}

// consume reads what is committed in the target topic.
func consume(t *testing.T, cluster *kfake.Cluster) map[int32][]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("target"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	left := map[int32]int64{}
	for p := int32(0); cluster.PartitionInfo("target", p) != nil; p++ {
		if end := cluster.PartitionInfo("target", p).HighWatermark; end > 0 {
			left[p] = end
		}
	}
	committed := map[int32][]*kgo.Record{}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read the target: %v, left are %v", err, left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				committed[r.Partition] = append(committed[r.Partition], r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return committed
}

// replayAll is a run that must succeed.
func replayAll(t *testing.T, request Request, source Source, options Options) *Outlook {
	t.Helper()
	outlook, err := Start(t.Context(), request, source, options)
	if err != nil {
		t.Fatal(err)
	}
	return outlook
}

// stretchesOf are all of the pairs of a replay.
func stretchesOf(t *testing.T, outlook *Outlook, options Options) (all []Stretch) {
	t.Helper()
	err := EachStretch(t.Context(), outlook, options, func(s Stretch) error {
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// mustHoldAll checks that every record of the source is in the target once, in
// order, and where the map says.
func mustHoldAll(t *testing.T, cluster *kfake.Cluster, request Request, source Source, outlook *Outlook) {
	t.Helper()
	where := map[string]string{} // from "source partition/offset" to "target partition/offset"
	total := int64(0)
	for _, s := range stretchesOf(t, outlook, optionsOf(cluster)) {
		total += s.Records
		for _, m := range s.Map {
			for i := range m.Count {
				where[fmt.Sprintf("%d/%d", s.Part, m.Source+i)] = fmt.Sprintf("%d/%d", m.Partition, m.Target+i)
			}
		}
	}
	next := map[string]int64{} // offset of the source, by its partition and that of the target
	found := int64(0)
	for partition, records := range consume(t, cluster) {
		for _, r := range records {
			name, _, _ := strings.Cut(string(r.Value), " ")
			var number int32
			var offset int64
			if _, err := fmt.Sscanf(name, "%d/%d", &number, &offset); err != nil {
				t.Fatalf("a record holds %q", r.Value)
			}
			if !request.Rekey && number != partition {
				t.Fatalf("%s is in partition %d", name, partition)
			}
			way := fmt.Sprintf("%d to %d", number, partition)
			if offset < next[way] {
				t.Fatalf("%s is in partition %d twice, or after a later one", name, partition)
			}
			next[way] = offset + 1
			if want := fmt.Sprintf("%d/%d", partition, r.Offset); where[name] != want {
				t.Fatalf("%s is at %s, the map says %q", name, want, where[name])
			}
			found++
		}
	}
	var want int64
	for _, p := range request.Parts {
		for range source(t.Context(), p, p.Ask) {
			want++
		}
	}
	if found != want || total != want || int64(len(where)) != want {
		t.Fatalf("the target holds %d records, the stretches say %d, the map %d; want %d", found, total, len(where), want)
	}
}

// Brokers that lead no more, are slow, or answer late do not end a replay, and nothing is
// written twice: what was not answered well does not count.
func TestPassingFaults(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 3)
	random := rand.New(rand.NewPCG(1, 2)) // used by the brokers' one goroutine
	hits := cluster.Fault(
		seldom(random, kmsg.Produce, kerr.NotLeaderForPartition),
		seldom(random, kmsg.Produce, kerr.RequestTimedOut),              // and it was done
		seldom(random, kmsg.Produce, kerr.NotEnoughReplicasAfterAppend), // the same
		sometimes(random, kmsg.AddPartitionsToTxn, kerr.ConcurrentTransactions),
		sometimes(random, kmsg.EndTxn, kerr.ConcurrentTransactions),
		sometimes(random, kmsg.EndTxn, kerr.CoordinatorLoadInProgress),
		sometimes(random, kmsg.InitProducerID, kerr.ConcurrentTransactions),
	)
	source := archived(9_000, 3_000)
	request := requestOf(9_000, 3)
	outlook := replayAll(t, request, source, optionsOf(cluster))
	if hits.Hits() < 10 {
		t.Errorf("only %d faults", hits.Hits())
	}
	mustHoldAll(t, cluster, request, source, outlook)
}

// sometimes fails one request of three.
func sometimes(random *rand.Rand, key kmsg.Key, with *kerr.Error) kfake.Fault {
	return onceIn(3, random, key, with)
}

// seldom leaves transactions of several batches a chance.
func seldom(random *rand.Rand, key kmsg.Key, with *kerr.Error) kfake.Fault {
	return onceIn(30, random, key, with)
}

func onceIn(n int, random *rand.Rand, key kmsg.Key, with *kerr.Error) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{key}, Err: with, Count: -1, TopLevel: key == kmsg.EndTxn || key == kmsg.InitProducerID,
		When: func(kmsg.Request) bool { return random.IntN(n) == 0 }}
}

// Connections that break, before or after a request was served, are made again.
func TestConnectionsBreak(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 2)
	random := rand.New(rand.NewPCG(3, 4))
	var cuts atomic.Int64
	cluster.Control(func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		switch request.(type) {
		case *kmsg.ProduceRequest, *kmsg.AddPartitionsToTxnRequest, *kmsg.EndTxnRequest:
			if random.IntN(4) == 0 {
				cuts.Add(1)
				return nil, errors.New("the connection is cut"), true
			}
		}
		return nil, nil, false
	})
	source := archived(6_000, 3_000)
	request := requestOf(6_000, 2)
	outlook := replayAll(t, request, source, optionsOf(cluster))
	if cuts.Load() < 3 {
		t.Errorf("only %d cuts", cuts.Load())
	}
	mustHoldAll(t, cluster, request, source, outlook)
}

// What cannot pass ends the run and says why; the next one goes on.
func TestFinalFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key  kmsg.Key
		with *kerr.Error
		says string
	}{
		{kmsg.Produce, kerr.MessageTooLarge, "raise max.message.bytes of topic target"},
		{kmsg.Produce, kerr.InvalidTimestamp, "widen message.timestamp.before.max.ms"},
		{kmsg.Produce, kerr.InvalidRecord, "a compacted topic takes none without a key"},
		{kmsg.Produce, kerr.TopicAuthorizationFailed, "produce to topic target"},
		{kmsg.Produce, kerr.InvalidProducerEpoch, "another run of this replay has taken over"},
		{kmsg.AddPartitionsToTxn, kerr.ProducerFenced, "another run of this replay has taken over"},
		{kmsg.EndTxn, kerr.UnknownServerError, "shows when the replay is run again"},
		{kmsg.InitProducerID, kerr.TransactionalIDAuthorizationFailed, "initialize the producer"},
	} {
		t.Run(c.with.Message+" "+c.key.Name(), func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			count := 0
			hits := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.with, Count: 1, TopLevel: c.key == kmsg.EndTxn || c.key == kmsg.InitProducerID, When: func(r kmsg.Request) bool {
				if p, ok := r.(*kmsg.ProduceRequest); ok && p.Topics[0].Topic != "target" {
					return false
				}
				count++
				return c.key != kmsg.Produce || count == 2
			}})
			source, request := archived(9_000, 3_000), requestOf(9_000, 1)
			_, err := Start(t.Context(), request, source, optionsOf(cluster))
			if err == nil || !strings.Contains(err.Error(), c.says) || !errors.Is(err, c.with) {
				t.Fatalf("error %v, want it to say %q", err, c.says)
			}
			if hits.Hits() != 1 {
				t.Fatalf("%d faults", hits.Hits())
			}
			outlook := replayAll(t, request, source, optionsOf(cluster))
			mustHoldAll(t, cluster, request, source, outlook)
		})
	}
}

// Runs that are given up anywhere leave nothing behind that counts.
func TestRunsGivenUp(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 3)
	random := rand.New(rand.NewPCG(5, 6))
	source, request := archived(40_000, 10), requestOf(40_000, 3)
	request.Rekey = true // so that a transaction is full at ten thousand records or so
	options := optionsOf(cluster)
	options.Batches = map[string]recordbatch.Shape{"target": {Codec: recordbatch.Zstd, Bytes: 20_000}} // and has many batches
	for range 12 {
		ctx, giveUp := context.WithCancel(t.Context())
		left := int64(random.IntN(60_000))
		var taken atomic.Int64
		_, err := Start(ctx, request, func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
			return func(yield func(baldr.Record, error) bool) {
				for r, err := range source(ctx, p, span) {
					if taken.Add(1) > left {
						giveUp()
					}
					if !yield(r, err) {
						return
					}
				}
			}
		}, options)
		giveUp()
		if err == nil {
			break
		}
	}
	outlook := replayAll(t, request, source, options)
	mustHoldAll(t, cluster, request, source, outlook)
}

// Partitions chosen by key are those that producers choose, and the map of offsets,
// which has a run for nearly every record then, stays small enough for a record.
func TestByKey(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 5)
	source, request := archived(30_000, 0), requestOf(30_000, 2)
	request.Rekey = true
	outlook := replayAll(t, request, source, optionsOf(cluster))
	mustHoldAll(t, cluster, request, source, outlook)
	for _, s := range stretchesOf(t, outlook, optionsOf(cluster)) {
		if len(s.Map) > maxRuns {
			t.Errorf("a stretch has %d runs", len(s.Map))
		}
	}
	chosen := kgo.StickyKeyPartitioner(nil).ForTopic("target")
	for partition, records := range consume(t, cluster) {
		for _, r := range records {
			if want := chosen.Partition(r, 5); int32(want) != partition {
				t.Fatalf("%s is in partition %d, want %d", r.Key, partition, want)
			}
		}
	}
}

// A run that was shut out writes nothing more, not even to partitions that it has
// not begun: the other run has gone on from where they stood.
func TestAnotherRunTakesOver(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 2)
	source, request := archived(3_000, 100), requestOf(3_000, 2)
	options := optionsOf(cluster)
	options.Parallel = 1
	var other error
	shutOut := options
	var once sync.Once
	shutOut.Committed = func(int64, int64) {
		// between two partitions, with nothing under way
		once.Do(func() { _, other = Start(t.Context(), request, source, options) })
	}
	_, err := Start(t.Context(), request, source, shutOut)
	if other != nil {
		t.Fatal(other)
	}
	if err == nil || !strings.Contains(err.Error(), "another run of this replay has taken over") {
		t.Errorf("the run that was shut out ended with %v", err)
	}
	outlook := replayAll(t, request, source, options)
	mustHoldAll(t, cluster, request, source, outlook)
}
