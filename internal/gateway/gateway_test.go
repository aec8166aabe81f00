package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// pulled is the answer to one fetch of one partition.
type pulled struct {
	records []*kgo.Record
	next    int64
	answer  kmsg.FetchResponseTopicPartition
}

// patient is how many milliseconds a fetch waits at most that will be answered with records or
// an error: these come at once, unless the machine is slow.
const patient = 30_000

// pull fetches once.
func (s *served) pull(t fataler, client *kgo.Client, name string, number int32, offset int64, wait int32) pulled {
	t.Helper()
	request := s.fetchOf(name, number, offset, wait)
	answer, err := client.Broker(nodeID).Request(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	p := answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if p.RecordBatches == nil {
		t.Fatal("batches are null")
	}
	options := kgo.ProcessFetchPartitionOpts{Offset: offset, Topic: name, Partition: number, IsolationLevel: kgo.ReadCommitted()}
	fetched, next := kgo.ProcessFetchPartition(options, &p, kgo.DefaultDecompressor(), nil)
	if fetched.Err != nil && p.ErrorCode == 0 {
		t.Fatal(fetched.Err)
	}
	return pulled{fetched.Records, next, p}
}

// fetchOf asks for one partition from an offset on.
func (s *served) fetchOf(name string, number int32, offset int64, wait int32) *kmsg.FetchRequest {
	request := kmsg.NewPtrFetchRequest()
	request.Version = 13 // the first with topic IDs
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.IsolationLevel = wait, 1, 50<<20, 1
	topic := kmsg.NewFetchRequestTopic()
	topic.TopicID = s.topics.current().byName[name].id
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = number, offset, 1<<10
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	return request
}

func line(r *baldr.Record) string {
	text := fmt.Sprintf("%d %d %d %q %v %q %v", r.Offset, r.Timestamp, r.TimestampType, r.Key, r.Key == nil, r.Value, r.Value == nil)
	for _, h := range r.Headers {
		text += fmt.Sprintf(" %q=%q", h.Key, h.Value)
	}
	return text
}

func lineOf(r *kgo.Record) string {
	own := baldr.Record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), TimestampType: baldr.TimestampType(r.Attrs.TimestampType()), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		own.Headers = append(own.Headers, baldr.Header{Key: []byte(h.Key), Value: h.Value})
	}
	return line(&own)
}

// Whoever fetches from any offset on gets each record of it once and in order, comes
// to the end over every hole, and is told of each loss at its first offset.
func TestAFetchReadsWhatIsArchived(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(2, rapid.Uint64().Draw(t, "seed")))
		a, p := newArchive(), partitionOf("orders", 3)
		a.fill(p, rapid.IntRange(1, 14).Draw(t, "ranges"), true, random)
		skip := rapid.Bool().Draw(t, "skip losses")
		codec := rapid.SampledFrom([]recordbatch.Codec{recordbatch.Uncompressed, recordbatch.Lz4, recordbatch.Zstd}).Draw(t, "codec")
		s := serve(t, a, func(o *Options) { o.SkipLost, o.Codec = skip, codec })
		defer s.stop()
		client := s.client(t)
		defer client.Close()
		from := rapid.Int64Range(0, a.end(p)).Draw(t, "from")
		var want, got, losses, told []string
		for _, r := range a.records[p] {
			if r.Offset >= from {
				want = append(want, line(&r))
			}
		}
		for _, row := range a.rows[p] {
			if row.State == bifrost.StateLost && row.End > from && !skip {
				losses = append(losses, row.Range.String())
			}
		}
		for offset := from; offset < a.end(p); {
			pulled := s.pull(t, client, "orders", 3, offset, patient)
			if pulled.answer.ErrorCode == kerr.TopicAuthorizationFailed.Code {
				row := a.rows[p][slices.IndexFunc(a.rows[p], func(r bifrost.Row) bool { return r.Contains(offset) })]
				if offset != max(row.Start, from) {
					t.Fatalf("the loss %s was told at %d", row.Range, offset)
				}
				told = append(told, row.Range.String())
				offset = row.End
				continue
			}
			if pulled.answer.ErrorCode != 0 || pulled.next <= offset {
				t.Fatalf("at %d: error %d, next %d", offset, pulled.answer.ErrorCode, pulled.next)
			}
			for _, r := range pulled.records {
				got = append(got, lineOf(r))
			}
			offset = pulled.next
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Fatalf("got:\n%s\nwant:\n%s", g, w)
		}
		if !slices.Equal(told, losses) {
			t.Fatalf("told of losses %v, there are %v", told, losses)
		}
	})
}

