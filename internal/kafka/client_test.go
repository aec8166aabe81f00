package kafka

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func TestTopics(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.ClusterID("the-cluster"), kfake.SeedTopics(3, "_schemas"))
	id, topics, err := client.Topics(t.Context())
	if err != nil || id != "the-cluster" {
		t.Fatalf("cluster %q, error %v", id, err)
	}
	slices.SortFunc(topics, func(a, b bifrost.Topic) int { return strings.Compare(a.Name, b.Name) })
	want := []bifrost.Topic{
		{Name: "_schemas", ID: topicID(cluster, "_schemas"), Partitions: []int32{0, 1, 2}},
		{Name: "orders", ID: topicID(cluster, "orders"), Partitions: []int32{0, 1}},
	}
	if !slices.EqualFunc(topics, want, sameTopic) {
		t.Errorf("got %v, want %v", topics, want)
	}
	if id, err := client.ClusterID(t.Context()); err != nil || id != "the-cluster" {
		t.Errorf("cluster ID %q, error %v", id, err)
	}
}

func sameTopic(a, b bifrost.Topic) bool {
	return a.Name == b.Name && a.ID == b.ID && slices.Equal(a.Partitions, b.Partitions)
}

// TestTopicsLeavesOutInternal has Kafka flag a topic as internal, which a name
// alone does not make it.
func TestTopicsLeavesOutInternal(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	intercept(cluster, kmsg.Metadata, func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		for _, name := range []string{"__consumer_offsets", "__looks_internal", "broken"} {
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.IsInternal = &name, name == "__consumer_offsets"
			if name == "broken" {
				topic.ErrorCode = kerr.LeaderNotAvailable.Code
			}
			response.Topics = append(response.Topics, topic)
		}
		return response
	})
	_, topics, err := client.Topics(t.Context())
	if err != nil || len(topics) != 1 || topics[0].Name != "__looks_internal" {
		t.Errorf("topics %v, error %v", topics, err)
	}
}

// TestFind asks for a topic, one that does not exist and one that an ACL hides:
// only the second is not found, and none is created.
func TestFind(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t, kfake.AllowAutoTopicCreation(), kfake.SeedTopics(1, "secret"), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.User("PLAIN", "archive", "password", kfake.ACL{
			Resource: kmsg.ACLResourceTypeTopic, Name: "orders", Pattern: kmsg.ACLResourcePatternTypeLiteral,
			Operation: kmsg.ACLOperationDescribe, Allow: true,
		}, kfake.ACL{
			Resource: kmsg.ACLResourceTypeTopic, Name: "gone", Pattern: kmsg.ACLResourcePatternTypeLiteral,
			Operation: kmsg.ACLOperationAll, Allow: true,
		}))
	login := plain.Auth{User: "archive", Pass: "password"}.AsMechanism()
	client := connect(t, Config{Brokers: cluster.ListenAddrs(), Options: []kgo.Opt{kgo.SASL(login)}})
	for range 2 {
		answers, err := client.Find(t.Context(), []string{"orders", "gone", "secret"})
		if err != nil {
			t.Fatal(err)
		}
		if a := answers["orders"]; a.Err != nil || !slices.Equal(a.IDs, []bifrost.TopicID{topicID(cluster, "orders")}) {
			t.Errorf("orders: %+v", a)
		}
		if a, ok := answers["gone"]; !ok || a.Err != nil || len(a.IDs) > 0 {
			t.Errorf("gone: %+v", a)
		}
		if a := answers["secret"]; !errors.Is(a.Err, kerr.TopicAuthorizationFailed) {
			t.Errorf("secret: %+v", a)
		}
	}
	if _, topics, err := client.Topics(t.Context()); err != nil || len(topics) != 1 {
		t.Errorf("listed topics: %v, error %v", topics, err)
	}
	if answers, err := client.Find(t.Context(), nil); err != nil || len(answers) != 0 {
		t.Errorf("nothing asked: %v, error %v", answers, err)
	}
}

