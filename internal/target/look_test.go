package target

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// A cluster in the process, of three brokers, that tests have answer what they like.
type cluster struct {
	*testing.T
	*kfake.Cluster
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return cluster{t, fake}
}

// answers has requests of one kind answered by fill; what it returns false for is answered as ever.
func (c cluster) answers(key kmsg.Key, fill func(kmsg.Request, kmsg.Response) bool) {
	c.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		response := request.ResponseKind()
		if !fill(request, response) {
			return nil, nil, false
		}
		return response, nil, true
	})
}

// hasTopics has the cluster describe these topics, each of two partitions with three replicas in sync
// and then changed, and no others.
func (c cluster) hasTopics(topics map[string]func(*kmsg.MetadataResponseTopic)) {
	c.answers(kmsg.Metadata, func(r kmsg.Request, a kmsg.Response) bool {
		request, answer := r.(*kmsg.MetadataRequest), a.(*kmsg.MetadataResponse)
		if len(request.Topics) == 0 {
			return false
		}
		for id, address := range c.ListenAddrs() {
			broker := kmsg.NewMetadataResponseBroker()
			host, port, _ := net.SplitHostPort(address)
			number, _ := strconv.Atoi(port)
			broker.NodeID, broker.Host, broker.Port = int32(id), host, int32(number)
			answer.Brokers = append(answer.Brokers, broker)
		}
		for _, asked := range request.Topics {
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.ErrorCode = asked.Topic, kerr.UnknownTopicOrPartition.Code
			if change, there := topics[*asked.Topic]; there {
				topic.ErrorCode = 0
				for number := range int32(2) {
					partition := kmsg.NewMetadataResponseTopicPartition()
					partition.Partition, partition.Leader = number, number
					partition.Replicas, partition.ISR = []int32{0, 1, 2}, []int32{0, 1, 2}
					topic.Partitions = append(topic.Partitions, partition)
				}
				change(&topic)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return true
	})
}

// hasSettings has the cluster tell these settings, and no others, of each topic or broker by name;
// one that is not there may not be read.
func (c cluster) hasSettings(settings map[string]string) {
	c.answers(kmsg.DescribeConfigs, func(r kmsg.Request, a kmsg.Response) bool {
		answer := a.(*kmsg.DescribeConfigsResponse)
		for _, asked := range r.(*kmsg.DescribeConfigsRequest).Resources {
			resource := kmsg.NewDescribeConfigsResponseResource()
			resource.ResourceType, resource.ResourceName = asked.ResourceType, asked.ResourceName
			text, told := settings[asked.ResourceName]
			if !told {
				resource.ErrorCode = kerr.TopicAuthorizationFailed.Code
			}
			for name, value := range settingsOf(text) {
				config := kmsg.NewDescribeConfigsResponseResourceConfig()
				config.Name, config.Value = name, &value
				resource.Configs = append(resource.Configs, config)
			}
			answer.Resources = append(answer.Resources, resource)
		}
		return true
	})
}

// makes has the cluster answer requests for topics by fill.
func (c cluster) makes(fill func(asked kmsg.CreateTopicsRequestTopic, answer *kmsg.CreateTopicsResponseTopic)) {
	c.answers(kmsg.CreateTopics, func(r kmsg.Request, a kmsg.Response) bool {
		for _, asked := range r.(*kmsg.CreateTopicsRequest).Topics {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic = asked.Topic
			fill(asked, &topic)
			a.(*kmsg.CreateTopicsResponse).Topics = append(a.(*kmsg.CreateTopicsResponse).Topics, topic)
		}
		return true
	})
}

func (c cluster) options() []kgo.Opt { return []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)} }

func (c cluster) look(request Request) *Look {
	c.Helper()
	request.Now = now
	look, err := LookInto(c.Context(), c.options(), request)
	if err != nil {
		c.Fatal(err)
	}
	return look
}

func asItIs(*kmsg.MetadataResponseTopic) {}

var needT = []Need{{Topic: "t", Partitions: 2, Fewest: 2}}

