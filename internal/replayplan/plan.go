// Package replayplan turns topics of the archive into what a replay writes and into what
// its target topics need. The command bifrost replay plans by it, and so does a job.
package replayplan

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// Planner plans from the tables and the bucket.
type Planner struct {
	Reader *readback.Reader // whose catalogue has the rows
	Bounds
	// Rekey says that the partitions of the target are chosen by key.
	Rekey bool
	// Numbered says that partitions are asked for by their numbers. Otherwise it is all of a topic.
	Numbered bool
	// SelectPartitions returns the rows of those partitions of one life that are asked for.
	SelectPartitions func(life []bifrost.Progress) ([]bifrost.Progress, error)
}

// Bounds are what is asked for of each partition.
type Bounds struct {
	From, To int64 // offsets [From, To); To is 0 for no end
	Times    readback.Times
}

// Plan is what a replay writes. What was archived when it was made is where its
// partitions end.
type Plan struct {
	Parts []Part
	Needs []target.Need      // of each target topic
	Rows  []bifrost.Progress // of all partitions that were asked for, also of those without anything to write
}

// Part is a part of a replay, with what the catalogue says of its span.
type Part struct {
	replay.Part
	Row            bifrost.Progress // of its source
	Records, Bytes int64            // of the objects that overlap the span; raw bytes
	Lost           []bifrost.Row    // recorded gaps, as far as they are in it
}

