package replay

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// TestSequences draws sequences of commands, kills, and changes of sources and targets,
// and holds what is in the targets against a model that knows nothing of positions:
// every record that was ever committed, by the topic's ID.
func TestSequences(t *testing.T) {
	t.Parallel()
	if *sequences == 0 {
		rapid.Check(t, func(t *rapid.T) { newFakeWorld(t).run(t, 6) })
		return
	}
	begun, n := time.Now(), 0
	for time.Since(begun) < *sequences && !t.Failed() {
		n++
		rapid.Check(t, func(t *rapid.T) { newFakeWorld(t).run(t, 25) })
	}
	t.Logf("%d rounds in %s", n, time.Since(begun).Round(time.Second))
}

var sequences = flag.Duration("sequences", 0, "how long to draw sequences of replay commands; 0 for a few")

// world is a cluster, an archive, and what the model knows.
type world struct {
	client  *kgo.Client
	admin   *kadm.Client
	compact func()                  // the state topic
	prefix  string                  // of the names of targets
	sources map[string]*sourceTopic // by name in the archive
	targets map[kadm.TopicID]*targetTopic
	options Options
	// patience is how long what was committed may take to be seen: Kafka answers before
	// it has told all partitions.
	patience time.Duration
	net      *network // of the run that is under way
}

// network is how a run reaches the brokers, until it dies.
type network struct {
	mutex       sync.Mutex
	connections []net.Conn
	requests    int
	dieAt       int // at which request; 0 never
	die         context.CancelFunc
	dead        bool
	writes      int
	cutAt       int  // at which write all connections are cut; 0 never
	half        bool // of that write is sent
	cuts        int
}

var errDead = errors.New("killed")

func (n *network) dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, protocol, address)
	if err != nil {
		return nil, err
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.dead {
		connection.Close()
		return nil, errDead
	}
	n.connections = append(n.connections, connection)
	return wire{connection, n}, nil
}

// wire is a connection that may be cut. The run lives on.
type wire struct {
	net.Conn
	of *network
}

func (w wire) Write(b []byte) (int, error) {
	w.of.mutex.Lock()
	w.of.writes++
	cut, half := w.of.writes == w.of.cutAt, w.of.half
	w.of.mutex.Unlock()
	if !cut {
		return w.Conn.Write(b)
	}
	if half {
		b = b[:len(b)/2]
	}
	n, err := w.Conn.Write(b)
	w.of.mutex.Lock()
	defer w.of.mutex.Unlock()
	w.of.cuts++
	for _, connection := range w.of.connections {
		connection.Close()
	}
	w.of.connections = nil
	return n, err
}

// OnBrokerWrite implements kgo.HookBrokerWrite. A run dies like a process does: with
// all of its connections, and whatever it was about to do.
func (n *network) OnBrokerWrite(kgo.BrokerMetadata, int16, int, time.Duration, time.Duration, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.requests++; n.requests != n.dieAt {
		return
	}
	n.dead = true
	n.die()
	for _, connection := range n.connections {
		connection.Close()
	}
}

func (n *network) isDead() bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.dead
}

// sourceTopic is one life of a topic in the archive.
type sourceTopic struct {
	name       string
	id         bifrost.TopicID
	partitions []*sourcePartition
}

type sourcePartition struct {
	records []sourceRecord
	end     int64
}

type sourceRecord struct{ offset, timestamp int64 }

// targetTopic is one life of a target: all that was ever committed to it.
type targetTopic struct {
	partitions map[int32]map[int64]written // by offset
	start      map[int32]int64
	again      map[string]int  // how often a record may be there more than once
	disordered map[string]bool // sources of which somebody wanted another order
}

// written is a record of a target; the source is empty if no replay wrote it.
type written struct {
	source string
	number int32
	offset int64
}

func newFakeWorld(t *rapid.T) *world {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return newWorld(t, cluster.ListenAddrs(), cluster.Compact)
}

