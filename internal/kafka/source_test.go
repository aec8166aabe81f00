package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

func TestReadRanges(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 1, 1, 10, 3, 200, 1)
	id := topicID(cluster, "orders")
	for _, r := range []bifrost.Range{{Start: 0, End: 215}, {Start: 0, End: 1}, {Start: 5, End: 12}, {Start: 14, End: 214}, {Start: 214, End: 215}} {
		mustRead(t, client, "orders", id, 1, r)
	}
	client.fetchBytes = 100 // less than a batch
	mustRead(t, client, "orders", id, 1, bifrost.Range{Start: 3, End: 214})
}

func TestReadByName(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]*kversion.Versions{
		"0.11": kversion.V0_11_0(),
		"2.7":  kversion.V2_7_0(), // no topic IDs
		"3.0":  kversion.V3_0_0(), // topic IDs, but fetches go by name
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, client := startCluster(t, kfake.MaxVersions(version))
			produce(t, cluster, "orders", 0, 5, 5)
			answers, err := client.Find(t.Context(), []string{"orders"})
			if err != nil {
				t.Fatal(err)
			}
			mustRead(t, client, "orders", answers["orders"].IDs[0], 0, bifrost.Range{Start: 1, End: 9})
			_, _, err = readAll(t, client, "orders", bifrost.TopicID{1}, 0, bifrost.Range{Start: 1, End: 9})
			if !errors.Is(err, bifrost.ErrWrongTopicID) {
				t.Errorf("with another topic ID: error %v", err)
			}
		})
	}
}

// TestReadByNameOfTopicMadeAgain makes the topic anew between the fetch and the
// look at its ID.
func TestReadByNameOfTopicMadeAgain(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.MaxVersions(kversion.V3_0_0()))
	produce(t, cluster, "orders", 0, 5)
	id := topicID(cluster, "orders")
	fetched := false
	intercept(cluster, kmsg.Fetch, func(kmsg.Request) kmsg.Response { fetched = true; return nil })
	intercept(cluster, kmsg.Metadata, func(request kmsg.Request) kmsg.Response {
		if !fetched {
			return nil
		}
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = kmsg.StringPtr("orders"), [16]byte{9}
		response.Topics = append(response.Topics, topic)
		return response
	})
	records, _, err := readAll(t, client, "orders", id, 0, bifrost.Range{Start: 0, End: 5})
	if !errors.Is(err, bifrost.ErrWrongTopicID) || len(records) > 0 {
		t.Fatalf("%d records, error %v", len(records), err)
	}
}

func TestReadWrongTopicID(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	old := topicID(cluster, "orders")
	mustRead(t, client, "orders", old, 0, bifrost.Range{Start: 0, End: 5})
	if err := cluster.DeleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	read := func(id bifrost.TopicID) error {
		_, _, err := readAll(t, client, "orders", id, 0, bifrost.Range{Start: 0, End: 5})
		return err
	}
	if err := read(old); !errors.Is(err, bifrost.ErrWrongTopicID) {
		t.Errorf("deleted: error %v", err)
	}
	if err := cluster.CreateTopic("orders", 1, nil); err != nil {
		t.Fatal(err)
	}
	produce(t, cluster, "orders", 0, 7)
	if err := read(old); !errors.Is(err, bifrost.ErrWrongTopicID) {
		t.Errorf("made again: error %v", err)
	}
	if err := read(bifrost.TopicID{}); !errors.Is(err, bifrost.ErrWrongTopicID) {
		t.Errorf("no ID on a cluster that has them: error %v", err)
	}
}

// TestReadTopicDeletedMeanwhile deletes the topic when some of the range is read
// already, so that the broker and not its metadata must tell.
func TestReadTopicDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 1, 1, 1, 1)
	client.fetchBytes = 1
	id := topicID(cluster, "orders")
	reading, err := client.Read(t.Context(), "orders", id, 0, bifrost.Range{Start: 0, End: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	if _, err := reading.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cluster.DeleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = reading.Next(t.Context())
	}
	if !errors.Is(err, bifrost.ErrWrongTopicID) {
		t.Fatalf("error %v", err)
	}
}

