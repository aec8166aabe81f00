//go:build real

package s3store_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// BenchmarkUpload measures what an upload costs the process that sends it, in
// processor seconds a gigabyte. The server's share is not in it.
func BenchmarkUpload(b *testing.B) {
	cfg := localservices.S3(b).Config()
	name := fmt.Sprintf("bench-%x", rand.Uint64())
	if _, err := s3.NewFromConfig(cfg).CreateBucket(b.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		b.Fatal(err)
	}
	store := s3store.New(cfg, name)
	chunk := make([]byte, 1<<20)
	for i := range chunk {
		chunk[i] = byte(rand.Uint32())
	}
	const size = 64 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	begin := processorTime()
	b.ResetTimer()
	for i := range b.N {
		upload, err := store.Create(b.Context(), fmt.Sprintf("object-%d", i))
		if err != nil {
			b.Fatal(err)
		}
		for range size / len(chunk) {
			if _, err := upload.Write(chunk); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := upload.Complete(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	used := processorTime() - begin
	b.ReportMetric(used.Seconds()/(float64(b.N)*size/1e9), "cpu-s/GB")
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