// Plan reads what the arguments name: TOPIC, or TOPIC:TARGET for a topic of another name.
// A glob stands for all topics that it matches, each into the topic of its own name.
// One that is given twice counts once. All is the whole progress table.
func (p *Planner) Plan(ctx context.Context, all []bifrost.Progress, arguments []string) (*Plan, error) {
	plan := &Plan{}
	arguments, err := expandGlobs(all, arguments)
	if err != nil {
		return nil, err
	}
	for i, argument := range arguments { // to name the topic of its own name is to name none
		if source, into, _ := strings.Cut(argument, ":"); into == (bifrost.Partition{Name: source}).Topic() {
			arguments[i] = source
		}
	}
	for _, argument := range slices.Compact(slices.Sorted(slices.Values(arguments))) {
		source, into, renamed := strings.Cut(argument, ":")
		if !renamed {
			into = bifrost.Partition{Name: source}.Topic()
		}
		if err := p.addTopic(ctx, plan, all, source, into); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// CheckArguments refuses a glob with a target: many topics would go into one.
func CheckArguments(arguments ...string) error {
	for _, argument := range arguments {
		if source, _, renamed := strings.Cut(argument, ":"); renamed && readback.IsGlob(source) {
			return fmt.Errorf("%s: a glob cannot be replayed into one topic: name the topics, or leave out the target",
				argument)
		}
	}
	return nil
}

// expandGlobs puts the topics of the archive that a glob matches in its place. One with a target
// has to name its topic: many would go into one.
func expandGlobs(all []bifrost.Progress, arguments []string) (names []string, err error) {
	for _, argument := range arguments {
		source, _, renamed := strings.Cut(argument, ":")
		if !readback.IsGlob(source) {
			names = append(names, argument)
			continue
		}
		if renamed {
			return nil, CheckArguments(argument)
		}
		matched, err := readback.ExpandGlobs(all, []string{source})
		if err != nil {
			return nil, err
		}
		names = append(names, matched...)
	}
	return names, nil
}

func (p *Planner) addTopic(ctx context.Context, plan *Plan, all []bifrost.Progress, source, into string) error {
	life, err := readback.Topic(all, source)
	if err != nil {
		return err
	}
	rows, err := p.SelectPartitions(life)
	if err != nil {
		return err
	}
	if !p.Numbered {
		if err := readback.CheckRows(ctx, p.Reader.Catalogue, life); err != nil {
			return fmt.Errorf("nothing is replayed: %w; or name the partitions to replay", err)
		}
	}
	need := plan.needOf(into)
	for _, row := range life {
		need.Partitions = max(need.Partitions, row.Number+1)
	}
	var queries []readback.Query
	byTopic := replay.ByTopic(all)
	for _, row := range rows {
		span := p.spanUntil(row.NextOffset)
		if span.Start >= span.End {
			continue
		}
		part := Part{Part: replay.NewPart(row, into, span, byTopic), Row: row}
		query := QueryOf(part.Part, part.Ask)
		if err := p.weighPart(ctx, query, &part); err != nil {
			return err
		}
		need.MostBytes = max(need.MostBytes, part.Bytes)
		if !p.Rekey {
			need.Fewest = max(need.Fewest, row.Number+1)
		}
		plan.Parts, queries = append(plan.Parts, part), append(queries, query)
	}
	need.Measure = measureAll(need.Measure, p.Reader, queries)
	plan.Rows = append(plan.Rows, rows...)
	return nil
}

// needOf is what goes into a topic, which may come from several arguments.
func (p *Plan) needOf(topic string) *target.Need {
	i := slices.IndexFunc(p.Needs, func(n target.Need) bool { return n.Topic == topic })
	if i < 0 {
		i = len(p.Needs)
		p.Needs = append(p.Needs, target.Need{Topic: topic})
	}
	return &p.Needs[i]
}

// measureAll tells a gauge of all records of the queries, after what was to be told
// before.
func measureAll(
	before func(context.Context, *target.Gauge) error, from *readback.Reader, queries []readback.Query,
) func(context.Context, *target.Gauge) error {
	return func(ctx context.Context, gauge *target.Gauge) error {
		if before != nil {
			if err := before(ctx, gauge); err != nil {
				return err
			}
		}
		return from.MeasureAll(ctx, queries, gauge)
	}
}

// weighPart adds up what the catalogue says of the query.
func (p *Planner) weighPart(ctx context.Context, query readback.Query, part *Part) error {
	for row, err := range readback.Rows(ctx, p.Reader.Catalogue, query.Partition, query.Offsets) {
		if err != nil {
			return err
		}
		if row.State == bifrost.StateLost {
			row.Range = row.Range.Within(query.Offsets)
			part.Lost = append(part.Lost, row)
		}
		if row.State == bifrost.StateArchived && query.Times.Overlaps(row) {
			part.Records += row.Facts.Records
			part.Bytes += row.Facts.RawBytes
		}
	}
	return nil
}

// spanUntil is what is asked for of a partition whose archive ends at the offset.
func (b Bounds) spanUntil(end int64) replay.Span {
	if b.To != 0 {
		end = min(end, b.To)
	}
	span := replay.AllTimes(b.From, end)
	if b.Times != (readback.Times{}) {
		span.Since = b.Times.Since
		if b.Times.Until != 0 {
			span.Until = b.Times.Until
		}
	}
	return span
}

// QueryOf asks the archive for a span of a part: for the smallest range of times that can
// be asked for and that has all of the span's. Records without a timestamp come only with
// all others.
func QueryOf(p replay.Part, span replay.Span) readback.Query {
	query := readback.Query{Partition: p.Source, Offsets: bifrost.Range{Start: span.Start, End: span.End}}
	if span.Since >= 0 {
		query.Times.Since = span.Since
		if span.Until != math.MaxInt64 {
			query.Times.Until = span.Until
		}
	}
	return query
}

// Requested are the parts as a replay.Request has them.
func (p *Plan) Requested() []replay.Part {
	parts := make([]replay.Part, len(p.Parts))
	for i, part := range p.Parts {
		parts[i] = part.Part
	}
	return parts
}

// IntoItself is why a topic of the cluster, with the ID that it has there or none, does not take
// what is planned, or empty: it is the one that is archived. If it is the same life of it, its
// consumers would get every record twice, and no force changes that.
func (p *Plan) IntoItself(clusterID, topic string, id bifrost.TopicID) (reason string, never bool) {
	for _, part := range p.Parts {
		if part.Target == topic && part.Row.ClusterID == clusterID && part.Row.Topic() == topic {
			reason = fmt.Sprintf("it is the topic that is archived, so that its records would be there and in the "+
				"archive twice: name another, such as %s:%s-replayed", part.Source.Name, topic)
			if part.Row.TopicID == id {
				return reason, true
			}
		}
	}
	return reason, false
}
