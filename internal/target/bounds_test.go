package target

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// TestBoundsOfATopic: what is exactly at a bound is taken, and what is one beyond it is not.
func TestBoundsOfATopic(t *testing.T) {
	t.Parallel()
	unlimited := fmt.Sprint(math.MaxInt64)
	aged := func(ms int64) *Gauge { return told(now.UnixMilli()-ms, now.UnixMilli()-ms) }
	ahead := func(ms int64) *Gauge { return told(now.UnixMilli(), now.UnixMilli()+ms) }
	large := func(zstd int64) *Gauge {
		return &Gauge{oldest: -1, tooLarge: outsize{bytes: 200, codec: recordbatch.Snappy, zstd: zstd}}
	}
	for name, c := range map[string]struct {
		settings string
		gauge    *Gauge
		bytes    int64
		codec    *recordbatch.Codec
		says     string // empty: nothing is wrong
		note     string
	}{
		"as old as is kept":         {settings: "retention.ms=1000", gauge: aged(1000)},
		"older than is kept":        {settings: "retention.ms=1000", gauge: aged(1001), says: "retention.ms=-1"},
		"nothing is kept":           {settings: "retention.ms=0", gauge: aged(1), says: "retention.ms=-1"},
		"of 1970":                   {settings: "retention.ms=1000", gauge: told(0, 0), says: "retention.ms=-1"},
		"as many bytes as are kept": {settings: "retention.bytes=10", gauge: told(-1, -1), bytes: 10},
		"more bytes than are kept":  {settings: "retention.bytes=10", gauge: told(-1, -1), bytes: 11, says: "it keeps 10 bytes a partition and 11 are to be replayed"},
		"no bytes are kept":         {settings: "retention.bytes=0", gauge: told(-1, -1), bytes: 1, says: "retention.bytes=-1"},
		"as old as is taken":        {settings: "message.timestamp.before.max.ms=1000", gauge: aged(1000)},
		"older than is taken":       {settings: "message.timestamp.before.max.ms=1000", gauge: aged(1001), says: "before.max.ms=" + unlimited},
		"1970 is too old":           {settings: "message.timestamp.before.max.ms=1000", gauge: told(0, 0), says: "before.max.ms=" + unlimited},
		"as far ahead as is taken":  {settings: "message.timestamp.after.max.ms=1000", gauge: ahead(1000)},
		"further ahead":             {settings: "message.timestamp.after.max.ms=1000", gauge: ahead(1001), says: "after.max.ms=" + unlimited},
		"zstd makes it fit":         {settings: "max.message.bytes=100", gauge: large(100), says: "or give --compression zstd"},
		"zstd does not":             {settings: "max.message.bytes=100", gauge: large(101), says: "set max.message.bytes=200"},
		"not looked at, and fits":   {settings: "max.message.bytes=100", gauge: &Gauge{oldest: -1, unread: 100}},
		"not looked at":             {settings: "max.message.bytes=100", gauge: &Gauge{oldest: -1, unread: 101}, note: "not all records were looked at"},
	} {
		topic := Topic{Need: Need{Topic: "t", MostBytes: c.bytes}, Exists: true}
		topic.chooseBatches(settingsOf(c.settings), c.codec)
		topic.judgeSettings(c.gauge, now)
		for _, x := range []struct{ got, want string }{{strings.Join(topic.Problems, "; "), c.says}, {strings.Join(topic.Notes, "; "), c.note}} {
			if x.want == "" && x.got != "" || !strings.Contains(x.got, x.want) {
				t.Errorf("%s: %q, want %q", name, x.got, x.want)
			}
		}
		if strings.Contains(strings.Join(topic.Problems, ""), "--compression zstd") != (name == "zstd makes it fit") {
			t.Errorf("%s: %q", name, topic.Problems)
		}
	}
	for ms, want := range map[int64]string{0: "0s", 1499: "1s", 48*3600*1000 - 1: "48h0m0s", 48 * 3600 * 1000: "2 days", 71 * 3600 * 1000: "2 days", 72 * 3600 * 1000: "3 days"} {
		if got := days(ms); got != want {
			t.Errorf("%d ms are %s, want %s", ms, got, want)
		}
	}
}

