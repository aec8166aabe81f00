package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// TestWalkAccountsForEveryOffset reads ranges of drawn logs, response by
// response, and compares with what the log was made of: each record, and each
// offset without one by its reason.
func TestWalkAccountsForEveryOffset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawLog(t)
		start := rapid.Int64Range(0, l.end-1).Draw(t, "start")
		r := bifrost.Range{Start: start, End: rapid.Int64Range(start+1, l.end).Draw(t, "end")}
		got, missing := walkLog(t, l, r)

		want, wantMissing := []baldr.Record{}, baldr.Missing{}
		expected := l.expected()
		for offset := r.Start; offset < r.End; offset++ {
			switch l.fates[offset] {
			case kept:
				want = append(want, expected[offset])
			case controlMarker:
				wantMissing.Control++
			case abortedRecord:
				wantMissing.Aborted++
			case compactedAway:
				wantMissing.Compacted++
			}
		}
		if missing != wantMissing {
			t.Fatalf("missing in %s: %+v, want %+v", r, missing, wantMissing)
		}
		if difference := compare(got, want); difference != "" {
			t.Fatalf("records of %s: %s", r, difference)
		}
	})
}

// walkLog reads a range and checks every stretch by itself.
func walkLog(t *rapid.T, l *testLog, r bifrost.Range) (records []baldr.Record, missing baldr.Missing) {
	w := newWalker(r, DefaultLargestBatch)
	defer w.decompressor.Close()
	for position := r.Start; w.position < r.End; {
		p := l.fetch(position, rapid.IntRange(1, 4).Draw(t, "batches in response"), rapid.IntRange(0, 200).Draw(t, "piece"))
		answer := response{next: l.end}
		if len(p.RecordBatches) > 0 {
			var err error
			if answer, err = scanResponse("topic", position, p); err != nil {
				t.Fatal(err)
			}
		}
		w.loadResponse(answer)
		for !w.isUsedUp() {
			before := w.position
			stretch, err := w.stepBatch()
			if err != nil {
				t.Fatal(err)
			}
			checkStretch(t, before, r.End, stretch)
			for _, record := range stretch.Records {
				records = append(records, record.Clone())
			}
			missing.Control += stretch.Missing.Control
			missing.Aborted += stretch.Missing.Aborted
			missing.Compacted += stretch.Missing.Compacted
		}
		position = answer.next
	}
	return records, missing
}

// checkStretch checks what must hold of every stretch, whatever the bytes.
func checkStretch(t interface{ Fatalf(string, ...any) }, before, end int64, s bifrost.Batch) {
	m := s.Missing
	if s.Position <= before || s.Position > end {
		t.Fatalf("position %d after %d, in a range up to %d", s.Position, before, end)
	}
	if m.Control < 0 || m.Aborted < 0 || m.Compacted < 0 || int64(len(s.Records))+m.Control+m.Aborted+m.Compacted != s.Position-before {
		t.Fatalf("%d records and missing %+v do not make %d offsets", len(s.Records), m, s.Position-before)
	}
	last := before - 1
	for _, r := range s.Records {
		if r.Offset <= last || r.Offset >= s.Position {
			t.Fatalf("offset %d after %d, in a stretch up to %d", r.Offset, last, s.Position)
		}
		last = r.Offset
	}
}

// TestWalkAgreesWithFranzGo reads drawn logs with franz-go's own parser, too.
func TestWalkAgreesWithFranzGo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawLog(t)
		position := rapid.Int64Range(0, l.end-1).Draw(t, "position")
		p := l.fetch(position, len(l.batches), 0)
		if len(p.RecordBatches) == 0 {
			return // a compacted tail, of which franz-go knows nothing
		}
		theirs, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			Offset: position, IsolationLevel: kgo.ReadCommitted(), Topic: "topic",
		}, p, kgo.DefaultDecompressor(), nil)
		if theirs.Err != nil {
			t.Fatal(theirs.Err)
		}
		want := []baldr.Record{}
		for _, r := range theirs.Records {
			want = append(want, fromFranzGo(r))
		}
		ours, _ := walkLog(t, l, bifrost.Range{Start: position, End: next})
		if difference := compare(ours, want); difference != "" {
			t.Fatal(difference)
		}
	})
}

