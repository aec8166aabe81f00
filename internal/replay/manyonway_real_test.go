//go:build real

package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// TestManyOnTheWayOnKafka: connections are cut in the middle of a request while many
// batches are on their way, two runs write the same, and each record is there once and
// in order.
func TestManyOnTheWayOnKafka(t *testing.T) {
	t.Parallel()
	brokers := localservices.Kafka(t)
	const records = 12_000
	source := archived(records, 2_000)
	request, options := replayOn(t, brokers, "many", records)
	var cuts, written, committed atomic.Int64
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return cutting{connection, &cuts, &written}, err
	}
	options.Client = append(options.Client, kgo.Dialer(dial))
	options.Committed = func(records, _ int64) { committed.Add(records) }
	var runs sync.WaitGroup
	for range 2 {
		runs.Go(func() {
			if _, err := Start(t.Context(), request, source, options); err != nil && !errors.Is(err, ErrShutOut) {
				t.Errorf("a run ended with %v", err)
			}
		})
	}
	runs.Wait()
	if _, err := Start(t.Context(), request, source, options); err != nil {
		t.Fatal(err)
	}
	if cuts.Load() < 3 {
		t.Errorf("only %d cuts", cuts.Load())
	}
	mustHaveOnce(t, brokers, request, source)
	t.Logf("%d cuts, %d records committed", cuts.Load(), committed.Load())
}

// cutting is a connection that is cut behind a while, in the middle of a request.
type cutting struct {
	net.Conn
	cuts, written *atomic.Int64
}

const cutEvery = 3_000_000 // bytes

func (c cutting) Write(b []byte) (int, error) {
	now := c.written.Add(int64(len(b)))
	if now/cutEvery == (now-int64(len(b)))/cutEvery || c.cuts.Load() > 12 {
		return c.Conn.Write(b)
	}
	c.cuts.Add(1)
	_, _ = c.Conn.Write(b[:len(b)/2])
	return 0, errors.Join(net.ErrClosed, c.Conn.Close())
}

// TestGivenUpOnKafka: runs that are given up while batches are on their way, and that go on
// at once, leave nothing behind that counts.
func TestGivenUpOnKafka(t *testing.T) {
	t.Parallel()
	brokers := localservices.Kafka(t)
	const records = 20_000
	source := archived(records, 1_000)
	request, options := replayOn(t, brokers, "given-up", records)
	for end := int64(1_003); end < records; end += 3_003 {
		ctx, giveUp := context.WithCancel(t.Context())
		stopped := doingAt(source, end, func() error { giveUp(); return nil })
		if _, err := Start(ctx, request, stopped, options); err == nil && end < records/2 {
			t.Fatal("a run that was given up ended well")
		}
		giveUp()
	}
	if _, err := Start(t.Context(), request, source, options); err != nil {
		t.Fatal(err)
	}
	mustHaveOnce(t, brokers, request, source)
}

// TestSizesOnKafka: records that are larger than what may be on its way, and batches that
// the target refuses while others are behind them.
func TestSizesOnKafka(t *testing.T) {
	t.Parallel()
	brokers := localservices.Kafka(t)
	large := func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return func(yield func(baldr.Record, error) bool) {
			random := rand.NewChaCha8([32]byte{})
			for offset := span.Start; offset < span.End; offset++ {
				value := make([]byte, 100)
				if offset%20 == 13 {
					value = make([]byte, 20<<20)
				}
				_, _ = random.Read(value)
				if !yield(baldr.Record{Offset: offset, Timestamp: time.Now().UnixMilli(), Value: value}, nil) {
					return
				}
			}
		}
	}
	request, options := replayOn(t, brokers, "sizes", 60)
	target := request.Parts[0].Target
	options.Batches[target] = recordbatch.Shape{Codec: recordbatch.Uncompressed, Bytes: 1_000}
	_, err := Start(t.Context(), request, large, options)
	if !errors.Is(err, kerr.MessageTooLarge) ||
		!strings.Contains(err.Error(), "raise max.message.bytes of topic "+target) {
		t.Fatalf("the run ended with %v", err)
	}
	alterTopic(t, brokers, target, "max.message.bytes", strconv.Itoa(21<<20))
	if _, err := Start(t.Context(), request, large, options); err != nil {
		t.Fatal(err)
	}
	mustHaveOnce(t, brokers, request, large)
}

func alterTopic(t *testing.T, brokers, topic, key, value string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	alter := []kadm.AlterConfig{{Name: key, Value: &value}}
	answers, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), alter, topic)
	if err := errors.Join(err, answers[0].Err); err != nil {
		t.Fatal(err)
	}
}

// replayOn is what a run on real brokers is asked for: the first offsets of one partition,
// in small batches that hardly compress, into a topic of its own, which is made here.
func replayOn(t *testing.T, brokers, name string, offsets int64) (Request, Options) {
	t.Helper()
	request := requestOf(offsets, 1)
	target := fmt.Sprintf("%s-%d", name, time.Now().UnixNano())
	request.Parts[0].Target = target
	options := Options{
		Client: []kgo.Opt{kgo.SeedBrokers(brokers)}, Parallel: 1,
		Batches: map[string]recordbatch.Shape{target: {Codec: recordbatch.Uncompressed, Bytes: 100_000}},
	}
	client, err := kgo.NewClient(options.Client...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	forever := "-1"
	settings := map[string]*string{"retention.ms": &forever}
	if _, err := localservices.CreateTopic(t.Context(), client, target, 1, 1, settings); err != nil {
		t.Fatal(err)
	}
	return request, options
}

// mustHaveOnce reads what is committed, by a consumer that knows nothing of replays.
func mustHaveOnce(t *testing.T, brokers string, request Request, source Source) {
	t.Helper()
	target := request.Parts[0].Target
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(target),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var found []*kgo.Record
	n := 0
	for r := range source(ctx, request.Parts[0], request.Parts[0].Ask) {
		for len(found) == 0 {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatalf("%d records were there, then %v", n, err)
			}
			found = fetches.Records()
		}
		if string(found[0].Value) != string(r.Value) {
			t.Fatalf("record %d is %.20s, want %.20s", n, found[0].Value, r.Value)
		}
		found = found[1:]
		n++
	}
	if len(found) > 0 {
		t.Fatalf("%d records more than %d", len(found), n)
	}
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	highs, err := kadm.NewClient(client).ListEndOffsets(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	stable, _ := ends.Lookup(target, 0)
	if end, _ := highs.Lookup(target, 0); end.Offset != stable.Offset {
		t.Fatalf("a transaction is open: the last stable offset is %d, the end %d", stable.Offset, end.Offset)
	}
}
