package restore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// make makes a topic of the target before the restore.
func (w *whole) makeTopic(topic string, partitions int32, settings map[string]*string) {
	w.Helper()
	answer, err := w.admin.CreateTopic(w.Context(), partitions, 1, settings, topic)
	if err = errors.Join(err, answer.Err); err != nil {
		w.Fatal(err)
	}
}

func (w *whole) produce(topic string, partition int32) {
	w.Helper()
	client, err := kgo.NewClient(append(w.Client[:len(w.Client):len(w.Client)], kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		w.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(w.Context(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte("not from the archive")}).FirstErr(); err != nil {
		w.Fatal(err)
	}
}

// What stands against a restore is said before anything is written, of its topic, and
// nothing is written.
func TestWhatStandsAgainstARestore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(*whole)
		says   []string // of each refusal a part
	}{
		"records of another": {func(w *whole) {
			w.makeTopic("orders", 2, nil)
			w.produce("orders", 1)
		}, []string{"topic orders: it has records that no replay has written"}},
		"records of another in every partition": {func(w *whole) {
			w.makeTopic("orders", 2, nil)
			w.produce("orders", 0)
			w.produce("orders", 1)
		}, []string{"topic orders: it has records that no replay has written"}},
		"records in a partition that was empty": {func(w *whole) {
			w.makeTopic("payments", 2, nil)
			w.produce("payments", 1)
		}, []string{"topic payments: it holds records where the capture has none"}},
		"records in a topic that was empty": {func(w *whole) {
			w.makeTopic("quiet", 1, nil)
			w.produce("quiet", 0)
		}, nil}, // nothing goes there
		"too few partitions": {func(w *whole) { w.makeTopic("orders", 1, nil) }, []string{"topic orders: it has 1 partitions and the replay needs 2"}},
		"a topic that deletes": {func(w *whole) {
			w.makeTopic("orders", 2, map[string]*string{"retention.ms": kmsg.StringPtr("1")})
		}, []string{"topic orders: it deletes records older than"}},
		"the topic that was captured": {func(w *whole) {
			w.makeTopic("payments", 2, nil)
			w.Snapshot.Positions.ClusterID = "target"
			details, err := w.admin.ListTopics(w.Context(), "payments")
			if err != nil {
				w.Fatal(err)
			}
			id := bifrost.TopicID(details["payments"].ID)
			w.Snapshot.Configuration.Topics[1].ID, w.Snapshot.Positions.Offsets[1].ID = id, id
			for i := range w.archived.progress {
				if w.archived.progress[i].Topic() == "payments" {
					w.archived.progress[i].TopicID = id
				}
			}
		}, []string{"the target is the cluster that was captured, which still has payments: "}},
		"the cluster that was captured": {func(w *whole) {
			w.makeTopic("payments", 1, map[string]*string{"retention.ms": kmsg.StringPtr("1")})
			w.makeTopic("orders", 1, nil)
			w.produce("orders", 0)
			w.Snapshot.Positions.ClusterID = "target"
			details, err := w.admin.ListTopics(w.Context(), "orders", "payments")
			if err != nil {
				w.Fatal(err)
			}
			for n, topic := range []string{"orders", "payments"} {
				id := bifrost.TopicID(details[topic].ID)
				w.Snapshot.Configuration.Topics[n].ID, w.Snapshot.Positions.Offsets[n].ID = id, id
				for i := range w.archived.progress {
					if w.archived.progress[i].Topic() == topic {
						w.archived.progress[i].TopicID = id
					}
				}
			}
		}, []string{"the target is the cluster that was captured, which still has orders, payments: "}},
		"no right to transactions": {func(w *whole) {
			w.target.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1})
		}, []string{"these credentials may not use transactions"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWhole(t)
			c.before(w)
			plan := w.look()
			if len(plan.Refusals) != len(c.says) {
				t.Fatalf("refused: %q", plan.Refusals)
			}
			for i, says := range c.says {
				if !strings.Contains(plan.Refusals[i], says) {
					t.Errorf("refused: %q, want %q", plan.Refusals[i], says)
				}
			}
			if topics, err := w.admin.ListTopics(t.Context(), "orders", "quiet"); err != nil || len(c.says) > 0 && topics.Has("orders") && topics.Has("quiet") {
				t.Errorf("a look has made topics: %v", err)
			}
		})
	}
}

