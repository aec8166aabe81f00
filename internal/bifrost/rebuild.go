// How the progress row of one partition is rebuilt.

package bifrost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// RebuildOptions are what a rebuild of one partition needs to know.
type RebuildOptions struct {
	Crew      parallel.Crew // looks at objects
	ClusterID string        // whose the partition is where nothing says it; empty when nobody knows
	Anew      bool          // rebuild the progress row, though it may look whole

	// Series is what follows when the tables are older than the bucket: planned rows
	// prove nothing then, and a progress row of this series is one that an earlier run
	// has made. Empty when the tables are not older.
	Series string
}

// Rebuilt is what became of one partition.
type Rebuilt struct {
	Made    int // progress rows made, or rebuilt because rows were missing
	Adopted int // rows settled by an object that was there
	Planned int // rows left PLANNED because no object is there
}

// partitionRebuild is one run of Rebuild. The mutex guards the counts.
type partitionRebuild struct {
	*PartitionBuilder
	RebuildOptions
	partition   Partition
	incarnation Incarnation

	mutex sync.Mutex
	done  Rebuilt
}

// Rebuild makes the progress row of the partition or goes on with it, plans along its
// rows and objects and adopts these, as a tick and a worker do for a partition without a
// row. It answers when it may go on if it has to wait for the fence pause, and no time
// when it is through. Rows that are there stand; where one is missing, the progress row
// is rebuilt. It may stop anywhere and be run again.
func (b *PartitionBuilder) Rebuild(ctx context.Context, p Partition,
	options RebuildOptions) (done Rebuilt, due time.Time, err error) {
	r := &partitionRebuild{PartitionBuilder: b, RebuildOptions: options, partition: p}
	if r.incarnation, err = r.findIncarnation(ctx); err == nil && r.incarnation != (Incarnation{}) {
		due, err = r.makeWhole(ctx)
	}
	return r.done, due, err
}

func (r *partitionRebuild) countDone(add func(*Rebuilt)) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	add(&r.done)
}

// maxRebuilds bounds how often a partition's row is rebuilt in one run.
const maxRebuilds = 3