func TestReadUnknownPartition(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	_, _, err := readAll(t, client, "orders", topicID(cluster, "orders"), 7, bifrost.Range{Start: 0, End: 5})
	if !errors.Is(err, bifrost.ErrNotFound) || !strings.Contains(err.Error(), "orders/7") {
		t.Fatalf("error %v", err)
	}
	if _, err := client.Read(t.Context(), "orders", bifrost.TopicID{}, 0, bifrost.Range{Start: 5, End: 5}); err == nil {
		t.Error("an empty range is read without an error")
	}
}

func TestReadOutOfRange(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5, 5, 5)
	if err := cluster.DeleteRecords("orders", 0, 6); err != nil {
		t.Fatal(err)
	}
	id := topicID(cluster, "orders")
	for start, want := range map[int64]bifrost.OutOfRangeError{
		2:  {Position: 2, LogStart: 6, LogEnd: 15},
		15: {Position: 15, LogStart: 6, LogEnd: 15},
		90: {Position: 90, LogStart: 6, LogEnd: 15},
	} {
		_, _, err := readAll(t, client, "orders", id, 0, bifrost.Range{Start: start, End: 100})
		var outside *bifrost.OutOfRangeError
		if !errors.As(err, &outside) || *outside != want {
			t.Errorf("from offset %d: error %v", start, err)
		}
	}
	mustRead(t, client, "orders", id, 0, bifrost.Range{Start: 6, End: 15})
}

// TestReadPastLastStable reads up to where a transaction is open. What lies
// beyond is not in the log yet for a read_committed consumer.
func TestReadPastLastStable(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	transactional := producer(t, cluster.ListenAddrs(), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := transactional.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := transactional.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	records, _, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 3, End: 6})
	var outside *bifrost.OutOfRangeError
	if !errors.As(err, &outside) || *outside != (bifrost.OutOfRangeError{Position: 5, LogStart: 0, LogEnd: 5}) || len(records) != 2 {
		t.Fatalf("%d records, error %v", len(records), err)
	}
}

func TestReadTransactions(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	id := topicID(cluster, "orders")
	transactional := producer(t, cluster.ListenAddrs(), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := transactional.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := transactional.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}, &kgo.Record{Topic: "orders"}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := transactional.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	// records 0 1, commit 2, aborted 3 4, abort 5, records 6 7, commit 8
	for r, want := range map[bifrost.Range]struct {
		records int
		missing baldr.Missing
	}{
		{Start: 0, End: 9}: {4, baldr.Missing{Control: 3, Aborted: 2}},
		{Start: 2, End: 3}: {0, baldr.Missing{Control: 1}},
		{Start: 1, End: 4}: {1, baldr.Missing{Control: 1, Aborted: 1}},
		{Start: 4, End: 7}: {1, baldr.Missing{Control: 1, Aborted: 1}},
		{Start: 3, End: 5}: {0, baldr.Missing{Aborted: 2}},
		{Start: 5, End: 9}: {2, baldr.Missing{Control: 2}},
	} {
		records, missing, err := readAll(t, client, "orders", id, 0, r)
		if err != nil || len(records) != want.records || missing != want.missing {
			t.Errorf("range %s: %d records, missing %+v, error %v", r, len(records), missing, err)
		}
	}
}

