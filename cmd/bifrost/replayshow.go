package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/replay"
)

// replayJSON is what replay --json prints.
type replayJSON struct {
	ID         string                `json:"id"`
	DryRun     bool                  `json:"dry_run"`
	Records    int64                 `json:"records"`
	Bytes      int64                 `json:"bytes"`
	Seconds    float64               `json:"seconds"` // of this run
	Partitions []replayPartitionJSON `json:"partitions"`
}

type replayPartitionJSON struct {
	Source      string `json:"source"`
	Partition   int32  `json:"partition"`
	StartOffset int64  `json:"start_offset"`
	EndOffset   int64  `json:"end_offset"`
	Target      string `json:"target"`
	Records     int64  `json:"records"` // replayed so far, all runs together
	Bytes       int64  `json:"bytes"`
}

func newReplayJSON(s replay.State) replayJSON {
	records, bytes := s.Totals()
	j := replayJSON{ID: s.Job.ID, Records: records, Bytes: bytes, Partitions: []replayPartitionJSON{}}
	for _, p := range s.Job.Partitions {
		line := replayPartitionJSON{Source: p.Source, Partition: p.Number, StartOffset: p.Start, EndOffset: p.End, Target: p.Target}
		for _, done := range s.Stretches {
			if done.Source == p.Source && done.Number == p.Number {
				line.Records += done.Records
				line.Bytes += done.Bytes
			}
		}
		j.Partitions = append(j.Partitions, line)
	}
	return j
}

func (r *replayer) show(s replay.State, took time.Duration) error {
	j := newReplayJSON(s)
	j.Seconds = took.Seconds()
	if r.json {
		return r.printJSON(j)
	}
	r.say("Replay %s is complete: %s records, %s.", j.ID, count(j.Records), size(j.Bytes))
	return r.print(replayTable(j))
}

// showPlan is the end of a dry run.
func (r *replayer) showPlan(job replay.Job) error {
	j := newReplayJSON(replay.State{Job: job})
	j.DryRun, j.Records = true, r.records
	if r.json {
		return r.printJSON(j)
	}
	r.say("Replay %s would write up to %s records; %s offsets are in recorded gaps. Nothing was written.", job.ID, count(r.records), count(r.lostOffsets()))
	return r.print(planTable(j))
}

func (r *replayer) lostOffsets() (n int64) {
	for _, row := range r.lost {
		n += row.Len()
	}
	return n
}

var boundsColumns = []column{
	{title: "source"}, {title: "part", right: true}, {title: "start", right: true}, {title: "end", right: true}, {title: "target"},
}

func (p replayPartitionJSON) bounds() []cell {
	return []cell{plain(p.Source), plain(fmt.Sprint(p.Partition)), plain(fmt.Sprint(p.StartOffset)), plain(fmt.Sprint(p.EndOffset)), plain(p.Target)}
}

// planTable has no records: how many there are in a part of an object is known
// once it is read.
func planTable(j replayJSON) *table {
	t := &table{columns: boundsColumns}
	for _, p := range j.Partitions {
		t.add(p.bounds()...)
	}
	return t
}

func replayTable(j replayJSON) *table {
	t := &table{columns: append(slices.Clone(boundsColumns), column{title: "records", right: true}, column{title: "bytes", right: true})}
	for _, p := range j.Partitions {
		t.add(append(p.bounds(), plain(count(p.Records)), plain(size(p.Bytes)))...)
	}
	return t
}

// mapJSON is a line of an offset map: count records from these offsets on.
type mapJSON struct {
	SourceTopic     string `json:"source_topic"`
	SourcePartition int32  `json:"source_partition"`
	SourceOffset    int64  `json:"source_offset"`
	TargetTopic     string `json:"target_topic"`
	TargetPartition int32  `json:"target_partition"`
	TargetOffset    int64  `json:"target_offset"`
	Count           int64  `json:"count"`
}

// writeOffsetMap writes the map of all runs of the replay.
func writeOffsetMap(name string, s replay.State) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write the offset map: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	out := bufio.NewWriter(file)
	lines := json.NewEncoder(out)
	for _, done := range s.Stretches {
		for _, m := range done.Map {
			if err := lines.Encode(mapJSON{done.Source, done.Number, m.Source, done.Target, m.Partition, m.Target, m.Count}); err != nil {
				return fmt.Errorf("write the offset map: %w", err)
			}
		}
	}
	return out.Flush()
}
