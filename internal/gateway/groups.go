// How requests of consumer groups are passed on to the live cluster.

package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Codes of what clients are told about groups. The first one all clients show at once;
// at the second they look for the coordinator again.
var (
	groupRefused  = kerr.GroupAuthorizationFailed.Code
	noCoordinator = kerr.CoordinatorNotAvailable.Code
)

// mayUse is the error code for a client that may not use a group; 0 for one that may.
// Without a live cluster there is no coordinator.
func (c *connection) mayUse(group string) int16 {
	if c.live == nil || !c.login.mayUse(group) {
		return groupRefused
	}
	return 0
}

// askedOr is the coordinator's answer, or a refusal that makes the client ask again.
func (c *connection) askedOr(
	ctx context.Context, group string, request kmsg.Request, waits int32, refused func(code int16) kmsg.Response,
) (kmsg.Response, error) {
	if code := c.mayUse(group); code != 0 {
		return refused(code), nil
	}
	response, err := c.ask(ctx, group, request, waits)
	if err != nil {
		c.losses.unreachable(group, err)
		return refused(noCoordinator), nil
	}
	return response, nil
}

func (c *connection) joinGroup(ctx context.Context, request *kmsg.JoinGroupRequest, _ *hold) (kmsg.Response, error) {
	refused := func(code int16) kmsg.Response { return refuseJoinGroup(request, code) }
	if code := c.mayUse(request.Group); code != 0 {
		return refused(code), nil
	}
	foreign, err := c.foreignMembers(ctx, request.Group)
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		err = fmt.Errorf("the live cluster does not let this gateway describe the group: %w", err)
		c.losses.unreachable(request.Group, err)
		return refused(groupRefused), nil
	case err != nil:
		c.live.coordinatorMoved(request.Group)
		c.losses.unreachable(request.Group, err)
		return refused(noCoordinator), nil
	case len(foreign) > 0 && !bifrost.MatchesAny(c.live.Groups, request.Group):
		c.losses.inUse(request.Group, foreign)
		return refused(groupRefused), nil
	}
	c.rebalance = rebalanceTime(request)
	return c.askedOr(ctx, request.Group, request, c.rebalance, refused)
}

// rebalanceTime is how many milliseconds the coordinator may wait for other members before it
// answers. Version 0 has the session timeout alone, which stands for both.
func rebalanceTime(request *kmsg.JoinGroupRequest) int32 {
	return max(request.SessionTimeoutMillis, request.RebalanceTimeoutMillis)
}

func (c *connection) syncGroup(ctx context.Context, request *kmsg.SyncGroupRequest, _ *hold) (kmsg.Response, error) {
	refused := func(code int16) kmsg.Response { return refuseSyncGroup(request, code) }
	return c.askedOr(ctx, request.Group, request, c.rebalance, refused)
}

func (c *connection) heartbeat(ctx context.Context, request *kmsg.HeartbeatRequest, _ *hold) (kmsg.Response, error) {
	refused := func(code int16) kmsg.Response { return refuseHeartbeat(request, code) }
	return c.askedOr(ctx, request.Group, request, 0, refused)
}

// leaveGroup lets members leave that came through a gateway: somebody's tool may ask to
// remove others.
func (c *connection) leaveGroup(ctx context.Context, request *kmsg.LeaveGroupRequest, _ *hold) (kmsg.Response, error) {
	refused := func(code int16) kmsg.Response { return refuseLeaveGroup(request, code) }
	if code := c.mayUse(request.Group); code != 0 {
		return refused(code), nil
	}
	foreign, err := c.foreignMembers(ctx, request.Group)
	if err != nil {
		c.losses.unreachable(request.Group, err)
		return refused(noCoordinator), nil
	}
	leaving := append(request.Members, kmsg.LeaveGroupRequestMember{MemberID: request.MemberID})
	for _, one := range leaving {
		for _, other := range foreign {
			if one.MemberID == other.id || one.InstanceID != nil && *one.InstanceID == other.instance {
				c.losses.inUse(request.Group, foreign)
				return refused(groupRefused), nil
			}
		}
	}
	return c.askedOr(ctx, request.Group, request, 0, refused)
}

// member is one of a group.
type member struct{ id, instance, clientID, host string }

// foreignMembers are those of a group that came through no gateway. Both kinds of
// groups can have some: the coordinator lets members of the old protocol join a group
// of the new one (KIP-848).
func (c *connection) foreignMembers(ctx context.Context, group string) ([]member, error) {
	node, err := c.live.coordinator(ctx, group)
	if err != nil {
		return nil, err
	}
	all, err := c.live.members(ctx, node, group)
	if err != nil {
		return nil, err
	}
	var foreign []member
	for _, m := range all {
		if !strings.HasPrefix(m.clientID, memberClientID) {
			foreign = append(foreign, m)
		}
	}
	return foreign, nil
}

func (l *live) members(ctx context.Context, node int32, group string) (all []member, err error) {
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = []string{group}
	response, err := l.shared.Broker(int(node)).Request(ctx, request)
	if err != nil {
		return nil, err
	}
	for _, g := range response.(*kmsg.DescribeGroupsResponse).Groups {
		if err := errorOf(g.ErrorCode); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, err
		}
		for _, m := range g.Members {
			all = append(all, member{m.MemberID, deref(m.InstanceID), m.ClientID, m.ClientHost})
		}
	}
	if len(all) > 0 || !l.describesConsumers {
		return all, nil
	}
	consumers := kmsg.NewPtrConsumerGroupDescribeRequest()
	consumers.Groups = []string{group}
	if response, err = l.shared.Broker(int(node)).Request(ctx, consumers); err != nil {
		return nil, err
	}
	for _, g := range response.(*kmsg.ConsumerGroupDescribeResponse).Groups {
		if err := errorOf(g.ErrorCode); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, err
		}
		for _, m := range g.Members {
			all = append(all, member{m.MemberID, deref(m.InstanceID), m.ClientID, m.ClientHost})
		}
	}
	return all, nil
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// describeGroups asks for one group after another: each may have another coordinator.
func (c *connection) describeGroups(
	ctx context.Context, request *kmsg.DescribeGroupsRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, group := range request.Groups {
		code := c.mayUse(group)
		if code == 0 {
			one := *request
			one.Groups = []string{group}
			described, err := c.ask(ctx, group, &one, 0)
			if err == nil {
				response.Groups = append(response.Groups, described.(*kmsg.DescribeGroupsResponse).Groups...)
				continue
			}
			c.losses.unreachable(group, err)
			code = noCoordinator
		}
		response.Groups = append(response.Groups, refuseDescribeGroup(group, code))
	}
	return response, nil
}

// listGroups lists the groups that the client may use.
func (c *connection) listGroups(ctx context.Context, request *kmsg.ListGroupsRequest, _ *hold) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.ListGroupsResponse)
	if c.live == nil {
		return response, nil
	}
	forwarded := kmsg.NewPtrListGroupsRequest()
	forwarded.StatesFilter = request.StatesFilter
	listed, err := forwarded.RequestWith(ctx, c.live.shared)
	if err != nil {
		c.losses.unreachable("", err)
		response.ErrorCode = noCoordinator
		return response, nil
	}
	response.ErrorCode = listed.ErrorCode
	for _, g := range listed.Groups {
		if c.mayUse(g.Group) == 0 {
			response.Groups = append(response.Groups, g)
		}
	}
	return response, nil
}
