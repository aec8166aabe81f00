package kafka

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
)

// fate is what became of an offset.
type fate int

const (
	compactedAway fate = iota // the zero value: no batch says anything of it
	kept
	controlMarker
	abortedRecord
)

// testLog is a partition as a broker could have it on its disks, below the last
// stable offset, and what a reader must find in it.
type testLog struct {
	batches []testBatch
	end     int64 // last stable offset
	fates   map[int64]fate
	records map[int64]testRecord
	aborted []abortedSpan
}

// abortedSpan is one aborted transaction.
type abortedSpan struct {
	producer            int64
	firstOffset, marker int64
}

// drawLog writes a log of some batches: of plain producers and of transactions
// side by side, then compacts some of it.
func drawLog(t *rapid.T) *testLog {
	l := &testLog{fates: map[int64]fate{}, records: map[int64]testRecord{}}
	open := map[int64][]int64{} // producer to the offsets of its transaction
	for range rapid.IntRange(1, 12).Draw(t, "batches") {
		producer := rapid.Int64Range(0, 3).Draw(t, "producer")
		switch {
		case producer == 0:
			l.appendBatch(t, testBatch{producer: -1})
		case len(open[producer]) > 0 && rapid.Bool().Draw(t, "end transaction"):
			l.endTransaction(t, producer, open[producer])
			delete(open, producer)
		default:
			open[producer] = append(open[producer], l.appendBatch(t, testBatch{producer: producer, transactional: true})...)
		}
	}
	for _, producer := range []int64{1, 2, 3} { // below the last stable offset no transaction is open
		if len(open[producer]) > 0 {
			l.endTransaction(t, producer, open[producer])
		}
	}
	if rapid.Bool().Draw(t, "compacted") {
		l.compact(t)
	}
	if rapid.IntRange(0, 3).Draw(t, "tail") == 0 {
		l.end += rapid.Int64Range(1, 5).Draw(t, "tail length")
	}
	return l
}

func (l *testLog) appendBatch(t *rapid.T, b testBatch) (offsets []int64) {
	b.base, b.leaderEpoch = l.end, int32(len(l.batches))
	b.codec = kgo.CompressionCodecType(rapid.IntRange(0, 4).Draw(t, "codec"))
	b.xerial = rapid.Bool().Draw(t, "xerial")
	if rapid.IntRange(0, 4).Draw(t, "append time") == 0 {
		b.appendTime = 1_700_000_000_000 + l.end
	}
	for range rapid.IntRange(1, 6).Draw(t, "records") {
		b.records = append(b.records, drawRecord(t, l.end))
		offsets = append(offsets, l.end)
		l.fates[l.end] = kept
		l.end++
	}
	l.batches = append(l.batches, b)
	return offsets
}

func drawRecord(t *rapid.T, offset int64) testRecord {
	r := testRecord{offset: offset, timestamp: rapid.Int64Range(-1, 1<<42).Draw(t, "timestamp")}
	r.key, r.value = drawBytes(t, "key"), drawBytes(t, "value")
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "headers") {
		key := rapid.SampledFrom([]string{"", "a", "a", "trace"}).Draw(t, "header key")
		r.headers = append(r.headers, baldr.Header{Key: []byte(key), Value: drawBytes(t, "header value")})
	}
	return r
}

// drawBytes draws null, nothing, little and much.
func drawBytes(t *rapid.T, label string) []byte {
	switch rapid.IntRange(0, 7).Draw(t, label+" kind") {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return slices.Repeat([]byte(label), rapid.IntRange(1, 30_000).Draw(t, label+" repeats"))
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, label)
}

func (l *testLog) endTransaction(t *rapid.T, producer int64, offsets []int64) {
	commit := rapid.Bool().Draw(t, "commit")
	l.batches = append(l.batches, testBatch{
		base: l.end, leaderEpoch: int32(len(l.batches)), producer: producer,
		transactional: true, control: true, records: []testRecord{marker(l.end, commit)},
	})
	l.fates[l.end] = controlMarker
	if !commit {
		l.aborted = append(l.aborted, abortedSpan{producer, offsets[0], l.end})
		for _, offset := range offsets {
			l.fates[offset] = abortedRecord
		}
	}
	l.end++
}

// compact removes records as the log cleaner does: some of those that count,
// most of those that were aborted, and markers once nothing of their transaction
// is left. The last offset of a batch stays, unless the whole batch goes.
func (l *testLog) compact(t *rapid.T) {
	for i := range l.batches {
		b := &l.batches[i]
		b.last = b.records[len(b.records)-1].offset
		if !b.control {
			b.records = slices.DeleteFunc(b.records, func(testRecord) bool { return rapid.IntRange(0, 2).Draw(t, "remove") == 0 })
		}
	}
	l.aborted = slices.DeleteFunc(l.aborted, func(a abortedSpan) bool {
		left := slices.ContainsFunc(l.batches, func(b testBatch) bool {
			return b.producer == a.producer && !b.control && len(b.records) > 0 && b.base >= a.firstOffset && b.base < a.marker
		})
		if left || rapid.Bool().Draw(t, "keep marker") {
			return false
		}
		at := slices.IndexFunc(l.batches, func(b testBatch) bool { return b.base == a.marker })
		l.batches[at].records = nil
		return true
	})
	l.batches = slices.DeleteFunc(l.batches, func(b testBatch) bool {
		return len(b.records) == 0 && rapid.Bool().Draw(t, "remove batch")
	})
	present := map[int64]fate{}
	for _, b := range l.batches {
		for _, r := range b.records {
			present[r.offset] = l.fates[r.offset]
		}
	}
	l.fates = present
}

// fetch answers as a leader does: batches from the one that holds the position
// on, at most so many, and perhaps a piece of the next.
func (l *testLog) fetch(position int64, batches, piece int) *kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset = l.end, l.end, 0
	upper := position
	for _, b := range l.batches {
		last := b.last
		for _, r := range b.records {
			last = max(last, r.offset)
		}
		if last < position {
			continue
		}
		encoded := b.encode()
		if batches == 0 {
			p.RecordBatches = append(p.RecordBatches, encoded[:min(piece, len(encoded)-1)]...)
			break
		}
		p.RecordBatches = append(p.RecordBatches, encoded...)
		upper = last + 1
		batches--
	}
	for _, a := range l.aborted {
		if a.marker >= position && a.firstOffset < upper {
			listed := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
			listed.ProducerID, listed.FirstOffset = a.producer, a.firstOffset
			p.AbortedTransactions = append(p.AbortedTransactions, listed)
		}
	}
	slices.Reverse(p.AbortedTransactions) // no broker promises an order
	return &p
}

// expected is the record that a reader must get at an offset.
func (l *testLog) expected() map[int64]baldr.Record {
	records := map[int64]baldr.Record{}
	for _, b := range l.batches {
		for _, r := range b.records {
			if l.fates[r.offset] != kept {
				continue
			}
			record := baldr.Record{Offset: r.offset, Timestamp: r.timestamp, Key: r.key, Value: r.value, Headers: r.headers}
			if b.appendTime != 0 {
				record.Timestamp, record.TimestampType = b.appendTime, baldr.LogAppendTime
			}
			records[r.offset] = record
		}
	}
	return records
}

// String is what rapid prints of a log that makes a test fail.
func (l *testLog) String() string {
	return fmt.Sprintf("log of %d batches up to offset %d, aborted %v", len(l.batches), l.end, l.aborted)
}
