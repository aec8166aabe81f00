// How a person decides where a cut log goes on.

package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// DivergedLedger is what it takes to settle a partition whose log was cut.
type DivergedLedger interface {
	Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error)
	ChangeStatus(ctx context.Context, w bifrost.StatusWrite) error
}

// AcceptDiverged says where the archive of a DIVERGED partition goes on: from the
// given offset, under a name of its own, which it answers. The old keys keep the
// old branch; the fork is on record in the bucket. The next ticks make the new
// progress row, and gaps of what was planned of the old branch and never archived.
//
// What a person decides, nobody changes: another offset for the same fork is
// refused. It may stop anywhere and be run again.
func (a *Accepter) AcceptDiverged(ctx context.Context, p bifrost.Partition, from int64) (bifrost.Partition, error) {
	next, err := a.acceptDiverged(ctx, p, from)
	if err != nil {
		return next, fmt.Errorf("accept that the log of topic %s partition %d goes on from offset %d: %w", p.Name,
			p.Number, from, err)
	}
	return next, nil
}

func (a *Accepter) acceptDiverged(ctx context.Context, p bifrost.Partition, from int64) (bifrost.Partition, error) {
	progress, err := a.Ledger.Progress(ctx, p)
	if err != nil {
		return p, fmt.Errorf("read the progress row: %w", err)
	}
	next, record, found, err := bifrost.ForkOf(ctx, a.Store, a.Group, p, progress.Incarnation())
	if err != nil {
		return p, err
	}
	if !found {
		if record, err = a.recordFork(ctx, progress, next, from); err != nil {
			return p, err
		}
	}
	if record.From != from {
		return p, fmt.Errorf("it was accepted on %s that it goes on from offset %d as %s",
			record.AcceptedAt.UTC().Format(time.RFC3339), record.From, next.Name)
	}
	return next, a.leaveBranch(ctx, p, next, from)
}

// recordFork puts the fork on record, unless somebody is quicker.
func (a *Accepter) recordFork(ctx context.Context, progress bifrost.Progress, next bifrost.Partition,
	from int64) (bifrost.ForkRecord, error) {
	switch {
	case progress.Status != bifrost.StatusDiverged:
		return bifrost.ForkRecord{}, fmt.Errorf("the partition is %s, not %s: nothing is to be accepted",
			progress.Status, bifrost.StatusDiverged)
	case from < 0 || from > progress.ArchivedUntil():
		return bifrost.ForkRecord{}, fmt.Errorf("the old branch is archived or planned up to offset %d: go on from "+
			"0 to there, or offsets would be in neither", progress.ArchivedUntil())
	}
	content, err := json.Marshal(bifrost.ForkRecord{
		ClusterID: progress.ClusterID, Topic: progress.Topic(), TopicID: progress.TopicID, Partition: progress.Number,
		Parent: progress.Name, From: from, AcceptedAt: a.Now().UTC(),
	})
	if err != nil {
		return bifrost.ForkRecord{}, err
	}
	key := bifrost.ForkKey(a.Group, next)
	if content, err = a.Bucket.CreateOnce(ctx, key, content); err != nil {
		return bifrost.ForkRecord{}, fmt.Errorf("put the fork on record at %s: %w", key, err)
	}
	return bifrost.ParseFork(key, next, content)
}

// maxLeaves bounds the tries at a progress row that keeps changing.
const maxLeaves = 5

// leaveBranch ends the old branch. Whatever made its row in between, it ends: whoever
// makes one from now on looks for the record first.
func (a *Accepter) leaveBranch(ctx context.Context, p, next bifrost.Partition, from int64) error {
	for range maxLeaves {
		progress, err := a.Ledger.Progress(ctx, p)
		if errors.Is(err, bifrost.ErrNotFound) || err == nil && progress.Status == bifrost.StatusForked {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the progress row: %w", err)
		}
		err = a.Ledger.ChangeStatus(ctx, bifrost.LeaveBranch(progress, next, from))
		if err != nil && !errors.Is(err, bifrost.ErrConflict) {
			return fmt.Errorf("set status %s: %w", bifrost.StatusForked, err)
		}
	}
	return fmt.Errorf("its progress row changed %d times meanwhile; try again: %w", maxLeaves, bifrost.ErrConflict)
}
