// What a tick over many partitions takes.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

var scaleBenchmarks = []benchmark{
	{"discover/idle", benchIdle},
	{"discover/busy", benchLoaded(busy)},
	{"discover/behind", benchLoaded(behind)},
	{"discover/new", benchNewcomers},
	{"backfill", benchBackfill},
	{"latency", benchLatency},
}

// The sizes of cluster at which a tick is measured. Every topic has ten
// partitions.
var discoverSizes = []int{1_000, 10_000, 100_000}

const partitionsPerTopic = 10

// How long DynamoDB and S3 take to answer, about.
const (
	tableLatency  = 5 * time.Millisecond
	bucketLatency = 20 * time.Millisecond
)

// A tickReport is what a process that ran ticks says of the last.
type tickReport struct {
	Summary   bifrost.TickSummary `json:"summary"`
	Wall      float64             `json:"wall"`      // seconds
	Processor float64             `json:"processor"` // seconds of all cores
	Peak      int64               `json:"peak"`      // bytes of memory at most, of the process
}

// A load is what the partitions of the pretended cluster hold.
type load struct {
	name    string
	known   bool                      // they have their rows, archived up to archivedUpTo
	stable  func(partition int) int64 // the end of each
	seconds int                       // that a tick has
	runs    int                       // ticks to measure, after a first one that opens connections and reads retentions
}

// archivedUpTo is where every partition is archived that is known.
const archivedUpTo = 1_000_000

var (
	idle = load{"idle", true, func(int) int64 { return archivedUpTo }, 270, 3}
	// In a busy cluster one partition in ten has a range to plan.
	busy = load{"busy", true, func(partition int) int64 {
		if partition == 0 {
			return archivedUpTo + 1000
		}
		return archivedUpTo
	}, 270, 1}
	// Everything is far behind: each partition has more to plan than fits into a
	// transaction. The time is short, so that the tick has to leave something.
	behind = load{"behind", true, func(int) int64 { return 1000 * archivedUpTo }, 30, 1}
	// Nothing was ever seen before. A tick has a short time, so that it takes
	// several to make the rows.
	unseen = load{"new", false, func(int) int64 { return 1000 }, 15, 1}
)

// A measuredTickReport is a tick with what DynamoDB would bill for it.
type measuredTickReport struct {
	tickReport
	bill     bill
	requests int64 // to Kafka
}

type tickKind struct {
	partitions int
	load       string
}

var measuredTicks = map[tickKind]measuredTickReport{}

// measuredTick runs ticks in a process of its own with the production wiring,
// against a cluster, tables and a bucket that another process pretends to be. It
// answers the quickest: whatever else the machine does only adds to a tick. Each
// kind is measured once in the life of the program.
func measuredTick(partitions int, l load) (r measuredTickReport, err error) {
	kind := tickKind{partitions, l.name}
	if r, known := measuredTicks[kind]; known {
		return r, nil
	}
	s, err := newStage(partitions, l)
	if err != nil {
		return r, err
	}
	defer s.close()
	for n := range 1 + l.runs {
		s.tables.takeBill()
		s.cluster.requests.Store(0)
		one, err := s.child.tick(l.seconds)
		if err != nil {
			return r, err
		}
		if n == 1 || n > 1 && one.Processor < r.Processor {
			r.tickReport = one
		}
		r.Peak, r.bill, r.requests = max(r.Peak, one.Peak), s.tables.takeBill(), s.cluster.requests.Load()
	}
	measuredTicks[kind] = r
	return r, nil
}

// benchIdle measures ticks that find nothing to do.
func benchIdle(report func(figure)) error {
	var ticks []measuredTickReport
	for _, size := range discoverSizes {
		r, err := measuredTick(size, idle)
		if err != nil {
			return err
		}
		reportTick(report, fmt.Sprintf("discover/%s/%d", idle.name, size), r)
		ticks = append(ticks, r)
	}
	first, last := ticks[0], ticks[len(ticks)-1]
	decades := math.Log(float64(discoverSizes[len(discoverSizes)-1]) / float64(discoverSizes[0]))
	report(figure{
		Name:   "discover/exponent",
		Value:  math.Log(last.Processor/first.Processor) / decades,
		Unit:   "exponent",
		Target: "at most 1",
		Note:   "processor time of an idle tick, from 1,000 to 100,000 partitions",
	})
	return nil
}

