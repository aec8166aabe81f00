// Package metrics reports what the functions did to CloudWatch, as log lines that
// CloudWatch turns into metrics by itself: no request, no permission, and nothing to wait
// for (Amazon CloudWatch User Guide, "Specification: Embedded metric format").
//
// There is one line per tick and one line per run of the archive function, whatever the
// number of topics, and one dimension, the stack. What a single partition does is in the
// tables: a metric for each would cost more than the archive.
package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Where to find the metrics.
const (
	Namespace = "Bifrost"
	Dimension = "Stack" // the only one
)

// The names of the metrics. Each comment begins with the function that sends it.
const (
	Lag        = "Lag"        // tick: offsets below the last stable offset, neither archived nor a recorded gap
	LagSeconds = "LagSeconds" // tick: for how long a range has been due in the partition furthest behind
	// tick: seconds until Kafka may delete a record that is not archived; absent when no limit threatens one
	TimeToLoss = "TimeToLoss"
	InFlight   = "InFlight"   // tick: functions at work, or about to begin
	Waiting    = "Waiting"    // tick: ranges planned and not in flight
	Failures   = "Failures"   // tick: partitions and requests that it could not deal with
	Unfinished = "Unfinished" // tick: partitions left to the next because time was short
	Diverged   = "Diverged"   // tick: partitions that wait for a person, because their log was cut
	Blocked    = "Blocked"    // tick: partitions behind a transaction that does not end
	// tick: seconds since anything was archived, while something waits; 0 when nothing waits
	Stalled = "Stalled"
	// tick: 1 when the capture of the cluster that belongs to its time is there, 0 when not; absent when captures are
	// turned off
	Captured     = "Captured"
	TickDuration = "TickDuration" // tick: milliseconds

	ArchivedRanges  = "ArchivedRanges"  // archive
	ArchivedRecords = "ArchivedRecords" // archive
	ArchivedBytes   = "ArchivedBytes"   // archive: raw, before compression
	StoredBytes     = "StoredBytes"     // archive: of the objects
	Gaps            = "Gaps"            // archive: gaps over records that existed and can no longer be read
	LostOffsets     = "LostOffsets"     // archive: their offsets
	FailedRanges    = "FailedRanges"    // archive
)

// Emitter writes the lines.
type Emitter struct {
	Stack string
	To    io.Writer // what the runtime collects
	Now   func() time.Time
}

// The units that are used here (CloudWatch API reference, MetricDatum).
const (
	count        = "Count"
	seconds      = "Seconds"
	milliseconds = "Milliseconds"
	bytesUnit    = "Bytes"
)

type metric struct {
	name, unit string
	value      int64
}

// Tick writes what a tick did.
func (e Emitter) Tick(s bifrost.TickSummary) error {
	all := []metric{
		{Lag, count, s.Lag}, {LagSeconds, seconds, s.LagSeconds},
		{InFlight, count, int64(s.InFlight)}, {Waiting, count, int64(s.Waiting)},
		{Failures, count, int64(s.Failures)}, {Unfinished, count, int64(s.Unfinished)},
		{Diverged, count, int64(s.Diverged)}, {Blocked, count, int64(s.Blocked)},
		{Stalled, seconds, s.StalledSeconds}, {TickDuration, milliseconds, s.Milliseconds},
	}
	if s.TimeToLoss != nil {
		all = append(all, metric{TimeToLoss, seconds, *s.TimeToLoss})
	}
	if s.Capture != nil {
		there := int64(0)
		if s.Capture.Outcome == bifrost.CaptureWritten || s.Capture.Outcome == bifrost.CaptureThere {
			there = 1
		}
		all = append(all, metric{Captured, count, there})
	}
	return e.write(all)
}

// Ranges writes what one run of the archive function did, and whether it failed
// in the end.
func (e Emitter) Ranges(results []bifrost.RangeResult, failed bool) error {
	var ranges, records, raw, stored, gaps, lost, failures int64
	for _, r := range results {
		switch r.Outcome {
		case bifrost.OutcomeArchived, bifrost.OutcomeLost, bifrost.OutcomeAdopted:
		default:
			continue // counted by whoever settled it
		}
		ranges, records, raw, stored = ranges+1, records+r.Records, raw+r.RawBytes, stored+r.StoredBytes
		if bifrost.IsLoss(r.GapReason) {
			gaps, lost = gaps+1, lost+r.EndOffset-r.StartOffset
		}
	}
	if failed {
		failures = 1
	}
	return e.write([]metric{
		{ArchivedRanges, count, ranges},
		{ArchivedRecords, count, records},
		{ArchivedBytes, bytesUnit, raw},
		{StoredBytes, bytesUnit, stored},
		{Gaps, count, gaps},
		{LostOffsets, count, lost},
		{FailedRanges, count, failures},
	})
}

// The embedded metric format, as far as it is used here.
type (
	metadata struct {
		Timestamp         int64 // milliseconds since the Unix epoch
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	definition struct{ Name, Unit string }
)

func (e Emitter) write(all []metric) error {
	definitions := make([]definition, len(all))
	line := map[string]any{Dimension: e.Stack}
	for i, m := range all {
		definitions[i], line[m.name] = definition{m.name, m.unit}, m.value
	}
	line["_aws"] = metadata{e.Now().UnixMilli(), []directive{{Namespace, [][]string{{Dimension}}, definitions}}}
	text, err := json.Marshal(line)
	if err == nil {
		_, err = e.To.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return nil
}
