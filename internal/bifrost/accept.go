package bifrost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// DivergedLedger is what it takes to settle a partition whose log was cut.
type DivergedLedger interface {
	Progress(ctx context.Context, p Partition) (Progress, error)
	ChangeStatus(ctx context.Context, w StatusWrite) error
}

// AcceptDiverged says where the archive of a DIVERGED partition goes on: from the
// given offset, under a name of its own, which it answers. The old keys keep the
// old branch; the fork is on record in the bucket. The next ticks make the new
// progress row, and gaps of what was planned of the old branch and never archived.
//
// What a person decides, nobody changes: another offset for the same fork is
// refused. It may stop anywhere and be run again.
func (a *Accepter) AcceptDiverged(ctx context.Context, p Partition, from int64) (Partition, error) {
	next, err := a.acceptDiverged(ctx, p, from)
	if err != nil {
		return next, fmt.Errorf("accept that the log of topic %s partition %d goes on from offset %d: %w", p.Name, p.Number, from, err)
	}
	return next, nil
}

func (a *Accepter) acceptDiverged(ctx context.Context, p Partition, from int64) (Partition, error) {
	progress, err := a.Ledger.Progress(ctx, p)
	if err != nil {
		return p, fmt.Errorf("read the progress row: %w", err)
	}
	i := Incarnation{progress.ClusterID, p.Topic(), progress.TopicID}
	next, record, found, err := ForkOf(ctx, a.Store, a.Group, p, i)
	if err != nil {
		return p, err
	}
	if !found {
		if record, err = a.record(ctx, progress, next, from); err != nil {
			return p, err
		}
	}
	if record.From != from {
		return p, fmt.Errorf("it was accepted on %s that it goes on from offset %d as %s", record.AcceptedAt.Format(time.RFC3339), record.From, next.Name)
	}
	return next, a.leave(ctx, p, next, from)
}

// record puts the fork on record, unless somebody is quicker.
func (a *Accepter) record(ctx context.Context, progress Progress, next Partition, from int64) (ForkRecord, error) {
	switch {
	case progress.Status != StatusDiverged:
		return ForkRecord{}, fmt.Errorf("the partition is %s, not %s: nothing is to be accepted", progress.Status, StatusDiverged)
	case from < 0 || from > progress.archivedUntil():
		return ForkRecord{}, fmt.Errorf("the old branch is archived or planned up to offset %d: go on from 0 to there, or offsets would be in neither", progress.archivedUntil())
	}
	content, err := json.Marshal(ForkRecord{
		ClusterID: progress.ClusterID, Topic: progress.Topic(), TopicID: progress.TopicID, Partition: progress.Number,
		Parent: progress.Name, From: from, AcceptedAt: a.Now().UTC(),
	})
	if err != nil {
		return ForkRecord{}, err
	}
	key := ForkKey(a.Group, next)
	if content, err = a.Shelf.CreateOnce(ctx, key, content); err != nil {
		return ForkRecord{}, fmt.Errorf("put the fork on record at %s: %w", key, err)
	}
	return parseFork(key, next, content)
}

// maxLeaves bounds the tries at a progress row that keeps changing.
const maxLeaves = 5

// leave ends the old branch. Whatever made its row in between, it ends: whoever
// makes one from now on looks for the record first.
func (a *Accepter) leave(ctx context.Context, p, next Partition, from int64) error {
	for range maxLeaves {
		progress, err := a.Ledger.Progress(ctx, p)
		if errors.Is(err, ErrNotFound) || err == nil && progress.Status == StatusForked {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the progress row: %w", err)
		}
		err = a.Ledger.ChangeStatus(ctx, leaving(progress, next, from))
		if err != nil && !errors.Is(err, ErrConflict) {
			return fmt.Errorf("set status %s: %w", StatusForked, err)
		}
	}
	return fmt.Errorf("its progress row changed %d times meanwhile; try again: %w", maxLeaves, ErrConflict)
}

func leaving(p Progress, next Partition, from int64) StatusWrite {
	return StatusWrite{Progress: p, Status: StatusForked, Error: fmt.Sprintf("the log was cut; it goes on as %s from offset %d", next.Name, from)}
}