// TestReadWhileLeadersMove moves the partition between fetches, and fails some
// of them in the ways that a client must ride out.
func TestReadWhileLeadersMove(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "moving"))
	produce(t, cluster, "moving", 0, 3, 3, 3, 3, 3, 3, 3, 3)
	client.fetchBytes = 1
	for _, err := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.KafkaStorageError, kerr.OffsetNotAvailable,
		kerr.UnknownTopicOrPartition, kerr.UnknownTopicID,
	} {
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "moving", Err: err})
	}
	id := topicID(cluster, "moving")
	reading, err := client.Read(t.Context(), "moving", id, 0, bifrost.Range{Start: 0, End: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	n := 0
	for node := int32(0); ; node = (node + 1) % 3 {
		stretch, err := reading.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(stretch.Records)
		if err := cluster.MoveTopicPartition("moving", 0, node); err != nil {
			t.Fatal(err)
		}
	}
	if n != 24 {
		t.Fatalf("%d records, want 24", n)
	}
}

// TestReadGivesUp checks that errors which waiting does not heal come at once,
// and those that do not heal in time come then; both name what was read.
func TestReadGivesUp(t *testing.T) {
	t.Parallel()
	for _, failure := range []struct {
		err  *kerr.Error
		wait bool
	}{{kerr.TopicAuthorizationFailed, false}, {kerr.UnsupportedCompressionType, false}, {kerr.NotLeaderForPartition, true}} {
		t.Run(failure.err.Message, func(t *testing.T) {
			t.Parallel()
			cluster, client := startCluster(t)
			produce(t, cluster, "orders", 1, 5)
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: failure.err, Count: -1})
			began := time.Now()
			_, _, err := readAll(t, client, "orders", topicID(cluster, "orders"), 1, bifrost.Range{Start: 2, End: 5})
			if !errors.Is(err, failure.err) || !strings.Contains(err.Error(), "orders/1 at offset 2") {
				t.Errorf("error %v", err)
			}
			if took := time.Since(began); took > 10*testPatience || took < testPatience/2 && failure.wait {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestReadCorruptBatch reads good records first, then one that the checksum
// does not fit.
func TestReadCorruptBatch(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	good := testBatch{base: 0, records: []testRecord{{offset: 0}, {offset: 1}}}.encode()
	bad := testBatch{base: 2, records: []testRecord{{offset: 2, value: []byte("damaged")}}}.encode()
	bad[len(bad)-3] ^= 0x10
	intercept(cluster, kmsg.Fetch, func(request kmsg.Request) kmsg.Response {
		return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
			p.HighWatermark, p.LastStableOffset = 3, 3
			p.RecordBatches = append(good[:len(good):len(good)], bad...)
		})
	})
	records, _, err := readAll(t, client, "orders", topicID(cluster, "orders"), 1, bifrost.Range{Start: 0, End: 3})
	if !errors.Is(err, recordbatch.ErrCorrupt) || !strings.Contains(err.Error(), "orders/1 at offset 2") || len(records) != 2 {
		t.Fatalf("%d records, error %v", len(records), err)
	}
}

// emptyWithin answers fetches at some offsets with nothing, and counts them.
func emptyWithin(cluster *kfake.Cluster, r bifrost.Range, lastStable int64) *atomic.Int64 {
	asked := new(atomic.Int64)
	intercept(cluster, kmsg.Fetch, func(request kmsg.Request) kmsg.Response {
		if !r.Contains(request.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset) {
			return nil
		}
		asked.Add(1)
		return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
			p.HighWatermark, p.LastStableOffset, p.LogStartOffset = lastStable, lastStable, 0
		})
	})
	return asked
}

// TestReadCompactedTail has a leader that answers nothing below the last stable
// offset, again and again.
func TestReadCompactedTail(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	asked := emptyWithin(cluster, bifrost.Range{Start: 5, End: 100}, 9)
	id := topicID(cluster, "orders")
	records, missing, err := readAll(t, client, "orders", id, 0, bifrost.Range{Start: 3, End: 8})
	if err != nil || len(records) != 2 || missing != (baldr.Missing{Compacted: 3}) {
		t.Errorf("%d records, missing %+v, error %v", len(records), missing, err)
	}
	if n := asked.Load(); n <= emptyAnswers {
		t.Errorf("believed after %d answers", n)
	}
	// Beyond the last stable offset nothing is compacted: it is not there yet.
	records, missing, err = readAll(t, client, "orders", id, 0, bifrost.Range{Start: 3, End: 12})
	var outside *bifrost.OutOfRangeError
	if !errors.As(err, &outside) || outside.Position != 9 || len(records) != 2 || missing.Compacted != 4 {
		t.Errorf("%d records, missing %+v, error %v", len(records), missing, err)
	}
}

// tieredBelow says that the leader's own disks begin at an offset.
func tieredBelow(cluster *kfake.Cluster, local int64) {
	intercept(cluster, kmsg.ListOffsets, func(request kmsg.Request) kmsg.Response {
		asked := request.(*kmsg.ListOffsetsRequest)
		if asked.Topics[0].Partitions[0].Timestamp != localLogStart {
			return nil
		}
		response := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic := kmsg.NewListOffsetsResponseTopic()
		p := kmsg.NewListOffsetsResponseTopicPartition()
		topic.Topic, p.Offset = "orders", local
		topic.Partitions = append(topic.Partitions, p)
		response.Topics = append(response.Topics, topic)
		return response
	})
}

