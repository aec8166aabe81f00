package localservices

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A topic is there for a program that is started next, also where a broker hears of it late.
func TestTopicsAreKnownOnceTheyAreMade(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var late atomic.Int32
	cluster.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		request := r.(*kmsg.MetadataRequest)
		if len(request.Topics) != 1 || cluster.CurrentNode() != 1 || late.Add(1) > 2 {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.ErrorCode = request.Topics[0].Topic, kerr.UnknownTopicOrPartition.Code
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := CreateTopic(t.Context(), client, "orders", 3, 1, nil); err != nil {
		t.Fatal(err)
	}
	if asked := late.Load(); asked != 3 {
		t.Errorf("the broker that hears of the topic late was asked %d times, want 3", asked)
	}
	if _, err := CreateTopic(t.Context(), client, "orders", 3, 1, nil); err == nil {
		t.Error("a topic that is there was made again")
	}
}
