package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// Rebuilder makes both tables from the bucket alone.
type Rebuilder struct {
	Group         string // first element of every key
	Ledger        Ledger
	Store         Store
	Shelf         Shelf
	Topics        TopicFilter // of Kafka's names
	Sizing        Sizing      // of the ranges planned where objects are missing
	Now           func() time.Time
	NewGeneration func() string // a value never given before
	Parallel      int           // objects looked at side by side; 0 or 1 uses no goroutine
	Log           *slog.Logger

	FencePause time.Duration // as Settings.FencePause

	// Wait waits until the time, for the fence pause of so many partitions, or ends
	// early with an error. nil: Rebuild ends with an error instead, and is to be run
	// again from then on.
	Wait func(ctx context.Context, until time.Time, partitions int) error

	// Anew makes every progress row anew, also those that look whole: a backup of
	// the tables was restored, and uploads that it knows nothing of may be open. Where
	// the bucket shows that the tables are older than it, that is done anyway.
	Anew bool
}

// RebuildSummary is what a rebuild found and did.
type RebuildSummary struct {
	Partitions int           `json:"partitions"` // in the bucket or in the progress table
	Made       int           `json:"made"`       // progress rows made, or made anew because rows were missing
	Adopted    int           `json:"adopted"`    // rows settled by an object that was there
	Planned    int           `json:"planned"`    // rows left PLANNED because no object is there; the next ticks fill them
	Older      bool          `json:"older"`      // the tables are older than the bucket still: ticks plan nothing until a run for all topics is through
	Fencing    int           `json:"fencing"`    // partitions that are not through: they wait for uploads of before that may still complete
	Failed     []TickFailure `json:"failed"`     // what went wrong, at most MaxReportedFailures of them
	Failures   int           `json:"failures"`   // how many partitions failed in all
}

// Rebuild brings the tables in line with what the bucket holds, for every
// partition that has anything there, also of topics that Kafka no longer knows.
// It takes the steps that discover and a worker take for a partition without a
// row: make the row FENCING, abort uploads, list, open, plan along the objects,
// adopt them by the ordinary commit, advance. So it may run while the stack runs,
// twice at once, or stop anywhere and be run again. Where rows are there already
// they stand; where one is missing, the partition's progress row is made anew.
//
// The error is for what stops all of it; a partition that fails is in the summary.
func (r *Rebuilder) Rebuild(ctx context.Context) (RebuildSummary, error) {
	run := &rebuild{Rebuilder: r, crew: parallel.NewCrew(r.Parallel), summary: RebuildSummary{Failed: []TickFailure{}}}
	run.marks = run.tick().Discoverer.marks()
	if err := run.begin(ctx); err != nil {
		return run.summary, fmt.Errorf("rebuild: %w", err)
	}
	partitions, err := run.partitions(ctx)
	if err != nil {
		return run.summary, fmt.Errorf("rebuild: %w", err)
	}
	// The branch that goes on comes first: beside its row, no tick plans for the
	// branches that were left while theirs are rebuilt.
	for len(partitions) > 0 {
		last := slices.MaxFunc(partitions, compareForks).Fork()
		var now, later []Partition
		for _, p := range partitions {
			if p.Fork() == last {
				now = append(now, p)
			} else {
				later = append(later, p)
			}
		}
		parallel.Each(run.crew, now, func(p Partition) { run.try(ctx, p, false) })
		partitions = later
	}
	if err := run.await(ctx); err != nil {
		return run.summary, err
	}
	return run.summary, run.end(ctx)
}

// begin finds out whether the tables are older than the bucket. Then, or if it was
// asked for, every progress row is made anew, and no tick plans before all are.
// Where only some were asked for, of tables that are not older, only theirs wait.
func (r *rebuild) begin(ctx context.Context) error {
	_, err := r.marks.read(ctx)
	older := errors.Is(err, errOlder)
	r.anew = r.Anew || older
	if err != nil && !older || !older && !(r.Anew && r.all()) {
		return err
	}
	r.marks.stopped = true
	if r.mark, err = r.marks.anew(ctx); err != nil {
		return err
	}
	r.summary.Older = true
	return nil
}

