// What is exported, so that each record is in one file.

package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// What a place is laid out in. Engines pass over names that begin with _.
const (
	topicFolder = "topic="
	ownFolder   = "_bifrost/"
	optionsName = ownFolder + "options.json"
)

// rowGroupBytes bounds what the open row groups of an object hold together. It is a
// variable because tests make it small.
var rowGroupBytes int64 = 128 << 20

// Options are what all exports into one place have in common. Its JSON is kept in
// the place.
type Options struct {
	Layout    int    `json:"layout"` // 1; another one would cut files in another way
	Bucket    string `json:"bucket"` // of the archive
	Group     string `json:"group"`
	Decode    bool   `json:"decode"`
	DecodeKey bool   `json:"decode_key"`
	// Typed and TypedKey say which schema makes columns of values and keys, "" for none: an
	// ID, or a subject, in which TOPIC stands for the name of the topic.
	Typed    string `json:"typed,omitempty"`
	TypedKey string `json:"typed_key,omitempty"`
}

// Decoded is what became of a record's key and value, all nil where nothing did.
type Decoded struct {
	KeyJSON, KeyError, ValueJSON, ValueError []byte
}

// Exporter writes topics of an archive into a place.
type Exporter struct {
	Reader  *readback.Reader
	Place   Place
	Options Options
	// Decode, if not nil, decodes a record.
	Decode func(ctx context.Context, r *baldr.Record) (Decoded, error)
	// Typing is needed if the options ask for columns of schemas.
	Typing *Typing
	// Exported, if not nil, is told of each object that was written.
	Exported func(bifrost.Row, Object)
	// Found, if not nil, is told of each object whose files were all there.
	Found func(bifrost.Row, Object)
	// Erased, if not nil, is told of an object that was exported before it was erased
	// from the archive: its files are still in the place.
	Erased func(Object)

	typed map[string]*typedTopic // by the topics' names
}

// Object is what stands in the place about an object whose files are all there.
// Names in JSON are a promise.
type Object struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Start     int64  `json:"start_offset"`
	End       int64  `json:"end_offset"`
	Key       string `json:"object"`
	Checksum  string `json:"checksum_crc64nvme"`
	Records   int64  `json:"records"`
	// Undecoded is how many keys and values could not be decoded: their columns have the reasons.
	Undecoded int64        `json:"undecoded,omitempty"`
	Files     []ObjectFile `json:"files"`
}

// ObjectFile is one file of an object.
type ObjectFile struct {
	Name    string `json:"name"`
	Records int64  `json:"records"`
}

// loss is what stands in the place about offsets that nobody can read any more.
type loss struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Start     int64  `json:"start_offset"`
	End       int64  `json:"end_offset"`
	Reason    string `json:"reason"`
}

// Summary counts what an export did.
type Summary struct {
	Objects int64 `json:"objects"` // written now
	Before  int64 `json:"before"`  // that were there
	Records int64 `json:"records"` // written now
	// Undecoded is how many keys and values of the records written now could not be decoded.
	Undecoded int64 `json:"undecoded"`
	Files     int64 `json:"files"` // written now
	Lost      int64 `json:"lost_offsets"`
	Waiting   int64 `json:"not_archived_offsets"`
}

// ErrOtherOptions says that the place belongs to an export of another kind.
var ErrOtherOptions = errors.New("the place has an export with other options")

// Begin makes sure that the place is one of exports with these options.
func (e *Exporter) Begin(ctx context.Context) error {
	wanted, err := json.Marshal(e.Options)
	if err != nil {
		return err
	}
	there, err := e.Place.Read(ctx, optionsName)
	if errors.Is(err, bifrost.ErrNotFound) {
		there, err = e.claimPlace(ctx, wanted)
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", e.Place, err)
	}
	if !bytes.Equal(there, wanted) {
		return fmt.Errorf("%w: it has %s, and this one is %s: choose another place, so that no record is in two files",
			ErrOtherOptions, there, wanted)
	}
	return nil
}

// claimPlace makes an empty place one of exports. Of two at once, the first decides.
func (e *Exporter) claimPlace(ctx context.Context, wanted []byte) ([]byte, error) {
	empty, err := e.Place.Empty(ctx)
	if err != nil {
		return nil, err
	}
	if !empty {
		there, err := e.Place.Read(ctx, optionsName)
		if errors.Is(err, bifrost.ErrNotFound) {
			err = errors.New("there is something in it, and no export: choose an empty place")
		}
		return there, err
	}
	return e.Place.CreateOnce(ctx, optionsName, wanted)
}

// Export writes those objects of a partition that start in the range, are archived, and are
// not written yet.
func (e *Exporter) Export(ctx context.Context, p bifrost.Partition, starts bifrost.Range, summary *Summary) error {
	for row, err := range readback.Rows(ctx, e.Reader.Catalogue, p, starts) {
		if err != nil {
			return err
		}
		if row.Start < starts.Start { // it only reaches into the range
			continue
		}
		switch row.State {
		case bifrost.StateLost:
			err = e.recordLost(ctx, row)
			summary.Lost += row.Len()
		case bifrost.StateArchived:
			err = e.exportObject(ctx, row, summary)
		default:
			summary.Waiting += row.Len()
		}
		if err != nil {
			return fmt.Errorf("export offsets %s of %s: %w", row.Range, p, err)
		}
	}
	return nil
}

