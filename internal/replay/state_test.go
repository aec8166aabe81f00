package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

func clientOf(t *testing.T, cluster *kfake.Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(optionsOf(cluster).Client, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// makeTarget is what a command gives as MakeTargets.
func makeTarget(t *testing.T, cluster *kfake.Cluster, partitions int32) func(context.Context) error {
	return func(ctx context.Context) error {
		response, err := kadm.NewClient(clientOf(t, cluster)).CreateTopic(ctx, partitions, 1, nil, "target")
		if err == nil {
			err = response.Err
		}
		return err
	}
}

func deleteTopic(t *testing.T, cluster *kfake.Cluster, topic string) {
	t.Helper()
	if _, err := kadm.NewClient(clientOf(t, cluster)).DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}

func lookOf(t *testing.T, request Request, source Source, options Options) *Outlook {
	t.Helper()
	outlook, err := Look(t.Context(), request, source, options)
	if err != nil {
		t.Fatal(err)
	}
	return outlook
}

// wants is how many records a look says are left.
func wants(t *testing.T, o *Outlook, source Source) (n int) {
	t.Helper()
	for _, p := range o.Parts {
		for _, s := range p.Todo {
			for r, err := range source(t.Context(), p.Part, s.Hull()) {
				if err != nil {
					t.Fatal(err)
				}
				if s.Wants(r.Timestamp) {
					n++
				}
			}
		}
	}
	return n
}

func mustRefuse(t *testing.T, request Request, source Source, options Options, answer Answer, says string) {
	t.Helper()
	_, err := Start(t.Context(), request, source, options)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), string(answer)) {
		t.Fatalf("error %v, want a refusal that says %q and names %s", err, says, answer)
	}
}

// A topic that was deleted and made anew has nothing, whatever one of its name had.
func TestATargetMadeAnewIsFilledAgain(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 2)
	source, request, options := archived(100, 10), requestOf(100, 2), optionsOf(cluster)
	options.MakeTargets = makeTarget(t, cluster, 2)
	mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
	deleteTopic(t, cluster, "target")
	if n := wants(t, lookOf(t, request, source, options), source); n != 2*86 {
		t.Errorf("a look says that %d records are left, want 172", n)
	}
	mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
}

// A topic that is replaced while it is written to gets nothing that counts, and the
// next run fills it.
func TestATargetReplacedOnTheWay(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	request, options := requestOf(100, 1), optionsOf(cluster)
	options.MakeTargets = makeTarget(t, cluster, 1)
	all := archived(100, 10)
	replacing := doingAt(all, 50, func() error {
		deleteTopic(t, cluster, "target")
		if err := options.MakeTargets(t.Context()); err != nil {
			t.Error(err)
		}
		return nil
	})
	if _, err := Start(t.Context(), request, replacing, options); !errors.Is(err, errTopicReplaced) {
		t.Fatalf("error %v, want %v", err, errTopicReplaced)
	}
	mustHoldAll(t, cluster, request, all, replayAll(t, request, all, options))
}

// Whatever the grouping of the arguments, and whatever has come since: partitions that
// were empty, partitions that were added, records.
func TestAnotherCommandLineIsTheSameReplay(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 4)
	options := optionsOf(cluster)
	source := archived(100, 10)
	first := requestOf(60, 2)
	first.Parts = slices.Insert(first.Parts, 0, first.Parts[1]) // in another order, and twice
	replayAll(t, first, source, options)
	second := requestOf(100, 4)
	mustHoldAll(t, cluster, second, source, replayAll(t, second, source, options))
	third := requestOf(100, 4)
	third.Rekey = true
	if n := wants(t, lookOf(t, third, source, options), source); n != 0 {
		t.Errorf("by key, %d records would be written once more", n)
	}
}

