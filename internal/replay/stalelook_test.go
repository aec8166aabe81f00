package replay

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Here a look gets an old answer, or one from the middle of another run. Whatever it
// concludes, no record is written twice.

// producerOf is another producer of a pair, with a later epoch.
func producerOf(t *testing.T, cluster *kfake.Cluster, p pair) *kgo.Client {
	t.Helper()
	client := clientOf(t, cluster, kgo.TransactionalID(p.transactionalID()), kgo.DefaultProduceTopic("target"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	return client
}

// What the pair has behind its position is seen, however much of it there is: the rest of
// a transaction that was interrupted hides nothing.
func TestMuchBehindAPosition(t *testing.T) {
	t.Parallel()
	for _, first := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		t.Run(fmt.Sprint("committed ", first), func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			options := optionsOf(cluster)
			p := replayAll(t, requestOf(50, 1), archived(50, 10), options).Parts[0].pair
			client := producerOf(t, cluster, p)
			for size := 0; size < tailBytes+1<<20; size += 900_000 {
				large := &kgo.Record{Value: make([]byte, 900_000)}
				if err := client.ProduceSync(t.Context(), large).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.EndTransaction(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if first == kgo.TryAbort {
				if err := client.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				next := &kgo.Record{Value: []byte("0/50 ")}
				if err := client.ProduceSync(t.Context(), next).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
					t.Fatal(err)
				}
			}
			mustRefuse(t, requestOf(100, 1), archived(100, 10), options, AnswerAgain,
				"the state of this replay is lost")
		})
	}
}

// endsOf are the high watermarks of the logs that a look asks for.
func endsOf(cluster *kfake.Cluster) map[string]map[int32]int64 {
	ends := map[string]map[int32]int64{}
	for _, topic := range []string{"target", stateTopic} {
		ends[topic] = map[int32]int64{}
		for _, p := range cluster.PartitionInfos(topic) {
			ends[topic][p.Partition] = p.HighWatermark
		}
	}
	return ends
}

// answerEnds makes brokers say that logs end where they did before, as one does that does
// not lead any more and has not heard of it, until that is over.
func answerEnds(cluster *kfake.Cluster, ends map[string]map[int32]int64, over *atomic.Bool) {
	cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if over.Load() {
			return nil, nil, false
		}
		request := r.(*kmsg.ListOffsetsRequest)
		response := request.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range request.Topics {
			answer := kmsg.NewListOffsetsResponseTopic()
			answer.Topic = topic.Topic
			for _, p := range topic.Partitions {
				found := kmsg.NewListOffsetsResponseTopicPartition()
				if found.Partition, found.Offset = p.Partition, 0; p.Timestamp == -1 {
					found.Offset = ends[topic.Topic][p.Partition]
				}
				answer.Partitions = append(answer.Partitions, found)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
}

// What the run itself has committed, it does not write again because a broker says that
// its logs are as they were before.
func TestALookThatIsOlderThanTheRun(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := inSmallBatches(cluster)
	source, request := archived(2_000, 100), requestOf(2_000, 1)
	replayAll(t, requestOf(50, 1), source, options)
	before := endsOf(cluster)
	var committed atomic.Int64
	var over atomic.Bool
	options.Committed = func(records, _ int64) { committed.Add(records) }
	later := doingAt(source, 1_001, func() error {
		time.Sleep(maxTime + 100*time.Millisecond) // what was read before is committed
		return nil
	})
	cut := doingAt(later, 1_500, func() error {
		answerEnds(cluster, before, &over)
		cutAt(cluster, kmsg.Produce)
		return nil
	})
	_, err := Start(t.Context(), request, cut, options)
	says := regexp.MustCompile(`tells of 1 transactions of source/0, and ([2-9]|\d\d+) are committed`)
	if !errors.Is(err, errObjected) || !says.MatchString(err.Error()) {
		t.Errorf("error %v", err)
	}
	if committed.Load() == 0 {
		t.Error("nothing was committed before the old answer")
	}
	over.Store(true)
	options.Committed = nil
	mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
}

// afterTheFence does something once when a topic is asked for its end by a run that has
// fenced.
func afterTheFence(cluster *kfake.Cluster, topic string, do func()) {
	var fenced, done atomic.Bool
	cluster.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		fenced.Store(true)
		return nil, nil, false
	})
	cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := r.(*kmsg.ListOffsetsRequest).Topics[0].Topic
		if fenced.Load() && asked == topic && !done.Swap(true) {
			cluster.SleepControl(do)
		}
		return nil, nil, false
	})
}