// TestFindAsksEveryBroker has one broker that is behind, and one that says nothing.
func TestFindAsksEveryBroker(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.NumBrokers(3))
	var older bifrost.TopicID
	var silent atomic.Bool
	older[0] = 7
	cluster.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := request.(*kmsg.MetadataRequest)
		if cluster.CurrentNode() != 1 || len(asked.Topics) == 0 {
			return nil, nil, false
		}
		if silent.Load() {
			return nil, errors.New("cut off"), true
		}
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		response.Brokers = brokersOf(cluster, 0, 1) // it has not heard of the third
		for _, topic := range asked.Topics {
			answer := kmsg.NewMetadataResponseTopic()
			answer.Topic = topic.Topic
			answer.ErrorCode = kerr.UnknownTopicOrPartition.Code
			if *topic.Topic == "made-anew" {
				answer.ErrorCode, answer.TopicID = 0, older
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	answers, err := client.Find(t.Context(), []string{"orders", "made-anew", "nothing"})
	if err != nil {
		t.Fatal(err)
	}
	if a := answers["orders"]; a.Err != nil || !slices.Equal(a.IDs, []bifrost.TopicID{topicID(cluster, "orders")}) {
		t.Errorf("a topic that one broker does not know yet: %+v", a)
	}
	if a := answers["made-anew"]; a.Err != nil || !slices.Equal(a.IDs, []bifrost.TopicID{older}) {
		t.Errorf("a topic that one broker still knows: %+v", a)
	}
	if a, ok := answers["nothing"]; !ok || a.Err != nil || len(a.IDs) > 0 {
		t.Errorf("a topic that nobody knows: %+v", a)
	}
	silent.Store(true)
	answers, err = client.Find(t.Context(), []string{"nothing"})
	if err == nil && answers["nothing"].Err == nil {
		t.Error("a broker that says nothing was taken for one that knows nothing")
	}
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.NumBrokers(3))
	produce(t, cluster, "orders", 0, 5, 5)
	if err := cluster.DeleteRecords("orders", 0, 5); err != nil {
		t.Fatal(err)
	}
	transactional := producer(t, cluster.ListenAddrs(), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := transactional.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := transactional.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	topics := []bifrost.Topic{{Name: "orders", Partitions: []int32{0, 1, 2}}, {Name: "gone", Partitions: []int32{0}}}
	answers, err := client.Offsets(t.Context(), topics)
	if err != nil || len(answers) != 4 {
		t.Fatalf("%d answers, error %v", len(answers), err)
	}
	first := answers[bifrost.TopicPartition{Topic: "orders"}]
	if first.Err != nil || first.LogStart != 5 || first.LastStable != 10 || first.HighWatermark != 11 || first.LeaderEpoch != cluster.PartitionInfo("orders", 0).Epoch {
		t.Errorf("orders/0: %+v", first)
	}
	if time.Since(first.At) > time.Minute {
		t.Errorf("asked at %s", first.At)
	}
	if a := answers[bifrost.TopicPartition{Topic: "orders", Partition: 1}]; a.Err != nil || a.LastStable != 0 {
		t.Errorf("orders/1: %+v", a)
	}
	for _, tp := range []bifrost.TopicPartition{{Topic: "orders", Partition: 2}, {Topic: "gone"}} {
		if a := answers[tp]; !errors.Is(a.Err, bifrost.ErrNotFound) {
			t.Errorf("%v: %+v", tp, a)
		}
	}
	if answers, err := client.Offsets(t.Context(), nil); err != nil || len(answers) != 0 {
		t.Errorf("nothing asked: %v, error %v", answers, err)
	}
}

// TestOffsetsAreEachTheirOwn has each question answered with another offset and another
// leader epoch: what an observation carries is that of its own question, and the epoch
// that of the end, by which a cut log is recognized.
func TestOffsetsAreEachTheirOwn(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	answers := map[[2]int64]kmsg.ListOffsetsResponseTopicPartition{ // by time and isolation
		{logStart, readUncommitted}:      {Offset: 10, LeaderEpoch: 3},
		{logEnd, readCommitted}:          {Offset: 20, LeaderEpoch: 5},
		{logEnd, readUncommitted}:        {Offset: 30, LeaderEpoch: 7},
		{localLogStart, readUncommitted}: {Offset: 15, LeaderEpoch: 4},
		{1000, readCommitted}:            {Offset: 12, LeaderEpoch: 3, Timestamp: 1001},
		{2000, readCommitted}:            {Offset: -1, LeaderEpoch: -1, Timestamp: -1}, // no record is so young
	}
	intercept(cluster, kmsg.ListOffsets, func(request kmsg.Request) kmsg.Response {
		asked := request.(*kmsg.ListOffsetsRequest)
		response := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range asked.Topics {
			told := kmsg.NewListOffsetsResponseTopic()
			told.Topic = topic.Topic
			for _, p := range topic.Partitions {
				answer, ok := answers[[2]int64{p.Timestamp, int64(asked.IsolationLevel)}]
				if !ok {
					answer.ErrorCode = kerr.InvalidRequest.Code
				}
				answer.Partition = p.Partition
				told.Partitions = append(told.Partitions, answer)
			}
			response.Topics = append(response.Topics, told)
		}
		return response
	})
	tp := bifrost.TopicPartition{Topic: "orders", Partition: 1}
	offsets, err := client.Offsets(t.Context(), []bifrost.Topic{{Name: tp.Topic, Partitions: []int32{tp.Partition}}})
	if err != nil || offsets[tp].Err != nil {
		t.Fatalf("%v, error %v", offsets, err)
	}
	got := offsets[tp].Observation
	got.At = time.Time{}
	if want := (bifrost.Observation{LogStart: 10, LastStable: 20, HighWatermark: 30, LeaderEpoch: 5}); got != want {
		t.Errorf("observed %+v, want %+v", got, want)
	}
	if offset, err := client.localLogStart(t.Context(), tp); err != nil || offset != 15 {
		t.Errorf("the log on disks begins at %d, error %v", offset, err)
	}
	// What is younger than all records begins at the last stable offset.
	for at, want := range map[int64]int64{1000: 12, 2000: 20} {
		found, err := client.OffsetsAt(t.Context(), []bifrost.TopicPartition{tp}, time.UnixMilli(at))
		if err != nil || found[tp].Err != nil || found[tp].Offset != want {
			t.Errorf("at %d ms: %+v, error %v, want offset %d", at, found[tp], err, want)
		}
	}
}

// TestOffsetsOfSomeFail has one partition fail at each of the questions; its
// neighbours have their answers all the same.
func TestOffsetsOfSomeFail(t *testing.T) {
	t.Parallel()
	for question := range 3 {
		cluster, client := startCluster(t)
		produce(t, cluster, "orders", 1, 4)
		asked := 0
		cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "orders", Partitions: []int32{0}, Err: kerr.TopicAuthorizationFailed, Count: -1,
			When: func(kmsg.Request) bool { asked++; return asked == question+1 },
		})
		answers, err := client.Offsets(t.Context(), []bifrost.Topic{{Name: "orders", Partitions: []int32{0, 1}}})
		if err != nil {
			t.Fatal(err)
		}
		if a := answers[bifrost.TopicPartition{Topic: "orders", Partition: 1}]; a.Err != nil || a.LastStable != 4 {
			t.Errorf("question %d, orders/1: %+v", question, a)
		}
		if a := answers[bifrost.TopicPartition{Topic: "orders"}]; !errors.Is(a.Err, kerr.TopicAuthorizationFailed) {
			t.Errorf("question %d, orders/0: %+v", question, a)
		}
	}
}

