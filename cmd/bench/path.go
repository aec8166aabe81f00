// The speed of the whole path from Kafka to S3, for each core.

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// pathProcess tells a child of this program which part of the path it is to run.
const pathProcess = "BIFROST_BENCH_PATH"

const (
	pathTopic = "page-views"
	pathRuns  = 7
	// of the runs that are compared: about a gigabyte, beside which it is little that a new process gets its memory
	// page by page
	pathRecords = 2_000_000
	pathLarge   = 4_000_000 // of the run that shows the memory: about two gigabytes
)

var pathBenchmarks = []benchmark{{"path", benchPath}}

// pathJob is what a child gets, and pathResult what it says.
type pathJob struct {
	Cores   string // that the child may use, as taskset(1) writes them
	Gzip    bool   // compress alone, without Kafka and S3
	Brokers string
	S3      localservices.Endpoint
	Bucket  string
	Group   string
	Records int64
	Format  baldr.Options
}

type pathResult struct {
	RawBytes    int64
	CoreSeconds float64
	WallSeconds float64
	PeakBytes   int64 // largest resident set
}

func (r pathResult) perCore() float64 { return float64(r.RawBytes) / 1e6 / r.CoreSeconds }

// The cores of this machine. Where a function runs, the broker and S3 are other
// machines. Here they are neighbours, and where they share a core with the
// archiver, each takes the other's cache, for which the archiver pays. So the
// runs that are compared have the first core to themselves, the archiver as well
// as gzip alone, and the broker and the S3 server have the others.
var (
	firstCore  = "0"
	otherCores = fmt.Sprintf("%d-%d", min(1, runtime.NumCPU()-1), runtime.NumCPU()-1)
	everyCore  = fmt.Sprintf("0-%d", runtime.NumCPU()-1)
)

// benchPath measures real Kafka (lz4 batches) → archive → S3 server on this
// machine. Each run is a process of its own, so that the operating system's own
// account of processor time and memory is the archiver's and nobody else's.
func benchPath(report func(figure)) error {
	ctx := context.Background()
	if err := moveTo(otherCores); err != nil {
		return err
	}
	defer func() { check(moveTo(everyCore)) }()
	job, stop, err := preparePath(ctx)
	if err != nil {
		return err
	}
	defer stop()
	speeds, ratios, walls := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	before, err := pathLimit()
	if err != nil {
		return err
	}
	limits := []float64{before}
	for n := range pathRuns {
		for _, s := range pathSettings {
			r, err := job.archive(fmt.Sprintf("%s-%d", s.name, n), pathRecords, s)
			if err != nil {
				return err
			}
			after, err := pathLimit()
			if err != nil {
				return err
			}
			limits = append(limits, after)
			speeds[s.name] = append(speeds[s.name], r.perCore())
			ratios[s.name] = append(ratios[s.name], r.perCore()/((before+after)/2))
			walls[s.name] = append(walls[s.name], float64(r.RawBytes)/1e6/r.WallSeconds)
			before = after
		}
	}
	large, err := job.archive("large", pathLarge, pathAsDeployed)
	if err != nil {
		return err
	}
	perCore := "MB of raw frames a core-second"
	report(figure{
		Name:  "path/limit",
		Value: median(limits),
		Unit:  perCore,
		Note:  "gzip of klauspost/compress at level 1, one stream, alone on one core",
	})
	for _, s := range pathSettings {
		report(figure{
			Name:  "path/" + s.name + "/core",
			Value: median(speeds[s.name]),
			Unit:  perCore,
			Note:  "the archiving process, Kafka (lz4) to S3, " + s.note,
		})
		report(figure{
			Name:   "path/" + s.name + "/ratio",
			Value:  median(ratios[s.name]),
			Unit:   "of the limit",
			Target: s.target,
		})
		report(figure{Name: "path/" + s.name + "/wall", Value: median(walls[s.name]), Unit: "MB/s", Note: "one range"})
	}
	report(figure{Name: "path/memory", Value: float64(large.PeakBytes) / (1 << 20), Unit: "MiB", Target: "<= 160",
		Note: fmt.Sprintf("peak of the process for one range of %.1f GB, a worker a core",
			float64(large.RawBytes)/1e9)})
	return nil
}

