// What exists after planned_offset already: objects, rows.

package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ListPage is how many keys or rows one request reads. It is a variable because tests
// read everything in pages of a few.
var ListPage = 1000

// lastObjectEnd finds where the last object of the incarnation under the
// partition's prefix ends; 0 when there is none.
func (b *PartitionBuilder) lastObjectEnd(ctx context.Context, p Progress) (int64, error) {
	prefix := PartitionPrefix(b.Group, p.Partition)
	var keys []string
	for after := ""; ; after = keys[len(keys)-1] {
		page, err := b.Bucket.List(ctx, prefix, after, ListPage)
		if err != nil {
			return 0, fmt.Errorf("list %s: %w", prefix, err)
		}
		keys = append(keys, page...)
		if len(page) < ListPage {
			break
		}
	}
	i := p.Incarnation()
	for _, key := range slices.Backward(keys) {
		facts, err := b.readOwnFacts(ctx, key, p, i)
		if err != nil || facts.Key != "" {
			return facts.End, err
		}
	}
	return 0, nil
}

// lastRowEnd finds where the last row of the partition ends; 0 when there is none.
func (b *PartitionBuilder) lastRowEnd(ctx context.Context, p Partition) (int64, error) {
	end := int64(0)
	for {
		rows, err := b.Ledger.Rows(ctx, p, end, ListPage)
		if err != nil {
			return 0, fmt.Errorf("read the rows from offset %d: %w", end, err)
		}
		if len(rows) > 0 {
			end = rows[len(rows)-1].End
		}
		if len(rows) < ListPage {
			return end, nil
		}
	}
}

// readOwnFacts reads the facts of the object at the key if it is one of the
// incarnation's partition, and no Facts when it is something else.
func (b *PartitionBuilder) readOwnFacts(ctx context.Context, key string, p Progress, i Incarnation) (Facts, error) {
	parsed, err := ParseKey(key)
	if err != nil || key != ObjectKey(b.Group, p.Partition, parsed.Start, parsed.Alternative) {
		return Facts{}, nil
	}
	facts, err := ReadFacts(ctx, b.Store, key, ObjectOwner{i, p.Number, parsed.Start})
	if errors.Is(err, ErrForeign) || errors.Is(err, ErrNotFound) {
		return Facts{}, nil
	}
	return facts, err
}

// findAhead finds what exists between planned_offset and KnownUntil: nothing, in the
// life of a partition whose tables were never lost.
func (b *PartitionBuilder) findAhead(ctx context.Context, p Progress, i Incarnation) (Ahead, error) {
	if p.PlannedOffset >= p.KnownUntil {
		return Ahead{}, nil
	}
	rows, err := b.Ledger.Rows(ctx, p.Partition, p.PlannedOffset, plannedAtOnce)
	if err != nil {
		return Ahead{}, fmt.Errorf("read the rows from offset %d: %w", p.PlannedOffset, err)
	}
	horizon := int64(math.MaxInt64)
	if len(rows) == plannedAtOnce {
		horizon = rows[len(rows)-1].End
	}
	known := make([]Known, 0, len(rows))
	for _, r := range rows {
		known = append(known, Known{Range: r.Range, IsRow: true})
	}
	objects, seen, err := b.listObjectsAhead(ctx, p, i)
	if err != nil {
		return Ahead{}, err
	}
	return tile(append(known, objects...), min(horizon, seen)), nil
}

// listObjectsAhead lists the incarnation's objects from planned_offset on, and up to
// which offset the listing is whole.
func (b *PartitionBuilder) listObjectsAhead(ctx context.Context, p Progress, i Incarnation) ([]Known, int64, error) {
	prefix := PartitionPrefix(b.Group, p.Partition)
	from := prefix + fmt.Sprintf("%020d", p.PlannedOffset) // sorts before the key of that start
	keys, err := b.Bucket.List(ctx, prefix, from, plannedAtOnce)
	if err != nil {
		return nil, 0, fmt.Errorf("list %s from offset %d: %w", prefix, p.PlannedOffset, err)
	}
	horizon := int64(math.MaxInt64)
	var objects []Known
	for n, key := range keys {
		facts, err := b.readOwnFacts(ctx, key, p, i)
		if err != nil {
			return nil, 0, err
		}
		if facts.Key != "" {
			objects = append(objects, Known{Range: facts.Range})
		}
		if parsed, err := ParseKey(key); n == plannedAtOnce-1 && err == nil {
			horizon = parsed.Start
		}
	}
	return objects, horizon, nil
}

// tile puts known stretches in order and cuts them so that none overlaps the
// next: a row wins over an object at its start, and everything ends where the
// next one begins. Beyond the horizon nothing is known for certain.
func tile(known []Known, horizon int64) Ahead {
	slices.SortStableFunc(known, func(a, b Known) int { return cmp.Compare(a.Start, b.Start) })
	known = slices.CompactFunc(known, func(a, b Known) bool { return a.Start == b.Start })
	ahead := Ahead{Partial: horizon != math.MaxInt64}
	for n, k := range known {
		if k.Start > horizon || (k.Start == horizon && !k.IsRow && ahead.Partial) {
			break
		}
		if n+1 < len(known) && !k.IsRow {
			k.End = min(k.End, known[n+1].Start)
		}
		ahead.Known = append(ahead.Known, k)
	}
	return ahead
}
