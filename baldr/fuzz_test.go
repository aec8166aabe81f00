package baldr

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"testing"
)

// fuzzLimits keep a fuzzed reader small, so that taking too much is noticed.
var fuzzLimits = ReaderOptions{MaxRecordBytes: 1 << 20, MemoryBytes: 4 << 20}

// FuzzReader reads anything as a stream and by random access. Nothing may panic,
// and what both read must be the same.
func FuzzReader(f *testing.F) {
	addFiles(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		readBothWays(t, file)
		readBothWays(t, repaired(file))
	})
}

func addFiles(f *testing.F) {
	f.Helper()
	for _, object := range goldenFiles(f) {
		f.Add(object)
	}
	for _, file := range plainFiles(f) {
		f.Add(file)
	}
	for _, forged := range forgeries {
		f.Add(forge(f, forged))
	}
	f.Add([]byte{})
}

func readBothWays(t *testing.T, file []byte) {
	t.Helper()
	streamed, streamedSummary, streamErr := readAll(file, fuzzLimits)
	opened, openedSummary, openErr := openAll(file, fuzzLimits)
	if streamErr == nil && openErr == nil && (!reflect.DeepEqual(streamed, opened) || streamedSummary != openedSummary) {
		t.Fatalf("a stream reads %d records, %+v; a file %d, %+v", len(streamed), streamedSummary, len(opened), openedSummary)
	}
	values := fuzzLimits
	values.ValuesOnly = true
	if only, _, err := readAll(file, values); err == nil && streamErr == nil && !reflect.DeepEqual(only, nilIfEmpty(valuesOnly(streamed))) {
		t.Fatalf("values only are %v, not those of %v", only, streamed)
	}
}

func nilIfEmpty(records []Record) []Record {
	if len(records) == 0 {
		return nil
	}
	return records
}

// repaired makes the checksums of our subfields right, so that what a fuzzer
// does to them is not found out at the door.
func repaired(file []byte) []byte {
	file = bytes.Clone(file)
	for at := 0; at+headerBytes < len(file); at++ {
		if !bytes.HasPrefix(file[at:], []byte{gzipID1, gzipID2, gzipDeflate, flagExtra}) {
			continue
		}
		end := at + headerBytes + int(binary.LittleEndian.Uint16(file[at+10:]))
		if end <= len(file) {
			repairExtra(file[at+headerBytes : end])
		}
	}
	return file
}

func repairExtra(extra []byte) {
	for len(extra) >= subfieldHeaderBytes {
		end := subfieldHeaderBytes + int(binary.LittleEndian.Uint16(extra[2:]))
		if end > len(extra) {
			return
		}
		if content := extra[subfieldHeaderBytes:end]; len(content) >= 4 {
			checked := len(content) - 4
			binary.BigEndian.PutUint32(content[checked:], crc32.ChecksumIEEE(content[:checked]))
		}
		extra = extra[end:]
	}
}

// FuzzEnvelope decodes any bytes as the envelope of a few records.
func FuzzEnvelope(f *testing.F) {
	for _, g := range golden {
		var c columns
		c.begin(1000)
		for i := range g.records {
			c.add(&g.records[i])
		}
		var blob []byte
		check(f, c.pieces(func(piece []byte) error { blob = append(blob, piece...); return nil }))
		f.Add(blob, uint8(len(g.records)))
	}
	f.Fuzz(func(t *testing.T, blob []byte, records uint8) {
		var e envelope
		if e.begin(blob, 1000) != nil {
			return
		}
		for range records {
			r := Record{Value: noBytes}
			if e.next(&r) != nil {
				return
			}
			if len(r.Key) > len(blob) || len(r.Headers) > len(blob) {
				t.Fatalf("%d bytes make a record of %d bytes of key and %d headers", len(blob), len(r.Key), len(r.Headers))
			}
		}
		_ = e.finished(1000)
	})
}

// FuzzIndex reads any rows and any summary under a footer that fits them.
func FuzzIndex(f *testing.F) {
	for _, object := range goldenFiles(f) {
		file := open(f, object, ReaderOptions{})
		var rows []byte
		for i := range file.members {
			rows = file.members[i].appendRow(rows)
		}
		text, err := file.summary.encode()
		check(f, err)
		f.Add(rows, text, int64(len(object)))
	}
	f.Fuzz(func(t *testing.T, rows, text []byte, indexAt int64) {
		end, err := newDeflater(1).appendEnd(nil, rows, text, indexAt)
		if err != nil || len(text) > maxSummaryBytes {
			return
		}
		found, err := parseFooter(end[len(end)-footerMemberBytes+headerBytes+subfieldHeaderBytes+2:][:footerBytes])
		if err != nil {
			return
		}
		c, err := readEnd(found, end, fuzzLimits.withDefaults())
		if err != nil {
			return
		}
		for _, m := range c.members {
			if m.position < 0 || m.storedBytes < 0 || m.position+m.storedBytes > indexAt {
				t.Fatalf("a member of %d bytes at %d, before an index at %d", m.storedBytes, m.position, indexAt)
			}
		}
	})
}
