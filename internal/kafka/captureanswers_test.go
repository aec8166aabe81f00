package kafka

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// What brokers answer is read here without any: on Kafka itself no broker gives some of it.

func TestPositionsOfAnAnswer(t *testing.T) {
	t.Parallel()
	metadata := "m"
	group := kmsg.OffsetFetchResponseGroup{Group: "g", Topics: []kmsg.OffsetFetchResponseGroupTopic{
		{Topic: "orders", Partitions: []kmsg.OffsetFetchResponseGroupTopicPartition{
			{Partition: 3, Offset: 0, LeaderEpoch: 5, Metadata: &metadata}, {Partition: 1, Offset: -1, LeaderEpoch: -1},
			{Partition: 2, Offset: 1 << 40, LeaderEpoch: -1}, {Partition: 4, ErrorCode: kerr.TopicAuthorizationFailed.Code},
		}},
		{TopicID: [16]byte{15: 7}, Partitions: []kmsg.OffsetFetchResponseGroupTopicPartition{{Partition: 0, Offset: 9, LeaderEpoch: 1}}},
	}}
	answer := committedOf(&group)
	want := map[string][]capture.Committed{
		"orders": {{Partition: 3, Offset: 0, LeaderEpoch: 5, Metadata: &metadata}, {Partition: 2, Offset: 1 << 40, LeaderEpoch: -1}},
		"topic ID 00000000000000000000000000000007": {{Partition: 0, Offset: 9, LeaderEpoch: 1}},
	}
	if answer.Err != nil || !reflect.DeepEqual(answer.Offsets, want) {
		t.Errorf("%+v, want %+v", answer, want)
	}
	if len(answer.Missing) != 1 || answer.Missing[0].Name != "orders/4" || !errors.Is(answer.Missing[0].Err, capture.ErrDenied) {
		t.Errorf("missing %+v", answer.Missing)
	}
	group.ErrorCode = kerr.GroupAuthorizationFailed.Code
	if answer := committedOf(&group); !errors.Is(answer.Err, capture.ErrDenied) || answer.Offsets != nil {
		t.Errorf("%+v, want that nothing was told", answer)
	}
}

func TestSettingsOfAnAnswer(t *testing.T) {
	t.Parallel()
	value := func(text string) *string { return &text }
	own, inherited := settingsOf(&kmsg.DescribeConfigsResponseResource{Configs: []kmsg.DescribeConfigsResponseResourceConfig{
		{Name: "own", Value: value("1"), Source: kmsg.ConfigSourceDynamicTopicConfig},
		{Name: "brokers", Value: value("2"), Source: kmsg.ConfigSourceStaticBrokerConfig},
		{Name: "default", Value: value("3"), Source: kmsg.ConfigSourceDefaultConfig},
		{Name: "default of old brokers", Value: value("4"), Source: kmsg.ConfigSourceStaticBrokerConfig, IsDefault: true},
		{Name: "secret", Value: value("5"), Source: kmsg.ConfigSourceDynamicTopicConfig, IsSensitive: true},
		{Name: "null", Source: kmsg.ConfigSourceDynamicTopicConfig},
	}}, isOfTopic)
	if got := fmt.Sprint(own, inherited); got != "map[null: own:1 secret:] map[brokers:2]" {
		t.Errorf("%s", got)
	}
}

func TestReplicasOfAnAnswer(t *testing.T) {
	t.Parallel()
	got := replicasOf(&kmsg.MetadataResponseTopic{Partitions: []kmsg.MetadataResponseTopicPartition{
		{Partition: 2, Replicas: []int32{3}}, {Partition: 0, Replicas: []int32{1, 2}}, {Partition: 7, Replicas: []int32{9}}, {Partition: -1},
	}})
	if fmt.Sprint(got) != "[[1 2] [] [3] []]" {
		t.Errorf("%v", got)
	}
}

