//go:build real

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// Records of every shape go from Kafka to the archive and back by a replay that is
// killed five times. Apache Kafka's own consumer then sees the same records in the
// same order in both topics. They are a million in make soak, and here as many as
// take well under a minute of a machine that does nothing else.
func TestEveryRecordComesBack(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	inPartition := roundTripRecords(t) / 4
	source, target := s.topics+"-odd", s.topics+"-back"
	must(t, s.topic(t.Context(), source, 4))
	produceOdd(t, s, source, inPartition)
	s.bifrost(t, "flush", "--slots", "2")

	arguments := []string{"replay", source + ":" + target, "--create", "--parallel", "2"}
	resumed := 0
	for kill := range 5 {
		// Slow enough that something is left to be killed.
		if killReplay(t, s, append(slices.Clone(arguments), "--throttle", strconv.Itoa(inPartition*50)), kill) {
			resumed++
		}
	}
	if resumed < 3 {
		t.Errorf("only %d of 5 replays were killed after something was committed and before all was", resumed)
	}
	t.Log(s.bifrost(t, arguments...))
	assertSame(t, s, source, target, 4*inPartition*9/10)
}

func roundTripRecords(t *testing.T) int {
	text := os.Getenv("BIFROST_ROUND_TRIP_RECORDS")
	if text == "" {
		return 240_000
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// killReplay starts the replay, kills it a random time after it has committed
// something, or sooner if that takes long, and reports whether it was killed
// between its first commit and its last.
func killReplay(t *testing.T, s *sandbox, arguments []string, number int) bool {
	t.Helper()
	before := s.end(t, s.topics+"-back")
	command := s.command(t.Context(), arguments...)
	var talk strings.Builder
	command.Stderr = &talk
	must(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	committed := false
	for tries := 0; !committed && tries < 400; tries++ {
		select {
		case err := <-ended:
			t.Logf("run %d ended before it could be killed: %v\n%s", number, err, talk.String())
			return false
		case <-time.After(50 * time.Millisecond):
			committed = s.end(t, s.topics+"-back") > before
		}
	}
	select {
	case err := <-ended:
		t.Logf("run %d ended before it could be killed: %v\n%s", number, err, talk.String())
		return false
	case <-time.After(time.Duration(rand.Int64N(int64(time.Second)))): // the random moment
	}
	must(t, command.Process.Kill())
	err := <-ended
	t.Logf("run %d: %v, %d offsets committed before and %d now\n%s", number, err, before, s.end(t, s.topics+"-back"), talk.String())
	return committed && err != nil
}

// Compaction leaves holes that are no loss.
func TestACompactedTopicComesBack(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	source, target := s.topics+"-compacted", s.topics+"-back"
	must(t, s.topic(t.Context(), source, 1, "cleanup.policy=compact", "segment.ms=100", "min.cleanable.dirty.ratio=0.01", "delete.retention.ms=0"))
	for round := range 6 {
		records := numbered(source, 0, 0, 300)
		for i, r := range records {
			r.Value = fmt.Appendf(nil, "round %d of %d", round, i)
			r.Key = fmt.Appendf(nil, "k%d", i%(50*(round+1)))
			r.Timestamp = r.Timestamp.Add(time.Duration(round) * time.Hour) // more than segment.ms: the segment rolls
		}
		must(t, s.produce(t.Context(), records...))
	}
	settled := settledDigest(t, s, source, 6*300)
	s.env = append(slices.Clone(s.env), "BIFROST_TOPIC_OVERRIDES=*-compacted:max_age_seconds=86400") // a flush does not wait for it
	s.bifrost(t, "flush", "--timeout", "2m")
	s.bifrost(t, "replay", source+":"+target, "--create")
	if got := digest(t, s, target); got != settled {
		t.Errorf("replayed:\n%swant:\n%s", got, settled)
	}
}

// settledDigest waits until compaction has removed something and then stands still.
func settledDigest(t *testing.T, s *sandbox, topic string, produced int) string {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	last, same := "", 0
	for time.Now().Before(deadline) {
		now := digest(t, s, topic)
		if now == last && !strings.Contains(now, fmt.Sprintf(" %d ", produced)) {
			if same++; same == 2 {
				return now
			}
		} else {
			same = 0
		}
		last = now
	}
	t.Fatalf("compaction of %s did not settle: %s", topic, last)
	return ""
}

// produceOdd fills four partitions: two by transactions of which every third
// is aborted, two by plain batches.
func produceOdd(t *testing.T, s *sandbox, topic string, inPartition int) {
	t.Helper()
	var producers sync.WaitGroup
	failed := make([]error, 4)
	for p := range int32(4) {
		producers.Go(func() { failed[p] = producePartition(t.Context(), s, topic, p, inPartition) })
	}
	producers.Wait()
	for _, err := range failed {
		must(t, err)
	}
}

func producePartition(ctx context.Context, s *sandbox, topic string, partition int32, n int) error {
	options := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(50_000)}
	transactional := partition < 2
	if transactional {
		options = append(options, kgo.TransactionalID(fmt.Sprintf("%s-%d", topic, partition)))
	}
	client, err := s.client(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	random := rand.New(rand.NewPCG(42, uint64(partition)))
	const inTransaction = 10_000
	for done := 0; done < n; done += inTransaction {
		if transactional {
			if err := client.BeginTransaction(); err != nil {
				return err
			}
		}
		for i := range inTransaction {
			client.Produce(ctx, oddRecord(random, topic, partition, done+i), nil)
		}
		if err := client.Flush(ctx); err != nil {
			return err
		}
		if transactional {
			if err := client.EndTransaction(ctx, kgo.TransactionEndTry(done/inTransaction%12 != 5)); err != nil {
				return err
			}
		}
	}
	return nil
}

// oddRecord makes a record of any shape there is: keys and values that are null,
// empty or binary; headers that repeat, are empty, null or binary; times that go
// back and forth.
func oddRecord(random *rand.Rand, topic string, partition int32, n int) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: partition, Timestamp: time.UnixMilli(1_600_000_000_000 + int64(n)*10 + random.Int64N(100_000))}
	r.Key, r.Value = oddBytes(random, 30), oddBytes(random, 600)
	for range random.IntN(8) - 4 {
		name := []string{"trace", "trace", "type", "", "größe"}[random.IntN(5)]
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: oddBytes(random, 20)})
	}
	return r
}

