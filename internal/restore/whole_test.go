package restore

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// whole is a cluster that was captured, its archive, and a cluster to restore it into.
type whole struct {
	*testing.T
	*Restorer
	archived *catalogue
	store    *bifrosttest.Store
	target   *kfake.Cluster
	raw      *kgo.Client
	admin    *kadm.Client
}

// capturedAt is when the cluster was captured, and three seconds after its last record.
var capturedAt = time.UnixMilli(1_700_000_000_000)

// object archives records of a partition, one at each offset but the holes. A record's key
// has its offset, and its time is a second per offset before the capture.
func (w *whole) object(name string, number int32, id bifrost.TopicID, start, end int64, holes ...int64) {
	w.Helper()
	p := bifrost.Partition{Name: name, Number: number}
	var object bytes.Buffer
	writer := baldr.NewWriter(&object, baldr.Options{})
	for offset := start; offset < end; offset++ {
		if slices.Contains(holes, offset) {
			continue
		}
		record := recordAt(p, offset)
		if err := writer.WriteRecord(&record); err != nil {
			w.Fatal(err)
		}
	}
	summary, err := writer.Close(baldr.Summary{ClusterID: "captured", Topic: p.Topic(), TopicID: id, Partition: number, Start: start, End: end, Missing: baldr.Missing{Compacted: int64(len(holes))}, LastLeaderEpoch: -1})
	if err != nil {
		w.Fatal(err)
	}
	key := bifrost.ObjectKey("g", p, start, 0)
	w.store.Put(key, object.Bytes())
	w.archived.rows[p] = append(w.archived.rows[p], bifrost.Row{Partition: p, TopicID: id, Range: bifrost.Range{Start: start, End: end}, State: bifrost.StateArchived,
		Facts: bifrost.FactsOf(key, summary, bifrost.Stored{Size: int64(object.Len()), Checksum: bifrosttest.Checksum(object.Bytes())})})
}

func recordAt(p bifrost.Partition, offset int64) baldr.Record {
	return baldr.Record{Offset: offset, Timestamp: capturedAt.UnixMilli() - 3000 - 1000*(100-offset), Key: fmt.Appendf(nil, "%s %d", p, offset), Value: []byte("v")}
}

func (w *whole) progress(name string, number int32, id bifrost.TopicID, start, next int64) {
	w.archived.progress = append(w.archived.progress, bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: number}, ClusterID: "captured", TopicID: id, StartOffset: start, NextOffset: next, PlannedOffset: next})
}

var (
	idOrders, idPayments, idQuiet = bifrost.TopicID{1}, bifrost.TopicID{2}, bifrost.TopicID{3}
	branchName                    = "payments@" + idPayments.String() + ".1"
)

