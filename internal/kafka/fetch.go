// How a range is fetched, one response after the other.

package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

const (
	// leastFetchBytes is what the last fetch of a range still asks for.
	leastFetchBytes = 64 << 10
	// emptyAnswers is how many of them in a row are believed.
	emptyAnswers = 3
)

// fetcher fetches one range of one partition, one response after the other.
type fetcher struct {
	client    *Client
	topic     string
	id        bifrost.TopicID
	partition int32
	position  int64 // where the next fetch begins
	end       int64

	leader   int32         // node ID, -1 to be looked up
	epoch    int32         // of the leader, -1 unknown
	replica  int32         // that the leader sent us to (KIP-392), -1 for the leader itself
	rack     string        // empty once a replica has disappointed
	perByte  float64       // offsets a byte in the last response, 0 unknown
	throttle time.Duration // how long the broker wants to be left alone
}

// delivery is a response or the reason why there are no more.
type delivery struct {
	response
	err error
}

// runFetches fetches the range and hands over the responses, until it is through, fails
// or is cancelled. While one response waits to be taken, none is fetched.
func (f *fetcher) runFetches(ctx context.Context, deliveries chan<- delivery) {
	defer close(deliveries)
	for f.position < f.end {
		r, err := f.nextResponse(ctx)
		if err == nil && r.next == f.position {
			continue // a throttled broker
		}
		select {
		case deliveries <- delivery{r, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		f.position = r.next
	}
}

// nextResponse asks until there is an answer, or until there is no hope for one.
func (f *fetcher) nextResponse(ctx context.Context) (response, error) {
	if err := sleep(ctx, f.throttle); err != nil {
		return response{}, err
	}
	f.throttle = 0
	insist := insistence{client: f.client, began: time.Now()}
	var before error
	for pause := f.client.patience / 300; ; pause = min(2*pause, f.client.patience/30) {
		r, err := f.attemptFetch(ctx)
		if errors.Is(err, errImpatient) && before != nil {
			err = before // says more
		}
		if err == nil || ctx.Err() != nil || insist.isOver(err, pause) {
			return r, err
		}
		before, f.leader, f.replica = err, -1, -1
		if sleep(ctx, pause) != nil {
			return r, err
		}
	}
}

// insistence is how long to keep asking.
type insistence struct {
	client  *Client
	began   time.Time
	doubted time.Time // when a broker first denied the topic
}

// isOver reports whether to give up on an error instead of pausing and asking
// again. Brokers hear of new topics within moments; to come back from a restart,
// or to elect leaders, takes them longer.
func (i *insistence) isOver(err error, pause time.Duration) bool {
	if final(err) {
		return true
	}
	if !errors.Is(err, bifrost.ErrWrongTopicID) && !errors.Is(err, bifrost.ErrNotFound) {
		return i.sinceText(i.began)+pause > i.client.patience
	}
	if i.doubted.IsZero() {
		i.doubted = time.Now()
	}
	return i.sinceText(i.doubted)+pause > i.client.patience/5
}

// sinceText is how much time there was to ask in: none while brokers do not listen.
func (i *insistence) sinceText(t time.Time) time.Duration {
	return time.Since(i.client.throttles.over(t))
}

// final reports whether asking again would get the same answer.
func final(err error) bool {
	var outside *bifrost.OutOfRangeError
	var answer *kerr.Error
	switch {
	case errors.As(err, &outside), errors.Is(err, recordbatch.ErrCorrupt), errors.Is(err, recordbatch.ErrTooLarge):
		return true
	case errors.Is(err, bifrost.ErrWrongTopicID), errors.Is(err, bifrost.ErrNotFound):
		return false // the broker may just be the last to know
	}
	return errors.As(err, &answer) && !answer.Retriable
}

// attemptFetch asks one leader, and the replica it may point to.
func (f *fetcher) attemptFetch(ctx context.Context) (response, error) {
	if err := f.locateLeader(ctx); err != nil {
		return response{}, err
	}
	for empty := 0; ; {
		p, err := f.askLeader(ctx, f.position)
		switch {
		case err == nil && f.isThrottled(p):
			return response{next: f.position}, nil
		case f.replica >= 0 && (err != nil || len(p.RecordBatches) == 0):
			f.replica, f.rack = -1, "" // it may lag; what counts is the leader's answer
		case errors.Is(err, kerr.OffsetOutOfRange):
			return response{}, f.errOutside(ctx)
		case err != nil:
			return response{}, err
		case len(p.RecordBatches) > 0:
			return f.acceptResponse(ctx, p)
		case p.PreferredReadReplica >= 0:
			f.replica = p.PreferredReadReplica
		default:
			if empty++; empty == emptyAnswers {
				return f.judgeError(ctx, p)
			}
		}
	}
}

// locateLeader looks up the leader, unless it is known, and the topic's ID.
func (f *fetcher) locateLeader(ctx context.Context) error {
	if f.leader >= 0 {
		return nil
	}
	p, err := f.describePlace(ctx)
	if err != nil {
		return err
	}
	if err := errorOf(p.ErrorCode); err != nil && p.Leader < 0 {
		return err
	}
	f.leader, f.epoch, f.replica = p.Leader, p.LeaderEpoch, -1
	return nil
}

// describePlace reads the partition's metadata and makes sure that they are those of
// the incarnation that is wanted.
func (f *fetcher) describePlace(ctx context.Context) (*kmsg.MetadataResponseTopicPartition, error) {
	metadata, err := f.client.fetchMetadata(ctx, requestFor(f.topic))
	if err != nil {
		return nil, err
	}
	if len(metadata.Topics) != 1 {
		return nil, errLeftOut
	}
	t := &metadata.Topics[0]
	err = errorOf(t.ErrorCode)
	switch {
	case errors.Is(err, bifrost.ErrNotFound) && !f.id.IsZero():
		return nil, fmt.Errorf("%w: %w", bifrost.ErrWrongTopicID, err)
	case err != nil:
		return nil, err
	case t.TopicID != f.id:
		return nil, fmt.Errorf("%w: the topic's ID is %s, not %s",
			bifrost.ErrWrongTopicID, bifrost.TopicID(t.TopicID), f.id)
	}
	for i := range t.Partitions {
		if t.Partitions[i].Partition == f.partition {
			return &t.Partitions[i], nil
		}
	}
	return nil, fmt.Errorf("the topic has %d partitions: %w", len(t.Partitions), bifrost.ErrNotFound)
}

// isThrottled reports whether an answer says nothing because of a quota, and nothing
// of the log either.
func (f *fetcher) isThrottled(p *kmsg.FetchResponseTopicPartition) bool {
	return f.throttle > 0 && len(p.RecordBatches) == 0
}

// askLeader sends one fetch request and returns the answer for the partition. A broker
// whose quota is used up names no topic at all (Kafka 2.0 and later).
func (f *fetcher) askLeader(ctx context.Context, position int64) (*kmsg.FetchResponseTopicPartition, error) {
	node := f.leader
	if f.replica >= 0 {
		node = f.replica
	}
	reply, err := f.client.sendRequest(ctx, f.client.kgo.Broker(int(node)), f.newRequest(position))
	if err != nil && strings.Contains(err.Error(), answerTooLarge) {
		return nil, recordbatch.TooLarge("as it is sent", f.client.largest)
	}
	if err != nil {
		return nil, f.client.explainError(ctx, fmt.Errorf("node %d: %w", node, err))
	}
	fetched := reply.(*kmsg.FetchResponse)
	f.throttle = time.Duration(fetched.ThrottleMillis) * time.Millisecond
	if err := kerr.ErrorForCode(fetched.ErrorCode); err != nil {
		return nil, err
	}
	if len(fetched.Topics) == 0 && f.throttle > 0 {
		nothing := kmsg.NewFetchResponseTopicPartition()
		return &nothing, nil
	}
	if len(fetched.Topics) != 1 || len(fetched.Topics[0].Partitions) != 1 {
		return nil, errLeftOut
	}
	p := &fetched.Topics[0].Partitions[0]
	switch err := errorOf(p.ErrorCode); {
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		return nil, fmt.Errorf("%w: node %d: %w", bifrost.ErrWrongTopicID, node, err)
	case errors.Is(err, kerr.UnknownServerError):
		return nil, fmt.Errorf("node %d: %w (its own log says why; "+
			"often a segment in tiered storage that it cannot read)", node, err)
	case err != nil:
		return nil, fmt.Errorf("node %d: %w", node, err)
	}
	return p, f.verifyTopic(ctx, fetched)
}

// answerTooLarge is what franz-go says of an answer beyond its BrokerMaxReadBytes;
// the error itself is not to be had. No fetch asks for so much, so it is one batch.
const answerTooLarge = "response exceeds BrokerMaxReadBytes"

// fetchesByID is the first version of the protocol in which a fetch goes by
// topic ID (KIP-516, Kafka 3.1).
const fetchesByID = 13

// verifyTopic makes sure that an answer to a fetch by name is about the incarnation that is
// wanted, by looking at the topic's ID once more after it. Clusters before 2.8 have no
// IDs, so there a topic that was created again goes unnoticed.
func (f *fetcher) verifyTopic(ctx context.Context, fetched *kmsg.FetchResponse) error {
	if fetched.Version >= fetchesByID {
		return nil
	}
	_, err := f.describePlace(ctx)
	return err
}

func (f *fetcher) newRequest(position int64) *kmsg.FetchRequest {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch = f.partition, f.epoch
	p.FetchOffset, p.PartitionMaxBytes = position, f.wantedBytes()
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = f.topic, f.id // the version of the protocol decides which one is sent
	t.Partitions = []kmsg.FetchRequestTopicPartition{p}
	r := kmsg.NewPtrFetchRequest()
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = int32(f.client.maxWait.Milliseconds()), 1, p.PartitionMaxBytes
	r.IsolationLevel, r.Rack = readCommitted, f.rack
	r.Topics = []kmsg.FetchRequestTopic{t}
	return r
}

// wantedBytes is how many bytes to ask for: what is left of the range, judging by the
// last response, and a quarter more. Traffic between zones is paid by the byte.
func (f *fetcher) wantedBytes() int32 {
	limit := f.client.fetchBytes
	if f.perByte == 0 {
		return limit
	}
	left := 1.25 * float64(f.end-f.position) / f.perByte
	return int32(min(float64(limit), left+leastFetchBytes))
}

// acceptResponse takes an answer that has something in it.
func (f *fetcher) acceptResponse(ctx context.Context, p *kmsg.FetchResponseTopicPartition) (response, error) {
	r, err := scanResponse(f.topic, f.position, p)
	if err != nil {
		return response{}, err
	}
	// Between the position and the first batch lies what compaction removed,
	// unless the log start has moved meanwhile: then nobody knows.
	if r.first > f.position && p.LogStartOffset > f.position {
		return response{}, &bifrost.OutOfRangeError{
			Position: f.position,
			LogStart: p.LogStartOffset,
			LogEnd:   lastStable(p),
		}
	}
	if r.first > f.position {
		if err := f.proveLocal(ctx, r.first); err != nil {
			return response{}, err
		}
	}
	f.perByte = float64(r.next-f.position) / float64(len(p.RecordBatches))
	return r, nil
}

// judgeError decides what it means that the leader has nothing to say.
func (f *fetcher) judgeError(ctx context.Context, p *kmsg.FetchResponseTopicPartition) (response, error) {
	end := lastStable(p)
	if f.position < p.LogStartOffset || f.position >= end {
		return response{}, &bifrost.OutOfRangeError{Position: f.position, LogStart: p.LogStartOffset, LogEnd: end}
	}
	proven, err := f.proveTail(ctx, end)
	if err != nil || !proven {
		return response{next: f.position}, err
	}
	return response{next: min(f.end, end)}, nil
}

// proveTail makes sure that everything from the position to the last stable
// offset was compacted away. Tiered storage that is slow also answers nothing,
// without an error, and its records must never be counted as compacted. So the
// offsets must lie on the broker's own disks, and the last one must be as empty
// as the first. Without an error and without a proof a quota is used up.
func (f *fetcher) proveTail(ctx context.Context, end int64) (proven bool, err error) {
	tp := bifrost.TopicPartition{Topic: f.topic, Partition: f.partition}
	local, err := f.client.localLogStart(ctx, tp)
	if err != nil {
		return false, err
	}
	if local > f.position {
		return false, fmt.Errorf("offsets [%d, %d) lie in tiered storage, which does not answer; "+
			"the broker's own log says why", f.position, local)
	}
	p, err := f.askLeader(ctx, end-1)
	if err != nil {
		return false, err
	}
	if f.isThrottled(p) {
		return false, nil
	}
	if len(p.RecordBatches) > 0 || lastStable(p) < end {
		return false, fmt.Errorf("the leader says nothing below offset %d, and yet has something there", end)
	}
	return true, nil
}

// proveLocal makes sure that nothing of what an answer leaves out, from the position
// up to an offset, lies in tiered storage. There is no compaction there; but where
// a segment there is cut short, a leader goes on with the next one, without an
// error, as over a hole that compaction has left.
func (f *fetcher) proveLocal(ctx context.Context, to int64) error {
	local, err := f.client.localLogStart(ctx, bifrost.TopicPartition{Topic: f.topic, Partition: f.partition})
	if err == nil && local > f.position {
		err = fmt.Errorf("offsets [%d, %d) lie in tiered storage, and the leader passes over them: "+
			"a segment there is damaged",
			f.position, min(local, to))
	}
	return err
}

// lastStable is the end of what may be read. Answers before version 4 have only
// the high watermark; their brokers know no transactions.
func lastStable(p *kmsg.FetchResponseTopicPartition) int64 {
	if p.LastStableOffset < 0 {
		return p.HighWatermark
	}
	return p.LastStableOffset
}

// errOutside finds out where the log begins and ends, which brokers do not tell
// with OFFSET_OUT_OF_RANGE. The ends are asked for by name, so the ID is looked
// at once more.
func (f *fetcher) errOutside(ctx context.Context) error {
	ends, err := f.client.Offsets(ctx, []bifrost.Topic{{Name: f.topic, Partitions: []int32{f.partition}}})
	if err != nil {
		return err
	}
	a := ends[bifrost.TopicPartition{Topic: f.topic, Partition: f.partition}]
	if a.Err != nil {
		return a.Err
	}
	if _, err := f.describePlace(ctx); err != nil {
		return err
	}
	if a.LogStart <= f.position && f.position < a.LastStable {
		return fmt.Errorf("node %d says that offset %d is out of range, and that the log is [%d, %d)",
			f.leader, f.position, a.LogStart, a.LastStable)
	}
	return &bifrost.OutOfRangeError{Position: f.position, LogStart: a.LogStart, LogEnd: a.LastStable}
}

// sleep waits, or returns the reason why the context ended first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