// TestOffsetsWithoutOneBroker has one of two brokers gone, and not noticed yet.
func TestOffsetsWithoutOneBroker(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	gone := closedPort(t)
	intercept(cluster, kmsg.Metadata, func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		response.Brokers = []kmsg.MetadataResponseBroker{broker(0, cluster.ListenAddrs()[0]), broker(1, gone)}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("orders")
		for number := range int32(2) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = number, number
			topic.Partitions = append(topic.Partitions, p)
		}
		response.Topics = append(response.Topics, topic)
		return response
	})
	answers, err := client.Offsets(t.Context(), []bifrost.Topic{{Name: "orders", Partitions: []int32{0, 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if a := answers[bifrost.TopicPartition{Topic: "orders"}]; a.Err != nil {
		t.Errorf("orders/0: %+v", a)
	}
	if a := answers[bifrost.TopicPartition{Topic: "orders", Partition: 1}]; a.Err == nil || errors.Is(a.Err, bifrost.ErrNotFound) {
		t.Errorf("orders/1: %+v", a)
	}
}

func broker(node int32, address string) kmsg.MetadataResponseBroker {
	b := kmsg.NewMetadataResponseBroker()
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err)
	}
	b.NodeID, b.Host, b.Port = node, at.IP.String(), int32(at.Port)
	return b
}

func TestOffsetsAt(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	writer := producer(t, cluster.ListenAddrs(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for i := range 4 {
		r := &kgo.Record{Topic: "orders", Timestamp: noon.Add(time.Duration(i) * time.Minute)}
		if err := writer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	ask := []bifrost.TopicPartition{{Topic: "orders"}, {Topic: "orders", Partition: 1}, {Topic: "gone"}}
	for after, want := range map[time.Duration]int64{-time.Hour: 0, 0: 0, 61 * time.Second: 2, 3 * time.Minute: 3, time.Hour: 4} {
		answers, err := client.OffsetsAt(t.Context(), ask, noon.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if a := answers[ask[0]]; a.Err != nil || a.Offset != want {
			t.Errorf("%s after noon: %+v, want offset %d", after, a, want)
		}
		if a := answers[ask[1]]; a.Err != nil || a.Offset != 0 {
			t.Errorf("the empty partition: %+v", a)
		}
		if a := answers[ask[2]]; !errors.Is(a.Err, bifrost.ErrNotFound) {
			t.Errorf("the unknown topic: %+v", a)
		}
	}
}

func TestEpochEnds(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	first := cluster.PartitionInfo("orders", 0).Epoch
	cluster.ShufflePartitionLeaders()
	produce(t, cluster, "orders", 0, 3)
	tp, gone := bifrost.TopicPartition{Topic: "orders"}, bifrost.TopicPartition{Topic: "gone"}
	for epoch, want := range map[int32]int64{first: 5, first + 1: 8, first + 9: -1} {
		answers, err := client.EpochEnds(t.Context(), map[bifrost.TopicPartition]int32{tp: epoch, gone: 0})
		if err != nil {
			t.Fatal(err)
		}
		if a := answers[tp]; a.Err != nil || a.End != want {
			t.Errorf("epoch %d: %+v, want end %d", epoch, a, want)
		}
		if a := answers[gone]; !errors.Is(a.Err, bifrost.ErrNotFound) {
			t.Errorf("the unknown topic: %+v", a)
		}
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	names := []string{"orders", "gone"}
	for topic, configs := range map[string]map[string]string{
		"hour":    {"retention.ms": "3600000", "retention.bytes": "1000", "message.timestamp.type": "LogAppendTime"},
		"compact": {"cleanup.policy": "compact", "retention.ms": "3600000"},
		"both":    {"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "7"},
		"long":    {"retention.ms": "31536000000", "retention.bytes": "1099511627776"}, // a year and a terabyte: more than 32 bits
	} {
		if err := cluster.CreateTopic(topic, 1, configs); err != nil {
			t.Fatal(err)
		}
		names = append(names, topic)
	}
	answers, err := client.Retention(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]bifrost.Retention{
		"orders":  {Milliseconds: 604800000, Bytes: -1},
		"hour":    {Milliseconds: 3600000, Bytes: 1000, LogAppendTime: true},
		"compact": {Milliseconds: -1, Bytes: -1, Compacted: true},
		"both":    {Milliseconds: -1, Bytes: 7, Compacted: true},
		"long":    {Milliseconds: 365 * 24 * 3600 * 1000, Bytes: 1 << 40},
	} {
		if answers[topic] != want {
			t.Errorf("%s: %+v, want %+v", topic, answers[topic], want)
		}
	}
	if err := answers["gone"].Err; !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("gone: error %v", err)
	}
}

// TestNobodyAnswers asks everything of brokers that refuse connections, that
// accept and say nothing, and that close at once: each an error that names the
// brokers, in time.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"refused": closedPort(t),
		"silent":  listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }),
		"closing": listen(t, func(net.Conn) {}),
	} {
		client := connect(t, Config{Brokers: []string{address}})
		tp := bifrost.TopicPartition{Topic: "orders"}
		for call, ask := range map[string]func(context.Context) error{
			"Topics":    func(ctx context.Context) error { _, _, err := client.Topics(ctx); return err },
			"ClusterID": func(ctx context.Context) error { _, err := client.ClusterID(ctx); return err },
			"Find":      func(ctx context.Context) error { _, err := client.Find(ctx, []string{"orders"}); return err },
			"Offsets": func(ctx context.Context) error {
				_, err := client.Offsets(ctx, []bifrost.Topic{{Name: "orders", Partitions: []int32{0}}})
				return err
			},
			"OffsetsAt": func(ctx context.Context) error {
				_, err := client.OffsetsAt(ctx, []bifrost.TopicPartition{tp}, time.Now())
				return err
			},
			"EpochEnds": func(ctx context.Context) error {
				_, err := client.EpochEnds(ctx, map[bifrost.TopicPartition]int32{tp: 1})
				return err
			},
			"Retention": func(ctx context.Context) error { _, err := client.Retention(ctx, []string{"orders"}); return err },
			"Read": func(ctx context.Context) error {
				reading, err := client.Read(ctx, "orders", bifrost.TopicID{1}, 0, bifrost.Range{Start: 0, End: 1})
				if err != nil {
					return err
				}
				defer reading.Close()
				_, err = reading.Next(ctx)
				return err
			},
		} {
			t.Run(name+"/"+call, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				err := ask(context.Background())
				if err == nil || !strings.Contains(err.Error(), address) || errors.Is(err, bifrost.ErrNotFound) || errors.Is(err, io.EOF) && call == "Read" {
					t.Errorf("error %v, want one that names %s", err, address)
				}
				if took := time.Since(began); took > 10*testPatience {
					t.Errorf("took %s", took)
				}
			})
		}
	}
}

// TestContextEnds checks that a caller's own deadline comes first.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	silent := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	client, err := New(Config{Brokers: []string{silent}}) // with the patience of real life
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := client.Topics(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	cluster, anonymous := startCluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "archive", "password"))
	wrong := plain.Auth{User: "archive", Pass: "guess"}.AsMechanism()
	client := connect(t, Config{Brokers: cluster.ListenAddrs(), Options: []kgo.Opt{kgo.SASL(wrong)}})
	_, _, err := client.Topics(t.Context())
	if err == nil || !strings.Contains(err.Error(), cluster.ListenAddrs()[0]) || !strings.Contains(err.Error(), "SASL") {
		t.Errorf("wrong password: error %v", err)
	}
	if _, _, err := anonymous.Topics(t.Context()); err == nil || !strings.Contains(err.Error(), "SASL") {
		t.Errorf("no credentials: error %v", err)
	}
	encrypted := connect(t, Config{Brokers: cluster.ListenAddrs(), Security: Security{TLS: true}})
	if _, _, err := encrypted.Topics(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("TLS to a plain port: error %v", err)
	}
}

