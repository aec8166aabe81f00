//go:build real

package kafka

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// realSchedule archives one topic of a real broker into tables and a bucket in memory.
type realSchedule struct {
	*real
	clock      *bifrosttest.Clock
	ledger     *bifrosttest.Ledger
	lambda     *bifrosttest.Lambda
	discoverer *bifrost.Discoverer
	worker     *bifrost.Worker
	failures   []string // of workers
}

func newRealSchedule(r *real, targetBytes int64) *realSchedule {
	s := &realSchedule{real: r, clock: bifrosttest.NewClock(time.Now()), ledger: bifrosttest.NewLedger(), lambda: &bifrosttest.Lambda{}}
	store, generations := bifrosttest.NewStore(), 0
	s.discoverer = &bifrost.Discoverer{
		Cluster: r.client, History: r.client, Retention: r.client, Ledger: s.ledger, Store: store, Bucket: store, Dispatcher: s.lambda,
		Settings: bifrost.Settings{Group: "g", MaxInFlight: 4, Lease: time.Minute, Sizing: bifrost.Sizing{TargetBytes: targetBytes},
			Topics: bifrost.TopicFilter{Include: []string{r.topic}}},
		Now: s.clock.Now, NewGeneration: func() string { generations++; return fmt.Sprint(generations) }, Log: slog.New(slog.DiscardHandler),
	}
	archiver := &bifrost.Archiver{
		Group: "g", Source: r.client, Store: store, Ledger: s.ledger, Format: baldr.Options{Level: 1},
		MaxRawBytes: 1 << 40, Writer: "test", Now: s.clock.Now,
	}
	s.worker = &bifrost.Worker{Archiver: archiver, Ledger: s.ledger, Lease: time.Minute, Now: s.clock.Now}
	return s
}

// round is one tick and the workers that it starts, half an hour after the last.
func (s *realSchedule) round(t testing.TB) bifrost.Progress {
	t.Helper()
	s.clock.Advance(30 * time.Minute)
	summary, err := s.discoverer.Tick(t.Context(), time.Time{})
	if err != nil || summary.Failures > 0 {
		t.Fatalf("tick %+v, error %v", summary, err)
	}
	for len(s.lambda.Waiting()) > 0 {
		if _, err := s.worker.Work(t.Context(), s.lambda.Take(0), time.Time{}); err != nil {
			s.failures = append(s.failures, err.Error())
		}
	}
	all, err := s.ledger.ListProgress(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("progress %+v, error %v", all, err)
	}
	return all[0]
}

// TestRealUnreadableSegment keeps topics in tiered storage and damages a segment of
// each: what lies before it is archived, and what fails is told.
func TestRealUnreadableSegment(t *testing.T) {
	t.Parallel()
	broker := localservices.OwnTieredKafka(t)
	for name, damage := range map[string]func(path string) error{
		"away":    func(path string) error { return os.Rename(path, path+".away") },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"cut":     func(path string) error { return os.Truncate(path, 100) },
		"garbage": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("garbage "), 1000), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			realUnreadableSegment(t, broker, damage)
		})
	}
}

func realUnreadableSegment(t *testing.T, broker *localservices.KafkaBroker, damage func(path string) error) {
	const first, all = 401, 3000
	r := newRealOn(t, broker.Addr(), map[string]string{"remote.storage.enable": "true", "segment.ms": "300", "local.retention.ms": "1", "retention.ms": "-1"})
	for _, n := range []int{first, all - first, 1} { // a segment each
		r.produce(t, values(n, "value %d")...)
		time.Sleep(400 * time.Millisecond)
	}
	eventually(t, "the local segments' end", func() bool {
		local, err := r.client.localLogStart(t.Context(), bifrost.TopicPartition{Topic: r.topic})
		if err != nil {
			t.Fatal(err)
		}
		return local == all
	})
	r.check(t, 0, all+1, baldr.Missing{}) // all can be read so far
	segment, err := broker.RemoteSegment(r.topic, first)
	if err == nil {
		err = damage(segment)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := newRealSchedule(r, 1<<20)
	s.worker.Archiver.Source = connectFor(t, broker.Addr(), 3*time.Second) // of which each attempt may cost all
	var p bifrost.Progress
	for range 4 {
		p = s.round(t)
	}
	if p.NextOffset != first || p.Records != first || p.Missing != 0 || p.Error == "" {
		t.Errorf("%d records are archived and %d offsets counted as missing up to offset %d, error %q; want the %d before the segment",
			p.Records, p.Missing, p.NextOffset, p.Error, first)
	}
	t.Log(p.Error)
}

func connectFor(t *testing.T, broker string, patience time.Duration, options ...kgo.Opt) *Client {
	t.Helper()
	client, err := newClient(Config{Brokers: []string{broker}, Options: options}, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