// A topic that was restored from one of its lives is not given the records of another, neither of a later
// nor of an earlier one; and one that has them from elsewhere is not as it was captured.
func TestLivesAreNotMixed(t *testing.T) {
	t.Parallel()
	first := newWhole(t)
	later := bifrost.TopicID{9}
	name := "payments@" + later.String()
	first.object(name, 0, later, 0, 5)
	first.progress(name, 0, later, 0, 5)
	first.run()
	second := *first.Restorer
	second.Snapshot.Configuration.Topics = slices.Clone(second.Snapshot.Configuration.Topics)
	second.Snapshot.Configuration.Topics[1].ID = later
	second.Snapshot.Positions.Offsets = slices.Clone(second.Snapshot.Positions.Offsets)
	second.Snapshot.Positions.Offsets[1] = capture.Offsets{Topic: "payments", ID: later, Partitions: []*[4]int64{{0, 5, 5, 0}, {0, 0, 0, 0}}}
	mustRefuse := func(r *Restorer, says string) {
		t.Helper()
		plan, err := r.Look(t.Context(), true)
		if err != nil || len(plan.Refusals) == 0 || !strings.Contains(plan.Refusals[0], says) || !strings.Contains(plan.Refusals[0], "--exclude") {
			t.Fatalf("refused: %q, want %q; %v", plan.Refusals, says, err)
		}
	}
	mustRefuse(&second, "topic payments: it has records of payments, an earlier life of the topic: those of "+name+"/0 would")

	other := newWhole(t)
	other.object(name, 0, later, 0, 5)
	other.progress(name, 0, later, 0, 5)
	captured := other.Snapshot
	other.Snapshot = second.Snapshot
	other.run()
	other.Snapshot = captured
	mustRefuse(other.Restorer, "topic payments: it has records of "+name+", a later life of the topic: those of payments/0 would")

	// A replay that was forced, or an earlier version of Bifrost, has mixed them.
	rows, err := first.archived.ListProgress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	row := rows[slices.IndexFunc(rows, func(p bifrost.Progress) bool { return p.Name == name })]
	request := request([]replay.Part{replay.NewPart(row, "payments", replay.AllTimes(0, 5), replay.ByTopic(rows))})
	request.Force = true
	if _, err := replay.Start(t.Context(), request, first.source, replay.Options{Client: first.Client}); err != nil {
		t.Fatal(err)
	}
	for which, do := range map[string]func(*whole) string{"plan": doPlan, "run": doRun} {
		if said := do(first); !strings.Contains(said, "topic payments: it has records of "+name+" too, another life of the topic") {
			t.Errorf("the %s says: %s", which, said)
		}
	}
}

// told is all that an operator is told by a step: its error, or what stands against it or
// differs.
func told(plan *Plan, report *Report, err error) string {
	var all []string
	if err != nil {
		all = append(all, "error "+err.Error())
	}
	if plan != nil {
		all = append(append(all, plan.Refusals...), plan.Warnings...)
	}
	if report != nil {
		for _, d := range report.Differences {
			all = append(all, fmt.Sprintf("%s %s: %s", d.Kind, d.Name, d.Reason))
		}
	}
	return strings.Join(all, "\n")
}

func doLook(w *whole) string {
	plan, err := w.Look(w.Context(), true)
	return told(plan, nil, err)
}

func doPlan(w *whole) string {
	report, err := w.Planned(w.Context(), w.look())
	return told(nil, report, err)
}

func doRun(w *whole) string {
	report, err := w.Restorer.Run(w.Context(), w.look())
	return told(nil, report, err)
}

