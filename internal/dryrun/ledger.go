// Package dryrun lets the rules run without effect: a tick over it reads the
// real tables, bucket and Kafka, and what it would write is kept in memory and
// shown to its own later reads. So what "bifrost plan" says is what the real code
// decides, and not a copy of its rules.
package dryrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Reads are the parts of the real ledger that a rehearsal reads. Nothing of the
// real ledger that writes can be reached through it.
type Reads interface {
	bifrost.Overview
	Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error)
	Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error)
	Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error)
	SomePlanned(ctx context.Context, now time.Time, limit int) ([]bifrost.Row, error)
	Mark(ctx context.Context) (bifrost.TablesMark, error)
}

// Ledger implements bifrost.Ledger over the real one without writing to it.
type Ledger struct {
	reads Reads

	mutex    sync.Mutex
	progress map[bifrost.Partition]*bifrost.Progress // written; nil is deleted
	rows     map[bifrost.Partition][]bifrost.Row     // put, in order
	mark     *bifrost.TablesMark                     // written; nil is not
	made     []bifrost.Partition
	dropped  []bifrost.Partition
	started  []bifrost.Task
}

var _ bifrost.Ledger = (*Ledger)(nil)

// NewLedger returns a ledger that shows what the real one holds.
func NewLedger(reads Reads) *Ledger {
	return &Ledger{
		reads:    reads,
		progress: map[bifrost.Partition]*bifrost.Progress{},
		rows:     map[bifrost.Partition][]bifrost.Row{},
	}
}

// Planned lists the rows that were put, in order of partition and start.
func (l *Ledger) Planned() []bifrost.Row {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var all []bifrost.Row
	for _, rows := range l.rows {
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b bifrost.Row) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Start, b.Start))
	})
	return all
}

// Started lists the ranges that would be given to functions.
func (l *Ledger) Started() []bifrost.Task {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return slices.Clone(l.started)
}

// Made lists the partitions whose progress row was made.
func (l *Ledger) Made() []bifrost.Partition {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return slices.SortedFunc(slices.Values(l.made), func(a, b bifrost.Partition) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
	})
}

// Dropped lists the partitions whose progress row was deleted, to be made anew.
func (l *Ledger) Dropped() []bifrost.Partition {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return slices.Clone(l.dropped)
}

// ListProgress implements bifrost.Overview.
func (l *Ledger) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	all, err := l.reads.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	all = slices.DeleteFunc(all,
		func(p bifrost.Progress) bool { _, written := l.progress[p.Partition]; return written })
	for _, p := range l.progress {
		if p != nil {
			all = append(all, *p)
		}
	}
	return all, nil
}

// ListPlanned implements bifrost.Overview.
func (l *Ledger) ListPlanned(ctx context.Context) ([]bifrost.Row, error) {
	all, err := l.reads.ListPlanned(ctx)
	return append(all, l.Planned()...), err
}

// SomePlanned implements bifrost.Waiting.
func (l *Ledger) SomePlanned(ctx context.Context, now time.Time, limit int) ([]bifrost.Row, error) {
	return l.reads.SomePlanned(ctx, now, limit)
}

// Progress implements bifrost.Advancer.
func (l *Ledger) Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	l.mutex.Lock()
	written, ok := l.progress[p]
	l.mutex.Unlock()
	switch {
	case !ok:
		return l.reads.Progress(ctx, p)
	case written == nil:
		return bifrost.Progress{}, fmt.Errorf("progress of %s: %w", p, bifrost.ErrNotFound)
	}
	return *written, nil
}

// Row implements bifrost.Committer.
func (l *Ledger) Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	for _, r := range l.put(p) {
		if r.Start == start {
			return r, nil
		}
	}
	return l.reads.Row(ctx, p, start)
}

// Rows implements bifrost.Planner.
func (l *Ledger) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	rows, err := l.reads.Rows(ctx, p, from, limit)
	if err != nil {
		return nil, err
	}
	for _, r := range l.put(p) {
		if r.Start >= from {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b bifrost.Row) int { return cmp.Compare(a.Start, b.Start) })
	return rows[:min(limit, len(rows))], nil
}

func (l *Ledger) put(p bifrost.Partition) []bifrost.Row {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return slices.Clone(l.rows[p])
}

// change applies a write to a progress row, real or written, and keeps the result.
func (l *Ledger) change(ctx context.Context, p bifrost.Progress, apply func(*bifrost.Progress) bool) error {
	now, err := l.Progress(ctx, p.Partition)
	if errors.Is(err, bifrost.ErrNotFound) || err == nil && now.Generation != p.Generation ||
		err == nil && !apply(&now) {
		return fmt.Errorf("progress of %s: %w", p.Partition, bifrost.ErrConflict)
	}
	if err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.progress[p.Partition] = &now
	return nil
}