// end lets ticks plan again if every partition was made anew.
func (r *rebuild) end(ctx context.Context) error {
	if !r.summary.Older || !r.all() || r.summary.Failures > r.strangers {
		return nil
	}
	if err := r.marks.through(ctx, r.mark); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	r.summary.Older = false
	return nil
}

func (r *Rebuilder) all() bool { return len(r.Topics.Include) == 0 && len(r.Topics.Exclude) == 0 }

// await goes on with the partitions that are fencing until none is left.
func (r *rebuild) await(ctx context.Context) error {
	for len(r.fencing) > 0 && ctx.Err() == nil {
		fencing, until := r.fencing, r.due
		if r.Wait == nil {
			return fmt.Errorf("rebuild: %d partitions wait for uploads that older tables may have begun, and that S3 may still complete; "+
				"run it again after %s", len(fencing), until.UTC().Format(time.RFC3339))
		}
		if err := r.Wait(ctx, until, len(fencing)); err != nil {
			return fmt.Errorf("rebuild: wait for the uploads of older tables: %w", err)
		}
		r.fencing, r.due, r.summary.Fencing = nil, time.Time{}, 0
		parallel.Each(r.crew, fencing, func(p Partition) { r.try(ctx, p, true) })
	}
	return ctx.Err()
}

// fences keeps that the partition is not through before the time.
func (r *rebuild) fences(p Partition, due time.Time) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.fencing = append(r.fencing, p)
	r.summary.Fencing = len(r.fencing)
	if due.After(r.due) {
		r.due = due
	}
}

func compareForks(a, b Partition) int { return cmp.Compare(a.Fork(), b.Fork()) }

// try rebuilds one partition, or goes on with it, and keeps its failure.
func (r *rebuild) try(ctx context.Context, p Partition, again bool) {
	if ctx.Err() != nil {
		return
	}
	if !again {
		r.count(func(s *RebuildSummary) { s.Partitions++ })
	}
	due, err := r.partition(ctx, p, again)
	if !due.IsZero() {
		r.fences(p, due)
	}
	if err != nil {
		failure := TickFailure{Topic: p.Name, Partition: &p.Number, Error: err.Error()}
		r.count(func(s *RebuildSummary) {
			s.Failures, s.Failed = addFailure(s.Failures, s.Failed, failure)
			if errors.Is(err, errNotTheOwner) { // nothing of ours is there: ticks need not wait for a person to look
				r.strangers++
			}
		})
	}
}

func addFailure(failures int, failed []TickFailure, f TickFailure) (int, []TickFailure) {
	if len(failed) < MaxReportedFailures {
		failed = append(failed, f)
	}
	return failures + 1, failed
}

// partitions is every partition of the bucket, and those that the tables still
// know: rows may have been lost before the first object was written.
func (r *rebuild) partitions(ctx context.Context) ([]Partition, error) {
	all, err := ListPartitions(ctx, r.Shelf, r.Group, func(string) {})
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
	return KnownPartitions(r.Topics, all, progress, planned), nil
}

// rebuild is one run of Rebuild. The mutex guards the summary.
type rebuild struct {
	*Rebuilder
	crew    parallel.Crew
	marks   *marks
	anew    bool       // make every progress row anew
	mark    TablesMark // then: of the tables, with the series that follows
	cluster string     // whose partitions these are where nothing says it; empty when nobody knows
	mutex   sync.Mutex
	summary RebuildSummary
	fencing []Partition // not through
	due     time.Time   // when the last of them may go on

	strangers int // failures over objects to which the marker does not give the path
}

func (r *rebuild) count(add func(*RebuildSummary)) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	add(&r.summary)
}

// maxRebuilds bounds how often a partition's row is made anew in one run.
const maxRebuilds = 3