// pathLimit is what gzip alone does. The speed of a virtual core drifts by a tenth
// and more within seconds, so each run is compared with the limit just before and
// just after it.
func pathLimit() (float64, error) {
	r, err := pathJob{Gzip: true, Records: pathRecords, Cores: firstCore}.run()
	return r.perCore(), err
}

// limitLevel is the level of deflate at which the limit is measured.
const limitLevel = 1

// A pathSetting is compared with the limit.
type pathSetting struct {
	name   string
	cores  string
	format baldr.Options
	target string
	note   string
}

// pathAsDeployed is what a function with all of this machine does.
var pathAsDeployed = pathSetting{
	name:   "every-core",
	cores:  everyCore,
	format: baldr.Options{Workers: runtime.NumCPU()},
	note: fmt.Sprintf("level %d, %d workers on %[2]d cores, which the broker and the S3 server share",
		baldr.DefaultLevel, runtime.NumCPU()),
}

// pathSettings begin with the archiver by itself, which is what the target is about.
var pathSettings = []pathSetting{
	{
		name:   "one-core",
		cores:  firstCore,
		format: baldr.Options{Level: limitLevel},
		target: ">= 0.80",
		note:   fmt.Sprintf("level %d on a core to itself", limitLevel),
	},
	pathAsDeployed,
}

// archive is one range of the topic into one object, in a process of its own.
func (j pathJob) archive(group string, records int64, s pathSetting) (pathResult, error) {
	j.Group, j.Records, j.Format, j.Cores = group, records, s.format, s.cores
	return j.run()
}

// moveTo keeps this process, and those that it starts from now on, to the cores.
func moveTo(cores string) error {
	said, err := exec.Command("taskset", "--all-tasks", "--pid", "--cpu-list", cores,
		strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("keep to the cores %s by taskset (of util-linux): %w: %s", cores, err, said)
	}
	return nil
}

// preparePath starts the broker and the S3 server, and fills the topic.
func preparePath(ctx context.Context) (pathJob, func(), error) {
	broker, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
	if err != nil {
		return pathJob{}, nil, err
	}
	server, err := localservices.StartS3(ctx)
	if err != nil {
		return pathJob{}, nil, err
	}
	stop := func() {
		check(server.Remove())
		check(broker.Remove())
	}
	job := pathJob{Brokers: broker.Addr(), S3: server.Endpoint, Bucket: "bench"}
	_, err = s3.NewFromConfig(server.Endpoint.Config()).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &job.Bucket})
	if err == nil {
		err = fillPathTopic(ctx, broker.Addr(), pathLarge)
	}
	return job, stop, err
}

