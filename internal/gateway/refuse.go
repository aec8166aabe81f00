// How requests are refused that would write something.

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

// initProducerID refuses transactions. An idempotent producer, which most are by default, gets an ID, the same as
// all others, for nothing of it is ever written: its first record is refused with the name of the topic and a
// sentence. Without an ID clients say that they lack rights on the cluster, and kafka-python KafkaError alone.
func initProducerID(request *kmsg.InitProducerIDRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ProducerID, response.ProducerEpoch = 0, 0
	if request.TransactionalID != nil {
		response.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		response.ProducerID, response.ProducerEpoch = -1, -1
	}
	return response
}

// findCoordinator names this node: clients that are refused here try for long.
func (c *connection) findCoordinator(
	_ context.Context, request *kmsg.FindCoordinatorRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.FindCoordinatorResponse)
	problem := int16(0)
	if request.CoordinatorType != 0 {
		problem = kerr.TransactionalIDAuthorizationFailed.Code
	} else if c.live != nil { // who asks has been told that it is another broker
		for _, group := range append(request.CoordinatorKeys, request.CoordinatorKey) {
			c.live.coordinatorMoved(group)
		}
	}
	response.NodeID, response.Host, response.Port, response.ErrorCode = nodeID, c.host, c.port, problem
	for _, key := range request.CoordinatorKeys {
		one := kmsg.NewFindCoordinatorResponseCoordinator()
		one.Key, one.NodeID, one.Host, one.Port, one.ErrorCode = key, nodeID, c.host, c.port, problem
		response.Coordinators = append(response.Coordinators, one)
	}
	return response, nil
}

func refuseJoinGroup(request *kmsg.JoinGroupRequest, code int16) kmsg.Response {
	response := request.ResponseKind().(*kmsg.JoinGroupResponse)
	response.ErrorCode, response.Generation, response.MemberID = code, -1, request.MemberID
	response.Protocol = new(string) // cannot be null below version 7
	return response
}

func refuseSyncGroup(request *kmsg.SyncGroupRequest, code int16) kmsg.Response {
	response := request.ResponseKind().(*kmsg.SyncGroupResponse)
	response.ErrorCode, response.MemberAssignment = code, []byte{}
	return response
}

func refuseHeartbeat(request *kmsg.HeartbeatRequest, code int16) kmsg.Response {
	response := request.ResponseKind().(*kmsg.HeartbeatResponse)
	response.ErrorCode = code
	return response
}

func refuseLeaveGroup(request *kmsg.LeaveGroupRequest, code int16) kmsg.Response {
	response := request.ResponseKind().(*kmsg.LeaveGroupResponse)
	response.ErrorCode = code
	return response
}

func refuseDescribeGroup(group string, code int16) kmsg.DescribeGroupsResponseGroup {
	one := kmsg.NewDescribeGroupsResponseGroup()
	one.Group, one.ErrorCode, one.AuthorizedOperations = group, code, notAsked
	return one
}
