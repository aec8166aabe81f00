// How the ledger learns of an object.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// commitRow settles the row with the facts of its object. It answers the row as it
// is then; ErrNotFound when the row is gone (the tables were lost; whoever
// rebuilds them finds the object).
func commitRow(ctx context.Context, ledger Committer, bucket ObjectOpener, now func() time.Time, row Row,
	facts Facts) (Row, error) {
	for range maxCommits {
		inside, err := factsWithin(ctx, bucket, facts, row.Range)
		if err != nil {
			return Row{}, err
		}
		err = ledger.Commit(ctx, CommitWrite{Row: row, Facts: inside, ArchivedAt: now()})
		if err == nil {
			return settledRow(row, inside, now()), nil
		}
		// Refused, or an answer lost: the row as it is now tells which.
		current, readErr := ledger.Row(ctx, row.Partition, row.Start)
		switch {
		case readErr != nil:
			return Row{}, fmt.Errorf("read the row again after its commit failed (%w): %w", err, readErr)
		case current.State.Done() && current.Facts.Key == facts.Key:
			return current, nil
		case current.State.Done():
			return Row{}, fmt.Errorf("the row is settled with %s, this attempt holds %s: run bifrost verify",
				current.Facts.Key, facts.Key)
		case !errors.Is(err, ErrConflict):
			return Row{}, fmt.Errorf("commit: %w", err)
		}
		row = current // still PLANNED with another end: the row's end is the one that counts
	}
	return Row{}, fmt.Errorf("commit: the row changed %d times meanwhile: %w", maxCommits, ErrConflict)
}

// maxCommits bounds the tries at a row whose end keeps changing. It changes when
// tables are rebuilt, which nobody does twice within a range's life.
const maxCommits = 5

func settledRow(row Row, facts Facts, at time.Time) Row {
	row.State, row.Facts, row.ArchivedAt = facts.State(), facts, at
	row.End = facts.End
	return row
}

// advancePrefix moves next_offset over the settled rows that follow it. Everyone does
// this after their own commit, so of two neighbours one sees both. It answers
// the progress row as it is then.
//
// errRowMissing says that there is a hole below planned_offset: rows were lost
// alone, and the partition must be rebuilt.
func advancePrefix(ctx context.Context, ledger Settler, p Partition) (Progress, error) {
	for {
		progress, err := ledger.Progress(ctx, p)
		if errors.Is(err, ErrNotFound) {
			return Progress{}, nil // lost tables; whoever rebuilds the row advances it
		}
		if err != nil {
			return Progress{}, fmt.Errorf("advance: read progress: %w", err)
		}
		moved, err := advanceFrom(ctx, ledger, &progress)
		if !moved || err != nil {
			return progress, err
		}
	}
}

// errRowMissing is advancePrefix's word for a hole in the tiling.
var errRowMissing = errors.New("a row below planned_offset is missing")

// advanceFrom moves over settled rows until one is not. It reports true when
// somebody else moved next_offset meanwhile, so that it must be read again.
func advanceFrom(ctx context.Context, ledger Settler, progress *Progress) (again bool, err error) {
	for progress.NextOffset < progress.PlannedOffset {
		row, err := ledger.Row(ctx, progress.Partition, progress.NextOffset)
		if errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("advance %s at offset %d: %w", progress.Partition, progress.NextOffset,
				errRowMissing)
		}
		if err != nil {
			return false, fmt.Errorf("advance: read the row at offset %d: %w", progress.NextOffset, err)
		}
		if !row.State.Done() {
			return false, nil
		}
		write := AdvanceWrite{Partition: progress.Partition, Generation: progress.Generation, From: row.Start,
			To: row.End, Row: row}
		err = ledger.Advance(ctx, write)
		if errors.Is(err, ErrConflict) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("advance next_offset from %d to %d: %w", row.Start, row.End, err)
		}
		progress.NextOffset = row.End
	}
	return false, nil
}