func fromFranzGo(r *kgo.Record) baldr.Record {
	record := baldr.Record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	if r.Attrs.TimestampType() == 1 {
		record.TimestampType = baldr.LogAppendTime
	}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, baldr.Header{Key: []byte(h.Key), Value: h.Value})
	}
	return record
}

// compare tells the first difference between two sequences of records.
func compare(got, want []baldr.Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if g, w := describe(got[i]), describe(want[i]); g != w {
			return fmt.Sprintf("record %d is\n%s, want\n%s", i, g, w)
		}
	}
	return ""
}

// describe spells a record out, null apart from empty.
func describe(r baldr.Record) string {
	var s strings.Builder
	spell := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprintf("%q", b)
	}
	fmt.Fprintf(&s, "%d %d %s key %s value %s", r.Offset, r.Timestamp, r.TimestampType, spell(r.Key), spell(r.Value))
	for _, h := range r.Headers {
		fmt.Fprintf(&s, " %s=%s", spell(h.Key), spell(h.Value))
	}
	return s.String()
}

// TestWalkManyRecords checks that a batch with more records than fit a stretch
// is handed over in several, and that headers of earlier records survive the
// growth of the slice they share.
func TestWalkManyRecords(t *testing.T) {
	t.Parallel()
	b := testBatch{codec: kgo.CodecZstd}
	for i := range int64(3*maxStretch + 17) {
		b.records = append(b.records, testRecord{offset: i, value: []byte{}, headers: []baldr.Header{{Key: fmt.Append(nil, i)}}})
	}
	end := int64(len(b.records))
	w := newWalker(bifrost.Range{Start: 5, End: end - 5}, DefaultLargestBatch)
	w.loadResponse(response{next: end, batches: b.encode()})
	next := int64(5)
	for !w.isUsedUp() {
		stretch, err := w.stepBatch()
		if err != nil {
			t.Fatal(err)
		}
		if len(stretch.Records) > maxStretch {
			t.Fatalf("%d records in one stretch", len(stretch.Records))
		}
		for _, r := range stretch.Records {
			if r.Offset != next || string(r.Headers[0].Key) != fmt.Sprint(next) {
				t.Fatalf("got offset %d with header %q, want %d", r.Offset, r.Headers[0].Key, next)
			}
			next++
		}
	}
	if next != end-5 {
		t.Fatalf("stopped at offset %d, want %d", next, end-5)
	}
}

// TestWalkDamage damages a batch in ways that the checksum does not show and
// looks for an error that names the batch.
func TestWalkDamage(t *testing.T) {
	t.Parallel()
	good := func() []byte {
		return testBatch{base: 40, records: []testRecord{
			{offset: 40, key: []byte("k"), value: []byte("value")}, {offset: 41, value: []byte("other"), headers: []baldr.Header{{Key: []byte("h")}}},
		}}.encode()
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"checksum":              func(b []byte) []byte { b[17] ^= 1; return b },
		"payload":               func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"one record too few":    func(b []byte) []byte { b[60]--; return sealed(b) },
		"one record too many":   func(b []byte) []byte { b[60]++; return sealed(b) },
		"negative records":      func(b []byte) []byte { b[57] = 0x80; return sealed(b) },
		"two billion records":   func(b []byte) []byte { b[57] = 0x7f; return sealed(b) },
		"record too long":       func(b []byte) []byte { b[61] = 0x7e; return sealed(b) },
		"negative length":       func(b []byte) []byte { b[61] = 0x01; return sealed(b) },
		"offset delta too high": func(b []byte) []byte { b[64] = 0x08; return sealed(b) },
		"offset delta negative": func(b []byte) []byte { b[64] = 0x01; return sealed(b) },
		"key too long":          func(b []byte) []byte { b[65] = 0x7e; return sealed(b) },
		"unknown codec":         func(b []byte) []byte { b[22] = 7; return sealed(b) },
		"not gzip":              func(b []byte) []byte { b[22] = 1; return sealed(b) },
		"not snappy":            func(b []byte) []byte { b[22] = 2; return sealed(b) },
		"not lz4":               func(b []byte) []byte { b[22] = 3; return sealed(b) },
		"not zstd":              func(b []byte) []byte { b[22] = 4; return sealed(b) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWalker(bifrost.Range{Start: 40, End: 42}, DefaultLargestBatch)
			w.loadResponse(response{next: 42, batches: damage(good())})
			_, err := w.stepBatch()
			if !errors.Is(err, recordbatch.ErrCorrupt) || !strings.Contains(err.Error(), "40") {
				t.Fatalf("got error %v", err)
			}
		})
	}
}

