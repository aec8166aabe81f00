package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// captured makes a capture by a client.
func captured(t *testing.T, client *Client) capture.Snapshot {
	t.Helper()
	c := &capture.Capturer{Group: "g", Cluster: client, Bucket: bifrosttest.NewStore(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	made, err := c.CaptureNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := made.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lacks lists what is missing as "part [names] right".
func lacks(s capture.Snapshot) []string {
	all := []string{}
	for _, n := range s.Missing() {
		all = append(all, fmt.Sprintf("%s %v %s", n.Part, n.Names, n.Needs))
	}
	slices.Sort(all)
	return all
}

// captureCluster is three brokers with two topics, two groups and an end in each
// log of orders.
func captureCluster(t *testing.T) (*kfake.Cluster, *Client) {
	t.Helper()
	cluster, client := startCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(4, "orders", "payments"))
	admin := kadm.NewClient(producer(t, cluster.ListenAddrs()))
	for p := range int32(4) {
		produce(t, cluster, "orders", p, 5)
	}
	retention := "12345"
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "retention.ms", Value: &retention}}, "orders"); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{"one", "two"} {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: "orders", Partition: 3, At: 2, LeaderEpoch: -1, Metadata: "of " + group})
		answers, err := admin.CommitOffsets(t.Context(), group, offsets)
		if err = errors.Join(err, answers.Error()); err != nil {
			t.Fatal(err)
		}
	}
	return cluster, client
}

// What three brokers know is put together.
func TestCaptureOfThreeBrokers(t *testing.T) {
	t.Parallel()
	_, client := captureCluster(t)
	s := captured(t, client)
	c, p := s.Configuration, s.Positions
	if len(c.Brokers) != 3 || c.Brokers[2].Port == 0 || c.Brokers[0].Version == "" {
		t.Errorf("brokers %+v", c.Brokers)
	}
	if len(c.Topics) != 2 || c.Topics[0].Name != "orders" || len(c.Topics[0].Partitions) != 4 || c.Topics[0].Settings["retention.ms"] != "12345" {
		t.Errorf("topics %+v", c.Topics)
	}
	if len(p.Groups) != 2 || p.Groups[0].Name != "one" || p.Groups[1].State != "Empty" {
		t.Fatalf("groups %+v", p.Groups)
	}
	if at := p.Groups[1].Offsets["orders"]; len(at) != 1 || at[0].Partition != 3 || at[0].Offset != 2 || at[0].LeaderEpoch != -1 || *at[0].Metadata != "of two" {
		t.Errorf("positions %+v", p.Groups[1].Offsets)
	}
	if e := p.Offsets[0].Partitions[3]; e == nil || e[0] != 0 || e[1] != 5 || e[2] != 5 {
		t.Errorf("ends %+v", p.Offsets)
	}
	if got := lacks(s); len(got) != 0 {
		t.Errorf("missing %+v", s.Missing())
	}
}

