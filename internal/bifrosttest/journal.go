// The twin of the records that ticks leave.

package bifrosttest

import (
	"context"
	"maps"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// NoteTick implements bifrost.Journal.
func (l *Ledger) NoteTick(_ context.Context, r bifrost.TickRecord) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, ok := l.ticks[r.ClusterID]
	if ok && before.StartedAt.After(r.StartedAt) {
		return conflict("a later tick is on record", r.ID)
	}
	if r.CompleteAt.IsZero() {
		r.CompleteAt, r.Filter = before.CompleteAt, before.Filter
	}
	l.ticks[r.ClusterID] = r
	return nil
}

// NoteTrouble implements bifrost.Journal.
func (l *Ledger) NoteTrouble(_ context.Context, p bifrost.Progress, trouble bifrost.Trouble) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := func(bifrost.Progress) bool { return true }
	return l.changeProgress(p, holds, func(row *bifrost.Progress) { row.Trouble = trouble })
}

// Ticks are the records of the ticks, in order of their clusters.
func (l *Ledger) Ticks(context.Context) ([]bifrost.TickRecord, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []bifrost.TickRecord
	for _, id := range slices.Sorted(maps.Keys(l.ticks)) {
		all = append(all, l.ticks[id])
	}
	return all, nil
}
