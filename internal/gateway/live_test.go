package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// cluster is a live cluster with one topic, orders, and its archive. What real brokers
// do is tried in cmd/bifrost.
type cluster struct {
	*archive
	fake  *kfake.Cluster
	admin *kadm.Client
	id    string // of the cluster
}

const clusterPartitions = 2

func newCluster(t *testing.T) *cluster {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(clusterPartitions, "orders"), kfake.BrokerConfigs(map[string]string{
		"group.initial.rebalance.delay.ms": "0",
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c := &cluster{archive: newArchive(), fake: fake}
	c.admin = kadm.NewClient(c.direct(t))
	metadata, err := c.admin.Metadata(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	c.id, c.ids["orders"] = metadata.Cluster, bifrost.TopicID(metadata.Topics["orders"].ID)
	c.clusterID = metadata.Cluster
	return c
}

// direct is a client of the live cluster itself.
func (c *cluster) direct(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// write writes the next n records of a partition.
func (c *cluster) write(t *testing.T, number int32, n int) {
	t.Helper()
	ends, err := c.admin.ListEndOffsets(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup("orders", number)
	client := c.direct(t)
	for _, r := range some(end.Offset, end.Offset+int64(n)) {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: number, Key: r.Key, Value: r.Value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// tick archives a partition up to an offset.
func (c *cluster) tick(number int32, end int64) {
	p := partitionOf("orders", number)
	c.archive.archive(p, end, baldr.Options{}, some(c.end(p), end)...)
}

// cut deletes what is below an offset from the live log.
func (c *cluster) cut(t *testing.T, number int32, below int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", number, below, -1)
	if _, err := c.admin.DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) live(o *Options) {
	o.Live = &Live{Options: []kgo.Opt{kgo.SeedBrokers(c.fake.ListenAddrs()...)}}
}

// take polls until so many records have come.
func take(t *testing.T, client *kgo.Client, n int) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for len(got) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(got), n, err)
		}
		for _, r := range fetches.Records() {
			got = append(got, fmt.Sprintf("%d/%d %s %s", r.Partition, r.Offset, r.Key, r.Value))
		}
	}
	return got
}

func expect(number int32, from, to int64) (want []string) {
	for _, r := range some(from, to) {
		want = append(want, fmt.Sprintf("%d/%d %s %s", number, r.Offset, r.Key, r.Value))
	}
	return want
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %d records:\n%s\nwant %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

func assign(from int64) kgo.Opt {
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"orders": {0: kgo.NewOffset().At(from)}})
}

// A consumer comes from the archive into the live log at the offset at which the one
// ends, and waits at the end for what is written next.
func TestTheLiveLogGoesOnWhereTheArchiveEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 30)
	c.tick(0, 10)
	c.cut(t, 0, 5)
	s := serve(t, c.archive, c.live)
	client := s.client(t, assign(0), kgo.FetchMaxWait(2*time.Second))
	same(t, take(t, client, 30), expect(0, 0, 30))
	c.write(t, 0, 3)
	same(t, take(t, client, 3), expect(0, 30, 33))
	c.tick(0, 33)
	c.write(t, 0, 2)
	same(t, take(t, client, 2), expect(0, 33, 35))
	admin := kadm.NewClient(client)
	starts, err := admin.ListStartOffsets(t.Context(), "orders")
	if o, _ := starts.Lookup("orders", 0); err != nil || o.Offset != 0 {
		t.Errorf("earliest %+v, %v", o, err)
	}
	ends, err := admin.ListEndOffsets(t.Context(), "orders")
	if o, _ := ends.Lookup("orders", 0); err != nil || o.Offset != 35 {
		t.Errorf("latest %+v, %v", o, err)
	}
	// A time that only the live log has is at the archive's end, as far as the gateway knows of it.
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		o, err := admin.ListOffsetsAfterMilli(t.Context(), time.Now().Add(-time.Hour).UnixMilli(), "orders")
		at, _ := o.Lookup("orders", 0)
		if err == nil && at.Offset == 33 {
			break
		}
		if err != nil || at.Offset != 10 || time.Since(began) > 30*time.Second {
			t.Fatalf("an hour ago is at %+v, %v", at, err)
		}
	}
}

