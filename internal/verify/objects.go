// How each object is compared with its row.

package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// inspected is a key of the partition and what was found at it.
type inspected struct {
	key  string
	held bifrost.Range // by an object of this partition that is at its place; empty for anything else
}

// checkObjects looks at every key that sorts before bound and at every row of the
// page, so that neither an object without a row nor a row without an object is
// missed.
func (c *partitionCheck) checkObjects(ctx context.Context, bound string) error {
	rows := make(map[int64]bifrost.Row, len(c.page))
	for _, r := range c.page {
		rows[r.Start] = r
	}
	seen := map[string]bool{}
	for {
		keys, err := c.keys.Below(ctx, bound)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		found := make([]*inspected, len(keys))
		for i, key := range keys {
			found[i], seen[key] = &inspected{key: key}, true
		}
		parallel.Each(c.crew, found, func(f *inspected) {
			c.keepFailure(f.key,
				func() error { return c.inspectKey(ctx, f, rows) })
		})
		for _, f := range found {
			c.checkOverlap(f)
		}
	}
	parallel.Each(c.crew, c.page, func(r bifrost.Row) {
		if r.State.Done() && !seen[r.Facts.Key] {
			c.keepFailure(r.Facts.Key, func() error { return c.checkUnlisted(ctx, r) })
		}
	})
	return nil
}

// keepFailure keeps the failure of one key, and goes on with the others.
func (c *partitionCheck) keepFailure(key string, look func() error) {
	if err := look(); err != nil {
		c.addFailure(fmt.Errorf("%s: %w", key, err))
	}
}

// checkUnlisted looks at a settled row whose object the listing did not show.
func (c *partitionCheck) checkUnlisted(ctx context.Context, r bifrost.Row) error {
	if _, ok := bifrost.ParseKeyOf(c.Group, c.partition, r.Facts.Key); !ok {
		return nil // the row was reported
	}
	_, err := c.Bucket.Open(ctx, r.Facts.Key)
	if errors.Is(err, bifrost.ErrNotFound) && c.mayHaveExpired(r) {
		c.count(func(s *Summary) { s.Expired++ })
		return nil
	}
	if errors.Is(err, bifrost.ErrNotFound) {
		c.reportAt(ObjectMissing, r.Range, r.Facts.Key, fmt.Sprintf("an object of %d bytes", r.Facts.StoredBytes),
			"none")
		return nil
	}
	return err
}

// mayHaveExpired reports whether the bucket may have deleted the row's object
// because of its age. No object is older than its row's plan, but for rows that
// were rebuilt.
func (c *partitionCheck) mayHaveExpired(r bifrost.Row) bool {
	return c.Expiration > 0 && c.Now().Sub(r.PlannedAt) >= c.Expiration
}

// checkOverlap checks that the object begins where no earlier one reaches.
func (c *partitionCheck) checkOverlap(f *inspected) {
	if !f.held.Valid() {
		return
	}
	if f.held.Start < c.reach.End {
		c.reportAt(ObjectsOverlap, bifrost.Range{Start: f.held.Start, End: min(f.held.End, c.reach.End)}, f.key,
			"offsets that no other object holds",
			fmt.Sprintf("%s holds %s", c.reachKey, c.reach))
	}
	if f.held.End > c.reach.End {
		c.reach, c.reachKey = f.held, f.key
	}
}

// inspectKey opens the object at a key and holds it against its row.
func (c *partitionCheck) inspectKey(ctx context.Context, f *inspected, rows map[int64]bifrost.Row) error {
	parsed, ok := bifrost.ParseKeyOf(c.Group, c.partition, f.key)
	if c.partition.Fork() > 0 && f.key == bifrost.ForkKey(c.Group, c.partition) {
		return nil // read with the progress row
	}
	if f.key == bifrost.BirthKey(c.Group, c.partition) {
		c.birth.Store(true) // that it is there is all that it says
		return nil
	}
	if !ok {
		c.reportForeign(f.key, "a key that Bifrost does not write")
		return nil
	}
	row, err := c.rowAt(ctx, rows, parsed.Start)
	if err != nil {
		return err
	}
	settles := row.State.Done() && row.Facts.Key == f.key
	file, stored, err := bifrost.OpenObject(ctx, c.Bucket, f.key)
	var damage *baldr.FormatError
	switch {
	case errors.Is(err, bifrost.ErrNotFound):
		if settles {
			return c.checkUnlisted(ctx, row) // deleted just now
		}
		return nil
	case errors.As(err, &damage), errors.Is(err, bifrost.ErrForeign) && settles:
		c.reportAt(ObjectDamaged, bifrost.Range{Start: parsed.Start, End: row.End}, f.key, "an object of Bifrost",
			err.Error())
		return nil
	case errors.Is(err, bifrost.ErrForeign):
		c.reportForeign(f.key, err.Error())
		return nil
	case err != nil:
		return err
	}
	c.count(func(s *Summary) { s.Objects++ })
	s := file.Summary()
	if !c.inPlace(f.key, s, row, parsed.Start) {
		return nil
	}
	f.held = bifrost.Range{Start: s.Start, End: s.End}
	switch {
	case settles:
		return c.checkSettled(ctx, file, stored, row)
	case row.State != bifrost.StatePlanned:
		c.withoutRow(f, row)
	}
	return c.checkContents(ctx, f.key, file, stored, row)
}