func fillPathTopic(ctx context.Context, brokers string, records int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(pathTopic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerBatchMaxBytes(900_000),
		kgo.ProducerLinger(20*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := localservices.CreateTopic(ctx, client, pathTopic, 1, 1, nil); err != nil {
		return err
	}
	views := pageViews(pathRecords/8, 1)
	var failed error
	for n := range records {
		v := &views[n%len(views)]
		client.Produce(ctx, &kgo.Record{Key: v.Key, Value: v.Value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return failed
}

// run is the job in a process of its own.
func (j pathJob) run() (pathResult, error) {
	description, err := json.Marshal(j)
	if err != nil {
		return pathResult{}, err
	}
	child := exec.Command("taskset", "--cpu-list", j.Cores, os.Args[0])
	child.Env = append(os.Environ(), pathProcess+"="+string(description))
	child.Stderr = os.Stderr
	output, err := child.Output()
	if err != nil {
		return pathResult{}, fmt.Errorf("run %s: %w", description, err)
	}
	var result pathResult
	return result, json.Unmarshal(output, &result)
}

// runPath is what the child does.
func runPath(description string) {
	var job pathJob
	check(json.Unmarshal([]byte(description), &job))
	work, err := job.prepare()
	check(err)
	before, begun := processorTime(), time.Now()
	raw, err := work()
	check(err)
	result := pathResult{
		RawBytes:    raw,
		CoreSeconds: (processorTime() - before).Seconds(),
		WallSeconds: time.Since(begun).Seconds(),
		PeakBytes:   peakResident(),
	}
	check(json.NewEncoder(os.Stdout).Encode(result))
}

func (j pathJob) prepare() (func() (int64, error), error) {
	if j.Gzip {
		return gzipAlone(j.Records), nil
	}
	ctx := context.Background()
	source, err := kafka.New(kafka.Config{Brokers: []string{j.Brokers}})
	if err != nil {
		return nil, err
	}
	ledger := bifrosttest.NewLedger()
	task, err := planPath(ctx, source, ledger, j.Records)
	if err != nil {
		return nil, err
	}
	archiver := &bifrost.Archiver{
		Group: j.Group, Source: source, Store: s3store.New(j.S3.Config(), j.Bucket), Ledger: ledger,
		Format: j.Format, MaxRawBytes: 1 << 40, Writer: "bench", Now: time.Now,
	}
	return func() (int64, error) {
		result, err := archiver.Archive(ctx, task, time.Time{})
		if err == nil && (result.Outcome != bifrost.OutcomeArchived || result.Records != j.Records) {
			err = fmt.Errorf("the range came out as %+v", result)
		}
		return result.RawBytes, err
	}, nil
}

// planPath puts the row of one range into a ledger in memory: the tables are not
// what is measured.
func planPath(
	ctx context.Context, source *kafka.Client, ledger *bifrosttest.Ledger, records int64,
) (bifrost.Task, error) {
	_, topics, err := source.Topics(ctx)
	if err != nil {
		return bifrost.Task{}, err
	}
	partition := bifrost.Partition{Name: pathTopic}
	progress := bifrost.Progress{
		Partition:    partition,
		TopicID:      topics[0].ID,
		Generation:   "1",
		Status:       bifrost.StatusFencing,
		PlannedEpoch: -1,
	}
	if err := ledger.CreateProgress(ctx, progress); err != nil {
		return bifrost.Task{}, err
	}
	if err := ledger.OpenProgress(ctx, progress); err != nil {
		return bifrost.Task{}, err
	}
	row := bifrost.Row{
		Partition: partition,
		Range:     bifrost.Range{Start: 0, End: records},
		TopicID:   topics[0].ID,
		State:     bifrost.StatePlanned,
	}
	err = ledger.Plan(ctx, bifrost.PlanWrite{
		Progress:      progress,
		Rows:          []bifrost.Row{row},
		PlannedOffset: records,
		PlannedEpoch:  -1,
	})
	row.Attempts = 1
	return bifrost.NewTask(row), err
}

// gzipAlone compresses the frames of the same records, over and over until there
// are as many, in one stream and one goroutine.
func gzipAlone(records int64) func() (int64, error) {
	views := pageViews(pathRecords/8, 1)
	var frames []byte
	for i := range views {
		frames = binary.BigEndian.AppendUint64(frames, uint64(len(views[i].Value)))
		frames = append(frames, views[i].Value...)
	}
	return func() (raw int64, err error) {
		out, err := gzip.NewWriterLevel(io.Discard, limitLevel)
		if err != nil {
			return 0, err
		}
		for range records / int64(len(views)) {
			n, err := out.Write(frames)
			raw += int64(n)
			if err != nil {
				return raw, err
			}
		}
		return raw, out.Close()
	}
}

// processorTime is what this process has used so far, in user and kernel mode.
func processorTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peakResident is the largest resident set that this process ever had, in bytes:
// VmHWM of proc(5). getrusage's ru_maxrss would count the process that started
// this one, because it survives exec.
func peakResident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	if !found {
		check(errors.New("/proc/self/status has no VmHWM: this figure needs Linux"))
	}
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	check(err)
	return kilobytes << 10
}