// The end of a live log may dip under a new leader. No answer is below what is archived:
// a client would begin again, or show a negative lag.
func TestNoPositionIsBelowTheArchivesEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 5)
	c.tick(0, 10)
	client := serve(t, c.archive, c.live).client(t)
	admin := kadm.NewClient(client)
	asked := map[string]func() (kadm.ListedOffsets, error){
		"latest":           func() (kadm.ListedOffsets, error) { return admin.ListEndOffsets(t.Context(), "orders") },
		"latest committed": func() (kadm.ListedOffsets, error) { return admin.ListCommittedOffsets(t.Context(), "orders") },
		"an hour ago": func() (kadm.ListedOffsets, error) {
			return admin.ListOffsetsAfterMilli(t.Context(), time.Now().Add(-time.Hour).UnixMilli(), "orders")
		},
	}
	for what, list := range asked {
		listed, err := list()
		if at, _ := listed.Lookup("orders", 0); err != nil || at.Err != nil || at.Offset != 10 {
			t.Errorf("%s: %+v, %v; the archive ends at 10", what, at, err)
		}
	}
	request := kmsg.NewPtrOffsetForLeaderEpochRequest()
	partition := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	partition.CurrentLeaderEpoch = -1
	request.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{
		{Topic: "orders", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{partition}},
	}
	response, err := request.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if end := response.Topics[0].Partitions[0]; end.ErrorCode != 0 || end.EndOffset != 10 {
		t.Errorf("the end of the epoch: %+v; the archive ends at 10", end)
	}
}

// The switch is the archive's end: what both have comes from the archive.
func TestWhatBothHaveComesFromTheArchive(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 10)
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	same(t, take(t, s.client(t, assign(0)), 10), expect(0, 0, 10))
	if n := s.metricOf(t, "bifrost_gateway_live_bytes_total"); n != "0" {
		t.Errorf("%s bytes came from the live cluster", n)
	}
}

// Retention that was faster than the archive is no reason to begin again: the consumer
// waits until a tick has recorded the gap, and is told of the loss then.
func TestAGapThatNoTickHasSeen(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 30)
	c.tick(0, 10)
	c.cut(t, 0, 20)
	s := serve(t, c.archive, c.live)
	client := s.client(t)
	if got := s.pull(t, client, "orders", 0, 10, 300); got.answer.ErrorCode != 0 || len(got.records) > 0 {
		t.Fatalf("before the tick: error %d, %d records", got.answer.ErrorCode, len(got.records))
	}
	if !strings.Contains(s.said.String(), "waits until a tick has recorded the gap") {
		t.Errorf("the log does not say so:\n%s", s.said)
	}
	c.lose(partitionOf("orders", 0), 20, bifrost.ReasonRetention)
	for began := time.Now(); ; {
		got := s.pull(t, client, "orders", 0, 10, 300).answer
		if got.ErrorCode == kerr.TopicAuthorizationFailed.Code {
			break
		}
		if got.ErrorCode != 0 || time.Since(began) > 30*time.Second {
			t.Fatalf("after the tick: error %d", got.ErrorCode)
		}
	}
	same(t, take(t, s.client(t, assign(20)), 10), expect(0, 20, 30))
}

// Above the live end is out of range, as in Kafka, unless it is where the archive ends.
func TestAnOffsetAboveTheLiveEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 30)
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	client := s.client(t)
	if got := s.pull(t, client, "orders", 0, 31, patient).answer; got.ErrorCode != kerr.OffsetOutOfRange.Code {
		t.Errorf("above the end: error %d", got.ErrorCode)
	}
	if got := s.pull(t, client, "orders", 0, 30, 0).answer; got.ErrorCode != 0 || got.HighWatermark != 30 {
		t.Errorf("at the end: %+v", got)
	}
}

