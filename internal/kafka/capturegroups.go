// How a cluster is asked for its consumer groups.

package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/capture"
)

// Groups implements [capture.Cluster]. Each broker lists the groups that it
// coordinates.
func (c *Client) Groups(ctx context.Context) ([]capture.Group, []capture.Missing, error) {
	var groups []capture.Group
	var missing []capture.Missing
	answered := false
	for _, shard := range c.askAll(ctx, kmsg.NewPtrListGroupsRequest()) {
		err := shard.Err
		if response, ok := shard.Resp.(*kmsg.ListGroupsResponse); err == nil && ok {
			err = captureError(kerr.ErrorForCode(response.ErrorCode))
			for _, g := range response.Groups {
				group := capture.Group{
					Name:         g.Group,
					Type:         g.GroupType,
					ProtocolType: g.ProtocolType,
					State:        g.GroupState,
				}
				groups = append(groups, group)
			}
		}
		if err != nil {
			err := fmt.Errorf("the groups that broker %d coordinates: %w", shard.Meta.NodeID, err)
			missing = append(missing, capture.Missing{Err: err})
		}
		answered = answered || err == nil || errors.Is(err, capture.ErrDenied)
	}
	if !answered {
		return nil, nil, missing[0].Err
	}
	return groups, append(missing, c.hiddenGroups(ctx)...), nil
}

// errHiddenGroups: a broker leaves out what may not be described, without a word.
var errHiddenGroups = fmt.Errorf(
	"%w: groups that these credentials may not describe are not listed; there may be none", capture.ErrDenied)

// hiddenGroups says whether the list may be shorter than it is. Whoever may
// describe the cluster sees all groups.
func (c *Client) hiddenGroups(ctx context.Context) []capture.Missing {
	request := kmsg.NewPtrDescribeClusterRequest()
	request.IncludeClusterAuthorizedOperations = true
	answer, err := c.askBrokers(ctx, c.kgo, request)
	if err == nil {
		response := answer.(*kmsg.DescribeClusterResponse)
		err = captureError(kerr.ErrorForCode(response.ErrorCode))
		if err == nil && !mayDescribe(response.ClusterAuthorizedOperations) {
			err = errHiddenGroups
		}
	}
	if err != nil && !errors.Is(err, errHiddenGroups) {
		err = fmt.Errorf("whether the list of groups is whole: %w", err)
	}
	if err == nil {
		return nil
	}
	return []capture.Missing{{Err: err, Needs: "Describe on the cluster"}}
}

// mayDescribe reads the bits of authorized operations (KIP-430). The least number
// stands for an answer that has none.
func mayDescribe(operations int32) bool {
	return operations != math.MinInt32 && operations&(1<<kmsg.ACLOperationDescribe) != 0
}

// CommittedOffsets implements [capture.Cluster]. What a transaction has committed
// and not ended is not there yet: the position before it is.
func (c *Client) CommittedOffsets(ctx context.Context, groups []string) map[string]capture.CommittedAnswer {
	request := kmsg.NewPtrOffsetFetchRequest()
	answers := make(map[string]capture.CommittedAnswer, len(groups))
	for _, group := range groups {
		answers[group] = capture.CommittedAnswer{Err: errLeftOut}
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group, g.Topics = group, nil // all
		request.Groups = append(request.Groups, g)
	}
	for _, shard := range c.askAll(ctx, request) {
		if shard.Err != nil {
			for _, g := range shard.Req.(*kmsg.OffsetFetchRequest).Groups {
				answers[g.Group] = capture.CommittedAnswer{Err: shard.Err}
			}
			continue
		}
		response := shard.Resp.(*kmsg.OffsetFetchResponse)
		for i := range response.Groups {
			answers[response.Groups[i].Group] = committedOf(&response.Groups[i])
		}
	}
	return answers
}

func committedOf(g *kmsg.OffsetFetchResponseGroup) capture.CommittedAnswer {
	if err := captureError(kerr.ErrorForCode(g.ErrorCode)); err != nil {
		return capture.CommittedAnswer{Err: err}
	}
	answer := capture.CommittedAnswer{Offsets: make(map[string][]capture.Committed, len(g.Topics))}
	for _, t := range g.Topics {
		name := t.Topic
		if name == "" {
			name = fmt.Sprintf("topic ID %x", t.TopicID) // of a topic that is gone
		}
		for _, p := range t.Partitions {
			if err := captureError(kerr.ErrorForCode(p.ErrorCode)); err != nil {
				missing := capture.Missing{Name: fmt.Sprintf("%s/%d", name, p.Partition), Err: err}
				answer.Missing = append(answer.Missing, missing)
				continue
			}
			if p.Offset < 0 {
				continue // nothing is committed there
			}
			answer.Offsets[name] = append(answer.Offsets[name], capture.Committed{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata,
			})
		}
	}
	return answer
}
