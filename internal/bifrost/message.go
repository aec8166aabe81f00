// What functions are called with, what they answer, what they log.

package bifrost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Task is the event that starts an archive function: one range to archive. The
// row in the objects table decides; the task only points at it.
type Task struct {
	// name of the incarnation, as in the tables; events keep the word of the first versions
	Name        string  `json:"topic"`
	Partition   int32   `json:"partition"` // number of the partition
	TopicID     TopicID `json:"topic_id"`  // Kafka's topic ID, as kafka-topics prints it
	StartOffset int64   `json:"start_offset"`
	EndOffset   int64   `json:"end_offset"` // first offset after the range
	Attempt     int     `json:"attempt"`    // 1 for the first dispatch of the range

	// TickID is the TickSummary.ID of the tick that dispatched the range, for the
	// log; empty when a worker went on to it.
	TickID string `json:"tick_id,omitempty"`
}

// NewTask is the task that a leased row asks for.
func NewTask(r Row) Task {
	return Task{Name: r.Name, Partition: r.Number, TopicID: r.TopicID, StartOffset: r.Start, EndOffset: r.End,
		Attempt: r.Attempts}
}

// Range is the range of offsets the task asks for.
func (t Task) Range() Range { return Range{Start: t.StartOffset, End: t.EndOffset} }

// Key is the partition the task is about.
func (t Task) Key() Partition { return Partition{Name: t.Name, Number: t.Partition} }

// ParseTask reads an archive event. All fields but tick_id must be there, nothing
// else may be, and the range must not be empty: a mistyped event is refused before any work.
func ParseTask(event []byte) (Task, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(event, &fields); err != nil {
		return Task{}, fmt.Errorf("archive event: want a JSON object like events/archive.json: %w", err)
	}
	for _, name := range []string{"topic", "partition", "topic_id", "start_offset", "end_offset", "attempt"} {
		if value, ok := fields[name]; !ok || string(value) == "null" {
			return Task{}, fmt.Errorf("archive event: field %q is missing; see events/archive.json", name)
		}
	}
	var task Task
	if err := decodeStrictly(event, &task); err != nil {
		return Task{}, fmt.Errorf("archive event: %w", err)
	}
	return task, task.validate()
}

func (t Task) validate() error {
	switch {
	case t.Name == "" || strings.Contains(t.Name, "/"):
		return fmt.Errorf("archive event: topic %q is not a topic name", t.Name)
	case t.Partition < 0:
		return fmt.Errorf("archive event: partition %d is negative", t.Partition)
	case !t.Range().Valid():
		return fmt.Errorf("archive event: topic %s partition %d: range %s is empty or negative; start_offset must "+
			"be below end_offset", t.Name, t.Partition, t.Range())
	case t.Attempt < 1:
		return fmt.Errorf("archive event: attempt %d: the first attempt is 1", t.Attempt)
	}
	return nil
}

// ParseTick reads a discover event: an empty JSON object. The schedule and a
// person at the console send the same.
func ParseTick(event []byte) error {
	var nothing struct{}
	if err := decodeStrictly(event, &nothing); err != nil {
		return fmt.Errorf("discover event: want {}: %w", err)
	}
	return nil
}

