// What a flush says when it is over.

package main

import (
	"fmt"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// flushJSON is what flush --json prints.
type flushJSON struct {
	Complete    bool                  `json:"complete"`
	Records     int64                 `json:"records"`
	RawBytes    int64                 `json:"raw_bytes"`
	StoredBytes int64                 `json:"stored_bytes"`
	Ranges      []bifrost.RangeResult `json:"ranges"`
	Failed      []bifrost.TickFailure `json:"failed"` // partitions with something left, or of which nobody knows
}

// lossOf says what was lost of what this flush settled; empty if nothing was.
func (f *flush) lossOf() string {
	offsets, first := int64(0), ""
	for _, r := range f.results {
		if r.Outcome != bifrost.OutcomeLost || !lostFor(r.GapReason) {
			continue
		}
		offsets += r.EndOffset - r.StartOffset
		if first == "" {
			at := bifrost.Range{Start: r.StartOffset, End: r.EndOffset}
			first = fmt.Sprintf("%s/%d %s: %s", r.Topic, r.Partition, at, bifrost.DescribeGap(r.GapReason))
		}
	}
	if offsets == 0 {
		return ""
	}
	return fmt.Sprintf("%s offsets were lost, the first of them %s; bifrost ls TOPIC --state LOST lists them",
		human.Count(offsets), first)
}

func (f *flush) showResults(complete bool) error {
	sum := flushJSON{
		Complete: complete,
		Ranges:   []bifrost.RangeResult{},
		Failed:   append([]bifrost.TickFailure{}, f.left...),
	}
	for _, r := range f.results {
		if r.Outcome == bifrost.OutcomeGone || r.Outcome == bifrost.OutcomeDoneAlready {
			continue
		}
		r.Outcome = outcomeWord(r)
		sum.Ranges = append(sum.Ranges, r)
		sum.Records += r.Records
		sum.RawBytes += r.RawBytes
		sum.StoredBytes += r.StoredBytes
	}
	if f.json {
		return f.PrintJSON(sum)
	}
	t := &console.Table{Columns: []console.Column{
		{Title: "topic"},
		{Title: "part", Right: true},
		{Title: "start", Right: true},
		{Title: "end", Right: true},
		{Title: "outcome"},
		{Title: "records", Right: true},
		{Title: "raw", Right: true},
		{Title: "stored", Right: true},
		{Title: "object", Shrink: true},
	}}
	for _, r := range sum.Ranges {
		t.AddRow(console.Plain(r.Topic), console.Plain(fmt.Sprint(r.Partition)),
			console.Plain(fmt.Sprint(r.StartOffset)), console.Plain(fmt.Sprint(r.EndOffset)), console.Plain(r.Outcome),
			console.Plain(human.Count(r.Records)), console.Plain(human.Size(r.RawBytes)),
			console.Plain(human.Size(r.StoredBytes)), console.Plain(r.Object))
	}
	if len(sum.Ranges) == 0 {
		switch others := f.waiting.offsets; {
		case complete && others > 0:
			f.Say("Everything that can be read is archived: others did the %s offsets that were left.",
				human.Count(others))
		case complete:
			f.Say("Nothing to do: everything that can be read is archived.")
		}
		return nil
	}
	return f.PrintTable(t)
}
