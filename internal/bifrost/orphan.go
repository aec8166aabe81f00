package bifrost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// This file is about rows whose partition has no progress row: the progress
// table was lost, or a row of it. A partition that Kafka has is made anew by the
// tick that sees it, and one with objects by rebuild. A row that is PLANNED, of a
// topic that is gone, would be nobody's: no worker may take it, no tick looks at
// it, and its offsets would be in no object and in no gap.

// orphans are the partitions that have planned rows and no progress row, by what
// this pass has read. The index lags, so some may be none.
func (t *tick) orphans() []Partition {
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

// adopt makes the progress row of a partition that has planned rows and none, as
// rebuild would. What its rows say is enough for that. From then on it is a
// partition like any other: the next ticks read what Kafka still has of it, or
// see that its topic is gone and make gaps of it.
func (t *tick) adopt(ctx context.Context, p Partition) error {
	if _, err := t.Ledger.Progress(ctx, p); !errors.Is(err, ErrNotFound) {
		return err // made since the table was read, or nobody knows
	}
	t.Log.WarnContext(ctx, "a partition has planned ranges and no progress row; it is made anew", LogTopic, p.Name, LogPartition, p.Number)
	return t.rebuild(ctx, p)
}

// rebuild does for one partition what the command does for all: it makes or goes on
// with its progress row, along its rows and objects.
func (t *tick) rebuild(ctx context.Context, p Partition) error {
	r := &rebuild{
		Rebuilder: &Rebuilder{Group: t.Settings.Group, Ledger: t.Ledger, Store: t.Store, Shelf: t.Shelf,
			Sizing: t.Settings.SizingOf(p.Topic()), FencePause: t.Settings.FencePause,
			Now: t.Now, NewGeneration: t.NewGeneration, Log: t.Log},
		crew: parallel.NewCrew(1), cluster: t.view.clusterID, marks: t.marks,
	}
	due, err := r.partition(ctx, p, false)
	if due.IsZero() {
		t.readAgain()
	} else {
		t.fencing()
	}
	return err
}

// ofRows is the incarnation that the rows of a partition are of. Rows of old did
// not say their cluster: it is taken to be the marker's, of the plain path because
// the marker says whose that is, of a later incarnation because clusters seldom
// share topics and a topic ID is one in the world.
func (r *rebuild) ofRows(ctx context.Context, p Partition) (Incarnation, error) {
	owner, err := ReadMarker(ctx, r.Store, MarkerKey(r.Group, p.Topic()))
	marked := err == nil
	if err = ignoreNotFound(err); err != nil {
		return Incarnation{}, err
	}
	rows, err := r.Ledger.Rows(ctx, p, 0, 1)
	if err != nil {
		return Incarnation{}, fmt.Errorf("read the first row: %w", err)
	}
	if len(rows) == 0 {
		return Incarnation{}, nil
	}
	i := Incarnation{rows[0].ClusterID, p.Topic(), rows[0].TopicID}
	if i.ClusterID == "" && marked {
		i.ClusterID = owner.ClusterID
	}
	if i.ClusterID == "" {
		i.ClusterID = r.cluster
	}
	switch {
	case i.ClusterID == "":
		return Incarnation{}, errors.New("nothing says which cluster its rows are of; a tick that reaches the cluster makes its progress row")
	case p.Name != p.Topic() && p.Name != i.LaterName() && p != i.Forked(p.Number, p.Fork()):
		return Incarnation{}, fmt.Errorf("its rows are of topic ID %s, which is not the one in its name: run bifrost verify", i.TopicID)
	}
	return i, r.claim(ctx, p, i)
}
