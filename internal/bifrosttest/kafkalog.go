// The twin of the log of a partition.

package bifrosttest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Entry is what stands, or stood, at one offset of a log.
type Entry struct {
	Record      baldr.Record
	Epoch       int32 // leader epoch under which it was appended
	Control     bool  // a transaction marker, which no consumer sees
	Transaction int   // that it belongs to; 0 for none
}

// Log is one partition of one incarnation.
type Log struct {
	now        func() time.Time
	start, end int64
	top        int64 // the largest end it ever had
	began      int64 // the largest start it ever had
	deleted    deletion
	dip        int64 // how far the high watermark is below the end
	entries    []Entry
	epochs     []epochStart
	open       map[int]int64 // transaction → its first offset
	aborted    map[int]bool
	nextTx     int
	history    map[int64][]Entry // all that ever stood at an offset: more than one after the log was cut
	compacted  map[int64]bool    // offsets that compaction has emptied
	cut        int64             // lowest offset that the log was ever cut at, -1 never
	unreadable int64             // lowest offset that a leader fails to read, -1 none
	leaderless bool
}

// deletion is what the last deletion took, which a broker may forget.
type deletion struct {
	start   int64 // of the log before it
	entries []Entry
}

type epochStart struct {
	epoch int32
	start int64
}

func newLog(now func() time.Time) *Log {
	return &Log{
		now: now, epochs: []epochStart{{0, 0}}, open: map[int]int64{}, aborted: map[int]bool{},
		history: map[int64][]Entry{}, compacted: map[int64]bool{}, cut: -1, unreadable: -1,
	}
}

func (l *Log) epoch() int32 { return l.epochs[len(l.epochs)-1].epoch }

func (l *Log) append(e Entry) {
	e.Record.Offset, e.Record.Timestamp, e.Epoch = l.end, l.now().UnixMilli(), l.epoch()
	l.entries = append(l.entries, e)
	l.history[l.end] = append(l.history[l.end], e)
	l.end++
	l.top = max(l.top, l.end)
}

// Produce appends a record for each value.
func (l *Log) Produce(values ...string) {
	for _, value := range values {
		l.append(Entry{Record: baldr.Record{Value: []byte(value)}})
	}
}

// ProduceRecord appends a record. Its offset and its timestamp are the log's.
func (l *Log) ProduceRecord(r baldr.Record) { l.append(Entry{Record: r}) }

// Begin begins a transaction and appends its first records.
func (l *Log) Begin(values ...string) (transaction int) {
	l.nextTx++
	l.open[l.nextTx] = l.end
	for _, value := range values {
		l.append(Entry{Record: baldr.Record{Value: []byte(value)}, Transaction: l.nextTx})
	}
	return l.nextTx
}

// End commits or aborts a transaction and appends its marker.
func (l *Log) End(transaction int, commit bool) {
	if _, ok := l.open[transaction]; !ok {
		return // the log was cut below it
	}
	delete(l.open, transaction)
	l.aborted[transaction] = !commit
	l.append(Entry{Control: true, Transaction: transaction})
}

// OpenTransactions returns the transactions without an end, in order.
func (l *Log) OpenTransactions() []int {
	var open []int
	for tx := range l.nextTx {
		if _, ok := l.open[tx+1]; ok {
			open = append(open, tx+1)
		}
	}
	return open
}

// Start is the first offset that can be read.
func (l *Log) Start() int64 { return l.start }

// LogEnd is the offset of the next record.
func (l *Log) LogEnd() int64 { return l.end }

// LastStable is the end of what a read_committed consumer may read.
func (l *Log) LastStable() int64 {
	stable := l.end - l.dip
	for _, first := range l.open {
		stable = min(stable, first)
	}
	return max(stable, l.start)
}

// Retain deletes everything below the offset.
func (l *Log) Retain(start int64) {
	start = max(l.start, min(start, l.LastStable()))
	i, _ := slices.BinarySearchFunc(l.entries, start, compareEntries)
	l.deleted = deletion{l.start, slices.Clone(l.entries[:i])}
	l.start, l.entries, l.began = start, slices.Clone(l.entries[i:]), max(l.began, start)
}

// Forget lets the broker die and begin where the log began before the last
// deletion: it writes log starts to disk once a minute only
// (log.flush.start.offset.checkpoint.interval.ms), so records that were said to be
// deleted can be read again.
func (l *Log) Forget() {
	l.start, l.entries = min(l.start, l.deleted.start), slices.Concat(l.deleted.entries, l.entries)
	l.deleted = deletion{start: l.start}
}

