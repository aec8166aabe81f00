// How a cluster is asked for what captures hold.

package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

var _ capture.Cluster = (*Client)(nil)

// Overview implements [capture.Cluster].
func (c *Client) Overview(ctx context.Context) (capture.Overview, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil // all
	metadata, err := c.fetchMetadata(ctx, request)
	if err != nil {
		return capture.Overview{}, fmt.Errorf("kafka: list topics: %w", err)
	}
	overview := capture.Overview{ClusterID: clusterID(metadata), Failed: map[string]error{}}
	for _, b := range metadata.Brokers {
		broker := capture.Broker{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			broker.Rack = *b.Rack
		}
		overview.Brokers = append(overview.Brokers, broker)
	}
	for i := range metadata.Topics {
		t := &metadata.Topics[i]
		switch {
		case t.Topic == nil || t.IsInternal:
		case t.ErrorCode != 0:
			overview.Failed[*t.Topic] = captureError(kerr.ErrorForCode(t.ErrorCode))
		default:
			topic := capture.Topic{Name: *t.Topic, ID: t.TopicID, Partitions: replicasOf(t)}
			overview.Topics = append(overview.Topics, topic)
		}
	}
	return overview, nil
}

// replicasOf lists the replicas of each partition by its number. Kafka numbers
// them without holes.
func replicasOf(t *kmsg.MetadataResponseTopic) [][]int32 {
	replicas := make([][]int32, len(t.Partitions))
	for _, p := range t.Partitions {
		if p.Partition >= 0 && int(p.Partition) < len(replicas) {
			replicas[p.Partition] = p.Replicas
		}
	}
	return replicas
}

// TopicIDs implements [capture.Cluster].
func (c *Client) TopicIDs(ctx context.Context, topics []string) (map[string]bifrost.TopicID, error) {
	metadata, err := c.fetchMetadata(ctx, requestFor(topics...))
	if err != nil {
		return nil, fmt.Errorf("kafka: find %d topics: %w", len(topics), err)
	}
	ids := make(map[string]bifrost.TopicID, len(topics))
	for i := range metadata.Topics {
		if t := &metadata.Topics[i]; t.Topic != nil && t.ErrorCode == 0 {
			ids[*t.Topic] = t.TopicID
		}
	}
	return ids, nil
}

// HiddenTopics implements [capture.Cluster]. A broker leaves topics that may not be
// described out of its metadata without a word. From Kafka 4.1 on whoever may
// describe the settings of the cluster can list their names (KIP-1142); asked for by
// name, a hidden topic has an error.
func (c *Client) HiddenTopics(
	ctx context.Context, suspects []string, listed func(name string) bool,
) (map[string]error, error) {
	request := kmsg.NewPtrListConfigResourcesRequest()
	request.ResourceTypes = []int8{int8(kmsg.ConfigResourceTypeTopic)}
	if answer, err := c.askBrokers(ctx, c.kgo, request); err == nil { // an older broker leaves it at the suspects
		for _, r := range answer.(*kmsg.ListConfigResourcesResponse).ConfigResources {
			if r.Type == int8(kmsg.ConfigResourceTypeTopic) {
				suspects = append(suspects, r.Name)
			}
		}
	}
	suspects = slices.DeleteFunc(suspects, listed)
	slices.Sort(suspects)
	hidden := map[string]error{}
	for names := range slices.Chunk(slices.Compact(suspects), hiddenAtOnce) {
		metadata, err := c.fetchMetadata(ctx, requestFor(names...))
		if err != nil {
			return nil, err
		}
		for _, t := range metadata.Topics {
			err := captureError(kerr.ErrorForCode(t.ErrorCode))
			if t.Topic != nil && errors.Is(err, capture.ErrDenied) && !slices.Contains(internalTopics, *t.Topic) {
				hidden[*t.Topic] = err
			}
		}
	}
	return hidden, nil
}

// internalTopics are Kafka's own, which metadata flag only for those who may see
// them (org.apache.kafka.common.internals.Topic).
var internalTopics = []string{"__consumer_offsets", "__transaction_state", "__share_group_state"}

// hiddenAtOnce bounds a request for topics by name.
const hiddenAtOnce = 1000