func newWorld(t *rapid.T, brokers []string, compact func()) *world {
	w := &world{compact: compact, sources: map[string]*sourceTopic{}, targets: map[kadm.TopicID]*targetTopic{}}
	w.options = Options{
		Client:   []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(10 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return time.Millisecond })},
		Parallel: 2, abortPatience: 30 * time.Millisecond,
	}
	var err error
	if w.client, err = kgo.NewClient(w.options.Client...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	w.admin = kadm.NewClient(w.client)
	second := bifrost.TopicID{2}
	for name, id := range map[string]bifrost.TopicID{"s": {1}, "s@" + second.String(): second, "s@" + second.String() + ".1": second, "u": {3}} {
		w.sources[name] = &sourceTopic{name: name, id: id}
	}
	for _, name := range slices.Sorted(maps.Keys(w.sources)) {
		w.grow(t, name, 0)
	}
	return w
}

// run draws what happens.
func (w *world) run(t *rapid.T, steps int) {
	for range steps {
		switch rapid.SampledFrom([]string{"replay", "replay", "replay", "replay", "grow", "delete topic", "delete records", "foreign", "compact"}).Draw(t, "step") {
		case "replay":
			w.replay(t)
		case "grow":
			name := rapid.SampledFrom(slices.Sorted(maps.Keys(w.sources))).Draw(t, "source")
			w.grow(t, name, rapid.IntRange(0, min(2, len(w.sources[name].partitions))).Draw(t, "partition"))
		case "delete topic":
			w.deleteTopic(t, w.drawTarget(t))
		case "delete records":
			w.deleteRecords(t, w.drawTarget(t))
		case "compact": // the state topic: the others are not
			w.compact()
		case "foreign":
			w.foreign(t, w.drawTarget(t))
		}
	}
}

func (w *world) drawTarget(t *rapid.T) string {
	return w.prefix + rapid.SampledFrom([]string{"x", "y"}).Draw(t, "target")
}

// grow adds records to a partition of a source, or the partition.
func (w *world) grow(t *rapid.T, name string, number int) {
	source := w.sources[name]
	if number == len(source.partitions) {
		source.partitions = append(source.partitions, &sourcePartition{})
	}
	p := source.partitions[number]
	for range rapid.IntRange(0, 12).Draw(t, "records") {
		p.end += rapid.SampledFrom([]int64{0, 0, 0, 2}).Draw(t, "hole")
		p.records = append(p.records, sourceRecord{p.end, 1000 + 10*p.end + rapid.Int64Range(-40, 40).Draw(t, "late")})
		p.end++
	}
	p.end += rapid.SampledFrom([]int64{0, 1}).Draw(t, "marker") // a tail without records
}

func (w *world) rows() (rows []bifrost.Progress) {
	for _, name := range slices.Sorted(maps.Keys(w.sources)) {
		for number, p := range w.sources[name].partitions {
			rows = append(rows, bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: int32(number)}, ClusterID: "c", TopicID: w.sources[name].id, NextOffset: p.end})
		}
	}
	return rows
}

// source reads the archive, as the real one with more than was asked for by time.
func (w *world) source(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
	return func(yield func(baldr.Record, error) bool) {
		for _, r := range w.sources[p.Source.Name].partitions[p.Source.Number].records {
			if ctx.Err() != nil {
				yield(baldr.Record{}, context.Cause(ctx))
				return
			}
			if r.offset < span.Start || r.offset >= span.End {
				continue
			}
			key := fmt.Sprintf("%s/%d/%d", p.Source.Name, p.Source.Number, r.offset)
			if !yield(baldr.Record{Offset: r.offset, Timestamp: r.timestamp, Key: []byte(key), Value: []byte(key)}, nil) {
				return
			}
		}
	}
}

// asked are the records that a part asks for.
func (w *world) asked(p Part) (offsets []int64) {
	for _, r := range w.sources[p.Source.Name].partitions[p.Source.Number].records {
		if r.offset >= p.Ask.Start && r.offset < p.Ask.End && r.timestamp >= p.Ask.Since && r.timestamp < p.Ask.Until {
			offsets = append(offsets, r.offset)
		}
	}
	return offsets
}