// A partition whose last offsets have no record is complete.
func TestATailWithoutRecords(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 2)
	source, request, options := archived(20, 10), requestOf(300, 2), optionsOf(cluster)
	replayAll(t, request, source, options)
	for _, p := range lookOf(t, request, source, options).Parts {
		if len(p.Todo) > 0 {
			t.Errorf("of %s, %v are left", p.Source, p.Todo)
		}
	}
	empty := requestOf(300, 1)
	empty.Parts[0].Life = "another"
	nothing := archived(0, 0)
	replayAll(t, empty, nothing, options)
	if p := lookOf(t, empty, nothing, options).Parts[0]; len(p.Todo) > 0 {
		t.Errorf("of a partition without any record %v are left", p.Todo)
	}
}

// What the target has deleted since is counted, is not written again unasked, and is
// not called there.
func TestDeletedInTheTargetSince(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	source, request, options := archived(100, 10), requestOf(100, 1), optionsOf(cluster)
	replayAll(t, request, source, options)
	for _, c := range []struct{ to, gone int64 }{{10, 10}, {87, 86}} { // 86 records and a marker
		offsets := kadm.Offsets{}
		offsets.AddOffset("target", 0, c.to, -1)
		if _, err := kadm.NewClient(clientOf(t, cluster)).DeleteRecords(t.Context(), offsets); err != nil {
			t.Fatal(err)
		}
		outlook := replayAll(t, request, source, options)
		if p := outlook.Parts[0]; p.Gone != c.gone || p.Position.Records != 86 {
			t.Errorf("with a log from %d on %d records are said to be deleted of %d, want %d of 86", c.to, p.Gone, p.Position.Records, c.gone)
		}
	}
	request.Again = true
	replayAll(t, request, source, options)
	if n := len(consume(t, cluster)[0]); n != 86 {
		t.Errorf("--again has written %d records, want 86", n)
	}
}

