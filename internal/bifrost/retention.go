package bifrost

import (
	"context"
	"maps"
	"sync"
	"time"
)

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

// RememberRetention asks from, and asks again about a topic only when its answer
// is older than keep, also when the answer was a refusal. It may be used by many
// goroutines at once; a function keeps it from one tick to the next.
func RememberRetention(from RetentionReader, keep time.Duration, now func() time.Time) RetentionReader {
	return &rememberedRetention{from: from, keep: keep, now: now, topics: map[string]rememberedAnswer{}}
}

type rememberedRetention struct {
	from   RetentionReader
	keep   time.Duration
	now    func() time.Time
	mutex  sync.Mutex
	topics map[string]rememberedAnswer
}

type rememberedAnswer struct {
	Retention
	at time.Time
}

// Retention implements RetentionReader.
func (r *rememberedRetention) Retention(ctx context.Context, topics []string) (map[string]Retention, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := r.now()
	maps.DeleteFunc(r.topics, func(_ string, a rememberedAnswer) bool { return now.Sub(a.at) >= r.keep })
	var unknown []string
	for _, topic := range topics {
		if _, ok := r.topics[topic]; !ok {
			unknown = append(unknown, topic)
		}
	}
	if len(unknown) > 0 {
		fresh, err := r.from.Retention(ctx, unknown)
		if err != nil {
			return nil, err
		}
		for topic, retention := range fresh {
			r.topics[topic] = rememberedAnswer{retention, now}
		}
	}
	answers := make(map[string]Retention, len(topics))
	for _, topic := range topics {
		if a, ok := r.topics[topic]; ok {
			answers[topic] = a.Retention
		}
	}
	return answers, nil
}
