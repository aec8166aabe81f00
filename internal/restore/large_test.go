package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// largeCluster is a catalogue of so many topics of so many partitions, with an empty range
// each, and a capture of them.
func largeCluster(topics, partitions int) (*catalogue, capture.Snapshot) {
	archived := &catalogue{rows: map[bifrost.Partition][]bifrost.Row{}}
	var s capture.Snapshot
	s.Positions.ClusterID = "c"
	for n := range topics {
		name := fmt.Sprintf("topic-%05d", n)
		id := bifrost.TopicID{1, byte(n >> 8), byte(n)}
		topic, ends := capture.Topic{Name: name, ID: id}, capture.Offsets{Topic: name, ID: id}
		for number := range partitions {
			p := bifrost.Partition{Name: name, Number: int32(number)}
			archived.progress = append(archived.progress, bifrost.Progress{Partition: p, ClusterID: "c", TopicID: id, NextOffset: 100})
			archived.rows[p] = []bifrost.Row{{Partition: p, Range: bifrost.Range{Start: 0, End: 100}, State: bifrost.StateArchived}}
			topic.Partitions, ends.Partitions = append(topic.Partitions, []int32{1}), append(ends.Partitions, &[4]int64{0, 100, 100, 0})
		}
		s.Configuration.Topics, s.Positions.Offsets = append(s.Configuration.Topics, topic), append(s.Positions.Offsets, ends)
	}
	return archived, s
}

// meeting is a catalogue that answers once so many readers wait for it.
type meeting struct {
	catalogue
	size          int32
	waiting, most atomic.Int32
	full          chan struct{}
	once          sync.Once
}

func (m *meeting) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	n := m.waiting.Add(1)
	defer m.waiting.Add(-1)
	for most := m.most.Load(); n > most && !m.most.CompareAndSwap(most, n); most = m.most.Load() {
	}
	if n == m.size {
		m.once.Do(func() { time.AfterFunc(50*time.Millisecond, func() { close(m.full) }) }) // one too many would be there by then
	}
	select {
	case <-m.full:
		return m.catalogue.Rows(ctx, p, from, limit)
	case <-time.After(time.Minute):
		return nil, errors.New("the others do not come")
	}
}

// The catalogue is asked for many partitions side by side, and for no more than that.
func TestCutReadsSideBySide(t *testing.T) {
	t.Parallel()
	archived, snapshot := largeCluster(2*atOnce, 2)
	m := &meeting{catalogue: *archived, size: atOnce, full: make(chan struct{})}
	r := &Restorer{Archive: &readback.Reader{Catalogue: m}, Snapshot: snapshot, Now: time.Now}
	topics, err := r.cut(t.Context(), archived.progress)
	if err != nil || len(topics) != 2*atOnce {
		t.Fatalf("%d topics, %v", len(topics), err)
	}
	if most := m.most.Load(); most != atOnce {
		t.Errorf("%d partitions were looked up side by side, want %d", most, atOnce)
	}
	for i, topic := range topics {
		if topic.Name != snapshot.Configuration.Topics[i].Name || len(topic.Partitions) != 2 || topic.Partitions[1].Number != 1 || topic.Partitions[1].End() != 100 {
			t.Errorf("topic %d is %+v", i, topic)
		}
	}
}

// slow answers as tables do that are near.
type slow struct{ catalogue }

func (s slow) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	time.Sleep(5 * time.Millisecond)
	return s.catalogue.Rows(ctx, p, from, limit)
}

// A plan for 10,000 topics of 6 partitions, with 5 ms for each page of the catalogue and
// a cluster that kfake plays: docs/restore.md has the figure.
func BenchmarkPlanLarge(b *testing.B) {
	archived, snapshot := largeCluster(10_000, 6)
	target, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		b.Fatal(err)
	}
	defer target.Close()
	for b.Loop() {
		r := &Restorer{
			Archive: &readback.Reader{Catalogue: slow{*archived}}, Snapshot: snapshot, Now: time.Now,
			Client: []kgo.Opt{kgo.SeedBrokers(target.ListenAddrs()...)},
		}
		plan, err := r.Look(b.Context(), false)
		if err != nil {
			b.Fatal(err)
		}
		report, err := r.Planned(b.Context(), plan)
		if err != nil || len(report.Topics) != 10_000 || len(plan.Refusals) > 0 {
			b.Fatalf("%d topics, refused %v: %v", len(report.Topics), plan.Refusals, err)
		}
	}
}