// --again that was killed is gone on with by the same command without it.
func TestAgainIsGoneOnWith(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	source, request, options := archived(100, 10), requestOf(100, 1), optionsOf(cluster)
	replayAll(t, request, source, options)
	again := request
	again.Again = true
	stopped := errors.New("stopped")
	halves := func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return func(yield func(baldr.Record, error) bool) {
			for r, err := range source(ctx, p, span) {
				if r.Offset == 50 {
					time.Sleep(maxTime + 100*time.Millisecond) // what was read before is committed
				}
				if r.Offset == 70 {
					err = stopped
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
	if _, err := Start(t.Context(), again, halves, options); !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	position := lookOf(t, request, source, options).Parts[0].Position
	if position.Again == nil || position.Again.Start < 50 || position.Again.Start > 70 {
		t.Fatalf("left to write again is %v", position.Again)
	}
	request.Parts[0].Ask.End = 110 // and more is archived
	source = archived(110, 10)
	replayAll(t, request, source, options)
	times := map[string]int{}
	for _, r := range consume(t, cluster)[0] {
		name, _, _ := strings.Cut(string(r.Value), " ")
		times[name]++
	}
	for offset := range 110 {
		want := 2
		if offset >= 100 {
			want = 1
		}
		if offset%7 == 6 {
			want = 0
		}
		if n := times[fmt.Sprintf("0/%d", offset)]; n != want {
			t.Errorf("offset %d is there %d times, want %d", offset, n, want)
		}
	}
}

// forge puts records on the state topic, as if a run had written them.
func forge(t *testing.T, cluster *kfake.Cluster, p pair, position Position, stretches ...Stretch) {
	t.Helper()
	client := clientOf(t, cluster, kgo.TransactionalID("forger"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	records := []*kgo.Record{{Topic: stateTopic, Partition: p.stateShard(), Key: []byte(p.positionKey())}}
	var err error
	if records[0].Value, err = json.Marshal(position); err != nil {
		t.Fatal(err)
	}
	for _, s := range stretches {
		value, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: stateTopic, Partition: p.mapShard(), Key: []byte(p.stretchKey(s.Number)), Value: value})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

func produceForeign(t *testing.T, cluster *kfake.Cluster, keys ...string) {
	t.Helper()
	client := clientOf(t, cluster, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, key := range keys {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "target", Key: []byte(key), Value: []byte("0/0")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// A log that was cut, by an unclean leader, has less than the position says. What is
// lost is written again, and nothing else, whether the log has grown since or not.
func TestALogThatWasCut(t *testing.T) {
	t.Parallel()
	for _, grown := range []bool{false, true} {
		t.Run(fmt.Sprint("grown ", grown), func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			options := optionsOf(cluster)
			replayAll(t, requestOf(50, 1), archived(50, 10), options)
			request, source := requestOf(100, 1), archived(100, 10)
			part := lookOf(t, request, source, options).Parts[0]
			if grown {
				produceForeign(t, cluster, make([]string, 60)...)
			}
			// What the position says was written next: 43 records and a marker are there.
			lost := Stretch{
				Number: 2, Source: "source", Target: "target", Span: AllTimes(50, 100), Records: 43,
				Marks: []Mark{{Partition: 0, First: 44, Base: 44, Count: 43, ProducerID: part.Position.Marks[0].ProducerID, Sequence: 43}},
				Map:   []Mapping{{50, 0, 44, 43}},
			}
			forge(t, cluster, part.pair, part.Position.withStretch(lost), lost)
			outlook := lookOf(t, request, source, options)
			if n := wants(t, outlook, source); n != 43 || !slices.ContainsFunc(outlook.Warnings, func(w Warning) bool { return strings.Contains(w.Text, "its log was cut") }) {
				t.Fatalf("%d records are left, want 43; warnings %v", n, outlook.Warnings)
			}
			outlook = replayAll(t, request, source, options)
			if !grown {
				mustHoldAll(t, cluster, request, source, outlook)
			}
			if p := outlook.Parts[0]; p.Position.Records != 86 {
				t.Errorf("%d records are said to be there, want 86", p.Position.Records)
			}
		})
	}
}

// By key, one partition of the target may be cut and another not: parts of stretches
// are left, and nobody can say which records those are.
func TestACutThatLeavesParts(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 2)
	options := optionsOf(cluster)
	request, source := requestOf(100, 1), archived(100, 10)
	request.Rekey = true
	replayAll(t, request, source, options)
	part := lookOf(t, request, source, options).Parts[0]
	stretches := stretchesOf(t, &Outlook{Parts: []PartOutlook{part}}, options)
	if len(stretches) != 1 || len(part.Position.Marks) != 2 {
		t.Fatalf("%d stretches to %d partitions, want one to two", len(stretches), len(part.Position.Marks))
	}
	stretches[0].Marks[1].Base += 1000
	forge(t, cluster, part.pair, fold(stretches), stretches...)
	mustRefuse(t, request, source, options, AnswerAgain, "a part of what was written of source/0 is left")
}

// A state topic that has lost what it had is noticed by what the target has.
func TestAStateTopicThatForgot(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprint("all ", all), func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			options := optionsOf(cluster)
			replayAll(t, requestOf(50, 1), archived(50, 10), options)
			before := lookOf(t, requestOf(50, 1), archived(50, 10), options).Parts[0]
			replayAll(t, requestOf(80, 1), archived(80, 10), options)
			if all {
				deleteTopic(t, cluster, stateTopic)
			} else {
				forge(t, cluster, before.pair, before.Position)
			}
			request, source := requestOf(100, 1), archived(100, 10)
			mustRefuse(t, request, source, options, AnswerAgain, "the state of this replay is lost")
			mustRefuse(t, request, source, options, AnswerAgain, "the state of this replay is lost") // and again
			request.Again = true
			replayAll(t, request, source, options)
			if n := len(consume(t, cluster)[0]); n != 69+86 {
				t.Errorf("%d records, want 69 and then 86", n)
			}
		})
	}
}

// Where the last batch was compacted away, nobody can know.
func TestCompactedAway(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	compact := "compact"
	admin := kadm.NewClient(clientOf(t, cluster))
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: &compact}}, "target"); err != nil {
		t.Fatal(err)
	}
	produceForeign(t, cluster, "first") // compaction by these brokers moves the log start, were it not for this one
	request, source := requestOf(3, 1), archived(3, 10)
	replayAll(t, request, source, options)
	produceForeign(t, cluster, "key 0", "key 1", "key 2", "another") // each newer than what was replayed
	cluster.Compact()
	mustRefuse(t, request, source, options, AnswerForce, "it cannot be known")
	request.Force = true
	if n := wants(t, lookOf(t, request, source, options), source); n != 0 {
		t.Errorf("with --force %d records are left, want none: the position is believed", n)
	}
}

