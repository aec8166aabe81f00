package gateway

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

func init() { // what begins on the second page is what gets forgotten
	windowRows, mostWindows = 3, 2
	refreshEvery, errorPause = 20*time.Millisecond, 10*time.Millisecond
	drainTime, upstreamPatience = time.Hour, 10*time.Minute
	lookPause = 20 * time.Millisecond
	leastSpare = 1
}

// archive is an archive in memory, beside what went into it.
type archive struct {
	ledger  *bifrosttest.Ledger
	store   *bifrosttest.Store
	records map[bifrost.Partition][]baldr.Record
	rows    map[bifrost.Partition][]bifrost.Row
	ids     map[string]bifrost.TopicID // by the name in the tables

	clusterID string
}

func newArchive() *archive {
	return &archive{
		ledger: bifrosttest.NewLedger(), store: bifrosttest.NewStore(),
		records: map[bifrost.Partition][]baldr.Record{}, rows: map[bifrost.Partition][]bifrost.Row{}, ids: map[string]bifrost.TopicID{}, clusterID: "c",
	}
}

func partitionOf(name string, number int32) bifrost.Partition {
	return bifrost.Partition{Name: name, Number: number}
}

func (a *archive) end(p bifrost.Partition) int64 {
	if rows := a.rows[p]; len(rows) > 0 {
		return rows[len(rows)-1].End
	}
	return 0
}

func (a *archive) id(name string) bifrost.TopicID {
	if a.ids[name].IsZero() {
		a.ids[name] = bifrost.TopicID{byte(len(a.ids) + 1), 7}
	}
	return a.ids[name]
}

// archive adds a range with these records.
func (a *archive) archive(p bifrost.Partition, end int64, options baldr.Options, records ...baldr.Record) {
	var object bytes.Buffer
	w := baldr.NewWriter(&object, options)
	for i := range records {
		if err := w.WriteRecord(&records[i]); err != nil {
			panic(err)
		}
	}
	start := a.end(p)
	summary, err := w.Close(baldr.Summary{ClusterID: a.clusterID, Topic: p.Topic(), TopicID: a.id(p.Name), Partition: p.Number, Start: start, End: end})
	if err != nil {
		panic(err)
	}
	row := bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: end}, TopicID: a.id(p.Name), State: bifrost.StateArchived}
	row.Facts = bifrost.Facts{
		Key: bifrost.ObjectKey("g", p, start, 0), Range: row.Range, Records: summary.Records,
		FirstTimestamp: summary.FirstTimestamp, LastTimestamp: summary.LastTimestamp,
	}
	a.store.Put(row.Facts.Key, object.Bytes())
	a.records[p] = append(a.records[p], records...)
	a.put(row)
}

// lose adds a recorded gap.
func (a *archive) lose(p bifrost.Partition, end int64, reason string) {
	a.put(bifrost.Row{Partition: p, Range: bifrost.Range{Start: a.end(p), End: end}, TopicID: a.id(p.Name), State: bifrost.StateLost, GapReason: reason})
}

func (a *archive) put(row bifrost.Row) {
	a.rows[row.Partition] = append(a.rows[row.Partition], row)
	a.ledger.Poke(row)
	a.progress(row.Partition, bifrost.StatusOpen)
}

// progress writes the row of a partition.
func (a *archive) progress(p bifrost.Partition, status bifrost.Status) {
	a.ledger.PokeProgress(bifrost.Progress{
		Partition: p, ClusterID: a.clusterID, TopicID: a.id(p.Name), Status: status, NextOffset: a.end(p),
		Observation: bifrost.Observation{At: time.Unix(1, 0)},
	})
}

// fill adds n ranges of random shape, losses among them if wanted, after the first.
func (a *archive) fill(p bifrost.Partition, n int, losses bool, random *rand.Rand) {
	for i := range n {
		start := a.end(p)
		end := start + 1 + random.Int64N(60)
		switch kind := random.IntN(6); {
		case kind == 0 && losses && i > 0:
			a.lose(p, end, bifrost.ReasonRetention)
		case kind == 1 && i > 0:
			a.archive(p, end, baldr.Options{})
		default:
			a.archive(p, end, baldr.Options{MemberBytes: 1 << (6 + random.IntN(6))}, randomRecords(random, start, end)...)
		}
	}
}

func randomRecords(random *rand.Rand, start, end int64) []baldr.Record {
	var made []baldr.Record
	for offset := start; offset < end; offset++ {
		if offset > start && random.IntN(3) == 0 {
			continue
		}
		r := baldr.Record{Offset: offset, Timestamp: random.Int64N(1000), Value: fmt.Appendf(nil, "value %d", random.Uint64())}
		if random.IntN(20) == 0 {
			r.Value = nil
		}
		if random.IntN(3) > 0 {
			r.Key = fmt.Appendf(nil, "k%d", offset)
		}
		if random.IntN(4) == 0 {
			r.TimestampType = baldr.LogAppendTime
		}
		for range random.IntN(3) {
			r.Headers = append(r.Headers, baldr.Header{Key: []byte("h"), Value: []byte{byte(offset)}})
		}
		made = append(made, r)
	}
	return made
}

// served is a gateway of an archive that runs.
type served struct {
	*Gateway
	address string
	stop    func() // ends it as SIGTERM does, and waits
	said    *words
}

// words is a log.
type words struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.text.String()
}

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func serve(t fataler, a *archive, change ...func(*Options)) *served {
	t.Helper()
	said := &words{}
	o := Options{Catalogue: a.ledger, Objects: a.store, Log: slog.New(slog.NewTextHandler(said, nil))}
	for _, c := range change {
		c(&o)
	}
	g, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(ctx, listener) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(stop)
	return &served{g, listener.Addr().String(), stop, said}
}

func (s *served) client(t fataler, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.address)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