// TestWhatKeepsATopicFromBeingWritten: each reason is said with what to do about it, no other reason is,
// and a topic that lacks nothing is refused for nothing.
func TestWhatKeepsATopicFromBeingWritten(t *testing.T) {
	t.Parallel()
	failing := func(err *kerr.Error) func(*kmsg.MetadataResponseTopic) {
		return func(topic *kmsg.MetadataResponseTopic) { topic.ErrorCode, topic.Partitions = err.Code, nil }
	}
	second := func(change func(*kmsg.MetadataResponseTopicPartition)) func(*kmsg.MetadataResponseTopic) {
		return func(topic *kmsg.MetadataResponseTopic) { change(&topic.Partitions[1]) }
	}
	inSync := func(replicas ...int32) func(*kmsg.MetadataResponseTopic) {
		return second(func(p *kmsg.MetadataResponseTopicPartition) { p.ISR = replicas })
	}
	rights := func(operations int32) func(*kmsg.MetadataResponseTopic) {
		return func(topic *kmsg.MetadataResponseTopic) { topic.AuthorizedOperations = operations }
	}
	leaderless := second(func(p *kmsg.MetadataResponseTopicPartition) { p.Leader = -1 })
	broker := "transaction.state.log.replication.factor=3 transaction.state.log.min.isr=2"
	type says = func(*kmsg.MetadataResponseTopic)
	for name, c := range map[string]struct {
		topic, log says   // nil: there is none
		settings   string // of the topic, "-" if they may not be read
		ofLog      string
		broker     string
		force      bool
		want       string // empty: nothing
	}{
		"nothing":                           {topic: asItIs, want: ""},
		"no topic":                          {want: "topic t: it does not exist: make it, or give --create"},
		"may not describe":                  {topic: failing(kerr.TopicAuthorizationFailed), want: "allow them Describe and Write on it"},
		"no name of a topic":                {topic: failing(kerr.InvalidTopicException), want: "no topic can have that name"},
		"something else":                    {topic: failing(kerr.UnknownServerError), want: "topic t: it cannot be described: UNKNOWN_SERVER_ERROR"},
		"too few partitions":                {topic: func(x *kmsg.MetadataResponseTopic) { x.Partitions = x.Partitions[:1] }, want: "it has 1 partitions and the replay needs 2"},
		"may not write":                     {topic: rights(1<<3 | 1<<8), want: "these credentials may not write it"},
		"may write":                         {topic: rights(1 << 4)},
		"no leader":                         {topic: leaderless, want: "partition 1 has no leader: start the brokers that hold it ([0 1 2])"},
		"too few in sync":                   {topic: inSync(1), settings: "min.insync.replicas=2", want: "partition 1 has 1 replicas in sync and min.insync.replicas is 2"},
		"as many in sync as it takes":       {topic: inSync(1, 2), settings: "min.insync.replicas=2"},
		"none in sync":                      {topic: inSync(), want: "partition 1 has 0 replicas in sync and min.insync.replicas is 1"},
		"settings that may not be read":     {topic: asItIs, settings: "-", want: "its settings may not be read (TOPIC_AUTHORIZATION_FAILED"},
		"the same, by force":                {topic: asItIs, settings: "-", force: true},
		"no force against what cannot be":   {topic: leaderless, force: true, want: "partition 1 has no leader"},
		"a log without a leader":            {topic: asItIs, log: leaderless, want: "partition 1 of the transaction log (__transaction_state) has 3 replicas in sync and needs 1"},
		"a log out of sync":                 {topic: asItIs, log: inSync(2), ofLog: "min.insync.replicas=2", want: "partition 1 of the transaction log (__transaction_state) has 1 replicas in sync and needs 2"},
		"a log in sync enough":              {topic: asItIs, log: inSync(2), ofLog: "min.insync.replicas=1"},
		"a log whose settings are hidden":   {topic: asItIs, log: inSync(2), ofLog: "-"},
		"a log that cannot be made":         {topic: asItIs, broker: "transaction.state.log.replication.factor=4 transaction.state.log.min.isr=2", want: "transaction.state.log.replication.factor is 4 and 3 broker(s) are there"},
		"a log that can just be made":       {topic: asItIs, broker: "transaction.state.log.replication.factor=3 transaction.state.log.min.isr=3"},
		"a log that takes nothing":          {topic: asItIs, broker: "transaction.state.log.replication.factor=1 transaction.state.log.min.isr=2", want: "transaction.state.log.min.isr is 2 and transaction.state.log.replication.factor is 1"},
		"a log of brokers that do not tell": {topic: asItIs, broker: "-"},
		"a log that is there already":       {topic: asItIs, log: asItIs, broker: "transaction.state.log.replication.factor=4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := map[string]says{}
			for topic, says := range map[string]says{"t": c.topic, transactionLog: c.log} {
				if says != nil {
					topics[topic] = says
				}
			}
			settings := map[string]string{"t": c.settings, transactionLog: c.ofLog}
			for id := range 3 {
				settings[strconv.Itoa(id)] = broker
				if c.broker != "" {
					settings[strconv.Itoa(id)] = c.broker
				}
			}
			for resource, text := range settings {
				if text == "-" {
					delete(settings, resource)
				}
			}
			cluster := newCluster(t)
			cluster.hasTopics(topics)
			cluster.hasSettings(settings)
			reasons := cluster.look(Request{Needs: needT}).Refused(c.force)
			if want := min(1, len(c.want)); len(reasons) != want || want == 1 && !strings.Contains(reasons[0], c.want) {
				t.Errorf("refused for %q, want %q", reasons, c.want)
			}
		})
	}
}