// draw is a command line: arguments in any order and grouping, and flags.
func (w *world) draw(t *rapid.T) Request {
	request := Request{
		Rekey: rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "rekey"),
		Again: rapid.SampledFrom([]bool{false, false, false, false, true}).Draw(t, "again"),
		Force: rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "force"),
	}
	span := AllTimes(0, math.MaxInt64)
	if rapid.SampledFrom([]bool{false, false, true}).Draw(t, "offsets") {
		span.Start = rapid.Int64Range(0, 15).Draw(t, "from")
		if rapid.Bool().Draw(t, "to?") {
			span.End = span.Start + rapid.Int64Range(1, 20).Draw(t, "to")
		}
	}
	if rapid.SampledFrom([]bool{false, false, true}).Draw(t, "times") {
		span.Since = 1000 + rapid.Int64Range(0, 200).Draw(t, "since")
		if rapid.Bool().Draw(t, "until?") {
			span.Until = span.Since + rapid.Int64Range(1, 200).Draw(t, "until")
		}
	}
	rows := w.rows()
	var chosen []int
	for range rapid.IntRange(1, 4).Draw(t, "arguments") {
		chosen = append(chosen, rapid.IntRange(0, len(rows)-1).Draw(t, "argument"))
	}
	whole := rapid.Bool().Draw(t, "whole topics")
	for _, i := range chosen {
		target := w.drawTarget(t)
		for _, row := range rows {
			if row.Partition != rows[i].Partition && (!whole || row.Name != rows[i].Name) {
				continue
			}
			ask := span
			if ask.End = min(ask.End, row.NextOffset); ask.Start < ask.End {
				request.Parts = append(request.Parts, NewPart(row, target, ask, ByTopic(rows)))
			}
		}
	}
	return request
}

// id is the life that a target has now.
func (w *world) id(t *rapid.T, topic string) (kadm.TopicID, bool) {
	topics, err := askTopics(t.Context(), w.client, []string{topic}) // kadm may answer from memory
	if err != nil {
		t.Fatal(err)
	}
	found, exists := topics[topic]
	return found.id, exists
}

const targetPartitions = 3

func (w *world) make(ctx context.Context, topic string) error {
	forever := "-1" // the records are of 1970
	response, err := w.admin.CreateTopic(ctx, targetPartitions, 1, map[string]*string{"retention.ms": &forever}, topic)
	if err == nil {
		err = response.Err
	}
	return err
}

func (w *world) deleteTopic(t *rapid.T, topic string) {
	id, exists := w.id(t, topic)
	if !exists {
		return
	}
	if _, err := w.admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	w.eventually(t, "gone", func() bool {
		now, exists := w.id(t, topic)
		return !exists || now != id
	})
}

// eventually waits for what brokers tell each other, and does not insist.
func (w *world) eventually(t *rapid.T, what string, holds func() bool) {
	deadline := time.Now().Add(w.patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Logf("not %s in time", what)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// deleteRecords raises the log start of a partition, as retention does.
func (w *world) deleteRecords(t *rapid.T, topic string) {
	id, exists := w.id(t, topic)
	if !exists {
		return
	}
	partition := rapid.Int32Range(0, targetPartitions-1).Draw(t, "partition")
	ends, err := w.admin.ListCommittedOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, partition)
	to := rapid.Int64Range(0, end.Offset).Draw(t, "log start")
	known := w.target(id)
	if to <= known.start[partition] {
		return
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, to, -1)
	response, err := w.admin.DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = response.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	known.start[partition] = to
}

// foreign writes records that are none of a replay's.
func (w *world) foreign(t *rapid.T, topic string) {
	if _, exists := w.id(t, topic); !exists {
		if err := w.make(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
	}
	record := &kgo.Record{Topic: topic, Partition: rapid.Int32Range(0, targetPartitions-1).Draw(t, "partition"), Value: []byte("foreign")}
	// A new one: it remembers topic IDs. A broker may not have heard yet of a topic that was just made.
	client, err := kgo.NewClient(append(w.options.Client, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	w.eventually(t, "seen", func() bool { return w.observe(t) > 0 })
}

func (w *world) target(id kadm.TopicID) *targetTopic {
	if w.targets[id] == nil {
		w.targets[id] = &targetTopic{map[int32]map[int64]written{}, map[int32]int64{}, map[string]int{}, map[string]bool{}}
		for p := range int32(targetPartitions) {
			w.targets[id].partitions[p] = map[int64]written{}
		}
	}
	return w.targets[id]
}

// observe notes what is committed in all targets. It reads uncommitted records and
// their markers: a transaction that was left open must not hide what is behind it.
func (w *world) observe(t *rapid.T) (added int) {
	for _, topic := range []string{w.prefix + "x", w.prefix + "y"} {
		id, exists := w.id(t, topic)
		if !exists {
			continue
		}
		known := w.target(id)
		for p := range int32(targetPartitions) {
			for offset, r := range w.read(t, topic, p) {
				if _, seen := known.partitions[p][offset]; !seen {
					added++
					known.partitions[p][offset] = r
				}
			}
		}
	}
	return added
}

func (w *world) read(t *rapid.T, topic string, partition int32) map[int64]written {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	starts, err := w.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	start, _ := starts.Lookup(topic, partition)
	end, _ := ends.Lookup(topic, partition)
	committed := map[int64]written{}
	if start.Offset >= end.Offset {
		return committed
	}
	client, err := kgo.NewClient(append(w.options.Client, kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(start.Offset)}}))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	pending := map[int64]map[int64]written{} // by producer
	for next := start.Offset; next < end.Offset; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s/%d from %d to %d: %v", topic, partition, next, end.Offset, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			switch {
			case r.Attrs.IsControl():
				if binary.BigEndian.Uint16(r.Key[2:]) == 1 {
					maps.Copy(committed, pending[r.ProducerID])
				}
				delete(pending, r.ProducerID)
			case r.Attrs.IsTransactional():
				if pending[r.ProducerID] == nil {
					pending[r.ProducerID] = map[int64]written{}
				}
				pending[r.ProducerID][r.Offset] = parseWritten(t, r)
			default:
				committed[r.Offset] = parseWritten(t, r)
			}
		})
	}
	return committed
}