// A time is answered with the first record, in order of offsets, that is not older.
func TestATimeIsTheFirstRecordThatIsNotOlder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(3, rapid.Uint64().Draw(t, "seed")))
		a, p := newArchive(), partitionOf("orders", 0)
		a.fill(p, rapid.IntRange(1, 10).Draw(t, "ranges"), true, random)
		s := serve(t, a)
		defer s.stop()
		admin := kadm.NewClient(s.client(t))
		defer admin.Close()
		for range 2 { // the second time the archive has grown
			asked := rapid.Int64Range(0, 1000).Draw(t, "time")
			offset, timestamp := a.end(p), int64(-1)
			greatest := baldr.Record{Timestamp: -1}
			for _, r := range a.records[p] {
				if r.Timestamp >= asked && timestamp < 0 {
					offset, timestamp = r.Offset, r.Timestamp
				}
				if r.Timestamp > greatest.Timestamp {
					greatest = r
				}
			}
			listed, err := admin.ListOffsetsAfterMilli(t.Context(), asked, "orders")
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := listed.Lookup("orders", 0); got.Offset != offset || timestamp >= 0 && got.Timestamp != timestamp || got.Err != nil {
				t.Fatalf("time %d: %+v, want offset %d with %d", asked, got, offset, timestamp)
			}
			listed, err = admin.ListMaxTimestampOffsets(t.Context(), "orders")
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := listed.Lookup("orders", 0); got.Timestamp != greatest.Timestamp || got.Offset != greatest.Offset && greatest.Timestamp >= 0 {
				t.Fatalf("greatest time: %+v, want %s", got, line(&greatest))
			}
			a.fill(p, 2, true, random)
			if err := s.topics.refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func some(from, to int64) (all []baldr.Record) {
	for offset := from; offset < to; offset++ {
		all = append(all, baldr.Record{Offset: offset, Timestamp: offset, Key: fmt.Appendf(nil, "k%d", offset), Value: fmt.Appendf(nil, "v%d", offset)})
	}
	return all
}

// What was lost before the first range that is archived is below the log's start.
func TestAnOffsetOutsideOfTheArchive(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	a.lose(p, 10, bifrost.ReasonBeforeFirstSight)
	a.lose(p, 15, bifrost.ReasonRetention)
	a.archive(p, 20, baldr.Options{}, some(15, 18)...)
	s := serve(t, a)
	client := s.client(t)
	for offset, want := range map[int64]int16{
		-5: kerr.OffsetOutOfRange.Code, 0: kerr.OffsetOutOfRange.Code, 14: kerr.OffsetOutOfRange.Code,
		15: 0, 19: 0, 20: 0, 21: kerr.OffsetOutOfRange.Code, math.MaxInt64: kerr.OffsetOutOfRange.Code,
	} {
		if got := s.pull(t, client, "orders", 0, offset, 0).answer; got.ErrorCode != want || got.LogStartOffset != 15 || got.HighWatermark != 20 {
			t.Errorf("offset %d: error %d, log [%d, %d)", offset, got.ErrorCode, got.LogStartOffset, got.HighWatermark)
		}
	}
	listed, err := kadm.NewClient(client).ListStartOffsets(t.Context(), "orders")
	if got, _ := listed.Lookup("orders", 0); err != nil || got.Offset != 15 {
		t.Errorf("earliest: %+v, %v", got, err)
	}
	// A consumer that comes from the live cluster may be ahead of the archive.
	a.ledger.PokeProgress(bifrost.Progress{Partition: p, ClusterID: "c", TopicID: a.id("orders"), NextOffset: 20, Observation: bifrost.Observation{HighWatermark: 30}})
	if err := s.topics.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.pull(t, client, "orders", 0, 30, 0).answer; got.ErrorCode != 0 || len(got.RecordBatches) != 0 {
		t.Errorf("ahead of the archive: error %d, %d bytes", got.ErrorCode, len(got.RecordBatches))
	}
}

// A fetch at the end waits, and is answered when the archive has grown.
func TestAFetchAtTheEndWaits(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	a.archive(p, 5, baldr.Options{}, some(0, 5)...)
	s := serve(t, a)
	client := s.client(t)
	answered := make(chan pulled)
	go func() { answered <- s.pull(t, client, "orders", 0, 5, 60_000) }()
	for s.metricOf(t, "bifrost_gateway_fetches_total") == "0" {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-answered:
		t.Fatal("it was answered before there was anything")
	default:
	}
	a.archive(p, 9, baldr.Options{}, some(5, 9)...)
	if got := <-answered; len(got.records) != 4 || got.next != 9 {
		t.Errorf("%d records, next %d", len(got.records), got.next)
	}
}

func (s *served) metricOf(t *testing.T, name string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.Observation().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(recorder.Body.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no metric %s in\n%s", name, recorder.Body.String())
	return ""
}

// SIGTERM: what waits is answered, nobody gets in, and /healthz says so.
func TestTheEndOfAGateway(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	a.archive(p, 5, baldr.Options{}, some(0, 5)...)
	s := serve(t, a)
	health := func() int {
		recorder := httptest.NewRecorder()
		s.Observation().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		return recorder.Code
	}
	if code := health(); code != http.StatusOK {
		t.Errorf("healthz answers %d", code)
	}
	client := s.client(t)
	answered := make(chan pulled)
	go func() { answered <- s.pull(t, client, "orders", 0, 5, 60_000) }()
	for s.metricOf(t, "bifrost_gateway_fetches_total") == "0" {
		time.Sleep(time.Millisecond)
	}
	s.stop()
	if got := <-answered; got.answer.ErrorCode != 0 || got.answer.HighWatermark != 5 {
		t.Errorf("the answer at the end: %+v", got.answer)
	}
	if code := health(); code != http.StatusServiceUnavailable {
		t.Errorf("healthz answers %d", code)
	}
	if err := client.Ping(t.Context()); err == nil {
		t.Error("it takes connections still")
	}
}

// Each life of a topic has a name and an ID; the present one has the plain name, as
// long as the gateway runs.
func TestLivesOfATopic(t *testing.T) {
	t.Parallel()
	a := newArchive()
	old, second := partitionOf("orders", 0), bifrost.Partition{Number: 0}
	a.archive(old, 5, baldr.Options{}, some(0, 5)...)
	a.progress(old, bifrost.StatusClosed)
	id := bifrost.TopicID{9, 9}
	second.Name = bifrost.Incarnation{Topic: "orders", TopicID: id}.LaterName()
	a.ids[second.Name] = id
	a.archive(second, 3, baldr.Options{}, some(0, 3)...)
	s := serve(t, a)
	client := s.client(t)
	check := func(s *served, want map[string]int64) {
		t.Helper()
		ends, err := kadm.NewClient(s.client(t)).ListEndOffsets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		ends.Each(func(o kadm.ListedOffset) { got[o.Topic] = o.Offset })
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("topics %v, want %v", got, want)
		}
	}
	oldName := "orders." + a.id("orders").String()
	check(s, map[string]int64{"orders": 3, oldName: 5})
	if got := s.pull(t, client, "orders", 0, 0, patient); len(got.records) != 3 {
		t.Errorf("the present life has %d records", len(got.records))
	}
	if got := s.pull(t, client, oldName, 0, 0, patient); len(got.records) != 5 {
		t.Errorf("the earlier life has %d records", len(got.records))
	}
	// A third life does not take the name from under a consumer.
	third := bifrost.TopicID{8, 8}
	name := bifrost.Incarnation{Topic: "orders", TopicID: third}.LaterName()
	a.progress(second, bifrost.StatusClosed)
	a.ids[name] = third
	a.archive(partitionOf(name, 0), 2, baldr.Options{}, some(0, 2)...)
	if err := s.topics.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(s, map[string]int64{"orders": 3, oldName: 5, "orders." + third.String(): 2})
	again := serve(t, a)
	check(again, map[string]int64{"orders": 2, oldName: 5, "orders." + id.String(): 3})
	// A fork goes on under the life's name; what it left is a topic of its own.
	fork := bifrost.Incarnation{Topic: "orders", TopicID: third}.Forked(0, 1)
	a.ids[fork.Name] = third
	a.progress(partitionOf(name, 0), bifrost.StatusForked)
	a.lose(fork, 2, bifrost.ReasonForked)
	a.archive(fork, 7, baldr.Options{}, some(2, 7)...)
	forked := serve(t, a)
	check(forked, map[string]int64{"orders": 7, oldName: 5, "orders." + id.String(): 3, "orders." + third.String() + ".branch-0": 2})
}

// What cannot be served is an error that clients show, with a sentence in the log; what
// may be served the next time is one that they pass over.
func TestWhatCannotBeServed(t *testing.T) {
	t.Parallel()
	a := newArchive()
	values, damaged, gone := partitionOf("values", 0), partitionOf("damaged", 0), partitionOf("gone", 0)
	a.archive(values, 5, baldr.Options{ValuesOnly: true}, some(0, 5)...)
	a.archive(damaged, 5, baldr.Options{}, some(0, 5)...)
	a.archive(gone, 5, baldr.Options{}, some(0, 5)...)
	key := a.rows[damaged][0].Facts.Key
	object := bytes.Clone(a.store.Versions(key)[0])
	object[len(object)/4] ^= 0xff
	a.store.Put(key, object)
	a.store.Delete(a.rows[gone][0].Facts.Key)
	s := serve(t, a)
	client := s.client(t)
	for name, words := range map[string]string{"values": "holds values only", "damaged": "bifrost verify --deep", "gone": "bifrost verify lists"} {
		if got := s.pull(t, client, name, 0, 0, patient).answer; got.ErrorCode != kerr.TopicAuthorizationFailed.Code {
			t.Errorf("%s: error %d", name, got.ErrorCode)
		}
		if !strings.Contains(s.said.String(), words) {
			t.Errorf("%s: the log does not say %q:\n%s", name, words, s.said.String())
		}
	}
	if _, err := kadm.NewClient(client).ListOffsetsAfterMilli(t.Context(), 1, "values"); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("a time in values only: %v", err)
	}
	// An object that was erased since its row was read is a loss.
	erased := a.rows[gone][0]
	erased.State, erased.GapReason = bifrost.StateLost, bifrost.ReasonErased
	a.ledger.Poke(erased)
	if got := s.pull(t, client, "gone", 0, 0, patient).answer; got.ErrorCode == 0 {
		t.Error("what was erased is no loss")
	}
}