// partition rebuilds one partition. It answers when it may go on if it has to
// wait for the fence pause, and no time when it is through. again says that this
// run has been here before.
func (r *rebuild) partition(ctx context.Context, p Partition, again bool) (due time.Time, err error) {
	i, err := r.incarnation(ctx, p)
	if err != nil || i == (Incarnation{}) {
		return time.Time{}, err
	}
	if r.anew && !again {
		if err := r.forget(ctx, p, r.has); err != nil {
			return time.Time{}, err
		}
	}
	for range maxRebuilds {
		progress, due, err := r.open(ctx, p, i)
		if !due.IsZero() || err != nil {
			return due, err
		}
		whole, now, err := r.whole(ctx, progress)
		if err != nil {
			return time.Time{}, err
		}
		if whole || now.Status == StatusDiverged { // of that one a person decides
			return time.Time{}, r.fill(ctx, now, i)
		}
		r.Log.WarnContext(ctx, "rows are missing; the partition's progress row is made anew", "topic", p.Name, "partition", p.Number)
		if err := r.forget(ctx, p, func(Progress) bool { return false }); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("rows were missing %d times after they had been rebuilt", maxRebuilds)
}

// has reports whether an earlier run of this rebuild has made the row. No tick has
// planned by it since: none does before the rebuild is through.
func (r *rebuild) has(p Progress) bool { return r.summary.Older && p.Series == r.mark.Next }

// forget deletes the progress row, unless it is one to keep, or a person has to decide
// about it.
func (r *rebuild) forget(ctx context.Context, p Partition, keep func(Progress) bool) error {
	progress, err := r.Ledger.Progress(ctx, p)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("read the progress row: %w", err)
	case progress.Status == StatusDiverged || keep(progress):
		return nil
	}
	if err := ignoreConflict(r.Ledger.DeleteProgress(ctx, progress)); err != nil {
		return fmt.Errorf("delete the progress row: %w", err)
	}
	return nil
}

// tick is a tick of discover that knows no Kafka: its steps along objects need none.
func (r *rebuild) tick() *tick {
	return &tick{
		Discoverer: &Discoverer{Ledger: r.Ledger, Store: r.Store, Shelf: r.Shelf, Now: r.Now, NewGeneration: r.NewGeneration,
			Settings: Settings{Group: r.Group, Sizing: r.Sizing, FencePause: r.FencePause}, Log: r.Log},
		view: &view{}, names: map[string]string{}, marks: r.marks,
	}
}

// incarnation finds out whose objects lie under the partition's prefix: the
// first that is of the topic and partition that the key names tells, and the
// marker must agree about the name. Whom the marker does not name has put there
// what is foreign, and the next object is asked. A marker that was lost is written
// again, or the next incarnation would take the plain path. Without any object it
// is what the tables or small objects say, see recorded.
func (r *rebuild) incarnation(ctx context.Context, p Partition) (Incarnation, error) {
	keys := KeyWalk{Bucket: r.Shelf, Prefix: PartitionPrefix(r.Group, p)}
	var stranger error
	for {
		page, err := keys.Below(ctx, "")
		if err != nil {
			return Incarnation{}, err
		}
		if len(page) == 0 {
			i, err := r.recorded(ctx, p)
			if err != nil || stranger == nil {
				return i, err
			}
			if i == (Incarnation{}) {
				return i, stranger
			}
			return i, r.claim(ctx, p, i)
		}
		for _, key := range page {
			i, found, err := r.claimed(ctx, p, key)
			if err != nil {
				return Incarnation{}, err
			}
			if !found {
				continue
			}
			if err = r.claim(ctx, p, i); !errors.Is(err, errNotTheOwner) {
				return i, err
			}
			stranger = cmp.Or(stranger, err)
		}
	}
}

// recorded is the incarnation of a partition without objects: that of its
// progress row, of the record of its fork or of its rows; none when nothing is left
// of it that was archived or planned, so that a tick may make it as a new one.
func (r *rebuild) recorded(ctx context.Context, p Partition) (Incarnation, error) {
	progress, err := r.Ledger.Progress(ctx, p)
	if err == nil {
		return Incarnation{progress.ClusterID, p.Topic(), progress.TopicID}, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return Incarnation{}, fmt.Errorf("read the progress row: %w", err)
	}
	if p.Fork() > 0 {
		fork, err := ReadFork(ctx, r.Store, r.Group, p)
		if !errors.Is(err, ErrNotFound) {
			return fork.Incarnation(), err
		}
	}
	return r.ofRows(ctx, p)
}

