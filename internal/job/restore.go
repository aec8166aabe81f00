// Restores as jobs.

package job

import (
	"context"
	"fmt"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

// restorer reads the capture, and looks at the target.
func (r *Runner) restorer(ctx context.Context, spec Spec) (*restore.Restorer, *restore.Plan, error) {
	filter, err := spec.filter()
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := capture.Open(ctx, r.Bucket, spec.Restore.Capture)
	if err != nil {
		return nil, nil, fmt.Errorf("read the capture %s: %w", spec.Restore.Capture, err)
	}
	codec, err := spec.codec()
	if err != nil {
		return nil, nil, err
	}
	client, err := r.Connect(ctx, spec.To)
	if err != nil {
		return nil, nil, err
	}
	rule := &restore.Restorer{
		Scope: restore.Scope{Topics: filter, Groups: spec.Restore.Groups, ACLs: spec.Restore.ACLs}, Snapshot: snapshot,
		Archive: r.reader(), Client: client, Codec: codec, Parallel: 1, Now: r.Now,
	}
	plan, err := rule.Look(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	if len(plan.Refusals) > 0 {
		return nil, nil, fmt.Errorf("%s; %w", strings.Join(plan.Refusals, "; "), replay.ErrRefused)
	}
	return rule, plan, nil
}

// planRestore makes the topics of the capture, and cuts their records into the
// partitions that they go into.
func (r *Runner) planRestore(ctx context.Context, spec Spec) ([]Item, error) {
	rule, plan, err := r.restorer(ctx, spec)
	if err != nil {
		return nil, err
	}
	var items []Item
	for _, s := range plan.Shares() {
		item := Item{Records: s.Records, Bytes: s.Bytes}
		for _, p := range s.Parts {
			item.Parts = append(item.Parts, partOf(p))
		}
		items = append(items, item)
	}
	if len(items) == 0 { // topics, groups and ACLs are still to be restored
		items = []Item{{}}
	}
	if err := rule.Prepare(ctx, plan); err != nil {
		return nil, err
	}
	return together(items), nil
}

// endRestore does what comes after the records: groups, ACLs, and the look at what
// stands where it stood.
func (r *Runner) endRestore(ctx context.Context, spec Spec) (*restore.Report, error) {
	rule, plan, err := r.restorer(ctx, spec)
	if err != nil {
		return nil, err
	}
	return rule.Run(ctx, plan)
}
