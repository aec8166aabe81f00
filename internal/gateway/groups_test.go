package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/bifrost-archive/bifrost/baldr"
)

func member1(group string, more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.FetchMaxWait(100 * time.Millisecond), kgo.HeartbeatInterval(100 * time.Millisecond),
	}, more...)
}

func commit(t *testing.T, client *kgo.Client) {
	t.Helper()
	if err := client.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// positions are those that the live cluster keeps.
func (c *cluster) positions(t *testing.T, group string) map[int32]int64 {
	t.Helper()
	found, err := c.admin.FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	at := map[int32]int64{}
	found.Each(func(o kadm.OffsetResponse) { at[o.Partition] = o.At })
	return at
}

// A group begins in the archive, is stopped in the middle, and goes on where it was,
// first through the gateway and then in the cluster, where its positions are.
func TestAGroupGoesFromTheArchiveToTheCluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 30)
	c.tick(0, 20)
	c.cut(t, 0, 15)
	s := serve(t, c.archive, c.live)
	first := s.client(t, member1("backfill", kgo.FetchMaxPartitionBytes(1))...)
	got := take(t, first, 1)
	commit(t, first)
	first.Close()
	if at := c.positions(t, "backfill")[0]; at != int64(len(got)) || at > 20 {
		t.Fatalf("after %d records the position is %d", len(got), at)
	}
	if word, why, _ := s.judgeMove(t.Context(), "backfill"); len(got) < 15 && word != mayNotMove {
		t.Errorf("at %d of a live log that begins at 15: %s, %s", len(got), word, why)
	}
	second := s.client(t, member1("backfill")...)
	got = append(got, take(t, second, 25-len(got))...)
	commit(t, second)
	second.Close()
	direct := c.direct(t, member1("backfill")...)
	got = append(got, take(t, direct, 30-len(got))...)
	same(t, got, expect(0, 0, 30))
}

// Two members share the partitions, and one takes over those of the other: each record
// comes once. Their joins wait for each other.
func TestARebalanceOfTwoMembers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for number := range int32(clusterPartitions) {
		c.write(t, number, 20)
		c.tick(number, 10)
	}
	s := serve(t, c.archive, c.live)
	polls := func(client *kgo.Client, got chan<- string, done <-chan struct{}) {
		for {
			select {
			case <-done:
				return
			default:
			}
			poll, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			fetches := client.PollFetches(poll)
			cancel()
			for _, r := range fetches.Records() {
				got <- string(rune('0'+r.Partition)) + string(r.Key)
			}
			_ = client.CommitUncommittedOffsets(t.Context()) // of one that rebalances it may fail
		}
	}
	got, stopOne, stopTwo := make(chan string, 1000), make(chan struct{}), make(chan struct{})
	var ended [2]chan struct{}
	members := [2]*kgo.Client{s.client(t, member1("two")...), s.client(t, member1("two")...)}
	for i, stop := range []chan struct{}{stopOne, stopTwo} {
		ended[i] = make(chan struct{})
		go func() {
			defer close(ended[i])
			polls(members[i], got, stop)
		}()
	}
	shared := func() (n int) {
		described, err := c.admin.DescribeGroups(t.Context(), "two")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range described["two"].Members {
			if assigned, ok := m.Assigned.AsConsumer(); ok && len(assigned.Topics) > 0 {
				n++
			}
			if !strings.HasPrefix(m.ClientID, memberClientID) {
				t.Errorf("the cluster knows a member as %q", m.ClientID)
			}
		}
		return n
	}
	until(t, "two members with a partition each", func() bool { return shared() == 2 })
	close(stopOne)
	<-ended[0]
	members[0].Close()
	until(t, "one member", func() bool { return shared() == 1 })
	for number := range int32(clusterPartitions) {
		c.write(t, number, 5)
	}
	seen := map[string]int{}
	until(t, "every record", func() bool {
		for len(got) > 0 {
			seen[<-got]++
		}
		return len(seen) == 50
	})
	close(stopTwo)
	<-ended[1]
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("no %s after a minute", what)
		}
	}
}

