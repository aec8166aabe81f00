//go:build real

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

// A cluster with every kind of topic and every state of group is captured and
// destroyed, and comes back in another one by a restore that is killed five times.
// testdata/picture/Picture.java, which shares no code with Bifrost, sees the same
// records, settings, ACLs, and the same next record for every position of every group;
// or the report lists it with the reason.
func TestAClusterComesBack(t *testing.T) {
	t.Parallel()
	source, s := clusterOfItsOwn(t)
	began := time.Now()
	step := func(name string) { t.Logf("%s after %s", name, time.Since(began).Round(100*time.Millisecond)) }
	c := &populated{sandbox: s, random: rand.New(rand.NewPCG(7, 17))}
	c.topics(t)
	c.groups(t)
	s.bifrost(t, "flush")
	step("populated and archived")
	before := picture(t, s.brokers)
	step("looked at")
	s.bifrost(t, "capture")
	must(t, source.Kill())

	target, _ := clusterOfItsOwn(t)
	const taken = "group-44" // by another kind of group, which stops no other
	(&populated{sandbox: &sandbox{brokers: target.Addr()}}).shareGroup(t, taken, 0, -1)
	arguments := []string{"restore", "--at", "latest", "--to-brokers", target.Addr(), "--groups", "--acls", "--json"}
	planned := s.report(t, 3, append(slices.Clone(arguments), "--plan")...)
	if topics := topicsNow(t, &sandbox{brokers: target.Addr()}); len(topics) > 0 {
		t.Errorf("--plan has made %v", topics)
	}
	s.run(t, arguments...).must(t, 2, "give --yes to do it")
	step("planned")
	killed := 0
	for range 5 {
		if s.killRestore(t, append(slices.Clone(arguments), "--yes", "--throttle", "3MB")...) {
			killed++
		}
	}
	if killed < 3 {
		t.Errorf("only %d of 5 restores were killed before they ended", killed)
	}
	ran := s.run(t, append(slices.Clone(arguments), "--yes")...)
	ran.must(t, 3)
	file := filepath.Join(t.TempDir(), "restored.json")
	must(t, os.WriteFile(file, []byte(ran.out), 0o600))
	report := readReport(t, file)
	if !report.Complete || report.Finished || report.Records < planned.Records*9/10 || report.Records > planned.Records {
		t.Errorf("complete %v, finished %v, %d records, planned were %d", report.Complete, report.Finished, report.Records, planned.Records)
	}
	step("restored")
	sameButForWhatIsListed(t, before, target.Addr(), report, "group "+taken)
	step("compared")
	s.mapsLike(t, report, target.Addr())
	again := s.report(t, 3, append(slices.Clone(arguments), "--yes")...)
	if again.Records != report.Records || len(again.Differences) != len(report.Differences) {
		t.Errorf("run again: %d records and %d differences, after %d and %d", again.Records, len(again.Differences), report.Records, len(report.Differences))
	}
	if lost := again.topic("short"); lost.FinishLoses == 0 || !strings.Contains(lost.FinishDoes, "older than retention.ms") {
		t.Errorf("finish would lose %+v", lost)
	}
	finished := s.report(t, 3, "restore", "--at", "latest", "--to-brokers", target.Addr(), "--finish", "--json", "--yes")
	if !finished.Finished {
		t.Errorf("finish has left settings lifted: %+v", finished.Topics)
	}
	compareUnlessListed(t, only(before, "settings "), only(picture(t, target.Addr()), "settings "), listedDifferences(finished))
	s.showsRestored(t, file)
	s.drills(t)
	step("drilled")
}

// sameButForWhatIsListed compares records, ACLs and groups, and what the report lists
// with what cannot come back.
func sameButForWhatIsListed(t *testing.T, before []string, target string, report reported, others ...string) {
	t.Helper()
	listed := listedDifferences(report)
	compareUnlessListed(t, without(before, "settings "), without(picture(t, target), "settings "), listed)
	wantListed := append([]string{"group ahead", "group share-group", "topic throttled"}, others...)
	slices.Sort(wantListed)
	if got := slices.Sorted(maps.Keys(listed)); !slices.Equal(got, wantListed) {
		t.Errorf("the report lists %v, want %v: %+v", got, wantListed, report.Differences)
	}
}