// One answer that fails takes nothing else with it.
func TestCaptureWithAnswersThatFail(t *testing.T) {
	t.Parallel()
	denied := func(key kmsg.Key, cluster *kfake.Cluster, change func(kmsg.Request) (kmsg.Response, bool)) {
		cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			response, handled := change(request)
			return response, nil, handled
		})
	}
	for name, c := range map[string]struct {
		key    kmsg.Key
		change func(kmsg.Request) (kmsg.Response, bool)
		want   string
	}{
		"ACLs": {kmsg.DescribeACLs, func(r kmsg.Request) (kmsg.Response, bool) {
			response := r.ResponseKind().(*kmsg.DescribeACLsResponse)
			response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return response, true
		}, "acls [] Describe on the cluster"},
		"no authorizer": {kmsg.DescribeACLs, func(r kmsg.Request) (kmsg.Response, bool) {
			response := r.ResponseKind().(*kmsg.DescribeACLsResponse)
			response.ErrorCode = kerr.SecurityDisabled.Code
			return response, true
		}, "acls [] "},
		"quotas": {kmsg.DescribeClientQuotas, func(r kmsg.Request) (kmsg.Response, bool) {
			response := r.ResponseKind().(*kmsg.DescribeClientQuotasResponse)
			response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return response, true
		}, "quotas [] DescribeConfigs on the cluster"},
		"users": {kmsg.DescribeUserSCRAMCredentials, func(r kmsg.Request) (kmsg.Response, bool) {
			if r.(*kmsg.DescribeUserSCRAMCredentialsRequest).Users == nil {
				return nil, false // Kafka would never answer
			}
			response := r.ResponseKind().(*kmsg.DescribeUserSCRAMCredentialsResponse)
			response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return response, true
		}, "scram_users [] Describe on the cluster"},
		"one group": {kmsg.OffsetFetch, refusesOffsetsOf("two", kerr.GroupAuthorizationFailed),
			"groups [two] Describe on the groups"},
		"a group that cannot be asked": {kmsg.OffsetFetch, refusesOffsetsOf("two", kerr.UnknownServerError), "groups [two] "},
		"settings of topics": {kmsg.DescribeConfigs, refusesConfigsOf(kmsg.ConfigResourceTypeTopic),
			"topic_settings [orders payments] DescribeConfigs on the topics"},
		"settings of brokers": {kmsg.DescribeConfigs, refusesConfigsOf(kmsg.ConfigResourceTypeBroker),
			"brokers [0 1 2] DescribeConfigs on the cluster"},
		"versions": {kmsg.ApiVersions, func(r kmsg.Request) (kmsg.Response, bool) {
			if r.(*kmsg.ApiVersionsRequest).ClientSoftwareName != "bifrost" {
				return nil, false // the client's own, without which it asks nothing
			}
			response := r.ResponseKind().(*kmsg.ApiVersionsResponse)
			response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return response, true
		}, "brokers [0 1 2] DescribeConfigs on the cluster; features [] ; " +
			"transactions [] Describe on the transactional IDs"},
		"hidden groups": {kmsg.DescribeCluster, func(r kmsg.Request) (kmsg.Response, bool) {
			response := r.ResponseKind().(*kmsg.DescribeClusterResponse)
			response.ClusterAuthorizedOperations = 0
			return response, true
		}, "groups [] Describe on the cluster"},
		"hidden transactions": {kmsg.DescribeTransactions, func(r kmsg.Request) (kmsg.Response, bool) {
			response := r.ResponseKind().(*kmsg.DescribeTransactionsResponse)
			one := kmsg.NewDescribeTransactionsResponseTransactionState()
			one.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
			response.TransactionStates = append(response.TransactionStates, one)
			return response, true
		}, "transactions [] Describe on the transactional IDs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, client := captureCluster(t)
			denied(c.key, cluster, c.change)
			s := captured(t, client)
			if got := strings.Join(lacks(s), "; "); got != c.want {
				t.Errorf("missing %+v, want %s", s.Missing(), c.want)
			}
			reads := fmt.Sprintf("%v: ", capture.ErrNone) // by which a restore knows that there were none
			if r := s.Missing()[0].Reason; name == "no authorizer" && (!strings.HasPrefix(r, reads) || !strings.Contains(r, kerr.SecurityDisabled.Message)) {
				t.Errorf("without an authorizer: %q", r)
			}
			if len(s.Configuration.Topics) != 2 || len(s.Positions.Groups) != 2 || len(s.Positions.Offsets) != 2 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// refusesOffsetsOf refuses to say where one group stands; others stand nowhere.
func refusesOffsetsOf(group string, err *kerr.Error) func(kmsg.Request) (kmsg.Response, bool) {
	return func(r kmsg.Request) (kmsg.Response, bool) {
		request, response := r.(*kmsg.OffsetFetchRequest), r.ResponseKind().(*kmsg.OffsetFetchResponse)
		for _, g := range request.Groups {
			one := kmsg.NewOffsetFetchResponseGroup()
			one.Group = g.Group
			if g.Group == group {
				one.ErrorCode = err.Code
			}
			response.Groups = append(response.Groups, one)
		}
		return response, true
	}
}

// refusesConfigsOf refuses to describe the settings of one type of resources.
func refusesConfigsOf(refused kmsg.ConfigResourceType) func(kmsg.Request) (kmsg.Response, bool) {
	return func(r kmsg.Request) (kmsg.Response, bool) {
		response := r.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, asked := range r.(*kmsg.DescribeConfigsRequest).Resources {
			if asked.ResourceType != refused {
				return nil, false
			}
			one := kmsg.NewDescribeConfigsResponseResource()
			one.ResourceType, one.ResourceName = asked.ResourceType, asked.ResourceName
			one.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			response.Resources = append(response.Resources, one)
		}
		return response, true
	}
}

// What an ACL forbids, to whom and from where, is captured as it is, whatever its pattern.
func TestCaptureOfACLs(t *testing.T) {
	t.Parallel()
	cluster, client := captureCluster(t)
	cluster.ControlKey(int16(kmsg.DescribeACLs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked, response := r.(*kmsg.DescribeACLsRequest), r.ResponseKind().(*kmsg.DescribeACLsResponse)
		if asked.ResourceType == kmsg.ACLResourceTypeAny &&
			asked.ResourcePatternType == kmsg.ACLResourcePatternTypeAny &&
			asked.Operation == kmsg.ACLOperationAny && asked.PermissionType == kmsg.ACLPermissionTypeAny &&
			asked.ResourceName == nil && asked.Principal == nil && asked.Host == nil {
			resource, acl := kmsg.NewDescribeACLsResponseResource(), kmsg.NewDescribeACLsResponseResourceACL()
			resource.ResourceType, resource.ResourceName = kmsg.ACLResourceTypeTopic, "pay"
			resource.ResourcePatternType = kmsg.ACLResourcePatternTypePrefixed
			acl.Principal, acl.Host = "User:eve", "10.0.0.1"
			acl.Operation, acl.PermissionType = kmsg.ACLOperationRead, kmsg.ACLPermissionTypeDeny
			resource.ACLs = append(resource.ACLs, acl)
			response.Resources = append(response.Resources, resource)
		}
		return response, nil, true
	})
	want := []capture.ACL{{ResourceType: "TOPIC", ResourceName: "pay", Pattern: "PREFIXED", Principal: "User:eve",
		Host: "10.0.0.1", Operation: "READ", Permission: "DENY"}}
	if got := captured(t, client).Configuration.ACLs; !slices.Equal(got, want) {
		t.Errorf("ACLs %+v", got)
	}
}

// A broker that does not answer leaves open which groups it coordinates, and where
// they stand.
func TestCaptureWithoutOneBroker(t *testing.T) {
	t.Parallel()
	cluster, client := captureCluster(t)
	captured(t, client) // it knows the brokers
	cluster.ControlKey(int16(kmsg.ListGroups), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if cluster.CurrentNode() == 1 {
			response := r.ResponseKind().(*kmsg.ListGroupsResponse)
			response.ErrorCode = kerr.CoordinatorNotAvailable.Code
			return response, nil, true
		}
		return nil, nil, false
	})
	s := captured(t, client)
	missing := s.Missing()
	if len(missing) != 1 || missing[0].Part != capture.PartGroups || !strings.Contains(missing[0].Reason, "the groups that broker 1 coordinates") {
		t.Errorf("missing %+v", missing)
	}
}

// Of each transaction that is being committed the coordinator says so: all brokers are
// asked, until none has one any more.
func TestCaptureAwaitsTransactionsOfAllBrokers(t *testing.T) {
	t.Parallel()
	cluster, client := captureCluster(t)
	coordinators, left, failing := map[int32]bool{}, 3, 1
	cluster.ControlKey(int16(kmsg.ListTransactions), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if states := r.(*kmsg.ListTransactionsRequest).StateFilters; !slices.Equal(states, []string{"PrepareCommit"}) {
			t.Errorf("asked for the states %q", states)
		}
		response := r.ResponseKind().(*kmsg.ListTransactionsResponse)
		coordinators[cluster.CurrentNode()] = true
		if cluster.CurrentNode() == 2 && failing > 0 { // as a broker does that has no answer, and no retry is meant for
			failing--
			response.ErrorCode = kerr.UnknownServerError.Code
			return response, nil, true
		}
		if cluster.CurrentNode() == 2 && left > 0 {
			one := kmsg.NewListTransactionsResponseTransactionState()
			one.TransactionalID, one.TransactionState = "payments", "PrepareCommit"
			response.TransactionStates = append(response.TransactionStates, one)
			left--
		}
		return response, nil, true
	})
	s := captured(t, client)
	if got := lacks(s); len(got) != 0 || len(coordinators) != 3 || left != 0 {
		t.Errorf("missing %+v; %d brokers were asked, %d times too few", s.Missing(), len(coordinators), left)
	}
}

// Brokers before Kafka 3.0 list no transactions: a capture says so, and has the rest.
func TestCaptureOfBrokersThatListNoTransactions(t *testing.T) {
	t.Parallel()
	_, client := startCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "orders"), kfake.MaxVersions(kversion.V2_8_0()))
	s := captured(t, client)
	i := slices.IndexFunc(s.Missing(), func(n capture.NotCaptured) bool { return n.Part == capture.PartTransactions })
	if i < 0 || !strings.Contains(s.Missing()[i].Reason, "before Kafka 3.0") || s.Missing()[i].Needs != "" || len(s.Positions.Offsets) != 1 {
		t.Errorf("missing %+v of %+v", s.Missing(), s.Positions)
	}
}
