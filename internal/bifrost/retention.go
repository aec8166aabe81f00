package bifrost

import "context"

// Retention is when Kafka deletes the records of a topic, archived or not.
type Retention struct {
	Milliseconds  int64 // age at which a record may go, -1 never (retention.ms)
	Bytes         int64 // size of a partition above which its oldest records may go, -1 never (retention.bytes)
	Compacted     bool  // a newer record of the same key makes the older one go (cleanup.policy)
	LogAppendTime bool  // the age counts from the append, not from the time the producer wrote into the record (message.timestamp.type)
	Err           error // why the rest is not known
}

// RetentionReader tells how long there is time to archive a topic.
type RetentionReader interface {
	// Retention answers for each of the topics. A topic that does not exist has
	// ErrNotFound in its answer.
	Retention(ctx context.Context, topics []string) (map[string]Retention, error)
}
