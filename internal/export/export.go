// What is exported, so that each record is in one file.

package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// What a place is laid out in. Engines pass over names that begin with _.
const (
	topicFolder = "topic="
	ownFolder   = "_bifrost/"
	optionsName = ownFolder + "options.json"
)

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
	// Schemas is where the schemas of what is decoded are, "" for DefaultSchemas: elsewhere the
	// same ID may stand for another schema.
	Schemas string `json:"schemas,omitempty"`
}

// DefaultSchemas is the topic that a registry keeps its schemas in unless it is told otherwise.
const DefaultSchemas = "_schemas"

// SchemasOption is what Options.Schemas is for a decoding export.
func SchemasOption(decodes bool, schemas string) string {
	if !decodes || schemas == DefaultSchemas {
		return ""
	}
	return schemas
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
	// AtOnce is how many objects are written at the same time, as far as memory allows; 0 is one.
	AtOnce int
	// Decode, if not nil, decodes a record. It may be called from several goroutines at once,
	// as what Typing calls may be; the functions that are told of objects are not.
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

	mutex sync.Mutex
	typed map[string]typedTopic // by the topics' names
}

// A Part is the rows of a partition that start in a range of offsets.
type Part struct {
	Partition bifrost.Partition
	Starts    bifrost.Range
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
	Lost      int64 `json:"gap_offsets"`
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
		return fmt.Errorf("%w: %s: choose another place, so that no record is in two files", ErrOtherOptions,
			differences(there, wanted))
	}
	return nil
}

// differences says in which options two exports differ.
func differences(there, wanted []byte) string {
	var has, asked map[string]any
	if json.Unmarshal(there, &has) != nil || json.Unmarshal(wanted, &asked) != nil {
		return fmt.Sprintf("%s there, and %s here", there, wanted) // of nothing that this version writes
	}
	names := maps.Clone(has)
	maps.Copy(names, asked)
	var said []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if has[name] != asked[name] {
			said = append(said, fmt.Sprintf("%s is %s there and %s here", name,
				valueText(has[name]), valueText(asked[name])))
		}
	}
	return strings.Join(said, ", ")
}