// A log that is shorter than what was archived of it has been truncated. Clients are
// told at once, and do not begin again.
func TestALiveLogThatWasTruncated(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 5)
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	got := s.pull(t, s.client(t), "orders", 0, 10, patient).answer
	if got.ErrorCode != kerr.TopicAuthorizationFailed.Code || !strings.Contains(s.said.String(), "truncated") {
		t.Errorf("error %d; the log:\n%s", got.ErrorCode, s.said)
	}
}

// A new leader may know of a lower high watermark than consumers have read to. Who comes
// back to a position above it is not told that the log was truncated.
func TestAnEndThatDipsIsNoTruncation(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 20)
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	epoch := int32(-1)
	first := s.client(t, assign(0))
	for next := int64(0); next < 20; {
		for _, r := range first.PollFetches(t.Context()).Records() {
			next, epoch = r.Offset+1, r.LeaderEpoch
		}
	}
	if err := c.fake.MoveTopicPartition("orders", 0, 1-c.fake.LeaderFor("orders", 0)); err != nil {
		t.Fatal(err)
	}
	c.write(t, 0, 1) // without which this fake does not know where the epoch ended
	c.fake.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		request := r.(*kmsg.ListOffsetsRequest)
		response := request.ResponseKind().(*kmsg.ListOffsetsResponse)
		one, p := kmsg.NewListOffsetsResponseTopic(), kmsg.NewListOffsetsResponseTopicPartition()
		one.Topic, p.Offset = "orders", 12
		p.Partition = request.Topics[0].Partitions[0].Partition
		one.Partitions = append(one.Partitions, p)
		response.Topics = append(response.Topics, one)
		return response, nil, true
	})
	again := s.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		"orders": {0: kgo.NewOffset().At(18).WithEpoch(epoch)},
	}))
	same(t, take(t, again, 3), expect(0, 18, 21))
	if epoch < 0 {
		t.Error("the batches of the live log have no epoch: nothing was tried")
	}
}

// The log under another leader epoch than that of the last batch is asked whether it
// still has that.
func TestALiveLogThatIsCutWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, lies := range map[string]func(*kmsg.OffsetForLeaderEpochResponseTopicPartition){
		"shorter":     func(p *kmsg.OffsetForLeaderEpochResponseTopicPartition) { p.EndOffset = 12 },
		"lower epoch": func(p *kmsg.OffsetForLeaderEpochResponseTopicPartition) { p.LeaderEpoch-- },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.write(t, 0, 20)
			c.tick(0, 10)
			s := serve(t, c.archive, c.live)
			client := s.client(t)
			next := int64(10)
			for next < 20 {
				got := s.pull(t, client, "orders", 0, next, patient)
				if got.answer.ErrorCode != 0 {
					t.Fatalf("error %d", got.answer.ErrorCode)
				}
				next = got.next
			}
			c.fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.fake.KeepControl()
				request := r.(*kmsg.OffsetForLeaderEpochRequest)
				response := request.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
				one, p := kmsg.NewOffsetForLeaderEpochResponseTopic(), kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				one.Topic, p.LeaderEpoch, p.EndOffset = "orders", request.Topics[0].Partitions[0].LeaderEpoch, 20
				lies(&p)
				one.Partitions = append(one.Partitions, p)
				response.Topics = append(response.Topics, one)
				return response, nil, true
			})
			leader := c.fake.LeaderFor("orders", 0)
			if err := c.fake.MoveTopicPartition("orders", 0, 1-leader); err != nil { // another epoch
				t.Fatal(err)
			}
			c.write(t, 0, 1)
			for began := time.Now(); ; {
				got := s.pull(t, client, "orders", 0, 20, 300).answer
				if got.ErrorCode == kerr.TopicAuthorizationFailed.Code {
					break
				}
				if got.ErrorCode != 0 || len(got.RecordBatches) > 0 || time.Since(began) > 20*time.Second {
					t.Fatalf("error %d, %d bytes; the log:\n%s", got.ErrorCode, len(got.RecordBatches), s.said)
				}
			}
		})
	}
}

