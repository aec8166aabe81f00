package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/localstack"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

const (
	backfillRounds = 3
	backfillRanges = 8       // of the partition
	backfillRange  = 120_000 // records of each: about 64 MB
	backfillSlots  = 4
	farDelay       = 30 * time.Millisecond // added to each round trip
)

// parts is where the real parts of a measurement are.
type parts struct {
	Brokers    string
	S3, Dynamo localstack.Endpoint
	Bucket     string
	Tables     dynamoledger.Tables
	Group      string
	Delay      time.Duration
	Task       bifrost.Task
}

// startParts starts Kafka, S3 and DynamoDB, with a bucket.
func startParts(ctx context.Context) (p parts, stop func() error, err error) {
	var undo []func() error
	stop = func() error {
		var errs []error
		for _, u := range undo {
			errs = append(errs, u())
		}
		return errors.Join(errs...)
	}
	fail := func(err error) (parts, func() error, error) { return parts{}, nil, errors.Join(err, stop()) }
	broker, err := localstack.StartKafka(ctx, localstack.KafkaOptions{})
	if err != nil {
		return fail(err)
	}
	undo = append(undo, broker.Remove)
	store, err := localstack.StartS3(ctx)
	if err != nil {
		return fail(err)
	}
	undo = append(undo, store.Remove)
	tables, err := localstack.StartDynamoDB(ctx)
	if err != nil {
		return fail(err)
	}
	undo = append(undo, tables.Remove)
	p = parts{Brokers: broker.Addr(), S3: store.Endpoint, Dynamo: tables.Endpoint, Bucket: "bench"}
	if _, err = s3.NewFromConfig(p.S3.Config()).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &p.Bucket}); err != nil {
		return fail(err)
	}
	return p, stop, nil
}

// fresh is the same parts with tables and a group that nobody has used.
func (p parts) fresh(ctx context.Context, name string) (parts, error) {
	p.Group = name
	p.Tables = dynamoledger.Tables{Progress: "progress-" + name, Objects: "objects-" + name}
	return p, dynamoledger.CreateTables(ctx, p.Dynamo.Config(), p.Tables)
}

// worker is the archive function, with one core.
func (p parts) worker() (*bifrost.Worker, error) {
	source, err := kafka.New(kafka.Config{Brokers: []string{p.Brokers}, Options: []kgo.Opt{kgo.Dialer(dialer(p.Delay))}})
	if err != nil {
		return nil, err
	}
	ledger := dynamoledger.New(farFrom(p.Dynamo.Config(), p.Delay), p.Tables)
	archiver := &bifrost.Archiver{
		Group: p.Group, Source: source, Store: s3store.New(farFrom(p.S3.Config(), p.Delay), p.Bucket), Ledger: ledger,
		Format: baldr.Options{Workers: 1}, MaxRawBytes: 1 << 40, Writer: "bench", Now: time.Now,
	}
	return &bifrost.Worker{Archiver: archiver, Ledger: ledger, Lease: time.Hour, Now: time.Now, Processor: processorTime}, nil
}

// benchBackfill archives one partition with one slot and with four, in turns.
func benchBackfill(report func(figure)) error {
	ctx := context.Background()
	p, stop, err := startParts(ctx)
	if err != nil {
		return err
	}
	defer func() { check(stop()) }()
	if err := fillPathTopic(ctx, p.Brokers, backfillRanges*backfillRange); err != nil {
		return err
	}
	var one, four, ratios []float64
	var cores []float64
	for round := range backfillRounds {
		alone, _, err := p.backfill(ctx, fmt.Sprintf("one-%d", round), 1)
		if err != nil {
			return err
		}
		together, used, err := p.backfill(ctx, fmt.Sprintf("four-%d", round), backfillSlots)
		if err != nil {
			return err
		}
		one, four, ratios, cores = append(one, alone), append(four, together), append(ratios, together/alone), append(cores, used)
	}
	note := fmt.Sprintf("%d ranges of one partition, each worker held to one core, %v added to each round trip", backfillRanges, farDelay)
	report(figure{Name: "backfill/1", Value: median(one), Unit: "MB/s", Note: note})
	report(figure{Name: fmt.Sprintf("backfill/%d", backfillSlots), Value: median(four), Unit: "MB/s", Note: note})
	report(figure{Name: "backfill/ratio", Value: median(ratios), Unit: "times", Target: "at least 1.7",
		Note: fmt.Sprintf("the workers used %.2f cores of the machine's; the broker, S3 and DynamoDB share them", median(cores))})
	return nil
}