// drills restores a sample into a third cluster.
func (s *sandbox) drills(t *testing.T) {
	t.Helper()
	arguments := []string{"drill", "--at", "latest", "--to-brokers", localservices.Kafka(t), "--topics", "plain-0*,transactional,cut", "--json"}
	s.run(t, arguments...).must(t, 2, "give --yes to do it")
	ran := s.run(t, append(slices.Clone(arguments), "--yes")...)
	ran.must(t, 0)
	var drilled restore.DrillReport
	must(t, json.Unmarshal([]byte(ran.out), &drilled))
	if len(drilled.Topics) != 12 || drilled.Records != drilled.AllRecords || drilled.Positions < 20 || len(drilled.Wrong) > 0 || drilled.AllSeconds <= 0 {
		t.Errorf("drilled %d topics, %d of %d records, %d positions, wrong %v, %v s", len(drilled.Topics), drilled.Records, drilled.AllRecords,
			drilled.Positions, drilled.Wrong, drilled.AllSeconds)
	}
	s.run(t, append(slices.Clone(arguments), "--yes")...).must(t, 3, "nothing was written: 1 thing has to be settled first")
}

// showsRestored looks for the restore in the HTML page.
func (s *sandbox) showsRestored(t *testing.T, file string) {
	t.Helper()
	page := s.bifrost(t, "report", "--restore", file)
	for _, words := range []string{
		">Restore</h2>", "are not as captured", "it was ahead of what is restored", "share-group",
	} {
		if !strings.Contains(page, words) {
			t.Errorf("the page does not have %q", words)
		}
	}
}

// clusterOfItsOwn is an Apache Kafka with an authorizer and a log cleaner in a hurry,
// and a sandbox that archives all of it.
func clusterOfItsOwn(t *testing.T) (*localservices.KafkaBroker, *sandbox) {
	t.Helper()
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{Properties: map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS",
		"log.cleaner.backoff.ms": "100", "group.initial.rebalance.delay.ms": "0",
		"log.initial.task.delay.ms": "3600000", // before retention is looked at
	}})
	s, err := newSandbox(t.Context(), broker.Addr(), localservices.DynamoDB(t), localservices.S3(t))
	must(t, err)
	s.topics = ""
	s.env = append(s.env, "BIFROST_INCLUDE_TOPICS=*", "BIFROST_GROUP=bifrost")
	return broker, s
}

// reported is a report with what tests ask of it.
type reported struct{ restore.Report }

func (r reported) topic(name string) restore.TopicReport {
	for _, t := range r.Topics {
		if t.Topic == name {
			return t
		}
	}
	return restore.TopicReport{}
}

// report runs a restore and reads what it printed.
func (s *sandbox) report(t *testing.T, code int, args ...string) (r reported) {
	t.Helper()
	ran := s.run(t, args...)
	ran.must(t, code)
	must(t, json.Unmarshal([]byte(ran.out), &r.Report))
	return r
}

// mapsLike asks bifrost map for some of the positions that a report tells of.
func (s *sandbox) mapsLike(t *testing.T, r reported, brokers string) {
	t.Helper()
	asked := 0
	for _, g := range r.Groups {
		if !strings.HasPrefix(g.Group, "on-marker") && g.Group != "ahead" && g.Group != "group-07" {
			continue
		}
		for _, p := range g.Positions {
			asked++
			got := s.bifrost(t, "map", p.Topic, fmt.Sprint(p.Partition), fmt.Sprint(p.Source), "--to-brokers", brokers)
			if strings.TrimSpace(got) != fmt.Sprint(p.Target) {
				t.Errorf("map says %s of %+v", got, p)
			}
		}
	}
	if asked < 8 {
		t.Errorf("only %d offsets were asked for", asked)
	}
}

func readReport(t *testing.T, file string) (r reported) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, json.Unmarshal(text, &r.Report))
	return r
}

// killRestore kills a restore at a random moment, and reports whether it still ran.
func (s *sandbox) killRestore(t *testing.T, args ...string) bool {
	t.Helper()
	command := s.command(t.Context(), args...)
	must(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case <-ended:
		return false
	case <-time.After(300*time.Millisecond + time.Duration(rand.Int64N(int64(2*time.Second)))): // the random moment
	}
	must(t, command.Process.Kill())
	<-ended
	return true
}

// listedDifferences are what a report says does not stand, by kind and name.
func listedDifferences(r reported) map[string]bool {
	listed := map[string]bool{}
	for _, d := range r.Differences {
		listed[d.Kind+" "+d.Name] = true
	}
	return listed
}

