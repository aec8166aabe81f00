package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Whoever asks for topics page by page is told of every partition once and in order, however
// large the pages are; a page that is full ends where the next one begins.
func TestTopicsAreDescribedPageByPage(t *testing.T) {
	t.Parallel()
	a, random := newArchive(), rand.New(rand.NewPCG(1, 2))
	var all []string
	for _, topic := range []struct {
		name       string
		partitions int32
	}{{"a", 1}, {"b", 4}, {"c", 2}} {
		for number := range topic.partitions {
			a.fill(partitionOf(topic.name, number), 1, false, random)
			all = append(all, fmt.Sprintf("%s/%d", topic.name, number))
		}
	}
	s := serve(t, a)
	client := s.client(t)
	for _, c := range []struct {
		topics []string
		want   []string
	}{{nil, all}, {[]string{"c", "b", "c"}, all[1:]}, {[]string{"b"}, all[1:5]}} {
		for limit := range int32(len(all) + 2) {
			request := kmsg.NewPtrDescribeTopicPartitionsRequest()
			request.ResponsePartitionLimit = limit // 0 is no limit of the client's
			for _, name := range c.topics {
				topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
				topic.Topic = name
				request.Topics = append(request.Topics, topic)
			}
			var got []string
			for {
				answer, err := request.RequestWith(t.Context(), client)
				if err != nil {
					t.Fatal(err)
				}
				page := 0
				for _, topic := range answer.Topics {
					for _, p := range topic.Partitions {
						page++
						got = append(got, fmt.Sprintf("%s/%d", *topic.Topic, p.Partition))
					}
				}
				if more := answer.NextCursor != nil; limit > 0 && (page > int(limit) || more && page < int(limit)) || limit == 0 && more {
					t.Fatalf("topics %v, pages of %d: a page of %d, so far %v", c.topics, limit, page, got)
				}
				if answer.NextCursor == nil {
					break
				}
				cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
				cursor.Topic, cursor.Partition = answer.NextCursor.Topic, answer.NextCursor.Partition
				request.Cursor = &cursor
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("topics %v, pages of %d: %v, want %v", c.topics, limit, got, c.want)
			}
		}
	}
}
