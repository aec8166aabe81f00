package gateway

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refusal is what a producer is told, as far as clients show it.
var refusal = "this is bifrost serve, which reads an archive: nothing can be written to it"

// refuseProduce refuses each partition. Who waits for no answer gets none: nil ends the
// connection, as brokers do it.
func refuseProduce(request *kmsg.ProduceRequest) kmsg.Response {
	if request.Acks == 0 {
		return nil
	}
	response := request.ResponseKind().(*kmsg.ProduceResponse)
	for _, asked := range request.Topics {
		one := kmsg.NewProduceResponseTopic()
		one.Topic = asked.Topic
		for _, p := range asked.Partitions {
			refused := kmsg.NewProduceResponseTopicPartition()
			refused.Partition, refused.BaseOffset = p.Partition, -1
			refused.ErrorCode, refused.ErrorMessage = kerr.TopicAuthorizationFailed.Code, &refusal
			one.Partitions = append(one.Partitions, refused)
		}
		response.Topics = append(response.Topics, one)
	}
	return response
}

func refuseInitProducerID(request *kmsg.InitProducerIDRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ErrorCode, response.ProducerID, response.ProducerEpoch = kerr.ClusterAuthorizationFailed.Code, -1, -1
	if request.TransactionalID != nil {
		response.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
	}
	return response
}

// noGroups is the answer to whoever would join a group: there is no coordinator without
// a live cluster. Clients show it immediately, and an assign is not disturbed.
var noGroups = kerr.GroupAuthorizationFailed.Code

// findCoordinator names this node: clients that are refused here try for long.
func (c *connection) findCoordinator(
	_ context.Context, request *kmsg.FindCoordinatorRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.FindCoordinatorResponse)
	problem := int16(0)
	if request.CoordinatorType != 0 {
		problem = kerr.TransactionalIDAuthorizationFailed.Code
	}
	response.NodeID, response.Host, response.Port, response.ErrorCode = nodeID, c.host, c.port, problem
	for _, key := range request.CoordinatorKeys {
		one := kmsg.NewFindCoordinatorResponseCoordinator()
		one.Key, one.NodeID, one.Host, one.Port, one.ErrorCode = key, nodeID, c.host, c.port, problem
		response.Coordinators = append(response.Coordinators, one)
	}
	return response, nil
}

func refuseJoinGroup(request *kmsg.JoinGroupRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.JoinGroupResponse)
	response.ErrorCode, response.Generation, response.MemberID = noGroups, -1, request.MemberID
	response.Protocol = new(string) // cannot be null below version 7
	return response
}

func refuseSyncGroup(request *kmsg.SyncGroupRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.SyncGroupResponse)
	response.ErrorCode, response.MemberAssignment = noGroups, []byte{}
	return response
}

func refuseHeartbeat(request *kmsg.HeartbeatRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.HeartbeatResponse)
	response.ErrorCode = noGroups
	return response
}

func refuseLeaveGroup(request *kmsg.LeaveGroupRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.LeaveGroupResponse)
	response.ErrorCode = noGroups
	return response
}

func refuseOffsetCommit(request *kmsg.OffsetCommitRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, asked := range request.Topics {
		one := kmsg.NewOffsetCommitResponseTopic()
		one.Topic = asked.Topic
		for _, p := range asked.Partitions {
			refused := kmsg.NewOffsetCommitResponseTopicPartition()
			refused.Partition, refused.ErrorCode = p.Partition, noGroups
			one.Partitions = append(one.Partitions, refused)
		}
		response.Topics = append(response.Topics, one)
	}
	return response
}

// answerOffsetFetch says that no position was committed, which is true of every group:
// a consumer that has a group.id and assigns its partitions asks before it begins.
func answerOffsetFetch(request *kmsg.OffsetFetchRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.OffsetFetchResponse)
	for _, asked := range request.Topics {
		one := kmsg.NewOffsetFetchResponseTopic()
		one.Topic = asked.Topic
		for _, number := range asked.Partitions {
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = number, -1, -1, new(string)
			one.Partitions = append(one.Partitions, p)
		}
		response.Topics = append(response.Topics, one)
	}
	for _, group := range request.Groups {
		answered := kmsg.NewOffsetFetchResponseGroup()
		answered.Group = group.Group
		for _, asked := range group.Topics {
			one := kmsg.NewOffsetFetchResponseGroupTopic()
			one.Topic = asked.Topic
			for _, number := range asked.Partitions {
				p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = number, -1, -1, new(string)
				one.Partitions = append(one.Partitions, p)
			}
			answered.Topics = append(answered.Topics, one)
		}
		response.Groups = append(response.Groups, answered)
	}
	return response
}

func refuseDescribeGroups(request *kmsg.DescribeGroupsRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, group := range request.Groups {
		one := kmsg.NewDescribeGroupsResponseGroup()
		one.Group, one.ErrorCode, one.AuthorizedOperations = group, noGroups, notAsked
		response.Groups = append(response.Groups, one)
	}
	return response
}

func answerListGroups(request *kmsg.ListGroupsRequest) kmsg.Response {
	return request.ResponseKind()
}
