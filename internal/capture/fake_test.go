package capture

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// Pages are tiny, so that every test goes over several.
func init() { settingsAtOnce, groupsAtOnce, partitionsAtOnce, listPage = 2, 2, 3, 2 }

// fakeCluster answers from memory, and fails where a test wants it to.
type fakeCluster struct {
	mutex    sync.Mutex
	overview Overview
	features []Feature
	acls     []ACL
	quotas   []Quota
	users    []ScramUser
	groups   []Group
	fails    map[string]error // by method, or method and name
	calls    []string
	anew     map[string]bifrost.TopicID // topics that have another ID when they are asked for again
	before   func(call string)
	// committing are the transactions that each listing shows, the last for ever; the ends
	// of the logs move with each.
	committing [][]string
	listings   int

	missing   []Missing       // of the list of groups
	positions []Missing       // of every group
	silent    map[string]bool // groups and partitions (topic/number) for which nobody answers
	gone      map[string]bool // topics that nobody knows when they are asked for again
	suspects  []string        // topics that may be hidden
	listed    map[string]bool // of some topics, whether they are listed
	asked     [][]bifrost.Topic
	deadline  time.Time // of the last request for the cluster's ID
}

func (f *fakeCluster) call(name string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.before != nil {
		f.before(name)
	}
	f.calls = append(f.calls, name)
	return f.fails[name]
}

func (f *fakeCluster) ClusterID(ctx context.Context) (string, error) {
	f.deadline, _ = ctx.Deadline()
	return f.overview.ClusterID, f.call("ClusterID")
}

func (f *fakeCluster) Overview(context.Context) (Overview, error) {
	o := f.overview
	o.Brokers, o.Topics = slices.Clone(o.Brokers), slices.Clone(o.Topics)
	return o, f.call("Overview")
}

func (f *fakeCluster) HiddenTopics(_ context.Context, suspects []string, listed func(string) bool) (map[string]error, error) {
	err := f.call("HiddenTopics")
	f.suspects = suspects
	for topic := range f.listed {
		f.listed[topic] = listed(topic)
	}
	if hidden := f.fails["HiddenTopics hidden"]; hidden != nil {
		return map[string]error{"hidden": hidden}, err
	}
	return nil, err
}

func (f *fakeCluster) DescribeBrokers(_ context.Context, ids []int32) map[int32]BrokerAnswer {
	err := f.call("DescribeBrokers")
	answers := map[int32]BrokerAnswer{}
	for _, id := range ids {
		answers[id] = BrokerAnswer{Version: "v4.2", Settings: map[string]string{"num.partitions": "3"}, SettingsErr: err}
	}
	return answers
}

func (f *fakeCluster) Features(context.Context) ([]Feature, error) {
	return slices.Clone(f.features), f.call("Features")
}

func (f *fakeCluster) TopicSettings(_ context.Context, topics []string) (map[string]SettingsAnswer, error) {
	err := f.call("TopicSettings")
	if err != nil {
		return nil, err
	}
	answers := map[string]SettingsAnswer{}
	for _, name := range topics {
		answers[name] = SettingsAnswer{Settings: map[string]string{"retention.ms": "1"}, Inherited: map[string]string{"segment.bytes": "2"}}
		if err := f.fails["TopicSettings "+name]; err != nil {
			answers[name] = SettingsAnswer{Err: err}
		}
	}
	return answers, nil
}

func (f *fakeCluster) ACLs(context.Context) ([]ACL, error) {
	return slices.Clone(f.acls), f.call("ACLs")
}

func (f *fakeCluster) Quotas(context.Context) ([]Quota, error) {
	return slices.Clone(f.quotas), f.call("Quotas")
}

func (f *fakeCluster) ScramUsers(context.Context) ([]ScramUser, error) {
	return slices.Clone(f.users), f.call("ScramUsers")
}

func (f *fakeCluster) Groups(context.Context) ([]Group, []Missing, error) {
	return slices.Clone(f.groups), f.missing, f.call("Groups")
}

func (f *fakeCluster) CommittedOffsets(_ context.Context, groups []string) map[string]CommittedAnswer {
	_ = f.call("CommittedOffsets")
	answers := map[string]CommittedAnswer{}
	for _, name := range groups {
		if f.silent[name] {
			continue
		}
		metadata := "of " + name
		answers[name] = CommittedAnswer{Missing: f.positions, Offsets: map[string][]Committed{"orders": {{2, 7, -1, nil}, {0, 5, 3, &metadata}}}}
		if err := f.fails["CommittedOffsets "+name]; err != nil {
			answers[name] = CommittedAnswer{Err: err}
		}
	}
	return answers
}