// What an earlier version has written into a topic cannot be checked.
func TestAnEarlierVersionsReplay(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	if _, err := kadm.NewClient(clientOf(t, cluster)).CreateTopic(t.Context(), 1, 1, nil, bifrost.EarlierReplayStateTopic); err != nil {
		t.Fatal(err)
	}
	client := clientOf(t, cluster, kgo.TransactionalID("earlier"), kgo.DefaultProduceTopic(bifrost.EarlierReplayStateTopic))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"abc/job":                             `{"id":"abc","partitions":[{"source":"source","number":0,"start":0,"end":10,"target":"target"}]}`,
		"abc/source/0/" + "00000000000000000": `{"source":"source","number":0,"start":0,"end":10,"records":9,"bytes":100,"target":"target","map":[[0,0,0,6]]}`,
	} {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	request, source := requestOf(10, 1), archived(10, 10)
	if objections := lookOf(t, request, source, options).Objections(); len(objections) > 0 {
		t.Errorf("an empty topic is another one: %v", objections)
	}
	produceForeign(t, cluster, "a")
	mustRefuse(t, request, source, options, AnswerAgain, "replay abc of an earlier version")
	request.Again = true
	replayAll(t, request, source, options)
	request.Again = false
	if n := wants(t, lookOf(t, request, source, options), source); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// A state topic that forgets, or was made by something else, is not used.
func TestAStateTopicOfAnotherForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		partitions int32
		policy     string
		says       string
	}{{1, "compact", "has 1 partitions"}, {statePartitions, "delete", "cleanup.policy=delete"}} {
		cluster := startCluster(t, 1)
		if _, err := kadm.NewClient(clientOf(t, cluster)).CreateTopic(t.Context(), c.partitions, 1, map[string]*string{"cleanup.policy": &c.policy}, stateTopic); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), requestOf(10, 1), archived(10, 10), optionsOf(cluster))
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error %v, want a refusal that says %q", err, c.says)
		}
		if n := len(consume(t, cluster)[0]); n > 0 {
			t.Errorf("%d records were written", n)
		}
	}
}

// A transaction that stood open for too long is not another run: the run goes on, with
// what was committed before. And another run is not a slow one.
func TestATransactionThatTimedOut(t *testing.T) {
	t.Parallel()
	for _, another := range []bool{false, true} {
		t.Run(fmt.Sprint("another run ", another), func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			source, request, options := archived(100, 10), requestOf(100, 1), optionsOf(cluster)
			options.transactionTimeout = 300 * time.Millisecond
			options.Batches = map[string]recordbatch.Shape{
				"target": {Codec: recordbatch.DefaultCodec, Bytes: 100}, // so that something is sent at once
			}
			slow := doingAt(source, 50, func() error {
				time.Sleep(options.transactionTimeout + 500*time.Millisecond)
				if another {
					if _, err := Start(t.Context(), request, source, options); err != nil {
						t.Error(err)
					}
				}
				return nil
			})
			_, err := Start(t.Context(), request, slow, options)
			if errors.Is(err, ErrShutOut) != another || (err == nil) == another {
				t.Errorf("error %v", err)
			}
			mustHoldAll(t, cluster, request, source, replayAll(t, request, source, options))
		})
	}
}