// Answers lead nobody to the real brokers, and begin where the archive does.
func TestForwardedAnswersNameTheGatewayOnly(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 20)
	c.tick(0, 10)
	c.cut(t, 0, 10)
	s := serve(t, c.archive, c.live)
	client := s.client(t)
	got := s.pull(t, client, "orders", 0, 10, patient)
	if got.answer.PreferredReadReplica != -1 || got.answer.CurrentLeader.LeaderID > 0 || got.answer.LogStartOffset != 0 || len(got.records) == 0 {
		t.Errorf("%+v", got.answer)
	}
	metadata, err := kadm.NewClient(client).Metadata(t.Context())
	if err != nil || len(metadata.Brokers) != 1 || metadata.Cluster != c.id {
		t.Errorf("%+v, %v", metadata.Brokers, err)
	}
}

// A topic that was made again, or that is gone, is not read on under its name.
func TestATopicThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 20)
	c.ids["orders"] = bifrost.TopicID{1, 2, 3} // what the archive has is an earlier life
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	client := s.client(t)
	if got := s.pull(t, client, "orders", 0, 10, 0); got.answer.ErrorCode != 0 || len(got.records) != 0 || got.answer.HighWatermark != 10 {
		t.Errorf("%d records, %+v", len(got.records), got.answer)
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 0, 5, -1)
	committed, err := kadm.NewClient(client).CommitOffsets(t.Context(), "g", offsets)
	if o, _ := committed.Lookup("orders", 0); err != nil || !errors.Is(o.Err, kerr.TopicAuthorizationFailed) {
		t.Errorf("commit: %+v, %v", o, err)
	}
	if found, err := c.admin.FetchOffsets(t.Context(), "g"); err != nil && !errors.Is(err, kerr.GroupIDNotFound) || len(found) > 0 {
		t.Errorf("committed in the cluster: %v, %v", found, err)
	}
}

// A cluster that does not answer does not hold back what is archived.
func TestALiveClusterThatHangs(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 20)
	c.write(t, 1, 20)
	c.tick(0, 20)
	c.tick(1, 10)
	s := serve(t, c.archive, c.live)
	if got := s.pull(t, s.client(t), "orders", 1, 10, patient); len(got.records) != 10 {
		t.Fatalf("%d records", len(got.records))
	}
	looked := make(chan struct{}, 100)
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.Fetch} {
		c.fake.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.fake.KeepControl()
			if key == kmsg.Metadata {
				looked <- struct{}{}
			}
			c.fake.SleepControl(func() { <-t.Context().Done() })
			return nil, nil, false
		})
	}
	s.live.mutex.Lock()
	s.live.at = time.Time{} // the next fetch of a live partition looks up the leaders
	s.live.mutex.Unlock()
	expectArchivedAtOnce(t, s)
	until(t, "look-up of the leaders", func() bool { return len(looked) > 0 })
	if said := s.said.String(); strings.Contains(said, "does not say where its leaders are") {
		t.Errorf("it waited for the cluster:\n%s", said)
	}
}

// Who was in the live log when a tick found that it had been cut is told of that, also by
// a gateway that was started since; while a tick suspects it, or the log has no leader,
// clients wait. None of it makes them begin again.
func TestALiveLogThatATickFoundCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 20)
	c.tick(0, 10)
	p := bifrost.Progress{Partition: partitionOf("orders", 0), ClusterID: c.id, TopicID: c.archive.id("orders"), NextOffset: 10}
	for _, step := range []struct {
		status    bifrost.Status
		suspicion string
		want      int16
	}{
		{bifrost.StatusOpen, "log went backwards", 0},
		{bifrost.StatusFencing, "", 0},
		{bifrost.StatusDiverged, "", kerr.TopicAuthorizationFailed.Code},
		{bifrost.StatusForked, "", kerr.TopicAuthorizationFailed.Code},
	} {
		p.Status, p.Suspicion = step.status, step.suspicion
		c.ledger.PokeProgress(p)
		s := serve(t, c.archive, c.live)
		wait := int32(patient)
		if step.want == 0 { // and nothing to read
			wait = 0
		}
		got := s.pull(t, s.client(t), "orders", 0, 15, wait).answer
		if got.ErrorCode != step.want || len(got.RecordBatches) > 0 {
			t.Errorf("%s, %q: error %d, %d bytes", step.status, step.suspicion, got.ErrorCode, len(got.RecordBatches))
		}
	}
}

