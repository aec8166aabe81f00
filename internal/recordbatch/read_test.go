package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/bifrost-archive/bifrost/baldr"
)

// rawRecord is a record as a batch has it, with whatever fields.
func rawRecord(time, delta int64, fields ...[]byte) []byte {
	body := binary.AppendVarint(binary.AppendVarint([]byte{0}, time), delta)
	body = append(body, bytes.Join(fields, nil)...)
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

// rawField is a length with its bytes, null without any.
func rawField(text string, null bool) []byte {
	if null {
		return binary.AppendVarint(nil, -1)
	}
	return append(binary.AppendVarint(nil, int64(len(text))), text...)
}

func rawNumber(n int64) []byte { return binary.AppendVarint(nil, n) }

// A reader gives what is there, and refuses what no producer writes; what it gives is not
// changed by what is read behind it, or put behind it.
func TestRecordsOfABatch(t *testing.T) {
	t.Parallel()
	null, none := rawField("", true), rawNumber(0)
	h := Header{Base: 100, Last: 110, BaseTimestamp: 5000, LargestTimestamp: 6000, Records: 3}
	data := slices.Concat(
		rawRecord(1, 0, rawField("k0", false), rawField("v0", false), rawNumber(2), rawField("a", false), rawField("x", false),
			rawField("", false), null),
		rawRecord(-2, 4, null, rawField("", false), none),
		rawRecord(3, 10, rawField("k2", false), null, rawNumber(1), rawField("b", false), rawField("y", false)))
	for attributes, times := range map[uint16][3]int64{0: {5001, 4998, 5003}, logAppendTimeBit: {6000, 6000, 6000}} {
		h.Attributes = attributes
		kind := baldr.CreateTime
		if attributes != 0 {
			kind = baldr.LogAppendTime
		}
		want := []baldr.Record{
			{Offset: 100, Timestamp: times[0], TimestampType: kind, Key: []byte("k0"), Value: []byte("v0"),
				Headers: []baldr.Header{{Key: []byte("a"), Value: []byte("x")}, {Key: []byte{}}}},
			{Offset: 104, Timestamp: times[1], TimestampType: kind, Value: []byte{}},
			{Offset: 110, Timestamp: times[2], TimestampType: kind, Key: []byte("k2"), Headers: []baldr.Header{{Key: []byte("b"), Value: []byte("y")}}},
		}
		b := NewReader(h, bytes.Clone(data))
		var r baldr.Record // the same for all
		var headers []baldr.Header
		var got []baldr.Record
		for b.Left() > 0 {
			if err := b.Read(&r, &headers); err != nil {
				t.Fatal(err)
			}
			if b.Previous() != r.Offset {
				t.Errorf("%d, and the last one was %d", r.Offset, b.Previous())
			}
			got = append(got, r)
			_, _, _ = append(r.Key, "###"...), append(r.Value, "###"...), append(r.Headers, baldr.Header{Key: []byte("#")})
		}
		if err := b.End(); err != nil || !reflect.DeepEqual(got, want) || len(headers) != 3 {
			t.Errorf("got  %v %d\nwant %v; %v", got, len(headers), want, err)
		}
	}
	h.Attributes = 0
	ok := rawRecord(0, 4, null, null, none)
	for name, c := range map[string]struct {
		data []byte
		want int // records before the error
	}{
		"the same offset again":      {slices.Concat(ok, ok), 1},
		"an earlier offset":          {slices.Concat(ok, rawRecord(0, 3, null, null, none)), 1},
		"an offset before the base":  {rawRecord(0, -1, null, null, none), 0},
		"an offset behind the last":  {rawRecord(0, 11, null, null, none), 0},
		"bytes behind its fields":    {slices.Concat(ok, rawRecord(0, 5, null, null, none, []byte{0})), 1},
		"a header without a key":     {rawRecord(0, 4, null, null, rawNumber(1), null, null), 0},
		"headers of less than none":  {rawRecord(0, 4, null, null, rawNumber(-1)), 0},
		"headers that are not there": {rawRecord(0, 4, null, null, rawNumber(1)), 0},
		"a field behind its end":     {slices.Concat(rawRecord(0, 4, null, rawNumber(9)), make([]byte, 20)), 0},
		"a length of nothing":        {[]byte{0, 0, 0}, 0},
		"a length behind the end":    {append(slices.Clone(ok), 60), 1},
		"nothing more":               {ok, 1},
	} {
		b := NewReader(h, c.data)
		var headers []baldr.Header
		n := 0
		var err error
		for r := (baldr.Record{}); err == nil; n++ {
			err = b.Read(&r, &headers)
		}
		if n-1 != c.want || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %d records, and then %v", name, n-1, err)
		}
	}
	b := NewReader(h, slices.Concat(ok, []byte{0}))
	var r baldr.Record
	if err := b.Read(&r, &[]baldr.Header{}); err != nil || !errors.Is(b.End(), ErrCorrupt) {
		t.Errorf("bytes behind all: %v, %v", err, b.End())
	}
}

