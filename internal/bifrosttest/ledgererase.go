// How the twin of the tables erases.

package bifrosttest

import (
	"context"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var _ bifrost.Eraser = (*Ledger)(nil)

// Erase implements bifrost.Eraser.
func (l *Ledger) Erase(ctx context.Context, w bifrost.ErasureWrite) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[keyOf(w.Row)]
	if !ok || row.State != w.Row.State || row.Facts.Checksum != w.Row.Facts.Checksum {
		return conflict("the row has moved", keyOf(w.Row))
	}
	counted := w.Row.End <= w.Progress.NextOffset
	holds := func(p bifrost.Progress) bool { return p.NextOffset == w.Progress.NextOffset }
	err := l.changeProgress(w.Progress, holds, func(p *bifrost.Progress) {
		if counted {
			p.Totals = w.TotalsAfter(p.Totals)
		}
	})
	if err != nil {
		return err
	}
	row.State, row.Facts, row.ArchivedAt = w.Facts.State(), w.Facts, w.At
	row.GapReason, row.Error = w.Facts.Reason, ""
	l.put(row)
	return nil
}
