// How every byte of an object is checked.

package verify

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// deepRead is how much of an object one request fetches when all of it is read.
const deepRead = 4 << 20

// crc64NVME is the polynomial of CRC-64/NVME with its bits reversed, as S3 uses
// it for checksums of whole objects (Amazon S3 User Guide, "Checking object
// integrity").
var crc64NVME = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// checkContents reads an object to its end and counts again what its summary says.
// Decoding checks every member; the checksum of all bytes finds what even that
// cannot, and needs no trust in what the store says it once computed.
func (c *partitionCheck) checkContents(ctx context.Context, key string, file *baldr.File, stored bifrost.Stored,
	row bifrost.Row) error {
	if !c.options.Deep {
		return nil
	}
	object, err := c.Bucket.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("open it again: %w", err)
	}
	sum := crc64.New(crc64NVME)
	all := io.TeeReader(io.NewSectionReader(object, 0, stored.Size), sum)
	reader := baldr.NewReader(bufio.NewReaderSize(all, int(min(deepRead, stored.Size))),
		baldr.ReaderOptions{MaxRecordBytes: bifrost.LargestRecord})
	counted, err := recount(reader, row.End)
	held := bifrost.Range{Start: file.Summary().Start, End: file.Summary().End}
	var damage *baldr.FormatError
	switch {
	case errors.As(err, &damage):
		c.reportAt(ObjectDamaged, held, key, "an object that can be read to its end", err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("read it to its end: %w", err)
	}
	c.count(func(s *Summary) { s.DecodedObjects++ })
	settles := row.State.Done() && row.Facts.Key == key
	archived := stored.Checksum
	if archived == "" && settles {
		archived = row.Facts.Checksum // the store keeps none
	}
	computed := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum.Sum64()))
	if archived != "" && computed != archived {
		c.reportAt(ObjectChecksum, held, key, fmt.Sprintf("CRC64NVME %q", archived),
			fmt.Sprintf("%q of the bytes that were read", computed))
	}
	c.reportDifferences(ObjectContent, held, key, counted.compareSummary(file.Summary()))
	if settles && row.End < held.End {
		c.reportDifferences(ObjectMismatch, row.Range, key, counted.againstPart(row))
	}
	return nil
}

// recounted is what an object really holds.
type recounted struct {
	summary    baldr.Summary // at its end, as a reader of the stream sees it
	whole      bifrost.Facts // of all records
	part       bifrost.Facts // of those below the end of the row
	valuesOnly bool
	disorder   string // the first record that is not where it may be
}

// recount reads all records; those below partEnd are counted apart as well.
func recount(reader *baldr.Reader, partEnd int64) (recounted, error) {
	none := bifrost.Facts{FirstTimestamp: -1, LastTimestamp: -1}
	counted := recounted{whole: none, part: none}
	last := int64(-1)
	for record, err := range reader.All() {
		if err != nil {
			return counted, err
		}
		counted.whole.AddRecord(record)
		switch {
		case record.Offset < 0:
			counted.valuesOnly = true
			continue
		case record.Offset <= last && counted.disorder == "":
			counted.disorder = fmt.Sprintf("offset %d after %d", record.Offset, last)
		case record.Offset < partEnd:
			counted.part.AddRecord(record)
		}
		last = record.Offset
	}
	counted.whole.Range.End = last + 1
	counted.summary, _ = reader.Summary()
	return counted, nil
}

// compareSummary compares with the object's summary, as its tail has it.
func (r recounted) compareSummary(s baldr.Summary) differences {
	var d differences
	d.check("one summary", s, r.summary)
	d.check("records", s.Records, r.whole.Records)
	d.check("raw bytes", s.RawBytes, r.whole.RawBytes)
	d.check("records + missing offsets", accounted(s), r.whole.Records+bifrost.SumMissing(s.Missing))
	if r.valuesOnly {
		return d
	}
	d.check("first timestamp", s.FirstTimestamp, r.whole.FirstTimestamp)
	d.check("last timestamp", s.LastTimestamp, r.whole.LastTimestamp)
	d.check("disorder", "", r.disorder)
	d.check("last record below the end", true, r.whole.End <= s.End)
	return d
}

// accounted is how many offsets records and missing ones have to add up to.
func accounted(s baldr.Summary) int64 {
	if s.Kind == baldr.KindGap {
		return 0
	}
	return s.End - s.Start
}

// againstPart compares with a row that ends before its object.
func (r recounted) againstPart(row bifrost.Row) differences {
	var d differences
	if !r.valuesOnly {
		checkCounts(&d, r.part, row.Facts)
	}
	return d
}