// A production group with live members is refused, whatever the client does in it, and
// keeps its partitions and positions; one that --groups names is let in.
func TestAProductionGroupIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 10)
	c.tick(0, 10)
	production := c.direct(t, member1("production")...)
	take(t, production, 10)
	commit(t, production)
	s := serve(t, c.archive, c.live)
	refused := s.client(t, member1("production")...)
	if err := refused.PollFetches(t.Context()).Err(); !errors.Is(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("join: %v", err)
	}
	if !strings.Contains(s.said.String(), "use a group of the backfill's own") {
		t.Errorf("the log:\n%s", s.said)
	}
	admin := kadm.NewClient(s.client(t))
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 0, 3, -1)
	if committed, err := admin.CommitOffsets(t.Context(), "production", offsets); err == nil && committed.Error() == nil {
		t.Error("a position was moved")
	}
	described, err := c.admin.DescribeGroups(t.Context(), "production")
	if err != nil || len(described["production"].Members) != 1 {
		t.Fatalf("members %+v, %v", described["production"].Members, err)
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "production"
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: described["production"].Members[0].MemberID}}
	left, err := s.client(t).Broker(nodeID).Request(t.Context(), leave)
	if err != nil || left.(*kmsg.LeaveGroupResponse).ErrorCode != groupRefused {
		t.Errorf("a member was removed: %+v, %v", left, err)
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.LeaveGroup), 2) // which name one member, and not in a list
	leave.MemberID, leave.Members = leave.Members[0].MemberID, nil
	left, err = s.client(t, kgo.MaxVersions(versions)).Broker(nodeID).Request(t.Context(), leave)
	if err != nil || left.(*kmsg.LeaveGroupResponse).ErrorCode != groupRefused {
		t.Errorf("a member was removed by an older client: %+v, %v", left, err)
	}
	if at := c.positions(t, "production")[0]; at != 10 {
		t.Errorf("the position is %d", at)
	}
	allowing := serve(t, c.archive, c.live, func(o *Options) { o.Live.Groups = []string{"prod*"} })
	allowed := allowing.client(t, member1("production")...)
	go allowed.PollFetches(t.Context())
	go func() {
		for t.Context().Err() == nil {
			production.PollFetches(t.Context())
		}
	}()
	until(t, "two members", func() bool {
		described, err := c.admin.DescribeGroups(t.Context(), "production")
		return err == nil && len(described["production"].Members) == 2
	})
	// An empty group may be used: nobody is there to lose anything.
	idle := kadm.Offsets{}
	idle.AddOffset("orders", 0, 4, -1)
	if err := c.admin.CommitAllOffsets(t.Context(), "idle", idle); err != nil {
		t.Fatal(err)
	}
	same(t, take(t, s.client(t, member1("idle")...), 6), expect(0, 4, 10))
}

// A static member of somebody else's is not removed by its instance ID either (KIP-345).
func TestAStaticMemberIsNotRemoved(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 10)
	c.tick(0, 10)
	take(t, c.direct(t, append(member1("production"), kgo.InstanceID("static"))...), 10)
	s := serve(t, c.archive, c.live)
	instance := "static"
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "production"
	leave.Members = []kmsg.LeaveGroupRequestMember{{InstanceID: &instance}}
	left, err := s.client(t).Broker(nodeID).Request(t.Context(), leave)
	if err != nil || left.(*kmsg.LeaveGroupResponse).ErrorCode != groupRefused {
		t.Errorf("a member was removed: %+v, %v", left, err)
	}
}

// Members of a group of the new protocol count as well.
func TestAProductionGroupOfTheNewProtocol(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 10)
	c.tick(0, 10)
	//lint:ignore SA1029 franz-go looks for a key of this type
	next := context.WithValue(t.Context(), "opt_in_kafka_next_gen_balancer_beta", true)
	production := c.direct(t, member1("production", kgo.WithContext(next))...)
	take(t, production, 10)
	s := serve(t, c.archive, c.live)
	node, err := s.live.coordinator(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.live.members(t.Context(), node, "production")
	if err != nil || len(all) != 1 {
		t.Errorf("members %+v, %v", all, err)
	}
	if err := s.client(t, member1("production")...).PollFetches(t.Context()).Err(); !errors.Is(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("join: %v", err)
	}
}