func valueText(value any) string {
	if value == nil {
		return "not given"
	}
	return fmt.Sprint(value)
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

// Export writes those objects of the parts that are archived and not written yet. After a
// failure the summary counts what was written before it.
func (e *Exporter) Export(ctx context.Context, summary *Summary, parts ...Part) error {
	r := &run{Exporter: e, summary: summary, memory: semaphore.NewWeighted(openBytes), timesKnown: 4,
		listed: map[string][]string{}}
	return parallel.TryEach(ctx, e.AtOnce, e.rowsOf(ctx, parts), func(ctx context.Context, row bifrost.Row) error {
		if err := r.exportRow(ctx, row); err != nil {
			return fmt.Errorf("export offsets %s of %s: %w", row.Range, row.Partition, err)
		}
		return nil
	})
}

// rowsOf returns the rows of the parts in order.
func (e *Exporter) rowsOf(ctx context.Context, parts []Part) iter.Seq2[bifrost.Row, error] {
	return func(yield func(bifrost.Row, error) bool) {
		for _, part := range parts {
			for row, err := range readback.Rows(ctx, e.Reader.Catalogue, part.Partition, part.Starts) {
				if err == nil && row.Start < part.Starts.Start { // it only reaches into the range
					continue
				}
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// A run is one call of Export, whose objects are written by several goroutines.
type run struct {
	*Exporter
	summary *Summary
	memory  *semaphore.Weighted // bytes of open row groups
	// timesKnown is how many bytes of open row groups an object is expected to take for each that
	// the catalogue knows of.
	timesKnown int64

	listing sync.Mutex
	listed  map[string][]string // the files of topics of which something was erased
}

func (r *run) exportRow(ctx context.Context, row bifrost.Row) error {
	switch row.State {
	case bifrost.StateLost:
		return r.recordLost(ctx, row)
	case bifrost.StateArchived:
		return r.exportObject(ctx, row)
	}
	r.tell(func() { r.summary.Waiting += row.Len() })
	return nil
}

// tell counts something or tells the caller, one goroutine at a time.
func (r *run) tell(what func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	what()
}

// stemOf is what all files of a row are called, in whichever folder.
func stemOf(row bifrost.Row) string { return fmt.Sprintf("%05d-%020d", row.Number, row.Start) }

// nameOf is the name of what belongs to a row, in a folder.
func nameOf(row bifrost.Row, folder, ending string) string {
	return fmt.Sprintf("%s%s%s/%s.%s", folder, topicFolder, row.Name, stemOf(row), ending)
}

// recordLost lists offsets that are lost, and tells if they had been written before.
func (r *run) recordLost(ctx context.Context, row bifrost.Row) error {
	content, err := json.Marshal(loss{row.Name, row.Number, row.Start, row.End, row.GapReason})
	if err != nil {
		return err
	}
	if _, err := r.Place.CreateOnce(ctx, nameOf(row, ownFolder+"lost/", "json"), content); err != nil {
		return err
	}
	r.tell(func() { r.summary.Lost += row.Len() })
	if row.GapReason != bifrost.ReasonErased || r.Erased == nil {
		return nil
	}
	before, err := r.readWritten(ctx, row)
	if err == nil && before == nil {
		before, err = r.findWithoutNote(ctx, row)
	}
	if err == nil && before != nil {
		r.tell(func() { r.Erased(*before) })
	}
	return err
}

// findWithoutNote finds the files of a row whose export was killed before it noted that they
// are all there, nil for none.
func (r *run) findWithoutNote(ctx context.Context, row bifrost.Row) (*Object, error) {
	names, err := r.filesOf(ctx, row.Name)
	if err != nil {
		return nil, err
	}
	object := &Object{Topic: row.Name, Partition: row.Number, Start: row.Start, End: row.End}
	for _, name := range names {
		if path.Base(name) == stemOf(row)+".parquet" {
			object.Files = append(object.Files, ObjectFile{Name: name})
		}
	}
	if object.Files == nil {
		return nil, nil
	}
	return object, nil
}

// filesOf lists the files of a topic, once for a run.
func (r *run) filesOf(ctx context.Context, topic string) ([]string, error) {
	r.listing.Lock()
	defer r.listing.Unlock()
	if names, listed := r.listed[topic]; listed {
		return names, nil
	}
	names, err := r.Place.List(ctx, topicFolder+topic+"/")
	if err != nil {
		return nil, fmt.Errorf("list the files of %s in %s: %w", topic, r.Place, err)
	}
	r.listed[topic] = names
	return names, nil
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
	return e.parseNote(name, content)
}

func (e *Exporter) parseNote(name string, content []byte) (*Object, error) {
	object := &Object{}
	if err := json.Unmarshal(content, object); err != nil {
		return nil, fmt.Errorf("%s in %s: %w", name, e.Place, err)
	}
	return object, nil
}

// checkNote is an error unless what stands in the place is about the object of the row.
func (r *run) checkNote(noted *Object, row bifrost.Row) error {
	if noted.Topic == row.Name && noted.End == row.End && noted.Checksum == row.Facts.Checksum {
		return nil
	}
	another := "another place"
	if noted.Topic != row.Name {
		another += " that tells names apart which differ in case alone"
	}
	return fmt.Errorf("%s has offsets [%d, %d) from another object, %s of topic %s: choose %s", r.Place, noted.Start,
		noted.End, noted.Key, noted.Topic, another)
}

// exportObject writes the files of one object, and last that they are there.
func (r *run) exportObject(ctx context.Context, row bifrost.Row) error {
	before, err := r.readWritten(ctx, row)
	switch {
	case err != nil:
		return err
	case before != nil:
		if err := r.checkNote(before, row); err != nil {
			return err
		}
		r.tell(func() {
			r.summary.Before++
			if r.Found != nil {
				r.Found(row, *before)
			}
		})
		return nil
	}
	object := Object{Topic: row.Name, Partition: row.Number, Start: row.Start, End: row.End, Key: row.Facts.Key,
		Checksum: row.Facts.Checksum, Files: []ObjectFile{}}
	if row.Facts.Records > 0 {
		if err := r.writeFiles(ctx, row, &object); err != nil {
			return err
		}
	}
	content, err := json.Marshal(object)
	if err != nil {
		return err
	}
	name := nameOf(row, ownFolder+"objects/", "json")
	there, err := r.Place.CreateOnce(ctx, name, content)
	if err != nil {
		return err
	}
	noted, err := r.parseNote(name, there) // of another export at the same time, perhaps
	if err == nil {
		err = r.checkNote(noted, row)
	}
	if err != nil {
		return err
	}
	r.tell(func() {
		r.summary.Objects++
		r.summary.Records += object.Records
		r.summary.Undecoded += object.Undecoded
		r.summary.Files += int64(len(object.Files))
		if r.Exported != nil {
			r.Exported(row, object)
		}
	})
	return nil
}
