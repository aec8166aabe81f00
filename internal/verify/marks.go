// How the marks of the tables are checked.

package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// checkMarks checks that the tables are not older than the bucket, and that the series
// by which that would be known has no hole. Tables without a mark, in a bucket
// without marks, have not planned since there were any.
func (v *verification) checkMarks(ctx context.Context, progress []bifrost.Progress) error {
	mark, err := v.Ledger.Mark(ctx)
	if errors.Is(err, bifrost.ErrNotFound) {
		return v.checkUnmarked(ctx, progress)
	}
	if err != nil {
		return fmt.Errorf("read the mark of the tables: %w", err)
	}
	if mark.Next != "" {
		v.markViolation(TablesOlder, bifrost.MarkKey(v.Group, mark.Next, 1), "tables that are whole",
			"a rebuild of all of them that is not through")
		return nil
	}
	keys := bifrost.KeyWalk{Bucket: v.Bucket, Prefix: bifrost.MarksPrefix(v.Group) + mark.Series + "/"}
	next := int64(1)
	for more := true; more; {
		page, err := keys.Below(ctx, "")
		if err != nil {
			return err
		}
		more = len(page) > 0
		for _, key := range page {
			for ; key > bifrost.MarkKey(v.Group, mark.Series, next); next++ {
				v.markViolation(MarkMissing, bifrost.MarkKey(v.Group, mark.Series, next), "a mark of each number",
					"none, and one of a higher number")
			}
			if key == bifrost.MarkKey(v.Group, mark.Series, next) {
				next++
			}
		}
	}
	return v.compareMarks(ctx, mark, next-1)
}

// checkUnmarked looks at tables without a mark: where something was planned by them, and
// the bucket has marks, they are a backup of before there were any, or the row is gone.
func (v *verification) checkUnmarked(ctx context.Context, progress []bifrost.Progress) error {
	if !bifrost.AnyPlanned(progress) {
		return nil
	}
	keys, err := v.Bucket.List(ctx, bifrost.MarksPrefix(v.Group), "", 1)
	if err != nil {
		return fmt.Errorf("list the marks: %w", err)
	}
	if len(keys) > 0 {
		v.markViolation(TablesOlder, keys[0], "no mark, as the tables have none", "one")
	}
	return nil
}

// compareMarks compares the number of the tables with that of the last mark. A tick may
// have counted up meanwhile.
func (v *verification) compareMarks(ctx context.Context, before bifrost.TablesMark, last int64) error {
	now, err := v.Ledger.Mark(ctx)
	if err != nil {
		return fmt.Errorf("read the mark of the tables again: %w", err)
	}
	switch {
	case now.Series != before.Series || now.Number != before.Number:
	case last > now.Number:
		v.markViolation(TablesOlder, bifrost.MarkKey(v.Group, now.Series, last),
			fmt.Sprintf("no mark above %d, which the tables know", now.Number), "one")
	case last < now.Number:
		v.markViolation(MarkMissing, bifrost.MarkKey(v.Group, now.Series, now.Number), "a mark of each number", "none")
	}
	return nil
}

func (v *verification) markViolation(kind Kind, key, expected, found string) {
	v.reportViolation(Violation{Kind: kind, Partition: -1, Start: -1, End: -1, Key: key, Expected: expected,
		Found: found})
}