// benchLoaded measures ticks at the largest size with something to do.
func benchLoaded(l load) func(func(figure)) error {
	return func(report func(figure)) error {
		size := discoverSizes[len(discoverSizes)-1]
		r, err := measuredTick(size, l)
		if err == nil {
			reportTick(report, fmt.Sprintf("discover/%s/%d", l.name, size), r)
		}
		return err
	}
}

// newcomers is how many partitions appear at once.
const newcomers = 10_000

// benchNewcomers runs ticks until every partition has its row.
func benchNewcomers(report func(figure)) error {
	s, err := newStage(newcomers, unseen)
	if err != nil {
		return err
	}
	defer s.close()
	seconds, processor := 0.0, 0.0
	for ticks := 1; ; ticks++ {
		r, err := s.child.tick(unseen.seconds)
		if err != nil {
			return err
		}
		seconds, processor = seconds+r.Wall, processor+r.Processor
		if r.Summary.Unfinished > 0 {
			continue
		}
		b := s.tables.takeBill()
		report(figure{Name: "discover/new", Value: newcomers / seconds, Unit: "partitions a second",
			Note: fmt.Sprintf("%d new partitions at once, in %d ticks of at most %d s; %.2f ms of processor, "+
				"%.1f requests to S3 and %.1f to DynamoDB each",
				newcomers, ticks, unseen.seconds, processor/newcomers*1e3, float64(s.bucket.requests.Load())/newcomers,
				float64(b.Requests)/newcomers)})
		return nil
	}
}

func reportTick(report func(figure), name string, r measuredTickReport) {
	target := ""
	if strings.HasSuffix(name, "100000") {
		target = "at most 30"
	}
	note := fmt.Sprintf("%d topics, %d partitions, %d ranges planned, %d started, %d left over; Kafka requests %d",
		r.Summary.Topics, r.Summary.Partitions, r.Summary.Planned, r.Summary.Dispatched, r.Summary.Unfinished,
		r.requests)
	report(figure{Name: name + "/wall", Value: r.Wall, Unit: "s", Target: target, Note: note})
	report(figure{Name: name + "/processor", Value: r.Processor, Unit: "core-s"})
	report(figure{Name: name + "/memory", Value: float64(r.Peak) / (1 << 20), Unit: "MiB", Target: "at most 512"})
	report(figure{Name: name + "/dynamodb_requests", Value: float64(r.bill.Requests), Unit: "requests"})
	report(figure{Name: name + "/dynamodb_reads", Value: r.bill.ReadUnits, Unit: "read units"})
	report(figure{
		Name:  name + "/dynamodb_writes",
		Value: r.bill.WriteUnits,
		Unit:  "write units",
		Note:  fmt.Sprintf("%d rows", r.bill.Writes),
	})
}

// stage is all that a tick sees, and the process that runs it.
type stage struct {
	cluster *fakeCluster
	tables  *fakeTables
	bucket  *fakeBucket
	child   *ticks
}

func newStage(partitions int, l load) (s *stage, err error) {
	s = &stage{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	topics := partitions / partitionsPerTopic
	offsets := func(_, partition int) (int64, int64) { return 0, l.stable(partition) }
	if s.cluster, err = startFakeCluster(topics, partitionsPerTopic, offsets); err != nil {
		return s, err
	}
	if s.tables, err = startFakeTables(tableLatency); err != nil {
		return s, err
	}
	if s.bucket, err = startFakeBucket(bucketLatency); err != nil {
		return s, err
	}
	if l.known {
		if err = s.tables.load(topics); err != nil {
			return s, err
		}
	}
	s.child = startTicks(s)
	return s, s.child.err
}

func (s *stage) close() {
	if s.child != nil {
		s.child.stop()
	}
	if s.bucket != nil {
		s.bucket.close()
	}
	if s.tables != nil {
		s.tables.close()
	}
	if s.cluster != nil {
		s.cluster.close()
	}
}

// load fills the progress table with the rows of partitions that are archived.
// One row goes through the adapter; the others are that row under other names.
func (t *fakeTables) load(topics int) error {
	ledger := dynamoledger.New(t.config(), dynamoledger.Tables{Progress: "capture", Objects: "capture"})
	observed := time.Now().Add(-3 * time.Hour).UTC() // longer than a quiet tail waits
	p := bifrost.Progress{
		Partition:     bifrost.Partition{Name: topicName(99_999), Number: 99_999},
		ClusterID:     "scale-cluster",
		TopicID:       topicID(99_999),
		Generation:    "K3YVXJQ7R5A2M4N6P8S9T1U3WB",
		Status:        bifrost.StatusOpen,
		NextOffset:    archivedUpTo,
		PlannedOffset: archivedUpTo,
		PlannedEpoch:  1,
		Observation: bifrost.Observation{
			LastStable:    archivedUpTo,
			HighWatermark: archivedUpTo,
			LeaderEpoch:   1,
			At:            observed,
		},
		Totals: bifrost.Totals{
			Records:     archivedUpTo,
			RawBytes:    archivedUpTo * 500,
			StoredBytes: archivedUpTo * 110,
		},
		RecentRawBytes: 500_000,
		RecentOffsets:  1000,
		LastObject: bifrost.ObjectKey("bifrost", bifrost.Partition{
			Name:   topicName(99_999),
			Number: 99_999,
		}, archivedUpTo-1000, 0),
		LastRecordAt:   observed,
		LastArchivedAt: observed,
		LastPlannedAt:  observed,
	}
	if err := ledger.CreateProgress(context.Background(), p); err != nil {
		return err
	}
	pattern := string(t.captured[0])
	t.progress = t.progress[:0]
	for n := range topics {
		id, _ := bifrost.TopicID(topicID(n)).MarshalText()
		named := strings.NewReplacer(topicName(99_999), topicName(n), string(must(p.TopicID.MarshalText())),
			string(id)).Replace(pattern)
		for number := range partitionsPerTopic {
			item := []byte(strings.ReplaceAll(named, "99999", strconv.Itoa(number)))
			t.progress = append(t.progress, fakeRow{item, storedBytes(item)})
		}
	}
	return nil
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func (t *fakeTables) config() aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &t.URL,
		Credentials: credentials.NewStaticCredentialsProvider("bench", "bench", ""),
	}
}

