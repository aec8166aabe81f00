// Exports as jobs.

package job

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// ExportBytes and ExportObjects are how much of a partition's objects one item exports, in
// bytes as they are stored and in objects: a few minutes of one processor, or of requests
// to S3. What does not fit into one function's time, the next one goes on with, object by
// object. They are variables because tests make them tiny.
var (
	ExportBytes   int64 = 2 << 30
	ExportObjects       = 2000
)

// Exported is what stands in the place of an export, by whichever runs, and what does not.
type Exported struct {
	Objects int64 `json:"objects"` // whose files are all there
	Files   int64 `json:"files"`
	// Undecoded is how many keys and values of these objects could not be decoded.
	Undecoded int64 `json:"undecoded"`
	Erased    int64 `json:"erased_objects"` // whose files are there, and which were erased from the archive since
	Lost      int64 `json:"gap_offsets"`
	Waiting   int64 `json:"not_archived_offsets"` // planned, and left for another export
}

func (x *Exported) add(other Exported) {
	x.Objects += other.Objects
	x.Files += other.Files
	x.Undecoded += other.Undecoded
	x.Erased += other.Erased
	x.Lost += other.Lost
	x.Waiting += other.Waiting
}

// planExport cuts partitions into slices of objects, and makes the place one of exports with
// these options. What stands against it ends it before anything is written.
func (r *Runner) planExport(ctx context.Context, spec Spec, allowed string) ([]Item, error) {
	if err := r.checkPlace(spec.Export.To, allowed); err != nil {
		return nil, err
	}
	filter, err := spec.filter()
	if err != nil {
		return nil, err
	}
	all, err := r.Tables.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	partitions := export.Partitions(all, filter)
	if err := readback.CheckRows(ctx, r.Tables, partitions); err != nil {
		return nil, fmt.Errorf("nothing is exported: %w", err)
	}
	cuts := make([][]export.Slice, len(partitions))
	cut := func(ctx context.Context, i int) (err error) {
		cuts[i], err = export.Slices(ctx, r.Tables, partitions[i].Partition, ExportBytes, ExportObjects)
		return err
	}
	if err := parallel.Try(ctx, plannersAtOnce, parallel.NumbersBelow(len(partitions)), cut); err != nil {
		return nil, err
	}
	var items []Item
	for i, slices := range cuts {
		for _, s := range slices {
			slice := sliceOf(partitions[i].Partition, s.Starts)
			items = append(items, Item{Exports: []Slice{*slice}, Records: s.Records, Bytes: s.Bytes})
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	rule, err := r.exporter(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := rule.CheckSchemas(ctx, partitions); err != nil {
		return nil, err
	}
	if err := rule.Begin(ctx); err != nil {
		return nil, err
	}
	return together(items), nil
}

// checkPlace refuses a place that the stack does not let jobs export into, and one inside
// of the archive.
func (r *Runner) checkPlace(to, allowed string) error {
	bucket, prefix, err := export.SplitURL(to)
	if err != nil {
		return err
	}
	if bucket == r.BucketName && export.InsideGroup(prefix, r.Group) {
		return fmt.Errorf("export.to %s: that is where the archive is (%s/): choose another prefix or bucket",
			to, r.Group)
	}
	allowedBucket, allowedPrefix, err := export.SplitURL(allowed)
	if err != nil {
		return fmt.Errorf("export.to %s: jobs of this stack may export to nowhere: "+
			"deploy it with JobExportBucket and JobExportPrefix", to)
	}
	if bucket != allowedBucket || !strings.HasPrefix(prefix, allowedPrefix) {
		return fmt.Errorf("export.to %s: jobs of this stack may export to %s and below it: export there, "+
			"or deploy with another JobExportBucket or JobExportPrefix", to, allowed)
	}
	return nil
}

// exporter exports as the command does that is given what the spec says.
func (r *Runner) exporter(ctx context.Context, spec Spec) (*export.Exporter, error) {
	asked := spec.Export
	bucket, prefix, err := export.SplitURL(asked.To)
	if err != nil {
		return nil, err
	}
	rule := &export.Exporter{
		Reader: r.reader(),
		Place:  r.Place(bucket, prefix),
		Options: export.Options{
			Layout:    1,
			Bucket:    r.BucketName,
			Group:     r.Group,
			Decode:    asked.Decode,
			DecodeKey: asked.DecodeKey,
			Typed:     asked.Typed,
			TypedKey:  asked.TypedKey,
			Schemas:   export.SchemasOption(asked.Decode || asked.DecodeKey, asked.Schemas),
		},
	}
	if !asked.needsSchemas() {
		return rule, nil
	}
	all, err := r.Tables.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	partitions, err := readback.Topic(all, asked.Schemas)
	if err != nil {
		return nil, fmt.Errorf("export.schemas %s: %w", asked.Schemas, err)
	}
	log, err := schema.ReadTopic(ctx, r.reader(), partitions)
	if err != nil {
		return nil, fmt.Errorf("export.schemas %s: %w", asked.Schemas, err)
	}
	decoder := schema.NewDecoder(log)
	rule.Typing = &export.Typing{Source: log, Decoder: decoder}
	if asked.Decode || asked.DecodeKey {
		columns := &export.ColumnDecoder{Decoder: decoder, Keys: asked.DecodeKey, Values: asked.Decode}
		rule.Decode = columns.Decode
	}
	return rule, nil
}

// errNoObjectInTime says that a function has not exported one object in all of its time, so
// that the next one would not do so either.
var errNoObjectInTime = errors.New("the next object does not fit into the time of one function: " +
	"export this topic by the command into the same place, which takes as long as it takes")

// exportItem writes what is not there yet of the item's objects. What has to be counted, the
// place tells: another worker may have written some.
func (r *Runner) exportItem(ctx context.Context, spec Spec, item Item, result *Done) (more bool, err error) {
	rule, err := r.exporter(ctx, spec)
	if err != nil {
		return false, err
	}
	if err := rule.Begin(ctx); err != nil {
		return false, err
	}
	told := &note{Runner: r, id: spec.ID, item: item, last: r.Now()}
	done := &Exported{}
	rule.Found = func(row bifrost.Row, o export.Object) {
		done.Objects++
		done.Files += int64(len(o.Files))
		done.Undecoded += o.Undecoded
		result.Records += o.Records
		result.Bytes += row.Facts.RawBytes
		told.records += float64(o.Records)
	}
	rule.Exported = func(row bifrost.Row, o export.Object) {
		rule.Found(row, o)
		told.committed(ctx, 0)
	}
	rule.Erased = func(export.Object) { done.Erased++ }
	var parts []export.Part
	for _, s := range item.Exports {
		parts = append(parts, export.Part{Partition: s.rule(), Starts: s.starts()})
	}
	var summary export.Summary
	err = rule.Export(ctx, &summary, parts...)
	switch {
	case err == nil:
	case !errors.Is(context.Cause(ctx), errDeadline):
		return false, err
	case summary.Objects == 0:
		return false, errors.Join(errNoObjectInTime, err)
	default:
		return true, nil
	}
	done.Lost, done.Waiting = summary.Lost, summary.Waiting
	result.Export = done
	return false, nil
}