// Another run that takes over while this one looks is not a target that was cut, nor a
// state that was lost: whoever believed that, would write everything once more.
func TestShutOutWhileItLooks(t *testing.T) {
	t.Parallel()
	source, request := archived(100, 10), requestOf(100, 1)
	for _, c := range []struct {
		name, topic string
		other       func(t *testing.T, cluster *kfake.Cluster, before PartOutlook)
	}{
		{"committed", "target", func(t *testing.T, cluster *kfake.Cluster, _ PartOutlook) {
			if _, err := Start(t.Context(), request, source, optionsOf(cluster)); err != nil {
				t.Error(err)
			}
		}},
		{"open", "target", func(t *testing.T, cluster *kfake.Cluster, before PartOutlook) {
			client := producerOf(t, cluster, before.pair)
			if err := client.ProduceSync(t.Context(), &kgo.Record{Value: []byte("0/50 ")}).FirstErr(); err != nil {
				t.Error(err)
			}
		}},
		{"committed, and its end not in the target yet", stateTopic, func(t *testing.T, cluster *kfake.Cluster,
			before PartOutlook) {
			client := producerOf(t, cluster, before.pair)
			r, err := client.ProduceSync(t.Context(), &kgo.Record{Value: []byte("0/50 ")}).First()
			if err != nil {
				t.Error(err)
				return
			}
			s := Stretch{Number: 2, Source: "source", Target: "target", Span: AllTimes(50, 51), Records: 1,
				Marks: []Mark{{Partition: 0, First: r.Offset, Base: r.Offset, Count: 1,
					ProducerID: r.ProducerID, Epoch: r.ProducerEpoch}},
				Map: []Mapping{{50, 0, r.Offset, 1}}}
			forge(t, cluster, before.pair, before.Position.withStretch(s), s)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			options := optionsOf(cluster)
			replayAll(t, requestOf(50, 1), source, options)
			before := lookOf(t, request, source, options).Parts[0]
			afterTheFence(cluster, c.topic, func() { c.other(t, cluster, before) })
			_, err := Start(t.Context(), request, source, options)
			if !errors.Is(err, ErrShutOut) || errors.Is(err, ErrRefused) {
				t.Errorf("the run that was shut out ended with %v", err)
			}
			if c.name == "committed" {
				mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
			}
		})
	}
}

// A broker that does not know the state topic is not believed once another one has it.
func TestALookWithoutTheStateTopic(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	source, request := archived(100, 10), requestOf(100, 1)
	replayAll(t, requestOf(50, 1), source, options)
	before := endsOf(cluster)
	before["target"][0] = 0 // nor does it know that something was written
	var told atomic.Bool
	answerEnds(cluster, before, &told)
	cluster.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := r.(*kmsg.MetadataRequest)
		if told.Load() || len(asked.Topics) != 1 || asked.Topics[0].Topic == nil ||
			*asked.Topics[0].Topic != stateTopic {
			return nil, nil, false
		}
		response := asked.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.ErrorCode = asked.Topics[0].Topic, kerr.UnknownTopicOrPartition.Code
		response.Topics = append(response.Topics, topic)
		return response, nil, true
	})
	cluster.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		told.Store(true)
		return nil, nil, false
	})
	outlook := replayAll(t, request, source, options)
	if !told.Load() {
		t.Error("nobody was asked to make the topic")
	}
	mustHoldAll(t, cluster, request, source, outlook)
}

// answerNothing makes brokers answer so many fetches of a topic with nothing and this high
// watermark, and counts all of them.
func answerNothing(cluster *kfake.Cluster, topic string, times, high int64) *atomic.Int64 {
	of, fetches := cluster.TopicInfo(topic).TopicID, new(atomic.Int64)
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		topics := r.(*kmsg.FetchRequest).Topics
		if len(topics) != 1 || topics[0].TopicID != of || fetches.Add(1) > times {
			return nil, nil, false
		}
		response := r.ResponseKind().(*kmsg.FetchResponse)
		partition := kmsg.NewFetchResponseTopicPartition()
		partition.Partition, partition.HighWatermark = topics[0].Partitions[0].Partition, high
		answer := kmsg.NewFetchResponseTopic()
		answer.TopicID, answer.Partitions = of, append(answer.Partitions, partition)
		response.Topics = append(response.Topics, answer)
		return response, nil, true
	})
	return fetches
}

// A broker that has just begun to lead answers with nothing behind a high watermark that is
// older than the log's. However long that takes, it is no empty log: neither is the state
// lost, nor is anything written twice.
func TestALookAtANewLeader(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{stateTopic, "target"} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			options := optionsOf(cluster)
			source, request := archived(100, 10), requestOf(100, 1)
			replayAll(t, requestOf(50, 1), source, options)
			const times = 3 * emptyAnswers
			fetches := answerNothing(cluster, topic, times, 0)
			mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
			if n := fetches.Load(); n <= times {
				t.Errorf("only %d fetches", n)
			}
		})
	}
}

// A log whose last records are compacted away has nothing up to its end. Whoever knows
// that end, and answers with nothing several times, is believed.
func TestALookAtACompactedEnd(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	source, request := archived(100, 10), requestOf(100, 1)
	replayAll(t, requestOf(50, 1), source, options)
	answerNothing(cluster, "target", math.MaxInt64, endsOf(cluster)["target"][0])
	mustRefuse(t, request, source, options, AnswerForce, "was compacted where the last batch of source/0 was")
}