// A user joins, commits and sees the allowed groups; of the others nothing is passed on.
func TestUsersUseTheirGroups(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 10)
	c.tick(0, 10)
	c.archive.archive(partitionOf("secret", 0), 5, baldr.Options{}, some(0, 5)...)
	line, err := HashPassword("alice", "wonderland", []string{"orders"}, []string{"alice-*"})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, c.archive, c.live, func(o *Options) { o.Users = users(t, line) })
	in := kgo.SASL(scram.Auth{User: "alice", Pass: "wonderland"}.AsSha512Mechanism())
	own := s.client(t, member1("alice-backfill", in)...)
	same(t, take(t, own, 10), expect(0, 0, 10))
	commit(t, own)
	other := kadm.Offsets{}
	other.AddOffset("orders", 0, 7, -1)
	for _, group := range []string{"bob-backfill", "alice"} {
		if err := c.admin.CommitAllOffsets(t.Context(), group, other); err != nil {
			t.Fatal(err)
		}
	}
	passed := make(chan string, 100) // whatever is about bob
	for key, o := range offers {
		if o.ofGroup {
			c.fake.ControlKey(key, func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.fake.KeepControl()
				if bytes.Contains(r.AppendTo(nil), []byte("bob")) {
					passed <- kmsg.NameForKey(r.Key())
				}
				return nil, nil, false
			})
		}
	}
	client := s.client(t, in)
	admin := kadm.NewClient(client)
	if err := s.client(t, member1("bob-backfill", in)...).PollFetches(t.Context()).Err(); !errors.Is(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("join: %v", err)
	}
	committed, err := admin.CommitOffsets(t.Context(), "bob-backfill", other)
	if o, _ := committed.Lookup("orders", 0); err == nil && o.Err == nil {
		t.Error("alice moved bob's group")
	}
	if found, err := admin.FetchOffsets(t.Context(), "bob-backfill"); err == nil && len(found) > 0 {
		t.Errorf("alice sees bob's positions: %v", found)
	}
	if described, err := admin.DescribeGroups(t.Context(), "bob-backfill"); err == nil && described["bob-backfill"].Err == nil {
		t.Errorf("alice sees bob's group: %+v", described)
	}
	for _, request := range []kmsg.Request{
		&kmsg.SyncGroupRequest{Group: "bob-backfill"}, &kmsg.HeartbeatRequest{Group: "bob-backfill"},
		&kmsg.LeaveGroupRequest{Group: "bob-backfill"}, &kmsg.JoinGroupRequest{Group: "bob-backfill"},
	} {
		answer, err := client.Broker(nodeID).Request(t.Context(), request)
		if err != nil || !strings.Contains(fmt.Sprintf("%+v", answer), "ErrorCode:30") {
			t.Errorf("%s: %+v, %v", kmsg.NameForKey(request.Key()), answer, err)
		}
	}
	if len(passed) > 0 {
		t.Errorf("%s was passed on", <-passed)
	}
	listed, err := admin.ListGroups(t.Context())
	if err != nil || strings.Join(listed.Groups(), " ") != "alice-backfill" {
		t.Errorf("groups %v, %v", listed.Groups(), err)
	}
	// A topic that alice may not see is not committed, in her own group.
	secret := sample(8, 9).(*kmsg.OffsetCommitRequest)
	secret.Group, secret.Topics[0].Topic = "alice-other", "secret"
	answer, err := client.Broker(nodeID).Request(t.Context(), secret)
	if err != nil || answer.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("secret: %+v, %v", answer, err)
	}
}

