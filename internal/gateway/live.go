// What the live cluster is asked about its topics.

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Live is the cluster that was archived, where consumers go on behind the archive, and
// where the positions of their groups are.
type Live struct {
	Options []kgo.Opt // addresses, and the way in
	Groups  []string  // globs: groups that may be used although they have members from elsewhere
}

// upstreamPatience is how long a broker may take to answer, beside what a request waits
// for. A variable because in tests nothing may wait for it.
var upstreamPatience = 15 * time.Second

// largestAnswer is the largest answer that is taken: one batch can be larger than a fetch asks for.
const largestAnswer = 256 << 20

// live asks the live cluster for what all clients share: where the leaders and the
// coordinators are, and where logs begin and end.
type live struct {
	Live
	log       *slog.Logger
	now       func() time.Time
	shared    *kgo.Client
	admin     *kadm.Client
	clusterID string

	mutex   sync.Mutex
	view    map[string]liveTopic // by name, as of the last look
	at      time.Time            // of the last look
	wanted  bool                 // another look: something has changed
	looking sync.Mutex           // one look at a time

	coordinators       map[string]int32 // of groups, as far as they are known
	describesConsumers bool             // brokers know groups of the new protocol (KIP-848)
}

// liveTopic is a topic in the live cluster.
type liveTopic struct {
	id      bifrost.TopicID
	leaders map[int32]int32 // nodes, by partition; none that leads is left out
}

// connect makes a client of the live cluster. What brokers know it as is the beginning
// of its members' names, by which a gateway knows its own.
func (l Live) connect(clientID string) (*kgo.Client, error) {
	return kgo.NewClient(append(slices.Clone(l.Options), kgo.ClientID(clientID), kgo.DisableClientMetrics(),
		kgo.BrokerMaxReadBytes(largestAnswer), kgo.RequestTimeoutOverhead(upstreamPatience),
		kgo.RetryTimeout(upstreamPatience))...)
}

// ErrOtherCluster says that the live cluster is not the one that was archived.
var ErrOtherCluster = errors.New("wrong brokers")

// newLive connects, and asks the cluster who it is.
func newLive(ctx context.Context, o Options, now func() time.Time) (*live, error) {
	shared, err := o.Live.connect(ownClientID)
	if err != nil {
		return nil, fmt.Errorf("live cluster: %w", err)
	}
	l := &live{
		Live: *o.Live, log: o.Log, now: now, shared: shared, admin: kadm.NewClient(shared),
		view: map[string]liveTopic{}, coordinators: map[string]int32{},
	}
	metadata, err := l.admin.BrokerMetadata(ctx)
	if err != nil {
		shared.Close()
		return nil, fmt.Errorf("ask the live cluster who it is: %w; --cold serves the archive alone", err)
	}
	l.clusterID = metadata.Cluster
	return l, nil
}

// offers are the requests that can be answered: those about groups in the versions that
// every broker has, because they are passed on as they come.
func (l *live) offers(ctx context.Context) (map[int16]offer, error) {
	versions, err := l.admin.ApiVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the live cluster which requests it answers: %w", err)
	}
	for _, broker := range versions {
		_, describes := broker.KeyMaxVersion(int16(kmsg.ConsumerGroupDescribe))
		l.describesConsumers = l.describesConsumers || describes
	}
	all := maps.Clone(offers)
	for key, offered := range all {
		if !offered.ofGroup {
			continue
		}
		for _, broker := range versions {
			if broker.Err != nil {
				return nil, fmt.Errorf("ask broker %d which requests it answers: %w", broker.NodeID, broker.Err)
			}
			if most, ok := broker.KeyMaxVersion(key); ok {
				offered.most = min(offered.most, most)
			}
			if least, ok := broker.KeyMinVersion(key); ok {
				offered.least = max(offered.least, least)
			}
		}
		all[key] = offered
	}
	return all, nil
}

// lookPause is how soon the live cluster is asked again for what has changed in it.
var lookPause = 200 * time.Millisecond

// topic is a topic as the live cluster has it. What is known may be refreshEvery old, or
// have changed: then it is asked for in the background, because a cluster that does not
// answer must not hold back what is archived.
func (l *live) topic(ctx context.Context, name string) (liveTopic, bool) {
	l.mutex.Lock()
	t, known := l.view[name]
	age := l.now().Sub(l.at)
	stale := age >= refreshEvery || l.wanted && age >= lookPause
	l.mutex.Unlock()
	switch {
	case !known:
		l.looking.Lock()
		l.look(ctx, name)
		l.looking.Unlock()
		l.mutex.Lock()
		defer l.mutex.Unlock()
		t, known = l.view[name]
	case stale && l.looking.TryLock():
		go func() {
			defer l.looking.Unlock()
			ctx, cancel := context.WithTimeout(context.Background(), upstreamPatience)
			defer cancel()
			l.look(ctx, name)
		}()
	}
	return t, known
}