// TestReadTieredStorageSilent has a leader whose older segments are in tiered
// storage that does not answer. Their records must not count as compacted.
func TestReadTieredStorageSilent(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	emptyWithin(cluster, bifrost.Range{Start: 5, End: 100}, 9)
	tieredBelow(cluster, 8)
	_, missing, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 3, End: 9})
	if err == nil || !strings.Contains(err.Error(), "tiered storage") || missing.Compacted != 0 {
		t.Fatalf("missing %+v, error %v", missing, err)
	}
}

// TestReadTieredStoragePassedOver has a leader that goes on behind what it has lost
// in tiered storage, as Apache Kafka 4.2 does (TestRealUnreadableSegment). On the
// leader's own disks the same is a hole that compaction has left.
func TestReadTieredStoragePassedOver(t *testing.T) {
	t.Parallel()
	for local, compacted := range map[int64]int64{0: 5, 5: 5, 6: 0, 10: 0} {
		cluster, client := startCluster(t)
		intercept(cluster, kmsg.Fetch, func(request kmsg.Request) kmsg.Response {
			return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
				p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 11, 11, 0
				p.RecordBatches = testBatch{base: 10, records: []testRecord{{offset: 10}}}.encode()
			})
		})
		tieredBelow(cluster, local)
		_, missing, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 5, End: 11})
		if missing.Compacted != compacted || (err == nil) != (compacted > 0) {
			t.Errorf("own disks from offset %d on: missing %+v, error %v", local, missing, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("[5, %d) lie in tiered storage", local)) {
			t.Errorf("error %v", err)
		}
	}
}

// TestReadSilentLeader has a leader that answers nothing in the middle of the
// log, but something at its end.
func TestReadSilentLeader(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5, 5)
	asked := emptyWithin(cluster, bifrost.Range{Start: 5, End: 9}, 10)
	_, missing, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 5, End: 9})
	if err == nil || !strings.Contains(err.Error(), "below offset 10") || missing.Compacted != 0 || asked.Load() < emptyAnswers {
		t.Fatalf("missing %+v after %d answers, error %v", missing, asked.Load(), err)
	}
}

func TestReadFromReplica(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "near"))
	produce(t, cluster, "near", 0, 3, 3, 3)
	leader := cluster.LeaderFor("near", 0)
	follower := 1 - leader
	cluster.SetFollowers("near", 0, []int32{follower})
	var fromFollower, fromLeader, sent atomic.Int64
	cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := request.(*kmsg.FetchRequest)
		switch {
		case cluster.CurrentNode() == follower:
			fromFollower.Add(1)
		case asked.Rack == "zone-b":
			sent.Add(1)
			return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
				p.PreferredReadReplica, p.HighWatermark, p.LastStableOffset = follower, 9, 9
			}), nil, true
		default:
			fromLeader.Add(1)
		}
		return nil, nil, false
	})
	client := connect(t, Config{Brokers: cluster.ListenAddrs(), Rack: "zone-b"})
	client.fetchBytes = 1
	id := topicID(cluster, "near")
	mustRead(t, client, "near", id, 0, bifrost.Range{Start: 0, End: 9})
	if fromFollower.Load() != 3 || fromLeader.Load() != 0 || sent.Load() != 1 {
		t.Errorf("%d fetches from the follower, %d from the leader, sent away %d times", fromFollower.Load(), fromLeader.Load(), sent.Load())
	}
	// A replica that fails is left for the leader.
	cluster.SetFollowers("near", 0, nil)
	mustRead(t, client, "near", id, 0, bifrost.Range{Start: 0, End: 9})
	if fromLeader.Load() != 3 {
		t.Errorf("%d fetches from the leader, want 3", fromLeader.Load())
	}
}

