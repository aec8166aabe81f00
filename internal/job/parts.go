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
	"github.com/bifrost-archive/bifrost/internal/target"
)

// replayPlan is what a replay of the spec writes, and into which topics.
type replayPlan struct {
	spec    Spec
	parts   []replay.Part
	items   []Item // of one part each
	needs   []target.Need
	sources map[string][]bifrost.Progress // rows by the topic that they go into
}

// planReplay cuts a replay into partitions, looks whether the target takes them, and
// makes topics. What stands against it ends it before anything is made.
func (r *Runner) planReplay(ctx context.Context, spec Spec) ([]Item, error) {
	all, err := r.Tables.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	plan := replayPlan{spec: spec, sources: map[string][]bifrost.Progress{}}
	arguments := slices.Compact(slices.Sorted(slices.Values(spec.Topics)))
	for _, argument := range arguments {
		source, into, renamed := strings.Cut(argument, ":")
		if !renamed {
			into = bifrost.Partition{Name: source}.Topic()
		}
		if err := r.planTopic(ctx, &plan, all, source, into); err != nil {
			return nil, err
		}
	}
	if len(plan.parts) == 0 {
		return nil, nil
	}
	if err := r.prepareTarget(ctx, &plan); err != nil {
		return nil, err
	}
	return together(plan.items), nil
}

func (r *Runner) planTopic(ctx context.Context, plan *replayPlan, all []bifrost.Progress, source, into string) error {
	life, err := readback.Topic(all, source)
	if err != nil {
		return err
	}
	asked := plan.spec.replay()
	for _, n := range asked.Partitions {
		if !slices.ContainsFunc(life, func(p bifrost.Progress) bool { return p.Number == n }) {
			return fmt.Errorf("topic %s has no partition %d in the archive", source, n)
		}
	}
	need := target.Need{Topic: into}
	i := slices.IndexFunc(plan.needs, func(n target.Need) bool { return n.Topic == into })
	if i >= 0 {
		need = plan.needs[i]
	}
	byTopic := replay.ByTopic(all)
	var queries []readback.Query
	for _, p := range life {
		need.Partitions = max(need.Partitions, p.Number+1)
		span := asked.span(p.NextOffset)
		if len(asked.Partitions) > 0 && !slices.Contains(asked.Partitions, p.Number) || span.Start >= span.End {
			continue
		}
		part := replay.NewPart(p, into, span, byTopic)
		item := Item{Parts: []Part{partOf(part)}}
		if err := r.weighPart(ctx, part, &item); err != nil {
			return err
		}
		need.MostBytes = max(need.MostBytes, item.Bytes)
		if !asked.Rekey {
			need.Fewest = max(need.Fewest, p.Number+1)
		}
		queries = append(queries, queryOf(part, span))
		plan.parts, plan.items = append(plan.parts, part), append(plan.items, item)
		plan.sources[into] = append(plan.sources[into], p)
	}
	before := need.Measure
	need.Measure = func(ctx context.Context, gauge *target.Gauge) error {
		if before != nil {
			if err := before(ctx, gauge); err != nil {
				return err
			}
		}
		return r.reader().MeasureAll(ctx, queries, gauge)
	}
	if i >= 0 {
		plan.needs[i] = need
	} else {
		plan.needs = append(plan.needs, need)
	}
	return nil
}

// span is what is asked for of a partition whose archive ends at the offset.
func (r Replay) span(end int64) replay.Span {
	if r.To != 0 {
		end = min(end, r.To)
	}
	span := replay.AllTimes(r.From, end)
	if r.Since != 0 || r.Until != 0 {
		span.Since = r.Since
		if r.Until != 0 {
			span.Until = r.Until
		}
	}
	return span
}

// weighPart adds up what the catalogue says of a part.
func (r *Runner) weighPart(ctx context.Context, part replay.Part, item *Item) error {
	query := queryOf(part, part.Ask)
	for row, err := range readback.Rows(ctx, r.Tables, query.Partition, query.Offsets) {
		if err != nil {
			return err
		}
		if row.State == bifrost.StateArchived && query.Times.Overlaps(row) {
			item.Records += row.Facts.Records
			item.Bytes += row.Facts.RawBytes
		}
	}
	return nil
}

func (r *Runner) reader() *readback.Reader {
	return &readback.Reader{Catalogue: r.Tables, Objects: r.Bucket, Workers: r.Cores}
}

func (r *Runner) source(ctx context.Context, p replay.Part, span replay.Span) iter.Seq2[baldr.Record, error] {
	return r.reader().Records(ctx, queryOf(p, span))
}

// queryOf asks the archive for a span of a part. Records without a timestamp come only
// with all others.
func queryOf(p replay.Part, span replay.Span) readback.Query {
	query := readback.Query{Partition: p.Source, Offsets: bifrost.Range{Start: span.Start, End: span.End}}
	if span.Bounded() && span.Since >= 0 {
		query.Times.Since = span.Since
		if span.Until != replay.AllTimes(0, 0).Until {
			query.Times.Until = span.Until
		}
	}
	return query
}

// prepareTarget looks at the target as the command does, and makes topics once nothing
// stands against the replay.
func (r *Runner) prepareTarget(ctx context.Context, plan *replayPlan) error {
	asked := plan.spec.replay()
	codec, err := asked.codec()
	if err != nil {
		return err
	}
	client, err := r.Connect(ctx, plan.spec.To)
	if err != nil {
		return err
	}
	look, err := target.LookInto(ctx, client, target.Request{
		Needs: plan.needs, Create: asked.Create, Codec: codec, StateTopic: bifrost.ReplayStateTopic, Probe: true, Now: r.Now(),
	})
	if err != nil {
		return err
	}
	if err := look.Measure(ctx); err != nil {
		return err
	}
	reasons := look.Refused(asked.Force)
	for _, t := range look.Topics {
		for _, row := range plan.sources[t.Topic] {
			if row.ClusterID == look.ClusterID && row.Topic() == t.Topic && !asked.Force {
				reasons = append(reasons, fmt.Sprintf("topic %s: it is the topic that is archived, so that its records would be there and in the archive twice", t.Topic))
				break
			}
		}
	}
	outlook, err := replay.Look(ctx, plan.request(plan.parts), r.source, replay.Options{Client: client})
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

func (p *replayPlan) request(parts []replay.Part) replay.Request { return requestOf(p.spec, parts) }

func requestOf(spec Spec, parts []replay.Part) replay.Request {
	asked := spec.replay()
	return replay.Request{Parts: parts, Rekey: asked.Rekey, Force: asked.Force}
}

// replayItem writes what is left of the item's parts, one after the other. A worker
// that another has shut out ends: it does not shut out that one in turn.
func (r *Runner) replayItem(ctx context.Context, spec Spec, item Item, rate int64, result *Done) (more bool, err error) {
	codec, err := spec.replay().codec()
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
	for _, p := range item.Parts {
		outlook, err := replay.Start(ctx, requestOf(spec, []replay.Part{p.rule()}), r.source, replay.Options{
			Client: client, Parallel: 1, Batches: look.Batches(), Throttle: rate,
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
	if errors.Is(context.Cause(ctx), errDeadline) && !errors.Is(err, replay.ErrShutOut) && !errors.Is(err, replay.ErrRefused) {
		return true, nil
	}
	return false, err
}
