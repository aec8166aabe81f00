// What the records for a topic need of it.

package target

import (
	"context"
	"fmt"
	"sync"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// A Gauge takes in what the records for one topic are like: how old, how new, and how
// large the largest is. The archive's indexes tell most of it; records are read one by
// one where that could change the answer. It implements readback.Gauge.
type Gauge struct {
	raised       bool // the topic is made, and takes whatever the records need
	codec, kept  recordbatch.Codec
	limit        int64 // of a batch as the topic takes it
	requestBytes int64 // of a request
	budget       *budget

	mutex    sync.Mutex
	oldest   int64 // timestamps in milliseconds since the Unix epoch, -1 for none
	newest   int64
	largest  int64 // bytes of the largest record alone in a batch, at most, with the codec or without
	unread   int64 // the same bound for records that were not read one by one
	tooLarge outsize
	tooLong  outsize
}

// outsize is a record that would be refused.
type outsize struct {
	partition bifrost.Partition
	offset    int64
	bytes     int64 // of the batch with it alone
	codec     recordbatch.Codec
	zstd      int64 // the same with zstd; 0 if that is not known
}

// budget bounds how much is read for a look, in bytes before compression. All topics
// share it: a look is to take seconds.
type budget struct {
	mutex sync.Mutex
	left  int64
}

// lookBytes is the budget of a look.
var lookBytes int64 = 1 << 30

func (b *budget) takeBytes(bytes int64) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.left <= 0 {
		return false
	}
	b.left -= bytes
	return true
}

// batchOverhead is more than a batch with one record takes beside its key, value and
// headers, whose lengths an envelope counts as well.
const batchOverhead = 61 + 40

// Member takes in what the index says of some records, and answers whether to read them.
func (g *Gauge) Member(facts baldr.MemberFacts, whole bool) (read bool) {
	bound := g.atMost(facts.ValueBytes() + facts.EnvelopeBytes + batchOverhead)
	raw := facts.RawBytes + facts.EnvelopeBytes
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if !whole && g.budget.takeBytes(raw) {
		return true
	}
	g.noteTimes(facts.LeastTimestamp, facts.MostTimestamp)
	switch {
	case bound <= min(g.limit, g.requestBytes-requestOverhead):
		return false
	case facts.Records == 1 && g.raised && bound <= g.requestBytes-requestOverhead:
		g.largest = max(g.largest, bound)
		return false
	case g.allAlike(facts), !g.budget.takeBytes(raw):
		g.unread = max(g.unread, g.unreadBound(facts, bound))
		return false
	}
	return true
}

// Records that fill a member of the archive together, about a megabyte, are not read one
// by one only because one of them might be nearly all of it: that would be to read the
// whole archive twice. For one of so many to be above Kafka's default limit, its key and
// headers would have to be larger than all the others' values together.
const (
	manyRecords   = 64
	smallEnvelope = 256 // bytes of key, headers and timestamps, a record on average
)

// allAlike reports whether a record above the limit is next to impossible.
func (g *Gauge) allAlike(facts baldr.MemberFacts) bool {
	return facts.Records >= manyRecords && facts.EnvelopeBytes <= smallEnvelope*facts.Records &&
		facts.ValueBytes()+batchOverhead <= g.limit
}

// unreadBound is 0 where nothing is in doubt.
func (g *Gauge) unreadBound(facts baldr.MemberFacts, bound int64) int64 {
	if g.allAlike(facts) {
		return 0
	}
	return bound
}

// Record takes in one record.
func (g *Gauge) Record(p bifrost.Partition, r *baldr.Record) {
	bound := g.atMost(recordbatch.RecordBatchBytes(r))
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.noteTimes(r.Timestamp, r.Timestamp)
	g.largest = max(g.largest, bound)
	if bound <= g.limit && bound+requestOverhead <= g.requestBytes {
		return
	}
	sent := outsize{partition: p, offset: r.Offset, bytes: g.codec.BatchBytes(r), codec: g.codec}
	if sent.bytes+requestOverhead > g.requestBytes && sent.bytes > g.tooLong.bytes {
		g.tooLong = sent
	}
	if g.raised {
		return
	}
	if sent.bytes <= g.limit && g.kept != g.codec { // the limit is also for what the broker makes of it
		sent.bytes, sent.codec = g.kept.BatchBytes(r), g.kept
	}
	if sent.bytes > g.limit && sent.bytes > g.tooLarge.bytes {
		sent.zstd = recordbatch.Zstd.BatchBytes(r)
		g.tooLarge = sent
	}
}

// atMost is what a batch can become, as it is sent or as the broker keeps it: records
// that nothing compresses grow a little.
func (g *Gauge) atMost(bytes int64) int64 { return max(g.codec.AtMost(bytes), g.kept.AtMost(bytes)) }

// requestOverhead is more than a request takes beside its one batch, the names of
// topic and transaction included.
const requestOverhead = 1 << 10

func (g *Gauge) noteTimes(least, most int64) {
	if most < 0 {
		return
	}
	if least >= 0 && (g.oldest < 0 || least < g.oldest) {
		g.oldest = least
	}
	g.newest = max(g.newest, most)
}

// Measure goes through the records for every topic that can be written, judges, and
// makes sure that Kafka would make topics with the settings that came out. What is
// missing or damaged stops the look at its topic alone: [Topic.Unreadable]. Its errors
// are the others of reading the archive.
func (l *Look) Measure(ctx context.Context) error {
	if len(l.Obstacles) > 0 {
		return nil // what the records are like changes nothing
	}
	shared := &budget{left: lookBytes}
	err := l.eachTopic(ctx, func(ctx context.Context, t *Topic) error {
		if len(t.Obstacles) > 0 {
			return nil
		}
		gauge := t.newGauge(l.brokers.requestBytes, shared)
		if t.Measure != nil {
			err := t.Measure(ctx, gauge)
			if bifrost.IsDamage(err) {
				t.Unreadable = fmt.Sprintf("its records cannot be read: %v. %s", err, whatIsDamaged)
				return nil
			}
			if err != nil {
				return fmt.Errorf("look at the records for topic %s: %w", t.Topic, err)
			}
		}
		t.judgeSettings(gauge, l.now)
		return nil
	})
	if err != nil {
		return err
	}
	return l.rehearseAgain(ctx)
}

// whatIsDamaged is what to do about records that cannot be read.
const whatIsDamaged = "bifrost verify lists all that is missing or damaged; to go on with the other topics, " +
	"leave this one out (restore and drill: --exclude)"

func (t *Topic) newGauge(requestBytes int64, shared *budget) *Gauge {
	g := &Gauge{raised: !t.Exists, codec: t.Batches.Codec, kept: t.Batches.Codec, limit: t.Batches.Bytes,
		requestBytes: requestBytes, budget: shared, oldest: -1, newest: -1}
	if t.Batches.Recompressed {
		g.kept = t.kept
	}
	return g
}

// rehearseAgain asks Kafka for the topics that need more settings than were asked with.
func (l *Look) rehearseAgain(ctx context.Context) error {
	admin, err := l.newAdministrator()
	if err != nil {
		return err
	}
	defer admin.Close()
	return l.eachTopic(ctx, func(ctx context.Context, t *Topic) error {
		if !t.Exists && len(t.Obstacles) == 0 && len(t.Settings) > len(lasting) {
			t.askDefaults(ctx, admin)
		}
		return nil
	})
}
