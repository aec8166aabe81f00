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
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/localstack"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// pathProcess tells a child of this program which part of the path it is to run.
const pathProcess = "BIFROST_BENCH_PATH"

const (
	pathTopic   = "page-views"
	pathRuns    = 5
	pathRecords = 1_000_000 // of the runs that are compared: about half a gigabyte
	pathLarge   = 4_000_000 // of the run that shows the memory: about two gigabytes
)

var pathBenchmarks = []benchmark{{"path", benchPath}}

// pathJob is what a child gets, and pathResult what it says.
type pathJob struct {
	Gzip    bool // compress alone, without Kafka and S3
	Brokers string
	S3      localstack.Endpoint
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

// benchPath measures real Kafka (lz4 batches) → archive → S3 server on this
// machine. Each run is a process of its own, so that the operating system's own
// account of processor time and memory is the archiver's and nobody else's.
func benchPath(report func(figure)) error {
	ctx := context.Background()
	job, stop, err := preparePath(ctx)
	if err != nil {
		return err
	}
	defer stop()
	// At the level of the limit the ratio says what the way there costs beside
	// deflate; the default is what a deployed function does.
	limited := baldr.Options{Level: limitLevel, Workers: 1}
	usual := baldr.Options{Workers: runtime.GOMAXPROCS(0)}
	var speeds, limits, ratios, usuals, walls []float64
	for n := range pathRuns {
		path, err := job.archive(fmt.Sprintf("level-%d", n), pathRecords, limited)
		if err != nil {
			return err
		}
		limit, err := pathJob{Gzip: true, Records: pathRecords}.run()
		if err != nil {
			return err
		}
		deployed, err := job.archive(fmt.Sprintf("default-%d", n), pathRecords, usual)
		if err != nil {
			return err
		}
		speeds, limits = append(speeds, path.perCore()), append(limits, limit.perCore())
		ratios, usuals = append(ratios, path.perCore()/limit.perCore()), append(usuals, deployed.perCore())
		walls = append(walls, float64(deployed.RawBytes)/1e6/deployed.WallSeconds)
	}
	large, err := job.archive("large", pathLarge, usual)
	if err != nil {
		return err
	}
	perCore := "MB of raw frames a core-second"
	report(figure{Name: "path/limit", Value: median(limits), Unit: perCore, Note: "gzip of klauspost/compress at level 1, one stream, alone"})
	report(figure{Name: "path/core", Value: median(speeds), Unit: perCore, Note: "Kafka (lz4) to S3, level 1, one worker: the archiving process"})
	report(figure{Name: "path/ratio", Value: median(ratios), Unit: "of the limit", Target: "at least 0.80"})
	report(figure{Name: "path/default/core", Value: median(usuals), Unit: perCore, Note: fmt.Sprintf("the same at the default level %d, a worker a core", baldr.DefaultLevel)})
	report(figure{Name: "path/default/wall", Value: median(walls), Unit: "MB/s", Note: fmt.Sprintf("one range, %d cores, broker and S3 server beside it", runtime.NumCPU())})
	report(figure{Name: "path/memory", Value: float64(large.PeakBytes) / (1 << 20), Unit: "MiB", Target: "at most 160",
		Note: fmt.Sprintf("peak of the process for one range of %.1f GB", float64(large.RawBytes)/1e9)})
	return nil
}

// limitLevel is the level of deflate at which the limit is measured.
const limitLevel = 1

// archive is one range of the topic into one object, in a process of its own.
func (j pathJob) archive(group string, records int64, format baldr.Options) (pathResult, error) {
	j.Group, j.Records, j.Format = group, records, format
	return j.run()
}

// preparePath starts the broker and the S3 server, and fills the topic.
func preparePath(ctx context.Context) (pathJob, func(), error) {
	broker, err := localstack.StartKafka(ctx, localstack.KafkaOptions{})
	if err != nil {
		return pathJob{}, nil, err
	}
	server, err := localstack.StartS3(ctx)
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
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerBatchMaxBytes(900_000), kgo.ProducerLinger(20*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, pathTopic); err != nil {
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
	child := exec.Command(os.Args[0])
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
	result := pathResult{RawBytes: raw, CoreSeconds: (processorTime() - before).Seconds(), WallSeconds: time.Since(begun).Seconds(), PeakBytes: peakResident()}
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
func planPath(ctx context.Context, source *kafka.Client, ledger *bifrosttest.Ledger, records int64) (bifrost.Task, error) {
	_, topics, err := source.Topics(ctx)
	if err != nil {
		return bifrost.Task{}, err
	}
	partition := bifrost.Partition{Name: pathTopic}
	progress := bifrost.Progress{Partition: partition, TopicID: topics[0].ID, Generation: "1", Status: bifrost.StatusFencing, PlannedEpoch: -1}
	if err := ledger.CreateProgress(ctx, progress); err != nil {
		return bifrost.Task{}, err
	}
	if err := ledger.OpenProgress(ctx, progress); err != nil {
		return bifrost.Task{}, err
	}
	row := bifrost.Row{Partition: partition, Range: bifrost.Range{Start: 0, End: records}, TopicID: topics[0].ID, State: bifrost.StatePlanned}
	err = ledger.Plan(ctx, bifrost.PlanWrite{Progress: progress, Rows: []bifrost.Row{row}, PlannedOffset: records, PlannedEpoch: -1})
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
