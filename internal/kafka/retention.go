// How a cluster is asked for the retention of topics.

package kafka

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// configsAtOnce bounds a DescribeConfigs answer; a broker resolves every value
// of every topic in it under one lock. Tests make it tiny.
var configsAtOnce = 500

// The settings of a topic that decide when Kafka deletes its records.
var retentionConfigs = []string{"cleanup.policy", "retention.ms", "retention.bytes", "message.timestamp.type"}

// Retention implements [bifrost.RetentionReader]. It needs DescribeConfigs on
// the topics; those it may not describe have an error of their own.
func (c *Client) Retention(ctx context.Context, topics []string) (map[string]bifrost.Retention, error) {
	answers := make(map[string]bifrost.Retention, len(topics))
	for some := range slices.Chunk(topics, configsAtOnce) {
		if err := c.readRetention(ctx, some, answers); err != nil {
			return nil, fmt.Errorf("kafka: describe the retention of %d topics: %w", len(topics), err)
		}
	}
	return answers, nil
}

func (c *Client) readRetention(ctx context.Context, topics []string, answers map[string]bifrost.Retention) error {
	request := kmsg.NewPtrDescribeConfigsRequest()
	for _, topic := range topics {
		answers[topic] = bifrost.Retention{Err: fmt.Errorf("kafka: topic %s: %w", topic, errLeftOut)}
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, retentionConfigs
		request.Resources = append(request.Resources, r)
	}
	ctx, cancel := c.patiently(ctx)
	defer cancel()
	answer, err := c.sendRequest(ctx, c.kgo, request)
	if err != nil {
		return c.explainError(ctx, err)
	}
	response := answer.(*kmsg.DescribeConfigsResponse)
	for i := range response.Resources {
		r := &response.Resources[i]
		answers[r.ResourceName] = retentionOf(r)
	}
	return nil
}

func retentionOf(r *kmsg.DescribeConfigsResponseResource) bifrost.Retention {
	if err := errorOf(r.ErrorCode); err != nil {
		return bifrost.Retention{Err: fmt.Errorf("kafka: topic %s: %w", r.ResourceName, err)}
	}
	values := make(map[string]string, len(r.Configs))
	for _, config := range r.Configs {
		if config.Value != nil {
			values[config.Name] = *config.Value
		}
	}
	policies := strings.Split(values["cleanup.policy"], ",")
	retention := bifrost.Retention{
		Milliseconds:  -1,
		Bytes:         -1,
		Compacted:     slices.Contains(policies, "compact"),
		LogAppendTime: values["message.timestamp.type"] == "LogAppendTime",
	}
	if !slices.Contains(policies, "delete") {
		return retention // only compaction and DeleteRecords take records away
	}
	for name, to := range map[string]*int64{
		"retention.ms":    &retention.Milliseconds,
		"retention.bytes": &retention.Bytes,
	} {
		limit, err := strconv.ParseInt(values[name], 10, 64)
		if err != nil {
			return bifrost.Retention{
				Err: fmt.Errorf("kafka: topic %s: %s is %q, not a number", r.ResourceName, name, values[name]),
			}
		}
		*to = limit
	}
	return retention
}
