package bifrost

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RowMaker makes and unmakes progress rows.
type RowMaker interface {
	// CreateProgress puts the row if there is none for its partition; ErrConflict when there is.
	CreateProgress(ctx context.Context, p Progress) error
	// FenceProgress sets FencedAt from p in a FENCING row of p's generation that has
	// none; ErrConflict when it is not FENCING, has one, or was made anew.
	FenceProgress(ctx context.Context, p Progress) error
	// OpenProgress turns a FENCING row of p's generation OPEN and sets KnownUntil,
	// StartOffset and PlannedEpoch from p; ErrConflict when it is not FENCING or was made anew.
	OpenProgress(ctx context.Context, p Progress) error
	// DeleteProgress removes the row if it still has p's generation and
	// NextOffset; ErrConflict when not. The partition is then built anew along its objects.
	DeleteProgress(ctx context.Context, p Progress) error
	// DropPlanned removes r if it is still PLANNED with its end, and the progress row is
	// p's generation and FENCING, so that nothing is planned yet; ErrConflict when not.
	DropPlanned(ctx context.Context, p Progress, r Row) error
}

// Shelf is what discover does in the bucket.
type Shelf interface {
	// CreateOnce writes a small object if there is none at the key, and answers
	// what is there now: the given content or the content that was there first.
	CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error)
	// List lists the keys that start with the prefix and come after the key
	// `after` ("" for all), in order, at most limit of them.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
	// AbortUploads aborts every unfinished multipart upload under the prefix. When it
	// returns nil, none that was open when it was called can be completed any more.
	// One whose completion had begun by then may still become an object, later, or
	// fail and be open again.
	AbortUploads(ctx context.Context, prefix string) error
}

// birth makes the progress row of a partition that has none: it is new, or its
// row was lost or restored away, or a second stack works on the same bucket.
// All are one case.
func (t *tick) birth(ctx context.Context, s *sighting) error {
	name, err := t.incarnationName(ctx, s.incarnation)
	if err != nil {
		return err
	}
	start, err := t.startOffset(ctx, s)
	if err != nil {
		return err
	}
	branch, fork, err := lastBranch(ctx, t.Store, t.Settings.Group, Partition{Name: name, Number: s.number}, s.incarnation)
	if err != nil {
		return err
	}
	p := Progress{
		Partition: branch,
		ClusterID: s.incarnation.ClusterID, TopicID: s.incarnation.TopicID,
		Generation: t.NewGeneration(), Status: StatusFencing,
		FirstLogStart: s.seen.LogStart, StartOffset: start,
		Observation: s.seen, PlannedEpoch: -1, LastPlannedAt: t.Now(),
	}
	if branch.Fork() > 0 {
		p.FirstLogStart, p.StartOffset = 0, fork.From
	}
	if s.progress != nil && s.progress.Partition == branch {
		return fmt.Errorf("the partition is %s, and no fork is on record at %s: restore that object", s.progress.Status, ForkKey(t.Settings.Group, s.incarnation.Forked(s.number, branch.Fork()+1)))
	}
	t.readAgain()
	err = t.Ledger.CreateProgress(ctx, p)
	if errors.Is(err, ErrConflict) {
		return nil // another discover was quicker; the next pass sees its row
	}
	if err != nil {
		return fmt.Errorf("make the progress row: %w", err)
	}
	return t.fence(ctx, p)
}

// startOffset is where the archive of a new partition begins.
func (t *tick) startOffset(ctx context.Context, s *sighting) (int64, error) {
	start := t.Settings.Start
	switch {
	case start.Latest:
		return s.seen.LastStable, nil
	case start.At.IsZero():
		return s.seen.LogStart, nil
	}
	key := s.kafka()
	answers, err := t.History.OffsetsAt(ctx, []TopicPartition{key}, start.At)
	if err != nil {
		return 0, fmt.Errorf("find the start position: %w", err)
	}
	if answer := answers[key]; answer.Err != nil {
		return 0, fmt.Errorf("find the start position: %w", answer.Err)
	}
	return answers[key].LogStart, nil
}