func TestNewWithoutBrokers(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); err == nil {
		t.Error("no error")
	}
}

// TestThaw has all connections die between two invocations, as those of a frozen
// function do: closed by the broker, and vanished without a word.
func TestThaw(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t)
	produce(t, cluster, "orders", 0, 5)
	network := new(network)
	client, err := newClient(Config{Brokers: cluster.ListenAddrs(), Options: []kgo.Opt{kgo.Dialer(network.dial)}}, 3*testPatience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	id := topicID(cluster, "orders")
	use := func() {
		t.Helper()
		if _, _, err := client.Topics(t.Context()); err != nil {
			t.Fatal(err)
		}
		if answers, err := client.Offsets(t.Context(), []bifrost.Topic{{Name: "orders", Partitions: []int32{0}}}); err != nil || answers[bifrost.TopicPartition{Topic: "orders"}].Err != nil {
			t.Fatal(err, answers)
		}
		mustRead(t, client, "orders", id, 0, bifrost.Range{Start: 0, End: 5})
	}
	use()
	before := network.dialled()
	use()
	if network.dialled() != before {
		t.Error("connections are not used again")
	}
	network.lose(func(c *conn) { c.Conn.Close() })
	use()
	network.lose(func(c *conn) { c.mute.Store(true) })
	use()
}

// closedPort is an address that refuses connections.
func closedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// listen accepts connections and serves each in a goroutine of its own.
func listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// network hands out connections and can lose them.
type network struct {
	mu    sync.Mutex
	conns []*conn
}

// conn is a connection that can turn into one whose other end has vanished: what
// is written gets lost, and nothing comes back.
type conn struct {
	net.Conn
	mute atomic.Bool
}

func (c *conn) Write(p []byte) (int, error) {
	if c.mute.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (n *network) dial(ctx context.Context, network, host string) (net.Conn, error) {
	dialled, err := new(net.Dialer).DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &conn{Conn: dialled}
	n.conns = append(n.conns, c)
	return c, nil
}

func (n *network) dialled() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns)
}

// lose does something to all connections there are.
func (n *network) lose(how func(*conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		how(c)
	}
}