// newWhole has a topic with a gap, a tail that was never archived and a log start above 0,
// one whose log was cut, and one that is empty; groups of all kinds, and ACLs.
func newWhole(t *testing.T, options ...kfake.Opt) *whole {
	target, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.ClusterID("target")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	w := &whole{T: t, archived: &catalogue{rows: map[bifrost.Partition][]bifrost.Row{}}, store: bifrosttest.NewStore(), target: target}
	client := []kgo.Opt{kgo.SeedBrokers(target.ListenAddrs()...), kgo.MetadataMinAge(10 * time.Millisecond), kgo.DisableClientMetrics()}
	if w.raw, err = kgo.NewClient(client...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.raw.Close)
	w.admin = kadm.NewClient(w.raw)
	w.Restorer = &Restorer{
		Scope:   Scope{Topics: bifrost.TopicFilter{Exclude: []string{"left-out"}}, Groups: true, ACLs: true},
		Archive: &readback.Reader{Catalogue: w.archived, Objects: w.store}, Client: client, Parallel: 4, Now: func() time.Time { return capturedAt },
	}
	w.object("orders", 0, idOrders, 0, 30, 3, 17)
	w.object("orders", 0, idOrders, 30, 60)
	w.progress("orders", 0, idOrders, 0, 60)
	w.object("orders", 1, idOrders, 0, 20)
	lost := bifrost.Partition{Name: "orders", Number: 1}
	w.archived.rows[lost] = append(w.archived.rows[lost], bifrost.Row{Partition: lost, Range: bifrost.Range{Start: 20, End: 30}, State: bifrost.StateLost, GapReason: bifrost.ReasonRetention})
	w.object("orders", 1, idOrders, 30, 35)
	w.progress("orders", 1, idOrders, 0, 35)
	w.object("payments", 0, idPayments, 0, 20)
	w.progress("payments", 0, idPayments, 0, 20)
	w.object(branchName, 0, idPayments, 10, 30)
	w.progress(branchName, 0, idPayments, 10, 30)

	s := &w.Snapshot
	s.Key, s.Positions.ClusterID, s.Positions.At = "captures/1", "captured", capturedAt
	s.Configuration.Topics = []capture.Topic{
		{Name: "orders", ID: idOrders, Partitions: [][]int32{{1, 2, 3}, {2, 3, 1}}, Inherited: map[string]string{"segment.bytes": "1000000"},
			Settings: map[string]string{"retention.ms": "45000", "max.message.bytes": "1000000", "segment.ms": "7000", "leader.replication.throttled.replicas": "*"}},
		{Name: "payments", ID: idPayments, Partitions: [][]int32{{1, 2, 3, 4}, {2, 3, 4, 1}}},
		{Name: "quiet", ID: idQuiet, Partitions: [][]int32{{1}}},
		{Name: "left-out", ID: bifrost.TopicID{4}, Partitions: [][]int32{{1}}},
	}
	s.Positions.Offsets = []capture.Offsets{
		{Topic: "orders", ID: idOrders, Partitions: []*[4]int64{{10, 60, 60, 0}, {0, 50, 50, 0}}},
		{Topic: "payments", ID: idPayments, Partitions: []*[4]int64{{0, 30, 30, 0}, {0, 0, 0, 0}}},
		{Topic: "quiet", ID: idQuiet, Partitions: []*[4]int64{{5, 5, 5, 0}}},
		{Topic: "left-out", ID: bifrost.TopicID{4}, Partitions: []*[4]int64{{0, 0, 0, 0}}},
	}
	note := "a note"
	at := func(partition int32, offset int64) []capture.Committed {
		return []capture.Committed{{Partition: partition, Offset: offset, LeaderEpoch: 7}}
	}
	s.Positions.Groups = []capture.Group{
		{Name: "ahead", Offsets: map[string][]capture.Committed{"orders": at(0, 70)}},
		{Name: "billing", Type: "classic", State: "Stable", Offsets: map[string][]capture.Committed{"orders": {{Partition: 0, Offset: 35, LeaderEpoch: 7, Metadata: &note}, {Partition: 1, Offset: 19}}, "payments": at(0, 15)}},
		{Name: "early", Offsets: map[string][]capture.Committed{"payments": at(0, 5)}},
		{Name: "elsewhere", Offsets: map[string][]capture.Committed{"left-out": at(0, 0)}},
		{Name: "empty", Offsets: map[string][]capture.Committed{}},
		{Name: "gone", Offsets: map[string][]capture.Committed{"deleted": at(0, 3), "quiet": at(0, 5)}},
		{Name: "in-the-gap", Offsets: map[string][]capture.Committed{"orders": at(1, 25)}},
		{Name: "of-the-end", Offsets: map[string][]capture.Committed{"orders": at(0, 60), "payments": at(0, 30)}},
		{Name: "unseen"},
	}
	s.Positions.NotCaptured = []capture.NotCaptured{
		{Part: capture.PartGroups, Reason: "not allowed", Names: []string{"unseen"}},
		{Part: capture.PartOffsets, Reason: "no leader", Names: []string{"left-out/0", "orders/7"}},
	}
	acl := capture.ACL{ResourceType: "TOPIC", ResourceName: "orders", Pattern: "LITERAL", Principal: "User:a", Host: "*", Operation: "READ", Permission: "ALLOW"}
	there, odd := acl, acl
	there.Principal, odd.Operation = "User:b", "JUGGLE"
	s.Configuration.ACLs = []capture.ACL{odd, there, acl}
	s.Configuration.Users = []capture.ScramUser{{User: "a"}}
	s.Configuration.Brokers = []capture.Broker{{ID: 1}, {ID: 2, Settings: map[string]string{"x": "y"}}}
	creation := kmsg.NewCreateACLsRequestCreation()
	creation.ResourceType, creation.ResourceName, creation.ResourcePatternType = kmsg.ACLResourceTypeTopic, "orders", kmsg.ACLResourcePatternTypeLiteral
	creation.Principal, creation.Host, creation.Operation, creation.PermissionType = "User:b", "*", kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow
	request := kmsg.NewPtrCreateACLsRequest()
	request.Creations = append(request.Creations, creation)
	if _, err := request.RequestWith(t.Context(), w.raw); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *whole) look() *Plan {
	w.Helper()
	plan, err := w.Look(w.Context(), true)
	if err != nil {
		w.Fatal(err)
	}
	return plan
}

// run restores by a new plan.
func (w *whole) run() *Report {
	w.Helper()
	report, err := w.Restorer.Run(w.Context(), w.look())
	if err != nil {
		w.Fatal(err)
	}
	return report
}

// holds are the records of a partition of the target, by their keys, in order.
func (w *whole) holds(topic string, number int32) (keys []string) {
	w.Helper()
	there, err := newReading(w.Client, topic, number)
	if err != nil {
		w.Fatal(err)
	}
	defer there.client.Close()
	ends, err := w.stableEnds(w.Context(), []string{topic})
	if err != nil {
		w.Fatal(err)
	}
	end, _ := ends.Lookup(topic, number)
	for {
		record, err := there.next(w.Context(), end.Offset)
		if err != nil {
			w.Fatal(err)
		}
		if record == nil {
			return keys
		}
		keys = append(keys, string(record.Key))
	}
}

