//go:build real

package killtest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 4
	plainTopic = "clicks"   // retention deletes its beginning now and then
	txnTopic   = "payments" // transactions, some of them aborted
)

// truth is what a read_committed consumer has seen of the log, written down
// before retention takes any of it away: one line a record, for the comparison.
type truth struct {
	mutex sync.Mutex
	file  *os.File
	out   *bufio.Writer
	seen  map[string]map[int32]int64 // topic → partition → first offset not seen
	count int
	// forgotten has every offset at which the log of a partition of the plain topic
	// was told to begin.
	forgotten [partitions][]int64

	stop context.CancelFunc
	done chan struct{}
}

func follow(t *testing.T, brokers, path string) *truth {
	t.Helper()
	file, err := os.Create(path)
	must(t, err)
	offsets := map[string]map[int32]kgo.Offset{}
	seen := map[string]map[int32]int64{}
	for _, topic := range []string{plainTopic, txnTopic} {
		offsets[topic], seen[topic] = map[int32]kgo.Offset{}, map[int32]int64{}
		for p := range int32(partitions) {
			offsets[topic][p] = kgo.NewOffset().At(0)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumePartitions(offsets),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	f := &truth{file: file, out: bufio.NewWriter(file), seen: seen, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		defer client.Close()
		for ctx.Err() == nil {
			fetches := client.PollFetches(ctx)
			fetches.EachRecord(f.add)
		}
	}()
	return f
}

func (f *truth) add(r *kgo.Record) {
	line := map[string]any{
		"topic": r.Topic, "partition": r.Partition, "offset": r.Offset, "timestamp": r.Timestamp.UnixMilli(),
		"key": encoded(r.Key), "value": encoded(r.Value), "headers": headers(r),
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	_ = json.NewEncoder(f.out).Encode(line) // a lost line shows as a record too many in the archive
	f.seen[r.Topic][r.Partition] = r.Offset + 1
	f.count++
}

func headers(r *kgo.Record) [][]any {
	all := make([][]any, 0, len(r.Headers))
	for _, h := range r.Headers {
		all = append(all, []any{encoded([]byte(h.Key)), encoded(h.Value)})
	}
	return all
}

// encoded is base64, or nil for null.
func encoded(b []byte) any {
	if b == nil {
		return nil
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (f *truth) seenBelow(topic string, partition int32) int64 {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.seen[topic][partition]
}

// end writes a last record to every partition, whose offset it waits for: a
// consumer that has seen it has seen all. It closes the file.
func (f *truth) end(t *testing.T, brokers string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(t, err)
	defer client.Close()
	var last []*kgo.Record
	for _, topic := range []string{plainTopic, txnTopic} {
		for p := range int32(partitions) {
			last = append(last, &kgo.Record{Topic: topic, Partition: p, Value: []byte("the last record")})
		}
	}
	must(t, client.ProduceSync(t.Context(), last...).FirstErr())
	eventually(t, 2*time.Minute, "the consumer sees the whole log", func(context.Context) error {
		for _, r := range last {
			if seen := f.seenBelow(r.Topic, r.Partition); seen <= r.Offset {
				return fmt.Errorf("%s/%d: seen below %d, the last record is at %d", r.Topic, r.Partition, seen, r.Offset)
			}
		}
		return nil
	})
	f.stop()
	<-f.done
	must(t, f.out.Flush())
	must(t, f.file.Close())
}

// producePlain writes records of all shapes until ctx ends.
func producePlain(ctx context.Context, brokers string, seed uint64) (count int, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	random := rand.New(rand.NewPCG(seed, 3))
	for ctx.Err() == nil {
		for range 200 {
			client.Produce(context.WithoutCancel(ctx), record(random, plainTopic, count), nil)
			count++
		}
		pause(ctx, 50*time.Millisecond)
	}
	return count, client.Flush(context.WithoutCancel(ctx))
}

// produceTransactions commits two of three transactions and aborts the third.
// A broker that restarts fails some; the client then begins anew.
func produceTransactions(ctx context.Context, brokers string, seed uint64) (committed, aborted int) {
	random := rand.New(rand.NewPCG(seed, 4))
	for n := 0; ctx.Err() == nil; n++ {
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.TransactionalID(fmt.Sprintf("killtest-%d", n)),
			kgo.TransactionTimeout(10*time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			return committed, aborted
		}
		for err == nil && ctx.Err() == nil {
			commit := kgo.TransactionEndTry(random.IntN(3) > 0)
			if err = transaction(context.WithoutCancel(ctx), client, random, commit); err == nil && bool(commit) {
				committed++
			} else if err == nil {
				aborted++
			}
			pause(ctx, 20*time.Millisecond)
		}
		client.Close()
	}
	return committed, aborted
}

func transaction(ctx context.Context, client *kgo.Client, random *rand.Rand, commit kgo.TransactionEndTry) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	for n := range 1 + random.IntN(30) {
		client.Produce(ctx, record(random, txnTopic, n), nil)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return client.EndTransaction(ctx, commit)
}

// record has a null or an empty key or value now and then, and headers twice.
func record(random *rand.Rand, topic string, n int) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: int32(random.IntN(partitions)), Key: fmt.Appendf(nil, "key-%d", n)}
	switch random.IntN(20) {
	case 0:
		r.Value = nil
	case 1:
		r.Value = []byte{}
	case 2:
		r.Key, r.Value = nil, []byte{0, 255, 10, 13}
	default:
		r.Value = fmt.Appendf(nil, `{"n":%d,"noise":"%x"}`, n, random.Uint64())
	}
	if random.IntN(5) == 0 {
		r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}}
	}
	return r
}

// forget deletes the beginning of one partition, as retention does, as far as the
// truth has been written down.
func (f *truth) forget(ctx context.Context, admin *kadm.Client, p int32) error {
	var offsets kadm.Offsets = map[string]map[int32]kadm.Offset{}
	start := f.seenBelow(plainTopic, p)
	f.forgotten[p] = append(f.forgotten[p], start)
	offsets.AddOffset(plainTopic, p, start, -1)
	_, err := admin.DeleteRecords(ctx, offsets)
	return err
}

// forgetAgain repeats the last deletion of each partition. A broker writes the
// starts of its logs to disk once a minute (log.flush.start.offset.checkpoint.interval.ms),
// so one that was killed may show records again that it had said were deleted, and
// verify would rightly say that a recorded gap can be read. No log starts higher
// by it than it was told to before: what a gap may cover stays as strict.
func (f *truth) forgetAgain(t *testing.T, admin *kadm.Client) {
	t.Helper()
	var offsets kadm.Offsets = map[string]map[int32]kadm.Offset{}
	for p, starts := range f.forgotten {
		if len(starts) > 0 {
			offsets.AddOffset(plainTopic, int32(p), slices.Max(starts), -1)
		}
	}
	eventually(t, time.Minute, "the logs begin where they were told to", func(ctx context.Context) error {
		deleted, err := admin.DeleteRecords(ctx, offsets)
		return errors.Join(err, deleted.Error())
	})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
