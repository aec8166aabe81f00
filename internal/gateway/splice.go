// How a partition goes on from the archive to the live log.

package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

const (
	// idleAnswer is how many bytes of records a fetch asks for that waits for the next
	// one: it holds memory as long as it waits.
	idleAnswer = 64 << 10
	// againAfter is how long a partition is left alone that its leader does not serve.
	againAfter = time.Second
)

// passed is what a connection has passed on of a live partition.
type passed struct {
	next    int64 // offset behind it
	epoch   int32 // leader epoch of its last batch; -1 when nothing is known
	checked bool  // the log still has what is below
	cut     bool  // it has not: the log was truncated
	end     int64 // up to where the client may read, as of the last answer; -1 unknown
	againAt time.Time
}

// errTruncated says that the live log has lost what was archived or passed on before.
var errTruncated = errors.New("the live log was truncated below what is archived or has been passed on" +
	" (unclean leader election, or a topic that was made again)")

// leaderOf finds the leader of a partition whose live log goes on where the archive ends.
func (p *partition) leaderOf(ctx context.Context) (int32, bool) {
	if p.live == nil {
		return 0, false
	}
	p.mutex.Lock()
	goesOn, id := p.goesOn, p.topicID
	p.mutex.Unlock()
	if !goesOn {
		return 0, false
	}
	t, _ := p.live.topic(ctx, p.name.Topic())
	node, ok := t.leaders[p.name.Number]
	return node, ok && t.id == id && !id.IsZero()
}

// place is where the partition is in the live cluster.
func (p *partition) place() place { return place{p.name.Topic(), p.name.Number} }

// known are the ends of the live log as far as anybody has seen them, and never below
// the archive's: a new leader's may dip.
func (p *partition) known() (highWatermark, lastStable int64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return max(p.end, p.liveEnd), max(p.end, p.liveStable)
}

// sawEnds notes what a leader says.
func (p *partition) sawEnds(highWatermark, lastStable int64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.liveEnd, p.liveStable = highWatermark, lastStable
}

// passedOn is what this connection knows of the live partition at an offset. Who has
// sought elsewhere begins anew.
func (c *connection) passedOn(f *fetching) *passed {
	if c.passed == nil {
		c.passed = map[*partition]*passed{}
	}
	if c.passed[f.partition] == nil || c.passed[f.partition].next != f.asked.FetchOffset {
		c.passed[f.partition] = &passed{next: f.asked.FetchOffset, epoch: -1, end: -1}
	}
	return c.passed[f.partition]
}

// liveOnes are the partitions to be read from their leaders now.
func (c *connection) liveOnes(all []*fetching) (ready []*fetching) {
	seen := map[*partition]bool{} // a client may ask twice
	for _, f := range all {
		if f.leader >= 0 && f.to.ErrorCode == 0 && !seen[f.partition] && time.Now().After(c.passedOn(f).againAt) {
			seen[f.partition] = true
			ready = append(ready, f)
		}
	}
	return ready
}

// caughtUp reports whether there was nothing behind any of the positions when their
// leaders were asked last.
func (c *connection) caughtUp(ready []*fetching) bool {
	for _, f := range ready {
		if state := c.passedOn(f); state.end < 0 || state.next < state.end {
			return false
		}
	}
	return true
}

// fetchLive reads partitions from their leaders, at most so many bytes in all unless a
// batch is larger. It answers how many there are.
func (c *connection) fetchLive(
	ctx context.Context, request *kmsg.FetchRequest, ready []*fetching, wait time.Duration, most int64,
) (total int64) {
	if len(ready) == 0 {
		return 0
	}
	client, err := c.upstreamClient()
	if err != nil {
		c.losses.failed(ready[0].name, ready[0].asked.FetchOffset, err)
		return 0
	}
	byLeader := map[int32][]*fetching{}
	for _, f := range ready {
		byLeader[f.leader] = append(byLeader[f.leader], f)
	}
	ctx, stop := c.untilDrained(ctx)
	defer stop()
	var group sync.WaitGroup
	for node, some := range byLeader {
		group.Go(func() {
			some = c.stillThere(ctx, node, some)
			if len(some) == 0 {
				return
			}
			forwarded := forwardedFetch(request, some, wait, max(1, most/int64(len(byLeader))))
			response, err := client.Broker(int(node)).Request(ctx, forwarded)
			if err != nil {
				c.leaderFailed(some, err)
				return
			}
			c.takeLive(ctx, request, some, response.(*kmsg.FetchResponse))
		})
	}
	group.Wait()
	for _, f := range ready {
		total += int64(len(f.to.RecordBatches))
	}
	c.metrics.liveFetches.Inc()
	c.metrics.liveBytes.Add(float64(total))
	return total
}