func parseWritten(t *rapid.T, r *kgo.Record) written {
	parts := strings.Split(string(r.Value), "/")
	if len(parts) != 3 {
		return written{}
	}
	result := written{source: parts[0]}
	if _, err := fmt.Sscan(parts[1]+" "+parts[2], &result.number, &result.offset); err != nil {
		t.Fatal(err)
	}
	return result
}

// of is what a topic has ever got of a source partition, by offset.
func (x *targetTopic) of(source bifrost.Partition) (offsets map[int64]int) {
	offsets = map[int64]int{}
	for _, log := range x.partitions {
		for _, r := range log {
			if r.source == source.Name && r.number == source.Number {
				offsets[r.offset]++
			}
		}
	}
	return offsets
}

// has reports whether a life has records in a partition, or in any.
func (x *targetTopic) has(name string, number int32, any bool) bool {
	for partition, log := range x.partitions {
		for _, r := range log {
			if r.source == name && (any || partition == number) {
				return true
			}
		}
	}
	return false
}

// missing are the records of a part that its target never got.
func (w *world) missing(t *rapid.T, p Part) (offsets []int64) {
	id, exists := w.id(t, p.Target)
	for _, offset := range w.asked(p) {
		if !exists || w.target(id).of(p.Source)[offset] == 0 {
			offsets = append(offsets, offset)
		}
	}
	return offsets
}

// breaks says why a request would break an order; empty if it does not.
func (w *world) breaks(t *rapid.T, request Request) string {
	for _, p := range distinct(request.Parts) {
		id, exists := w.id(t, p.Target)
		writes := w.missing(t, p)
		if request.Again {
			writes = w.asked(p)
		}
		if exists && !request.Again && len(writes) > 0 {
			have := slices.Collect(maps.Keys(w.target(id).of(p.Source)))
			if len(have) > 0 && writes[0] < slices.Max(have) {
				return fmt.Sprintf("%s: %d behind %d", p.Source, writes[0], slices.Max(have))
			}
		}
		if len(writes) == 0 {
			continue
		}
		for _, life := range p.Others {
			if exists && (life.Newer || life.Apart) && w.target(id).has(life.Name, p.Source.Number, request.Rekey || life.Apart) {
				return fmt.Sprintf("%s behind %s", p.Source, life.Name)
			}
			for _, q := range request.Parts {
				if q.Target != p.Target || q.Source.Name != life.Name || !request.Rekey && !life.Apart && q.Source.Number != p.Source.Number {
					continue
				}
				if len(w.missing(t, q)) > 0 || request.Again && len(w.asked(q)) > 0 {
					return fmt.Sprintf("%s and %s", p.Source, q.Source)
				}
			}
		}
	}
	return ""
}

