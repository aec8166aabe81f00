//go:build real

package kafka

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// The groups of the test, by state.
const (
	groupStable   = "stable"
	groupEmpty    = "empty"
	groupMid      = "mid-rebalance"
	groupConsumer = "consumer-protocol"
	groupShare    = "share"
	groupStreams  = "streams"
)

// metadata is what a consumer may keep beside its position.
const metadata = "where I was: \x00 \"quoted\" ü"

// TestCapture captures an Apache Kafka with everything that a capture knows, by
// credentials with all the rights that docs/kafka.md asks for, and then with one
// right less at a time.
func TestCapture(t *testing.T) {
	t.Parallel()
	s := &captureTest{broker: localservices.SecureKafkaForTest(t)}
	s.client = producer(t, []string{s.broker.Addr()})
	s.admin = kadm.NewClient(s.client)
	s.populate(t)
	super := connectPatiently(t, Config{Brokers: []string{s.broker.Addr()}})
	all := captured(t, super)
	t.Run("configuration", func(t *testing.T) { s.configuration(t, all) })
	t.Run("positions", func(t *testing.T) { s.positions(t, all) })
	t.Run("rights", s.rights)
}

type captureTest struct {
	broker *localservices.SecureKafka
	client *kgo.Client
	admin  *kadm.Client
}

func (s *captureTest) must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (s *captureTest) request(t *testing.T, request kmsg.Request) kmsg.Response {
	t.Helper()
	response, err := s.client.Request(t.Context(), request)
	s.must(t, err)
	return response
}

func (s *captureTest) populate(t *testing.T) {
	s.createTopic(t, "orders", 3, map[string]string{"retention.ms": "86400000", "cleanup.policy": "compact"})
	s.createTopic(t, "_clusters", 1, nil)
	for i := range 30 {
		s.must(t, s.client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Key: fmt.Append(nil, i), Value: []byte("value")}).FirstErr())
	}
	s.must(t, s.broker.SetPassword(t.Context(), "archive", scramPassword))
	user, rate := "archive", float64(1<<20)
	_, err := s.admin.AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "user", Name: &user}, {Type: "client-id"}},
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: rate}},
	}})
	s.must(t, err)
	acl := kmsg.NewCreateACLsRequestCreation()
	acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kmsg.ACLResourceTypeTopic, "orders", kmsg.ACLResourcePatternTypePrefixed
	acl.Principal, acl.Host, acl.Operation, acl.PermissionType = "User:somebody", "10.0.0.1", kmsg.ACLOperationWrite, kmsg.ACLPermissionTypeDeny
	acls := kmsg.NewPtrCreateACLsRequest()
	acls.Creations = append(acls.Creations, acl)
	s.must(t, kerr.ErrorForCode(s.request(t, acls).(*kmsg.CreateACLsResponse).Results[0].ErrorCode))
	s.groups(t)
}

func (s *captureTest) createTopic(t *testing.T, name string, partitions int32, settings map[string]string) {
	pointers := map[string]*string{}
	for setting, value := range settings {
		pointers[setting] = &value
	}
	_, err := localservices.CreateTopic(t.Context(), s.client, name, partitions, 1, pointers)
	s.must(t, err)
}

