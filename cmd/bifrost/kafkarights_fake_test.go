//go:build !real

// What each command asks of Kafka, by the requests that it sends.

package main

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// rightsOf are the rights that Kafka asks of whoever sends a request (Apache Kafka
// documentation, "Protocol to operations and resources"). What depends on the request is
// in rightsFor. A request that is in neither needs none.
var rightsOf = map[kmsg.Key][]string{
	kmsg.Metadata:                     {"Topic: Describe"},
	kmsg.ListOffsets:                  {"Topic: Describe"},
	kmsg.OffsetForLeaderEpoch:         {"Topic: Describe"},
	kmsg.Fetch:                        {"Topic: Read"},
	kmsg.CreateTopics:                 {"Topic: Create"},
	kmsg.DeleteTopics:                 {"Topic: Delete"},
	kmsg.AddPartitionsToTxn:           {"Topic: Write", "TransactionalId: Write"},
	kmsg.EndTxn:                       {"TransactionalId: Write"},
	kmsg.OffsetCommit:                 {"Group: Read", "Topic: Read"},
	kmsg.OffsetFetch:                  {"Group: Describe", "Topic: Describe"},
	kmsg.DescribeGroups:               {"Group: Describe"},
	kmsg.ConsumerGroupDescribe:        {"Group: Describe"},
	kmsg.ShareGroupDescribe:           {"Group: Describe"},
	kmsg.ListGroups:                   {"Group: Describe"},
	kmsg.ListTransactions:             {"TransactionalId: Describe"},
	kmsg.DescribeTransactions:         {"TransactionalId: Describe"},
	kmsg.DescribeProducers:            {"Topic: Read"},
	kmsg.DescribeACLs:                 {"Cluster: Describe"},
	kmsg.CreateACLs:                   {"Cluster: Alter"},
	kmsg.DescribeClientQuotas:         {"Cluster: DescribeConfigs"},
	kmsg.DescribeUserSCRAMCredentials: {"Cluster: Describe"},
	kmsg.DescribeLogDirs:              {"Cluster: Describe"},
	kmsg.CreatePartitions:             {"Topic: Alter"},
	kmsg.ListConfigResources:          {"Cluster: DescribeConfigs"},
	kmsg.DeleteRecords:                {"Topic: Delete"},
	kmsg.DeleteGroups:                 {"Group: Delete"},
}

// free are the requests for which Kafka asks no right of a client that has logged in.
var free = []kmsg.Key{kmsg.ApiVersions, kmsg.GetTelemetrySubscriptions, kmsg.PushTelemetry, kmsg.DescribeCluster, kmsg.SASLHandshake, kmsg.SASLAuthenticate}

// rightsFor are the rights that a request needs; known is false for one that nobody has thought about.
func rightsFor(request kmsg.Request) (rights []string, known bool) {
	switch r := request.(type) {
	case *kmsg.ProduceRequest:
		if r.TransactionID != nil {
			return []string{"Topic: Write", "TransactionalId: Write"}, true
		}
		return []string{"Topic: Write"}, true
	case *kmsg.InitProducerIDRequest:
		if r.TransactionalID != nil {
			return []string{"TransactionalId: Write"}, true
		}
		return []string{"Topic: Write"}, true
	case *kmsg.FindCoordinatorRequest:
		if r.CoordinatorType == 1 {
			return []string{"TransactionalId: Describe"}, true
		}
		return []string{"Group: Describe"}, true
	case *kmsg.DescribeConfigsRequest:
		for _, resource := range r.Resources {
			rights = append(rights, configured(resource.ResourceType)+": DescribeConfigs")
		}
		return rights, true
	case *kmsg.IncrementalAlterConfigsRequest:
		for _, resource := range r.Resources {
			rights = append(rights, configured(resource.ResourceType)+": AlterConfigs")
		}
		return rights, true
	}
	key := kmsg.Key(request.Key())
	rights, known = rightsOf[key]
	return rights, known || slices.Contains(free, key)
}

func configured(resource kmsg.ConfigResourceType) string {
	if resource == kmsg.ConfigResourceTypeTopic {
		return "Topic"
	}
	return "Cluster"
}

// A rightsRecorder is a cluster that notes which rights the requests to it need.
type rightsRecorder struct {
	brokers string
	mutex   sync.Mutex
	rights  map[string]bool
}

