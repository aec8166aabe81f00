// How fetches are answered with records.

package gateway

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

const (
	// mostWait bounds how long a fetch waits for something to fetch. Clients ask for half a
	// second; a connection that nobody reads any more is noticed no earlier.
	mostWait = time.Minute
	// leastPatience is how long a fetch waits for memory, even if the client would rather
	// have an empty answer.
	leastPatience = time.Second
	// fetchTogether is how many partitions of one request are read side by side.
	fetchTogether = 16
)

// errorPause is how long an answer with nothing but errors is held back, if the client
// waits as long: Java asks thousands of times a second otherwise, kafka-go takes no answer
// that comes later. A variable because tests do not wait.
var errorPause = 500 * time.Millisecond

// fetching is one partition of a fetch on its way.
type fetching struct {
	asked *kmsg.FetchRequestTopicPartition
	to    *kmsg.FetchResponseTopicPartition
	*partition
	archived bool  // the offset is below where the archive ends
	leader   int32 // whose log has it; -1 for none
	served   bool  // what is before the offset was passed on by this connection
	batches  []batch
	lent     []func() // give the batches back
}

// fetch answers with records, and waits for some as long as the client says. There are
// no sessions (KIP-227): session 0 says so, and every request then names all partitions.
func (c *connection) fetch(ctx context.Context, request *kmsg.FetchRequest, held *hold) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.FetchResponse)
	if request.SessionID != 0 {
		response.ErrorCode = kerr.FetchSessionIDNotFound.Code
		return response, nil
	}
	c.metrics.fetches.Inc()
	deadline := time.Now().Add(min(mostWait, time.Duration(max(0, request.MaxWaitMillis))*time.Millisecond))
	all := c.fetchings(request, response)
	c.readsFrom(int64(len(all)))
	for {
		some, failed := c.look(ctx, all)
		live, left := c.liveOnes(all), time.Until(deadline)
		switch waits := !some && !failed && left > 0 && c.caughtUp(live); {
		case len(live) > 0 && waits:
			c.awaitLive(ctx, request, all, live, min(left, refreshEvery), held)
		case some || len(live) > 0:
			c.collect(ctx, request, all, live, deadline, held)
		}
		if held.bytes > 0 {
			return response, nil
		}
		failed, left = anyFailed(all), time.Until(deadline)
		switch {
		case failed:
			c.wait(ctx, min(c.options.errorPause, left))
			return response, nil
		case left <= 0 || c.drained() || ctx.Err() != nil:
			return response, nil
		}
		if len(live) == 0 { // the others have waited at their leaders, or have to be asked again
			c.wait(ctx, min(left, c.nextLook(all)))
		}
		c.topics.fresh(ctx)
	}
}

// drained reports whether the gateway is about to end.
func (g *Gateway) drained() bool {
	select {
	case <-g.draining:
		return true
	default:
		return false
	}
}