// A client that waits shortly has an error before it gives up.
func TestAnErrorComesWithinTheClientsWait(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	a.archive(p, 5, baldr.Options{}, some(0, 5)...)
	a.lose(p, 10, bifrost.ReasonRetention)
	s := serve(t, a, func(o *Options) { o.errorPause = time.Hour })
	got := s.pull(t, s.client(t, kgo.RequestTimeoutOverhead(30*time.Second), kgo.RequestRetries(0)), "orders", 0, 5, 20).answer
	if got.ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("error %d", got.ErrorCode)
	}
}

// A store that fails for a while does no harm.
func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	a.archive(p, 5, baldr.Options{}, some(0, 5)...)
	failing := &failingObjects{Objects: a.store}
	failing.fails.Store(true)
	s := serve(t, a, func(o *Options) { o.Objects = failing })
	client := s.client(t)
	if got := s.pull(t, client, "orders", 0, 0, 0).answer; got.ErrorCode != kerr.KafkaStorageError.Code {
		t.Errorf("error %d", got.ErrorCode)
	}
	failing.fails.Store(false)
	if got := s.pull(t, client, "orders", 0, 0, patient); len(got.records) != 5 {
		t.Errorf("%d records, error %d", len(got.records), got.answer.ErrorCode)
	}
}

