package kafka

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// BenchmarkWalk reads batches that are in memory already, about 1 MiB each.
func BenchmarkWalk(b *testing.B) {
	for _, codec := range []kgo.CompressionCodecType{kgo.CodecNone, kgo.CodecLz4} {
		b.Run(codecNames[codec], func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			var batches []byte
			values, offset := 0, int64(0)
			for range 16 {
				built := testBatch{base: offset, codec: codec}
				for range 1800 {
					r := pageView(random)
					values += len(r.Value)
					built.records = append(built.records, testRecord{offset: offset, key: r.Key, value: r.Value})
					offset++
				}
				batches = append(batches, built.encode()...)
			}
			w := newWalker(bifrost.Range{Start: 0, End: offset}, DefaultLargestBatch)
			b.SetBytes(int64(values))
			b.ReportAllocs()
			before := processorTime(b, false)
			for b.Loop() {
				w.position = 0
				w.loadResponse(response{first: 0, next: offset, batches: batches})
				for !w.isUsedUp() {
					if _, err := w.stepBatch(); err != nil {
						b.Fatal(err)
					}
				}
			}
			used := processorTime(b, false) - before
			b.ReportMetric(float64(used.Nanoseconds())/float64(int64(b.N)*offset), "user-ns/record")
			b.ReportMetric(float64(used.Microseconds())/(float64(values)*float64(b.N)/1e6), "user-us/MB")
		})
	}
}

// processorTime is what this process has used of the processors so far: of the
// system's time or of its own. Unlike the wall's it means something on a machine
// that is busy with something else.
func processorTime(t testing.TB, system bool) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	if system {
		return time.Duration(usage.Stime.Nano())
	}
	return time.Duration(usage.Utime.Nano())
}