// TestScanResponse checks how far responses reach that are cut, foreign or damaged.
func TestScanResponse(t *testing.T) {
	t.Parallel()
	one := testBatch{base: 10, last: 14, records: []testRecord{{offset: 11}}}.encode()
	two := testBatch{base: 20, records: []testRecord{{offset: 20}}}.encode()
	both := slices.Concat(one, two)
	for cut := range len(both) + 1 {
		r, err := scanResponse("topic", 10, &kmsg.FetchResponseTopicPartition{RecordBatches: both[:cut]})
		switch {
		case cut < len(one):
			if !errors.Is(err, recordbatch.ErrCorrupt) {
				t.Fatalf("cut at byte %d: error %v", cut, err)
			}
		case cut < len(both):
			if err != nil || r.first != 10 || r.next != 15 || !bytes.Equal(r.batches, one) {
				t.Fatalf("cut at byte %d: [%d, %d), %d bytes, error %v", cut, r.first, r.next, len(r.batches), err)
			}
		default:
			if err != nil || r.next != 21 || !bytes.Equal(r.batches, both) {
				t.Fatalf("whole: up to %d, %d bytes, error %v", r.next, len(r.batches), err)
			}
		}
	}
	for name, damage := range map[string]func(b []byte){
		"negative length":   func(b []byte) { b[8] = 0xff },
		"length too short":  func(b []byte) { b[11] = 20 },
		"unknown format":    func(b []byte) { b[16] = 3 },
		"negative offset":   func(b []byte) { b[0] = 0x80 },
		"last before first": func(b []byte) { b[23] = 0x80 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			damaged := bytes.Clone(both)
			damage(damaged[len(one):])
			if _, err := scanResponse("topic", 10, &kmsg.FetchResponseTopicPartition{RecordBatches: damaged}); !errors.Is(err, recordbatch.ErrCorrupt) {
				t.Fatalf("got error %v", err)
			}
		})
	}
}

// TestWalkRefusesUnexplainedDistance checks that offsets which the batches of a
// response do not reach are not taken for compacted ones.
func TestWalkRefusesUnexplainedDistance(t *testing.T) {
	t.Parallel()
	w := newWalker(bifrost.Range{Start: 0, End: 10}, DefaultLargestBatch)
	w.loadResponse(response{next: 10, batches: testBatch{records: []testRecord{{offset: 0}}}.encode()})
	if _, err := w.stepBatch(); err != nil {
		t.Fatal(err)
	}
	if stretch, err := w.stepBatch(); !errors.Is(err, recordbatch.ErrCorrupt) {
		t.Fatalf("got %+v and error %v", stretch, err)
	}
}

// TestWalkAllocatesNothing reads warm.
func TestWalkAllocatesNothing(t *testing.T) {
	for codec, name := range codecNames {
		b := testBatch{codec: codec}
		for i := range int64(2000) {
			b.records = append(b.records, testRecord{offset: i, key: []byte("key"), value: bytes.Repeat([]byte("value"), 50), headers: []baldr.Header{{Key: []byte("h")}}})
		}
		batches := b.encode()
		w := newWalker(bifrost.Range{Start: 0, End: 2000}, DefaultLargestBatch)
		allocations := testing.AllocsPerRun(20, func() {
			w.position = 0
			w.loadResponse(response{next: 2000, batches: batches})
			for !w.isUsedUp() {
				if _, err := w.stepBatch(); err != nil {
					t.Fatal(err)
				}
			}
		})
		if allocations > 10 { // a batch costs a few with some codecs, a record none
			t.Errorf("%s: %v allocations for 2000 records", name, allocations)
		}
	}
}