// ticks is a process that runs a tick for each line on its input.
type ticks struct {
	command *exec.Cmd
	input   *json.Encoder
	output  *json.Decoder
	err     error
}

// tickProcess is the variable that makes this program a process of ticks.
const tickProcess = "BIFROST_BENCH_TICKS"

func startTicks(s *stage) *ticks {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), tickProcess+"=1", "GOMAXPROCS=2", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_ENDPOINT_URL_DYNAMODB="+s.tables.URL, "AWS_ENDPOINT_URL_S3="+s.bucket.URL, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=bench",
		"AWS_SECRET_ACCESS_KEY=bench",
		"BIFROST_BROKERS="+s.cluster.addr(), "BIFROST_GROUP=bifrost",
		"BIFROST_BUCKET=bucket",
		"BIFROST_LOG_LEVEL=error",
		"BIFROST_PROGRESS_TABLE=progress",
		"BIFROST_OBJECTS_TABLE=objects",
		"BIFROST_ARCHIVE_FUNCTION=archive",
		"BIFROST_MAX_IN_FLIGHT=1000")
	command.Stderr = os.Stderr
	t := &ticks{command: command}
	input, err := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	t.err = errors.Join(err, err2, command.Start())
	t.input, t.output = json.NewEncoder(input), json.NewDecoder(output)
	return t
}

func (t *ticks) stop() {
	if t.err == nil {
		t.command.Process.Kill()
		t.command.Wait()
	}
}

// tick runs one tick that has so many seconds.
func (t *ticks) tick(seconds int) (r tickReport, err error) {
	if err := t.input.Encode(seconds); err != nil {
		return r, err
	}
	if err := t.output.Decode(&r); err != nil {
		return r, err
	}
	if r.Summary.Failures > 0 {
		return r, fmt.Errorf("a tick failed, and was not the one to measure: %+v", r.Summary.Failed)
	}
	return r, nil
}

// runTicks is what the process of ticks does.
func runTicks() {
	wiring.LimitMemory()
	c, err := config.Load(config.Discoverer, os.LookupEnv)
	check(err)
	parts, err := wiring.Open(context.Background(), c)
	check(err)
	discoverer := parts.Discoverer(invoked{})
	input, output := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var seconds int
		if input.Decode(&seconds) != nil {
			return
		}
		begin, processor := time.Now(), processorSeconds()
		summary, err := discoverer.Tick(context.Background(), begin.Add(time.Duration(seconds)*time.Second))
		check(err)
		r := tickReport{
			Summary:   summary,
			Wall:      time.Since(begin).Seconds(),
			Processor: processorSeconds() - processor,
			Peak:      peakResident(),
		}
		check(output.Encode(r))
	}
}

// invoked is a Lambda that takes as long to answer as Lambda does, about.
type invoked struct{}

func (invoked) Dispatch(context.Context, bifrost.Task) error {
	time.Sleep(30 * time.Millisecond)
	return nil
}