func compareUnlessListed(t *testing.T, before, after []string, listed map[string]bool) {
	t.Helper()
	differ := func(lines, others []string, which string) {
		for _, line := range lines {
			fields := strings.Fields(line)
			kind := strings.NewReplacer("settings", "topic", "records", "partition").Replace(fields[0])
			if !slices.Contains(others, line) && !listed[kind+" "+fields[1]] {
				t.Errorf("only %s: %s", which, line)
			}
		}
	}
	differ(before, after, "before")
	differ(after, before, "after")
	if len(before) < 30 {
		t.Errorf("only %d lines were compared", len(before))
	}
}

func only(lines []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.HasPrefix(line, prefix) })
}

func without(lines []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, prefix) })
}

// picture runs testdata/picture/Picture.java.
func picture(t *testing.T, brokers string) []string {
	t.Helper()
	root, err := localservices.Root()
	must(t, err)
	jars, err := filepath.Glob(filepath.Join(root, ".local", "kafka-*", "kafka-clients-*.jar"))
	if err != nil || len(jars) == 0 {
		t.Fatalf("Apache Kafka's client is not installed: %v", err)
	}
	command := exec.CommandContext(t.Context(), "java", "-Xmx512m", "-cp", filepath.Join(filepath.Dir(jars[0]), "*"),
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=error", filepath.Join("testdata", "picture", "Picture.java"), brokers)
	var talk strings.Builder
	command.Stderr = &talk
	out, err := command.Output()
	if err != nil {
		t.Fatalf("Picture.java: %v\n%s", err, talk.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// populated fills a cluster.
type populated struct {
	*sandbox
	random *rand.Rand
	ends   map[string][]int64 // by topic: where groups may stand in each partition
}

// odd writes records of all shapes into all partitions of a topic.
func (c *populated) odd(t *testing.T, topic string, partitions int32, n int) {
	t.Helper()
	must(t, c.produce(t.Context(), c.oddRecords(topic, partitions, n)...))
}

func (c *populated) oddRecords(topic string, partitions int32, n int) (records []*kgo.Record) {
	for p := range partitions {
		for i := range n {
			records = append(records, oddRecord(c.random, topic, p, i))
		}
		c.ends[topic] = append(c.ends[topic], int64(n))
	}
	return records
}

// topics are 40: ordinary ones, and one of each kind that is not.
func (c *populated) topics(t *testing.T) {
	t.Helper()
	c.ends = map[string][]int64{}
	ctx := t.Context()
	var records []*kgo.Record
	for i := range 28 {
		name, partitions := fmt.Sprintf("plain-%02d", i), int32(1+i%3)
		must(t, c.topic(ctx, name, partitions))
		records = append(records, c.oddRecords(name, partitions, 40+10*i)...)
	}
	must(t, c.produce(ctx, records...))
	must(t, c.topic(ctx, "remade", 1))
	c.odd(t, "remade", 1, 20)
	c.bifrost(t, "flush", "remade")
	must(t, c.deleteTopic(ctx, "remade"))
	must(t, c.topic(ctx, "remade", 2))
	delete(c.ends, "remade")
	c.odd(t, "remade", 2, 30)

	must(t, c.topic(ctx, "_clusters", 1))
	c.odd(t, "_clusters", 1, 10)
	must(t, c.topic(ctx, "wide", 64))
	c.odd(t, "wide", 64, 5)
	must(t, c.topic(ctx, "empty", 3, "retention.ms=1234567"))
	must(t, c.topic(ctx, "appended", 1, "message.timestamp.type=LogAppendTime"))
	c.odd(t, "appended", 1, 50)
	must(t, c.topic(ctx, "short", 1, "retention.ms=-1", "segment.bytes=1048576"))
	c.odd(t, "short", 1, 50)
	must(t, c.topic(ctx, "throttled", 1, "leader.replication.throttled.replicas=0:1", "min.insync.replicas=1", "compression.type=zstd"))
	c.odd(t, "throttled", 1, 50)
	must(t, c.topic(ctx, "large", 1, "max.message.bytes=4000000"))
	for _, value := range [][]byte{noise(3_000_000), prose(3_000_000), []byte("small")} {
		must(t, c.produceBy(t, kgo.NoCompression(), "large", &kgo.Record{Value: value}))
	}
	must(t, c.topic(ctx, "settings", 2, "retention.bytes=123456789", "segment.ms=3600000", "unclean.leader.election.enable=true", "max.compaction.lag.ms=7200000"))
	c.odd(t, "settings", 2, 20)
	c.cut(t)
	c.compacted(t)
	c.transactional(t)
	c.alter(t, "short", "retention.ms", "60000") // its records are of 2020: nobody has looked yet
	acl := kmsg.NewCreateACLsRequestCreation()
	acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kmsg.ACLResourceTypeTopic, "orders", kmsg.ACLResourcePatternTypePrefixed
	acl.Principal, acl.Host, acl.Operation, acl.PermissionType = "User:somebody", "10.0.0.1", kmsg.ACLOperationWrite, kmsg.ACLPermissionTypeDeny
	request := kmsg.NewPtrCreateACLsRequest()
	request.Creations = append(request.Creations, acl)
	must(t, kerr.ErrorForCode(c.ask(t, request).(*kmsg.CreateACLsResponse).Results[0].ErrorCode))
}

func (c *populated) ask(t *testing.T, request kmsg.Request) kmsg.Response {
	t.Helper()
	client, err := c.client()
	must(t, err)
	t.Cleanup(client.Close)
	response, err := client.Request(t.Context(), request)
	must(t, err)
	return response
}

func (c *populated) admin(t *testing.T) *kadm.Client {
	t.Helper()
	client, err := c.client()
	must(t, err)
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

func (c *populated) alter(t *testing.T, topic, name, value string) {
	t.Helper()
	answers, err := c.admin(t).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: name, Value: &value}}, topic)
	must(t, err)
	must(t, answers[0].Err)
}

// cut deletes records from the beginning of a log.
func (c *populated) cut(t *testing.T) {
	t.Helper()
	must(t, c.topic(t.Context(), "cut", 1))
	c.odd(t, "cut", 1, 100)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "cut", At: 37})
	c.bifrost(t, "flush", "cut")
	answers, err := c.admin(t).DeleteRecords(t.Context(), offsets)
	must(t, err)
	must(t, answers.Error())
}