// TestZstdIsNoAdviceWhereTheBrokerCompressesAgain: it would be undone there.
func TestZstdIsNoAdviceWhereTheBrokerCompressesAgain(t *testing.T) {
	t.Parallel()
	codec := recordbatch.Lz4
	for kept, want := range map[string]bool{"producer": true, "snappy": false, "zstd": true} {
		topic := Topic{Need: Need{Topic: "t"}, Exists: true}
		topic.chooseBatches(settingsOf("max.message.bytes=100 compression.type="+kept), &codec)
		topic.judgeSettings(&Gauge{oldest: -1, tooLarge: outsize{bytes: 200, codec: codec, zstd: 50}}, now)
		if got := strings.Contains(strings.Join(topic.Problems, ""), "--compression zstd"); len(topic.Problems) != 1 || got != want {
			t.Errorf("it keeps %s: %q", kept, topic.Problems)
		}
	}
}

// TestWhatALookTells: which cluster it is, how many replicas there are, how large requests may be.
func TestWhatALookTells(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.hasTopics(map[string]func(*kmsg.MetadataResponseTopic){"t": func(topic *kmsg.MetadataResponseTopic) {
		topic.TopicID = [16]byte{9}
		topic.Partitions[0].Replicas, topic.Partitions[0].ISR = []int32{0}, []int32{0}
		topic.Partitions[0].Leader, topic.Partitions[1].Leader = -1, -1
		slices.Reverse(topic.Partitions)
	}})
	brokers := map[string]string{"t": ""}
	for id := range 3 {
		brokers[fmt.Sprint(id)] = "socket.request.max.bytes=12345"
	}
	c.hasSettings(brokers)
	look := c.look(Request{Needs: needT})
	topic := look.Topics[0]
	if look.ClusterID == "" || look.brokers.requestBytes != 12345 || !topic.Exists || topic.ID != [16]byte{9} || topic.Replicas != 1 {
		t.Errorf("cluster %q, requests of %d bytes, topic %+v", look.ClusterID, look.brokers.requestBytes, topic)
	}
	if len(topic.Obstacles) != 1 || !strings.HasPrefix(topic.Obstacles[0], "partition 0 has no leader") {
		t.Errorf("obstacles %q, want the first partition's", topic.Obstacles)
	}
	hidden := newCluster(t)
	hidden.hasTopics(map[string]func(*kmsg.MetadataResponseTopic){"t": asItIs})
	hidden.hasSettings(map[string]string{"t": ""})
	if look := hidden.look(Request{Needs: needT}); look.brokers.requestBytes != 100<<20 || look.Topics[0].Replicas != 3 {
		t.Errorf("of brokers that do not tell: requests of %d bytes, %d replicas", look.brokers.requestBytes, look.Topics[0].Replicas)
	}
}

// TestReplicasOfATopicThatIsMade: as many as its source had, as far as there are brokers.
func TestReplicasOfATopicThatIsMade(t *testing.T) {
	t.Parallel()
	for replicas, want := range map[int]int16{0: -1, 1: 1, 2: 2, 3: 3, 4: 3} {
		c := newCluster(t)
		var asked int16
		c.makes(func(topic kmsg.CreateTopicsRequestTopic, _ *kmsg.CreateTopicsResponseTopic) {
			asked = topic.ReplicationFactor
		})
		c.look(Request{Needs: []Need{{Topic: "t", Partitions: 1, Replicas: replicas}}, Create: true})
		if asked != want {
			t.Errorf("of a source with %d replicas: asked for %d, want %d", replicas, asked, want)
		}
	}
}