// nameOf is the name of what belongs to a row, in a folder.
func nameOf(row bifrost.Row, folder, ending string) string {
	return fmt.Sprintf("%s%s%s/%05d-%020d.%s", folder, topicFolder, row.Name, row.Number, row.Start, ending)
}

// recordLost lists offsets that are lost, and tells if they had been written before.
func (e *Exporter) recordLost(ctx context.Context, row bifrost.Row) error {
	content, err := json.Marshal(loss{row.Name, row.Number, row.Start, row.End, row.GapReason})
	if err != nil {
		return err
	}
	if _, err := e.Place.CreateOnce(ctx, nameOf(row, ownFolder+"lost/", "json"), content); err != nil {
		return err
	}
	if row.GapReason != bifrost.ReasonErased || e.Erased == nil {
		return nil
	}
	before, err := e.readWritten(ctx, row)
	if err == nil && before != nil {
		e.Erased(*before)
	}
	return err
}

// readWritten returns what stands in the place about a row, nil for nothing.
func (e *Exporter) readWritten(ctx context.Context, row bifrost.Row) (*Object, error) {
	name := nameOf(row, ownFolder+"objects/", "json")
	content, err := e.Place.Read(ctx, name)
	if errors.Is(err, bifrost.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	object := &Object{}
	if err := json.Unmarshal(content, object); err != nil {
		return nil, fmt.Errorf("%s in %s: %w", name, e.Place, err)
	}
	return object, nil
}

// exportObject writes the files of one object, and last that they are there.
func (e *Exporter) exportObject(ctx context.Context, row bifrost.Row, summary *Summary) error {
	before, err := e.readWritten(ctx, row)
	switch {
	case err != nil:
		return err
	case before != nil && (before.End != row.End || before.Checksum != row.Facts.Checksum):
		return fmt.Errorf("%s has offsets [%d, %d) from another object, %s: choose another place", e.Place,
			before.Start, before.End, before.Key)
	case before != nil:
		summary.Before++
		if e.Found != nil {
			e.Found(row, *before)
		}
		return nil
	}
	object := Object{Topic: row.Name, Partition: row.Number, Start: row.Start, End: row.End, Key: row.Facts.Key,
		Checksum: row.Facts.Checksum, Files: []ObjectFile{}}
	if row.Facts.Records > 0 {
		if err := e.writeFiles(ctx, row, &object); err != nil {
			return err
		}
	}
	content, err := json.Marshal(object)
	if err != nil {
		return err
	}
	if _, err := e.Place.CreateOnce(ctx, nameOf(row, ownFolder+"objects/", "json"), content); err != nil {
		return err
	}
	summary.Objects++
	summary.Records += object.Records
	summary.Undecoded += object.Undecoded
	summary.Files += int64(len(object.Files))
	if e.Exported != nil {
		e.Exported(row, object)
	}
	return nil
}

// writeFiles writes the records of an object, each to the file of its day.
func (e *Exporter) writeFiles(ctx context.Context, row bifrost.Row, object *Object) error {
	reader := *e.Reader
	reader.Catalogue = oneRow{e.Reader.Catalogue, row}
	days, err := daysOf(ctx, &reader, row)
	if err != nil {
		return err
	}
	typed, err := e.typedOf(ctx, row.Partition)
	if err != nil {
		return err
	}
	open := &openFiles{exporter: e, row: row, days: days, typed: typed, files: map[day]*parquetFile{}}
	defer open.abortAll()
	for r, err := range reader.Records(ctx, readback.Query{Partition: row.Partition, Offsets: row.Range}) {
		if err != nil {
			return err
		}
		if r.Offset < 0 {
			return baldr.ErrNoEnvelope
		}
		if err := open.writeRecord(ctx, &r); err != nil {
			return err
		}
	}
	object.Undecoded = open.undecoded
	for _, d := range slices.Sorted(maps.Keys(open.files)) {
		f := open.files[d]
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
	typed    *typedTopic
	files    map[day]*parquetFile
	pending  int64
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
	typed, err := o.exporter.decodeTyped(ctx, o.typed, r)
	if err != nil {
		return err
	}
	for _, v := range typed {
		o.countUndecoded(v.reason)
	}
	d := o.days.of(r.Timestamp)
	f := o.files[d]
	if f == nil {
		name := fmt.Sprintf("%s%s/date=%s/%05d-%020d.parquet", topicFolder, o.row.Name, d, o.row.Number, o.row.Start)
		if f, err = newParquetFile(ctx, o.exporter.Place, name, decoded != nil, o.typed); err != nil {
			return err
		}
		o.files[d] = f
	}
	before := f.pending
	if err := f.writeRecord(o.row.Number, r, decoded, typed); err != nil {
		return err
	}
	o.pending += f.pending - before
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
