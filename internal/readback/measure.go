// What records are like before they are read in earnest.

package readback

import (
	"context"
	"fmt"
	"sync"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// A Gauge takes in what records are like before they are read in earnest. Its
// methods are called from several goroutines at once.
type Gauge interface {
	// Member is told what the index says of records that are stored together, and
	// whether the query asks for all of them. It answers whether to read them one
	// by one.
	Member(facts baldr.MemberFacts, whole bool) (read bool)
	// Record is told of each record of such a member that the query asks for. Its
	// memory is borrowed until it returns.
	Record(p bifrost.Partition, r *baldr.Record)
}

// measureAhead is how many objects of a partition are opened side by side: their
// ends are small, and opening is waiting.
const measureAhead = 16

// Measure tells the gauge of the records of the query, in no order. It opens every
// object and reads its index; of the members it reads those that the gauge asks for.
func (r *Reader) Measure(ctx context.Context, q Query, gauge Gauge) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rows := make(chan bifrost.Row)
	var workers sync.WaitGroup
	for range measureAhead {
		workers.Go(func() {
			for row := range rows {
				if err := r.measureRow(ctx, q, row, gauge); err != nil {
					cancel(err)
				}
			}
		})
	}
	for row, err := range Rows(ctx, r.Catalogue, q.Partition, q.offsetRange()) {
		if err != nil {
			cancel(err)
		}
		if row.State != bifrost.StateArchived || row.Facts.Records == 0 || !q.Times.Overlaps(row) {
			continue
		}
		select {
		case rows <- row:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(rows)
	workers.Wait()
	return context.Cause(ctx)
}

// measureAtOnce is how many queries are gone through side by side.
const measureAtOnce = 4

// MeasureAll is Measure for several queries.
func (r *Reader) MeasureAll(ctx context.Context, queries []Query, gauge Gauge) error {
	return parallel.Try(ctx, measureAtOnce, queries, func(ctx context.Context, q Query) error {
		return r.Measure(ctx, q, gauge)
	})
}

func (r *Reader) measureRow(ctx context.Context, q Query, row bifrost.Row, gauge Gauge) error {
	object, err := r.Objects.Open(ctx, row.Facts.Key)
	if err != nil {
		return fmt.Errorf("open %s, which holds offsets %s of %s: %w", row.Facts.Key, row.Range, row.Partition, err)
	}
	o := &openObject{row: row}
	if o.file, err = baldr.Open(object, object.Stored().Size, baldr.ReaderOptions{}); err != nil {
		return o.explainError(err)
	}
	wanted := row.Range.Within(q.offsetRange())
	for facts := range o.file.Members() {
		if facts.LastOffset < wanted.Start || facts.FirstOffset >= wanted.End {
			continue
		}
		if !facts.HasEnvelope {
			return fmt.Errorf("offsets %s of %s are archived as values only, in %s: there are no keys, "+
				"headers and timestamps of them: %w", row.Range, row.Partition, row.Facts.Key, baldr.ErrNoEnvelope)
		}
		whole := facts.FirstOffset >= wanted.Start && facts.LastOffset < wanted.End
		if !q.Times.isAll() {
			if !q.Times.overlapMember(facts) {
				continue
			}
			whole = whole && facts.LeastTimestamp >= q.Times.Since &&
				(q.Times.Until == 0 || facts.MostTimestamp < q.Times.Until)
		}
		if !gauge.Member(facts, whole) {
			continue
		}
		if err := o.measureRecords(q, wanted, facts, gauge); err != nil {
			return err
		}
	}
	return nil
}

// overlapMember reports whether a record of the member may be in the times.
func (t Times) overlapMember(facts baldr.MemberFacts) bool {
	return facts.MostTimestamp >= t.Since && (t.Until == 0 || facts.LeastTimestamp < t.Until)
}

// measureRecords reads one member.
func (o *openObject) measureRecords(q Query, wanted bifrost.Range, facts baldr.MemberFacts, gauge Gauge) error {
	for record, err := range o.file.From(max(facts.FirstOffset, wanted.Start)) {
		if err != nil {
			return o.explainError(err)
		}
		if record.Offset > facts.LastOffset || record.Offset >= wanted.End {
			return nil
		}
		if q.Times.containsTimestamp(record.Timestamp) {
			gauge.Record(o.row.Partition, &record)
		}
	}
	return nil
}