// backfill answers MB of raw frames a second, and how many cores the workers used.
func (p parts) backfill(ctx context.Context, name string, slots int) (speed, cores float64, err error) {
	p, err = p.fresh(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	p.Delay = farDelay
	rows, err := p.planBackfill(ctx, slots)
	if err != nil {
		return 0, 0, err
	}
	workers := make([]*slot, slots)
	for i := range workers {
		p.Task = bifrost.NewTask(rows[i])
		if workers[i], err = p.startSlot(); err != nil {
			return 0, 0, err
		}
	}
	begin := time.Now()
	for _, w := range workers {
		w.begin()
	}
	var results []bifrost.RangeResult
	for _, w := range workers {
		some, err := w.end()
		if err != nil {
			return 0, 0, err
		}
		results = append(results, some...)
	}
	took := time.Since(begin).Seconds()
	if err := p.checkBackfill(ctx, results); err != nil {
		return 0, 0, err
	}
	raw, processor := int64(0), 0.0
	for _, r := range results {
		raw += r.RawBytes
		processor += r.CoreSeconds
	}
	return float64(raw) / 1e6 / took, processor / took, nil
}

// planBackfill plans the whole partition and leases every range that a slot
// begins with.
func (p parts) planBackfill(ctx context.Context, slots int) ([]bifrost.Row, error) {
	source, err := kafka.New(kafka.Config{Brokers: []string{p.Brokers}})
	if err != nil {
		return nil, err
	}
	defer source.Close()
	clusterID, topics, err := source.Topics(ctx)
	if err != nil {
		return nil, err
	}
	partition := bifrost.Partition{Name: pathTopic}
	progress := bifrost.Progress{Partition: partition, ClusterID: clusterID, TopicID: topics[0].ID, Generation: "1", Status: bifrost.StatusFencing, PlannedEpoch: -1}
	ledger := dynamoledger.New(p.Dynamo.Config(), p.Tables)
	if err := errors.Join(ledger.CreateProgress(ctx, progress), ledger.OpenProgress(ctx, progress)); err != nil {
		return nil, err
	}
	var rows []bifrost.Row
	for n := range int64(backfillRanges) {
		rows = append(rows, bifrost.Row{
			Partition: partition, Range: bifrost.Range{Start: n * backfillRange, End: (n + 1) * backfillRange}, TopicID: topics[0].ID,
			State: bifrost.StatePlanned, PlannedAt: time.Now(),
		})
	}
	seen := bifrost.Observation{LastStable: backfillRanges * backfillRange, HighWatermark: backfillRanges * backfillRange, At: time.Now()}
	write := bifrost.PlanWrite{Progress: progress, Rows: rows, PlannedOffset: seen.LastStable, PlannedEpoch: -1, Observation: seen}
	if err := ledger.Plan(ctx, write); err != nil {
		return nil, err
	}
	for i := range slots {
		if rows[i], err = ledger.Lease(ctx, rows[i], time.Now().Add(time.Hour)); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// checkBackfill makes sure that what was measured was the whole partition.
func (p parts) checkBackfill(ctx context.Context, results []bifrost.RangeResult) error {
	progress, err := dynamoledger.New(p.Dynamo.Config(), p.Tables).Progress(ctx, bifrost.Partition{Name: pathTopic})
	if err != nil {
		return err
	}
	if progress.NextOffset != backfillRanges*backfillRange || progress.Totals.Records != progress.NextOffset {
		return fmt.Errorf("archived to offset %d with %d records: %+v", progress.NextOffset, progress.Totals.Records, results)
	}
	return nil
}

// A slot is a worker in a process of its own, held to one core.
type slot struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

// slotProcess is the variable that makes this program a slot.
const slotProcess = "BIFROST_BENCH_SLOT"

func (p parts) startSlot() (*slot, error) {
	description, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), slotProcess+"="+string(description), "GOMAXPROCS=1")
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err := errors.Join(err, err2, command.Start()); err != nil {
		return nil, err
	}
	s := &slot{command: command, input: input, output: bufio.NewReader(output)}
	_, err = s.output.ReadString('\n') // ready
	return s, err
}

func (s *slot) begin() { s.input.Close() }

func (s *slot) end() (results []bifrost.RangeResult, err error) {
	err = json.NewDecoder(s.output).Decode(&results)
	return results, errors.Join(err, s.command.Wait())
}

// runSlot is what the process of a slot does.
func runSlot(description string) {
	var p parts
	check(json.Unmarshal([]byte(description), &p))
	worker := must(p.worker())
	must(worker.Archiver.Source.ClusterID(context.Background())) // as a warm function is connected already
	fmt.Println("ready")
	must(io.ReadAll(os.Stdin))
	results, err := worker.Work(context.Background(), p.Task, time.Now().Add(time.Hour))
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(results))
}