// Nothing can be written, and there are no groups; both are said at once.
func TestWritesAndGroupsAreRefused(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	a.archive(p, 5, baldr.Options{}, some(0, 5)...)
	s := serve(t, a)
	for name, option := range map[string]kgo.Opt{"plain": kgo.DisableIdempotentWrite(), "idempotent": kgo.RecordRetries(1)} {
		producer := s.client(t, option, kgo.RecordRetries(1))
		for range 2 { // a second time as well
			err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}).FirstErr()
			if !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("%s: produce: %v", name, err)
			}
		}
	}
	writer := s.client(t, kgo.TransactionalID("x"), kgo.RecordRetries(1))
	if err := writer.BeginTransaction(); err == nil || !strings.Contains(err.Error(), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED") {
		t.Errorf("a transaction: %v", err)
	}
	group := s.client(t, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"))
	if err := group.PollFetches(t.Context()).Err(); !errors.Is(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("group: %v", err)
	}
	admin := kadm.NewClient(s.client(t))
	if offsets, err := admin.FetchOffsets(t.Context(), "g"); err != nil || len(offsets) != 0 {
		t.Errorf("positions %v, %v", offsets, err)
	}
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "new"); err == nil {
		t.Error("a topic was made")
	}
	if got := s.pull(t, s.client(t), "orders", 0, 0, patient); len(got.records) != 5 {
		t.Errorf("%d records afterwards", len(got.records))
	}
}