// keys are those of records from the archive.
func keys(name string, number int32, start, end int64, holes ...int64) (all []string) {
	for offset := start; offset < end; offset++ {
		if !slices.Contains(holes, offset) {
			all = append(all, fmt.Sprintf("%s/%d %d", name, number, offset))
		}
	}
	return all
}

// mustHoldAll compares the target with all that the cluster had held and the archive has.
func (w *whole) mustHoldAll() {
	w.Helper()
	for _, c := range []struct {
		topic  string
		number int32
		want   []string
	}{
		{"orders", 0, keys("orders", 0, 10, 60, 17)},
		{"orders", 1, append(keys("orders", 1, 0, 20), keys("orders", 1, 30, 35)...)},
		{"payments", 0, append(keys("payments", 0, 0, 10), keys(branchName, 0, 10, 30)...)},
		{"quiet", 0, nil},
	} {
		if got := w.holds(c.topic, c.number); !slices.Equal(got, c.want) {
			w.Errorf("%s/%d holds\n%q, want\n%q", c.topic, c.number, got, c.want)
		}
	}
}

// tellReport is a report in a line for each thing that it says.
func tellReport(r *Report) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	line("%s of %s at %s into %s", r.Capture, r.Cluster, r.At, r.Target)
	line("plan %v, complete %v, finished %v: %d records, %d bytes, %d offsets missing, %d quiet tails", r.Plan, r.Complete, r.Finished, r.Records, r.Bytes, r.MissingOffsets, r.QuietTails)
	for _, t := range r.Topics {
		line("topic %s: %d partitions, %d replicas, %d records, %d bytes, %d deleted; finish loses %d; %q", t.Topic, t.Partitions, t.Replicas, t.Records, t.Bytes, t.Deleted, t.FinishLoses, t.FinishDoes)
		for _, s := range t.Lifted {
			line("  %s is %s, was %s", s.Name, text(s.Target), text(s.Captured))
		}
		for _, p := range t.Ranges {
			line("  partition %d [%d, %d) up to %d from %d names", p.Partition, p.Start, p.End, p.Restored, len(p.Branches))
		}
	}
	for _, g := range r.Groups {
		line("group %s %q %q: %v %q", g.Group, g.Type, g.State, g.Stands, g.Reason)
		for _, p := range g.Positions {
			committed := "nowhere"
			if p.Committed != nil {
				committed = fmt.Sprint(*p.Committed)
			}
			line("  %s/%d %d to %d, reads %d, at %s: %v %q", p.Topic, p.Partition, p.Source, p.Target, p.Next, committed, p.Stands, p.Reason)
		}
	}
	for _, a := range r.ACLs {
		line("acl %s: %v %q", a.ACL, a.Stands, a.Reason)
	}
	for _, d := range r.Differences {
		line("differs %s %s: %s", d.Kind, d.Name, d.Reason)
	}
	for _, n := range r.NotRestored {
		line("not restored: %s", n)
	}
	return b.String()
}

// mustTell compares a report with testdata/what.txt.
func (w *whole) mustTell(what string, report *Report) {
	w.Helper()
	want, err := os.ReadFile("testdata/" + what + ".txt")
	if got := tellReport(report); err != nil || got != string(want) {
		w.Errorf("%s: got\n%s\nwant\n%s%v", what, got, want, err)
	}
}

// A group that stood in a partition without records goes on at the end of that one, whatever others have.
func TestAGroupOfAnEmptyPartition(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	w.Snapshot.Positions.Groups = []capture.Group{{Name: "waiting", Offsets: map[string][]capture.Committed{
		"payments": {{Partition: 1, Offset: 0, LeaderEpoch: -1}},
	}}}
	report := w.run()
	if len(report.Groups) != 1 || len(report.Groups[0].Positions) != 1 || !report.Groups[0].Stands ||
		report.Groups[0].Positions[0].Target != 0 {
		t.Errorf("groups %+v", report.Groups)
	}
}

// A plan says how many replicas a topic gets only if it is to be made.
func TestReplicasOfTopicsThatAreThere(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	for _, want := range []int{1, 0} { // payments had four, and there are three brokers
		report, err := w.Planned(t.Context(), w.look())
		if err != nil {
			t.Fatal(err)
		}
		gets := 0
		for _, d := range report.Differences {
			if d.Name == "payments" && strings.Contains(d.Reason, "it gets 3 replicas, and had 4") {
				gets++
			}
		}
		if gets != want {
			t.Errorf("told %d times, want %d: %+v", gets, want, report.Differences)
		}
		w.run()
	}
}
