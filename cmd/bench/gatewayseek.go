// How the gateway looks for a time in a long partition.

package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/cmd/bench/internal/longpartition"
	"github.com/bifrost-archive/bifrost/internal/gateway"
)

// What a time is looked for in. Tests take less.
var (
	seekObjects   = int64(1_000_000)
	seekRoundTrip = 30 * time.Millisecond // to S3 and to the tables
)

const seekQuestions = 50

// benchGatewaySeek asks for times in a partition of a million objects.
func benchGatewaySeek(report func(figure)) error {
	ctx := context.Background()
	played := longpartition.New(seekObjects, seekRoundTrip)
	heap := heapBytes()
	client, stop, err := servePlayed(ctx, played)
	if err != nil {
		return err
	}
	defer stop()
	random := rand.New(rand.NewPCG(1, 1))
	ask := func() error {
		timestamp := longpartition.Timestamp(random.Int64N(played.End()))
		listed, err := client.ListOffsetsAfterMilli(ctx, timestamp, longpartition.Topic)
		if err == nil {
			err = listed.Error()
		}
		if err != nil {
			return err
		}
		offset, _ := listed.Lookup(longpartition.Topic, 0)
		if want := played.Since(timestamp); offset.Offset != want {
			return fmt.Errorf("the first offset of %d is said to be %d, and is %d", timestamp, offset.Offset, want)
		}
		return nil
	}
	began, requests := time.Now(), played.Requests.Load()
	if err := ask(); err != nil {
		return err
	}
	report(figure{Name: "gateway/seek/first", Value: time.Since(began).Seconds(), Unit: "s",
		Note: fmt.Sprintf("the first question, which reads the catalogue of %d objects in %d requests of %d ms",
			seekObjects, played.Requests.Load()-requests, seekRoundTrip.Milliseconds())})
	report(figure{Name: "gateway/seek/memory", Value: float64(heapBytes()-heap) / (1 << 20), Unit: "MiB",
		Note: "of the whole gateway, after that"})
	times, reads := make([]float64, seekQuestions), int64(0)
	requests = played.Requests.Load()
	for i := range times {
		began, before := time.Now(), played.Reads.Load()
		if err := ask(); err != nil {
			return err
		}
		times[i], reads = time.Since(began).Seconds(), max(reads, played.Reads.Load()-before)
	}
	perQuestion := float64(played.Requests.Load()-requests) / seekQuestions
	report(figure{Name: "gateway/seek/reads", Value: float64(reads), Unit: "reads of S3", Target: "at most 2",
		Note: fmt.Sprintf("the most of %d questions for random times, "+
			"each answer compared with a search without an index", seekQuestions)})
	report(figure{Name: "gateway/seek/time", Value: 1000 * median(times), Unit: "ms", Target: "at most 150",
		Note: fmt.Sprintf("the median of them, the longest took %.0f ms; %d ms for each round trip to S3, "+
			"and to the tables, which are asked %.1f times",
			1000*slices.Max(times), seekRoundTrip.Milliseconds(), perQuestion)})
	return nil
}

// heapBytes is what is in use of the heap, without garbage.
func heapBytes() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// servePlayed serves a played partition in this process, to a client that is warm.
func servePlayed(ctx context.Context, played *longpartition.Partition) (client *kadm.Client, stop func(), err error) {
	g, err := gateway.New(ctx, gateway.Options{Catalogue: played, Objects: played, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	serving, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(serving, listener) }()
	client, err = kadm.NewOptClient(kgo.SeedBrokers(listener.Addr().String()),
		kgo.RequestTimeoutOverhead(10*time.Minute))
	stop = func() {
		if client != nil {
			client.Close()
		}
		end()
		check(<-ended)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	if _, err := client.ListEndOffsets(ctx, longpartition.Topic); err != nil {
		stop()
		return nil, nil, err
	}
	return client, stop, nil
}
