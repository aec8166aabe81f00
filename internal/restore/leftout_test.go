package restore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// refusing is a target whose policy lets some topics not be made, and a restore of three
// empty topics and of a group that stood in each.
func refusing(t *testing.T, refused ...string) (*kadm.Client, *Restorer) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cluster.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := request.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, topic := range request.(*kmsg.CreateTopicsRequest).Topics {
			if slices.Contains(refused, topic.Topic) {
				of := kmsg.NewCreateTopicsResponseTopic()
				of.Topic, of.ErrorCode, of.ErrorMessage = topic.Topic, kerr.PolicyViolation.Code, kmsg.StringPtr("names begin with the team.")
				answer.Topics = append(answer.Topics, of)
			}
		}
		return answer, nil, len(answer.Topics) > 0
	})
	archived, snapshot := largeCluster(3, 1)
	group := capture.Group{Name: "g", Offsets: map[string][]capture.Committed{}}
	for i, topic := range snapshot.Configuration.Topics {
		archived.progress[i].NextOffset, snapshot.Positions.Offsets[i].Partitions[0] = 0, &[4]int64{0, 0, 0, 0}
		group.Offsets[topic.Name] = []capture.Committed{{Partition: 0, Offset: 0, LeaderEpoch: -1}}
	}
	snapshot.Positions.Groups = []capture.Group{group}
	options := []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client), &Restorer{
		Scope: Scope{Groups: true}, Archive: &readback.Reader{Catalogue: archived}, Snapshot: snapshot, Client: options, Parallel: 1, Now: time.Now,
	}
}

// A topic that the brokers refuse to make is listed with their reason, and so is a position
// in it; the others come back, and the plan says so before.
func TestATopicThatMayNotBeMadeStopsNoOther(t *testing.T) {
	t.Parallel()
	admin, r := refusing(t, "topic-00001")
	plan, err := r.Look(t.Context(), true)
	if err != nil || len(plan.Refusals) > 0 || len(plan.Topics) != 2 {
		t.Fatalf("%d topics, refused %q: %v", len(plan.Topics), plan.Refusals, err)
	}
	planned, err := r.Planned(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	for name, report := range map[string]*Report{"plan": planned, "restore": done} {
		if len(report.Topics) != 2 || len(report.Differences) != 2 || report.Stands() || report.Differences[0].Name != "topic-00001" || report.Differences[1].Name != "g" {
			t.Fatalf("%s: %+v", name, report)
		}
		for _, d := range report.Differences {
			if !strings.Contains(d.Reason, "POLICY_VIOLATION") || !strings.Contains(d.Reason, "names begin with the team") {
				t.Errorf("%s: %s %s: %s", name, d.Kind, d.Name, d.Reason)
			}
		}
	}
	topics, err := admin.ListTopics(t.Context())
	if err != nil || !topics.Has("topic-00000") || !topics.Has("topic-00002") || topics.Has("topic-00001") {
		t.Errorf("the target has %v: %v", topics.Names(), err)
	}
	if g := done.Groups[0]; g.Stands || !g.Positions[0].Stands || g.Positions[1].Stands || !g.Positions[2].Stands {
		t.Errorf("group %+v", g)
	}
}

// Where no topic can be made, nothing is done.
func TestTopicsOfWhichNoneMayBeMade(t *testing.T) {
	t.Parallel()
	_, r := refusing(t, "topic-00000", "topic-00001", "topic-00002")
	plan, err := r.Look(t.Context(), true)
	if err != nil || len(plan.Refusals) != 3 || len(plan.LeftOut) != 0 {
		t.Errorf("refused %q, left out %v: %v", plan.Refusals, plan.LeftOut, err)
	}
}

// What cannot be made is asked for no records.
func TestLeftOutOfEveryPartOfThePlan(t *testing.T) {
	t.Parallel()
	_, r := refusing(t, "topic-00001")
	r.Topics = bifrost.TopicFilter{Exclude: []string{"*2"}}
	rows, err := r.Archive.Catalogue.ListProgress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows { // one hundred offsets each, of which there is no object
		rows[i].NextOffset, r.Snapshot.Positions.Offsets[i].Partitions[0] = 100, &[4]int64{0, 100, 100, 0}
	}
	plan, err := r.Look(t.Context(), true)
	if err != nil || len(plan.Refusals) > 0 || len(plan.LeftOut) != 1 {
		t.Fatalf("refused %q, left out %v: %v", plan.Refusals, plan.LeftOut, err)
	}
	if len(plan.Topics) != 1 || len(plan.rounds) != 1 || len(plan.rounds[0]) != 1 || plan.rounds[0][0].Target != "topic-00000" || len(plan.parts) != 1 {
		t.Errorf("topics %+v, rounds %+v, parts %+v", plan.Topics, plan.rounds, plan.parts)
	}
}
