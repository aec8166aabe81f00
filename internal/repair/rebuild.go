// Package repair is what a person runs when tables are lost or a rule cannot decide:
// rebuild makes the tables again from the bucket, accept records a decision for good.
// No function in AWS runs it. Its tests are in internal/bifrost, together with those of
// the rules that it shares with ticks.
package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// Rebuilder makes both tables from the bucket alone.
type Rebuilder struct {
	Group         string // first element of every key
	Ledger        bifrost.Ledger
	Store         bifrost.Store
	Bucket        bifrost.Bucket
	Topics        bifrost.TopicFilter // of Kafka's names
	Partitions    []bifrost.Partition // none but these; nil for all of Topics
	Sizing        bifrost.Sizing      // of the ranges planned where objects are missing
	Now           func() time.Time
	NewGeneration func() string // a value never given before
	Parallel      int           // objects looked at concurrently; 0 or 1 uses no goroutine
	Log           *slog.Logger

	FencePause time.Duration // as Settings.FencePause

	// Wait waits until the time, for the fence pause of so many partitions, or ends
	// early with an error. nil: Rebuild ends with an error instead, and is to be run
	// again from then on.
	Wait func(ctx context.Context, until time.Time, partitions int) error

	// Anew rebuilds every progress row, also those that look whole: a backup of
	// the tables was restored, and uploads that it knows nothing of may be open. Where
	// the bucket shows that the tables are older than it, that is done anyway.
	Anew bool
}

// RebuildSummary is what a rebuild found and did.
type RebuildSummary struct {
	Partitions int `json:"partitions"` // in the bucket or in the progress table
	Made       int `json:"made"`       // progress rows made, or rebuilt because rows were missing
	Adopted    int `json:"adopted"`    // rows settled by an object that was there
	// rows left PLANNED because no object is there; the next ticks fill them
	Planned int `json:"planned"`
	// the tables are older than the bucket still: ticks plan nothing until a run for all topics is through
	Older bool `json:"older"`
	// partitions that are not through: they wait for uploads of before that may still complete
	Fencing  int                   `json:"fencing"`
	Failed   []bifrost.TickFailure `json:"failed"`   // what went wrong, at most MaxReportedFailures of them
	Failures int                   `json:"failures"` // how many partitions failed in all
}

// Rebuild brings the tables in line with what the bucket holds, for every
// partition that has anything there, also of topics that Kafka no longer knows.
// It takes the steps that discover and a worker take for a partition without a
// row: make the row FENCING, abort uploads, list, open, plan along the objects,
// adopt them by the ordinary commit, advance. So it may run while the stack runs,
// twice concurrently, or stop anywhere and be run again. Where rows are there already
// they stand; where one is missing, the partition's progress row is rebuilt.
//
// The error is for what stops all of it; a partition that fails is in the summary.
func (r *Rebuilder) Rebuild(ctx context.Context) (RebuildSummary, error) {
	run := &rebuild{Rebuilder: r, crew: parallel.NewCrew(r.Parallel),
		summary: RebuildSummary{Failed: []bifrost.TickFailure{}}}
	run.marks = bifrost.NewMarks(r.Group, r.Ledger, r.Store, r.Bucket, r.Now, r.NewGeneration)
	run.builder = &bifrost.PartitionBuilder{
		Group: r.Group, Ledger: r.Ledger, Store: r.Store, Bucket: r.Bucket, Marks: run.marks,
		SizingOf:   func(string) bifrost.Sizing { return r.Sizing },
		FencePause: r.FencePause, Now: r.Now, NewGeneration: r.NewGeneration, Log: r.Log,
	}
	if err := run.compareMarks(ctx); err != nil {
		return run.summary, fmt.Errorf("rebuild: %w", err)
	}
	partitions, err := run.listPartitions(ctx)
	if err != nil {
		return run.summary, fmt.Errorf("rebuild: %w", err)
	}
	// The branch that goes on comes first: next to its row, no tick plans for the
	// branches that were left while theirs are rebuilt.
	for len(partitions) > 0 {
		last := slices.MaxFunc(partitions, compareForks).Fork()
		var now, later []bifrost.Partition
		for _, p := range partitions {
			if p.Fork() == last {
				now = append(now, p)
			} else {
				later = append(later, p)
			}
		}
		parallel.Each(run.crew, now, func(p bifrost.Partition) { run.rebuildPartition(ctx, p, false) })
		partitions = later
	}
	if err := run.awaitFences(ctx); err != nil {
		return run.summary, err
	}
	return run.summary, run.letTicksPlan(ctx)
}

func compareForks(a, b bifrost.Partition) int { return cmp.Compare(a.Fork(), b.Fork()) }