// TestAnObstacleIsToldOnce: a topic that cannot be made is not tried again once its records were looked at.
func TestAnObstacleIsToldOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.makes(func(_ kmsg.CreateTopicsRequestTopic, answer *kmsg.CreateTopicsResponseTopic) {
		answer.ErrorCode = kerr.PolicyViolation.Code
	})
	settings := map[string]string{"segment.ms": "7000", "segment.bytes": "1000000", "min.insync.replicas": "1"}
	look := c.look(Request{Needs: []Need{{Topic: "t", Partitions: 1, Settings: settings}}, Create: true})
	if err := look.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reasons := look.Refused(true); len(reasons) != 1 || !strings.Contains(reasons[0], "create.topic.policy.class.name") {
		t.Errorf("refused: %q", reasons)
	}
}

// TestWhatIsNotTakenBack: a topic that may hold something, or of which nobody knows, is left, and one that
// cannot be deleted keeps no other from it. Clusters without topic IDs are told the name.
func TestWhatIsNotTakenBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	known := map[string]func(*kmsg.MetadataResponseTopic){}
	topics := map[string][16]byte{"z-without-id": {}, "empty": {1}, "cannot-be-described": {2}, "has-no-partitions": {3}, "end-unknown": {4}, "refused": {5}, "end-not-told": {6},
		"refused-too": {7}}
	for name, id := range topics {
		known[name] = func(topic *kmsg.MetadataResponseTopic) {
			topic.TopicID = id
			switch name {
			case "cannot-be-described":
				topic.ErrorCode = kerr.InvalidTopicException.Code
			case "has-no-partitions":
				topic.Partitions = nil
			}
		}
	}
	c.hasTopics(known)
	c.answers(kmsg.ListOffsets, func(r kmsg.Request, a kmsg.Response) bool {
		for _, asked := range r.(*kmsg.ListOffsetsRequest).Topics {
			topic := kmsg.NewListOffsetsResponseTopic()
			topic.Topic = asked.Topic
			for _, p := range asked.Partitions {
				partition := kmsg.NewListOffsetsResponseTopicPartition()
				partition.Partition, partition.Offset = p.Partition, 0
				if asked.Topic == "end-unknown" && p.Partition == 1 {
					partition.ErrorCode = kerr.UnknownServerError.Code
				}
				if asked.Topic != "end-not-told" || p.Partition == 0 {
					topic.Partitions = append(topic.Partitions, partition)
				}
			}
			a.(*kmsg.ListOffsetsResponse).Topics = append(a.(*kmsg.ListOffsetsResponse).Topics, topic)
		}
		return true
	})
	var deleted []string
	c.answers(kmsg.DeleteTopics, func(r kmsg.Request, a kmsg.Response) bool {
		for _, asked := range r.(*kmsg.DeleteTopicsRequest).Topics {
			topic := kmsg.NewDeleteTopicsResponseTopic()
			if asked.Topic != nil {
				deleted = append(deleted, *asked.Topic)
			} else {
				deleted = append(deleted, fmt.Sprint(asked.TopicID[0]))
			}
			switch asked.TopicID {
			case topics["refused"]:
				topic.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case topics["refused-too"]:
				topic.ErrorCode = kerr.TopicDeletionDisabled.Code
			}
			a.(*kmsg.DeleteTopicsResponse).Topics = append(a.(*kmsg.DeleteTopicsResponse).Topics, topic)
		}
		return true
	})
	made := &Made{look: &Look{options: c.options()}, topics: topics}
	removed, left, err := made.TakeBack(t.Context())
	for _, words := range []string{"delete topic refused, which was made and is empty: TOPIC_AUTHORIZATION_FAILED",
		"delete topic refused-too, which was made and is empty: TOPIC_DELETION_DISABLED"} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v, want one that says %q", err, words)
		}
	}
	if strings.Join(removed, " ") != "empty z-without-id" || strings.Join(left, " ") != "cannot-be-described end-not-told end-unknown has-no-partitions refused refused-too" {
		t.Errorf("removed %q, left %q", removed, left)
	}
	if strings.Join(deleted, " ") != "1 5 7 z-without-id" {
		t.Errorf("asked to delete %q", deleted)
	}
}
