// How the archive describes itself as a cluster.

package gateway

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// nodeID is the one broker that there is for clients.
const nodeID = 1

// Operations that a client may be told it may do (Kafka's AclOperation, as bits).
const (
	mayReadAndDescribe = 1<<3 | 1<<8
	notAsked           = math.MinInt32
)

// named finds a topic by its name. A client that may not read it is not told whether
// there is one.
func (c *connection) named(list *topicList, name string) (*topic, *kerr.Error) {
	t := list.byName[name]
	switch {
	case t == nil && c.login.mayRead(name):
		return nil, kerr.UnknownTopicOrPartition
	case t != nil && c.login.mayRead(t.kafkaName):
		return t, nil
	}
	return nil, kerr.TopicAuthorizationFailed
}

// identified finds a topic by its ID.
func (c *connection) identified(list *topicList, id bifrost.TopicID) (*topic, *kerr.Error) {
	t := list.byID[id]
	switch {
	case t == nil:
		return nil, kerr.UnknownTopicID
	case !c.login.mayRead(t.kafkaName):
		return nil, kerr.TopicAuthorizationFailed
	}
	return t, nil
}

// visible are the topics that the client may read, in order of their names.
func (c *connection) visible(list *topicList) []*topic {
	var all []*topic
	for _, name := range slices.Sorted(maps.Keys(list.byName)) {
		if t := list.byName[name]; c.login.mayRead(t.kafkaName) {
			all = append(all, t)
		}
	}
	return all
}

func (c *connection) metadata(ctx context.Context, request *kmsg.MetadataRequest, _ *hold) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.MetadataResponse)
	node := kmsg.NewMetadataResponseBroker()
	node.NodeID, node.Host, node.Port = nodeID, c.host, c.port
	list := c.topics.fresh(ctx)
	response.Brokers = append(response.Brokers, node)
	response.ControllerID, response.ClusterID, response.AuthorizedOperations = nodeID, &list.clusterID, notAsked
	if request.Topics == nil || request.Version == 0 && len(request.Topics) == 0 {
		for _, t := range c.visible(list) {
			response.Topics = append(response.Topics, describe(t, request.IncludeTopicAuthorizedOperations))
		}
		return response, nil
	}
	for _, asked := range request.Topics {
		t, problem := (*topic)(nil), kerr.UnknownTopicID
		if asked.Topic != nil {
			t, problem = c.named(list, *asked.Topic)
		} else if asked.TopicID != [16]byte{} {
			t, problem = c.identified(list, asked.TopicID)
		}
		if problem == nil {
			response.Topics = append(response.Topics, describe(t, request.IncludeTopicAuthorizedOperations))
			continue
		}
		unknown := kmsg.NewMetadataResponseTopic()
		unknown.Topic, unknown.TopicID = asked.Topic, asked.TopicID
		unknown.ErrorCode, unknown.AuthorizedOperations = problem.Code, notAsked
		if unknown.Topic == nil && request.Version < 12 {
			unknown.Topic = new(string)
		}
		response.Topics = append(response.Topics, unknown)
	}
	return response, nil
}

// describe says of a topic what clients want to know. Leader epochs are unknown: the
// archive has one for each range, and clients would look for truncations by them.
func describe(t *topic, operations bool) kmsg.MetadataResponseTopic {
	described := kmsg.NewMetadataResponseTopic()
	described.Topic, described.TopicID, described.AuthorizedOperations = &t.name, t.id, notAsked
	described.IsInternal = t.kafkaName == "__consumer_offsets" || t.kafkaName == "__transaction_state"
	if operations {
		described.AuthorizedOperations = mayReadAndDescribe
	}
	for _, p := range t.sorted() {
		one := kmsg.NewMetadataResponseTopicPartition()
		one.Partition, one.Leader, one.LeaderEpoch = p.name.Number, nodeID, -1
		one.Replicas, one.ISR, one.OfflineReplicas = []int32{nodeID}, []int32{nodeID}, []int32{}
		described.Partitions = append(described.Partitions, one)
	}
	return described
}

func (c *connection) describeCluster(
	ctx context.Context, request *kmsg.DescribeClusterRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.DescribeClusterResponse)
	node := kmsg.NewDescribeClusterResponseBroker()
	node.NodeID, node.Host, node.Port = nodeID, c.host, c.port
	response.Brokers = append(response.Brokers, node)
	response.ControllerID, response.ClusterID = nodeID, c.topics.fresh(ctx).clusterID
	response.ClusterAuthorizedOperations, response.EndpointType = notAsked, 1
	if request.Version >= 1 && request.EndpointType != 1 {
		response.ErrorCode = kerr.UnsupportedEndpointType.Code
	}
	return response, nil
}

// mostDescribed bounds the partitions of one answer, as brokers do
// (max.request.partition.size.limit).
const mostDescribed = 2000

func (c *connection) describeTopicPartitions(
	ctx context.Context, request *kmsg.DescribeTopicPartitionsRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	list := c.topics.fresh(ctx)
	var names []string
	for _, asked := range request.Topics {
		names = append(names, asked.Topic)
	}
	if len(names) == 0 {
		for _, t := range c.visible(list) {
			names = append(names, t.name)
		}
	}
	slices.Sort(names)
	left := mostDescribed
	if request.ResponsePartitionLimit > 0 {
		left = min(left, int(request.ResponsePartitionLimit))
	}
	for _, name := range slices.Compact(names) {
		if request.Cursor != nil && name < request.Cursor.Topic {
			continue
		}
		from := int32(0)
		if request.Cursor != nil && name == request.Cursor.Topic {
			from = request.Cursor.Partition
		}
		one := kmsg.NewDescribeTopicPartitionsResponseTopic()
		one.Topic, one.AuthorizedOperations = kmsg.StringPtr(name), notAsked
		t, problem := c.named(list, name)
		if problem != nil {
			one.ErrorCode = problem.Code
			response.Topics = append(response.Topics, one)
			continue
		}
		one.TopicID = t.id
		for _, p := range t.sorted() {
			if p.name.Number < from {
				continue
			}
			if left--; left < 0 {
				next := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
				next.Topic, next.Partition = name, p.name.Number
				response.NextCursor = &next
				break
			}
			one.Partitions = append(one.Partitions, describePartition(p))
		}
		response.Topics = append(response.Topics, one)
		if response.NextCursor != nil {
			break
		}
	}
	return response, nil
}

func describePartition(p *partition) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	one := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	one.Partition, one.LeaderID, one.LeaderEpoch = p.name.Number, nodeID, -1
	one.Replicas, one.ISR, one.OfflineReplicas = []int32{nodeID}, []int32{nodeID}, []int32{}
	one.EligibleLeaderReplicas, one.LastKnownELR = []int32{}, []int32{}
	return one
}

// describeConfigs knows of no settings: they are the cluster's, not the archive's. The
// captures have them.
func (c *connection) describeConfigs(
	ctx context.Context, request *kmsg.DescribeConfigsRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for _, asked := range request.Resources {
		one := kmsg.NewDescribeConfigsResponseResource()
		one.ResourceType, one.ResourceName = asked.ResourceType, asked.ResourceName
		one.Configs = []kmsg.DescribeConfigsResponseResourceConfig{}
		if asked.ResourceType == kmsg.ConfigResourceTypeTopic {
			if _, problem := c.named(c.topics.fresh(ctx), asked.ResourceName); problem != nil {
				one.ErrorCode = problem.Code
			}
		}
		response.Resources = append(response.Resources, one)
	}
	return response, nil
}
