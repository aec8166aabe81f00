// What replay prints, for people or as JSON.

package replays

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// ReportJSON is what replay --json prints.
type ReportJSON struct {
	ID         string                `json:"id"` // as given
	DryRun     bool                  `json:"dry_run"`
	Records    int64                 `json:"records"` // that are there by all runs; of a dry run, that would be written
	Bytes      int64                 `json:"bytes"`
	Written    int64                 `json:"written"` // records of this run
	Deleted    int64                 `json:"deleted"` // records that the targets have deleted since they were written
	Seconds    float64               `json:"seconds"` // of this run
	Partitions []replayPartitionJSON `json:"partitions"`
}

type replayPartitionJSON struct {
	Source      string `json:"source"`
	Partition   int32  `json:"partition"`
	StartOffset int64  `json:"start_offset"`
	EndOffset   int64  `json:"end_offset"`
	Target      string `json:"target"`
	Records     int64  `json:"records"` // as above
	Bytes       int64  `json:"bytes"`
	Deleted     int64  `json:"deleted"`
}

// replayed is what one run has written.
type replayed struct{ records, bytes int64 }

func (r *replayer) newReportJSON(o *replay.Outlook) ReportJSON {
	j := ReportJSON{ID: r.id, Partitions: []replayPartitionJSON{}}
	for _, p := range o.Parts {
		line := replayPartitionJSON{
			Source:      p.Source.Name,
			Partition:   p.Source.Number,
			StartOffset: p.Ask.Start,
			EndOffset:   p.Ask.End,
			Target:      p.Target,
			Records:     p.Position.Records - p.Gone,
			Bytes:       p.Position.Bytes,
			Deleted:     p.Gone,
		}
		j.Records += line.Records
		j.Bytes += line.Bytes
		j.Deleted += line.Deleted
		j.Partitions = append(j.Partitions, line)
	}
	return j
}

func (r *replayer) showReport(o *replay.Outlook, written replayed, took time.Duration) error {
	j := r.newReportJSON(o)
	j.Written, j.Seconds = written.records, took.Seconds()
	if r.json {
		return r.PrintJSON(j)
	}
	r.Say("%s is complete: %s records, %s; %s of them by this run.",
		r.replayName(), human.Count(j.Records), human.Size(j.Bytes), human.Count(written.records))
	if j.Deleted > 0 {
		r.Say("%s more were written and have been deleted in the target since. "+
			"--again writes what was asked for once more.", human.Count(j.Deleted))
	}
	r.Say("The same command with --dry-run compares the target with the archive again, at any time: it looks in the " +
		"target's own log for what was written, and says what is missing there.")
	return r.PrintTable(replayTable(j))
}

func (r *replayer) replayName() string {
	if r.id != "" {
		return "Replay " + r.id
	}
	return "The replay"
}

// sayWhereItStands is the beginning of a run.
func (r *replayer) sayWhereItStands(o *replay.Outlook) {
	records, gone := o.Written()
	switch {
	case r.again:
		r.Say("%s begins again.", r.replayName())
	case records == 0:
		r.Say("%s begins.", r.replayName())
	default:
		r.Say("%s goes on: %s records are there already.", r.replayName(), human.Count(records-gone))
	}
}

// warnOf shows what the target is like, and what stands against the replay.
func (r *replayer) warnOf(o *replay.Outlook) {
	for _, w := range o.Warnings {
		r.Warn("topic %s: %s", w.Topic, w.Text)
	}
	for _, objection := range o.Objections() {
		r.Refuse("topic %s: %s", objection.Topic, objection.Text)
	}
	for _, p := range o.Parts {
		if p.Busy {
			r.Warn("topic %s: another run writes records of %s, or was killed a moment ago; a new one shuts it out",
				p.Target, p.Source)
		}
	}
}

// answersTo are the flags that go on all the same, each once: force answers every reason of the look.
func answersTo(reasons []string, objections []replay.Objection) (answers []string) {
	for range reasons {
		answers = append(answers, string(replay.AnswerForce))
	}
	for _, o := range objections {
		answers = append(answers, string(o.Answer))
	}
	slices.Sort(answers)
	return slices.Compact(answers)
}

// showPlan is the end of a dry run.
func (r *replayer) showPlan(ctx context.Context, o *replay.Outlook) error {
	left, err := r.newCounter(true).countLeft(ctx, o)
	if err != nil {
		return err
	}
	j := r.newReportJSON(o)
	there := j.Records
	j.DryRun, j.Records, j.Bytes = true, left.totalRecords(), 0
	for i := range j.Partitions {
		j.Partitions[i].Records, j.Partitions[i].Bytes = left[i], 0
	}
	if r.json {
		return r.PrintJSON(j)
	}
	r.Say("%s would write %s records; %s are there already, and %s were deleted there since they were written. "+
		"%s offsets are in recorded gaps. Nothing was written.",
		r.replayName(), human.Count(j.Records), human.Count(there), human.Count(j.Deleted),
		human.Count(r.lostOffsets()))
	return r.PrintTable(planTable(j))
}

func (r *replayer) lostOffsets() (n int64) {
	for _, row := range r.lost {
		n += row.Len()
	}
	return n
}

var boundsColumns = []console.Column{
	{Title: "source"},
	{Title: "part", Right: true},
	{Title: "start", Right: true},
	{Title: "end", Right: true},
	{Title: "target"},
}

func (p replayPartitionJSON) boundsCells() []console.Cell {
	return []console.Cell{console.Plain(p.Source), console.Plain(fmt.Sprint(p.Partition)),
		console.Plain(fmt.Sprint(p.StartOffset)), console.Plain(fmt.Sprint(p.EndOffset)), console.Plain(p.Target)}
}

func planTable(j ReportJSON) *console.Table {
	t := &console.Table{Columns: append(slices.Clone(boundsColumns), console.Column{Title: "to write", Right: true})}
	for _, p := range j.Partitions {
		t.AddRow(append(p.boundsCells(), console.Plain(human.Count(p.Records)))...)
	}
	return t
}

func replayTable(j ReportJSON) *console.Table {
	t := &console.Table{Columns: append(slices.Clone(boundsColumns), console.Column{
		Title: "records",
		Right: true,
	}, console.Column{Title: "bytes", Right: true})}
	for _, p := range j.Partitions {
		t.AddRow(append(p.boundsCells(), console.Plain(human.Count(p.Records)), console.Plain(human.Size(p.Bytes)))...)
	}
	return t
}

// OffsetMapJSON is a line of an offset map: count records from these offsets on.
type OffsetMapJSON struct {
	SourceTopic     string `json:"source_topic"`
	SourcePartition int32  `json:"source_partition"`
	SourceOffset    int64  `json:"source_offset"`
	TargetTopic     string `json:"target_topic"`
	TargetPartition int32  `json:"target_partition"`
	TargetOffset    int64  `json:"target_offset"`
	Count           int64  `json:"count"`
}

// writeOffsetMap writes the map of all that was ever written of the parts.
func (r *replayer) writeOffsetMap(ctx context.Context, o *replay.Outlook) error {
	err := console.WriteFile(r.offsetMap, func(out io.Writer) error {
		lines := json.NewEncoder(out)
		return replay.EachStretch(ctx, o, r.replayOptions(), func(s replay.Stretch) error {
			for _, m := range s.Map {
				line := OffsetMapJSON{s.Source, s.Part, m.Source, s.Target, m.Partition, m.Target, m.Count}
				if err := lines.Encode(line); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("write the offset map: %w", err)
	}
	return nil
}