// groups makes a group in every state and of every type.
func (s *captureTest) groups(t *testing.T) {
	for group, options := range map[string][]kgo.Opt{
		groupStable:   nil,
		groupEmpty:    nil,
		groupConsumer: {kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())},
	} {
		consumer := producer(t, []string{s.broker.Addr()}, append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())...)
		for read := 0; read < 30; {
			read += consumer.PollFetches(t.Context()).NumRecords()
		}
		s.must(t, consumer.CommitUncommittedOffsets(t.Context()))
		if group == groupEmpty {
			s.must(t, consumer.LeaveGroupContext(t.Context()))
		}
	}
	var commits kadm.Offsets
	commits.Add(kadm.Offset{Topic: "orders", Partition: 2, At: 1, LeaderEpoch: 0, Metadata: metadata})
	answers, err := s.admin.CommitOffsets(t.Context(), groupEmpty, commits)
	s.must(t, err, answers.Error())

	join := kmsg.NewPtrJoinGroupRequest() // joined, and never synced
	join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = groupMid, 300_000, 300_000, "consumer"
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	join.Protocols = append(join.Protocols, protocol)
	join.MemberID = s.request(t, join).(*kmsg.JoinGroupResponse).MemberID
	s.must(t, kerr.ErrorForCode(s.request(t, join).(*kmsg.JoinGroupResponse).ErrorCode))

	share := kmsg.NewPtrShareGroupHeartbeatRequest()
	share.GroupID, share.MemberID, share.SubscribedTopicNames = groupShare, "AAAAAAAAAAAAAAAAAAAAAA", []string{"orders"}
	s.must(t, kerr.ErrorForCode(s.request(t, share).(*kmsg.ShareGroupHeartbeatResponse).ErrorCode))
	streams := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	streams.Group, streams.MemberID, streams.RebalanceTimeoutMillis, streams.ProcessID = groupStreams, "AAAAAAAAAAAAAAAAAAAAAQ", 300_000, kmsg.StringPtr("p")
	topology := kmsg.NewStreamsGroupHeartbeatRequestTopology()
	part := kmsg.NewStreamsGroupHeartbeatRequestTopologySubtopology()
	part.SubtopologyID, part.SourceTopics = "0", []string{"orders"}
	topology.Subtopologies = append(topology.Subtopologies, part)
	streams.Topology, streams.ActiveTasks, streams.StandbyTasks, streams.WarmupTasks = &topology, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
	heartbeat, err := s.client.Broker(1).Request(t.Context(), streams) // of its coordinator the client knows nothing
	s.must(t, err)
	s.must(t, kerr.ErrorForCode(heartbeat.(*kmsg.StreamsGroupHeartbeatResponse).ErrorCode))
}

func (s *captureTest) configuration(t *testing.T, all capture.Snapshot) {
	c := all.Configuration
	if len(c.Brokers) != 1 || c.Brokers[0].ID != 1 || c.Brokers[0].Port == 0 || c.Brokers[0].Version != "v4.2" || c.Brokers[0].Settings["num.partitions"] != "1" {
		t.Errorf("brokers %+v", c.Brokers)
	}
	for name, value := range c.Brokers[0].Settings {
		if strings.Contains(value, "PRIVATE KEY") || strings.Contains(value, localservices.PlainPassword) {
			t.Errorf("the setting %s holds a secret", name)
		}
	}
	if !slices.ContainsFunc(c.Features, func(f capture.Feature) bool { return f.Name == "metadata.version" && f.Level >= 29 }) {
		t.Errorf("features %+v", c.Features)
	}
	topics := map[string]capture.Topic{}
	for _, topic := range c.Topics {
		topics[topic.Name] = topic
		if topic.ID.IsZero() || topic.Inherited["file.delete.delay.ms"] != "1000" { // log.segment.delete.delay.ms of the broker
			t.Errorf("topic %+v", topic)
		}
	}
	orders := topics["orders"]
	if want := map[string]string{"retention.ms": "86400000", "cleanup.policy": "compact"}; len(topics) != 2 || !maps.Equal(orders.Settings, want) ||
		!reflect.DeepEqual(orders.Partitions, [][]int32{{1}, {1}, {1}}) || len(topics["_clusters"].Partitions) != 1 {
		t.Errorf("topics %+v", topics)
	}
	acl := capture.ACL{ResourceType: "TOPIC", ResourceName: "orders", Pattern: "PREFIXED", Principal: "User:somebody", Host: "10.0.0.1", Operation: "WRITE", Permission: "DENY"}
	if !slices.Contains(c.ACLs, acl) {
		t.Errorf("ACLs %+v", c.ACLs)
	}
	if len(c.Quotas) != 1 || c.Quotas[0].Name() != "client-id=<default>, user=archive" || c.Quotas[0].Values["producer_byte_rate"] != 1<<20 {
		t.Errorf("quotas %+v", c.Quotas)
	}
	if want := []capture.ScramUser{{User: "archive", Mechanism: ScramSHA256, Iterations: 4096}, {User: "archive", Mechanism: ScramSHA512, Iterations: 4096}}; !slices.Equal(c.Users, want) {
		t.Errorf("users %+v", c.Users)
	}
	if len(c.NotCaptured) != 0 {
		t.Errorf("not captured: %+v", c.NotCaptured)
	}
}

