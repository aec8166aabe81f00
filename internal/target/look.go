// What is found out about a cluster before it is written to.

package target

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// Request is what is asked for.
type Request struct {
	Needs []Need // of different topics
	// Create allows to make topics that do not exist.
	Create bool
	// Codec is chosen for all topics; nil is what each keeps.
	Codec *recordbatch.Codec
	// StateTopic keeps the positions, in the same cluster; empty for none. Whoever
	// keeps it makes it: here it is only made sure that this can be done.
	StateTopic string
	// Probe asks for the coordinator of a transaction, which makes the transaction log
	// of a cluster that has none. Without it nothing is changed.
	Probe bool
	Now   time.Time
}

// Look is what was found out.
type Look struct {
	ClusterID string
	Topics    []Topic  // in order of the needs
	Obstacles []string // of the cluster: nothing can be written, whatever the topic
	Notes     []string // what could not be found out about the cluster

	options []kgo.Opt
	brokers brokerSettings
	now     time.Time
}

// brokersDefault as a number of replicas (KIP-464).
const brokersDefault = -1

// patience is how long a cluster may take to answer one request of a look.
const patience = 15 * time.Second

// LookInto asks the cluster. It makes nothing. [Look.Measure] comes next.
func LookInto(ctx context.Context, options []kgo.Opt, request Request) (*Look, error) {
	look := &Look{now: request.Now, options: append(options[:len(options):len(options)], kgo.RetryTimeout(patience),
		kgo.DialTimeout(patience/3))}
	admin, err := look.newAdministrator()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	cluster, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the target cluster for its ID: %w", err)
	}
	look.ClusterID = cluster.Cluster
	look.brokers = askBrokers(ctx, admin, cluster)
	if err := look.askTransactionRights(ctx, admin, cluster); err != nil {
		return nil, err
	}
	if err := look.askTransactionLog(ctx, admin, request.Probe); err != nil {
		return nil, err
	}
	for _, need := range request.Needs {
		topic := Topic{Need: need, replication: brokersDefault}
		if need.Replicas > 0 && len(cluster.Brokers) > 0 {
			topic.replication = int16(min(need.Replicas, len(cluster.Brokers)))
		}
		look.Topics = append(look.Topics, topic)
	}
	return look, look.askTopics(ctx, admin, request)
}

// administrator asks, and makes.
type administrator struct {
	*kadm.Client
	raw *kgo.Client // for requests that need more than kadm offers
}

func (l *Look) newAdministrator() (administrator, error) {
	client, err := kgo.NewClient(l.options...)
	if err != nil {
		return administrator{}, err
	}
	return administrator{kadm.NewClient(client), client}, nil
}

// description is what Kafka says of one topic.
type description struct {
	id         [16]byte
	partitions []kmsg.MetadataResponseTopicPartition
	mayWrite   bool // true as well where Kafka does not say (KIP-430)
	err        error
}

// describeTopics asks for topics by name. What is not allowed is the error of that one.
func (a administrator) describeTopics(ctx context.Context, names ...string) (map[string]description, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = true
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, a.raw)
	if err != nil {
		return nil, err
	}
	all := map[string]description{}
	for _, t := range response.Topics {
		if t.Topic == nil {
			continue
		}
		const (
			notTold = math.MinInt32
			write   = 1 << 4 // the number of the operation is that of the bit
		)
		slices.SortFunc(t.Partitions,
			func(a, b kmsg.MetadataResponseTopicPartition) int { return int(a.Partition - b.Partition) })
		all[*t.Topic] = description{id: t.TopicID, partitions: t.Partitions, err: kerr.ErrorForCode(t.ErrorCode),
			mayWrite: t.AuthorizedOperations == notTold || t.AuthorizedOperations&write != 0}
	}
	for _, name := range names {
		if _, answered := all[name]; !answered {
			all[name] = description{err: kerr.UnknownTopicOrPartition}
		}
	}
	return all, nil
}

// Refused says why nothing can be written; with force only what no force can change.
func (l *Look) Refused(force bool) (reasons []string) {
	reasons = slices.Clone(l.Obstacles)
	for _, t := range l.Topics {
		for _, text := range t.Obstacles {
			reasons = append(reasons, fmt.Sprintf("topic %s: %s", t.Topic, text))
		}
		if t.Unreadable != "" {
			reasons = append(reasons, fmt.Sprintf("topic %s: %s", t.Topic, t.Unreadable))
		}
		if !force {
			for _, text := range t.Problems {
				reasons = append(reasons, fmt.Sprintf("topic %s: %s", t.Topic, text))
			}
		}
	}
	return reasons
}

// Batches are how the batches for each topic are made.
func (l *Look) Batches() map[string]recordbatch.Shape {
	batches := map[string]recordbatch.Shape{}
	for _, t := range l.Topics {
		batches[t.Topic] = t.Batches
	}
	return batches
}