// compacted is a topic of which compaction has removed records before it is archived.
func (c *populated) compacted(t *testing.T) {
	t.Helper()
	const topic = "compacted"
	must(t, c.topic(t.Context(), topic, 1, "cleanup.policy=compact", "segment.ms=100", "min.cleanable.dirty.ratio=0.01", "delete.retention.ms=0"))
	for round := range 4 {
		records := numbered(topic, 0, 0, 100)
		for i, r := range records {
			r.Key = fmt.Appendf(nil, "k%d", i%(20*(round+1)))
			r.Timestamp = r.Timestamp.Add(time.Duration(round) * time.Hour) // more than segment.ms: the segment rolls
		}
		must(t, c.produce(t.Context(), records...))
	}
	c.settle(t, topic, 400)
	c.ends[topic] = []int64{400}
}

// settle waits until compaction has removed something and then stands still.
func (c *populated) settle(t *testing.T, topic string, produced int) {
	t.Helper()
	last, same := -1, 0
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		client, err := c.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
		must(t, err)
		count, position := 0, int64(0)
		for position < int64(produced) {
			client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) { count, position = count+1, r.Offset+1 })
		}
		client.Close()
		if same++; count == produced || count != last {
			same = 0
		}
		if last = count; same == 3 {
			return
		}
	}
	t.Fatalf("compaction of %s did not settle: %d records", topic, last)
}

// transactional is a topic with committed and aborted transactions, and an open one: a
// group that reads uncommitted records is ahead of its last stable offset.
func (c *populated) transactional(t *testing.T) {
	t.Helper()
	const topic = "transactional"
	must(t, c.topic(t.Context(), topic, 1))
	for n := range 6 {
		client, err := c.client(kgo.TransactionalID("writer"), kgo.DefaultProduceTopic(topic))
		must(t, err)
		must(t, client.BeginTransaction())
		for i := range 10 {
			must(t, client.ProduceSync(t.Context(), &kgo.Record{Value: fmt.Appendf(nil, "%d of transaction %d", i, n)}).FirstErr())
		}
		must(t, client.EndTransaction(t.Context(), kgo.TransactionEndTry(n%3 != 1)))
		client.Close()
	}
	c.ends[topic] = []int64{66}
	client, err := c.client(kgo.TransactionalID("open"), kgo.DefaultProduceTopic(topic), kgo.TransactionTimeout(10*time.Minute))
	must(t, err)
	t.Cleanup(client.Close)
	must(t, client.BeginTransaction())
	for range 5 {
		must(t, client.ProduceSync(t.Context(), &kgo.Record{Value: []byte("open")}).FirstErr())
	}
}

