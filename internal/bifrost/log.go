package bifrost

import "log/slog"

// The keys of log lines. A key means the same in every line, and the same as the
// field of that name in events, answers and tables.
const (
	LogTopic       = "topic"     // name of the incarnation
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
		slog.String(LogTickID, t.TickID), slog.String(LogTopic, t.Topic), slog.Int(LogPartition, int(t.Partition)),
		slog.Int64(LogStartOffset, t.StartOffset), slog.Int64(LogEndOffset, t.EndOffset), slog.Int(LogAttempt, t.Attempt),
	}
}

// LogAttrs are what a log line says of an archived range.
func (r RangeResult) LogAttrs() []slog.Attr {
	return []slog.Attr{
		slog.String(LogTopic, r.Topic), slog.Int(LogPartition, int(r.Partition)),
		slog.Int64(LogStartOffset, r.StartOffset), slog.Int64(LogEndOffset, r.EndOffset),
		slog.String(LogOutcome, r.Outcome), slog.String(LogGapReason, r.GapReason), slog.String(LogStopped, r.Stopped), slog.String(LogObject, r.Object), slog.String(LogTickID, r.TickID),
		slog.Int64(LogRecords, r.Records), slog.Int64(LogRawBytes, r.RawBytes), slog.Int64(LogStoredBytes, r.StoredBytes),
		slog.Int64(LogBilled, r.BilledMilliseconds), slog.Float64(LogCoreSeconds, r.CoreSeconds),
	}
}
