// What a restore would do.

package restore

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// A Plan is what a restore would do, and what stands against it.
type Plan struct {
	Topics   []Topic
	Refusals []string // why nothing is written
	Warnings []string
	Made     []target.Topic // the topics that do not exist and are to be made
	LeftOut  []LeftOut      // the topics that the target does not let be made

	look   *target.Look
	rounds [][]replay.Part
	parts  map[partKey]*replay.PartOutlook
	todo   map[string]bool // topics that have records left to write
	still  []string        // topics that were captured, and that are in the target themselves
}

// partKey names what comes from one branch into one partition.
type partKey struct {
	source bifrost.Partition
	target string
}

// Look finds out what the restore would do. It writes nothing. With probe it asks for
// the coordinator of a transaction, which makes the transaction log of a cluster that
// has none.
func (r *Restorer) Look(ctx context.Context, probe bool) (*Plan, error) {
	rows, err := r.Archive.Catalogue.ListProgress(ctx)
	if err != nil {
		return nil, err
	}
	topics, err := r.cut(ctx, rows)
	if err != nil {
		return nil, err
	}
	return r.lookAt(ctx, topics, rows, probe)
}

// lookAt is Look for topics that are cut out of the archive.
func (r *Restorer) lookAt(ctx context.Context, topics []Topic, rows []bifrost.Progress, probe bool) (*Plan, error) {
	plan := &Plan{Topics: topics, rounds: rounds(topics, rows)}
	var err error
	plan.look, err = target.LookInto(ctx, r.Client, target.Request{
		Needs: needs(plan.Topics), Create: true, Codec: r.Codec, StateTopic: bifrost.ReplayStateTopic, Probe: probe,
		Now: r.Now(),
	})
	if err != nil {
		return nil, err
	}
	if plan.Refusals = plan.look.Obstacles; len(plan.Refusals) > 0 {
		return plan, nil
	}
	plan.leaveOut()
	if err := r.lookAtRecords(ctx, plan); err != nil {
		return nil, err
	}
	if err := r.measure(ctx, plan); err != nil {
		return nil, err
	}
	plan.leaveOut() // what the records need may be refused as well
	if r.ACLs && slices.ContainsFunc(r.Snapshot.Configuration.NotCaptured, hadNoACLs) {
		plan.Warnings = append(plan.Warnings, "the captured cluster had no authorizer, so there are no ACLs to restore")
	}
	r.judge(plan)
	err = r.judgeUnwritten(ctx, plan)
	plan.refuseCaptured()
	slices.Sort(plan.Refusals)
	plan.Refusals = slices.Compact(plan.Refusals)
	return plan, err
}

func needs(topics []Topic) (all []target.Need) {
	for _, t := range topics {
		need := target.Need{
			Topic: t.Name, Partitions: int32(len(t.Partitions)), Fewest: int32(len(t.Partitions)),
			Settings: wanted(t.Topic), Inherited: t.Inherited, Replicas: replicasOf(t),
		}
		for _, p := range t.Partitions {
			need.MostBytes = max(need.MostBytes, p.Bytes)
		}
		all = append(all, need)
	}
	return all
}

// lookAtRecords asks the replay what is there already.
func (r *Restorer) lookAtRecords(ctx context.Context, plan *Plan) error {
	plan.parts, plan.todo = map[partKey]*replay.PartOutlook{}, map[string]bool{}
	for _, parts := range plan.rounds {
		outlook, err := replay.Look(ctx, request(parts), r.source, replay.Options{Client: r.Client})
		if err != nil {
			return err
		}
		plan.take(outlook)
		for _, w := range outlook.Warnings {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("topic %s: %s", w.Topic, w.Text))
		}
		for _, o := range outlook.Objections() {
			plan.refuse(o.Topic, o.Text+". "+withoutIt)
		}
	}
	return nil
}

func (p *Plan) take(outlook *replay.Outlook) {
	for i := range outlook.Parts {
		part := &outlook.Parts[i]
		p.parts[partKey{part.Source, part.Target}] = part
		p.todo[part.Target] = p.todo[part.Target] || len(part.Todo) > 0
	}
}

// leftToWrite is how much of what a topic held the target lacks. The catalogue counts records of
// whole objects, so of a partition that is written in part it is about as much as of its offsets.
func (p *Plan) leftToWrite(t Topic) (records, bytes int64) {
	for _, partition := range t.Partitions {
		if share := p.shareLeft(t.Name, partition); share > 0 {
			records += int64(math.Ceil(float64(partition.Records) * share))
			bytes += int64(math.Ceil(float64(partition.Bytes) * share))
		}
	}
	return records, bytes
}

// shareLeft is how much of a partition's offsets are still to be written: 1 for all of them.
func (p *Plan) shareLeft(topic string, partition Partition) float64 {
	offsets, left := int64(0), int64(0)
	for _, b := range partition.branches {
		offsets += b.Len()
		part := p.parts[partKey{b.row.Partition, topic}]
		if part == nil { // refused before it was looked at
			left += b.Len()
			continue
		}
		for _, s := range part.Todo {
			left += s.End - s.Start
		}
	}
	return float64(left) / float64(max(1, offsets))
}

