package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// quota stands between a client and a broker without quotas, and has the manners
// of Apache Kafka 4.2, as TestRealQuota and TestRealRequestQuota see them:
//
//   - A fetch that exceeds its quota is answered at once, without an error and
//     without any topic. Every other request is answered in full.
//   - Either answer says for how long the broker will not listen to the connection,
//     and it does not. What is on its way there waits.
//   - Another connection of the same client is listened to.
type quota struct {
	fetchBytesPerSecond float64       // 0: no limit
	wait                time.Duration // after each request of any kind, as if all were too many

	mu        sync.Mutex
	fetchFrom time.Time // when the bytes of all fetches so far are paid for
	throttled map[kmsg.Key]int
}

// dial is for [kgo.Dialer].
func (q *quota) dial(ctx context.Context, network, address string) (net.Conn, error) {
	broker, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		defer broker.Close()
		defer listener.Close()
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		for q.serve(client, broker) == nil {
		}
	}()
	return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
}

// serve passes one request and its answer on, and is deaf for as long as it said.
func (q *quota) serve(client, broker net.Conn) error {
	request, err := readFrame(client)
	if err != nil {
		return err
	}
	if err := writeFrame(broker, request); err != nil {
		return err
	}
	answer, err := readFrame(broker)
	if err != nil {
		return err
	}
	answer, wait := q.throttle(request, answer)
	if err := writeFrame(client, answer); err != nil {
		return err
	}
	time.Sleep(wait)
	return nil
}

// throttle is the answer as the quota makes it.
func (q *quota) throttle(request, answer []byte) ([]byte, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kind := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(request)))
	kind.SetVersion(int16(binary.BigEndian.Uint16(request[2:])))
	body := 4 // the correlation ID, and since KIP-482 tags, of which there are none
	if kind.IsFlexible() && kind.Key() != int16(kmsg.ApiVersions) {
		body = 5
	}
	wait := q.wait
	if kind.Key() == int16(kmsg.ApiVersions) {
		return answer, 0
	}
	if kind.Key() == int16(kmsg.Fetch) && q.fetchBytesPerSecond > 0 {
		if wait = time.Until(q.fetchFrom); wait <= 0 {
			q.fetchFrom = time.Now().Add(time.Duration(float64(len(answer)) / q.fetchBytesPerSecond * float64(time.Second)))
			return answer, 0
		}
	}
	if wait == 0 {
		return answer, 0
	}
	q.throttled[kmsg.Key(kind.Key())]++
	wait = wait.Truncate(time.Millisecond) + time.Millisecond
	if kind.Key() == int16(kmsg.Fetch) {
		empty := kind.ResponseKind().(*kmsg.FetchResponse)
		empty.ThrottleMillis = int32(wait.Milliseconds())
		return empty.AppendTo(answer[:body:body]), wait
	}
	binary.BigEndian.PutUint32(answer[body:], uint32(wait.Milliseconds())) // the first field of all that are asked here
	return answer, wait
}

func readFrame(from net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(from, frame)
	return frame, err
}

func writeFrame(to net.Conn, frame []byte) error {
	_, err := to.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	return err
}

func connectWithQuota(t *testing.T, cluster *kfake.Cluster, q *quota, patience time.Duration) *Client {
	t.Helper()
	q.throttled = map[kmsg.Key]int{}
	client, err := newClient(Config{Brokers: cluster.ListenAddrs(), Options: []kgo.Opt{kgo.Dialer(q.dial)}}, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	client.maxWait = 20 * time.Millisecond
	return client
}

// longerThanPatience is how long the brokers of these tests are deaf.
const longerThanPatience = testPatience * 5 / 4

// TestReadUnderQuota reads ranges side by side with a quota that keeps the broker
// deaf for longer than the client's patience, again and again.
func TestReadUnderQuota(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t)
	produce(t, cluster, "orders", 0, 500, 500)
	const patience = 4 * time.Second // two readers and a broker need some of it on a busy machine
	q := &quota{fetchBytesPerSecond: 1400}
	client := connectWithQuota(t, cluster, q, patience)
	client.fetchBytes = 1 // one batch, some seven kilobytes, which are paid for in five seconds
	var readers sync.WaitGroup
	for _, start := range []int64{0, 500} {
		readers.Go(func() {
			records, _, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: start, End: 1000})
			if err != nil || len(records) != int(1000-start) {
				t.Errorf("from offset %d: %d records, error %v", start, len(records), err)
			}
		})
	}
	readers.Wait()
	if q.throttled[kmsg.Fetch] == 0 {
		t.Error("no fetch was throttled")
	}
}