// DescribeBrokers implements [capture.Cluster]. Each broker is asked itself, all at
// once: only it knows its own settings.
func (c *Client) DescribeBrokers(ctx context.Context, ids []int32) map[int32]capture.BrokerAnswer {
	answers := make([]capture.BrokerAnswer, len(ids))
	var waiting sync.WaitGroup
	for i, id := range ids {
		waiting.Go(func() {
			answers[i].Version, answers[i].VersionErr = c.brokerVersion(ctx, id)
			answers[i].Settings, answers[i].SettingsErr = c.brokerSettings(ctx, id)
		})
	}
	waiting.Wait()
	byID := make(map[int32]capture.BrokerAnswer, len(ids))
	for i, id := range ids {
		byID[id] = answers[i]
	}
	return byID
}

func (c *Client) brokerVersion(ctx context.Context, id int32) (string, error) {
	response, err := c.apiVersions(ctx, c.kgo.Broker(int(id)))
	if err != nil {
		return "", err
	}
	return kversion.FromApiVersionsResponse(response).VersionGuess(), nil
}

// apiVersions asks a broker for the requests and features that it knows.
func (c *Client) apiVersions(ctx context.Context, broker kmsg.Requestor) (*kmsg.ApiVersionsResponse, error) {
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "bifrost", "1" // must match a pattern (KIP-511)
	answer, err := c.askBrokers(ctx, broker, request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.ApiVersionsResponse)
	return response, captureError(kerr.ErrorForCode(response.ErrorCode))
}

func (c *Client) brokerSettings(ctx context.Context, id int32) (map[string]string, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, fmt.Sprint(id)
	request.Resources = append(request.Resources, resource)
	response, err := c.askBrokers(ctx, c.kgo.Broker(int(id)), request)
	if err != nil {
		return nil, err
	}
	resources := response.(*kmsg.DescribeConfigsResponse).Resources
	if len(resources) == 0 {
		return nil, errLeftOut
	}
	settings, _ := settingsOf(&resources[0], isOfAny)
	return settings, captureError(kerr.ErrorForCode(resources[0].ErrorCode))
}

// TopicSettings implements [capture.Cluster].
func (c *Client) TopicSettings(ctx context.Context, topics []string) (map[string]capture.SettingsAnswer, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	answers := make(map[string]capture.SettingsAnswer, len(topics))
	for _, topic := range topics {
		answers[topic] = capture.SettingsAnswer{Err: errLeftOut}
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		request.Resources = append(request.Resources, r)
	}
	response, err := c.askBrokers(ctx, c.kgo, request)
	if err != nil {
		return nil, err
	}
	resources := response.(*kmsg.DescribeConfigsResponse).Resources
	for i := range resources {
		r := &resources[i]
		answer := capture.SettingsAnswer{Err: captureError(kerr.ErrorForCode(r.ErrorCode))}
		answer.Settings, answer.Inherited = settingsOf(r, isOfTopic)
		answers[r.ResourceName] = answer
	}
	return answers, nil
}

func isOfAny(kmsg.ConfigSource) bool { return true }

func isOfTopic(source kmsg.ConfigSource) bool { return source == kmsg.ConfigSourceDynamicTopicConfig }

// settingsOf parts the settings that differ from Kafka's defaults into those of
// the resource itself and those that it has from elsewhere. The value of a secret
// one is not told, and stays empty.
func settingsOf(
	r *kmsg.DescribeConfigsResponseResource, isOwn func(kmsg.ConfigSource) bool,
) (own, inherited map[string]string) {
	own, inherited = map[string]string{}, map[string]string{}
	for _, config := range r.Configs {
		if config.Source == kmsg.ConfigSourceDefaultConfig || config.IsDefault {
			continue
		}
		value := ""
		if config.Value != nil && !config.IsSensitive {
			value = *config.Value
		}
		if isOwn(config.Source) {
			own[config.Name] = value
		} else {
			inherited[config.Name] = value
		}
	}
	return own, inherited
}

// Features implements [capture.Cluster].
func (c *Client) Features(ctx context.Context) ([]capture.Feature, error) {
	response, err := c.apiVersions(ctx, c.kgo)
	if err != nil {
		return nil, err
	}
	var features []capture.Feature
	for _, f := range response.FinalizedFeatures {
		features = append(features, capture.Feature{Name: f.Name, Level: f.MaxVersionLevel})
	}
	return features, nil
}

