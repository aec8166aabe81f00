// Deep verifications as jobs.

package job

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// SliceBytes is how much of a partition's objects one item decodes, as they are stored:
// a few minutes of one processor, so that an item is always done within a function's
// time. PartitionsTogether is how many partitions' rows one item looks at. They are
// variables because tests make them tiny.
var (
	SliceBytes         int64 = 8 << 30
	PartitionsTogether       = 64
)

// lookersAtOnce is how many objects a worker looks at side by side: it mostly waits for
// S3 when it looks at their ends, and for its processors when it decodes them.
const lookersAtOnce = 32

// mostListed is how many violations one item lists; more are counted. It is a variable
// because tests make it tiny.
var mostListed = 100_000

// plannersAtOnce is how many partitions are cut side by side: each is a query or two.
const plannersAtOnce = 16

func (r *Runner) verifier(side int) *verify.Verifier {
	return &verify.Verifier{
		Group:      r.Group,
		Ledger:     r.Tables,
		Bucket:     r.Bucket,
		Now:        r.Now,
		Expiration: r.Expiration,
		Parallel:   side,
	}
}

// planVerify cuts a deep verification: the group once, the rows of some partitions at a
// time, and the objects of each partition in slices.
func (r *Runner) planVerify(ctx context.Context, spec Spec) ([]Item, error) {
	filter, err := spec.filter()
	if err != nil {
		return nil, err
	}
	v := r.verifier(1)
	all, err := v.Partitions(ctx, filter)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	cuts := make([][]verify.Slice, len(all))
	cut := func(ctx context.Context, i int) (err error) {
		cuts[i], err = v.Slices(ctx, all[i], SliceBytes)
		return err
	}
	err = parallel.Try(ctx, plannersAtOnce, parallel.NumbersBelow(len(all)), cut)
	if err != nil {
		return nil, err
	}
	var items []Item
	for _, of := range cuts {
		for _, s := range of {
			items = append(items, Item{Records: s.Records, Bytes: s.RawBytes, Slice: sliceOf(s.Partition, s.Starts)})
		}
	}
	items = append(items, Item{Group: true})
	for some := range slices.Chunk(all, PartitionsTogether) {
		item := Item{}
		for _, p := range some {
			item.Partitions = append(item.Partitions, partitionOf(p))
		}
		items = append(items, item)
	}
	if len(items) > maxItems {
		return nil, fmt.Errorf("it has %d items, and a job has at most %d: verify some topics at a time",
			len(items), maxItems)
	}
	return numbered(items), nil
}

// verifyItem does its share of a deep verification. It is done in one invocation or not
// at all.
func (r *Runner) verifyItem(ctx context.Context, spec Spec, item Item, result *Done) error {
	filter, err := spec.filter()
	if err != nil {
		return err
	}
	options := verify.Options{Topics: filter}
	report := func(found verify.Violation) {
		if len(result.Violations) < mostListed {
			result.Violations = append(result.Violations, found)
		} else {
			result.Unlisted++
		}
	}
	var summary verify.Summary
	switch {
	case item.Group:
		summary, err = r.verifier(lookersAtOnce).VerifyGroup(ctx, options, report)
	case item.Slice != nil:
		slice := verify.Slice{Partition: item.Slice.rule(), Starts: item.Slice.starts()}
		runs, runsErr := r.Runs(ctx, spec.ID)
		if runsErr != nil {
			return runsErr
		}
		if len(runs) == 0 {
			return errors.New("no execution of it is on record")
		}
		summary, err = r.verifier(max(1, r.Cores)).VerifyContents(ctx, slice, runs[0].At, report)
	default:
		var partitions []bifrost.Partition
		for _, p := range item.Partitions {
			partitions = append(partitions, p.rule())
		}
		summary, err = r.verifier(lookersAtOnce).VerifyPartitions(ctx, partitions, options, report)
	}
	if err != nil && errors.Is(context.Cause(ctx), errDeadline) {
		return errors.Join(errors.New("it does not fit into the time of one function: "+
			"verify these topics by the command, which takes as long as it takes"), err)
	}
	if err != nil {
		return err
	}
	result.Summary, result.Records, result.Bytes = &summary, summary.Records, summary.RawBytes
	return nil
}