// replay runs one command, which may be killed, and judges it.
func (w *world) replay(t *rapid.T) {
	request := w.draw(t)
	if len(request.Parts) == 0 {
		return
	}
	breaks := w.breaks(t, request)
	pendingAgain := false // what is left of --again has an order that the model does not know
	outlook, err := Look(t.Context(), request, w.source, w.options)
	if err != nil {
		t.Fatalf("look: %v", err)
	}
	left := 0
	for _, p := range outlook.Parts {
		pendingAgain = pendingAgain || !request.Again && p.Position.Again != nil
		for _, s := range p.Todo {
			for r, err := range w.source(t.Context(), p.Part, s.Hull()) {
				if err != nil {
					t.Fatal(err)
				}
				if s.Wants(r.Timestamp) {
					left++
				}
			}
		}
	}
	refuses := len(outlook.Objections()) > 0
	if refuses != (breaks != "" && !request.Force) && !pendingAgain {
		t.Fatalf("the order is broken: %q; force %v; objections %v", breaks, request.Force, outlook.Objections())
	}
	w.judgeWarnings(t, outlook)
	if rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "dry run") {
		if n := w.observe(t); n > 0 {
			t.Fatalf("a look has written %d records", n)
		}
		return
	}
	w.allow(t, request)
	added, killed, err := w.start(t, request, left)
	w.disorder(t, request)
	switch {
	case refuses:
		if !killed && !errors.Is(err, ErrRefused) || added > 0 {
			t.Fatalf("refused as it was, %d records were written, error %v", added, err)
		}
	case !killed && err != nil:
		t.Fatalf("the run failed: %v", err)
	case !killed && added != left:
		t.Fatalf("%d records were written, the look said %d", added, left)
	case added > left:
		t.Fatalf("%d records were written by a run that was killed, the look said %d", added, left)
	case !killed:
		w.judgeComplete(t, request)
	}
	w.judge(t)
}

// allow notes what a person wants with the flags of a request.
func (w *world) allow(t *rapid.T, request Request) {
	for _, p := range distinct(request.Parts) {
		id, exists := w.id(t, p.Target)
		if !exists {
			continue
		}
		known := w.target(id)
		if request.Again {
			for _, offset := range w.asked(p) {
				known.again[fmt.Sprintf("%s/%d", p.Source, offset)]++
			}
		}
	}
}

// disorder notes of which sources somebody wanted another order.
func (w *world) disorder(t *rapid.T, request Request) {
	for _, p := range request.Parts {
		if id, exists := w.id(t, p.Target); exists && (request.Again || request.Force) {
			w.target(id).disordered[p.Source.String()] = true
		}
	}
}

// start runs the command, and kills it at one of its requests if that is drawn. It
// returns how many records were written, of the number that is wanted.
func (w *world) start(t *rapid.T, request Request, want int) (added int, killed bool, err error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.net = &network{die: cancel, dieAt: rapid.SampledFrom([]int{0, 0, 5, 20, 60, 80, 90, 100, 110, 120, 130, 140, 150}).Draw(t, "dies at")}
	w.net.cutAt = rapid.SampledFrom([]int{0, 0, 30, 50, 60, 65, 70, 75, 80, 90}).Draw(t, "is cut at")
	w.net.half = rapid.Bool().Draw(t, "in the middle")
	options := w.options
	options.Client = append(slices.Clone(options.Client), kgo.Dialer(w.net.dial), kgo.WithHooks(w.net))
	batches := recordbatch.Shape{Codec: recordbatch.DefaultCodec, Bytes: rapid.SampledFrom([]int64{150, 400, 0}).Draw(t, "batch bytes")}
	options.Batches = map[string]recordbatch.Shape{w.prefix + "x": batches}
	options.MakeTargets = func(ctx context.Context) error {
		for _, p := range request.Parts {
			if err := w.make(ctx, p.Target); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
				return err
			}
		}
		return nil
	}
	outlook, err := Start(ctx, request, w.source, options)
	killed = w.net.isDead() && err != nil // or it was through
	if killed {
		time.Sleep(w.patience / 20) // what it has sent may still be at work
		want = 0
	}
	added = w.observe(t)
	w.eventually(t, "written", func() bool {
		added += w.observe(t)
		return added >= want || err != nil
	})
	if err == nil {
		w.judgeOutlook(t, outlook)
	}
	return added, killed, err
}