// Only the topics that the gateway is told to serve are there.
func TestOnlySelectedTopics(t *testing.T) {
	t.Parallel()
	a := newArchive()
	for _, name := range []string{"orders", "pages", "secret"} {
		a.archive(partitionOf(name, 0), 1, baldr.Options{}, some(0, 1)...)
	}
	filter, err := bifrost.NewTopicFilter([]string{"o*", "pages"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, a, func(o *Options) { o.Topics = filter })
	topics, err := kadm.NewClient(s.client(t)).ListTopics(t.Context())
	if err != nil || strings.Join(topics.Names(), " ") != "orders pages" {
		t.Errorf("topics %v, %v", topics.Names(), err)
	}
}

// A record larger than every pool of memory is served, and so is what comes after it.
func TestARecordLargerThanTheMemory(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	large := bytes.Repeat([]byte("abcdefgh"), 20<<20/8)
	a.archive(p, 3, baldr.Options{}, baldr.Record{Offset: 0, Value: []byte("a")}, baldr.Record{Offset: 1, Value: large}, baldr.Record{Offset: 2, Value: []byte("b")})
	s := serve(t, a, func(o *Options) { o.Memory = LeastMemory })
	client := s.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"orders": {0: kgo.NewOffset().AtStart()}}))
	var got []*kgo.Record
	for len(got) < 3 {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got = append(got, fetches.Records()...)
	}
	if !bytes.Equal(got[1].Value, large) || string(got[2].Value) != "b" {
		t.Error("the records are others")
	}
}

// A topic of a thousand partitions is read to the end of each with the least memory, beside
// a topic that never had a record.
func TestAThousandPartitions(t *testing.T) {
	t.Parallel()
	const partitions = 1000
	a := newArchive()
	for number := range int32(partitions) {
		a.archive(partitionOf("wide", number), 5, baldr.Options{}, some(0, 3)...)
	}
	a.progress(partitionOf("empty", 0), bifrost.StatusOpen)
	s := serve(t, a, func(o *Options) { o.Memory = LeastMemory })
	client := s.client(t, kgo.ConsumeTopics("wide", "empty"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	next, read := make([]int64, partitions), 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for read < 3*partitions {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d records: %v", read, err)
		}
		for _, r := range fetches.Records() {
			if r.Topic != "wide" || r.Offset != next[r.Partition] {
				t.Fatalf("%s/%d: offset %d, want %d", r.Topic, r.Partition, r.Offset, next[r.Partition])
			}
			next[r.Partition]++
			read++
		}
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), "empty")
	if end, ok := ends.Lookup("empty", 0); err != nil || !ok || end.Offset != 0 || end.Err != nil {
		t.Errorf("the end of the empty topic: %+v, %v", end, err)
	}
}

func TestAnAddressForClients(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{"archive:9092": true, "[::1]:9092": true, "0.0.0.0:9092": false, "[::]:9092": false, ":9092": false, "archive": false, "archive:0": false, "archive:70000": false} {
		g := &Gateway{options: Options{Advertise: address}}
		if err := g.advertise(nowhereAddress{}); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

type nowhereAddress struct{}

func (nowhereAddress) Network() string { return "tcp" }
func (nowhereAddress) String() string  { return "127.0.0.1:1" }

// A gateway that cannot read which topics there are does not begin.
func TestAGatewayWithoutTables(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := newArchive()
	if _, err := New(ctx, Options{Catalogue: a.ledger, Objects: a.store}); err == nil {
		t.Error("it begins")
	}
	if _, err := New(t.Context(), Options{Catalogue: a.ledger, Objects: a.store, Memory: 1}); err == nil {
		t.Error("it begins with a byte of memory")
	}
}
