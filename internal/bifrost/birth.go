// What has to be sure before anything is planned by a new progress row.

package bifrost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// PartitionBuilder makes the rows of a partition along what exists under its name, in
// the bucket and in the tables. Ticks and rebuilds take its steps; none asks Kafka.
type PartitionBuilder struct {
	Group         string // first element of every key
	Ledger        Ledger
	Store         Store
	Bucket        Bucket
	Marks         *Marks
	SizingOf      func(topic string) Sizing // of the ranges planned where objects are missing
	FencePause    time.Duration             // as Settings.FencePause
	Now           func() time.Time
	NewGeneration func() string // a value never given before
	Log           *slog.Logger

	// called when a progress row is written, so that what was read before is old; nil: nobody wants to know
	moved   func()
	planned func([]Row) // called with the rows that were put; nil: nobody wants to know
}

func (b *PartitionBuilder) tellMoved() {
	if b.moved != nil {
		b.moved()
	}
}

// openPartition fences the partition off and opens it. It answers when the fence pause
// is over if it has to be waited for, and no time when the partition is open or
// somebody else has moved its row.
//
// An abort does not beat a completion that is on its way: a store may neither list
// the upload nor refuse to let it become an object, after the abort and after a
// listing. So between the abort and the listing lies a pause, kept in the row,
// that is longer than any completion takes. Only where nobody can have archived
// anything before, there is nothing to wait for.
func (b *PartitionBuilder) openPartition(ctx context.Context, p Progress) (due time.Time, err error) {
	if p.FencedAt.IsZero() {
		fenced, err := b.abortUploads(ctx, &p)
		if !fenced || err != nil {
			return time.Time{}, err
		}
	}
	if due := p.FencedAt.Add(b.FencePause); !p.FencedAt.IsZero() && b.Now().Before(due) {
		return due, nil
	}
	return time.Time{}, b.openAlongObjects(ctx, p)
}

// abortUploads aborts what is open under the partition's prefix, and puts the time into
// the row, and into p, unless nobody can have archived there before. It reports
// false when somebody else has moved the row.
func (b *PartitionBuilder) abortUploads(ctx context.Context, p *Progress) (bool, error) {
	unused, err := b.putBirth(ctx, *p)
	if err != nil {
		return false, err
	}
	prefix := PartitionPrefix(b.Group, p.Partition)
	if err := b.Bucket.AbortUploads(ctx, prefix); err != nil {
		return false, fmt.Errorf("abort the uploads under %s: %w", prefix, err)
	}
	if unused {
		return true, nil
	}
	b.tellMoved()
	p.FencedAt = b.Now()
	err = b.Ledger.FenceProgress(ctx, *p)
	if err != nil {
		return false, ignoreConflict(err)
	}
	return true, nil
}

// birthRecord is the content of a partition's birth object. No two are the same,
// so whoever reads it knows whether it is their own.
type birthRecord struct {
	ClusterID string  `json:"cluster_id"`
	TopicID   TopicID `json:"topic_id"`
	Birth     string  `json:"birth"`
}

// putBirth puts the partition's birth object, unless it has one. It is put after the
// progress row and before anything is archived, so whoever makes it knows that
// nobody has archived under the partition's prefix before the row was there: then
// putBirth reports true. The tables cannot tell that, they may have been lost; nor can
// a listing, which does not show what is completing. Where an older Bifrost, which
// made no birth objects, may have been at work, nobody knows.
func (b *PartitionBuilder) putBirth(ctx context.Context, p Progress) (unused bool, err error) {
	key := BirthKey(b.Group, p.Partition)
	mine, err := json.Marshal(birthRecord{ClusterID: p.ClusterID, TopicID: p.TopicID, Birth: b.NewGeneration()})
	if err != nil {
		return false, err
	}
	there, err := b.Bucket.CreateOnce(ctx, key, mine)
	if err != nil {
		return false, fmt.Errorf("put the birth object %s: %w", key, err)
	}
	if string(there) != string(mine) {
		return false, nil
	}
	owner, err := ReadMarker(ctx, b.Store, MarkerKey(b.Group, p.Topic()))
	return err == nil && owner.Born, ignoreNotFound(err)
}