// changed says that what is known of the cluster has turned out to be wrong.
func (l *live) changed() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.wanted = true
}

// look asks for the topics that anybody has asked for. The caller has the lock of those
// who look.
func (l *live) look(ctx context.Context, name string) {
	l.mutex.Lock()
	names := append(slices.Collect(maps.Keys(l.view)), name)
	l.mutex.Unlock()
	slices.Sort(names)
	found, err := l.describe(ctx, slices.Compact(names))
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.at, l.wanted = l.now(), err != nil
	if err != nil {
		if ctx.Err() == nil {
			l.log.Error("the live cluster does not say where its leaders are; what was known is used", "error", err)
		}
		return
	}
	l.view = found
}

// describe asks for topics by their names; one that is not there is one without an ID.
func (l *live) describe(ctx context.Context, names []string) (map[string]liveTopic, error) {
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, one)
	}
	response, err := request.RequestWith(ctx, l.shared)
	if err != nil {
		return nil, err
	}
	found := map[string]liveTopic{}
	for _, name := range names {
		found[name] = liveTopic{}
	}
	for _, t := range response.Topics {
		if t.Topic == nil || t.ErrorCode != 0 {
			continue
		}
		one := liveTopic{id: t.TopicID, leaders: map[int32]int32{}}
		for _, p := range t.Partitions {
			if p.Leader >= 0 {
				one.leaders[p.Partition] = p.Leader
			}
		}
		found[*t.Topic] = one
	}
	return found, nil
}

// coordinator finds the broker that coordinates a group.
func (l *live) coordinator(ctx context.Context, group string) (int32, error) {
	l.mutex.Lock()
	node, known := l.coordinators[group]
	l.mutex.Unlock()
	if known {
		return node, nil
	}
	found := l.admin.FindGroupCoordinators(ctx, group)[group]
	if found.Err != nil {
		return 0, found.Err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.coordinators) >= mostSaid { // there are never so many
		clear(l.coordinators)
	}
	l.coordinators[group] = found.NodeID
	return found.NodeID, nil
}

// coordinatorMoved says that a client looks for the coordinator of a group again.
func (l *live) coordinatorMoved(group string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.coordinators, group)
}

// place is a partition of the live cluster.
type place struct {
	topic  string
	number int32
}

// offsets asks the leaders for positions or times. A partition without an answer is one
// that cannot be asked now.
func (l *live) offsets(
	ctx context.Context, at map[place]int64, isolation int8,
) (map[place]kmsg.ListOffsetsResponseTopicPartition, error) {
	answers := map[place]kmsg.ListOffsetsResponseTopicPartition{}
	if len(at) == 0 {
		return answers, nil
	}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.IsolationLevel = -1, isolation
	byTopic := map[string]*kmsg.ListOffsetsRequestTopic{}
	for p, timestamp := range at {
		if byTopic[p.topic] == nil {
			byTopic[p.topic] = &kmsg.ListOffsetsRequestTopic{Topic: p.topic}
		}
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp, one.CurrentLeaderEpoch = p.number, timestamp, -1
		byTopic[p.topic].Partitions = append(byTopic[p.topic].Partitions, one)
	}
	for _, t := range byTopic {
		request.Topics = append(request.Topics, *t)
	}
	response, err := l.shared.Request(ctx, request)
	listed, _ := response.(*kmsg.ListOffsetsResponse)
	if listed == nil {
		return answers, err
	}
	for _, t := range listed.Topics {
		for _, p := range t.Partitions {
			answers[place{t.Topic, p.Partition}] = p
		}
	}
	return answers, err
}

// epochEnd asks a leader where what was written under an epoch ends: the epoch is a
// lower one if the log has nothing of it, and the end is -1 where the leader cannot say.
func (l *live) epochEnd(ctx context.Context, node int32, p place, epoch int32) (ofEpoch int32, end int64, err error) {
	request := kmsg.NewPtrOffsetForLeaderEpochRequest()
	request.ReplicaID = -1
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	topic.Topic = p.topic
	one := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	one.Partition, one.CurrentLeaderEpoch, one.LeaderEpoch = p.number, -1, epoch
	topic.Partitions = append(topic.Partitions, one)
	request.Topics = append(request.Topics, topic)
	response, err := l.shared.Broker(int(node)).Request(ctx, request)
	if err != nil {
		return 0, 0, err
	}
	for _, t := range response.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, answer := range t.Partitions {
			return answer.LeaderEpoch, answer.EndOffset, errorOf(answer.ErrorCode)
		}
	}
	return 0, 0, errors.New("the leader has not answered")
}
