package baldr

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

// A forgery is an object with one thing in it that is not true, and all
// checksums right.
type forgery struct {
	name  string
	facts func(*member)          // of the first data member
	rows  func([]byte) []byte    // of the index
	foot  func(*footer)          // the footer
	text  func([]byte) []byte    // the summary
	bytes func(t require) []byte // or all of the file
	want  error                  // ErrDamaged unless said otherwise
	file  error                  // of a File, if another
	opts  func(opts ReaderOptions) ReaderOptions
}

// forge writes records in one member, with what f changes.
func forge(t require, f forgery) []byte {
	t.Helper()
	if f.bytes != nil {
		return f.bytes(t)
	}
	var object bytes.Buffer
	w := NewWriter(&object, Options{Level: 1})
	p := newPending()
	records := manyRecords(20)
	for i := range records {
		p.add(&records[i], 1<<20, false)
		w.records.count(&records[i])
	}
	d := newDeflater(1)
	check(t, d.seal(p))
	if f.facts != nil {
		f.facts(&p.facts)
	}
	d.writeHead(p)
	p.facts.storedBytes = int64(len(p.head) + len(p.body))
	rows := p.facts.appendRow(nil)
	if f.rows != nil {
		rows = f.rows(rows)
	}
	object.Write(p.head)
	object.Write(p.body)
	summary := goldenSummary(Summary{Start: 0, End: 20, Records: 20, RawBytes: w.records.rawBytes, FirstTimestamp: w.records.leastTimestamp, LastTimestamp: w.records.mostTimestamp})
	text, err := summary.encode()
	check(t, err)
	if f.text != nil {
		text = f.text(text)
	}
	at := int64(object.Len())
	end, err := d.appendEnd(nil, rows, text, at)
	check(t, err)
	if f.foot != nil {
		footer, err := parseFooter(end[len(end)-14-footerBytes : len(end)-14])
		check(t, err)
		f.foot(&footer)
		end = appendEmptyMember(end[:len(end)-footerMemberBytes], typeFooter, footer.appendBody(nil))
	}
	object.Write(end)
	return object.Bytes()
}

func manyRecords(n int) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{
			Offset: int64(i), Timestamp: 1384338600000 + int64(i)*7, Key: fmt.Appendf(nil, "user-%d", i%7),
			Value: fmt.Appendf(nil, `{"page":"/shoes/%d","user":%d}`, i*i%101, i%7),
		}
	}
	return records
}

var forgeries = []forgery{
	{name: "a member of 4 GiB", facts: func(m *member) { m.rawBytes = 4 << 30 }},
	{name: "a member of 4 GiB that could be", facts: func(m *member) { m.rawBytes, m.deflatedBytes = 4<<30, 4<<30 }},
	{name: "one record of 1 GiB", facts: func(m *member) { m.records, m.lastOffset, m.rawBytes, m.deflatedBytes = 1, m.firstOffset, 1<<30, 1<<30 }, want: ErrTooLarge, file: ErrDamaged},
	{name: "raw bytes below 0", facts: func(m *member) { m.rawBytes = -1 }},
	{name: "deflated bytes below 0", facts: func(m *member) { m.deflatedBytes = -1 }},
	{name: "a deflated size one too large", facts: func(m *member) { m.deflatedBytes++ }},
	{name: "a raw size one too small", facts: func(m *member) { m.rawBytes-- }},
	{name: "no records", facts: func(m *member) { m.records = 0 }},
	{name: "a record more", facts: func(m *member) { m.records++; m.lastOffset++ }},
	{name: "a record less", facts: func(m *member) { m.records-- }},
	{name: "2^63 records", facts: func(m *member) { m.records = -1 << 63 }},
	{name: "offsets backwards", facts: func(m *member) { m.lastOffset = m.firstOffset - 1 }},
	{name: "another last offset", facts: func(m *member) { m.lastOffset++ }},
	{name: "timestamps backwards", facts: func(m *member) { m.leastTimestamp = m.mostTimestamp + 1 }},
	{name: "unknown flags", facts: func(m *member) { m.flags |= 0x80 }},
	{name: "open with an envelope", facts: func(m *member) { m.flags |= memberIsOpen }, want: ErrDamaged},
	{name: "an envelope of 4 GiB", facts: func(m *member) { m.envelopeBytes = 1<<32 - 1 }},
	{name: "another envelope size", facts: func(m *member) { m.envelopeBytes-- }},
	{name: "another envelope checksum", facts: func(m *member) { m.envelopeCRC++ }},
	{name: "more memory than allowed", opts: func(o ReaderOptions) ReaderOptions { o.MemoryBytes = 100; return o }, want: ErrTooLarge},
	{name: "a row less", rows: func(rows []byte) []byte { return nil }},
	{name: "a row more", rows: func(rows []byte) []byte { return append(rows, rows...) }},
	{name: "many rows", rows: func(rows []byte) []byte { return bytes.Repeat(rows, 1<<16) }},
	{name: "half a row more", rows: func(rows []byte) []byte { return append(rows, rows[:40]...) }},
	{name: "a row of another member", rows: func(rows []byte) []byte { rows[8]++; return rows }},
	{name: "another timestamp in the index", rows: func(rows []byte) []byte { rows[60]--; return rows }},
	{name: "another checksum in the index", rows: func(rows []byte) []byte { rows[rowBytes-1]++; return rows }},
	{name: "a member that begins before the object", rows: func(rows []byte) []byte {
		binary.BigEndian.PutUint64(rows[factsBytes:], 1<<63)
		return rows
	}},
	{name: "a member beyond the index", rows: func(rows []byte) []byte {
		binary.BigEndian.PutUint64(rows[factsBytes:], 1<<40)
		return rows
	}},
	{name: "an index before the object", foot: func(f *footer) { f.indexAt = -5 }},
	{name: "an index behind the summary", foot: func(f *footer) { f.indexAt = f.summaryAt + 1 }},
	{name: "an index elsewhere", foot: func(f *footer) { f.indexAt-- }},
	{name: "an index at the begin", foot: func(f *footer) { f.indexAt, f.members = 0, 0 }},
	{name: "a summary elsewhere", foot: func(f *footer) { f.summaryAt++ }},
	{name: "a summary behind the end", foot: func(f *footer) { f.summaryAt = f.objectBytes }},
	{name: "an object of another size", foot: func(f *footer) { f.objectBytes++ }},
	{name: "2^60 members", foot: func(f *footer) { f.members = 1 << 60 }},
	{name: "another index checksum", foot: func(f *footer) { f.indexCRC++ }},
	{name: "no JSON", text: func([]byte) []byte { return []byte("{") }},
	{name: "no summary text", text: func([]byte) []byte { return nil }},
	{name: "an unknown kind", text: func(text []byte) []byte { return bytes.Replace(text, []byte(`"records"`), []byte(`"other"`), 1) }},
	{name: "another count", text: func(text []byte) []byte {
		return bytes.Replace(text, []byte(`"records":20`), []byte(`"records":19`), 1)
	}},
	{name: "a range backwards", text: func(text []byte) []byte {
		return bytes.Replace(text, []byte(`"end_offset":20`), []byte(`"end_offset":0`), 1)
	}},
	{name: "a range too short", text: func(text []byte) []byte {
		return bytes.Replace(text, []byte(`"end_offset":20`), []byte(`"end_offset":19`), 1)
	}},
	{name: "a number beyond 64 bits", text: func(text []byte) []byte {
		return bytes.Replace(text, []byte(`"end_offset":20`), []byte(`"end_offset":20e99`), 1)
	}},
	{name: "a topic ID too short", text: func(text []byte) []byte {
		return bytes.Replace(text, []byte(`"topic_id":"W`), []byte(`"topic_id":"`), 1)
	}},
}