func (f *fakeCluster) SeesTransactions(context.Context) error { return f.call("SeesTransactions") }

func (f *fakeCluster) CommittingTransactions(context.Context) ([]string, error) {
	err := f.call("CommittingTransactions")
	f.listings++
	if err != nil || len(f.committing) == 0 {
		return nil, err
	}
	return slices.Clone(f.committing[min(f.listings, len(f.committing))-1]), nil
}

func (f *fakeCluster) Offsets(_ context.Context, topics []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	answers := map[bifrost.TopicPartition]bifrost.OffsetAnswer{}
	f.asked = append(f.asked, topics)
	for _, t := range topics {
		for _, number := range t.Partitions {
			if f.silent[fmt.Sprintf("%s/%d", t.Name, number)] {
				continue
			}
			answer := bifrost.OffsetAnswer{Observation: bifrost.Observation{LogStart: 1, LastStable: 10, HighWatermark: 12, LeaderEpoch: 4}}
			answer.Err = f.fails[fmt.Sprintf("Offsets %s/%d", t.Name, number)]
			answers[bifrost.TopicPartition{Topic: t.Name, Partition: number}] = answer
		}
	}
	return answers, f.call("Offsets")
}

func (f *fakeCluster) TopicIDs(_ context.Context, topics []string) (map[string]bifrost.TopicID, error) {
	ids := map[string]bifrost.TopicID{}
	for _, t := range f.overview.Topics {
		if slices.Contains(topics, t.Name) && !f.gone[t.Name] {
			ids[t.Name] = t.ID
		}
	}
	maps.Copy(ids, f.anew)
	return ids, f.call("TopicIDs")
}

func topic(name string, id byte, partitions int) Topic {
	t := Topic{Name: name, ID: bifrost.TopicID{id}}
	for range partitions {
		t.Partitions = append(t.Partitions, []int32{1, 2})
	}
	return t
}

func newFake() *fakeCluster {
	user := "archive"
	return &fakeCluster{
		overview: Overview{ClusterID: "the-cluster", Brokers: []Broker{{ID: 2, Host: "b", Port: 9092, Rack: "z"}, {ID: 1, Host: "a", Port: 9092}},
			Topics: []Topic{topic("orders", 1, 3), topic("_clusters", 2, 1), topic("payments", 3, 5)}},
		features: []Feature{{"metadata.version", 29}, {"group.version", 1}},
		acls:     []ACL{{"TOPIC", "orders", "LITERAL", "User:b", "*", "READ", "ALLOW"}, {"TOPIC", "orders", "LITERAL", "User:a", "*", "READ", "ALLOW"}},
		quotas:   []Quota{{[]QuotaEntity{{"user", &user}, {"client-id", nil}}, map[string]float64{"producer_byte_rate": 1.5e6}}},
		users:    []ScramUser{{"archive", "SCRAM-SHA-512", 4096}},
		groups: []Group{{Name: "c", Type: "classic", ProtocolType: "consumer", State: "Stable"}, {Name: "a", Type: "consumer", State: "Empty"},
			{Name: "b", Type: GroupShare, State: "Stable"}, {Name: "d", Type: GroupStreams}},
		fails: map[string]error{},
	}
}

// A stand is a cluster, a bucket, a clock and what captures with them.
type stand struct {
	*testing.T
	cluster *fakeCluster
	bucket  *bifrosttest.Store
	now     time.Time
}

func newStand(t *testing.T) *stand {
	return &stand{T: t, cluster: newFake(), bucket: bifrosttest.NewStore(), now: time.Date(2026, 11, 28, 13, 47, 3, 0, time.UTC)}
}

// capturer is a new process.
func (s *stand) capturer() *Capturer {
	return &Capturer{Group: "g", Cluster: s.cluster, Bucket: s.bucket, Every: 15 * time.Minute, Writer: "test",
		Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler)}
}

func (s *stand) due(c *Capturer) *bifrost.CaptureResult {
	s.Helper()
	return c.CaptureDue(s.Context(), time.Time{})
}

func (s *stand) open(key string) Snapshot {
	s.Helper()
	snapshot, err := Open(s.Context(), s.bucket, key)
	if err != nil {
		s.Fatal(err)
	}
	return snapshot
}

// taken is a capture by hand.
func (s *stand) taken() Snapshot {
	s.Helper()
	made, err := s.capturer().CaptureNow(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return s.open(made.Key)
}