// TestTransactionsThatAreRefused: by the rights, whether or not there is a log.
func TestTransactionsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.hasTopics(map[string]func(*kmsg.MetadataResponseTopic){"t": asItIs})
	c.hasSettings(map[string]string{"t": "", "0": "", "1": "", "2": ""})
	c.answers(kmsg.EndTxn, func(r kmsg.Request, a kmsg.Response) bool {
		if id := r.(*kmsg.EndTxnRequest).TransactionalID; !strings.HasPrefix(id, "bifrost-replay-") {
			t.Errorf("asked for the rights on %q, which begins as no replay does", id)
		}
		a.(*kmsg.EndTxnResponse).ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		return true
	})
	if reasons := c.look(Request{Needs: needT}).Refused(true); len(reasons) != 1 || !strings.Contains(reasons[0], "allow them Write on transactional IDs that begin with bifrost-replay-") {
		t.Errorf("refused for %q", reasons)
	}
}

// TestAskingForACoordinatorIsAChange: so it is done only where it was asked for, or where
// the log is there already.
func TestAskingForACoordinatorIsAChange(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ log, probe, want bool }{
		"look": {}, "probe": {probe: true, want: true}, "a log that is there": {log: true, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			topics := map[string]func(*kmsg.MetadataResponseTopic){"t": asItIs}
			if x.log {
				topics[transactionLog] = asItIs
			}
			c.hasTopics(topics)
			asked := make(chan string, 9)
			c.answers(kmsg.FindCoordinator, func(r kmsg.Request, a kmsg.Response) bool {
				request := r.(*kmsg.FindCoordinatorRequest)
				for _, key := range append(slices.Clone(request.CoordinatorKeys), request.CoordinatorKey) {
					if key != "" {
						asked <- key
					}
				}
				return false
			})
			if reasons := c.look(Request{Needs: needT, Probe: x.probe}).Refused(true); len(reasons) != 0 {
				t.Errorf("refused for %q", reasons)
			}
			if got := len(asked) > 0; got != x.want {
				t.Errorf("asked for a coordinator: %v, want %v", got, x.want)
			}
		})
	}
}

// TestRehearsingATopic: what is to be made is validated and not made, gets as many replicas as its source
// had and there are brokers, and leaves out what these brokers take from nobody.
func TestRehearsingATopic(t *testing.T) {
	t.Parallel()
	need := Need{Topic: "t", Partitions: 5, Replicas: 4,
		Settings:  map[string]string{"remote.storage.enable": "true", "max.message.bytes": "77", "retention.ms": "1"},
		Inherited: map[string]string{"segment.bytes": "123", "max.message.bytes": "88", "unheard.of": "1", "flush.ms": "9"}}
	c := newCluster(t)
	c.hasTopics(nil)
	var last kmsg.CreateTopicsRequestTopic
	c.makes(func(asked kmsg.CreateTopicsRequestTopic, answer *kmsg.CreateTopicsResponseTopic) {
		last = asked
		answer.ReplicationFactor = 3
		for name, value := range map[string]string{"segment.bytes": "1", "flush.ms": "9", "max.message.bytes": "1000"} {
			config := kmsg.NewCreateTopicsResponseTopicConfig()
			config.Name, config.Value = name, &value
			answer.Configs = append(answer.Configs, config)
		}
		for _, config := range asked.Configs {
			if config.Name == "remote.storage.enable" {
				answer.ErrorCode, answer.ErrorMessage = kerr.InvalidConfig.Code, kmsg.StringPtr("no tiered storage here.")
			}
		}
	})
	look := c.look(Request{Needs: []Need{need}, Create: true})
	topic := look.Topics[0]
	if reasons := look.Refused(false); len(reasons) != 0 || topic.Exists || topic.Replicas != 3 {
		t.Fatalf("refused for %q; it exists: %v, with %d replicas", reasons, topic.Exists, topic.Replicas)
	}
	if last.NumPartitions != 5 || last.ReplicationFactor != 3 {
		t.Errorf("asked for %d partitions and %d replicas, want 5 and those of three brokers", last.NumPartitions, last.ReplicationFactor)
	}
	want := map[string]string{"max.message.bytes": "77", "segment.bytes": "123", "retention.ms": "-1", "retention.bytes": "-1",
		"message.timestamp.type": "CreateTime", "cleanup.policy": "delete"}
	if len(topic.Settings) != len(want) {
		t.Errorf("settings %v, want %v", topic.Settings, want)
	}
	for name, value := range want {
		if topic.Settings[name] != value {
			t.Errorf("%s is %q, want %q", name, topic.Settings[name], value)
		}
	}
	if !strings.HasSuffix(topic.Refused["remote.storage.enable"], "(no tiered storage here)") || topic.Refused["unheard.of"] != "the brokers do not know it" || len(topic.Refused) != 2 {
		t.Errorf("refused settings %v", topic.Refused)
	}
}

