// The files of one object.

package export

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// rowGroupBytes bounds what the open row groups of an object hold together, and openBytes
// those of all objects that are written at the same time. They are variables because tests
// make them small.
var (
	rowGroupBytes int64 = 128 << 20
	openBytes           = 2 * rowGroupBytes
)

// largeRecord is how large a record is that has the memory of all open row groups for itself:
// on its way to the file there are several copies of it. It is not below what a member of
// several records may have, so that the index tells.
const largeRecord = baldr.MaxMemberBytes

// moreMemory says how many bytes the open row groups of an object need, when they take more than
// expected.
type moreMemory int64

// Error implements error.
func (m moreMemory) Error() string {
	return fmt.Sprintf("the object needs %d bytes of memory, which is more than expected", int64(m))
}

// openBytesOf is about what the open row groups of an object take: keys, headers, and what is
// decoded are in them beside the values. How much these take is not known beforehand: keys of
// zeros take a thousandth of it in the object, and decoded text has the names of fields. So an
// object that took more tells what to expect of others.
func (r *run) openBytesOf(ctx context.Context, row bifrost.Row, typed typedTopic) (int64, error) {
	f := row.Facts
	if f.RawBytes+f.StoredBytes >= largeRecord {
		file, err := r.Reader.OpenRow(ctx, row)
		if err != nil {
			return 0, err
		}
		isLarge := func(m baldr.MemberFacts) bool { return m.RawBytes+int64(m.EnvelopeBytes) >= largeRecord }
		if slices.ContainsFunc(file.Members(), isLarge) {
			return openBytes, nil
		}
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	known := f.RawBytes + f.StoredBytes + f.Records*(bytesOfRow+bytesOfLeaf*typed.leaves())
	return min(rowGroupBytes, r.timesKnown*known), nil
}

// writeFiles writes the records of an object, each to the file of its day. If they take more
// memory than expected it begins again: objects that waited for more in the middle could wait
// for each other.
func (r *run) writeFiles(ctx context.Context, row bifrost.Row, object *Object) error {
	typed, err := r.typedOf(ctx, row.Partition)
	if err != nil {
		return err
	}
	bytes, err := r.openBytesOf(ctx, row, typed)
	for err == nil {
		err = r.writeFilesWithin(ctx, row, object, typed, bytes)
		var more moreMemory
		if !errors.As(err, &more) {
			break
		}
		if bytes, err = int64(more), nil; bytes < openBytes {
			r.tell(func() { r.timesKnown *= 2 })
		}
	}
	return err
}

// writeFilesWithin does so with row groups that have at most so many bytes together.
func (r *run) writeFilesWithin(
	ctx context.Context, row bifrost.Row, object *Object, typed typedTopic, bytes int64,
) error {
	if err := r.memory.Acquire(ctx, bytes); err != nil {
		return context.Cause(ctx)
	}
	release := sync.OnceFunc(func() { r.memory.Release(bytes) })
	defer release()
	reader := *r.Reader
	reader.Catalogue = oneRow{r.Reader.Catalogue, row}
	days, err := daysOf(ctx, &reader, row)
	if err != nil {
		return err
	}
	open := &openFiles{exporter: r.Exporter, row: row, days: days, typed: typed, bytes: bytes,
		files: map[day]*parquetFile{}}
	defer open.abortAll()
	var record baldr.Record // one variable for all of them: it escapes
	for r, err := range reader.Records(ctx, readback.Query{Partition: row.Partition, Offsets: row.Range,
		Matches: true}) {
		if err != nil {
			return err
		}
		if record = r; record.Offset < 0 {
			return baldr.ErrNoEnvelope
		}
		if err := open.writeRecord(ctx, &record); err != nil {
			return err
		}
	}
	object.Undecoded = open.undecoded
	all := slices.Sorted(maps.Keys(open.files))
	for i, d := range all { // one after another: each takes a part of an upload until it is complete
		f := open.files[d]
		if err := f.end(); err != nil {
			return err
		}
		if i == len(all)-1 {
			release() // another object is compressed while this one goes to the disk or to S3
		}
		if err := f.complete(ctx); err != nil {
			return err
		}
		object.Files = append(object.Files, ObjectFile{f.name, f.records})
		object.Records += f.records
	}
	return nil
}

// oneRow is a catalogue of one row, which need not be looked up again.
type oneRow struct {
	readback.Catalogue
	row bifrost.Row
}

// Rows implements readback.Catalogue.
func (o oneRow) Rows(_ context.Context, _ bifrost.Partition, from int64, _ int) ([]bifrost.Row, error) {
	if o.row.Start < from {
		return nil, nil
	}
	return []bifrost.Row{o.row}, nil
}

// RowsBelow implements readback.Catalogue.
func (o oneRow) RowsBelow(_ context.Context, _ bifrost.Partition, below int64, _ int) ([]bifrost.Row, error) {
	if o.row.Start >= below {
		return nil, nil
	}
	return []bifrost.Row{o.row}, nil
}

// openFiles are the files that records of one object go to.
type openFiles struct {
	exporter *Exporter
	row      bifrost.Row
	days     days
	typed    typedTopic
	values   []typedValue // of one record
	files    map[day]*parquetFile
	pending  int64
	bytes    int64 // that pending may reach
	// undecoded counts keys and values whose columns have a reason instead of what they hold.
	undecoded int64
}

func (o *openFiles) writeRecord(ctx context.Context, r *baldr.Record) error {
	var decoded *Decoded
	if o.exporter.Decode != nil {
		d, err := o.exporter.Decode(ctx, r)
		if err != nil {
			return err
		}
		decoded = &d
		o.countUndecoded(d.KeyError, d.ValueError)
	}
	var err error
	if o.values, err = o.exporter.decodeTyped(ctx, o.typed, r, o.values[:0]); err != nil {
		return err
	}
	for _, v := range o.values {
		o.countUndecoded(v.reason)
	}
	d := o.days.of(r.Timestamp)
	f := o.files[d]
	if f == nil {
		name := fmt.Sprintf("%s%s/date=%s/%s.parquet", topicFolder, o.row.Name, d, stemOf(o.row))
		if f, err = newParquetFile(ctx, o.exporter.Place, name, decoded != nil, o.typed); err != nil {
			return err
		}
		o.files[d] = f
	}
	if sizeOf(r, decoded) >= largeRecord {
		if o.bytes < openBytes {
			return moreMemory(openBytes)
		}
		if err := o.endRowGroups(); err != nil {
			return err
		}
	}
	before := f.pending
	if err := f.writeRecord(o.row.Number, r, decoded, o.values); err != nil {
		return err
	}
	o.pending += f.pending - before
	if o.bytes < rowGroupBytes && o.pending > o.bytes {
		return moreMemory(rowGroupBytes)
	}
	if o.pending < rowGroupBytes {
		return nil
	}
	for _, other := range o.files {
		if other.pending > f.pending {
			f = other
		}
	}
	o.pending -= f.pending
	return f.endRowGroup()
}

// endRowGroups makes room for a large record.
func (o *openFiles) endRowGroups() error {
	for _, f := range o.files {
		if f.pending > 0 {
			if err := f.endRowGroup(); err != nil {
				return err
			}
		}
	}
	o.pending = 0
	return nil
}

func (o *openFiles) countUndecoded(reasons ...[]byte) {
	for _, reason := range reasons {
		if reason != nil {
			o.undecoded++
		}
	}
}

func (o *openFiles) abortAll() {
	for _, f := range o.files {
		f.to.Abort()
	}
}
