// What each partition held when it was captured.

package restore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// A Topic is one that the capture has and that is asked for.
type Topic struct {
	capture.Topic
	Partitions []Partition // by number
}

// A Partition is what a partition held when it was captured, as far as the archive
// has it.
type Partition struct {
	Number int32
	// Held is what it held: from its log start to its last stable offset. What is in no
	// capture is taken from the archive.
	Held    bifrost.Range
	Missing []Gap // offsets of it that the archive does not have, in order
	Records int64 // of it that the archive has; of an object that is wanted in part, at most
	Bytes   int64 // raw bytes of the same

	branches []branch // from which it comes, in order of offsets
}

// A Gap is a range of offsets that cannot be restored.
type Gap struct {
	bifrost.Range
	Reason string
	Quiet  bool // the tail of a quiet partition, which waited for its object and was in Kafka alone
}

// branch is what one name in the archive has of a partition. There are several where a
// person had to say from which offset a log that was cut goes on.
type branch struct {
	row bifrost.Progress
	bifrost.Range
}

// End is where what can be restored ends: behind it nothing of the partition is in
// the archive.
func (p Partition) End() int64 {
	if len(p.branches) == 0 {
		return p.Held.Start
	}
	return p.branches[len(p.branches)-1].End
}

// cut finds out what of the archive the cluster had.
func (r *Restorer) cut(ctx context.Context, all []bifrost.Progress) ([]Topic, error) {
	rows := map[bifrost.TopicPartition][]bifrost.Progress{}
	for _, row := range all {
		at := bifrost.TopicPartition{Topic: row.Topic(), Partition: row.Number}
		rows[at] = append(rows[at], row)
	}
	ends := map[string]capture.Offsets{}
	for _, o := range r.Snapshot.Positions.Offsets {
		ends[o.Topic] = o
	}
	var topics []Topic
	var fills []func(context.Context) error
	for _, captured := range r.Snapshot.Configuration.Topics {
		if !r.Topics.Archives(captured.Name) {
			continue
		}
		topic := Topic{Topic: captured, Partitions: make([]Partition, len(captured.Partitions))}
		for n := range topic.Partitions {
			p := &topic.Partitions[n]
			p.Number = int32(n)
			fills = append(fills, func(ctx context.Context) error {
				of := r.lifeOf(captured, rows[bifrost.TopicPartition{Topic: captured.Name, Partition: p.Number}])
				return r.fill(ctx, p, of, heldBy(captured, ends[captured.Name], p.Number))
			})
		}
		topics = append(topics, topic)
	}
	return topics, sideBySide(ctx, fills)
}

// atOnce is how many partitions are looked up in the catalogue side by side, or topics
// changed in the target: each is a round trip or two to the tables, or to the brokers.
const atOnce = 32

func sideBySide(ctx context.Context, work []func(context.Context) error) error {
	return parallel.Try(ctx, atOnce, work,
		func(ctx context.Context, do func(context.Context) error) error { return do(ctx) })
}

// heldBy is what a capture says of a partition; nil where it says nothing, or speaks of
// another topic of the same name, which was made meanwhile.
func heldBy(topic capture.Topic, offsets capture.Offsets, number int32) *bifrost.Range {
	if offsets.ID != topic.ID || int(number) >= len(offsets.Partitions) || offsets.Partitions[number] == nil {
		return nil
	}
	of := offsets.Partitions[number]
	return &bifrost.Range{Start: of[0], End: of[1]}
}

// lifeOf are the branches of the life of a topic that was captured.
func (r *Restorer) lifeOf(topic capture.Topic, rows []bifrost.Progress) (of []bifrost.Progress) {
	for _, row := range rows {
		if row.TopicID == topic.ID && (!topic.ID.IsZero() || row.ClusterID == r.Snapshot.Positions.ClusterID) {
			of = append(of, row)
		}
	}
	slices.SortFunc(of, func(a, b bifrost.Progress) int { return cmp.Compare(a.Fork(), b.Fork()) })
	return of
}