func doFinish(w *whole) string {
	report, err := w.Finish(w.Context(), w.look())
	return told(nil, report, err)
}

func doDrill(w *whole) string {
	drill, err := w.Drill(w.Context(), 1<<20)
	if err != nil {
		return "error " + err.Error()
	}
	return strings.Join(append(drill.Refusals, drill.Wrong...), "\n")
}

// What the target refuses in the middle is an error or a difference that names what, and
// the same step does all once the target lets it.
func TestWhatTheTargetRefusesIsTold(t *testing.T) {
	t.Parallel()
	// The statements that an unhindered run makes as well are no news.
	for name, c := range map[string]struct {
		first func(*whole) // unhindered
		fault kfake.Fault
		do    func(*whole) string
		says  string
	}{
		"settings of a topic": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: "orders", Err: kerr.PolicyViolation},
			doRun, "error ask for the settings of topic orders of the target: POLICY_VIOLATION"},
		"ends that cannot be asked for": {func(w *whole) { w.run() }, kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "quiet", Err: kerr.TopicAuthorizationFailed},
			doLook, "error ask the target where its logs end: TOPIC_AUTHORIZATION_FAILED"},
		"ends that one partition does not tell": {func(w *whole) { w.run() }, kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "quiet", Err: kerr.PolicyViolation},
			doLook, "error ask the target where its logs end: POLICY_VIOLATION"},
		"ends of what groups stood in": {func(w *whole) { w.run() }, kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "quiet", Err: kerr.TopicAuthorizationFailed},
			func(w *whole) string {
				_, err := w.stableEnds(w.Context(), []string{"quiet"})
				return told(nil, nil, err)
			},
			"error ask the target where its logs end: TOPIC_AUTHORIZATION_FAILED"},
		"groups, of a plan": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Err: kerr.ClusterAuthorizationFailed, TopLevel: true},
			doPlan, "error list the groups of the target: "},
		"groups, of a run": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Err: kerr.ClusterAuthorizationFailed, TopLevel: true},
			doRun, "error list the groups of the target: "},
		"where a group stands": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "billing", Err: kerr.GroupAuthorizationFailed},
			doRun, "group billing: the target refuses it: GROUP_AUTHORIZATION_FAILED"},
		"a position": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "billing", Err: kerr.OffsetMetadataTooLarge},
			doRun, "group billing: the target refuses it: OFFSET_METADATA_TOO_LARGE"},
		"a group with a member": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "billing", Err: kerr.UnknownMemberID},
			doRun, "group billing: it has got live members in the target"},
		"one in a rebalance": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "billing", Err: kerr.RebalanceInProgress},
			doRun, "group billing: it has got live members in the target"},
		"an ACL": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.CreateACLs}, Resource: "orders", Err: kerr.PolicyViolation},
			doRun, "acl ALLOW User:a READ from * on TOPIC orders (LITERAL): POLICY_VIOLATION"},
		"ACLs, without an authorizer": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeACLs}, Err: kerr.SecurityDisabled, TopLevel: true},
			doRun, "acl ALLOW User:b READ from * on TOPIC orders (LITERAL): the target has no authorizer, and keeps no ACLs"},
		"to see ACLs, of a plan": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeACLs}, Err: kerr.ClusterAuthorizationFailed, TopLevel: true},
			doPlan, "acl ALLOW User:b READ from * on TOPIC orders (LITERAL): these credentials may not see the ACLs of the target"},
		"ACLs, in a way that nobody knows": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeACLs}, Err: kerr.InvalidRequest, TopLevel: true},
			doRun, "error ask for the ACLs of the target: INVALID_REQUEST"},
		"to put settings back": {func(w *whole) { w.run() }, kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Resource: "orders", Err: kerr.TopicAuthorizationFailed},
			doFinish, "topic orders: put its settings back: TOPIC_AUTHORIZATION_FAILED"},
		"records": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "payments", Err: kerr.TopicAuthorizationFailed},
			doRun, "error write records: "},
		"a topic": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Topic: "quiet", Err: kerr.PolicyViolation},
			doPlan, "topic quiet: it is left out: it cannot be made: POLICY_VIOLATION"},
		"a topic of a drill": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Topic: "orders", Err: kerr.PolicyViolation},
			doDrill, "orders: it is left out: it cannot be made: POLICY_VIOLATION"},
		"transactions, of a drill": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.TransactionalIDAuthorizationFailed},
			doDrill, "these credentials may not use transactions"},
		"transactions, of a finish": {nil, kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.TransactionalIDAuthorizationFailed},
			doFinish, "error whether all records are there cannot be known, so that nothing is put back: these credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWhole(t)
			if c.first != nil {
				c.first(w)
			}
			c.fault.Count = -1
			fault := w.target.Fault(c.fault)
			got := c.do(w)
			if !strings.Contains(got, c.says) {
				t.Errorf("told was\n%s\nwant\n%s", got, c.says)
			}
			if fault.Hits() == 0 {
				t.Error("nothing was refused")
			}
			fault.Remove()
			if again := c.do(w); strings.Contains(again, c.says) {
				t.Errorf("it is told again, and nothing is refused any more:\n%s", again)
			}
			if name == "records" {
				w.mustHoldAll()
			}
		})
	}
}

