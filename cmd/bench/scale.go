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
	{"scale/discover", benchDiscover},
	{"backfill", benchBackfill},
	{"latency", benchLatency},
}

// The sizes of cluster at which a tick is measured. Every topic has ten
// partitions.
var discoverSizes = []int{1_000, 10_000, 100_000}

const partitionsPerTopic = 10

// tableLatency is how long DynamoDB takes to answer, about.
const tableLatency = 5 * time.Millisecond

// A tickReport is what a process that ran ticks says of the last.
type tickReport struct {
	Summary   bifrost.TickSummary `json:"summary"`
	Wall      float64             `json:"wall"`      // seconds
	Processor float64             `json:"processor"` // seconds of all cores
	Peak      int64               `json:"peak"`      // bytes of memory at most, of the process
}

// benchDiscover runs ticks in a process of their own, with the production wiring,
// against a cluster and tables that another process pretends to be.
func benchDiscover(report func(figure)) error {
	var idle []tickReport
	for _, size := range discoverSizes {
		for _, load := range []string{"idle", "busy"} {
			r, b, requests, err := discoverOnce(size, load)
			if err != nil {
				return err
			}
			if load == "idle" {
				idle = append(idle, r)
			}
			reportTick(report, fmt.Sprintf("scale/discover/%s/%d", load, size), r, b, requests)
		}
	}
	first, last := idle[0], idle[len(idle)-1]
	decades := math.Log(float64(discoverSizes[len(discoverSizes)-1]) / float64(discoverSizes[0]))
	report(figure{Name: "scale/discover/exponent", Value: math.Log(last.Processor/first.Processor) / decades, Unit: "exponent",
		Target: "at most 1", Note: "processor time of an idle tick, from 1,000 to 100,000 partitions"})
	return nil
}

func reportTick(report func(figure), name string, r tickReport, b bill, requests int64) {
	target := map[bool]string{true: "at most 30"}[strings.HasSuffix(name, "100000")]
	note := fmt.Sprintf("%d topics, %d partitions, %d ranges planned, %d started, %d left over; Kafka requests %d",
		r.Summary.Topics, r.Summary.Partitions, r.Summary.Planned, r.Summary.Dispatched, r.Summary.Unfinished, requests)
	report(figure{Name: name + "/wall", Value: r.Wall, Unit: "s", Target: target, Note: note})
	report(figure{Name: name + "/processor", Value: r.Processor, Unit: "core-s"})
	report(figure{Name: name + "/memory", Value: float64(r.Peak) / (1 << 20), Unit: "MiB", Target: "at most 512"})
	report(figure{Name: name + "/dynamodb_requests", Value: float64(b.Requests), Unit: "requests"})
	report(figure{Name: name + "/dynamodb_reads", Value: b.ReadUnits, Unit: "read units"})
	report(figure{Name: name + "/dynamodb_writes", Value: b.WriteUnits, Unit: "write units", Note: fmt.Sprintf("%d rows", b.Writes)})
}

// archivedUpTo is where every partition of the pretended cluster is archived.
const archivedUpTo = 1_000_000

// discoverOnce measures the second tick of a process: the first opens connections
// and reads retentions. In a busy cluster one partition in ten has a range to
// plan.
func discoverOnce(partitions int, load string) (tickReport, bill, int64, error) {
	cluster, err := startFakeCluster(partitions/partitionsPerTopic, partitionsPerTopic, func(topic, partition int) (int64, int64) {
		if load == "busy" && partition == 0 {
			return 0, archivedUpTo + 1000
		}
		return 0, archivedUpTo
	})
	if err != nil {
		return tickReport{}, bill{}, 0, err
	}
	defer cluster.close()
	tables, err := startFakeTables(tableLatency)
	if err != nil {
		return tickReport{}, bill{}, 0, err
	}
	defer tables.close()
	if err := tables.load(partitions / partitionsPerTopic); err != nil {
		return tickReport{}, bill{}, 0, err
	}
	child := startTicks(cluster, tables)
	defer child.stop()
	var r tickReport
	var b bill
	for range 2 {
		tables.take()
		cluster.requests.Store(0)
		if r, err = child.tick(); err != nil {
			return r, b, 0, err
		}
		b = tables.take()
	}
	return r, b, cluster.requests.Load(), nil
}

