//go:build real

package dynamoledger_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// BenchmarkListProgress measures what a tick pays to read the progress of many
// partitions: the time with DynamoDB Local on the same machine, and the processor
// time of the reader alone.
func BenchmarkListProgress(b *testing.B) {
	const partitions = 20_000
	cfg := localservices.DynamoDB(b).Config()
	l := dynamoledger.New(cfg, newTables(b, cfg))
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for i := worker; i < partitions; i += 16 {
				p := newProgress()
				p.Partition = bifrost.Partition{Name: fmt.Sprintf("some-team.some-topic.%05d", i/10), Number: int32(i % 10)}
				p.ClusterID, p.TopicID = "MkU3OEVBNTcwNTJENDM2Qk", bifrost.TopicID{1, 2, 3}
				p.LastObject = bifrost.ObjectKey("archive", p.Partition, 123456789, 0)
				p.LastArchivedAt, p.LastPlannedAt, p.LastRecordAt = noon, noon, noon
				if err := l.CreateProgress(b.Context(), p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	begin := processorTime()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if all, err := l.ListProgress(b.Context()); err != nil || len(all) != partitions {
			b.Fatalf("%d rows, error %v", len(all), err)
		}
	}
	b.ReportMetric(float64((processorTime()-begin).Microseconds())/float64(b.N)/partitions, "cpu-µs/row")
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