// TestReadBehindReplica has a replica that lags behind: it knows nothing of the
// range yet. Only the leader's word counts.
func TestReadBehindReplica(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "near"))
	produce(t, cluster, "near", 0, 3)
	follower := 1 - cluster.LeaderFor("near", 0)
	for _, outOfRange := range []bool{false, true} {
		cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
			asked := request.(*kmsg.FetchRequest)
			switch {
			case cluster.CurrentNode() == follower:
				cluster.DropControl()
				return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
					p.HighWatermark, p.LastStableOffset = 0, 0
					if outOfRange {
						p.ErrorCode = kerr.OffsetOutOfRange.Code
					}
				}), nil, true
			case asked.Rack != "":
				cluster.KeepControl()
				return fetchAnswer(request, func(_ *kmsg.FetchResponse, p *kmsg.FetchResponseTopicPartition) {
					p.PreferredReadReplica, p.HighWatermark, p.LastStableOffset = follower, 3, 3
				}), nil, true
			}
			return nil, nil, false
		})
		client := connect(t, Config{Brokers: cluster.ListenAddrs(), Rack: "zone-b"})
		mustRead(t, client, "near", topicID(cluster, "near"), 0, bifrost.Range{Start: 0, End: 3})
	}
}

// TestReadFetchesOneAhead counts the fetches that are sent while nobody takes
// what they bring: memory does not grow with the range.
func TestReadFetchesOneAhead(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 1, 1, 1, 1, 1, 1)
	client.fetchBytes = 1
	observed := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Observe: true, Count: -1})
	reading, err := client.Read(t.Context(), "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 0, End: 6})
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	if _, err := reading.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	for observed.Hits() < 2 { // the one ahead comes without being asked for
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if n := observed.Hits(); n != 2 {
		t.Errorf("%d fetches while one response was taken", n)
	}
}

// TestReadCancelled ends readings in the middle, in every way.
func TestReadCancelled(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	id := topicID(cluster, "orders")
	produce(t, cluster, "orders", 0, 1)
	client.maxWait = time.Hour // the second fetch would last as long
	client.patience = 2 * time.Hour
	whole, cancel := context.WithCancel(t.Context())
	reading, err := client.Read(whole, "orders", id, 0, bifrost.Range{Start: 0, End: 9})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	short, cancelShort := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancelShort()
	if _, err := reading.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a short wait: error %v", err)
	}
	cancel()
	if _, err := reading.Next(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	reading.Close()
	reading.Close()

	closed, err := client.Read(t.Context(), "orders", id, 0, bifrost.Range{Start: 0, End: 9})
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if _, err := closed.Next(t.Context()); err == nil {
		t.Error("a closed reading goes on")
	}
}

// TestWanted checks that the last fetches of a range ask for about what is left.
func TestWanted(t *testing.T) {
	t.Parallel()
	f := fetcher{client: &Client{fetchBytes: 4 << 20}, position: 0, end: 1000}
	if got := f.wantedBytes(); got != 4<<20 {
		t.Errorf("nothing known: %d bytes", got)
	}
	f.perByte = 1.0 / 100 // 100 bytes a record
	if got := f.wantedBytes(); got != 125_000+leastFetchBytes {
		t.Errorf("1000 records of 100 bytes: %d bytes", got)
	}
	f.end = 1 << 40
	if got := f.wantedBytes(); got != 4<<20 {
		t.Errorf("very many: %d bytes", got)
	}
}

// TestAcceptGapAtMovedLogStart checks that a distance before the first batch
// counts as compacted only while the log start stands still.
func TestAcceptGapAtMovedLogStart(t *testing.T) {
	t.Parallel()
	_, client := startCluster(t)
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset = 30, 30
	p.RecordBatches = testBatch{base: 20, records: []testRecord{{offset: 20}}}.encode()
	f := fetcher{client: client, topic: "orders", position: 10, end: 30}
	if r, err := f.acceptResponse(t.Context(), &p); err != nil || r.next != 21 {
		t.Errorf("log start 0: up to offset %d, error %v", r.next, err)
	}
	p.LogStartOffset = 15
	var outside *bifrost.OutOfRangeError
	if _, err := f.acceptResponse(t.Context(), &p); !errors.As(err, &outside) || *outside != (bifrost.OutOfRangeError{Position: 10, LogStart: 15, LogEnd: 30}) {
		t.Errorf("log start 15: error %v", err)
	}
	f.position = 20
	p.LogStartOffset = 21 // moved into the batch, which came whole
	if _, err := f.acceptResponse(t.Context(), &p); err != nil {
		t.Errorf("log start within the first batch: error %v", err)
	}
}
