package dryrun_test

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/dryrun"
)

// A rehearsed tick decides what the real one then does, and leaves no trace.
func TestARehearsalIsWhatTheTickDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := bifrosttest.NewClock(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC))
		kafka, ledger, store := bifrosttest.NewKafka("cluster", clock.Now), bifrosttest.NewLedger(), bifrosttest.NewStore()
		generations := 0
		discoverer := func(dispatcher bifrost.Dispatcher) *bifrost.Discoverer {
			return &bifrost.Discoverer{
				Cluster: kafka, History: kafka, Ledger: ledger, Store: store, Bucket: store, Dispatcher: dispatcher,
				Settings: bifrost.Settings{Group: "g", Sizing: bifrost.Sizing{TargetBytes: 3000, MaxAge: time.Minute}, MaxInFlight: 1, Together: 3, Lease: time.Minute},
				Now:      clock.Now, Log: slog.New(slog.DiscardHandler),
				NewGeneration: func() string { generations++; return fmt.Sprint(generations) },
			}
		}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "topic")
			switch topic := kafka.Topic(name); {
			case topic == nil:
				kafka.CreateTopic(name, 2)
			case rapid.IntRange(0, 5).Draw(t, "delete") == 0:
				kafka.DeleteTopic(name)
			default:
				topic.Logs[rapid.IntRange(0, 1).Draw(t, "partition")].Produce(slices.Repeat([]string{"x"}, rapid.IntRange(1, 20).Draw(t, "records"))...)
			}
			clock.Advance(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)

			before, keys, made := ledger.Backup(), store.Keys(), generations
			rehearsed, noted := dryrun.NewLedger(ledger), &dryrun.Dispatcher{}
			d := discoverer(noted)
			bucket := dryrun.NewStore(store)
			d.Ledger, d.Store, d.Bucket = rehearsed, bucket, bucket
			said, err := d.Tick(t.Context(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(ledger.Backup(), before) || !slices.Equal(store.Keys(), keys) {
				t.Fatal("the rehearsal has written something")
			}

			generations = made
			rows := ledger.AllRows()
			lambda := &bifrosttest.Lambda{}
			did, err := discoverer(lambda).Tick(t.Context(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(said, did) {
				t.Fatalf("the rehearsal says %+v, the tick %+v", said, did)
			}
			if !reflect.DeepEqual(noted.Tasks(), lambda.Waiting()) {
				t.Fatalf("the rehearsal starts %v, the tick %v", noted.Tasks(), lambda.Waiting())
			}
			if started := rehearsed.Started(); len(started) != did.Dispatched {
				t.Fatalf("the rehearsal gives functions %v, the tick %d ranges", started, did.Dispatched)
			}
			if planned := len(ledger.AllRows()) - len(rows); planned != len(rehearsed.Planned()) {
				t.Fatalf("the rehearsal plans %v, the tick %d rows", rehearsed.Planned(), planned)
			}
		}
	})
}