// hooks counts connections.
type hooks struct{ opened, closed *atomic.Int64 }

func (h hooks) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		h.opened.Add(1)
	}
}

func (h hooks) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { h.closed.Add(1) }

// A run keeps nothing, whether it succeeds or not.
func TestARunKeepsNothing(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 3)
	options := optionsOf(cluster)
	opened, closed := &atomic.Int64{}, &atomic.Int64{}
	options.Client = append(options.Client, kgo.WithHooks(hooks{opened, closed}))
	request, source := requestOf(500, 3), archived(500, 100)
	failing := func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return func(yield func(baldr.Record, error) bool) {
			for r, err := range source(ctx, p, span) {
				if r.Offset == 301 {
					err = errors.New("unreadable")
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
	if _, err := Start(t.Context(), request, failing, options); err == nil {
		t.Fatal("no error")
	}
	replayAll(t, request, source, options)
	for deadline := time.Now().Add(10 * time.Second); opened.Load() != closed.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections were opened and %d closed", opened.Load(), closed.Load())
		}
	}
	if opened.Load() < 6 {
		t.Errorf("only %d connections were seen", opened.Load())
	}
}

// A broker that throttles answers fetches with nothing. That is no empty log: a position
// that was not read would be records written twice.
func TestALookThatIsThrottled(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	replayAll(t, requestOf(50, 1), archived(50, 10), options)
	var throttled atomic.Int64
	cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if throttled.Add(1)%30 == 0 {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.FetchResponse)
		response.Default()
		response.ThrottleMillis = 1
		return response, nil, true
	})
	request, source := requestOf(100, 1), archived(100, 10)
	outlook := replayAll(t, request, source, options)
	if throttled.Load() < 60 {
		t.Errorf("only %d fetches", throttled.Load())
	}
	if p := outlook.Parts[0]; p.Position.Records != 86 || p.Position.Stretch != 2 {
		t.Errorf("%d records in %d stretches, want 86 in 2", p.Position.Records, p.Position.Stretch)
	}
}

// What another run has committed between the look and the fence is not written again.
func TestAPositionIsReadBehindTheFence(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	request, source := requestOf(100, 1), archived(100, 10)
	replayAll(t, requestOf(50, 1), archived(50, 10), options)
	var other error
	late := true
	cluster.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if late {
			late = false
			cluster.SleepControl(func() { _, other = Start(t.Context(), request, source, options) })
		}
		return nil, nil, false
	})
	outlook := replayAll(t, request, source, options)
	if other != nil || late {
		t.Fatalf("the other run: %v", other)
	}
	mustHoldAll(t, cluster, request, source, outlook)
}

// What a pair has written comes back in the order in which it was written, and up to its
// position: from the tenth on, numbers do not sort as their digits do.
func TestManyStretchesStandInOrder(t *testing.T) {
	t.Parallel()
	for _, last := range []int64{9, 10, 100, 1001} {
		var p pair
		r := &stateReader{shards: map[int32]shard{}}
		values := map[string][]byte{"stretch/another/1": []byte(`{"number":1}`)}
		for number := range last + 2 {
			value, err := json.Marshal(Stretch{Number: number})
			if err != nil {
				t.Fatal(err)
			}
			values[p.stretchKey(number)] = value
		}
		r.shards[p.mapShard()] = shard{values: values}
		found, err := r.readStretches(t.Context(), p, Position{Stretch: last})
		if err != nil || int64(len(found)) != last+1 {
			t.Fatalf("%d stretches up to %d, error %v", len(found), last, err)
		}
		for i, s := range found {
			if s.Number != int64(i) {
				t.Fatalf("of %d, stretch %d stands at %d", last, s.Number, i)
			}
		}
	}
}