func decodeStrictly(event []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(event))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// TickSummary is what a tick returns, for a person who reads it in the console.
type TickSummary struct {
	ID         string `json:"tick_id"`    // of this tick alone; the log lines of its ranges have it too
	Topics     int    `json:"topics"`     // topics that the patterns select
	Partitions int    `json:"partitions"` // their partitions
	Planned    int    `json:"planned"`    // ranges planned by this tick
	// ranges that this tick gave to archive functions: one, or small ones together
	Dispatched int `json:"dispatched"`
	// functions that are at work, or about to begin, those of this tick included
	InFlight int `json:"in_flight"`
	Waiting  int `json:"waiting"` // ranges planned and in no function's hand
	// offsets below the last stable offset, neither archived nor a recorded gap
	Lag        int64         `json:"lag"`
	Failed     []TickFailure `json:"failed"`     // what went wrong, at most MaxReportedFailures of them
	Failures   int           `json:"failures"`   // how many went wrong in all
	Unfinished int           `json:"unfinished"` // partitions left to the next tick because time was short
	Blocked    int           `json:"blocked"`    // partitions behind a transaction that does not end
	Diverged   int           `json:"diverged"`   // partitions whose log was cut below what is archived
	Older      bool          `json:"older"`      // the tables are older than the bucket: nothing was done
	// rebuilt partitions, which wait for earlier uploads that may still complete
	Fencing int `json:"fencing"`
	// partitions with planned ranges and no progress row, which the tick rebuilds
	Orphaned int `json:"orphaned"`

	// How long, in seconds, a range has been due in the partition that is furthest
	// behind; 0 when none is. What waits for its age is not due.
	LagSeconds int64 `json:"lag_seconds"`
	// For how long, in seconds, something has been due and nothing was archived; 0 when
	// nothing is due.
	StalledSeconds int64 `json:"stalled_seconds"`
	// Milliseconds that the tick took.
	Milliseconds int64 `json:"milliseconds"`

	// How long, in seconds, until Kafka may delete a record that is not archived,
	// and of which partition; absent when no limit threatens anything that waits.
	TimeToLoss    *int64 `json:"time_to_loss_seconds,omitempty"`
	NearestToLoss string `json:"nearest_to_loss,omitempty"`

	// What became of the capture of the cluster that belongs to this time; absent
	// when captures are turned off.
	Capture *CaptureResult `json:"capture,omitempty"`
}

// CaptureResult is what a tick says of the capture of the cluster.
type CaptureResult struct {
	Outcome      string `json:"outcome"`                // written, there, no_time, failed, paused
	Key          string `json:"key,omitempty"`          // of its positions in the bucket
	Bytes        int64  `json:"bytes,omitempty"`        // of what was written
	NotCaptured  int    `json:"not_captured,omitempty"` // lines in it that say that something is missing
	Error        string `json:"error,omitempty"`
	Milliseconds int64  `json:"milliseconds,omitempty"`
}

// The outcomes of a capture.
const (
	CaptureWritten = "written" // by this tick
	CaptureThere   = "there"   // by an earlier one, or another process
	CaptureNoTime  = "no_time" // the tick had none left; the next one tries
	CaptureFailed  = "failed"  // one of the next ticks tries again
	CapturePaused  = "paused"  // it failed, and is not tried again yet
)

// MaxReportedFailures bounds the list in a TickSummary; the count next to it is complete.
const MaxReportedFailures = 20

// AddFailure puts a failure into a list that holds the first MaxReportedFailures, and
// counts all.
func AddFailure[F any](failed *[]F, all *int, failure F) {
	*all++
	if len(*failed) < MaxReportedFailures {
		*failed = append(*failed, failure)
	}
}

// TickFailure is one thing that a tick or a rebuild could not do.
type TickFailure struct {
	Topic      string `json:"topic,omitempty"` // of a tick Kafka's name, of a rebuild the archive's
	Name       string `json:"name,omitempty"`  // as in TopicNames; empty when no life of the topic is known
	KafkaTopic string `json:"kafka_topic,omitempty"`
	Partition  *int32 `json:"partition,omitempty"`
	Error      string `json:"error"`
}

// failureOf is one that is about no topic.
func failureOf(err error) TickFailure { return TickFailure{Error: err.Error()} }

// newFailure is one of a tick over a range of the partition.
func (p Partition) newFailure(err error) TickFailure {
	return TickFailure{Topic: p.Topic(), Name: p.Name, KafkaTopic: p.Topic(), Partition: &p.Number, Error: err.Error()}
}