// TestRefusalsOfARehearsal: each says what to do.
func TestRefusalsOfARehearsal(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		code  *kerr.Error
		words string
	}{
		{kerr.InvalidReplicationFactor, "as many replicas as there are brokers"},
		{kerr.TopicAuthorizationFailed, "allow these credentials Create on it"},
		{kerr.ClusterAuthorizationFailed, "allow these credentials Create on it"},
		{kerr.PolicyViolation, "create.topic.policy.class.name"},
		{kerr.InvalidPartitions, "it cannot be made: INVALID_PARTITIONS"},
	} {
		c := newCluster(t)
		c.hasTopics(nil)
		c.makes(func(asked kmsg.CreateTopicsRequestTopic, answer *kmsg.CreateTopicsResponseTopic) {
			answer.ErrorCode = x.code.Code
		})
		if reasons := c.look(Request{Needs: needT, Create: true}).Refused(true); len(reasons) != 1 || !strings.Contains(reasons[0], x.words) {
			t.Errorf("%v: refused for %q, want %q", x.code, reasons, x.words)
		}
	}
}

// TestATopicThatWouldTakeNothing: where the brokers demand more replicas in sync than they make, a topic of
// records gets what it has, and one that keeps positions, which others make, is an obstacle.
func TestATopicThatWouldTakeNothing(t *testing.T) {
	t.Parallel()
	for replicas, want := range map[int16]string{1: "1", 2: ""} {
		c := newCluster(t)
		c.hasTopics(nil)
		c.makes(func(asked kmsg.CreateTopicsRequestTopic, answer *kmsg.CreateTopicsResponseTopic) {
			config := kmsg.NewCreateTopicsResponseTopicConfig()
			config.Name, config.Value = "min.insync.replicas", kmsg.StringPtr("2")
			answer.Configs, answer.ReplicationFactor = append(answer.Configs, config), replicas
		})
		look := c.look(Request{Needs: needT, Create: true, StateTopic: "state"})
		if got := look.Topics[0].Settings["min.insync.replicas"]; got != want || len(look.Topics[0].Notes) != len(want) {
			t.Errorf("%d replicas: min.insync.replicas=%q with notes %q, want %q", replicas, got, look.Topics[0].Notes, want)
		}
		if len(look.Obstacles) != len(want) || want != "" && !strings.Contains(look.Obstacles[0], "topic state, which keeps positions: it would get 1 replica(s)") {
			t.Errorf("%d replicas: obstacles %q", replicas, look.Obstacles)
		}
	}
}

// TestBatchesForATopic: as large as it takes, with the codec that it keeps or that was asked for.
func TestBatchesForATopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.hasTopics(map[string]func(*kmsg.MetadataResponseTopic){"t": asItIs})
	c.hasSettings(map[string]string{"t": "compression.type=snappy max.message.bytes=5000", "0": "", "1": "", "2": ""})
	if got := c.look(Request{Needs: needT}).Batches()["t"]; got != (recordbatch.Shape{Codec: recordbatch.Snappy, Bytes: 5000}) {
		t.Errorf("batches %+v", got)
	}
	codec := recordbatch.Lz4
	got := c.look(Request{Needs: needT, Codec: &codec})
	if b := got.Batches()["t"]; b != (recordbatch.Shape{Codec: recordbatch.Lz4, Bytes: 5000, Recompressed: true}) || len(got.Topics[0].Notes) != 1 {
		t.Errorf("batches %+v, notes %q", b, got.Topics[0].Notes)
	}
}