// askTopics asks for the settings of the topics that there are, and for those that the
// others would have.
func (l *Look) askTopics(ctx context.Context, admin administrator, request Request) error {
	names := make([]string, 0, len(l.Topics)+1)
	for _, t := range l.Topics {
		names = append(names, t.Topic)
	}
	if request.StateTopic != "" {
		names = append(names, request.StateTopic)
	}
	details, err := admin.describeTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("ask for the target topics: %w", err)
	}
	err = l.eachTopic(ctx, func(ctx context.Context, t *Topic) error {
		settings := l.askTopic(ctx, admin, t, details[t.Topic], request)
		t.chooseBatches(settings, request.Codec)
		return nil
	})
	if err != nil || request.StateTopic == "" {
		return err
	}
	state := Topic{Need: Need{Topic: request.StateTopic, Partitions: 1}, replication: brokersDefault}
	stateRequest := request
	stateRequest.Create = true
	l.askTopic(ctx, admin, &state, details[state.Topic], stateRequest)
	if least, changed := state.Settings["min.insync.replicas"]; changed {
		state.addObstacle("it would get %s replica(s) and take nothing, since min.insync.replicas of the brokers is "+
			"larger: lower that, or raise default.replication.factor", least)
	}
	for _, obstacle := range state.Obstacles {
		l.Obstacles = append(l.Obstacles, fmt.Sprintf("topic %s, which keeps positions: %s", state.Topic, obstacle))
	}
	return nil
}

// askedAtOnce is how many topics are looked at side by side: each takes a round trip or
// two to the brokers, or to the archive.
const askedAtOnce = 8

// eachTopic calls do for the topics side by side.
func (l *Look) eachTopic(ctx context.Context, do func(context.Context, *Topic) error) error {
	topics := make([]*Topic, len(l.Topics))
	for i := range l.Topics {
		topics[i] = &l.Topics[i]
	}
	return parallel.Try(ctx, askedAtOnce, topics, do)
}

// askTopic asks for one topic, and returns the settings that it has or would have; nil
// when nobody says.
func (l *Look) askTopic(ctx context.Context, admin administrator, t *Topic, detail description,
	request Request) map[string]string {
	switch {
	case errors.Is(detail.err, kerr.UnknownTopicOrPartition):
		if !request.Create {
			t.addObstacle("it does not exist: make it, or give --create")
			return nil
		}
		t.Settings = maps.Clone(t.Need.Settings)
		if t.Settings == nil {
			t.Settings = map[string]string{}
		}
		maps.Copy(t.Settings, lasting)
		return t.askDefaults(ctx, admin)
	case errors.Is(detail.err, kerr.TopicAuthorizationFailed):
		t.addObstacle("these credentials may not describe it: allow them Describe and Write on it")
		return nil
	case errors.Is(detail.err, kerr.InvalidTopicException):
		t.addObstacle("no topic can have that name (%v): want letters, digits, '.', '_' and '-', at most 249",
			detail.err)
		return nil
	case detail.err != nil:
		t.addObstacle("it cannot be described: %v", detail.err)
		return nil
	}
	t.Exists, t.ID = true, detail.id
	if have := int32(len(detail.partitions)); have < t.Fewest {
		t.addObstacle("it has %d partitions and the replay needs %d: add partitions, or choose them by key (--rekey)",
			have, t.Fewest)
	}
	if !detail.mayWrite {
		t.addObstacle("these credentials may not write it: allow them Write on it")
	}
	described, err := admin.DescribeTopicConfigs(ctx, t.Topic)
	var config kadm.ResourceConfig
	if err == nil {
		config, err = described.On(t.Topic, nil)
	}
	if err = errors.Join(err, config.Err); err != nil {
		t.addProblem("its settings may not be read (%v), so that nobody knows what it would lose: allow "+
			"DescribeConfigs on it", err)
		return nil
	}
	settings := map[string]string{}
	for _, c := range config.Configs {
		settings[c.Key] = c.MaybeValue()
	}
	t.checkReplicas(detail.partitions, settings)
	return settings
}

// checkReplicas looks for partitions that take nothing at the moment. A write waits for
// them for a long time before it fails.
func (t *Topic) checkReplicas(partitions []kmsg.MetadataResponseTopicPartition, settings map[string]string) {
	least := number(settings, "min.insync.replicas", 1)
	for _, p := range partitions {
		t.Replicas = max(t.Replicas, len(p.Replicas))
		switch {
		case p.Leader < 0:
			t.addObstacle("partition %d has no leader: start the brokers that hold it (%d)", p.Partition, p.Replicas)
			return
		case int64(len(p.ISR)) < least:
			t.addObstacle("partition %d has %d replicas in sync and min.insync.replicas is %d, so that it takes "+
				"nothing: bring its brokers back (%d), or lower the setting", p.Partition, len(p.ISR), least,
				p.Replicas)
			return
		}
	}
}