// ACLs implements [capture.Cluster].
func (c *Client) ACLs(ctx context.Context) ([]capture.ACL, error) {
	request := kmsg.NewPtrDescribeACLsRequest()
	request.ResourceType, request.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	request.Operation, request.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	answer, err := c.askBrokers(ctx, c.kgo, request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.DescribeACLsResponse)
	if err := captureError(kerr.ErrorForCode(response.ErrorCode)); err != nil {
		return nil, err
	}
	var acls []capture.ACL
	for _, r := range response.Resources {
		for _, a := range r.ACLs {
			acls = append(acls, capture.ACL{
				ResourceType: r.ResourceType.String(), ResourceName: r.ResourceName,
				Pattern:   r.ResourcePatternType.String(),
				Principal: a.Principal, Host: a.Host,
				Operation: a.Operation.String(), Permission: a.PermissionType.String(),
			})
		}
	}
	return acls, nil
}

// Quotas implements [capture.Cluster].
func (c *Client) Quotas(ctx context.Context) ([]capture.Quota, error) {
	answer, err := c.askBrokers(ctx, c.kgo, kmsg.NewPtrDescribeClientQuotasRequest()) // without components: all
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.DescribeClientQuotasResponse)
	if err := captureError(kerr.ErrorForCode(response.ErrorCode)); err != nil {
		return nil, err
	}
	var quotas []capture.Quota
	for _, e := range response.Entries {
		quota := capture.Quota{Values: map[string]float64{}}
		for _, entity := range e.Entity {
			quota.Entity = append(quota.Entity, capture.QuotaEntity{Type: entity.Type, Name: entity.Name})
		}
		for _, v := range e.Values {
			if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) { // no limit, and no number in JSON
				continue
			}
			quota.Values[v.Key] = v.Value
		}
		quotas = append(quotas, quota)
	}
	return quotas, nil
}

// ScramUsers implements [capture.Cluster].
func (c *Client) ScramUsers(ctx context.Context) ([]capture.ScramUser, error) {
	request := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	// All. No list would say the same, but Kafka 4.2 never answers that to somebody
	// without the right.
	request.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{}
	answer, err := c.askBrokers(ctx, c.kgo, request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.DescribeUserSCRAMCredentialsResponse)
	if err := captureError(kerr.ErrorForCode(response.ErrorCode)); err != nil {
		return nil, err
	}
	mechanisms := map[int8]string{1: ScramSHA256, 2: ScramSHA512} // KIP-554
	var users []capture.ScramUser
	for _, r := range response.Results {
		for _, i := range r.CredentialInfos {
			user := capture.ScramUser{User: r.User, Mechanism: mechanisms[i.Mechanism], Iterations: i.Iterations}
			users = append(users, user)
		}
	}
	return users, nil
}

// askBrokers sends one request, and says what an error means for a capture.
func (c *Client) askBrokers(ctx context.Context, to kmsg.Requestor, request kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := c.patiently(ctx)
	defer cancel()
	response, err := c.sendRequest(ctx, to, request)
	if err != nil {
		return nil, captureError(c.explainError(ctx, err))
	}
	return response, nil
}

// askAll sends a request to all brokers that it concerns.
func (c *Client) askAll(ctx context.Context, request kmsg.Request) []kgo.ResponseShard {
	ctx, cancel := c.patiently(ctx)
	defer cancel()
	var shards []kgo.ResponseShard
	err := c.withCredentials(ctx, func() error {
		shards = c.kgo.RequestSharded(ctx, request)
		return firstRefusal(shards)
	})
	if err != nil && len(shards) == 0 {
		return []kgo.ResponseShard{{Req: request, Err: captureError(c.explainError(ctx, err))}}
	}
	for i := range shards {
		if shards[i].Err != nil {
			shards[i].Err = captureError(c.explainError(ctx, shards[i].Err))
		}
	}
	return shards
}

// captureError marks errors that a right would mend, and those that nothing would.
func captureError(err error) error {
	var kafkas *kerr.Error
	errors.As(err, &kafkas)
	switch {
	case err == nil:
		return nil
	case kafkas == kerr.TopicAuthorizationFailed, kafkas == kerr.GroupAuthorizationFailed,
		kafkas == kerr.ClusterAuthorizationFailed, kafkas == kerr.TransactionalIDAuthorizationFailed:
		return fmt.Errorf("%w: %w", capture.ErrDenied, err)
	case kafkas == kerr.SecurityDisabled, kafkas == kerr.UnsupportedVersion:
		return fmt.Errorf("%w: %w", capture.ErrNone, err)
	}
	return err
}