// claimed is the incarnation that the object at the key says it is of, if its
// key can be right about the rest.
func (r *rebuild) claimed(ctx context.Context, p Partition, key string) (Incarnation, bool, error) {
	parsed, ok := ParseKeyOf(r.Group, p, key)
	if !ok {
		return Incarnation{}, false, nil
	}
	file, _, err := OpenObject(ctx, r.Store, key)
	if errors.Is(err, ErrForeign) || errors.Is(err, ErrNotFound) {
		return Incarnation{}, false, nil
	}
	if err != nil {
		return Incarnation{}, false, err
	}
	s := file.Summary()
	i := Incarnation{s.ClusterID, s.Topic, s.TopicID}
	named := p.Name == i.Topic || p.Name == i.LaterName() || p == i.Forked(p.Number, p.Fork())
	fits := s.Partition == p.Number && s.Start == parsed.Start && named
	return i, fits, nil
}

// errNotTheOwner says that the marker names another incarnation.
var errNotTheOwner = errors.New("run bifrost verify")

// claim makes sure that the marker gives the incarnation the name under which its
// objects lie. One that is written anew does not say who made birth objects: nobody
// knows any more.
func (r *rebuild) claim(ctx context.Context, p Partition, i Incarnation) error {
	if p.Name != i.Topic {
		return nil // only its own incarnation can have this name
	}
	owner, err := claimPath(ctx, r.Shelf, r.Group, markerOf(i, false))
	if err == nil && owner.Incarnation() != i {
		err = fmt.Errorf("the marker %s gives the plain path to cluster %s topic ID %s, what is there is of cluster %s topic ID %s: %w",
			MarkerKey(r.Group, i.Topic), owner.ClusterID, owner.TopicID, i.ClusterID, i.TopicID, errNotTheOwner)
	}
	return err
}

// open makes sure that there is a progress row that is not FENCING, and answers it,
// or until when it has to be waited for.
func (r *rebuild) open(ctx context.Context, p Partition, i Incarnation) (progress Progress, due time.Time, err error) {
	progress, err = r.Ledger.Progress(ctx, p)
	if errors.Is(err, ErrNotFound) {
		progress, err = r.create(ctx, p, i)
	}
	if err != nil {
		return Progress{}, time.Time{}, fmt.Errorf("read or make the progress row: %w", err)
	}
	if mine := (Incarnation{progress.ClusterID, p.Topic(), progress.TopicID}); mine != i {
		return Progress{}, time.Time{}, fmt.Errorf("the progress row is of cluster %s topic ID %s, the objects of cluster %s topic ID %s: run bifrost verify",
			mine.ClusterID, mine.TopicID, i.ClusterID, i.TopicID)
	}
	if err := r.dropPlanned(ctx, progress); err != nil {
		return Progress{}, time.Time{}, err
	}
	if progress.Status != StatusFencing {
		_, err := r.tick().bear(ctx, progress) // it may have been lost, or is of before there were any
		return progress, time.Time{}, err
	}
	if due, err = r.tick().open(ctx, progress); !due.IsZero() || err != nil {
		return Progress{}, due, err
	}
	progress, err = r.Ledger.Progress(ctx, p)
	if err == nil && progress.Status == StatusFencing { // a tick has fenced it, or made it anew, meanwhile
		due = r.Now().Add(max(r.FencePause, time.Millisecond))
	}
	return progress, due, err
}

// create puts the row that a tick would put, but for what only Kafka knows: no
// offset is taken for a gap before Kafka was asked.
func (r *rebuild) create(ctx context.Context, p Partition, i Incarnation) (Progress, error) {
	made := Progress{Partition: p, ClusterID: i.ClusterID, TopicID: i.TopicID, Generation: r.NewGeneration(),
		Status: StatusFencing, PlannedEpoch: -1, Observation: Observation{LeaderEpoch: -1}, LastPlannedAt: r.Now(),
		Series: r.mark.Next}
	if p.Fork() > 0 {
		fork, err := ReadFork(ctx, r.Store, r.Group, p)
		if err != nil {
			return Progress{}, err
		}
		made.StartOffset = fork.From
	}
	if r.summary.Older {
		rows, err := r.tick().lastRowEnd(ctx, p)
		if err != nil {
			return Progress{}, err
		}
		made.KnownUntil = rows // of which the PLANNED ones go
	}
	err := r.Ledger.CreateProgress(ctx, made)
	if err == nil {
		r.count(func(s *RebuildSummary) { s.Made++ })
	}
	if err = ignoreConflict(err); err != nil {
		return Progress{}, err
	}
	return r.Ledger.Progress(ctx, p)
}