// untilDrained ends what is asked of the live cluster with the gateway: such requests
// may wait for long.
func (g *Gateway) untilDrained(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-g.draining:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// forwardedFetch is the request to one leader. It names topics by their IDs and no
// rack, no epochs and no session.
func forwardedFetch(request *kmsg.FetchRequest, some []*fetching, wait time.Duration, most int64) *kmsg.FetchRequest {
	forwarded := kmsg.NewPtrFetchRequest()
	forwarded.ReplicaID, forwarded.SessionEpoch, forwarded.IsolationLevel = -1, -1, request.IsolationLevel
	forwarded.MaxWaitMillis, forwarded.MinBytes = int32(wait.Milliseconds()), max(1, request.MinBytes)
	forwarded.MaxBytes = int32(min(most, 1<<30))
	byTopic := map[string]int{}
	for _, f := range some {
		name := f.name.Topic()
		at, ok := byTopic[name]
		if !ok {
			at = len(forwarded.Topics)
			byTopic[name] = at
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic, topic.TopicID = name, f.topicID
			forwarded.Topics = append(forwarded.Topics, topic)
		}
		one := kmsg.NewFetchRequestTopicPartition()
		one.Partition, one.FetchOffset = f.name.Number, f.asked.FetchOffset
		one.CurrentLeaderEpoch, one.LastFetchedEpoch, one.LogStartOffset = -1, -1, -1
		one.PartitionMaxBytes = min(max(1, f.asked.PartitionMaxBytes), forwarded.MaxBytes)
		forwarded.Topics[at].Partitions = append(forwarded.Topics[at].Partitions, one)
	}
	return forwarded
}

// stillThere checks, before the first fetch of a partition, that the live log has what
// is archived. It leaves out those that cannot be read now.
func (c *connection) stillThere(ctx context.Context, node int32, some []*fetching) []*fetching {
	_ = parallel.Try(ctx, fetchTogether, some, func(ctx context.Context, f *fetching) error {
		state := c.passed[f.partition]
		if state.checked || state.cut {
			return nil
		}
		f.mutex.Lock()
		epoch, end := f.plannedEpoch, f.end
		f.mutex.Unlock()
		if epoch < 0 { // nobody has seen one
			state.checked = true
			return nil
		}
		_, endOfEpoch, err := c.live.epochEnd(ctx, node, f.place(), epoch)
		switch {
		case err != nil:
			c.leaderFailed([]*fetching{f}, err)
		case endOfEpoch >= 0 && endOfEpoch < end:
			state.cut = true
		default:
			state.checked = true
		}
		return nil
	})
	var left []*fetching
	for _, f := range some {
		switch state := c.passed[f.partition]; {
		case state.cut:
			c.truncated(f)
		case state.checked:
			left = append(left, f)
		}
	}
	return left
}

// truncated tells a client that what it has read is no longer what the log says.
func (c *connection) truncated(f *fetching) {
	f.to.ErrorCode = kerr.TopicAuthorizationFailed.Code
	err := fmt.Errorf("%w; bifrost status tells what the archive makes of it", errTruncated)
	c.losses.broken(f.name, f.asked.FetchOffset, err)
}

// leaderFailed leaves partitions alone for a while: the cluster may elect other leaders.
func (c *connection) leaderFailed(some []*fetching, err error) {
	if c.drained() {
		return
	}
	c.live.changed()
	for _, f := range some {
		c.leaveAlone(f)
		c.losses.failed(f.name, f.asked.FetchOffset, fmt.Errorf("fetch from the live cluster: %w", err))
	}
}

func (c *connection) leaveAlone(f *fetching) {
	c.passed[f.partition].againAt = time.Now().Add(againAfter)
}

// takeLive puts a leader's answer into the client's.
func (c *connection) takeLive(
	ctx context.Context, request *kmsg.FetchRequest, some []*fetching, response *kmsg.FetchResponse,
) {
	if err := errorOf(response.ErrorCode); err != nil {
		c.leaderFailed(some, err)
		return
	}
	type name struct {
		topic  string
		id     [16]byte
		number int32
	}
	answers := map[name]*kmsg.FetchResponseTopicPartition{}
	for i := range response.Topics {
		t := &response.Topics[i]
		for k := range t.Partitions {
			answers[name{t.Topic, t.TopicID, t.Partitions[k].Partition}] = &t.Partitions[k]
		}
	}
	for _, f := range some {
		key := name{id: f.topicID, number: f.name.Number}
		if response.Version < 13 {
			key = name{topic: f.name.Topic(), number: f.name.Number}
		}
		if from := answers[key]; from != nil {
			c.takePartition(ctx, request, f, from)
		}
	}
}

func (c *connection) takePartition(
	ctx context.Context, request *kmsg.FetchRequest, f *fetching, from *kmsg.FetchResponseTopicPartition,
) {
	switch problem := kerr.ErrorForCode(from.ErrorCode); {
	case problem == nil:
		c.pass(ctx, request, f, from)
	case errors.Is(problem, kerr.OffsetOutOfRange):
		c.outOfRange(ctx, f)
	case errors.Is(problem, kerr.TopicAuthorizationFailed):
		f.to.ErrorCode = from.ErrorCode
		problem = fmt.Errorf("the live cluster does not let this gateway read: %w", problem)
		c.losses.broken(f.name, f.asked.FetchOffset, problem)
	case kerr.IsRetriable(problem):
		c.leaderFailed([]*fetching{f}, problem)
	default:
		f.to.ErrorCode = from.ErrorCode
		c.losses.failed(f.name, f.asked.FetchOffset, fmt.Errorf("fetch from the live cluster: %w", problem))
	}
}

// pass passes batches on as the leader sent them. What would lead a client to the real
// brokers is left out.
func (c *connection) pass(
	ctx context.Context, request *kmsg.FetchRequest, f *fetching, from *kmsg.FetchResponseTopicPartition,
) {
	state := c.passed[f.partition]
	f.sawEnds(from.HighWatermark, from.LastStableOffset)
	f.to.HighWatermark, f.to.LastStableOffset = f.known()
	state.end = f.to.HighWatermark
	if request.IsolationLevel == 1 {
		state.end = f.to.LastStableOffset
	}
	span, err := spanOf(from.RecordBatches)
	switch {
	case err != nil:
		c.leaderFailed([]*fetching{f}, err)
		return
	case span.batches > 0 && state.epoch >= 0 && span.firstEpoch != state.epoch:
		ofEpoch, end, err := c.live.epochEnd(ctx, f.leader, f.place(), state.epoch)
		if err != nil {
			c.leaderFailed([]*fetching{f}, err)
			return
		}
		if ofEpoch != state.epoch || end < state.next {
			state.cut = true
			c.truncated(f)
			return
		}
	}
	if span.zstd && request.Version < 10 {
		f.to.ErrorCode = kerr.UnsupportedCompressionType.Code
		return
	}
	if from.RecordBatches != nil {
		f.to.RecordBatches = from.RecordBatches
	}
	if from.AbortedTransactions != nil {
		f.to.AbortedTransactions = from.AbortedTransactions
	}
	if span.batches > 0 {
		*state = passed{next: span.next, epoch: span.lastEpoch, checked: true, end: state.end}
	}
}

// span is what batches tell of themselves.
type span struct {
	batches               int
	firstEpoch, lastEpoch int32
	next                  int64 // offset behind the last
	zstd                  bool
}

// spanOf reads the headers of the whole batches.
func spanOf(batches []byte) (span, error) {
	var s span
	for {
		n, err := recordbatch.WholeBytes(batches)
		if err != nil || n == 0 {
			return s, err
		}
		h, err := recordbatch.ParseHeader(batches[:n])
		if err != nil {
			return s, err
		}
		if s.batches++; s.batches == 1 {
			s.firstEpoch = h.LeaderEpoch
		}
		s.lastEpoch, s.next, s.zstd = h.LeaderEpoch, h.Last+1, s.zstd || h.Codec() == recordbatch.Zstd
		batches = batches[n:]
	}
}

// outOfRange decides what an offset means that the live log does not have. Clients
// would begin again at one of its ends: that is only right for an offset that nobody
// can have come to.
func (c *connection) outOfRange(ctx context.Context, f *fetching) {
	state, offset := c.passed[f.partition], f.asked.FetchOffset
	ends, err := c.live.offsets(ctx, map[place]int64{f.place(): earliest}, 0)
	start, answered := ends[f.place()]
	switch {
	case err != nil || !answered || start.ErrorCode != 0:
		c.leaderFailed([]*fetching{f}, errors.Join(err, errorOf(start.ErrorCode), kerr.OffsetOutOfRange))
	case offset < start.Offset:
		// Retention was faster. The next tick records the gap; until then the client waits.
		c.leaveAlone(f)
		c.losses.awaited(f.name, offset, start.Offset)
	case offset <= f.nextOffset() || state.checked && state.epoch >= 0:
		state.cut = true
		c.truncated(f)
	default:
		f.to.ErrorCode = kerr.OffsetOutOfRange.Code
	}
}

// errorOf is the error of a code; nil for none.
func errorOf(code int16) error { return kerr.ErrorForCode(code) }

// liveOffsets are those that only the live cluster has, of all partitions as they were
// seen last.
func (g *Gateway) liveOffsets() (total float64) {
	if g.live == nil {
		return 0
	}
	for _, t := range g.topics.current().byName {
		for _, p := range t.partitions {
			highWatermark, _ := p.known()
			total += float64(highWatermark - p.nextOffset())
		}
	}
	return total
}