// The live cluster has to be the archive's.
func TestAnotherClusterIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.clusterID = "another"
	c.tick(0, 10)
	o := Options{Catalogue: c.ledger, Objects: c.store, Log: discard()}
	c.live(&o)
	if _, err := New(t.Context(), o); !errors.Is(err, ErrOtherCluster) || !strings.Contains(err.Error(), "the archive is that of another") {
		t.Errorf("it begins: %v", err)
	}
}

// expectArchivedAtOnce asks for partition 0, which is archived, and for the live end of partition 1, for
// which there is nothing yet, and expects the first without a wait. It is one request, since a
// client may begin with the partition that waits.
func expectArchivedAtOnce(t *testing.T, s *served) {
	t.Helper()
	request := s.fetchOf("orders", 0, 0, 60_000)
	live := kmsg.NewFetchRequestTopicPartition()
	live.Partition, live.FetchOffset, live.PartitionMaxBytes = 1, 20, 1<<10
	request.Topics[0].Partitions = append(request.Topics[0].Partitions, live)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answer, err := s.client(t).Broker(nodeID).Request(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range answer.(*kmsg.FetchResponse).Topics[0].Partitions {
		if archived := p.Partition == 0; p.ErrorCode != 0 || archived != (len(p.RecordBatches) > 0) {
			t.Errorf("partition %d has %d bytes of batches, error %d", p.Partition, len(p.RecordBatches), p.ErrorCode)
		}
	}
}

// A fetch with partitions of both kinds is answered with both, and a wait at the live
// end does not hold back what is archived.
func TestAFetchOfBothKinds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 20)
	c.write(t, 1, 20)
	c.tick(0, 20)
	c.tick(1, 10)
	s := serve(t, c.archive, c.live)
	expectArchivedAtOnce(t, s)
	both := s.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		"orders": {0: kgo.NewOffset().At(0), 1: kgo.NewOffset().At(0)},
	}))
	got := take(t, both, 40)
	slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:1], b[:1]) })
	same(t, got, append(expect(0, 0, 20), expect(1, 0, 20)...))
}

// A topic of the name that was archived from another cluster takes the plain name only where that cluster is served.
func TestTheLiveClustersTopicHasThePlainName(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.tick(0, 10)
	foreign := bifrost.TopicID{9}
	name := bifrost.Incarnation{ClusterID: "another", Topic: "orders", TopicID: foreign}.LaterName()
	c.ids[name], c.clusterID = foreign, "another"
	c.archive.archive(partitionOf(name, 0), 3, baldr.Options{}, some(0, 3)...)
	p, err := c.ledger.Progress(t.Context(), partitionOf(name, 0))
	if err != nil {
		t.Fatal(err)
	}
	p.At = time.Now().Add(time.Hour) // a tick with other brokers, later than all others
	c.ledger.PokeProgress(p)
	for _, cold := range []bool{false, true} {
		s, plain, other := serve(t, c.archive, c.live), int64(10), "orders."+foreign.String()
		if cold {
			s, plain, other = serve(t, c.archive), 3, "orders."+c.ids["orders"].String()
		}
		list := s.topics.current()
		if got := list.byName["orders"].partitions[0].nextOffset(); got != plain {
			t.Errorf("cold %v: orders ends at %d, want %d", cold, got, plain)
		}
		if list.byName[other] == nil {
			t.Errorf("cold %v: %s is not served", cold, other)
		}
	}
}
