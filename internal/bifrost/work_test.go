package bifrost_test

import (
	"context"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// costly takes time and processor for each object that is begun.
type costly struct {
	bifrost.Store
	took func()
}

func (c costly) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	c.took()
	return c.Store.Create(ctx, key)
}

func TestEveryRangeSaysWhatItCost(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("first")
	s.tick()
	s.work()
	s.produce(log, 1)
	s.tick()
	s.tick()
	s.clock.Advance(time.Hour) // the leases of all but the first task end unused

	var used time.Duration
	archiver := s.archiver()
	archiver.Store = costly{s.store, func() {
		s.clock.Advance(1500*time.Millisecond + time.Microsecond)
		used += 2 * time.Second
	}}
	worker := bifrost.Worker{
		Archiver: archiver, Ledger: s.ledger, Lease: time.Hour, Now: s.clock.Now, NewID: s.generation,
		Processor: func() time.Duration { return used },
	}
	results, err := worker.Work(t.Context(), s.lambda.Take(0), s.clock.Now().Add(time.Hour))
	if err != nil || len(results) < 2 {
		t.Fatalf("results %+v, error %v: want several ranges", results, err)
	}
	billed := int64(0)
	for n, r := range results {
		billed += r.BilledMilliseconds
		if want := 1500*int64(n+1) + 1; billed != want || r.CoreSeconds != 2 {
			t.Errorf("%d milliseconds in all, the last with %v core-seconds, want %d and 2", billed, r.CoreSeconds, want)
		}
	}
}