// fetchings finds the partitions, and gives each its place in the answer. Batches are
// never nil, errors included: that would be null, at which librdkafka drops the answer.
func (c *connection) fetchings(request *kmsg.FetchRequest, response *kmsg.FetchResponse) []*fetching {
	list := c.topics.current()
	response.Topics = make([]kmsg.FetchResponseTopic, len(request.Topics))
	var all []*fetching
	for i := range request.Topics {
		asked, to := &request.Topics[i], &response.Topics[i]
		*to = kmsg.NewFetchResponseTopic()
		to.Topic, to.TopicID = asked.Topic, asked.TopicID
		t, problem := (*topic)(nil), (*kerr.Error)(nil)
		if request.Version >= 13 {
			t, problem = c.identified(list, asked.TopicID)
		} else {
			t, problem = c.named(list, asked.Topic)
		}
		to.Partitions = make([]kmsg.FetchResponseTopicPartition, len(asked.Partitions))
		for k := range asked.Partitions {
			one := &to.Partitions[k]
			*one = kmsg.NewFetchResponseTopicPartition()
			one.Partition = asked.Partitions[k].Partition
			one.HighWatermark, one.LastStableOffset, one.LogStartOffset = -1, -1, -1
			one.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
			one.RecordBatches = []byte{}
			f := &fetching{asked: &asked.Partitions[k], to: one, leader: -1}
			if problem != nil {
				one.ErrorCode = problem.Code
			} else if f.partition = t.partitions[one.Partition]; f.partition == nil {
				one.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			all = append(all, f)
		}
	}
	return all
}

// look settles what there is to know without reading records: whether some partition
// has something to read, and whether one has an error.
func (c *connection) look(ctx context.Context, all []*fetching) (some, failed bool) {
	var found atomic.Bool
	_ = parallel.Try(ctx, fetchTogether, all, func(ctx context.Context, f *fetching) error {
		if f.partition == nil || f.to.ErrorCode != 0 {
			return nil
		}
		state := c.passed[f.partition]
		f.served = state != nil && state.epoch >= 0 && state.next == f.asked.FetchOffset
		if f.look(ctx) {
			found.Store(true)
		}
		return nil
	})
	return found.Load(), anyFailed(all)
}

func anyFailed(all []*fetching) bool {
	for _, f := range all {
		if f.to.ErrorCode != 0 {
			return true
		}
	}
	return false
}

// look reports whether there is something at the offset.
func (f *fetching) look(ctx context.Context) bool {
	start, err := f.firstOffset(ctx)
	if err != nil {
		f.fail(err)
		return false
	}
	end, offset := f.nextOffset(), f.asked.FetchOffset
	f.to.LogStartOffset = start
	f.to.HighWatermark, f.to.LastStableOffset = f.known()
	f.archived, f.leader = offset >= start && offset < end, -1
	if offset >= end {
		if node, ok := f.leaderOf(ctx); ok {
			f.leader = node
			return false
		}
	}
	switch {
	case offset < start:
		f.to.ErrorCode = kerr.OffsetOutOfRange.Code
	case offset > end && (f.leftItsLog() || f.served && !f.mayExist(offset)): // or its topic was deleted meanwhile
		f.fail(errTruncated)
	case offset >= end && !f.mayExist(offset):
		f.to.ErrorCode = kerr.OffsetOutOfRange.Code
	}
	return f.archived
}

// fail puts an error into the answer, and into the log with what the client is not
// told. What lasts is TOPIC_AUTHORIZATION_FAILED, which all clients show; the others
// ask again by themselves.
func (f *fetching) fail(err error) {
	var loss lost
	switch {
	case errors.As(err, &loss):
		f.to.ErrorCode = kerr.TopicAuthorizationFailed.Code
		f.losses.refused(loss.row)
	case lasting(err):
		f.to.ErrorCode = kerr.TopicAuthorizationFailed.Code
		f.losses.broken(f.name, f.asked.FetchOffset, err)
	default:
		f.to.ErrorCode = kerr.KafkaStorageError.Code
		f.losses.failed(f.name, f.asked.FetchOffset, err)
	}
}

// lasting reports whether an error is about what is archived, so that it will not go
// away when it is read again.
func lasting(err error) bool {
	var damage *baldr.FormatError
	if errors.As(err, &damage) {
		return true
	}
	for _, about := range []error{
		errTruncated, baldr.ErrNotBaldr, baldr.ErrNoEnvelope, bifrost.ErrNotFound, errNoRow, readback.ErrNotOfRow,
	} {
		if errors.Is(err, about) {
			return true
		}
	}
	return false
}

// mostAnswer is how many bytes of records an answer has at most, unless its first batch
// is larger: what a client that reads slowly may hold.
func (g *Gateway) mostAnswer() int64 { return g.memory.answers.size / 16 }

// collect reads batches and puts them into the answer, as far as the client, the memory
// and the size of an answer allow.
func (c *connection) collect(
	ctx context.Context, request *kmsg.FetchRequest, all, live []*fetching, deadline time.Time, held *hold,
) {
	most := c.mostAnswer()
	if request.MaxBytes > 0 {
		most = min(most, int64(request.MaxBytes))
	}
	patience, cancel := context.WithDeadline(ctx, later(deadline, time.Now().Add(leastPatience)))
	defer cancel()
	if !c.hold(patience, held, most) {
		return
	}
	order := c.rotate(all)
	var found atomic.Int64
	fromLive := c.fetchBeside(patience, request, all, live, most)
	found.Store(fromLive)
	_ = parallel.Try(ctx, fetchTogether, order, func(ctx context.Context, f *fetching) error {
		if f.to.ErrorCode != 0 || !f.archived || found.Load() >= most {
			return nil
		}
		f.read(ctx)
		for _, b := range f.batches {
			found.Add(int64(len(b.encoded)))
		}
		return nil
	})
	total := fromLive
	for _, f := range order {
		total += f.put(most-total, total == 0)
		held.lent = append(held.lent, f.lent...)
		f.lent = nil
	}
	if !c.keep(patience, held, all, total, most) {
		return
	}
	for _, f := range order {
		if n := len(f.batches); n > 0 {
			c.readAheadOf(f.partition).goOn(f.batches[n-1].last + 1)
		}
	}
}

// keep keeps memory for what was found, which may be one large batch.
func (c *connection) keep(ctx context.Context, held *hold, all []*fetching, total, most int64) bool {
	if total > most && !c.hold(ctx, held, total) {
		for _, f := range all {
			f.to.RecordBatches = []byte{}
		}
		total = 0
	}
	if total == 0 {
		held.release()
		return false
	}
	held.bytes = int(total) + 128*len(all) + 1024
	return true
}

// fetchBeside reads what the live partitions have now. Beside archived ones they may fill
// half of an answer, and take little time.
func (c *connection) fetchBeside(
	ctx context.Context, request *kmsg.FetchRequest, all, live []*fetching, most int64,
) int64 {
	archived := func(f *fetching) bool { return f.archived && f.to.ErrorCode == 0 }
	if slices.ContainsFunc(all, archived) {
		short, cancel := context.WithTimeout(ctx, leastPatience)
		defer cancel()
		ctx, most = short, most/2
	}
	return c.fetchLive(ctx, request, live, 0, most)
}

// awaitLive waits for what comes next in the live partitions, with little memory.
func (c *connection) awaitLive(
	ctx context.Context, request *kmsg.FetchRequest, all, live []*fetching, wait time.Duration, held *hold,
) {
	patience, cancel := context.WithTimeout(ctx, wait+leastPatience)
	defer cancel()
	if c.hold(patience, held, idleAnswer) {
		c.keep(patience, held, all, c.fetchLive(ctx, request, live, wait, idleAnswer), idleAnswer)
	}
}

// nextLook is how long a fetch with nothing to wait for at a leader waits until it looks again.
func (c *connection) nextLook(all []*fetching) time.Duration {
	for _, f := range all {
		if f.leader >= 0 {
			return min(againAfter, refreshEvery)
		}
	}
	return refreshEvery
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// hold takes memory for an answer in the place of what it has.
func (c *connection) hold(ctx context.Context, held *hold, bytes int64) bool {
	held.releaseMemory()
	release, err := c.memory.answers.take(ctx, 2*bytes) // the records, and the copy that joins several batches
	if err != nil {
		c.metrics.starved.Inc()
		return false
	}
	held.memory = release
	return true
}

// rotate puts the partitions in another order each time: who is last gets what others
// leave.
func (c *connection) rotate(all []*fetching) []*fetching {
	c.turn++
	at := c.turn % len(all)
	return append(append([]*fetching{}, all[at:]...), all[:at]...)
}

// read finds the batches from the offset on: what is at it, and as much as the client
// takes of what is in memory behind that.
func (f *fetching) read(ctx context.Context) {
	f.batches = nil
	offset, size := f.asked.FetchOffset, int64(0)
	for {
		lent, err := f.next(ctx, offset, size > 0)
		if errors.Is(err, bifrost.ErrNotFound) && size == 0 { // erased since, perhaps
			f.forget()
			lent, err = f.next(ctx, offset, false)
		}
		if err != nil || len(lent.value) == 0 {
			if err != nil && size == 0 && ctx.Err() == nil {
				f.fail(err)
			}
			return
		}
		f.lent = append(f.lent, lent.giveBack)
		for _, b := range lent.value {
			if size > 0 && size+int64(len(b.encoded)) > int64(f.asked.PartitionMaxBytes) {
				return
			}
			size += int64(len(b.encoded))
			f.batches = append(f.batches, b)
			offset = b.last + 1
		}
	}
}

// put puts the batches into the answer that fit, or the first of them at any size if
// nothing else is in it. Of one batch nothing is copied.
func (f *fetching) put(room int64, first bool) int64 {
	fit, size := 0, int64(0)
	for _, b := range f.batches {
		if size+int64(len(b.encoded)) > room && !(first && fit == 0) {
			break
		}
		fit++
		size += int64(len(b.encoded))
	}
	f.batches = f.batches[:fit]
	switch fit {
	case 0:
	case 1:
		f.to.RecordBatches = f.batches[0].encoded
	default:
		f.to.RecordBatches = make([]byte, 0, size)
		for _, b := range f.batches {
			f.to.RecordBatches = append(f.to.RecordBatches, b.encoded...)
		}
	}
	return size
}