// The groups that a capture cannot have all of, whoever makes it.
var neverWhole = []string{"groups [share] ", "groups [streams] "}

func (s *captureTest) positions(t *testing.T, all capture.Snapshot) {
	p := all.Positions
	kinds := map[string]string{}
	stands := map[string]map[int32]capture.Committed{}
	for _, g := range p.Groups {
		kinds[g.Name] = g.Type
		stands[g.Name] = map[int32]capture.Committed{}
		for _, c := range g.Offsets["orders"] {
			stands[g.Name][c.Partition] = c
		}
		if _, never := map[string]bool{groupShare: true, groupStreams: true}[g.Name]; (g.Offsets == nil) != never {
			t.Errorf("group %+v", g)
		}
		state := map[string]string{groupStable: "Stable", groupConsumer: "Stable", groupEmpty: "Empty", groupMid: "CompletingRebalance"}[g.Name]
		if state != "" && g.State != state {
			t.Errorf("group %s is %s, want %s", g.Name, g.State, state)
		}
	}
	want := map[string]string{groupStable: "classic", groupEmpty: "classic", groupMid: "classic", groupConsumer: "consumer", groupShare: "share", groupStreams: "streams"}
	if !maps.Equal(kinds, want) {
		t.Errorf("groups %v, want %v", kinds, want)
	}
	ends, read := map[int32]int64{}, int64(0)
	for _, o := range p.Offsets {
		for number, e := range o.Partitions {
			if o.Topic == "orders" {
				ends[int32(number)] = e[1]
				if e[0] != 0 || e[1] != e[2] || e[3] != 0 {
					t.Errorf("ends %v", *e)
				}
			}
		}
	}
	for _, group := range []string{groupStable, groupConsumer} {
		for number, end := range ends {
			read += end
			if c := stands[group][number]; c.Offset != end || c.LeaderEpoch != 0 {
				t.Errorf("group %s partition %d: %+v, want offset %d", group, number, c, end)
			}
		}
	}
	if c := stands[groupEmpty][2]; read != 60 || c.Offset != 1 || c.Metadata == nil || *c.Metadata != metadata {
		t.Errorf("it stands at %+v", c)
	}
	if got := lacks(all); !slices.Equal(got, neverWhole) {
		t.Errorf("not captured: %q", got)
	}
}

// A right is one of those that docs/kafka.md asks for.
type right struct {
	kind      kmsg.ACLResourceType
	operation kmsg.ACLOperation
}

// rightsOf are all of them.
var rightsOf = []right{
	{kmsg.ACLResourceTypeTopic, kmsg.ACLOperationRead}, {kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDescribeConfigs},
	{kmsg.ACLResourceTypeGroup, kmsg.ACLOperationDescribe},
	{kmsg.ACLResourceTypeCluster, kmsg.ACLOperationDescribe}, {kmsg.ACLResourceTypeCluster, kmsg.ACLOperationDescribeConfigs},
	{kmsg.ACLResourceTypeTransactionalId, kmsg.ACLOperationDescribe},
}

