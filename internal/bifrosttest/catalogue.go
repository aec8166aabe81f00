// How the twin of the tables is read backwards.

package bifrosttest

import (
	"context"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// RowsBelow reads the rows of a partition with Start < below, the highest first,
// at most limit: what readers of the archive ask beside the ports of the rules.
func (l *Ledger) RowsBelow(ctx context.Context, p bifrost.Partition, below int64, limit int) ([]bifrost.Row, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if err := l.walks.noteQuestion(p, "below", below, limit); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var rows []bifrost.Row
	for _, key := range slices.Backward(l.sortedRows()) {
		if key.Partition == p && key.start < below && len(rows) < limit {
			rows = append(rows, l.rows[key])
		}
	}
	return rows, nil
}
