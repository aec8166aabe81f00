// Which requests are answered, in which versions.

package gateway

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// An offer is a kind of request that is answered, in the versions [least, most].
type offer struct {
	least, most int16
	beforeLogin bool // also of a client that has not said who it is
	ofGroup     bool // answered by the live cluster, if there is one
	answer      answerer[kmsg.Request]
}

// An answerer answers one kind of request. The memory of a large answer is held until
// it is sent. An error ends the connection.
type answerer[Request kmsg.Request] func(
	c *connection, ctx context.Context, r Request, held *hold,
) (kmsg.Response, error)

// offers are all of them. The greatest versions are those that were tried, not simply
// kmsg's: a new one may mean something that nobody has read. Groups whose assignments
// the server makes (KIP-848, KIP-932, KIP-1071) are left out, and so is everything that
// changes a cluster; clients then say that the broker does not support it. Produce is
// offered, because librdkafka derives the message format from it, and refused.
var offers map[int16]offer

func init() { // refers to itself by way of ApiVersions
	offers = map[int16]offer{
		int16(kmsg.Produce):                 answered(3, 11, refuseProduce),
		int16(kmsg.Fetch):                   offered(4, 16, (*connection).fetch),
		int16(kmsg.ListOffsets):             offered(1, 9, (*connection).listOffsets),
		int16(kmsg.Metadata):                offered(0, 13, (*connection).metadata),
		int16(kmsg.OffsetCommit):            aboutGroup(offered(2, 9, (*connection).offsetCommit)),
		int16(kmsg.OffsetFetch):             aboutGroup(offered(1, 9, (*connection).offsetFetch)),
		int16(kmsg.FindCoordinator):         offered(0, 6, (*connection).findCoordinator),
		int16(kmsg.JoinGroup):               aboutGroup(offered(0, 9, (*connection).joinGroup)),
		int16(kmsg.Heartbeat):               aboutGroup(offered(0, 4, (*connection).heartbeat)),
		int16(kmsg.LeaveGroup):              aboutGroup(offered(0, 5, (*connection).leaveGroup)),
		int16(kmsg.SyncGroup):               aboutGroup(offered(0, 5, (*connection).syncGroup)),
		int16(kmsg.DescribeGroups):          aboutGroup(offered(0, 5, (*connection).describeGroups)),
		int16(kmsg.ListGroups):              offered(0, 4, (*connection).listGroups),
		int16(kmsg.InitProducerID):          answered(0, 4, initProducerID),
		int16(kmsg.OffsetForLeaderEpoch):    offered(2, 4, (*connection).offsetForLeaderEpoch),
		int16(kmsg.DescribeConfigs):         offered(1, 4, (*connection).describeConfigs),
		int16(kmsg.DescribeCluster):         offered(0, 2, (*connection).describeCluster),
		int16(kmsg.DescribeTopicPartitions): offered(0, 0, (*connection).describeTopicPartitions),
		int16(kmsg.ApiVersions):             first(offered(0, 4, (*connection).apiVersions)),
		int16(kmsg.SASLHandshake):           first(offered(0, 1, (*connection).saslHandshake)),
		// 2 has tags, and is read before the login
		int16(kmsg.SASLAuthenticate): first(offered(0, 1, (*connection).saslAuthenticate)),
	}
}

func aboutGroup(o offer) offer {
	o.ofGroup = true
	return o
}

func first(o offer) offer {
	o.beforeLogin = true
	return o
}

// offered gives an answer to one kind of request the form that all have.
func offered[Request kmsg.Request](least, most int16, answer answerer[Request]) offer {
	return offer{least: least, most: most, answer: func(
		c *connection, ctx context.Context, r kmsg.Request, held *hold,
	) (kmsg.Response, error) {
		return answer(c, ctx, r.(Request), held)
	}}
}

// answered is offered for what needs nothing but the request. A nil answer ends the
// connection.
func answered[Request kmsg.Request](least, most int16, answer func(Request) kmsg.Response) offer {
	return offered(least, most, func(_ *connection, _ context.Context, r Request, _ *hold) (kmsg.Response, error) {
		if response := answer(r); response != nil {
			return response, nil
		}
		return nil, errBye
	})
}

// apiVersions says what is offered. A client that asks in a version of the future is
// answered in the first one (KIP-511).
func (c *connection) apiVersions(
	_ context.Context, request *kmsg.ApiVersionsRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.ApiVersionsResponse)
	if request.Version < 0 || request.Version > offers[request.Key()].most {
		response.SetVersion(0)
		response.ErrorCode = kerr.UnsupportedVersion.Code
	}
	for _, key := range slices.Sorted(maps.Keys(c.offers)) {
		one := kmsg.NewApiVersionsResponseApiKey()
		one.ApiKey, one.MinVersion, one.MaxVersion = key, c.offers[key].least, c.offers[key].most
		response.ApiKeys = append(response.ApiKeys, one)
	}
	return response, nil
}
