// The writes of rows of ranges.

package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func (l *Ledger) changeRow(doing string, r bifrost.Row, e *expression) change {
	e.require("state", textValue(string(bifrost.StatePlanned)))
	return change{
		doing: fmt.Sprintf("%s %s %s", doing, r.Partition, r.Range),
		table: l.tables.Objects, key: rowKey(r.Partition, r.Start), expr: e,
	}
}

// MarkGap implements bifrost.GapMarker. It leaves its condition as it is, so a
// repetition after a lost answer writes the same again. If a lease was taken in
// between, it ends early, and two workers may do the same.
func (l *Ledger) MarkGap(ctx context.Context, p bifrost.Progress, r bifrost.Row, reason string) error {
	row := newExpression().
		require("state", textValue(string(bifrost.StatePlanned))).
		require("end_offset", number(r.End)).
		set("gap_reason", textValue(reason)).
		setLease("", time.Time{}).
		remove("error")
	progress := newExpression().
		require("generation", textValue(p.Generation)).
		require("status", textValue(string(p.Status))).
		requireSuspicion(p)
	return l.transactItems(ctx, fmt.Sprintf("mark as a gap %s %s", r.Partition, r.Range), []types.TransactWriteItem{
		progress.asCheck(l.tables.Progress, progressKey(p.Partition)),
		row.asUpdate(l.tables.Objects, rowKey(r.Partition, r.Start)),
	})
}

// DropPlanned implements bifrost.RowMaker.
func (l *Ledger) DropPlanned(ctx context.Context, p bifrost.Progress, r bifrost.Row) error {
	row := newExpression().
		require("state", textValue(string(bifrost.StatePlanned))).
		require("end_offset", number(r.End))
	progress := newExpression().
		require("generation", textValue(p.Generation)).
		require("status", textValue(string(bifrost.StatusFencing)))
	return l.transactItems(ctx, fmt.Sprintf("drop %s %s", r.Partition, r.Range), []types.TransactWriteItem{
		progress.asCheck(l.tables.Progress, progressKey(p.Partition)),
		row.asDelete(l.tables.Objects, rowKey(r.Partition, r.Start)),
	})
}

// Lease implements bifrost.Leaser. After a lost answer a row with the attempt and
// the invocation that were to be written will do.
func (l *Ledger) Lease(ctx context.Context, r bifrost.Row, invocation string, attempt int,
	until time.Time) (bifrost.Row, error) {
	e := newExpression().
		require("attempts", number(int64(r.Attempts))).
		require("lease_until", number(millis(r.LeaseUntil))).
		set("attempts", number(int64(attempt))).
		setLease(invocation, until).
		remove("error")
	c := l.changeRow("lease", r, e)
	c.ours = func(row attributes) bool {
		now, err := decodeRow(row)
		return err == nil && now.State == bifrost.StatePlanned &&
			now.Attempts == attempt && now.Invocation == invocation && millis(now.LeaseUntil) == millis(until)
	}
	row, err := l.updateItem(ctx, c)
	if err != nil {
		return bifrost.Row{}, err
	}
	return decodeRow(row)
}

// setLease gives a row to an invocation, or to none.
func (e *expression) setLease(invocation string, until time.Time) *expression {
	return e.setText("invocation", invocation).set("lease_until", number(millis(until))).setText("leased_until",
		iso(until))
}

// Release implements bifrost.Leaser. The row comes first: it is what brings the
// next attempt. Both writes leave their conditions as they are, so repetitions
// after lost answers write the same again.
func (l *Ledger) Release(ctx context.Context, r bifrost.Row, failure string, retryAt time.Time) error {
	e := newExpression().require("attempts", number(int64(r.Attempts))).setText("error", failure).setLease("", retryAt)
	if r.StoppedAt > 0 {
		e.set("stopped_at", number(r.StoppedAt))
	}
	if _, err := l.updateItem(ctx, l.changeRow("release", r, e)); err != nil {
		return err
	}
	_, err := l.updateItem(ctx, change{
		doing: fmt.Sprintf("show the failure of %s %s", r.Partition, r.Range),
		table: l.tables.Progress, key: progressKey(r.Partition),
		expr: newExpression().requirePresent("topic").setText("error", failure),
	})
	if errors.Is(err, bifrost.ErrConflict) {
		return nil // no progress row, nowhere to show it
	}
	return err
}

// Commit implements bifrost.Committer. A row that its object fills is settled by a
// single write, which costs half of a transaction. After a lost answer a row that
// is settled with the same facts will do, whoever settled it.
func (l *Ledger) Commit(ctx context.Context, w bifrost.CommitWrite) error {
	r := w.Row
	doing := fmt.Sprintf("commit %s %s with object %s %s", r.Partition, r.Range, w.Facts.Key, w.Facts.Range)
	if w.Facts.Start != r.Start || w.Facts.End <= r.Start {
		return fmt.Errorf("%s: the object has to start where the row starts, and to hold something of it", doing)
	}
	e := newExpression().
		require("state", textValue(string(bifrost.StatePlanned))).
		require("end_offset", number(r.End)).
		setSettled(w)
	key := rowKey(r.Partition, r.Start)
	if w.Facts.End >= r.End {
		_, err := l.updateItem(ctx, change{doing: doing, table: l.tables.Objects, key: key, expr: e,
			ours: func(row attributes) bool {
				now, err := decodeRow(row)
				return err == nil && now.State.Done() && now.End == r.End && now.Facts == w.Facts
			},
		})
		return err
	}
	remainder := bifrost.Row{
		Partition: r.Partition, Range: bifrost.Range{Start: w.Facts.End, End: r.End}, ClusterID: r.ClusterID,
		TopicID:   r.TopicID,
		GapReason: r.GapReason, LossAt: r.LossAt, PlannedAt: w.ArchivedAt,
	}
	return l.transactItems(ctx, doing, []types.TransactWriteItem{
		e.asUpdate(l.tables.Objects, key),
		putIfAbsent(l.tables.Objects, plannedItem(remainder)),
	})
}
