// How next_offset moves over settled rows.

package dynamoledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Advance implements bifrost.Advancer. The totals move in the same write as
// next_offset, so each row is counted once. After a lost answer a row of the same
// generation whose next_offset is at To or beyond will do: somebody moved it over
// this range, and only one could.
func (l *Ledger) Advance(ctx context.Context, w bifrost.AdvanceWrite) error {
	newest := w.Row.Facts.LastTimestamp >= 0 && w.Row.State == bifrost.StateArchived
	err := l.advanceRow(ctx, w, newest)
	if c, ok := errors.AsType[*conflict](err); ok && newest && isAt(c.row, w.Generation, w.From) {
		// What the port asks for holds, so nothing was applied, and it was the
		// condition on the newest record that failed: an earlier range has a newer
		// one, because producers' clocks differ.
		err = l.advanceRow(ctx, w, false)
	}
	return err
}

func isAt(row attributes, generation string, nextOffset int64) bool {
	next, ok := numberOf(row, "next_offset")
	return ok && next == nextOffset && scalarText(row["generation"]) == generation
}

// advanceRow applies the write; newest says that the row's last record becomes the
// newest of the partition, on condition that it is.
func (l *Ledger) advanceRow(ctx context.Context, w bifrost.AdvanceWrite, newest bool) error {
	e := newExpression().
		require("generation", textValue(w.Generation)).
		require("next_offset", number(w.From)).
		set("next_offset", number(w.To)).
		countRow(w.Row)
	e.setDifference("lag", e.name("log_end_offset"), e.value(number(w.To)))
	if newest {
		e.newestRecord(w.Row.Facts.LastTimestamp)
	}
	_, err := l.updateItem(ctx, change{
		doing: fmt.Sprintf("advance %s from offset %d to %d", w.Partition, w.From, w.To),
		table: l.tables.Progress, key: progressKey(w.Partition), expr: e,
		ours: func(row attributes) bool {
			next, ok := numberOf(row, "next_offset")
			return ok && next >= w.To && scalarText(row["generation"]) == w.Generation
		},
	})
	return err
}

// countRow adds a settled row to the totals of its partition.
func (e *expression) countRow(r bifrost.Row) *expression {
	f := r.Facts
	e.add("archived_records", f.Records).
		add("raw_bytes", f.RawBytes).
		add("stored_bytes", f.StoredBytes).
		add("missing_offsets", f.Missing.Control+f.Missing.Aborted+f.Missing.Compacted).
		setText("last_object", f.Key).
		setText("last_archived_at", iso(r.ArchivedAt))
	if r.State == bifrost.StateLost {
		return e.add("lost_offsets", r.Len())
	}
	return e.set("recent_raw_bytes", number(f.RawBytes)).
		set("recent_offsets", number(r.Len())).
		remove("error")
}

// newestRecord moves the time of the newest record, on condition that it is not older.
func (e *expression) newestRecord(ms int64) {
	name, value := e.name("last_timestamp"), e.value(number(ms))
	e.condition("(attribute_not_exists(" + name + ") OR " + name + " <= " + value + ")")
	e.sets = append(e.sets, name+" = "+value)
	e.setText("last_record_at", isoMillis(ms))
}
