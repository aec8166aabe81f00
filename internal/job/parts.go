// Replays as jobs.

package job

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/replayplan"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// planReplay cuts a replay into partitions, looks whether the target takes them, and
// makes topics. What stands against it ends it before anything is made.
func (r *Runner) planReplay(ctx context.Context, spec Spec) ([]Item, error) {
	all, err := r.Tables.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	asked := spec.replay()
	planner := replayplan.Planner{
		Reader: r.reader(),
		Bounds: replayplan.Bounds{
			From:  asked.From,
			To:    asked.To,
			Times: readback.Times{Since: asked.Since, Until: asked.Until},
		},
		Rekey:            asked.Rekey,
		Numbered:         len(asked.Partitions) > 0,
		SelectPartitions: asked.selectPartitions,
	}
	plan, err := planner.Plan(ctx, all, spec.Topics)
	if err != nil || len(plan.Parts) == 0 {
		return nil, err
	}
	if err := r.prepareTarget(ctx, spec, plan); err != nil {
		return nil, err
	}
	var items []Item
	for _, p := range plan.Parts {
		items = append(items, Item{Parts: []Part{partOf(p.Part)}, Records: p.Records, Bytes: p.Bytes})
	}
	return together(items), nil
}

// selectPartitions returns the rows of those that are asked for.
func (r Replay) selectPartitions(life []bifrost.Progress) (rows []bifrost.Progress, err error) {
	if len(r.Partitions) == 0 {
		return life, nil
	}
	for _, n := range r.Partitions {
		if !slices.ContainsFunc(life, func(p bifrost.Progress) bool { return p.Number == n }) {
			return nil, fmt.Errorf("topic %s has no partition %d in the archive", life[0].Name, n)
		}
	}
	for _, p := range life {
		if slices.Contains(r.Partitions, p.Number) {
			rows = append(rows, p)
		}
	}
	return rows, nil
}

func (r *Runner) reader() *readback.Reader {
	return &readback.Reader{Catalogue: r.Tables, Objects: r.Bucket, Workers: r.Cores}
}

func (r *Runner) source(ctx context.Context, p replay.Part, span replay.Span) iter.Seq2[baldr.Record, error] {
	return r.reader().Records(ctx, replayplan.QueryOf(p, span))
}

// prepareTarget looks at the target as the command does, and makes topics once nothing
// stands against the replay.
func (r *Runner) prepareTarget(ctx context.Context, spec Spec, plan *replayplan.Plan) error {
	asked := spec.replay()
	codec, err := spec.codec()
	if err != nil {
		return err
	}
	client, err := r.Connect(ctx, spec.To)
	if err != nil {
		return err
	}
	look, err := target.LookInto(ctx, client, target.Request{
		Needs:      plan.Needs,
		Create:     asked.Create,
		Codec:      codec,
		StateTopic: bifrost.ReplayStateTopic,
		Probe:      true,
		Now:        r.Now(),
	})
	if err != nil {
		return err
	}
	if err := look.Measure(ctx); err != nil {
		return err
	}
	reasons := look.Refused(asked.Force)
	for _, t := range look.Topics {
		if reason, never := plan.IntoItself(look.ClusterID, t.Topic, t.ID); reason != "" && (never || !asked.Force) {
			reasons = append(reasons, fmt.Sprintf("topic %s: %s", t.Topic, reason))
		}
	}
	outlook, err := replay.Look(ctx, requestOf(spec, plan.Requested()), r.source, replay.Options{Client: client})
	if err != nil {
		return err
	}
	for _, o := range outlook.Objections() {
		reasons = append(reasons, fmt.Sprintf("topic %s: %s (replay.force goes on all the same)", o.Topic, o.Text))
	}
	if len(reasons) > 0 {
		return fmt.Errorf("%s; %w", strings.Join(reasons, "; "), replay.ErrRefused)
	}
	_, err = look.Make(ctx)
	return err
}

func requestOf(spec Spec, parts []replay.Part) replay.Request {
	asked := spec.replay()
	return replay.Request{Parts: parts, Rekey: asked.Rekey, Force: asked.Force}
}

// replayItem writes what is left of the item's parts, one after the other. A worker
// that another has shut out ends: it does not shut out that one in turn.
func (r *Runner) replayItem(
	ctx context.Context, spec Spec, item Item, rate int64, result *Done,
) (more bool, err error) {
	if len(item.Parts) == 0 { // of a restore without records
		return false, nil
	}
	codec, err := spec.codec()
	if err != nil {
		return false, err
	}
	client, err := r.Connect(ctx, spec.To)
	if err != nil {
		return false, err
	}
	var needs []target.Need
	for _, p := range item.Parts {
		if !slices.ContainsFunc(needs, func(n target.Need) bool { return n.Topic == p.Target }) {
			needs = append(needs, target.Need{Topic: p.Target})
		}
	}
	look, err := target.LookInto(ctx, client, target.Request{Needs: needs, Codec: codec, Now: r.Now()})
	if err != nil {
		return r.moreIsLeft(ctx, err)
	}
	told := &note{Runner: r, id: spec.ID, item: item, last: r.Now()}
	for _, p := range item.Parts {
		outlook, err := replay.Start(ctx, requestOf(spec, []replay.Part{p.rule()}), r.source, replay.Options{
			Client: client, Parallel: 1, Batches: look.Batches(), Throttle: rate, Begun: told.begun,
			Committed: func(records, _ int64) { told.committed(ctx, records) },
		})
		if err != nil {
			return r.moreIsLeft(ctx, err)
		}
		for _, o := range outlook.Parts {
			result.Records += o.Position.Records
			result.Bytes += o.Position.Bytes
		}
	}
	return false, nil
}

// moreIsLeft tells an end for the deadline, after which another invocation goes on, from one
// for good.
func (r *Runner) moreIsLeft(ctx context.Context, err error) (bool, error) {
	if errors.Is(context.Cause(ctx), errDeadline) && !errors.Is(err, replay.ErrShutOut) &&
		!errors.Is(err, replay.ErrRefused) {
		return true, nil
	}
	return false, err
}
