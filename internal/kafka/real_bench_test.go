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
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// BenchmarkSource reads a partition of a real broker to the end: page views of
// about 500 bytes in batches compressed with lz4. The processor's time is that
// of this process alone, the system's share of it apart.
func BenchmarkSource(b *testing.B) {
	const records = 600_000
	r := newReal(b, nil)
	rawBytes := producePageViews(b, r.brokers, r.topic, records)
	b.Run("gzip", func(b *testing.B) { benchmarkGzip(b) })
	for _, fetchBytes := range []int32{1 << 20, 2 << 20, 4 << 20} {
		b.Run(fmt.Sprintf("fetch=%dKiB", fetchBytes>>10), func(b *testing.B) {
			r.client.fetchBytes = fetchBytes
			b.ReportAllocs()
			began, user, system := time.Now(), processorTime(b, false), processorTime(b, true)
			for b.Loop() {
				if n := drain(b, r.client, r.topic, r.id, bifrost.Range{Start: 0, End: records}); n != records {
					b.Fatalf("read %d records, want %d", n, records)
				}
			}
			wall := time.Since(began)
			user, system = processorTime(b, false)-user, processorTime(b, true)-system
			megabytes := float64(rawBytes) * float64(b.N) / 1e6
			b.ReportMetric(megabytes/wall.Seconds(), "MB/s")
			b.ReportMetric(megabytes/(user+system).Seconds(), "MB/core-s")
			b.ReportMetric(float64(user.Microseconds())/megabytes, "user-us/MB")
			b.ReportMetric(float64(system.Microseconds())/megabytes, "system-us/MB")
		})
	}
}

// benchmarkGzip deflates such values at level 1 and does nothing else: the speed
// that the whole path is measured against.
func benchmarkGzip(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	var frames []byte
	for len(frames) < 1<<20 {
		value := pageView(random).Value
		frames = append(binary.BigEndian.AppendUint64(frames, uint64(len(value))), value...)
	}
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestSpeed)
	if err != nil {
		b.Fatal(err)
	}
	before := processorTime(b, false)
	for b.Loop() {
		for range 100 {
			compressed.Reset()
			w.Reset(&compressed)
			if _, err := w.Write(frames); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	megabytes := float64(100*len(frames)*b.N) / 1e6
	b.ReportMetric(float64((processorTime(b, false)-before).Microseconds())/megabytes, "user-us/MB")
	b.ReportMetric(float64(len(frames))/float64(compressed.Len()), "ratio")
}

func drain(t testing.TB, client *Client, topic string, id bifrost.TopicID, r bifrost.Range) int {
	t.Helper()
	records, err := client.Read(context.Background(), topic, id, 0, r)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	n := 0
	for {
		batch, err := records.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(batch.Records)
	}
}

// producePageViews fills a topic and returns the bytes of all values.
func producePageViews(t testing.TB, brokers, topic string, records int) int64 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(20*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	random := rand.New(rand.NewPCG(1, 2))
	bytes := int64(0)
	for range records {
		r := pageView(random)
		bytes += int64(len(r.Value))
		client.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	return bytes
}