// What a broker stores is one batch as long as the format can say it of all its records.
func TestWhatAStoredBatchTakes(t *testing.T) {
	t.Parallel()
	at := func(offset, time int64, kind baldr.TimestampType) *baldr.Record {
		return &baldr.Record{Offset: offset, Timestamp: time, TimestampType: kind, Value: []byte("v")}
	}
	for name, c := range map[string]struct {
		records []*baldr.Record
		more    bool // the last one is taken
	}{
		"with holes":               {[]*baldr.Record{at(5, 1, baldr.CreateTime), at(9, 1, baldr.CreateTime)}, true},
		"of other times":           {[]*baldr.Record{at(5, 1, baldr.CreateTime), at(6, 9, baldr.CreateTime), at(7, 3, baldr.CreateTime)}, true},
		"of another kind":          {[]*baldr.Record{at(5, 1, baldr.CreateTime), at(6, 1, baldr.LogAppendTime)}, false},
		"of another kind, back":    {[]*baldr.Record{at(5, 1, baldr.LogAppendTime), at(6, 1, baldr.CreateTime)}, false},
		"of one time of a broker":  {[]*baldr.Record{at(5, 1, baldr.LogAppendTime), at(6, 1, baldr.LogAppendTime)}, true},
		"of two times of a broker": {[]*baldr.Record{at(5, 1, baldr.LogAppendTime), at(6, 1, baldr.LogAppendTime), at(7, 2, baldr.LogAppendTime)}, false},
		"far away":                 {[]*baldr.Record{at(5, 1, baldr.CreateTime), at(5+math.MaxInt32, 1, baldr.CreateTime)}, true},
		"too far away":             {[]*baldr.Record{at(5, 1, baldr.CreateTime), at(6+math.MaxInt32, 1, baldr.CreateTime)}, false},
	} {
		var w StoredWriter
		for range 2 { // a second batch begins as the first did
			last := len(c.records) - 1
			for i, r := range c.records {
				if took := w.Add(r, Uncompressed); took != (i < last || c.more) {
					t.Errorf("%s: %d is taken: %v", name, i, took)
				}
			}
			in := c.records
			if !c.more {
				in = in[:last]
			}
			first, end := w.Offsets()
			if int(w.Count()) != len(in) || first != in[0].Offset || end != in[len(in)-1].Offset {
				t.Errorf("%s: %d records of [%d, %d]", name, w.Count(), first, end)
			}
			batch := w.Seal()
			h, err := ParseHeader(batch)
			if err != nil || VerifyChecksum(batch) != nil || h.Base != first || h.Last != end || int(h.Records) != len(in) {
				t.Fatalf("%s: %+v, %v", name, h, err)
			}
			b := NewReader(h, batch[HeaderBytes:])
			for _, want := range in {
				var r baldr.Record
				if err := b.Read(&r, &[]baldr.Header{}); err != nil || r.Offset != want.Offset || r.Timestamp != want.Timestamp ||
					r.TimestampType != want.TimestampType {
					t.Errorf("%s: %+v, want %+v; %v", name, r, *want, err)
				}
			}
		}
	}
}

