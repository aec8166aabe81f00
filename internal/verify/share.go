// A verification in shares, for jobs.

package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// A look that is too large for one machine is done in shares: the group once, the rows
// of each partition once, and the contents of its objects slice by slice. What all of
// them find together is what one look finds.

// Partitions are those that a look at the selected topics would look at, in order.
func (v *Verifier) Partitions(ctx context.Context, topics bifrost.TopicFilter) ([]bifrost.Partition, error) {
	inBucket, err := bifrost.ListPartitions(ctx, v.Bucket, v.Group, func(string) {})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	progress, err := v.Ledger.ListProgress(ctx)
	if err != nil {
		return nil, fmt.Errorf("verify: read the progress table: %w", err)
	}
	planned, err := v.Ledger.ListPlanned(ctx)
	if err != nil {
		return nil, fmt.Errorf("verify: read the planned ranges: %w", err)
	}
	return bifrost.KnownPartitions(topics, inBucket, progress, planned), nil
}

// VerifyGroup looks at what belongs to no partition: stray keys, the markers of the
// selected topics, and whether the tables are older than the bucket.
func (v *Verifier) VerifyGroup(ctx context.Context, options Options, report func(Violation)) (Summary, error) {
	return v.look(options, report, func(run *verification) error {
		if _, err := bifrost.ListPartitions(ctx, v.Bucket, v.Group, run.strayKey); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		progress, err := v.Ledger.ListProgress(ctx)
		if err != nil {
			return fmt.Errorf("verify: read the progress table: %w", err)
		}
		run.checkMarkers(ctx, progress)
		if err := run.checkMarks(ctx, progress); err != nil {
			run.addFailure(err)
		}
		return nil
	})
}

// VerifyPartitions looks at partitions, by their rows and the ends of their objects. If
// the options say deep, it decodes the objects as well.
func (v *Verifier) VerifyPartitions(
	ctx context.Context, partitions []bifrost.Partition, options Options, report func(Violation),
) (Summary, error) {
	return v.look(options, report, func(run *verification) error {
		of := map[string][]bifrost.Progress{}
		for _, p := range partitions {
			of[p.Topic()] = nil
		}
		// Markers say which partitions must have a birth object. That of VerifyGroup
		// holds all rows against them, and reports what is wrong.
		run.muted = true
		run.eachMarker(ctx, of)
		run.muted = false
		run.each(ctx, partitions)
		return nil
	})
}

// A Slice is what one share decodes: the objects of a partition that start in a range
// of offsets.
type Slice struct {
	Partition bifrost.Partition
	Starts    bifrost.Range
	// What the rows say of the objects: records, and their bytes raw.
	Records, RawBytes int64
}

// Slices cuts a partition where the objects before have the target's bytes, as far as
// its rows tell. Together the slices cover all offsets there can be, so that objects
// without a row are decoded too.
func (v *Verifier) Slices(ctx context.Context, p bifrost.Partition, target int64) ([]Slice, error) {
	slices := []Slice{{Partition: p, Starts: bifrost.Range{Start: 0, End: math.MaxInt64}}}
	bytes := int64(0)
	for from, more := int64(0), true; more; {
		rows, err := v.Ledger.Rows(ctx, p, from, bifrost.ListPage)
		if err != nil {
			return nil, fmt.Errorf("topic %s partition %d: read the rows from offset %d: %w",
				p.Name, p.Number, from, err)
		}
		for _, r := range rows {
			last := &slices[len(slices)-1]
			if bytes >= target && r.Start > last.Starts.Start {
				last.Starts.End = r.Start
				slices = append(slices, Slice{Partition: p, Starts: bifrost.Range{Start: r.Start, End: math.MaxInt64}})
				bytes = 0
			}
			bytes += r.Facts.StoredBytes
			last = &slices[len(slices)-1]
			if r.State == bifrost.StateArchived {
				last.Records += r.Facts.Records
				last.RawBytes += r.Facts.RawBytes
			}
			from = r.Start + 1
		}
		more = len(rows) == bifrost.ListPage
	}
	return slices, nil
}

// VerifyContents decodes the objects of a slice, but for those whose rows were planned
// after the time; zero leaves out none. What their rows and their ends tell,
// VerifyPartitions reports.
func (v *Verifier) VerifyContents(
	ctx context.Context, slice Slice, planned time.Time, report func(Violation),
) (Summary, error) {
	return v.look(Options{Deep: true}, report, func(run *verification) error {
		c := &partitionCheck{verification: run, partition: slice.Partition}
		progress, err := v.Ledger.Progress(ctx, slice.Partition)
		if err != nil && !errors.Is(err, bifrost.ErrNotFound) {
			return fmt.Errorf("verify: %s: read the progress row: %w", slice.Partition, err)
		}
		c.progress, c.exists = progress, err == nil
		prefix := bifrost.PartitionPrefix(v.Group, slice.Partition)
		after, bound := "", ""
		if slice.Starts.Start > 0 {
			after = prefix + fmt.Sprintf("%020d", slice.Starts.Start)
		}
		if slice.Starts.End < math.MaxInt64 {
			bound = prefix + fmt.Sprintf("%020d", slice.Starts.End)
		}
		keys := bifrost.KeyWalk{Bucket: v.Bucket, Prefix: prefix, After: after}
		for {
			page, err := keys.Below(ctx, bound)
			if err != nil || len(page) == 0 {
				return err
			}
			parallel.Each(run.crew, page, func(key string) {
				c.keepFailure(key, func() error { return c.decode(ctx, key, planned) })
			})
		}
	})
}

// decode reads the object at a key to its end, if inspectKey would.
func (c *partitionCheck) decode(ctx context.Context, key string, planned time.Time) error {
	parsed, ok := bifrost.ParseKeyOf(c.Group, c.partition, key)
	if !ok {
		return nil
	}
	row, err := c.rowAt(ctx, nil, parsed.Start)
	if err != nil || !planned.IsZero() && row.PlannedAt.After(planned) {
		return err
	}
	file, stored, err := bifrost.OpenObject(ctx, c.Bucket, key)
	var damage *baldr.FormatError
	switch {
	case errors.Is(err, bifrost.ErrNotFound), errors.Is(err, bifrost.ErrForeign), errors.As(err, &damage):
		return nil
	case err != nil:
		return err
	}
	if len(c.misplaced(file.Summary(), parsed.Start).expected) > 0 {
		return nil
	}
	return c.checkContents(ctx, key, file, stored, row)
}

// Add adds what another share looked at.
func (s *Summary) Add(other Summary) {
	s.Partitions += other.Partitions
	s.Rows += other.Rows
	s.Planned += other.Planned
	s.Objects += other.Objects
	s.Records += other.Records
	s.RawBytes += other.RawBytes
	s.StoredBytes += other.StoredBytes
	s.Totals.Missing += other.Totals.Missing
	s.Lost += other.Lost
	s.Ahead += other.Ahead
	s.Expired += other.Expired
	s.DecodedObjects += other.DecodedObjects
	s.ComparedRecords += other.ComparedRecords
	s.NotCompared += other.NotCompared
	s.NoChecksum += other.NoChecksum
	s.Violations += other.Violations
	if s.Gaps == nil {
		s.Gaps, s.Kinds = map[string]int64{}, map[Kind]int64{}
	}
	for reason, n := range other.Gaps {
		s.Gaps[reason] += n
	}
	for kind, n := range other.Kinds {
		s.Kinds[kind] += n
	}
}