// judgeOutlook holds what a run says is there against what is.
func (w *world) judgeOutlook(t *rapid.T, outlook *Outlook) {
	for _, p := range outlook.Parts {
		id, _ := w.id(t, p.Target)
		known := w.target(id)
		var records, gone int64
		for partition, log := range known.partitions {
			for offset, r := range log {
				if r.source != p.Source.Name || r.number != p.Source.Number {
					continue
				}
				records++
				if offset < known.start[partition] {
					gone++
				}
			}
		}
		if p.Position.Records != records || p.Gone != gone {
			t.Fatalf("%s to %s: %d records are said to be written and %d deleted since; %d and %d are", p.Source, p.Target, p.Position.Records, p.Gone, records, gone)
		}
	}
}

// judgeComplete checks that everything that was asked for was written, once at least.
func (w *world) judgeComplete(t *rapid.T, request Request) {
	for _, p := range request.Parts {
		if missing := w.missing(t, p); len(missing) > 0 {
			t.Fatalf("complete, and offsets %v of %s are not in %s", missing, p.Source, p.Target)
		}
	}
	left := ""
	w.eventually(t, "complete", func() bool {
		left = w.left(t, request)
		return left == ""
	})
	if left != "" {
		t.Fatalf("complete, and %s are left", left)
	}
}

// left is what a look says that is left of a request.
func (w *world) left(t *rapid.T, request Request) string {
	outlook, err := Look(t.Context(), Request{Parts: request.Parts, Rekey: request.Rekey, Force: true}, w.source, w.options)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range outlook.Parts {
		if len(p.Todo) > 0 {
			return fmt.Sprintf("%v of %s", p.Todo, p.Source)
		}
	}
	return ""
}

// judgeWarnings checks what is said of records that no replay wrote.
func (w *world) judgeWarnings(t *rapid.T, outlook *Outlook) {
	warned := map[string]bool{}
	for _, warning := range outlook.Warnings {
		if strings.Contains(warning.Text, "no replay has written") {
			warned[warning.Topic] = true
		}
	}
	for _, p := range outlook.Parts {
		id, exists := w.id(t, p.Target)
		if !exists {
			continue
		}
		some := false
		known := w.target(id)
		for partition, log := range known.partitions {
			last := slices.Sorted(maps.Keys(log))
			if partition != p.Source.Number || len(last) == 0 {
				continue
			}
			// What is behind everything else is always seen.
			end := last[len(last)-1]
			some = some || log[end].source == "" && end >= known.start[partition]
		}
		if some && !warned[p.Target] {
			t.Fatalf("%s has records of others, and nothing is said", p.Target)
		}
	}
	for topic := range warned {
		id, _ := w.id(t, topic)
		some := false
		for _, log := range w.target(id).partitions {
			for _, r := range log {
				some = some || r.source == ""
			}
		}
		if !some {
			t.Fatalf("%s is said to have records of others: %v", topic, outlook.Warnings)
		}
	}
}

// judge checks what must hold at any time: no record too often, none in another order.
func (w *world) judge(t *rapid.T) {
	for id, known := range w.targets {
		times := map[string]int{}
		for partition, log := range known.partitions {
			last := map[string]int64{}    // by source partition
			newest := map[string]string{} // by topic, the life of the last record
			for _, offset := range slices.Sorted(maps.Keys(log)) {
				r := log[offset]
				if r.source == "" {
					continue
				}
				source := bifrost.Partition{Name: r.source, Number: r.number}
				times[fmt.Sprintf("%s/%d", source, r.offset)]++
				if known.disordered[source.String()] {
					continue
				}
				if before, some := last[source.String()]; some && r.offset <= before {
					t.Fatalf("topic %s, partition %d: %s/%d behind %d", id, partition, source, r.offset, before)
				}
				last[source.String()] = r.offset
				if newest[source.Topic()] > r.source {
					t.Fatalf("topic %s, partition %d, offset %d: %s behind %s", id, partition, offset, source, newest[source.Topic()])
				}
				newest[source.Topic()] = cmp.Or(r.source, newest[source.Topic()])
			}
		}
		for record, n := range times {
			if n > 1+known.again[record] {
				t.Fatalf("topic %s has %s %d times, and was asked for it %d times more than once", id, record, n, known.again[record])
			}
		}
	}
}