func TestForgeries(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	if records, _, err := readAll(forge(t, forgery{}), ReaderOptions{}); err != nil || len(records) != 20 {
		t.Fatalf("an object with nothing forged: %d records, %v", len(records), err)
	}
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			object := forge(t, f)
			opts := ReaderOptions{}
			if f.opts != nil {
				opts = f.opts(opts)
			}
			want := f.want
			if want == nil {
				want = ErrDamaged
			}
			var streamErr, fileErr error
			allocated := allocatedBytes(func() {
				_, _, streamErr = readAll(object, opts)
				_, _, fileErr = openAll(object, opts)
			})
			expectVerdict(t, streamErr, want)
			if f.file != nil {
				want = f.file
			}
			expectVerdict(t, fileErr, want)
			if limit := uint64(32<<20 + 2*len(object)); allocated > limit {
				t.Errorf("took %d bytes of memory for a file of %d", allocated, len(object))
			}
		})
	}
}

// TestVersions: a later version is refused, unless only values are wanted.
func TestVersions(t *testing.T) {
	t.Parallel()
	var later []byte
	for _, m := range gzipMembers(t, forge(t, forgery{})) {
		later = append(later, withVersion(m, 2)...)
	}
	_, _, err := readAll(later, ReaderOptions{})
	expectVerdict(t, err, ErrVersion)
	_, _, err = openAll(later, ReaderOptions{})
	expectVerdict(t, err, ErrVersion)
	if !strings.Contains(err.Error(), "version 2") {
		t.Errorf("the error does not name the version: %v", err)
	}
	records, _, err := readAll(later, ReaderOptions{ValuesOnly: true})
	check(t, err)
	sameRecords(t, "values of version 2", records, valuesOnly(manyRecords(20)))
}

// gzipMembers cuts a file into its members.
func gzipMembers(t require, file []byte) [][]byte {
	t.Helper()
	var members [][]byte
	rest := bytes.NewReader(file)
	for rest.Len() > 0 {
		begin := len(file) - rest.Len()
		r, err := gzip.NewReader(rest)
		check(t, err)
		r.Multistream(false)
		_, err = io.Copy(io.Discard, r)
		check(t, err)
		members = append(members, file[begin:len(file)-rest.Len()])
	}
	return members
}

// withVersion changes the version of every subfield of a member.
func withVersion(m []byte, version byte) []byte {
	m = bytes.Clone(m)
	extra := m[headerBytes : headerBytes+int(binary.LittleEndian.Uint16(m[10:]))]
	for len(extra) > 0 {
		size := int(binary.LittleEndian.Uint16(extra[2:]))
		content := extra[4 : 4+size]
		content[0] = version
		binary.BigEndian.PutUint32(content[size-4:], crc32.ChecksumIEEE(content[:size-4]))
		extra = extra[4+size:]
	}
	return m
}