// askDefaults asks Kafka to make the topic, for validation only, and returns the settings
// that it would have (KIP-525); nil when it does not tell.
func (t *Topic) askDefaults(ctx context.Context, admin administrator) map[string]string {
	made, err := t.validateCreation(ctx, admin)
	if errors.Is(err, kerr.InvalidConfig) && t.leaveOutRefused(ctx, admin) {
		made, err = t.validateCreation(ctx, admin)
	}
	if err == nil && t.inheritSettings(made.settings) {
		made, err = t.validateCreation(ctx, admin)
	}
	if err != nil {
		t.addObstacle("it cannot be made: %v%s", err, creationAdvice(err))
		return nil
	}
	t.Replicas = made.replicas
	if least := number(made.settings, "min.insync.replicas", 1); t.Replicas > 0 && least > int64(t.Replicas) {
		// Kafka makes such a topic, which then takes no record.
		t.Settings["min.insync.replicas"] = fmt.Sprint(t.Replicas)
		t.addNote("it gets min.insync.replicas=%d: the brokers' default is %d, and it has as many replicas as "+
			"default.replication.factor says", t.Replicas, least)
	}
	return made.settings
}

// validateCreation asks Kafka whether the topic could be made.
func (t *Topic) validateCreation(ctx context.Context, admin administrator) (created, error) {
	answer, err := create(ctx, admin, true, *t)
	if err != nil {
		return created{}, err
	}
	return answer[t.Topic], answer[t.Topic].err
}

// leaveOutRefused tries each of the settings that were asked for by itself, and leaves
// out those that Kafka takes from no topic: it was of another version, or has no tiered
// storage.
func (t *Topic) leaveOutRefused(ctx context.Context, admin administrator) (some bool) {
	for name, value := range t.Need.Settings {
		if _, kept := lasting[name]; kept {
			continue
		}
		alone := *t
		alone.Settings = map[string]string{name: value}
		if _, err := alone.validateCreation(ctx, admin); errors.Is(err, kerr.InvalidConfig) {
			t.refuseSetting(name, err.Error())
			some = true
		}
	}
	return some
}

func (t *Topic) refuseSetting(name, reason string) {
	if t.Refused == nil {
		t.Refused = map[string]string{}
	}
	t.Refused[name] = reason
	delete(t.Settings, name)
}

// inheritSettings gives the topic those settings that the brokers would give it otherwise.
func (t *Topic) inheritSettings(settings map[string]string) (some bool) {
	for name, value := range t.Inherited {
		have, known := settings[name]
		if _, own := t.Settings[name]; own || have == value || t.Refused[name] != "" {
			continue
		}
		if !known {
			t.refuseSetting(name, "the brokers do not know it")
			continue
		}
		t.Settings[name] = value
		some = true
	}
	return some
}

func creationAdvice(err error) string {
	switch {
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return "; make it with as many replicas as there are brokers, or set default.replication.factor on the brokers"
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "; allow these credentials Create on it, or make it yourself"
	case errors.Is(err, kerr.PolicyViolation):
		return "; make it yourself as the policy of the brokers demands (create.topic.policy.class.name)"
	}
	return ""
}

// created is what Kafka says of a topic that was made, or would be.
type created struct {
	id       [16]byte
	replicas int
	settings map[string]string // nil when it does not tell
	err      error
}

// create makes topics in one request, or validates that.
func create(ctx context.Context, admin administrator, rehearsal bool, topics ...Topic) (map[string]created, error) {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = int32(patience.Milliseconds())
	request.ValidateOnly = rehearsal
	for _, t := range topics {
		asked := kmsg.NewCreateTopicsRequestTopic()
		asked.Topic, asked.NumPartitions = t.Topic, t.Partitions
		asked.ReplicationFactor = t.replication
		for _, name := range slices.Sorted(maps.Keys(t.Settings)) {
			config := kmsg.NewCreateTopicsRequestTopicConfig()
			config.Name, config.Value = name, kmsg.StringPtr(t.Settings[name])
			asked.Configs = append(asked.Configs, config)
		}
		request.Topics = append(request.Topics, asked)
	}
	response, err := request.RequestWith(ctx, admin.raw)
	if err != nil {
		return nil, err
	}
	answers := map[string]created{}
	for _, t := range response.Topics {
		answer := created{id: t.TopicID, replicas: max(0, int(t.ReplicationFactor)),
			err: kerr.ErrorForCode(t.ErrorCode)}
		if answer.err != nil && t.ErrorMessage != nil && *t.ErrorMessage != "" {
			answer.err = fmt.Errorf("%w (%s)", answer.err, strings.TrimSuffix(*t.ErrorMessage, "."))
		}
		if len(t.Configs) > 0 {
			answer.settings = map[string]string{}
		}
		for _, c := range t.Configs {
			if c.Value != nil {
				answer.settings[c.Name] = *c.Value
			}
		}
		answers[t.Topic] = answer
	}
	return answers, nil
}
