package kafka

import (
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// TestTimesOfFetchesAreMilliseconds: how long a broker wants to be left alone, and how
// long it may hold an answer back, are milliseconds by the protocol.
func TestTimesOfFetchesAreMilliseconds(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t)
	var held int32
	intercept(cluster, kmsg.Fetch, func(request kmsg.Request) kmsg.Response {
		held = request.(*kmsg.FetchRequest).MaxWaitMillis
		response := request.ResponseKind().(*kmsg.FetchResponse)
		response.ThrottleMillis = 1500
		return response
	})
	f := &fetcher{client: client, topic: "orders", id: topicID(cluster, "orders"), end: 5, leader: -1, epoch: -1, replica: -1}
	if err := f.locateLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.askLeader(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if f.throttle != 1500*time.Millisecond || held != int32(client.maxWait/time.Millisecond) {
		t.Errorf("left alone for %s, want 1.5s; an answer held back for %d ms, want %s", f.throttle, held, client.maxWait)
	}
}

// TestFindAsksWhomAnyBrokerLists: a broker that only one of the others has heard of
// is asked, whatever the answers of the rest.
func TestFindAsksWhomAnyBrokerLists(t *testing.T) {
	t.Parallel()
	for _, knows := range []int32{0, 1} { // of the brokers that the first answer lists
		cluster, _ := startCluster(t, kfake.NumBrokers(3))
		client := connect(t, Config{Brokers: cluster.ListenAddrs()[1-knows : 2-knows]})
		want := bifrost.TopicID{9}
		cluster.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if len(request.(*kmsg.MetadataRequest).Topics) == 0 {
				return nil, nil, false
			}
			nodes := []int32{0, 1}
			if cluster.CurrentNode() == knows {
				nodes = append(nodes, 2)
			}
			response := request.ResponseKind().(*kmsg.MetadataResponse)
			response.Brokers = brokersOf(cluster, nodes...)
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.ErrorCode = kmsg.StringPtr("late"), kerr.UnknownTopicOrPartition.Code
			if cluster.CurrentNode() == 2 {
				topic.ErrorCode, topic.TopicID = 0, want
			}
			response.Topics = append(response.Topics, topic)
			return response, nil, true
		})
		answers, err := client.Find(t.Context(), []string{"late"})
		if a := answers["late"]; err != nil || a.Err != nil || !slices.Equal(a.IDs, []bifrost.TopicID{want}) {
			t.Errorf("broker %d knows of the third: %+v, %v", knows, a, err)
		}
	}
}

// brokersOf is how an answer lists some of the brokers.
func brokersOf(cluster *kfake.Cluster, nodes ...int32) (brokers []kmsg.MetadataResponseBroker) {
	for _, node := range nodes {
		broker := kmsg.NewMetadataResponseBroker()
		host, port, _ := net.SplitHostPort(cluster.ListenAddrs()[node])
		number, _ := strconv.ParseInt(port, 10, 32)
		broker.NodeID, broker.Host, broker.Port = node, host, int32(number)
		brokers = append(brokers, broker)
	}
	return brokers
}