func (r *partitionRebuild) makeWhole(ctx context.Context) (due time.Time, err error) {
	if r.Anew {
		if err := r.forgetRow(ctx, r.hasMade); err != nil {
			return time.Time{}, err
		}
	}
	for range maxRebuilds {
		progress, due, err := r.openRow(ctx)
		if !due.IsZero() || err != nil {
			return due, err
		}
		whole, now, err := r.isWhole(ctx, progress)
		if err != nil {
			return time.Time{}, err
		}
		if whole || now.Status == StatusDiverged { // of that one a person decides
			return time.Time{}, r.planAndAdopt(ctx, now)
		}
		r.Log.WarnContext(ctx, "rows are missing; the partition's progress row is made anew", LogTopic,
			r.partition.Name, LogName, r.partition.Name, LogKafkaTopic, r.partition.Topic(), LogPartition,
			r.partition.Number)
		if err := r.forgetRow(ctx, func(Progress) bool { return false }); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("rows were missing %d times after they had been rebuilt", maxRebuilds)
}

// hasMade reports whether an earlier run of this rebuild has made the row. No tick has
// planned by it since: none does before the rebuild is through.
func (r *partitionRebuild) hasMade(p Progress) bool { return r.Series != "" && p.Series == r.Series }

// forgetRow deletes the progress row, unless it is one to keep, or a person has to decide
// about it.
func (r *partitionRebuild) forgetRow(ctx context.Context, keep func(Progress) bool) error {
	progress, err := r.Ledger.Progress(ctx, r.partition)
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

// findIncarnation finds out whose objects lie under the partition's prefix: the
// first that is of the topic and partition that the key names tells, and the
// marker must agree about the name. Whom the marker does not name has put there
// what is foreign, and the next object is asked. A marker that was lost is written
// again, or the next incarnation would take the plain path. Without any object it
// is what the tables or small objects say, see recordedIncarnation.
func (r *partitionRebuild) findIncarnation(ctx context.Context) (Incarnation, error) {
	keys := KeyWalk{Bucket: r.Bucket, Prefix: PartitionPrefix(r.Group, r.partition)}
	var stranger error
	for {
		page, err := keys.Below(ctx, "")
		if err != nil {
			return Incarnation{}, err
		}
		if len(page) == 0 {
			i, err := r.recordedIncarnation(ctx)
			if err != nil || stranger == nil {
				return i, err
			}
			if i == (Incarnation{}) {
				if i, err = r.bornIncarnation(ctx); err != nil || i == (Incarnation{}) {
					return i, cmp.Or(err, stranger)
				}
			}
			return i, r.claimPath(ctx, i)
		}
		for _, key := range page {
			i, found, err := r.incarnationOf(ctx, key)
			if err != nil {
				return Incarnation{}, err
			}
			if !found {
				continue
			}
			if err = r.claimPath(ctx, i); !errors.Is(err, ErrNotTheOwner) {
				return i, err
			}
			stranger = cmp.Or(stranger, err)
		}
	}
}

// recordedIncarnation is the incarnation of a partition without objects: that of its
// progress row, of the record of its fork or of its rows; none when nothing is left
// of it that was archived or planned, so that a tick may make it as a new one.
func (r *partitionRebuild) recordedIncarnation(ctx context.Context) (Incarnation, error) {
	progress, err := r.Ledger.Progress(ctx, r.partition)
	if err == nil {
		return progress.Incarnation(), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return Incarnation{}, fmt.Errorf("read the progress row: %w", err)
	}
	if r.partition.Fork() > 0 {
		fork, err := ReadFork(ctx, r.Store, r.Group, r.partition)
		if !errors.Is(err, ErrNotFound) {
			return fork.Incarnation(), err
		}
	}
	return r.incarnationOfRows(ctx)
}

// incarnationOfRows is the incarnation that the rows of a partition are of. Rows of earlier versions did
// not say their cluster: it is taken to be the marker's, of the plain path because
// the marker says whose that is, of a later incarnation because clusters seldom
// share topics and a topic ID is one in the world.
func (r *partitionRebuild) incarnationOfRows(ctx context.Context) (Incarnation, error) {
	p := r.partition
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
		i.ClusterID = r.ClusterID
	}
	switch {
	case i.ClusterID == "":
		return Incarnation{}, errors.New("nothing says which cluster its rows are of; a tick that reaches the " +
			"cluster makes its progress row")
	case p.Name != p.Topic() && p.Name != i.LaterName() && p != i.Forked(p.Number, p.Fork()):
		return Incarnation{}, fmt.Errorf("its rows are of topic ID %s, which is not the one in its name: run "+
			"bifrost verify", i.TopicID)
	}
	return i, r.claimPath(ctx, i)
}

// incarnationOf is the incarnation that the object at the key says it is of, if its
// key can be right about the rest.
func (r *partitionRebuild) incarnationOf(ctx context.Context, key string) (Incarnation, bool, error) {
	p := r.partition
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

// ErrNotTheOwner says that the marker, or the birth object, names another incarnation than objects do.
var ErrNotTheOwner = errors.New("run bifrost verify")

// claimPath makes sure that the marker gives the incarnation the name under which its
// objects lie or, of a later incarnation, that its birth object does not say otherwise.
// A marker that is written again does not say who made birth objects: nobody knows any
// more.
func (r *partitionRebuild) claimPath(ctx context.Context, i Incarnation) error {
	if r.partition.Name != i.Topic {
		return r.checkBirth(ctx, i)
	}
	owner, err := claimPath(ctx, r.Bucket, r.Group, markerOf(i, false))
	if err == nil && owner.Incarnation() != i {
		err = fmt.Errorf("the marker %s gives the plain path to cluster %s topic ID %s, what is there is of cluster "+
			"%s topic ID %s: %w",
			MarkerKey(r.Group, i.Topic), owner.ClusterID, owner.TopicID, i.ClusterID, i.TopicID, ErrNotTheOwner)
	}
	return err
}

// checkBirth makes sure that the birth object, if there is one, is of the incarnation's cluster. The name of a
// later incarnation has its topic ID, and what is foreign may have copied that.
func (r *partitionRebuild) checkBirth(ctx context.Context, i Incarnation) error {
	born, err := r.bornIncarnation(ctx)
	if err == nil && born != (Incarnation{}) && born != i {
		err = fmt.Errorf("the birth object %s is of cluster %s, and what is there of cluster %s: %w",
			BirthKey(r.Group, r.partition), born.ClusterID, i.ClusterID, ErrNotTheOwner)
	}
	return err
}

// bornIncarnation is what the birth object tells; none where there is no such object, or it cannot be read.
func (r *partitionRebuild) bornIncarnation(ctx context.Context) (Incarnation, error) {
	content, err := readSmall(ctx, r.Store, BirthKey(r.Group, r.partition))
	if err != nil {
		return Incarnation{}, ignoreNotFound(err)
	}
	var born birthRecord
	if json.Unmarshal(content, &born) != nil || born.ClusterID == "" {
		return Incarnation{}, nil
	}
	return Incarnation{born.ClusterID, r.partition.Topic(), born.TopicID}, nil
}

// openRow makes sure that there is a progress row that is not FENCING, and answers it,
// or until when it has to be waited for.
func (r *partitionRebuild) openRow(ctx context.Context) (progress Progress, due time.Time, err error) {
	progress, err = r.Ledger.Progress(ctx, r.partition)
	if errors.Is(err, ErrNotFound) {
		progress, err = r.createRow(ctx)
	}
	if err != nil {
		return Progress{}, time.Time{}, fmt.Errorf("read or make the progress row: %w", err)
	}
	if is := progress.Incarnation(); is != r.incarnation {
		return Progress{}, time.Time{}, fmt.Errorf(
			"the progress row is of cluster %s topic ID %s, the objects of cluster %s topic ID %s: run bifrost verify",
			is.ClusterID, is.TopicID, r.incarnation.ClusterID, r.incarnation.TopicID)
	}
	if err := r.dropPlanned(ctx, progress); err != nil {
		return Progress{}, time.Time{}, err
	}
	if progress.Status != StatusFencing {
		_, err := r.putBirth(ctx, progress) // it may have been lost, or is of before there were any
		return progress, time.Time{}, err
	}
	if due, err = r.openPartition(ctx, progress); !due.IsZero() || err != nil {
		return Progress{}, due, err
	}
	progress, err = r.Ledger.Progress(ctx, r.partition)
	if err == nil && progress.Status == StatusFencing { // a tick has fenced it, or rebuilt it, meanwhile
		due = r.Now().Add(max(r.FencePause, time.Millisecond))
	}
	return progress, due, err
}

// createRow puts the row that a tick would put, but for what only Kafka knows: no
// offset is taken for a gap before Kafka was asked.
func (r *partitionRebuild) createRow(ctx context.Context) (Progress, error) {
	p, i := r.partition, r.incarnation
	made := Progress{Partition: p, ClusterID: i.ClusterID, TopicID: i.TopicID, Generation: r.NewGeneration(),
		Status: StatusFencing, PlannedEpoch: -1, Observation: Observation{LeaderEpoch: -1}, LastPlannedAt: r.Now(),
		Series: r.Series}
	if p.Fork() > 0 {
		fork, err := ReadFork(ctx, r.Store, r.Group, p)
		if err != nil {
			return Progress{}, err
		}
		made.StartOffset = fork.From
	}
	if r.Series != "" {
		rows, err := r.lastRowEnd(ctx, p)
		if err != nil {
			return Progress{}, err
		}
		made.KnownUntil = rows // of which the PLANNED ones go
	}
	err := r.Ledger.CreateProgress(ctx, made)
	if err == nil {
		r.countDone(func(done *Rebuilt) { done.Made++ })
	}
	if err = ignoreConflict(err); err != nil {
		return Progress{}, err
	}
	return r.Ledger.Progress(ctx, p)
}