const words = "the quick brown fox jumps over the lazy dog and the archive keeps every one of its hairs in order; " +
	"nobody reads a log twice but an archivist reads it once and writes it once, and then it is there; "

func oddBytes(random *rand.Rand, most int) []byte {
	switch random.IntN(12) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		binary := make([]byte, random.IntN(most))
		for i := range binary {
			binary[i] = byte(random.Uint32())
		}
		return binary
	}
	from := random.IntN(len(words) / 2)
	text := strings.Repeat(words, 1+most/len(words))[from:]
	return []byte(text[:random.IntN(most)])
}

// assertSame compares two topics by the digests of Apache Kafka's own consumer.
func assertSame(t *testing.T, s *sandbox, source, target string, atLeast int) {
	t.Helper()
	want, got := digest(t, s, source), digest(t, s, target)
	if got != want {
		t.Errorf("topic %s:\n%s\ntopic %s:\n%s", source, want, target, got)
	}
	total := 0
	for line := range strings.Lines(want) {
		var partition, n int
		var sum string
		if _, err := fmt.Sscan(line, &partition, &n, &sum); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total < atLeast {
		t.Errorf("%d records were compared, want at least %d", total, atLeast)
	}
	t.Logf("%d records compared:\n%s", total, want)
}

// digest runs testdata/digest/Digest.java, which shares no code with Bifrost.
func digest(t *testing.T, s *sandbox, topic string) string {
	t.Helper()
	root, err := localservices.Root()
	must(t, err)
	jars, err := filepath.Glob(filepath.Join(root, ".local", "kafka-*", "kafka-clients-*.jar"))
	if err != nil || len(jars) == 0 {
		t.Fatalf("Apache Kafka's client is not installed: %v", err)
	}
	command := exec.CommandContext(t.Context(), "java", "-Xmx512m", "-cp", filepath.Join(filepath.Dir(jars[0]), "*"),
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=error", filepath.Join("testdata", "digest", "Digest.java"), s.brokers, topic)
	var talk strings.Builder
	command.Stderr = &talk
	out, err := command.Output()
	if err != nil {
		t.Fatalf("Digest.java %s: %v\n%s", topic, err, talk.String())
	}
	return string(out)
}