// latencyRounds is how many records are timed.
const latencyRounds = 20

// benchLatency times a record from its commit to its object, with the maximum
// age 0 and a tick at once: what is left of the way is the wait for the schedule.
func benchLatency(report func(figure)) error {
	ctx := context.Background()
	p, stop, err := startParts(ctx)
	if err != nil {
		return err
	}
	defer func() { check(stop()) }()
	if p, err = p.fresh(ctx, "latency"); err != nil {
		return err
	}
	if err := fillPathTopic(ctx, p.Brokers, 0); err != nil {
		return err
	}
	tick, err := p.ticker()
	if err != nil {
		return err
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(p.Brokers), kgo.DefaultProduceTopic(pathTopic), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer producer.Close()
	var took []float64
	for n := range latencyRounds + 2 {
		if err := producer.ProduceSync(ctx, kgo.StringRecord("one more")).FirstErr(); err != nil {
			return err
		}
		begin := time.Now()
		if err := tick(ctx, int64(n)+1); err != nil {
			return err
		}
		if n >= 2 { // the first make the rows and the connections
			took = append(took, time.Since(begin).Seconds())
		}
	}
	report(figure{Name: "latency/commit_to_object", Value: median(took), Unit: "s",
		Note: "age bound 0, warm functions, beside the wait for the next tick: from 0 to 60 s with rate(1 minute), 30 on average"})
	return nil
}

// ticker gives a function that runs a tick and its workers until everything below
// the offset is archived.
func (p parts) ticker() (func(ctx context.Context, until int64) error, error) {
	worker, err := p.worker()
	if err != nil {
		return nil, err
	}
	source := worker.Archiver.Source.(*kafka.Client)
	store := s3store.New(p.S3.Config(), p.Bucket)
	ledger := dynamoledger.New(p.Dynamo.Config(), p.Tables)
	lambda := &tasks{}
	discoverer := &bifrost.Discoverer{
		Cluster: source, History: source, Retention: source, Ledger: ledger, Store: store, Shelf: store, Dispatcher: lambda,
		Settings: bifrost.Settings{Group: p.Group, Sizing: bifrost.Sizing{TargetBytes: 128 << 20}, MaxInFlight: 8, Lease: time.Minute},
		Now:      time.Now, NewGeneration: func() string { return fmt.Sprint(time.Now().UnixNano()) }, Parallel: 8, Log: slog.New(slog.DiscardHandler),
	}
	return func(ctx context.Context, until int64) error {
		summary, err := discoverer.Tick(ctx, time.Time{})
		if err != nil {
			return err
		}
		for _, task := range lambda.take() {
			if _, err := worker.Work(ctx, task, time.Time{}); err != nil {
				return err
			}
		}
		progress, err := ledger.Progress(ctx, bifrost.Partition{Name: pathTopic})
		if err == nil && progress.NextOffset < until {
			err = fmt.Errorf("archived to offset %d of %d: %+v", progress.NextOffset, until, summary)
		}
		return err
	}, nil
}

// tasks keeps what it is asked to start.
type tasks struct {
	mutex   sync.Mutex
	waiting []bifrost.Task
}

// Dispatch implements bifrost.Dispatcher.
func (t *tasks) Dispatch(_ context.Context, task bifrost.Task) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.waiting = append(t.waiting, task)
	return nil
}

func (t *tasks) take() []bifrost.Task {
	some := t.waiting
	t.waiting = nil
	return some
}