// load fills the progress table with the rows of partitions that are archived.
// One row goes through the adapter; the others are that row under other names.
func (t *fakeTables) load(topics int) error {
	ledger := dynamoledger.New(t.config(), dynamoledger.Tables{Progress: "capture", Objects: "capture"})
	observed := time.Now().Add(-time.Hour).UTC()
	p := bifrost.Progress{
		Partition: bifrost.Partition{Name: topicName(99_999), Number: 99_999}, ClusterID: "scale-cluster", TopicID: topicID(99_999),
		Generation: "K3YVXJQ7R5A2M4N6P8S9T1U3WB", Status: bifrost.StatusOpen,
		NextOffset: archivedUpTo, PlannedOffset: archivedUpTo, PlannedEpoch: 1,
		Observation:    bifrost.Observation{LastStable: archivedUpTo, HighWatermark: archivedUpTo, LeaderEpoch: 1, At: observed},
		Totals:         bifrost.Totals{Records: archivedUpTo, RawBytes: archivedUpTo * 500, StoredBytes: archivedUpTo * 110},
		RecentRawBytes: 500_000, RecentOffsets: 1000,
		LastObject:   bifrost.ObjectKey("bifrost", bifrost.Partition{Name: topicName(99_999), Number: 99_999}, archivedUpTo-1000, 0),
		LastRecordAt: observed, LastArchivedAt: observed, LastPlannedAt: observed,
	}
	if err := ledger.CreateProgress(context.Background(), p); err != nil {
		return err
	}
	pattern := string(t.captured[0])
	t.progress = t.progress[:0]
	for n := range topics {
		id, _ := bifrost.TopicID(topicID(n)).MarshalText()
		named := strings.NewReplacer(topicName(99_999), topicName(n), string(must(p.TopicID.MarshalText())), string(id)).Replace(pattern)
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

func startTicks(cluster *fakeCluster, tables *fakeTables) *ticks {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), tickProcess+"=1", "GOMAXPROCS=2", "GOMEMLIMIT=440MiB",
		"AWS_ENDPOINT_URL="+tables.URL, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench",
		"BIFROST_BROKERS="+cluster.addr(), "BIFROST_GROUP=bifrost", "BIFROST_BUCKET=bucket", "BIFROST_LOG_LEVEL=error",
		"BIFROST_PROGRESS_TABLE=progress", "BIFROST_OBJECTS_TABLE=objects", "BIFROST_ARCHIVE_FUNCTION=archive", "BIFROST_MAX_IN_FLIGHT=1000")
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

func (t *ticks) tick() (r tickReport, err error) {
	if t.err != nil {
		return r, t.err
	}
	if err := t.input.Encode("tick"); err != nil {
		return r, err
	}
	return r, t.output.Decode(&r)
}

// runTicks is what the process of ticks does.
func runTicks() {
	c, err := config.Load(config.Discoverer, os.LookupEnv)
	check(err)
	parts, err := wiring.Open(context.Background(), c)
	check(err)
	discoverer := parts.Discoverer(invoked{})
	input, output := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var line string
		if input.Decode(&line) != nil {
			return
		}
		begin, processor := time.Now(), processorSeconds()
		summary, err := discoverer.Tick(context.Background(), time.Now().Add(4*time.Minute))
		check(err)
		r := tickReport{Summary: summary, Wall: time.Since(begin).Seconds(), Processor: processorSeconds() - processor, Peak: peakResident()}
		check(output.Encode(r))
	}
}

// invoked is a Lambda that takes as long to answer as Lambda does, about.
type invoked struct{}

func (invoked) Dispatch(context.Context, bifrost.Task) error {
	time.Sleep(30 * time.Millisecond)
	return nil
}