// rights takes one right away at a time. What is missing is named, and nothing
// else changes.
func (s *captureTest) rights(t *testing.T) {
	all := s.as(t, "everything", rightsOf...)
	if got := lacks(all); !slices.Equal(got, neverWhole) {
		t.Fatalf("with all rights, not captured: %q", got)
	}
	for _, c := range []struct {
		without right
		lacks   []string
		blank   func(*capture.Snapshot)
	}{
		{rightsOf[0], []string{"topics [_clusters orders] Describe on the topics"}, func(s *capture.Snapshot) {
			s.Configuration.Topics, s.Positions.Offsets = nil, nil
			for i := range s.Positions.Groups {
				if s.Positions.Groups[i].Offsets != nil {
					s.Positions.Groups[i].Offsets = map[string][]capture.Committed{} // positions on topics that are hidden are, too
				}
			}
		}},
		{rightsOf[1], []string{"topic_settings [_clusters orders] DescribeConfigs on the topics"}, func(s *capture.Snapshot) {
			for i := range s.Configuration.Topics {
				s.Configuration.Topics[i].Settings, s.Configuration.Topics[i].Inherited = nil, nil
			}
		}},
		{rightsOf[2], []string{"groups [consumer-protocol empty mid-rebalance stable] Describe on the groups"}, func(s *capture.Snapshot) {
			for i := range s.Positions.Groups {
				s.Positions.Groups[i].Offsets = nil
			}
		}},
		{rightsOf[3], []string{"acls [] Describe on the cluster", "groups [] Describe on the cluster", "scram_users [] Describe on the cluster"}, func(s *capture.Snapshot) {
			s.Configuration.ACLs, s.Configuration.Users = nil, nil
		}},
		{rightsOf[4], []string{"brokers [1] DescribeConfigs on the cluster", "quotas [] DescribeConfigs on the cluster"}, func(s *capture.Snapshot) {
			s.Configuration.Quotas, s.Configuration.Brokers[0].Settings = nil, nil
		}},
		{rightsOf[5], []string{"transactions [] Describe on the transactional IDs"}, func(*capture.Snapshot) {}},
	} {
		left := slices.DeleteFunc(slices.Clone(rightsOf), func(r right) bool { return r == c.without })
		name := fmt.Sprintf("without %s on %s", c.without.operation, c.without.kind)
		got := s.as(t, name, left...)
		want := slices.Concat(neverWhole, c.lacks)
		slices.Sort(want)
		if lacks := lacks(got); !slices.Equal(lacks, want) {
			t.Errorf("%s: not captured %q, want %q; %+v", name, lacks, want, got.Missing())
		}
		whole := s.as(t, "everything", rightsOf...) // of now: ACLs were made since
		c.blank(&whole)
		for _, s := range []*capture.Snapshot{&whole, &got} {
			s.Key, s.Positions.PositionsHeader, s.Positions.EndedAt = "", capture.PositionsHeader{}, time.Time{}
			s.Configuration.NotCaptured, s.Positions.NotCaptured = nil, nil
			for i := range s.Positions.Groups {
				s.Positions.Groups[i].State = "" // members of the test's groups time out
			}
		}
		if !reflect.DeepEqual(got, whole) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, whole)
		}
	}
}

// as captures as a user of its own who has these rights.
func (s *captureTest) as(t *testing.T, user string, rights ...right) capture.Snapshot {
	t.Helper()
	request := kmsg.NewPtrCreateACLsRequest()
	for _, r := range rights {
		acl := kmsg.NewCreateACLsRequestCreation()
		acl.ResourceType, acl.ResourceName, acl.ResourcePatternType, acl.Principal, acl.Host = r.kind, "*", kmsg.ACLResourcePatternTypeLiteral, "User:CN="+user, "*"
		if r.kind == kmsg.ACLResourceTypeCluster {
			acl.ResourceName = "kafka-cluster"
		}
		acl.Operation, acl.PermissionType = r.operation, kmsg.ACLPermissionTypeAllow
		request.Creations = append(request.Creations, acl)
	}
	for _, result := range s.request(t, request).(*kmsg.CreateACLsResponse).Results {
		s.must(t, kerr.ErrorForCode(result.ErrorCode))
	}
	eventually(t, "the ACLs of "+user, func() bool {
		list := kadm.NewACLs().Allow("User:CN=" + user).AllowHosts().Deny().DenyHosts().AnyResource().ResourcePatternType(kadm.ACLPatternAny).Operations()
		found, err := s.admin.DescribeACLs(t.Context(), list)
		s.must(t, err)
		n := 0
		for _, f := range found {
			n += len(f.Described)
		}
		return n >= len(rights)
	})
	certificate, key, err := s.broker.Authority.Issue(user)
	s.must(t, err)
	secret := newSecret(t, map[string]any{"ca": s.broker.Authority.Certificate, "certificate": certificate, "privateKey": key})
	client := connectPatiently(t, Config{Brokers: []string{s.broker.Listener(localservices.ListenerMutual)}, Security: Security{TLS: true, Secret: secret}})
	return captured(t, client)
}
