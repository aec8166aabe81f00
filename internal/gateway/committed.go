// Where the groups of clients stand, as the live cluster keeps it.

package gateway

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committable is the error code for a topic whose positions cannot be kept: the live
// cluster knows plain names only, and would keep those of an earlier life as the present
// one's.
func (c *connection) committable(ctx context.Context, list *topicList, name string) int16 {
	t, problem := c.named(list, name)
	if problem != nil {
		return problem.Code
	}
	if now, _ := c.live.topic(ctx, t.kafkaName); t.name != t.kafkaName || now.id != t.id {
		c.losses.uncommittable(name)
		return kerr.TopicAuthorizationFailed.Code
	}
	return 0
}

// offsetCommit passes on what can be committed, and refuses the rest.
func (c *connection) offsetCommit(
	ctx context.Context, request *kmsg.OffsetCommitRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.OffsetCommitResponse)
	forwarded, list, refused := *request, c.topics.current(), map[string]int16{}
	forwarded.Topics = nil
	code := c.mayUse(request.Group)
	for _, asked := range request.Topics {
		if code != 0 {
			refused[asked.Topic] = code
		} else if problem := c.committable(ctx, list, asked.Topic); problem != 0 {
			refused[asked.Topic] = problem
		} else {
			forwarded.Topics = append(forwarded.Topics, asked)
		}
	}
	answers := map[place]int16{}
	if len(forwarded.Topics) > 0 {
		answered, err := c.ask(ctx, request.Group, &forwarded, 0)
		if err != nil {
			c.losses.unreachable(request.Group, err)
		} else {
			c.moves.note(request.Group)
			for _, t := range answered.(*kmsg.OffsetCommitResponse).Topics {
				for _, p := range t.Partitions {
					answers[place{t.Topic, p.Partition}] = p.ErrorCode
				}
			}
		}
	}
	for _, asked := range request.Topics {
		one := kmsg.NewOffsetCommitResponseTopic()
		one.Topic = asked.Topic
		for _, p := range asked.Partitions {
			to := kmsg.NewOffsetCommitResponseTopicPartition()
			to.Partition, to.ErrorCode = p.Partition, noCoordinator
			if problem, ok := refused[asked.Topic]; ok {
				to.ErrorCode = problem
			} else if answer, ok := answers[place{asked.Topic, p.Partition}]; ok {
				to.ErrorCode = answer
			}
			one.Partitions = append(one.Partitions, to)
		}
		response.Topics = append(response.Topics, one)
	}
	return response, nil
}

// offsetFetch answers with the positions of groups. Without a live cluster no group has
// one: a consumer that has a group.id and assigns its partitions asks before it begins.
func (c *connection) offsetFetch(
	ctx context.Context, request *kmsg.OffsetFetchRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.OffsetFetchResponse)
	if request.Version >= 8 {
		for _, asked := range request.Groups {
			response.Groups = append(response.Groups, c.positionsOf(ctx, asked, request.RequireStable))
		}
		return response, nil
	}
	asked := kmsg.NewOffsetFetchRequestGroup()
	asked.Group = request.Group
	if request.Topics != nil {
		asked.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, t := range request.Topics {
		one := kmsg.NewOffsetFetchRequestGroupTopic()
		one.Topic, one.Partitions = t.Topic, t.Partitions
		asked.Topics = append(asked.Topics, one)
	}
	group := c.positionsOf(ctx, asked, request.RequireStable)
	response.ErrorCode = group.ErrorCode
	for _, t := range group.Topics {
		one := kmsg.NewOffsetFetchResponseTopic()
		one.Topic = t.Topic
		for _, p := range t.Partitions {
			to := kmsg.NewOffsetFetchResponseTopicPartition()
			to.Partition, to.Offset, to.LeaderEpoch = p.Partition, p.Offset, p.LeaderEpoch
			to.Metadata, to.ErrorCode = p.Metadata, p.ErrorCode
			if request.Version < 2 && to.ErrorCode == 0 {
				to.ErrorCode = group.ErrorCode // it has no place of its own there
			}
			one.Partitions = append(one.Partitions, to)
		}
		response.Topics = append(response.Topics, one)
	}
	return response, nil
}

