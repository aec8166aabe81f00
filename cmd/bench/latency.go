// How long a record takes from its commit to its object.

package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dryrun"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// latencyRounds is how many records are timed.
const latencyRounds = 20

// benchLatency times a record from its commit to its object, with the maximum
// age 0 and a tick at once: what is left of the way is the wait for the schedule.
func benchLatency(report func(figure)) error {
	ctx := context.Background()
	p, stop, err := startParts(ctx)
	if err != nil {
		return err
	}
	defer func() { check(stop()) }()
	if p, err = p.withFreshTables(ctx, "latency"); err != nil {
		return err
	}
	if err := fillPathTopic(ctx, p.Brokers, 0); err != nil {
		return err
	}
	tick, err := p.newTicker()
	if err != nil {
		return err
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(p.Brokers), kgo.DefaultProduceTopic(pathTopic),
		kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer producer.Close()
	var took []float64
	for n := range latencyRounds + 2 {
		if err := producer.ProduceSync(ctx, kgo.StringRecord("one more")).FirstErr(); err != nil {
			return err
		}
		begin := time.Now()
		if err := tick(ctx, int64(n)+1); err != nil {
			return err
		}
		if n >= 2 { // the first make the rows and the connections
			took = append(took, time.Since(begin).Seconds())
		}
	}
	report(figure{Name: "latency/commit_to_object", Value: median(took), Unit: "s",
		Note: "age bound 0, warm functions, beside the wait for the next tick: " +
			"from 0 to 60 s with rate(1 minute), 30 on average"})
	return nil
}

// newTicker gives a function that runs a tick and its workers until everything below
// the offset is archived.
func (p parts) newTicker() (func(ctx context.Context, until int64) error, error) {
	worker, err := p.newWorker()
	if err != nil {
		return nil, err
	}
	source := worker.Archiver.Source.(*kafka.Client)
	store := s3store.New(p.S3.Config(), p.Bucket)
	ledger := dynamoledger.New(p.Dynamo.Config(), p.Tables)
	discoverer := &bifrost.Discoverer{
		Cluster:   source,
		History:   source,
		Retention: source,
		Ledger:    ledger,
		Store:     store,
		Bucket:    store,
		Settings: bifrost.Settings{
			Group:       p.Group,
			Sizing:      bifrost.Sizing{TargetBytes: 128 << 20},
			MaxInFlight: 8,
			Lease:       time.Minute,
		},
		Now:           time.Now,
		NewGeneration: func() string { return fmt.Sprint(time.Now().UnixNano()) },
		Parallel:      8,
		Log:           slog.New(slog.DiscardHandler),
	}
	return func(ctx context.Context, until int64) error {
		noted := &dryrun.Dispatcher{}
		discoverer.Dispatcher = noted
		summary, err := discoverer.Tick(ctx, time.Time{})
		if err != nil {
			return err
		}
		for _, task := range noted.Tasks() {
			if _, err := worker.Work(ctx, task, time.Time{}); err != nil {
				return err
			}
		}
		progress, err := ledger.Progress(ctx, bifrost.Partition{Name: pathTopic})
		if err == nil && progress.NextOffset < until {
			err = fmt.Errorf("archived to offset %d of %d: %+v", progress.NextOffset, until, summary)
		}
		return err
	}, nil
}