func (c *populated) commit(t *testing.T, admin *kadm.Client, group string, offsets ...kadm.Offset) {
	t.Helper()
	all := kadm.Offsets{}
	for _, o := range offsets {
		o.LeaderEpoch = -1
		all.Add(o)
	}
	answers, err := admin.CommitOffsets(t.Context(), group, all)
	must(t, err)
	must(t, answers.Error())
}

// groups are 60, in all states.
func (c *populated) groups(t *testing.T) {
	t.Helper()
	admin := c.admin(t)
	topics := slices.Sorted(maps.Keys(c.ends))
	for i := range 46 {
		var offsets []kadm.Offset
		for range 1 + i%4 {
			topic := topics[c.random.IntN(len(topics))]
			partition := c.random.IntN(len(c.ends[topic]))
			offsets = append(offsets, kadm.Offset{
				Topic: topic, Partition: int32(partition), At: c.random.Int64N(c.ends[topic][partition] + 1), Metadata: fmt.Sprintf("mark %d \"ü\" \x00", i),
			})
		}
		c.commit(t, admin, fmt.Sprintf("group-%02d", i), offsets...)
	}
	// Offsets 10, 21, ... hold markers, [11, 22) an aborted transaction.
	for i, at := range []int64{10, 11, 12, 21, 22, 66} {
		c.commit(t, admin, fmt.Sprintf("on-marker-%d", i), kadm.Offset{Topic: "transactional", At: at})
	}
	c.commit(t, admin, "ahead", kadm.Offset{Topic: "transactional", At: 71})
	c.commit(t, admin, "at-end", kadm.Offset{Topic: "plain-05", At: c.ends["plain-05"][0]}, kadm.Offset{Topic: "empty", Partition: 2})
	c.commit(t, admin, "below-log-start", kadm.Offset{Topic: "cut", At: 37})
	var consuming sync.WaitGroup
	for group, options := range map[string][]kgo.Opt{
		"stable": nil, "left": nil, "consumer-protocol": {kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())},
	} {
		consumer, err := c.client(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics("plain-10", "plain-11"), kgo.DisableAutoCommit(), kgo.FetchMaxPartitionBytes(2000))...)
		must(t, err)
		t.Cleanup(consumer.Close)
		consuming.Go(func() {
			for read := 0; read < 150; {
				read += consumer.PollRecords(t.Context(), 50).NumRecords()
			}
			err := consumer.CommitUncommittedOffsets(t.Context())
			if group == "left" {
				err = errors.Join(err, consumer.LeaveGroupContext(t.Context()))
			}
			if err != nil {
				t.Errorf("group %s: %v", group, err)
			}
		})
	}
	consuming.Wait()
	c.commit(t, admin, "mid-rebalance", kadm.Offset{Topic: "plain-03", At: 7})
	c.midRebalance(t)
	c.shareGroup(t, "share-group", 0)
}

// shareGroup makes a share group, in which nobody commits offsets: a member joins it with
// the epoch 0, and leaves it with -1.
func (c *populated) shareGroup(t *testing.T, name string, epochs ...int32) {
	t.Helper()
	client, err := c.client()
	must(t, err)
	t.Cleanup(client.Close)
	for _, epoch := range epochs {
		share := kmsg.NewPtrShareGroupHeartbeatRequest()
		share.GroupID, share.MemberID, share.MemberEpoch = name, "AAAAAAAAAAAAAAAAAAAAAA", epoch
		share.SubscribedTopicNames = []string{"plain-01"}
		// A cluster that has just started has no coordinator for some seconds.
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			answer, err := share.RequestWith(t.Context(), client)
			if err == nil {
				err = kerr.ErrorForCode(answer.ErrorCode)
			}
			if kerr.IsRetriable(err) && time.Now().Before(deadline) {
				continue
			}
			must(t, err)
			break
		}
	}
}

// midRebalance joins a group and never synchronizes.
func (c *populated) midRebalance(t *testing.T) {
	t.Helper()
	client, err := c.client()
	must(t, err)
	t.Cleanup(client.Close)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = "mid-rebalance", 300_000, 300_000, "consumer"
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	join.Protocols = append(join.Protocols, protocol)
	answer, err := join.RequestWith(t.Context(), client)
	must(t, err)
	join.MemberID = answer.MemberID
	answer, err = join.RequestWith(t.Context(), client)
	must(t, err)
	must(t, kerr.ErrorForCode(answer.ErrorCode))
}