// A coordinator that is not there yet is asked again.
func TestGroupsWaitForTheirCoordinator(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	for _, key := range []kmsg.Key{kmsg.OffsetCommit, kmsg.OffsetFetch} {
		w.target.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Group: "billing", Err: kerr.CoordinatorLoadInProgress})
	}
	for _, g := range w.run().Groups {
		if g.Group == "billing" && !g.Stands {
			t.Errorf("%+v", g)
		}
	}
}

// What a group has in the target already is never moved: whoever committed it may have read
// on. Nor is anything put into a group that has members.
func TestPositionsOfTheTargetStay(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	w.makeTopic("orders", 2, nil)
	theirs := kadm.Offsets{}
	theirs.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 1, LeaderEpoch: -1})
	if err := w.admin.CommitAllOffsets(t.Context(), "billing", theirs); err != nil {
		t.Fatal(err)
	}
	w.target.ControlKey(int16(kmsg.ListGroups), func(request kmsg.Request) (kmsg.Response, error, bool) {
		w.target.KeepControl()
		answer := request.ResponseKind().(*kmsg.ListGroupsResponse)
		of := kmsg.NewListGroupsResponseGroup()
		of.Group, of.GroupState = "of-the-end", "PreparingRebalance"
		answer.Groups = append(answer.Groups, of)
		return answer, nil, true
	})
	plan := w.look()
	planned, err := w.Planned(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	report, err := w.Restorer.Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	const live = "group of-the-end: it has live members in the target (PreparingRebalance): stop them, and run the restore again"
	if got := told(nil, planned, nil); !strings.Contains(got, live) {
		t.Errorf("planned:\n%s", got)
	}
	got := told(nil, report, nil)
	for _, says := range []string{live, "group billing: orders/0, offset 35: the target had a position of its own, 1, which was left"} {
		if !strings.Contains(got, says) {
			t.Errorf("told was\n%s\nwithout\n%s", got, says)
		}
	}
	for group, want := range map[string]string{"billing": "orders/0@1 orders/1@19 payments/0@16", "of-the-end": ""} {
		there, err := w.admin.FetchOffsets(t.Context(), group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			t.Fatal(err)
		}
		var stands []string
		there.Each(func(o kadm.OffsetResponse) {
			stands = append(stands, fmt.Sprintf("%s/%d@%d", o.Topic, o.Partition, o.At))
		})
		slices.Sort(stands)
		if got := strings.Join(stands, " "); got != want {
			t.Errorf("group %s stands at %q, want %q", group, got, want)
		}
	}
}