// openAlongObjects opens the partition with what exists under its name.
func (b *PartitionBuilder) openAlongObjects(ctx context.Context, p Progress) error {
	objectsEnd, err := b.lastObjectEnd(ctx, p)
	if err != nil {
		return err
	}
	rows, err := b.lastRowEnd(ctx, p.Partition)
	if err != nil {
		return err
	}
	// An object's leader epoch is that of its last batch. What follows the batch,
	// in the object or in rows after it, may be of a later epoch, so the object's
	// says nothing about where the log was cut.
	p.PlannedEpoch = -1
	p.KnownUntil = max(p.KnownUntil, objectsEnd, rows)
	if p.KnownUntil > 0 && p.Fork() == 0 {
		p.StartOffset = 0 // the start position is for partitions never seen before
	}
	b.tellMoved()
	if err := ignoreConflict(b.Ledger.OpenProgress(ctx, p)); err != nil {
		return fmt.Errorf("open the partition: %w", err)
	}
	return nil
}

// births makes the progress rows of partitions that a tick sees and the tables do not
// know.
type births struct {
	*PartitionBuilder
	history History
	start   StartPosition

	mutex sync.Mutex
	names map[string]string // topic → name of its incarnation, once this pass has asked the marker
}

// createRow makes the progress row of a partition that has none: it is new, or its
// row was lost or restored away, or a second stack works on the same bucket.
// All are one case. It answers the row, and no row when somebody else was quicker.
func (b *births) createRow(ctx context.Context, s *sighting) (made *Progress, err error) {
	name, err := b.claimName(ctx, s.incarnation)
	if err != nil {
		return nil, err
	}
	start, err := b.findStart(ctx, s)
	if err != nil {
		return nil, err
	}
	branch, fork, err := lastBranch(ctx, b.Store, b.Group, Partition{Name: name, Number: s.number}, s.incarnation)
	if err != nil {
		return nil, err
	}
	p := Progress{
		Partition: branch,
		ClusterID: s.incarnation.ClusterID, TopicID: s.incarnation.TopicID,
		Generation: b.NewGeneration(), Status: StatusFencing,
		FirstLogStart: s.seen.LogStart, StartOffset: start,
		Observation: s.seen, PlannedEpoch: -1, LastPlannedAt: b.Now(),
	}
	if branch.Fork() > 0 {
		p.FirstLogStart, p.StartOffset = 0, fork.From
	}
	if s.progress != nil && s.progress.Partition == branch {
		return nil, fmt.Errorf("the partition is %s, and no fork is on record at %s: restore that object",
			s.progress.Status, ForkKey(b.Group, s.incarnation.Forked(s.number, branch.Fork()+1)))
	}
	b.tellMoved()
	err = b.Ledger.CreateProgress(ctx, p)
	if errors.Is(err, ErrConflict) {
		return nil, nil // another discover was quicker; the next pass sees its row
	}
	if err != nil {
		return nil, fmt.Errorf("make the progress row: %w", err)
	}
	return &p, nil
}

// claimName is the name of the incarnation in tables and bucket: that of its topic if it
// is the first for which anybody asks.
func (b *births) claimName(ctx context.Context, i Incarnation) (string, error) {
	b.mutex.Lock()
	name, known := b.names[i.Topic]
	b.mutex.Unlock()
	if known {
		return name, nil
	}
	owner, err := claimPath(ctx, b.Bucket, b.Group, markerOf(i, true))
	if err != nil {
		return "", err
	}
	name = i.Topic
	if owner.Incarnation() != i {
		name = i.LaterName()
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.names[i.Topic] = name
	return name, nil
}

// findStart is the offset at which the archive of a new partition begins.
func (b *births) findStart(ctx context.Context, s *sighting) (int64, error) {
	switch {
	case b.start.Latest:
		return s.seen.LastStable, nil
	case b.start.At.IsZero():
		return s.seen.LogStart, nil
	}
	key := s.kafkaPartition()
	answers, err := b.history.OffsetsAt(ctx, []TopicPartition{key}, b.start.At)
	if err != nil {
		return 0, fmt.Errorf("find the start position: %w", err)
	}
	if answer := answers[key]; answer.Err != nil {
		return 0, fmt.Errorf("find the start position: %w", answer.Err)
	}
	return answers[key].Offset, nil
}