// TestTopicsAreMadeAndTakenBack: only those that were missing are made, and those are deleted again that
// nothing was written into and that are still the same.
func TestTopicsAreMadeAndTakenBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	client, err := kgo.NewClient(append(c.options(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := administrator{nil, client}
	var needs []Need
	for _, name := range []string{"before", "empty", "written", "replaced", "gone"} {
		needs = append(needs, Need{Topic: name, Partitions: 2, Fewest: 2})
	}
	if _, err := create(t.Context(), admin, false, Topic{Need: needs[0], replication: -1}); err != nil {
		t.Fatal(err)
	}
	look := c.look(Request{Needs: needs, Create: true, Probe: true})
	if reasons := look.Refused(false); len(reasons) != 0 || !look.Topics[0].Exists || look.Topics[1].Exists {
		t.Fatalf("refused for %q", reasons)
	}
	if names, err := admin.describeTopics(t.Context(), "empty"); err != nil || names["empty"].err == nil {
		t.Fatalf("the look has made a topic: %+v, %v", names, err)
	}
	made, err := look.Make(t.Context())
	if err != nil || strings.Join(made.Names(), " ") != "empty gone replaced written" {
		t.Fatalf("made %q, error %v", made.Names(), err)
	}
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "written", Partition: 1}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	remove := func(name string) {
		other := Made{look: look, topics: map[string][16]byte{name: made.topics[name]}}
		if removed, left, err := other.TakeBack(context.Background()); err != nil || len(removed) != 1 || len(left) != 0 {
			t.Fatalf("removed %q, left %q: %v", removed, left, err)
		}
	}
	remove("gone")
	remove("replaced")
	if _, err := create(t.Context(), admin, false, Topic{Need: needs[3], replication: -1}); err != nil {
		t.Fatal(err)
	}
	removed, left, err := made.TakeBack(t.Context())
	if err != nil || strings.Join(removed, " ") != "empty" || strings.Join(left, " ") != "gone replaced written" {
		t.Errorf("removed %q, left %q, error %v", removed, left, err)
	}
	details, err := admin.describeTopics(t.Context(), "before", "empty", "written", "replaced")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"before": true, "empty": false, "written": true, "replaced": true} {
		if got := details[name].err == nil; got != want {
			t.Errorf("topic %s is there: %v, want %v", name, got, want)
		}
	}
}

// TestHowLongKafkaMayTake: a topic is on all brokers some time after it was made, and gone some
// time after it was deleted; Kafka is given as long for it as for any answer, in milliseconds.
func TestHowLongKafkaMayTake(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	times := map[string]int32{}
	var mutex sync.Mutex
	note := func(name string, ms int32) bool {
		mutex.Lock()
		defer mutex.Unlock()
		times[name] = ms
		return false
	}
	c.answers(kmsg.CreateTopics, func(r kmsg.Request, _ kmsg.Response) bool {
		request := r.(*kmsg.CreateTopicsRequest)
		return note(fmt.Sprint("made, only to see whether it can be: ", request.ValidateOnly), request.TimeoutMillis)
	})
	c.answers(kmsg.DeleteTopics, func(r kmsg.Request, _ kmsg.Response) bool {
		return note("deleted", r.(*kmsg.DeleteTopicsRequest).TimeoutMillis)
	})
	made, err := c.look(Request{Needs: needT, Create: true}).Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if removed, left, err := made.TakeBack(t.Context()); err != nil || len(removed) != 1 || len(left) != 0 {
		t.Fatalf("removed %q, left %q, error %v", removed, left, err)
	}
	want := map[string]int32{
		"made, only to see whether it can be: true":  15_000,
		"made, only to see whether it can be: false": 15_000,
		"deleted": 15_000,
	}
	if !maps.Equal(times, want) {
		t.Errorf("Kafka may take %v ms, want %v", times, want)
	}
}

// TestTopicsThatCannotBeMade: all are named, each with its reason, and those that were made are known.
func TestTopicsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	look := c.look(Request{Needs: []Need{{Topic: "a", Partitions: 1}, {Topic: "b", Partitions: 1}}, Create: true})
	c.makes(func(asked kmsg.CreateTopicsRequestTopic, answer *kmsg.CreateTopicsResponseTopic) {
		answer.TopicID = [16]byte{7}
		if asked.Topic == "b" {
			answer.ErrorCode = kerr.PolicyViolation.Code
		}
	})
	made, err := look.Make(t.Context())
	if err == nil || !strings.Contains(err.Error(), "make the target topic b: POLICY_VIOLATION") || !strings.Contains(err.Error(), "make it yourself") || strings.Contains(err.Error(), "topic a") {
		t.Errorf("error %v", err)
	}
	if strings.Join(made.Names(), " ") != "a" {
		t.Errorf("made %q", made.Names())
	}
}