// Compact removes stable entries that drop says yes to. The offsets stay, empty.
func (l *Log) Compact(drop func(Entry) bool) {
	stable := l.LastStable()
	l.entries = slices.DeleteFunc(l.entries, func(e Entry) bool {
		gone := e.Record.Offset < stable && drop(e)
		if gone {
			l.compacted[e.Record.Offset] = true
		}
		return gone
	})
}

// Elect gives the partition a new leader that has the whole log.
func (l *Log) Elect() { l.epochs = append(l.epochs, epochStart{l.epoch() + 1, l.end}) }

// Truncate gives the partition a new leader whose log ends at the offset: an
// unclean election.
func (l *Log) Truncate(end int64) {
	end = max(l.start, min(end, l.end))
	next := l.epoch() + 1
	if end < l.end && (l.cut < 0 || end < l.cut) {
		l.cut = end
	}
	i, _ := slices.BinarySearchFunc(l.entries, end, compareEntries)
	l.entries, l.end, l.dip = slices.Clone(l.entries[:i]), end, 0
	for tx, first := range l.open {
		if first >= end {
			delete(l.open, tx)
		}
	}
	l.epochs = slices.DeleteFunc(l.epochs, func(e epochStart) bool { return e.start >= end })
	l.epochs = append(l.epochs, epochStart{next, end})
}

// Dip lets the high watermark fall behind the end of the log, as it may for a
// moment after a failover.
func (l *Log) Dip(by int64) { l.dip = max(0, min(by, l.end-l.start)) }

// Fail makes the leader fail at an offset, whoever asks and however often, as it
// does at a batch that is damaged or too large, or at a segment in tiered storage
// that it cannot read. What lies below can be read.
func (l *Log) Fail(at int64) { l.unreadable = at }

// Mend lets the whole log be read again.
func (l *Log) Mend() { l.unreadable = -1 }

// Lead takes away the log's leader, as the death of the only broker that has it
// does, or gives it one.
func (l *Log) Lead(led bool) { l.leaderless = !led }

// WasCut is the lowest offset at which the log was ever cut, -1 for never.
func (l *Log) WasCut() int64 { return l.cut }

func (l *Log) observe(now time.Time) bifrost.Observation {
	return bifrost.Observation{
		LogStart: l.start, LastStable: l.LastStable(), HighWatermark: l.end - l.dip,
		LeaderEpoch: l.epoch(), At: now,
	}
}

func (l *Log) firstSince(at time.Time) int64 {
	for _, e := range l.entries {
		if e.Record.Offset < l.LastStable() && e.Record.Timestamp >= at.UnixMilli() {
			return e.Record.Offset
		}
	}
	return l.LastStable()
}

// epochEnd answers as a broker does: of the largest epoch that is not above the
// one asked for, the offset where the next begins (KIP-279); -1 for an epoch
// above the leader's own.
func (l *Log) epochEnd(asked int32) int64 {
	if asked == l.epoch() {
		return l.end
	}
	for _, e := range l.epochs {
		if e.epoch > asked {
			return e.start
		}
	}
	return -1
}

// Next implements bifrost.Records.
func (f *fetch) Next(ctx context.Context) (bifrost.Batch, error) {
	if err := ended(ctx); err != nil {
		return bifrost.Batch{}, err
	}
	if f.position >= f.end {
		return bifrost.Batch{}, io.EOF
	}
	log, err := f.log()
	if err != nil {
		return bifrost.Batch{}, err
	}
	stable := log.LastStable()
	to := min(f.position+f.kafka.BatchOffsets, f.end, stable)
	if f.position < log.unreadable {
		to = min(to, log.unreadable)
	}
	switch {
	case f.position < log.start || f.position >= stable:
		return bifrost.Batch{}, &bifrost.OutOfRangeError{Position: f.position, LogStart: log.start, LogEnd: stable}
	case f.position == log.unreadable:
		return bifrost.Batch{}, fmt.Errorf("fetch at %d: %w", f.position, errUnreadable)
	default:
		batch := log.stretch(f.position, to)
		f.position = batch.Position
		return batch, nil
	}
}

// stretch is what a read_committed consumer gets of [from, to).
func (l *Log) stretch(from, to int64) bifrost.Batch {
	batch := bifrost.Batch{Position: to, LeaderEpoch: -1}
	batch.Missing.Compacted = to - from
	i, _ := slices.BinarySearchFunc(l.entries, from, compareEntries)
	for ; i < len(l.entries) && l.entries[i].Record.Offset < to; i++ {
		e := l.entries[i]
		batch.Missing.Compacted--
		batch.LeaderEpoch = e.Epoch
		switch {
		case e.Control:
			batch.Missing.Control++
		case l.aborted[e.Transaction]:
			batch.Missing.Aborted++
		default:
			batch.Records = append(batch.Records, e.Record)
		}
	}
	return batch
}