// rebuild is one run of Rebuild. The mutex guards the summary.
type rebuild struct {
	*Rebuilder
	crew    parallel.Crew
	marks   *bifrost.Marks
	builder *bifrost.PartitionBuilder
	anew    bool               // rebuild every progress row
	mark    bifrost.TablesMark // then: of the tables, with the series that follows
	mutex   sync.Mutex
	summary RebuildSummary
	fencing []bifrost.Partition // not through
	due     time.Time           // when the last of them may go on

	strangers int // failures over objects to which the marker does not give the path
}

// compareMarks finds out whether the tables are older than the bucket. Then, or if it was
// asked for, every progress row is rebuilt, and no tick plans before all are.
// Where only some were asked for, of tables that are not older, only theirs wait.
func (r *rebuild) compareMarks(ctx context.Context) error {
	_, err := r.marks.Read(ctx)
	older := errors.Is(err, bifrost.ErrTablesOlder)
	r.anew = r.Anew || older
	if err != nil && !older || !older && !(r.Anew && r.selectsAll()) {
		return err
	}
	if r.mark, err = r.marks.BeginRebuild(ctx); err != nil {
		return err
	}
	r.summary.Older = true
	return nil
}

// letTicksPlan lets ticks plan again if every partition was rebuilt.
func (r *rebuild) letTicksPlan(ctx context.Context) error {
	if !r.summary.Older || !r.selectsAll() || r.summary.Failures > r.strangers {
		return nil
	}
	if err := r.marks.EndRebuild(ctx, r.mark); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	r.summary.Older = false
	return nil
}

func (r *Rebuilder) selectsAll() bool {
	return len(r.Topics.Include) == 0 && len(r.Topics.Exclude) == 0 && r.Partitions == nil
}

// awaitFences goes on with the partitions that are fencing until none is left.
func (r *rebuild) awaitFences(ctx context.Context) error {
	for len(r.fencing) > 0 && ctx.Err() == nil {
		fencing, until := r.fencing, r.due
		if r.Wait == nil {
			return fmt.Errorf("rebuild: %d partitions wait for uploads that older tables may have begun, and that "+
				"S3 may still complete; "+
				"run it again after %s", len(fencing), until.UTC().Format(time.RFC3339))
		}
		if err := r.Wait(ctx, until, len(fencing)); err != nil {
			return fmt.Errorf("rebuild: wait for the uploads of older tables: %w", err)
		}
		r.fencing, r.due, r.summary.Fencing = nil, time.Time{}, 0
		parallel.Each(r.crew, fencing, func(p bifrost.Partition) { r.rebuildPartition(ctx, p, true) })
	}
	return ctx.Err()
}

// rebuildPartition rebuilds one partition, or goes on with it, and keeps what became of
// it. again says that this run has been here before.
func (r *rebuild) rebuildPartition(ctx context.Context, p bifrost.Partition, again bool) {
	if ctx.Err() != nil {
		return
	}
	done, due, err := r.builder.Rebuild(ctx, p, bifrost.RebuildOptions{Crew: r.crew, Anew: r.anew && !again,
		Series: r.mark.Next})
	r.mutex.Lock()
	defer r.mutex.Unlock()
	s := &r.summary
	s.Made, s.Adopted, s.Planned = s.Made+done.Made, s.Adopted+done.Adopted, s.Planned+done.Planned
	if !again {
		s.Partitions++
	}
	if !due.IsZero() {
		r.fencing = append(r.fencing, p)
		s.Fencing = len(r.fencing)
		if due.After(r.due) {
			r.due = due
		}
	}
	if err == nil {
		return
	}
	bifrost.AddFailure(&s.Failed, &s.Failures, bifrost.TickFailure{
		Topic: p.Name, Name: p.Name, KafkaTopic: p.Topic(), Partition: &p.Number, Error: err.Error(),
	})
	if errors.Is(err, bifrost.ErrNotTheOwner) { // nothing of ours is there: ticks need not wait for a person to look
		r.strangers++
	}
}

// listPartitions is every partition of the bucket, and those that the tables still
// know: rows may have been lost before the first object was written.
func (r *rebuild) listPartitions(ctx context.Context) ([]bifrost.Partition, error) {
	all, err := bifrost.ListPartitions(ctx, r.Bucket, r.Group, func(string) {})
	if err != nil {
		return nil, err
	}
	progress, err := r.Ledger.ListProgress(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the progress table: %w", err)
	}
	planned, err := r.Ledger.ListPlanned(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the planned ranges: %w", err)
	}
	known := bifrost.KnownPartitions(r.Topics, all, progress, planned)
	if r.Partitions != nil {
		known = slices.DeleteFunc(known, func(p bifrost.Partition) bool { return !slices.Contains(r.Partitions, p) })
	}
	return known, nil
}