// Which markers end what.
func TestMarkers(t *testing.T) {
	t.Parallel()
	marker := CommitMarker(7)
	h, err := ParseHeader(marker)
	if err != nil || h.Base != 7 || h.Last != 7 || !h.Control() || !h.Transactional() {
		t.Fatalf("%+v, %v", h, err)
	}
	record := func(key string) []byte {
		return rawRecord(0, 0, rawField(key, false), rawField("", true), rawNumber(0))
	}
	plain, empty := h, h
	plain.Attributes &^= controlBatchBit
	empty.Records = 0
	for name, c := range map[string]struct {
		h    Header
		data []byte
		want bool
		err  error
	}{
		"as it is written": {h, marker[HeaderBytes:], false, nil},
		"commit":           {h, record("\x00\x00\x00\x01"), false, nil},
		"abort":            {h, record("\x00\x00\x00\x00"), true, nil},
		"abort, longer":    {h, record("\x00\x00\x00\x00\x01"), true, nil},
		"another type":     {h, record("\x00\x00\x01\x00"), false, nil},
		"a short key":      {h, record("\x00\x00\x00"), false, ErrCorrupt},
		"damaged":          {h, []byte{1}, false, ErrCorrupt},
		"no marker":        {plain, record("\x00\x00\x00\x00"), false, nil},
		"compacted away":   {empty, nil, false, nil},
	} {
		aborted, err := NewReader(c.h, c.data).EndsTransaction()
		if aborted != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v", name, aborted, err)
		}
	}
}

// Lengths and counts that no broker sends are damage, and a batch that is cut is none yet.
func TestLengthsOfBatches(t *testing.T) {
	t.Parallel()
	whole := CommitMarker(7)
	for n := range len(whole) {
		if got, err := WholeBytes(whole[:n]); got != 0 || err != nil {
			t.Errorf("%d of %d bytes: %d, %v", n, len(whole), got, err)
		}
	}
	if got, err := WholeBytes(append(bytes.Clone(whole), "more"...)); got != len(whole) || err != nil {
		t.Errorf("with more: %d, %v", got, err)
	}
	for magic, least := range map[byte]int32{0: prefixBytes, 1: prefixBytes, 2: HeaderBytes} {
		for _, length := range []int32{math.MinInt32, -1, 0, least - lengthBytes - 1, least - lengthBytes, least} {
			data := make([]byte, 200)
			data[16] = magic
			binary.BigEndian.PutUint32(data[8:], uint32(length))
			got, err := WholeBytes(data)
			if length < least-lengthBytes {
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("magic %d, length %d: %d, %v", magic, length, got, err)
				}
			} else if err != nil || got != int(length)+lengthBytes {
				t.Errorf("magic %d, length %d: %d, %v", magic, length, got, err)
			}
		}
	}
	for name, change := range map[string]func([]byte){
		"format":           func(b []byte) { b[16] = 3 },
		"negative base":    func(b []byte) { b[0] = 0x80 },
		"negative delta":   func(b []byte) { b[23] = 0x80 },
		"past the end":     func(b []byte) { copy(b, "\x7f\xff\xff\xff\xff\xff\xff\xff"); b[26] = 1 },
		"negative records": func(b []byte) { b[57] = 0x80 },
	} {
		b := bytes.Clone(whole)
		change(b)
		if _, err := ParseHeader(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The bound is of all blocks together, and what is as large as it is allowed; memory is used
// again.
func TestBoundOfADecompressor(t *testing.T) {
	t.Parallel()
	block := s2.EncodeSnappy(nil, make([]byte, 1000))
	framed := slices.Concat(xerialMagic, make([]byte, 8))
	for range 3 {
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(block))), block...)
	}
	d := Decompressor{Most: 3000}
	first, err := d.Decompress(Snappy, framed)
	if err != nil || len(first) != 3000 {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	again, err := d.Decompress(Snappy, framed)
	if err != nil || &again[0] != &first[0] {
		t.Errorf("other memory, %v", err)
	}
	d.Most--
	if _, err := d.Decompress(Snappy, framed); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	for cut := 1; cut < len(framed)-1; cut++ {
		at := (cut - len(xerialMagic) - 8) % (4 + len(block))
		if cut >= len(xerialMagic)+8 && at == 0 {
			continue // between blocks
		}
		d.Most = 3000
		if _, err := d.Decompress(Snappy, framed[:cut]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d of %d: %v", cut, len(framed), err)
		}
	}
	for _, length := range []uint32{1 << 31, math.MaxUint32, uint32(len(block) + 1)} {
		lie := bytes.Clone(framed)
		binary.BigEndian.PutUint32(lie[len(lie)-len(block)-4:], length)
		if _, err := d.Decompress(Snappy, lie); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a length of %d: %v", int32(length), err)
		}
	}
}