func (c *partitionCheck) reportForeign(key, found string) {
	c.reportAt(ForeignObject, noOffsets, key, "objects of this partition, nothing else", found)
}

// rowAt is the row that begins at the offset; the zero Row when there is none. One
// that is not on the page may have been made since.
func (c *partitionCheck) rowAt(ctx context.Context, rows map[int64]bifrost.Row, start int64) (bifrost.Row, error) {
	if r, ok := rows[start]; ok {
		return r, nil
	}
	r, err := c.Ledger.Row(ctx, c.partition, start)
	if err != nil && !errors.Is(err, bifrost.ErrNotFound) {
		return bifrost.Row{}, fmt.Errorf("read the row at offset %d: %w", start, err)
	}
	if err != nil {
		return bifrost.Row{}, nil
	}
	return r, nil
}

// inPlace checks that the object is what its key says it is.
func (c *partitionCheck) inPlace(key string, s baldr.Summary, row bifrost.Row, start int64) bool {
	d := c.misplaced(s, start)
	c.reportDifferences(ObjectMisplaced, bifrost.Range{Start: start, End: row.End}, key, d)
	return len(d.expected) == 0
}

func (c *partitionCheck) misplaced(s baldr.Summary, start int64) (d differences) {
	if c.exists {
		d.check("cluster", c.progress.ClusterID, s.ClusterID)
		d.check("topic ID", c.progress.TopicID, bifrost.TopicID(s.TopicID))
	}
	d.check("topic", c.partition.Topic(), s.Topic)
	d.check("partition", c.partition.Number, s.Partition)
	d.check("start", start, s.Start)
	return d
}

// withoutRow is about an object that settles no row, though it is whole and at
// its place. It need not stay so where a rebuild is still on its way.
func (c *partitionCheck) withoutRow(f *inspected, row bifrost.Row) {
	switch {
	case row.State.Done():
		c.reportAt(ObjectWithoutRow, f.held, f.key, "the object of its row",
			fmt.Sprintf("the row names %s", row.Facts.Key))
	case c.exists && f.held.Start >= c.planned && f.held.End <= c.known:
		c.count(func(s *Summary) { s.Ahead++ })
	default:
		c.reportAt(ObjectWithoutRow, f.held, f.key, fmt.Sprintf("a row that starts at %d", f.held.Start), "none")
	}
}

// checkSettled holds an object against the row that it settled, by what the store and
// its own summary say: nothing but its tail is downloaded.
func (c *partitionCheck) checkSettled(ctx context.Context, file *baldr.File, stored bifrost.Stored,
	row bifrost.Row) error {
	f := row.Facts
	if stored.Size != f.StoredBytes {
		c.reportAt(ObjectSize, row.Range, f.Key, fmt.Sprintf("%d bytes", f.StoredBytes),
			fmt.Sprintf("%d bytes", stored.Size))
	}
	switch stored.Checksum {
	case "": // nothing was compared, so nothing is wrong; a deep look computes it
		c.count(func(s *Summary) { s.NoChecksum++ })
	case f.Checksum:
	default:
		c.reportAt(ObjectChecksum, row.Range, f.Key, fmt.Sprintf("CRC64NVME %q", f.Checksum),
			fmt.Sprintf("%q", stored.Checksum))
	}
	c.reportDifferences(ObjectMismatch, row.Range, f.Key,
		compareFacts(bifrost.FactsOf(f.Key, file.Summary(), stored), row))
	return errors.Join(
		c.checkContents(ctx, f.Key, file, stored, row),
		c.againstKafka(ctx, file, row),
	)
}

// compareFacts compares what an object says of itself with its row. A row that
// ends before its object counts a part of it: only a deep look can count that
// part again.
func compareFacts(object bifrost.Facts, row bifrost.Row) differences {
	var d differences
	f := row.Facts
	d.check("kind", object.Kind, f.Kind)
	d.check("reason", object.Reason, f.Reason)
	d.check("leader epoch", object.LeaderEpoch, f.LeaderEpoch)
	if row.End < object.End {
		d.check("no more records than the object", true, f.Records <= object.Records)
		d.check("no more raw bytes than the object", true, f.RawBytes <= object.RawBytes)
		return d
	}
	d.check("end", object.End, f.End)
	d.check("end of the row", object.End, row.End)
	checkCounts(&d, object, f)
	d.check("missing", object.Missing, f.Missing)
	return d
}

func checkCounts(d *differences, expected, found bifrost.Facts) {
	d.check("records", expected.Records, found.Records)
	d.check("raw bytes", expected.RawBytes, found.RawBytes)
	d.check("first timestamp", expected.FirstTimestamp, found.FirstTimestamp)
	d.check("last timestamp", expected.LastTimestamp, found.LastTimestamp)
}