// fill looks up in the catalogue what there is of a partition.
func (r *Restorer) fill(ctx context.Context, p *Partition, life []bifrost.Progress, held *bifrost.Range) error {
	switch {
	case held != nil:
		p.Held = *held
	case len(life) > 0:
		p.Held = bifrost.Range{Start: life[0].StartOffset, End: life[len(life)-1].NextOffset}
	}
	at := p.Held.Start
	for i, row := range life {
		end := min(p.Held.End, row.NextOffset)
		if i+1 < len(life) {
			end = min(end, life[i+1].StartOffset)
		}
		if end <= at {
			continue
		}
		b := branch{row, bifrost.Range{Start: at, End: end}}
		if err := r.readBranch(ctx, p, b); err != nil {
			return err
		}
		p.branches = append(p.branches, b)
		at = end
	}
	p.missTail(life, bifrost.Range{Start: at, End: p.Held.End})
	return nil
}

// missTail says what is missing behind the end of the archive, and tells a tail that
// waited for its object, as those of quiet partitions do, from an archive that was behind.
func (p *Partition) missTail(life []bifrost.Progress, tail bifrost.Range) {
	if tail.Start >= tail.End {
		return
	}
	reason := "not archived: the archive has nothing of this life of the topic"
	quiet := false
	if len(life) > 0 {
		last := life[len(life)-1]
		reason = fmt.Sprintf("not archived: the archive ends at offset %d", last.NextOffset)
		quiet = last.PlannedOffset <= last.NextOffset && bifrost.IsQuietTail(last, tail.Len())
	}
	if quiet {
		reason += ". " + quietTail
	}
	p.Missing = append(p.Missing, Gap{tail, reason, quiet})
}

// readBranch adds up what the catalogue says of a branch.
func (r *Restorer) readBranch(ctx context.Context, p *Partition, b branch) error {
	at := b.Start
	for row, err := range readback.Rows(ctx, r.Archive.Catalogue, b.row.Partition, b.Range) {
		if err != nil {
			return err
		}
		of := row.Range.Within(bifrost.Range{Start: at, End: b.End})
		if of.Start >= of.End {
			continue
		}
		p.miss(bifrost.Range{Start: at, End: of.Start}, "the catalogue has no row of it: bifrost verify tells more")
		at = of.End
		switch row.State {
		case bifrost.StateArchived:
			p.Records += min(row.Facts.Records, of.Len())
			p.Bytes += row.Facts.RawBytes * of.Len() / row.Len()
		case bifrost.StateLost:
			p.miss(of, gapReason(row.GapReason))
		default:
			p.miss(of, "planned and not archived")
		}
	}
	p.miss(bifrost.Range{Start: at, End: b.End}, "the catalogue has no row of it: bifrost verify tells more")
	return nil
}

// gapReason says why a gap cannot be restored. What was erased may have been restored before:
// nothing that the archive can say tells whether the target has it.
func gapReason(reason string) string {
	text := "a recorded gap: " + reason
	if reason == bifrost.ReasonErased {
		text += ". " + erasedHere
	}
	return text
}

const erasedHere = "The archive has none of them any more; a target that got them before may still have them, " +
	"and to erase them there is up to you"

const quietTail = "It is the tail of a quiet partition, " +
	"which waits for its object for up to QuietMaxAgeSeconds: it was in Kafka alone"

func (p *Partition) miss(offsets bifrost.Range, reason string) {
	if offsets.Start >= offsets.End {
		return
	}
	if n := len(p.Missing); n > 0 && p.Missing[n-1].End == offsets.Start && p.Missing[n-1].Reason == reason {
		p.Missing[n-1].End = offsets.End
		return
	}
	p.Missing = append(p.Missing, Gap{Range: offsets, Reason: reason})
}

// rounds are the parts that a replay is to write, one round after the other: the
// branches of a partition are in different rounds, the older first.
func rounds(topics []Topic, rows []bifrost.Progress) (rounds [][]replay.Part) {
	all := replay.ByTopic(rows)
	for _, t := range topics {
		for _, p := range t.Partitions {
			for n, b := range p.branches {
				if n == len(rounds) {
					rounds = append(rounds, nil)
				}
				rounds[n] = append(rounds[n], replay.NewPart(b.row, t.Name, replay.AllTimes(b.Start, b.End), all))
			}
		}
	}
	return rounds
}

// held is how much the archive has of what a topic held.
func (t Topic) held() (records, bytes int64) {
	for _, p := range t.Partitions {
		records, bytes = records+p.Records, bytes+p.Bytes
	}
	return records, bytes
}