// RangeResult is what an archive function says of one range.
type RangeResult struct {
	Topic string `json:"topic"` // as Name
	TopicNames
	Partition   int32  `json:"partition"`
	StartOffset int64  `json:"start_offset"`
	EndOffset   int64  `json:"end_offset"` // where the object ends; the row's remainder is planned again
	Outcome     string `json:"outcome"`    // archived, lost, adopted, done_already, gone
	GapReason   string `json:"gap_reason,omitempty"`
	// why the object ends before the range did, if Kafka could not be read on
	Stopped     string `json:"stopped,omitempty"`
	Object      string `json:"object,omitempty"`  // key in the bucket
	TickID      string `json:"tick_id,omitempty"` // as in the Task
	Records     int64  `json:"records"`
	RawBytes    int64  `json:"raw_bytes"`
	StoredBytes int64  `json:"stored_bytes"`

	// What the range cost: milliseconds of the function, and seconds of all its
	// cores together, 0 when nobody counted.
	BilledMilliseconds int64   `json:"billed_milliseconds"`
	CoreSeconds        float64 `json:"core_seconds"`
}

// The outcomes of a range.
const (
	OutcomeArchived    = "archived"     // this attempt wrote the object
	OutcomeLost        = "lost"         // this attempt wrote a gap
	OutcomeAdopted     = "adopted"      // an earlier attempt's object was there; Kafka was not read
	OutcomeDoneAlready = "done_already" // the row was settled
	OutcomeGone        = "gone"         // no such row: the tables moved on, nothing was done
)

// The keys of log lines. A key means the same in every line, and the same as the
// field of that name in events, answers and tables.
const (
	LogTopic       = "topic" // as LogName
	LogName        = "name"  // as in TopicNames
	LogKafkaTopic  = "kafka_topic"
	LogPartition   = "partition" // its number
	LogStartOffset = "start_offset"
	LogEndOffset   = "end_offset" // first offset after the range
	LogOutcome     = "outcome"
	LogObject      = "object" // key in the bucket
	LogRecords     = "records"
	LogRawBytes    = "raw_bytes"
	LogStoredBytes = "stored_bytes"
	LogBilled      = "billed_milliseconds"
	LogCoreSeconds = "core_seconds"
	LogTick        = "tick"       // the TickSummary of one tick
	LogTickID      = "tick_id"    // its ID
	LogRequestID   = "request_id" // Lambda's, of the invocation that wrote the line
	LogAttempt     = "attempt"
	LogGapReason   = "gap_reason"
	LogStopped     = "stopped" // why an object ends before its range did
)

// LogAttrs are what a log line says of a range that is handed to a worker. The
// worker's own line about it has the same tick, topic, partition and start.
func (t Task) LogAttrs() []slog.Attr {
	return []slog.Attr{
		slog.String(LogTickID, t.TickID),
		slog.String(LogTopic, t.Name), slog.String(LogName, t.Name), slog.String(LogKafkaTopic, t.Key().Topic()),
		slog.Int(LogPartition, int(t.Partition)),
		slog.Int64(LogStartOffset, t.StartOffset), slog.Int64(LogEndOffset, t.EndOffset),
		slog.Int(LogAttempt, t.Attempt),
	}
}

// LogAttrs are what a log line says of an archived range.
func (r RangeResult) LogAttrs() []slog.Attr {
	return []slog.Attr{
		slog.String(LogTopic, r.Topic), slog.String(LogName, r.Name), slog.String(LogKafkaTopic, r.KafkaTopic),
		slog.Int(LogPartition, int(r.Partition)),
		slog.Int64(LogStartOffset, r.StartOffset), slog.Int64(LogEndOffset, r.EndOffset),
		slog.String(LogOutcome, r.Outcome), slog.String(LogGapReason, r.GapReason), slog.String(LogStopped, r.Stopped),
		slog.String(LogObject, r.Object), slog.String(LogTickID, r.TickID),
		slog.Int64(LogRecords, r.Records), slog.Int64(LogRawBytes, r.RawBytes),
		slog.Int64(LogStoredBytes, r.StoredBytes),
		slog.Int64(LogBilled, r.BilledMilliseconds), slog.Float64(LogCoreSeconds, r.CoreSeconds),
	}
}