// The page and the log say of each group whether it may move.
func TestWhetherAGroupMayMove(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for number := range int32(clusterPartitions) {
		c.write(t, number, 30)
		c.tick(number, 20)
	}
	c.cut(t, 0, 10)
	s := serve(t, c.archive, c.live)
	admin := kadm.NewClient(s.client(t))
	for _, step := range []struct {
		at   map[int32]int64
		word string
		why  string
	}{
		{map[int32]int64{0: 9}, mayNotMove, "orders/0: position 9 is below the live log start 10"},
		{map[int32]int64{0: 10}, earlyMove, "orders/1: no position"},
		{map[int32]int64{0: 31}, mayNotMove, "orders/0: position 31 is above the live end 30"},
		{map[int32]int64{0: 9, 1: 5}, mayNotMove, "orders/0: position 9 is below the live log start 10"},
		{map[int32]int64{0: 30, 1: 30}, mayMove, "the lowest 20 offsets above a log start"},
		{map[int32]int64{0: 12, 1: 5}, mayMove, "the lowest 2 offsets above a log start"},
	} {
		offsets := kadm.Offsets{}
		for number, at := range step.at {
			offsets.AddOffset("orders", number, at, -1)
		}
		if err := admin.CommitAllOffsets(t.Context(), "g", offsets); err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		s.Observation().ServeHTTP(recorder, httptest.NewRequest("GET", "/groups", nil))
		page, _ := io.ReadAll(recorder.Body)
		if !strings.Contains(string(page), "g "+step.word+": ") || !strings.Contains(string(page), step.why) {
			t.Errorf("at %v: %s, want %s, %s", step.at, page, step.word, step.why)
		}
		until(t, "line in the log: "+step.word, func() bool { return strings.Contains(s.said.String(), "group "+step.word) })
	}
	c.cut(t, 1, 6)
	if word, _, _ := s.judgeMove(t.Context(), "g"); word != mayNotMove {
		t.Errorf("after the log was cut: %s", word)
	}
	if word, _, _ := s.judgeMove(t.Context(), "nobody"); word != mayNotMove {
		t.Errorf("nobody: %s", word)
	}
}

// A cluster that was away when a group committed for the last time is asked again.
func TestAGroupThatNobodyCouldJudge(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for number := range int32(clusterPartitions) {
		c.write(t, number, 30)
		c.tick(number, 20)
	}
	offsets := kadm.Offsets{}
	for number := range int32(clusterPartitions) {
		offsets.AddOffset("orders", number, 20, -1)
	}
	if err := c.admin.CommitAllOffsets(t.Context(), "g", offsets); err != nil {
		t.Fatal(err)
	}
	o := Options{Catalogue: c.ledger, Objects: c.store, Log: slog.New(slog.DiscardHandler)}
	c.live(&o)
	g, err := New(t.Context(), o) // one that serves judges groups itself
	if err != nil {
		t.Fatal(err)
	}
	away, end := context.WithCancel(t.Context())
	end()
	for range 2 {
		g.moves.note("g")
		g.judgeCommitted(away)
		if word := g.moves.words["g"]; word != mayNotMove {
			t.Errorf("while nobody answers: %q", word)
		}
	}
	g.judgeCommitted(t.Context())
	if word := g.moves.words["g"]; word != mayMove || len(g.moves.committed(false)) != 0 {
		t.Errorf("then: %q", word)
	}
}