func newRightsRecorder(t *testing.T) *rightsRecorder {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	must(t, err)
	t.Cleanup(cluster.Close)
	r := &rightsRecorder{brokers: cluster.ListenAddrs()[0], rights: map[string]bool{}}
	cluster.Control(func(request kmsg.Request) (kmsg.Response, error, bool) {
		rights, known := rightsFor(request)
		if !known {
			t.Errorf("this test does not know which right %s needs", kmsg.NameForKey(request.Key()))
		}
		r.mutex.Lock()
		defer r.mutex.Unlock()
		for _, right := range rights {
			r.rights[right] = true
		}
		return nil, nil, false
	})
	return r
}

// take returns what was noted since it was called last.
func (r *rightsRecorder) take() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	all := slices.Sorted(maps.Keys(r.rights))
	r.rights = map[string]bool{}
	return all
}

// documentedRights reads the table of docs/security.md: on the archived cluster and on the
// target, by command.
func documentedRights(t *testing.T) map[string][2][]string {
	t.Helper()
	rows := map[string][2][]string{}
	for command, cells := range commandTable(t, "### What each command needs in Kafka", 2) {
		rows[command] = [2][]string{rightsIn(cells[0]), rightsIn(cells[1])}
	}
	return rows
}

// rightsIn are those of a cell: "Topic: Describe, Read; Group: Read".
func rightsIn(cell string) (all []string) {
	for part := range strings.SplitSeq(strings.TrimSpace(cell), ";") {
		resource, operations, found := strings.Cut(strings.TrimSpace(part), ": ")
		if !found {
			continue
		}
		for operation := range strings.SplitSeq(operations, ", ") {
			all = append(all, resource+": "+operation)
		}
	}
	slices.Sort(all)
	return all
}

// Each command sends Kafka the requests for which docs/security.md lists the rights, and no other.
func TestCommandsNeedTheRightsOfThePage(t *testing.T) {
	t.Parallel()
	archived, target, drill := newRightsRecorder(t), newRightsRecorder(t), newRightsRecorder(t)
	f := newFakes(t)
	f.brokers = archived.brokers
	s := f.sandbox(t)
	orders := s.topics + "-orders"
	must(t, s.topic(t.Context(), orders, 1))
	must(t, s.produce(t.Context(), numbered(orders, 0, 0, 50)...))
	s.position(t, "readers", orders, 0, 20)
	archived.take()
	to := []string{"--to-brokers", target.brokers}
	documented, tried := documentedRights(t), 0
	for _, c := range []struct {
		row  string
		args []string
	}{
		{"plan", []string{"plan"}},
		{"flush", []string{"flush"}},
		{"capture", []string{"capture"}},
		{"status", []string{"status"}},
		{"status --live", []string{"status", "--live"}},
		{"topics", []string{"topics"}},
		{"ls", []string{"ls", orders}},
		{"cat", []string{"cat", orders}},
		{"get", []string{"get", orders, "0", "7"}},
		{"export", []string{"export", orders, "--to", t.TempDir() + "/lake"}},
		{"report", []string{"report"}},
		{"clusters list", []string{"clusters", "list"}},
		{"clusters diff", []string{"clusters", "diff", "latest", "live"}},
		{"verify", []string{"verify", "--deep"}},
		{"verify --kafka", []string{"verify", "--kafka"}},
		{"rebuild", []string{"rebuild", orders}},
		{"init", []string{"init"}},
		{"doctor", []string{"doctor"}},
		{"jobs", []string{"jobs", "--job-machine", "arn:aws:states:eu-west-1:111122223333:stateMachine:bifrost-job"}},
		{"replay", append([]string{"replay", orders + ":" + s.topics + "-again", "--create"}, to...)},
		{"restore", append([]string{"restore", "--at", "latest", "--topics", orders, "--groups", "--yes"}, to...)},
		{"map", append([]string{"map", orders, "0", "20"}, to...)},
		{"restore --finish", append([]string{"restore", "--at", "latest", "--topics", orders, "--finish", "--yes"}, to...)},
		{"drill", []string{"drill", "--at", "latest", "--topics", orders, "--yes", "--to-brokers", drill.brokers}},
	} {
		s.inside(t, c.args...).must(t, 0)
		if c.row == "replay" {
			s.inside(t, c.args...).must(t, 0) // what is there already is looked at, too
		}
		there := target.take()
		if c.row == "drill" {
			there = drill.take()
		}
		tried++
		for i, got := range [][]string{archived.take(), there} {
			if want := documented[c.row][i]; !slices.Equal(got, want) {
				t.Errorf("%s needs %s on the %s, and the page says %s", c.row, strings.Join(got, ", "),
					[]string{"archived cluster", "target"}[i], strings.Join(want, ", "))
			}
		}
	}
	if tried != len(documented) {
		t.Errorf("%d commands were tried, the page has %d", tried, len(documented))
	}
}