// positionsOf answers for one group. Names whose positions cannot be kept have none.
func (c *connection) positionsOf(
	ctx context.Context, asked kmsg.OffsetFetchRequestGroup, stable bool,
) kmsg.OffsetFetchResponseGroup {
	answer := kmsg.NewOffsetFetchResponseGroup()
	answer.Group = asked.Group
	list, forwarded, problems := c.topics.current(), asked, map[string]int16{}
	if asked.Topics != nil {
		forwarded.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, t := range asked.Topics {
		if _, problem := c.named(list, t.Topic); problem != nil && problem != kerr.UnknownTopicOrPartition {
			problems[t.Topic] = problem.Code
		} else if c.live != nil && problem == nil && c.committable(ctx, list, t.Topic) == 0 {
			forwarded.Topics = append(forwarded.Topics, t)
		}
	}
	found := map[place]kmsg.OffsetFetchResponseGroupTopicPartition{}
	switch {
	case c.live == nil:
	case c.mayUse(asked.Group) != 0:
		answer.ErrorCode = groupRefused
	case asked.Topics == nil || len(forwarded.Topics) > 0:
		answer.ErrorCode = c.askPositions(ctx, forwarded, stable, found)
	}
	if asked.Topics == nil {
		asked.Topics = c.readable(list, found)
	}
	for _, t := range asked.Topics {
		one := kmsg.NewOffsetFetchResponseGroupTopic()
		one.Topic = t.Topic
		for _, number := range t.Partitions {
			p, ok := found[place{t.Topic, number}]
			if !ok {
				p = kmsg.NewOffsetFetchResponseGroupTopicPartition()
				p.Partition, p.Offset, p.LeaderEpoch = number, -1, -1
				p.Metadata, p.ErrorCode = new(string), problems[t.Topic]
			}
			one.Partitions = append(one.Partitions, p)
		}
		answer.Topics = append(answer.Topics, one)
	}
	return answer
}

// readable are the topics with a position that the client may see.
func (c *connection) readable(
	list *topicList, found map[place]kmsg.OffsetFetchResponseGroupTopicPartition,
) []kmsg.OffsetFetchRequestGroupTopic {
	numbers := map[string][]int32{}
	for p := range found {
		if t, problem := c.named(list, p.topic); problem == nil && t.name == t.kafkaName {
			numbers[p.topic] = append(numbers[p.topic], p.number)
		}
	}
	var all []kmsg.OffsetFetchRequestGroupTopic
	for name, some := range numbers {
		slices.Sort(some)
		one := kmsg.NewOffsetFetchRequestGroupTopic()
		one.Topic, one.Partitions = name, some
		all = append(all, one)
	}
	return all
}

// greatestByName is the last version of OffsetFetch that names topics by their names.
const greatestByName = 9

// askPositions asks the coordinator, in whatever version it has.
func (c *connection) askPositions(
	ctx context.Context, asked kmsg.OffsetFetchRequestGroup, stable bool,
	found map[place]kmsg.OffsetFetchResponseGroupTopicPartition,
) (code int16) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Version, request.RequireStable = greatestByName, stable
	request.Groups, request.Group = []kmsg.OffsetFetchRequestGroup{asked}, asked.Group
	if asked.Topics != nil {
		request.Topics = []kmsg.OffsetFetchRequestTopic{}
	}
	for _, t := range asked.Topics {
		one := kmsg.NewOffsetFetchRequestTopic()
		one.Topic, one.Partitions = t.Topic, t.Partitions
		request.Topics = append(request.Topics, one)
	}
	answered, err := c.ask(ctx, asked.Group, request, 0)
	if err != nil {
		c.losses.unreachable(asked.Group, err)
		return noCoordinator
	}
	response := answered.(*kmsg.OffsetFetchResponse)
	code = response.ErrorCode
	for _, t := range response.Topics { // below version 8
		for _, p := range t.Partitions {
			found[place{t.Topic, p.Partition}] = kmsg.OffsetFetchResponseGroupTopicPartition{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch,
				Metadata: p.Metadata, ErrorCode: p.ErrorCode,
			}
		}
	}
	for _, g := range response.Groups {
		code = g.ErrorCode
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				found[place{t.Topic, p.Partition}] = p
			}
		}
	}
	return code
}