// TestEveryRequestUnderQuota asks all there is to ask while the broker is deaf
// after each answer, for longer than the client's patience.
func TestEveryRequestUnderQuota(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	id := topicID(cluster, "orders")
	tp := bifrost.TopicPartition{Topic: "orders"}
	for name, ask := range map[string]func(*Client) error{
		"Topics": func(c *Client) error {
			var failed error
			for range 3 { // over one connection, over another, and again
				_, _, err := c.Topics(t.Context())
				failed = errors.Join(failed, err)
			}
			return failed
		},
		"Find": func(c *Client) error {
			answers, err := c.Find(t.Context(), []string{"orders"})
			return errors.Join(err, answers["orders"].Err)
		},
		"Offsets": func(c *Client) error {
			answers, err := c.Offsets(t.Context(), []bifrost.Topic{{Name: "orders", Partitions: []int32{0}}})
			return errors.Join(err, answers[tp].Err)
		},
		"OffsetsAt": func(c *Client) error {
			answers, err := c.OffsetsAt(t.Context(), []bifrost.TopicPartition{tp}, time.Now().Add(time.Hour))
			return errors.Join(err, answers[tp].Err)
		},
		"EpochEnds": func(c *Client) error {
			if _, err := c.EpochEnds(t.Context(), map[bifrost.TopicPartition]int32{tp: 0}); err != nil {
				return err
			}
			answers, err := c.EpochEnds(t.Context(), map[bifrost.TopicPartition]int32{tp: 0})
			return errors.Join(err, answers[tp].Err)
		},
		"Retention": func(c *Client) error {
			if _, err := c.Retention(t.Context(), []string{"orders"}); err != nil {
				return err
			}
			answers, err := c.Retention(t.Context(), []string{"orders"})
			return errors.Join(err, answers["orders"].Err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &quota{wait: longerThanPatience}
			if err := ask(connectWithQuota(t, cluster, q, testPatience)); err != nil {
				t.Error(err)
			}
			if len(q.throttled) == 0 {
				t.Error("nothing was throttled")
			}
		})
	}
	t.Run("Read", func(t *testing.T) {
		t.Parallel()
		// Every second answer is none at all, or a fetch would never be through.
		q := &quota{wait: longerThanPatience, fetchBytesPerSecond: 1 << 20}
		mustRead(t, connectWithQuota(t, cluster, q, testPatience), "orders", id, 0, bifrost.Range{Start: 0, End: 5})
		if q.throttled[kmsg.Metadata] == 0 {
			t.Error("nothing was throttled")
		}
	})
}

// TestPatienceEndsWithTheThrottle has a broker that says nothing once it would
// listen again.
func TestPatienceEndsWithTheThrottle(t *testing.T) {
	t.Parallel()
	client := &Client{patience: 50 * time.Millisecond, throttles: new(throttles)}
	client.throttles.OnBrokerThrottle(kgo.BrokerMetadata{}, 200*time.Millisecond, true)
	client.throttles.OnBrokerThrottle(kgo.BrokerMetadata{}, time.Hour, false) // it has waited already
	client.throttles.OnBrokerThrottle(kgo.BrokerMetadata{}, time.Millisecond, true)
	began := time.Now()
	ctx, cancel := client.patiently(t.Context())
	defer cancel()
	<-ctx.Done()
	if took := time.Since(began); took < 200*time.Millisecond || !errors.Is(context.Cause(ctx), errImpatient) {
		t.Errorf("gave up after %s: %v", took, context.Cause(ctx))
	}
}

// nothingOf answers a fetch as a broker does whose quota is used up.
func nothingOf(request kmsg.Request) kmsg.Response {
	response := request.ResponseKind().(*kmsg.FetchResponse)
	response.ThrottleMillis = 20
	return response
}

// TestReadThrottled has a broker that answers nothing because of a quota. That
// must not be taken for a compacted tail.
func TestReadThrottled(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	judged := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "orders", Observe: true, Count: -1})
	throttled := 0
	intercept(cluster, kmsg.Fetch, func(request kmsg.Request) kmsg.Response {
		if throttled++; throttled > 10 {
			return nil
		}
		return nothingOf(request)
	})
	mustRead(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 0, End: 5})
	if throttled <= 10 || judged.Hits() > 0 {
		t.Errorf("asked %d times, looked for a tail %d times", throttled, judged.Hits())
	}
}

// TestReadThrottledTail uses the quota up where a tail is about to be proven
// compacted: that proves nothing, and is no error.
func TestReadThrottledTail(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	throttled := new(atomic.Int64)
	intercept(cluster, kmsg.Fetch, func(request kmsg.Request) kmsg.Response {
		at := request.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset
		if at == 8 && throttled.Add(1) <= 3 { // the last one, which is looked at for the proof
			return nothingOf(request)
		}
		if at < 5 {
			return nil
		}
		return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
			p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 9, 9, 0
		})
	})
	records, missing, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 3, End: 9})
	if err != nil || len(records) != 2 || missing != (baldr.Missing{Compacted: 4}) || throttled.Load() != 4 {
		t.Errorf("%d records, missing %+v, proof asked for %d times, error %v", len(records), missing, throttled.Load(), err)
	}
}

// TestReadThrottledReplica has a replica whose quota is used up, which is no
// reason to pay for the way to the leader.
func TestReadThrottledReplica(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "near"))
	produce(t, cluster, "near", 0, 3)
	follower := 1 - cluster.LeaderFor("near", 0)
	cluster.SetFollowers("near", 0, []int32{follower})
	throttled, fromLeader := 0, 0
	cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		switch {
		case cluster.CurrentNode() == follower:
			if throttled++; throttled <= 3 {
				return nothingOf(request), nil, true
			}
			return nil, nil, false
		case request.(*kmsg.FetchRequest).Rack != "":
			return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
				p.PreferredReadReplica, p.HighWatermark, p.LastStableOffset = follower, 3, 3
			}), nil, true
		}
		fromLeader++
		return nil, nil, false
	})
	client := connect(t, Config{Brokers: cluster.ListenAddrs(), Rack: "zone-b"})
	mustRead(t, client, "near", topicID(cluster, "near"), 0, bifrost.Range{Start: 0, End: 3})
	if throttled != 4 || fromLeader > 0 {
		t.Errorf("%d fetches from the replica, %d from the leader", throttled, fromLeader)
	}
}

// TestReadLeftOut has a broker that leaves the partition out without a quota to
// explain it: an error, not something to wait for.
func TestReadLeftOut(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	intercept(cluster, kmsg.Fetch, func(request kmsg.Request) kmsg.Response { return request.ResponseKind() })
	_, _, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 0, End: 5})
	if !errors.Is(err, errLeftOut) || errors.Is(err, kerr.UnknownTopicID) || !strings.Contains(err.Error(), "orders/0 at offset 0") {
		t.Errorf("error %v", err)
	}
}
