// How a range is recorded as erased.

package dynamoledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var _ bifrost.Eraser = (*Ledger)(nil)

// Erase implements bifrost.Eraser.
func (l *Ledger) Erase(ctx context.Context, w bifrost.ErasureWrite) error {
	r, f, p := w.Row, w.Facts, w.Progress
	doing := fmt.Sprintf("record that the object of %s %s is gone", r.Partition, r.Range)
	row := newExpression().require("state", textValue(string(r.State))).requireText("checksum", r.Facts.Checksum).
		setSettled(bifrost.CommitWrite{Row: r, Facts: f, ArchivedAt: w.At})
	for attribute, n := range map[string]int64{
		"first_timestamp": f.FirstTimestamp, "last_timestamp": f.LastTimestamp,
		"last_leader_epoch": int64(f.LeaderEpoch),
	} {
		if n < 0 {
			row.remove(attribute) // settle leaves alone what a PLANNED row never has
		}
	}
	if f.End <= r.End {
		row.remove("object_end_offset")
	}
	progress := newExpression().require("generation", textValue(p.Generation)).require("next_offset",
		number(p.NextOffset)).
		set("generation", textValue(p.Generation)) // an update has to change something
	if r.End <= p.NextOffset {
		by := w.TotalsAfter(bifrost.Totals{})
		progress.add("archived_records", by.Records).add("raw_bytes", by.RawBytes).add("stored_bytes", by.StoredBytes).
			add("missing_offsets", by.Missing).add("lost_offsets", by.Lost)
	}
	return l.transactItems(ctx, doing, []types.TransactWriteItem{
		row.asUpdate(l.tables.Objects, rowKey(r.Partition, r.Start)),
		progress.asUpdate(l.tables.Progress, progressKey(p.Partition)),
	})
}

// requireText demands that the attribute has the text, or is absent when there is none.
func (e *expression) requireText(attribute, text string) *expression {
	if text == "" {
		return e.requireAbsent(attribute)
	}
	return e.require(attribute, textValue(text))
}