// fence brings a FENCING row nearer to OPEN. Uploads that were begun before the row
// was made could still put objects where this row plans others, so they are
// aborted first, and given the time to end if they are completing; then a listing
// tells, for good, up to where objects exist.
func (t *tick) fence(ctx context.Context, p Progress) error {
	// The row was made before this look for a fork, and a fork is put on record
	// before the row is looked for: one of the two sees the other.
	_, _, left, err := ForkOf(ctx, t.Store, t.Settings.Group, p.Partition, p.Incarnation())
	if err != nil {
		return err
	}
	if left {
		return t.goOn(ctx, p)
	}
	due, err := t.open(ctx, p)
	if !due.IsZero() {
		t.fencing()
	}
	return err
}

// goOn makes the row of the branch with which a branch that was left goes on. Beside
// it, no tick plans for the one that was left, which may have ranges and objects:
// the ticks that follow settle it along these before they leave it.
func (t *tick) goOn(ctx context.Context, p Progress) error {
	last, _, err := lastBranch(ctx, t.Store, t.Settings.Group, p.Partition, p.Incarnation())
	if err != nil {
		return err
	}
	return t.rebuild(ctx, last)
}

// fencing counts a partition that waits for the fence pause.
func (t *tick) fencing() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.summary.Fencing++
}

// leave ends a branch if it is on record that the log goes on elsewhere.
func (t *tick) leave(ctx context.Context, p Progress) (left bool, err error) {
	next, fork, left, err := ForkOf(ctx, t.Store, t.Settings.Group, p.Partition, p.Incarnation())
	if !left || err != nil {
		return false, err
	}
	t.readAgain()
	return true, ignoreConflict(t.Ledger.ChangeStatus(ctx, leaving(p, next, fork.From)))
}

// open fences the partition off and opens it. It answers when the fence pause is
// over if it has to be waited for, and no time when the partition is open or
// somebody else has moved its row.
//
// An abort does not beat a completion that is on its way: a store may neither list
// the upload nor refuse to let it become an object, after the abort and after a
// listing. So between the abort and the listing lies a pause, kept in the row,
// that is longer than any completion takes. Only where nobody can have archived
// anything before, there is nothing to wait for.
func (t *tick) open(ctx context.Context, p Progress) (due time.Time, err error) {
	if p.FencedAt.IsZero() {
		fenced, err := t.abort(ctx, &p)
		if !fenced || err != nil {
			return time.Time{}, err
		}
	}
	if due := p.FencedAt.Add(t.Settings.FencePause); !p.FencedAt.IsZero() && t.Now().Before(due) {
		return due, nil
	}
	return time.Time{}, t.openAlong(ctx, p)
}

// abort aborts what is open under the partition's prefix, and puts the time into
// the row, and into p, unless nobody can have archived there before. It reports
// false when somebody else has moved the row.
func (t *tick) abort(ctx context.Context, p *Progress) (bool, error) {
	unused, err := t.bear(ctx, *p)
	if err != nil {
		return false, err
	}
	prefix := PartitionPrefix(t.Settings.Group, p.Partition)
	if err := t.Shelf.AbortUploads(ctx, prefix); err != nil {
		return false, fmt.Errorf("abort the uploads under %s: %w", prefix, err)
	}
	if unused {
		return true, nil
	}
	t.readAgain()
	p.FencedAt = t.Now()
	err = t.Ledger.FenceProgress(ctx, *p)
	if err != nil {
		return false, ignoreConflict(err)
	}
	return true, nil
}

// openAlong opens the partition with what exists under its name.
func (t *tick) openAlong(ctx context.Context, p Progress) error {
	objectsEnd, err := t.lastObjectEnd(ctx, p)
	if err != nil {
		return err
	}
	rows, err := t.lastRowEnd(ctx, p.Partition)
	if err != nil {
		return err
	}
	// An object's leader epoch is that of its last batch. What follows the batch,
	// in the object or in rows behind it, may be of a later epoch, so the object's
	// says nothing about where the log was cut.
	p.PlannedEpoch = -1
	p.KnownUntil = max(p.KnownUntil, objectsEnd, rows)
	if p.KnownUntil > 0 && p.Fork() == 0 {
		p.StartOffset = 0 // the start position is for partitions never seen before
	}
	t.readAgain()
	if err := ignoreConflict(t.Ledger.OpenProgress(ctx, p)); err != nil {
		return fmt.Errorf("open the partition: %w", err)
	}
	return nil
}
