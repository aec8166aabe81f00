package bifrost

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// This file is about rows whose partition has no progress row: the progress
// table was lost, or a row of it. A partition that Kafka has is made anew by the
// tick that sees it, and one with objects by rebuild. A row that is PLANNED, of a
// topic that is gone, would be nobody's: no worker may take it, no tick looks at
// it, and its offsets would be in no object and in no gap.

// listOrphans are the partitions that have planned rows and no progress row, by what
// this pass has read. The index lags, so some may be none.
func (t *tick) listOrphans() []Partition {
	known := map[Partition]bool{}
	for _, p := range t.view.progress {
		known[p.Partition] = true
	}
	// What is made anew by its birth comes first: beside the branch that goes on, no
	// tick plans for those that were left.
	newcomers := map[rowKey]bool{}
	for _, s := range t.view.partitions {
		if s.progress == nil {
			newcomers[rowKey{s.incarnation, s.number}] = true
		}
	}
	return slices.DeleteFunc(slices.SortedFunc(maps.Keys(t.view.planned), comparePartitions), func(p Partition) bool {
		here := Incarnation{t.view.clusterID, p.Topic(), t.view.planned[p][0].TopicID}
		return known[p] || newcomers[rowKey{here, p.Number}] || !t.Settings.Topics.Archives(p.Topic())
	})
}

// adoptOrphan makes the progress row of a partition that has planned rows and none, as
// rebuildPartition would. What its rows say is enough for that. From then on it is a
// partition like any other: the next ticks read what Kafka still has of it, or
// see that its topic is gone and make gaps of it.
func (t *tick) adoptOrphan(ctx context.Context, p Partition) error {
	if _, err := t.Ledger.Progress(ctx, p); !errors.Is(err, ErrNotFound) {
		return err // made since the table was read, or nobody knows
	}
	t.Log.WarnContext(ctx, "a partition has planned ranges and no progress row; it is made anew", LogTopic, p.Name, LogPartition, p.Number)
	return t.rebuildPartition(ctx, p)
}

// rebuildPartition does for one partition what the command does for all: it makes or goes on
// with its progress row, along its rows and objects.
func (t *tick) rebuildPartition(ctx context.Context, p Partition) error {
	builder := t.newBuilder(t.marks) // what it plans is for the next pass to give to functions
	_, due, err := builder.Rebuild(ctx, p, RebuildOptions{Crew: parallel.NewCrew(1), ClusterID: t.view.clusterID})
	if due.IsZero() {
		t.readAgain()
	} else {
		t.countFencing()
	}
	return err
}
