// The twin of the tables: what they hold, how they are read.

package bifrosttest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var (
	_ bifrost.Ledger  = (*Ledger)(nil)
	_ bifrost.Journal = (*Ledger)(nil)
)

// Ledger is both tables in memory.
//
// Writes are seen at once by everything but the index of what is PLANNED. By
// default the index follows at once too; after HoldIndex it stays behind until
// CatchUp, as the index of the real table may.
type Ledger struct {
	mu       sync.Mutex
	progress map[bifrost.Partition]bifrost.Progress
	rows     map[rowKey]bifrost.Row
	index    map[rowKey]bifrost.Row // what ListPlanned and SomePlanned see
	pending  []rowKey               // rows whose change the index has not seen yet, oldest first
	held     bool
	ticks    map[string]bifrost.TickRecord // by cluster ID

	invocations map[int]bifrost.Invocation // by slot
	mark        *bifrost.TablesMark        // nil: none

	walks walks
}

type rowKey struct {
	bifrost.Partition
	start int64
}

func keyOf(r bifrost.Row) rowKey { return rowKey{r.Partition, r.Start} }

// NewLedger returns two empty tables.
func NewLedger() *Ledger {
	return &Ledger{
		progress: map[bifrost.Partition]bifrost.Progress{},
		rows:     map[rowKey]bifrost.Row{},
		index:    map[rowKey]bifrost.Row{},
		ticks:    map[string]bifrost.TickRecord{},

		invocations: map[int]bifrost.Invocation{},
	}
}

// HoldIndex makes the index lag behind from now on.
func (l *Ledger) HoldIndex() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

// CatchUp lets the index see the n oldest changes that it has not seen.
func (l *Ledger) CatchUp(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp(n)
}

// Behind is the number of changes that the index has not seen.
func (l *Ledger) Behind() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}

func (l *Ledger) catchUp(n int) {
	n = min(n, len(l.pending))
	for _, key := range l.pending[:n] {
		row, ok := l.rows[key]
		if ok && row.State == bifrost.StatePlanned {
			l.index[key] = row
		} else {
			delete(l.index, key)
		}
	}
	l.pending = slices.Delete(l.pending, 0, n)
}

func (l *Ledger) put(r bifrost.Row) {
	l.rows[keyOf(r)] = r
	l.changed(keyOf(r))
}

func (l *Ledger) changed(key rowKey) {
	l.pending = append(l.pending, key)
	if !l.held {
		l.catchUp(len(l.pending))
	}
}

// Lose deletes every row of both tables that match says yes to, and with the last
// progress row the mark of the tables. A nil function keeps its table.
func (l *Ledger) Lose(progress func(bifrost.Progress) bool, rows func(bifrost.Row) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, p := range l.progress {
		if progress != nil && progress(p) {
			delete(l.progress, key)
		}
	}
	if progress != nil && len(l.progress) == 0 {
		l.mark = nil // it is a row of the same table
	}
	for _, key := range l.sortedRows() {
		if rows != nil && rows(l.rows[key]) {
			delete(l.rows, key)
			l.changed(key)
		}
	}
}

// Backup is a copy of both tables as of now.
type Backup struct {
	progress map[bifrost.Partition]bifrost.Progress
	rows     map[rowKey]bifrost.Row
	mark     *bifrost.TablesMark
}

// Backup copies both tables.
func (l *Ledger) Backup() Backup {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Backup{progress: maps.Clone(l.progress), rows: maps.Clone(l.rows), mark: l.mark}
}

// Restore replaces both tables.
func (l *Ledger) Restore(b Backup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress, l.rows, l.mark = maps.Clone(b.progress), maps.Clone(b.rows), b.mark
	l.index, l.pending = map[rowKey]bifrost.Row{}, nil
	for _, key := range l.sortedRows() {
		l.changed(key)
	}
}

// AllRows returns every row of the objects table by partition and start.
func (l *Ledger) AllRows() []bifrost.Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []bifrost.Row
	for _, key := range l.sortedRows() {
		all = append(all, l.rows[key])
	}
	return all
}

// Poke changes or adds rows as no rule would; a seed of damage for checkers.
func (l *Ledger) Poke(rows ...bifrost.Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rows {
		l.put(r)
	}
}

// PokeProgress changes or adds progress rows as no rule would.
func (l *Ledger) PokeProgress(rows ...bifrost.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range rows {
		l.progress[p.Partition] = p
	}
}

func (l *Ledger) sortedRows() []rowKey { return slices.SortedFunc(maps.Keys(l.rows), compareRows) }

func comparePartitions(a, b bifrost.Partition) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
}

func compareRows(a, b rowKey) int {
	return cmp.Or(comparePartitions(a.Partition, b.Partition), cmp.Compare(a.start, b.start))
}

// conflict is an ErrConflict that says which condition did not hold.
func conflict(what string, subject any) error {
	return fmt.Errorf("%v: %s: %w", subject, what, bifrost.ErrConflict)
}

// ListProgress implements bifrost.Overview.
func (l *Ledger) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	l.walks.forgetQuestion()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []bifrost.Progress
	for _, key := range slices.SortedFunc(maps.Keys(l.progress), comparePartitions) {
		all = append(all, l.progress[key])
	}
	return all, nil
}

// ListPlanned implements bifrost.Overview.
func (l *Ledger) ListPlanned(ctx context.Context) ([]bifrost.Row, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listIndex(func(bifrost.Row) bool { return true }), nil
}

// SomePlanned implements bifrost.Waiting.
func (l *Ledger) SomePlanned(ctx context.Context, now time.Time, limit int) ([]bifrost.Row, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	free := l.listIndex(func(r bifrost.Row) bool { return !now.Before(r.LeaseUntil) })
	return free[:min(limit, len(free))], nil
}

func (l *Ledger) listIndex(keep func(bifrost.Row) bool) []bifrost.Row {
	var rows []bifrost.Row
	for _, key := range slices.SortedFunc(maps.Keys(l.index), compareRows) {
		if r := l.index[key]; keep(r) {
			rows = append(rows, r)
		}
	}
	return rows
}

// Rows implements bifrost.Planner.
func (l *Ledger) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if err := l.walks.noteQuestion(p, from, limit); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var rows []bifrost.Row
	for _, key := range l.sortedRows() {
		if key.Partition == p && key.start >= from && len(rows) < limit {
			rows = append(rows, l.rows[key])
		}
	}
	return rows, nil
}

// Row implements bifrost.Committer.
func (l *Ledger) Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	if err := ended(ctx); err != nil {
		return bifrost.Row{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.rows[rowKey{p, start}]
	if !ok {
		return bifrost.Row{}, fmt.Errorf("row %v at %d: %w", p, start, bifrost.ErrNotFound)
	}
	return r, nil
}

// Progress implements bifrost.Advancer.
func (l *Ledger) Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	if err := ended(ctx); err != nil {
		return bifrost.Progress{}, err
	}
	l.walks.forgetQuestion()
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.progress[p]
	if !ok {
		return bifrost.Progress{}, fmt.Errorf("progress of %v: %w", p, bifrost.ErrNotFound)
	}
	return row, nil
}