func TestMeaningOfRefusals(t *testing.T) {
	t.Parallel()
	for err, want := range map[*kerr.Error]error{
		kerr.TopicAuthorizationFailed: capture.ErrDenied, kerr.GroupAuthorizationFailed: capture.ErrDenied, kerr.ClusterAuthorizationFailed: capture.ErrDenied,
		kerr.TransactionalIDAuthorizationFailed: capture.ErrDenied,
		kerr.SecurityDisabled:                   capture.ErrNone, kerr.UnsupportedVersion: capture.ErrNone, kerr.CoordinatorNotAvailable: nil,
	} {
		got := captureError(fmt.Errorf("broker 1: %w", err))
		for _, meaning := range []error{capture.ErrDenied, capture.ErrNone} {
			if errors.Is(got, meaning) != (meaning == want) {
				t.Errorf("%v is %v, want %v", err, got, want)
			}
		}
		if !errors.Is(got, err) {
			t.Errorf("%v does not tell %v", got, err)
		}
	}
	if captureError(nil) != nil {
		t.Error("no error is one")
	}
	describe := int32(1) << kmsg.ACLOperationDescribe
	for operations, want := range map[int32]bool{describe: true, describe | 1<<kmsg.ACLOperationRead: true, 1 << kmsg.ACLOperationRead: false, 0: false, math.MinInt32: false} {
		if mayDescribe(operations) != want {
			t.Errorf("operations %#x: %v, want %v", operations, !want, want)
		}
	}
}

func TestWhichErrorsEndAFetch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"outside of the log":      {&bifrost.OutOfRangeError{}, true},
		"another topic":           {fmt.Errorf("x: %w", bifrost.ErrWrongTopicID), false},
		"no such topic":           {errorOf(kerr.UnknownTopicOrPartition.Code), false},
		"a leader that has moved": {kerr.NotLeaderForPartition, false},
		"no right to read":        {kerr.TopicAuthorizationFailed, true},
		"a damaged batch":         {kerr.CorruptMessage, false}, // in the network, as far as the client knows
		"a connection":            {errors.New("connection reset"), false},
	} {
		if final(c.err) != c.want {
			t.Errorf("%s: final %v, want %v", name, !c.want, c.want)
		}
	}
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset = 12, 7
	if lastStable(&p) != 7 {
		t.Errorf("last stable offset %d", lastStable(&p))
	}
	if p.LastStableOffset = -1; lastStable(&p) != 12 { // of brokers without transactions
		t.Errorf("last stable offset %d, want the high watermark", lastStable(&p))
	}
}

// Each word about a group stands in its place: which groups can be put back is told by their type.
func TestWordsOfAGroup(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.NumBrokers(1))
	intercept(cluster, kmsg.ListGroups, func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.ListGroupsResponse)
		group := kmsg.NewListGroupsResponseGroup()
		group.Group, group.ProtocolType, group.GroupState, group.GroupType = "orders-reader", "connect", "Stable", "classic"
		response.Groups = append(response.Groups, group)
		return response
	})
	groups, _, err := client.Groups(t.Context())
	want := capture.Group{Name: "orders-reader", Type: "classic", ProtocolType: "connect", State: "Stable"}
	if err != nil || len(groups) != 1 || !reflect.DeepEqual(groups[0], want) {
		t.Errorf("%+v, %v; want %+v", groups, err, want)
	}
}

// The topics of Kafka itself are in no capture, and so none of them is missing when it may not be seen.
func TestInternalTopicsAreNotMissed(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.NumBrokers(1))
	brokers := brokersOf(cluster, 0)
	intercept(cluster, kmsg.Metadata, func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		response.Brokers = brokers
		for _, asked := range request.(*kmsg.MetadataRequest).Topics {
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.ErrorCode = asked.Topic, kerr.TopicAuthorizationFailed.Code
			response.Topics = append(response.Topics, topic)
		}
		return response
	})
	suspects := append([]string{"secret"}, internalTopics...)
	hidden, err := client.HiddenTopics(t.Context(), suspects, func(name string) bool { return name == "orders" }) // the seeded one
	if err != nil || len(hidden) != 1 || !errors.Is(hidden["secret"], capture.ErrDenied) {
		t.Errorf("hidden %v, %v; want the one topic of somebody", hidden, err)
	}
}

// An answer that lists no brokers leaves nobody to ask: a topic that nobody was asked for is not deleted.
func TestNobodyToAskForATopic(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.NumBrokers(1))
	intercept(cluster, kmsg.Metadata, func(request kmsg.Request) kmsg.Response {
		return request.ResponseKind()
	})
	if answers, err := client.Find(t.Context(), []string{"orders"}); err == nil {
		t.Errorf("%+v, want an error", answers)
	}
}