// A group of which the gateway says that it may move reads each record once that it has
// not read, whatever its auto.offset.reset; one that may move early does so with earliest;
// and of one that may not, records would be missing or come again.
func TestWhatAGroupThatMovesReads(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for number := range int32(clusterPartitions) {
		c.write(t, number, 30)
		c.tick(number, 20)
	}
	c.cut(t, 0, 10)
	s := serve(t, c.archive, c.live)
	for name, at := range map[string]map[int32]int64{
		"both": {0: 12, 1: 5}, "one": {0: 12}, "below": {0: 5, 1: 5}, "none below": {1: 5},
	} {
		for reset, from := range map[string]kgo.Offset{"earliest": kgo.NewOffset().AtStart(), "latest": kgo.NewOffset().AtEnd()} {
			group := name + " " + reset
			offsets, want := kadm.Offsets{}, map[string]bool{}
			for number := range int32(clusterPartitions) {
				for _, line := range expect(number, at[number], 30) {
					want[line] = true
				}
				if at, ok := at[number]; ok {
					offsets.AddOffset("orders", number, at, -1)
				}
			}
			if err := c.admin.CommitAllOffsets(t.Context(), group, offsets); err != nil {
				t.Fatal(err)
			}
			word, _, _ := s.judgeMove(t.Context(), group)
			client := c.direct(t, member1(group, kgo.ConsumeResetOffset(from))...)
			may, patience := word == mayMove || word == earlyMove && reset == "earliest", 500*time.Millisecond
			if may {
				patience = time.Minute // what is lost does not come, whatever the patience
			}
			for began := time.Now(); len(want) > 0 && time.Since(began) < patience; {
				poll, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				fetches := client.PollFetches(poll)
				cancel()
				for _, r := range fetches.Records() {
					delete(want, fmt.Sprintf("%d/%d %s %s", r.Partition, r.Offset, r.Key, r.Value))
				}
			}
			client.Close()
			if may != (len(want) == 0) {
				t.Errorf("%s: %q, and %d records are lost", group, word, len(want))
			}
		}
	}
}

// An answer to a member that joins is waited for as long as others may take to join as well.
func TestTheTimeOfARebalance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ session, rebalance, want int32 }{{45_000, 300_000, 300_000}, {45_000, 10_000, 45_000}, {30_000, -1, 30_000}} {
		request := kmsg.NewPtrJoinGroupRequest()
		request.SessionTimeoutMillis, request.RebalanceTimeoutMillis = c.session, c.rebalance
		if got := rebalanceTime(request); got != c.want {
			t.Errorf("%+v: %d ms", c, got)
		}
	}
}

// A gateway that ends does not wait for members that do not come.
func TestAGatewayEndsWhileAMemberJoins(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 10)
	c.tick(0, 10)
	s := serve(t, c.archive, c.live)
	joining := make(chan struct{}, 10)
	c.fake.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		joining <- struct{}{}
		c.fake.SleepControl(func() { <-t.Context().Done() })
		return nil, nil, false
	})
	client := s.client(t, member1("slow")...)
	go client.PollFetches(t.Context())
	<-joining
	s.stop() // drainTime is an hour in tests
}

// What decides which position a client gets is passed on, in both forms of the request: one that
// asks for stable positions must not see that of before a transaction which is being committed.
func TestStablePositionsAreAskedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.write(t, 0, 2)
	c.tick(0, 2)
	s := serve(t, c.archive, c.live)
	asked := make(chan bool, 100)
	c.fake.ControlKey(int16(kmsg.OffsetFetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		asked <- r.(*kmsg.OffsetFetchRequest).RequireStable
		return nil, nil, false
	})
	for _, version := range []int16{7, 9} {
		versions := kversion.Stable()
		versions.SetMaxKeyVersion(int16(kmsg.OffsetFetch), version)
		client := s.client(t, kgo.MaxVersions(versions))
		for _, stable := range []bool{true, false} {
			request := kmsg.NewPtrOffsetFetchRequest()
			topic, group := kmsg.NewOffsetFetchRequestTopic(), kmsg.NewOffsetFetchRequestGroup()
			topic.Topic, topic.Partitions = "orders", []int32{0}
			group.Group = "g"
			group.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic.Topic, Partitions: topic.Partitions}}
			request.RequireStable, request.Group, request.Topics = stable, "g", []kmsg.OffsetFetchRequestTopic{topic}
			request.Groups = []kmsg.OffsetFetchRequestGroup{group}
			if _, err := client.Request(t.Context(), request); err != nil {
				t.Fatalf("version %d: %v", version, err)
			}
			if len(asked) != 1 {
				t.Fatalf("version %d: the cluster is asked %d times, want once", version, len(asked))
			}
			if got := <-asked; got != stable {
				t.Errorf("version %d: the cluster is asked for stable positions: %v, want %v", version, got, stable)
			}
		}
	}
}