// measure goes through the records of topics that have something left to write.
func (r *Restorer) measure(ctx context.Context, plan *Plan) error {
	queries := map[string][]readback.Query{}
	for _, parts := range plan.rounds {
		for _, p := range parts {
			if plan.todo[p.Target] {
				offsets := bifrost.Range{Start: p.Ask.Start, End: p.Ask.End}
				queries[p.Target] = append(queries[p.Target], readback.Query{Partition: p.Source, Offsets: offsets})
			}
		}
	}
	for i := range plan.look.Topics {
		t := &plan.look.Topics[i]
		of := queries[t.Topic]
		t.Measure = func(ctx context.Context, gauge *target.Gauge) error { return r.Archive.MeasureAll(ctx, of, gauge) }
	}
	return plan.look.Measure(ctx)
}

// judge decides what of the look stands against the restore. What a topic would do to
// records matters only as long as some are to be written.
func (r *Restorer) judge(plan *Plan) {
	plan.Refusals = append(plan.Refusals, plan.look.Refused(true)...)
	for i, t := range plan.look.Topics {
		for _, problem := range t.Problems {
			if plan.todo[t.Topic] {
				plan.refuse(t.Topic, problem)
			}
		}
		for _, note := range t.Notes {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("topic %s: %s", t.Topic, note))
		}
		if !t.Exists {
			plan.Made = append(plan.Made, t)
			continue
		}
		same := plan.look.ClusterID == r.Snapshot.Positions.ClusterID && t.ID == plan.Topics[i].ID
		if same && (plan.todo[t.Topic] || !t.ID.IsZero()) {
			plan.still = append(plan.still, t.Topic)
		}
	}
	for key, part := range plan.parts {
		if foreign := part.Foreign(); len(foreign) > 0 && plan.todo[key.target] {
			plan.refuse(key.target,
				"it has records that no replay has written, and some are left to restore: they would be mixed. "+withoutIt)
		}
	}
}

// withoutIt is what to do about a topic that cannot be restored into what is there.
const withoutIt = "Leave it out with --exclude, or restore into a cluster without it"

func (p *Plan) refuse(topic, text string) {
	p.Refusals = append(p.Refusals, aboutTopic(topic)+text)
}

// aboutTopic is how a refusal begins that is about one topic.
func aboutTopic(topic string) string { return "topic " + topic + ": " }

// mostNamed is how many topics a refusal names.
const mostNamed = 5

// refuseCaptured says once that the target is the cluster that was captured: what else stands against
// topics which are there themselves follows from it.
func (p *Plan) refuseCaptured() {
	if len(p.still) == 0 {
		return
	}
	p.Refusals = slices.DeleteFunc(p.Refusals, func(refusal string) bool {
		return slices.ContainsFunc(p.still, func(topic string) bool { return strings.HasPrefix(refusal, aboutTopic(topic)) })
	})
	slices.Sort(p.still)
	p.Refusals = append(p.Refusals, fmt.Sprintf("the target is the cluster that was captured, which still has %s: "+
		"restore into another cluster, or leave out with --exclude what is there", nameSome(p.still)))
}

// nameSome names the first of the topics.
func nameSome(topics []string) string {
	named := strings.Join(topics[:min(mostNamed, len(topics))], ", ")
	if n := len(topics) - mostNamed; n > 0 {
		named += fmt.Sprintf(" and %d more", n)
	}
	return named
}

// judgeUnwritten refuses topics that are there and hold records in partitions which the
// restore leaves empty: a replay looks only where it writes.
func (r *Restorer) judgeUnwritten(ctx context.Context, plan *Plan) error {
	unwritten := map[string][]int32{}
	for i, t := range plan.look.Topics {
		if !t.Exists {
			continue
		}
		for _, p := range plan.Topics[i].Partitions {
			if len(p.branches) == 0 {
				unwritten[t.Topic] = append(unwritten[t.Topic], p.Number)
			}
		}
	}
	if len(unwritten) == 0 {
		return nil
	}
	admin, done, err := r.admin()
	if err != nil {
		return err
	}
	defer done()
	ends, err := admin.ListEndOffsets(ctx, slices.Sorted(maps.Keys(unwritten))...)
	if err == nil {
		err = ends.Error() // a partition that does not answer is not one without records
	}
	if err != nil {
		return fmt.Errorf("ask the target where its logs end: %w", err)
	}
	for topic, numbers := range unwritten {
		written := slices.ContainsFunc(numbers, func(n int32) bool {
			end, _ := ends.Lookup(topic, n)
			return end.Offset > 0
		})
		if written && plan.todo[topic] {
			plan.refuse(topic,
				"it holds records where the capture has none. "+withoutIt)
		}
	}
	return nil
}

// admin connects to the target.
func (r *Restorer) admin() (*kadm.Client, func(), error) {
	client, err := newClient(r.Client)
	if err != nil {
		return nil, nil, err
	}
	return kadm.NewClient(client), client.Close, nil
}
