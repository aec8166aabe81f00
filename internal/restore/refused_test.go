package restore

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/capture"
)

func played(t *testing.T) (*kfake.Cluster, *Restorer) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, &Restorer{Client: []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}, Now: time.Now}
}

// What the brokers refuse of one group is said of this group, and stops no other.
func TestARefusedGroupStopsNoOther(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(kmsg.Request) (kmsg.Response, error, bool){
		"fetch": func(request kmsg.Request) (kmsg.Response, error, bool) {
			answer := request.ResponseKind().(*kmsg.OffsetFetchResponse)
			for _, g := range request.(*kmsg.OffsetFetchRequest).Groups {
				of := kmsg.NewOffsetFetchResponseGroup()
				of.Group, of.ErrorCode = g.Group, kerr.GroupAuthorizationFailed.Code
				answer.Groups = append(answer.Groups, of)
			}
			answer.ErrorCode = kerr.GroupAuthorizationFailed.Code
			return answer, nil, true
		},
		"commit": func(request kmsg.Request) (kmsg.Response, error, bool) {
			answer := request.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, topic := range request.(*kmsg.OffsetCommitRequest).Topics {
				of := kmsg.NewOffsetCommitResponseTopic()
				of.Topic, of.TopicID = topic.Topic, topic.TopicID
				of.Partitions = append(of.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: 0, ErrorCode: kerr.GroupIDNotFound.Code})
				answer.Topics = append(answer.Topics, of)
			}
			return answer, nil, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, r := played(t)
			key := kmsg.OffsetFetch
			if name == "commit" {
				key = kmsg.OffsetCommit
			}
			cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				return refuse(request)
			})
			admin, done, err := r.admin()
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			report := &GroupReport{Group: "g", Positions: []PositionReport{{Topic: "t", Target: 1}}}
			err = setGroup(t.Context(), admin, report, []standing{{report: &report.Positions[0], partition: &Partition{}}}, "Empty")
			if err != nil || report.Stands || report.Reason == "" {
				t.Errorf("stands %v, %q, %v", report.Stands, report.Reason, err)
			}
		})
	}
	if got := refusalOf(kerr.CoordinatorNotAvailable); got != "" {
		t.Errorf("what can be asked again is refused: %q", got)
	}
}

// Who may not see the ACLs of the target gets the report all the same.
func TestACLsThatMayNotBeSeen(t *testing.T) {
	t.Parallel()
	cluster, r := played(t)
	cluster.ControlKey(int16(kmsg.DescribeACLs), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := request.ResponseKind().(*kmsg.DescribeACLsResponse)
		answer.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return answer, nil, true
	})
	r.Snapshot.Configuration.ACLs = []capture.ACL{{Principal: "User:CN=a b,O=\"c\",C=*", Host: "*", ResourceType: "TOPIC", ResourceName: "*", Pattern: "LITERAL", Operation: "READ", Permission: "DENY"}}
	reports, err := r.createACLs(t.Context())
	if err != nil || len(reports) != 1 || reports[0].Stands || reports[0].Reason == "" {
		t.Errorf("%+v, %v", reports, err)
	}
}
