// What more slots bring to one partition, on real parts.

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/localservices"
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
	S3, Dynamo localservices.Endpoint
	Bucket     string
	Tables     dynamoledger.Tables
	Group      string
	Delay      time.Duration
	Ranges     int   // of the partition
	Length     int64 // of each, in records
	Task       bifrost.Task

	meter *meter // nil when nobody counts
}

// watchedConfig is the configuration of a client that is that far away and counted.
func (p parts) watchedConfig(cfg aws.Config) aws.Config {
	if cfg = farFrom(cfg, p.Delay); p.meter != nil {
		cfg = p.meter.Watch(cfg)
	}
	return cfg
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
	broker, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
	if err != nil {
		return fail(err)
	}
	undo = append(undo, broker.Remove)
	store, err := localservices.StartS3(ctx)
	if err != nil {
		return fail(err)
	}
	undo = append(undo, store.Remove)
	tables, err := localservices.StartDynamoDB(ctx)
	if err != nil {
		return fail(err)
	}
	undo = append(undo, tables.Remove)
	p = parts{Brokers: broker.Addr(), S3: store.Endpoint, Dynamo: tables.Endpoint, Bucket: "bench"}
	bucket := &s3.CreateBucketInput{Bucket: &p.Bucket}
	if _, err = s3.NewFromConfig(p.S3.Config()).CreateBucket(ctx, bucket); err != nil {
		return fail(err)
	}
	return p, stop, nil
}

// withFreshTables is the same parts with tables and a group that nobody has used.
func (p parts) withFreshTables(ctx context.Context, name string) (parts, error) {
	p.Group = name
	p.Tables = dynamoledger.Tables{Progress: "progress-" + name, Objects: "objects-" + name}
	return p, dynamoledger.CreateTables(ctx, p.Dynamo.Config(), p.Tables)
}

// newWorker is the archive function, with one core.
func (p parts) newWorker() (*bifrost.Worker, error) {
	source, err := kafka.New(kafka.Config{
		Brokers: []string{p.Brokers},
		Options: []kgo.Opt{kgo.Dialer(dialer(p.Delay))},
	})
	if err != nil {
		return nil, err
	}
	ledger := dynamoledger.New(p.watchedConfig(p.Dynamo.Config()), p.Tables)
	archiver := &bifrost.Archiver{
		Group: p.Group, Source: source, Store: s3store.New(p.watchedConfig(p.S3.Config()), p.Bucket), Ledger: ledger,
		Format: baldr.Options{Workers: 1}, MaxRawBytes: 1 << 40, Writer: "bench", Now: time.Now,
	}
	return &bifrost.Worker{
		Archiver:  archiver,
		Ledger:    ledger,
		Lease:     time.Hour,
		Now:       time.Now,
		NewID:     rand.Text,
		Processor: processorTime,
	}, nil
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
	p.Ranges, p.Length, p.Delay = backfillRanges, backfillRange, farDelay
	var one, four, ratios, cores, machine []float64
	for round := range backfillRounds {
		alone, err := p.backfill(ctx, fmt.Sprintf("one-%d", round), 1)
		if err != nil {
			return err
		}
		together, err := p.backfill(ctx, fmt.Sprintf("four-%d", round), backfillSlots)
		if err != nil {
			return err
		}
		one, four = append(one, alone.speed()), append(four, together.speed())
		ratios, cores = append(ratios, together.speed()/alone.speed()), append(cores, together.coresUsed())
		machine = append(machine, together.Machine)
	}
	note := fmt.Sprintf("%d ranges of one partition, each worker held to one core, %v added to each round trip",
		backfillRanges, farDelay)
	report(figure{Name: "backfill/1", Value: median(one), Unit: "MB/s", Note: note})
	report(figure{Name: fmt.Sprintf("backfill/%d", backfillSlots), Value: median(four), Unit: "MB/s", Note: note})
	report(figure{Name: "backfill/ratio", Value: median(ratios), Unit: "times", Target: "at least 1.7",
		Note: fmt.Sprintf("what binds is %s: with %d slots the machine's %d cores were busy %.0f %% of the time, "+
			"%.2f of them with the workers, the rest with the broker, S3, DynamoDB and whatever else ran",
			binds(median(machine)), backfillSlots, runtime.NumCPU(), 100*median(machine), median(cores))})
	return nil
}

// binds is what keeps the workers from going faster, by the share of all cores
// that is busy.
func binds(busy float64) string {
	if busy > 0.9 {
		return "the machine's processor"
	}
	return "the wait for answers"
}

// A backfilled is what the archive of the whole partition took.
type backfilled struct {
	Results []bifrost.RangeResult
	Seconds float64
	Machine float64 // share of all cores that was busy meanwhile, with whatever
	Used    usage
	Starts  []float64 // seconds from the start of each worker's process to its first answer from Kafka
}

func (b backfilled) rawSize() (bytes float64) {
	for _, r := range b.Results {
		bytes += float64(r.RawBytes)
	}
	return bytes
}

func (b backfilled) processor() (seconds float64) {
	for _, r := range b.Results {
		seconds += r.CoreSeconds
	}
	return seconds
}

func (b backfilled) billedSeconds() (seconds float64) {
	for _, r := range b.Results {
		seconds += float64(r.BilledMilliseconds) / 1e3
	}
	return seconds
}

func (b backfilled) storedSize() (bytes float64) {
	for _, r := range b.Results {
		bytes += float64(r.StoredBytes)
	}
	return bytes
}

func (b backfilled) speed() float64     { return b.rawSize() / 1e6 / b.Seconds } // MB of raw frames a second
func (b backfilled) coresUsed() float64 { return b.processor() / b.Seconds }     // that the workers used

// backfill archives the partition with so many workers.
func (p parts) backfill(ctx context.Context, name string, slots int) (b backfilled, err error) {
	if p, err = p.withFreshTables(ctx, name); err != nil {
		return b, err
	}
	p.meter = &meter{}
	rows, err := p.planBackfill(ctx, slots)
	if err != nil {
		return b, err
	}
	workers := make([]*slot, slots)
	for i := range workers {
		begin := time.Now()
		p.Task = bifrost.NewTask(rows[i])
		if workers[i], err = p.startSlot(); err != nil {
			return b, err
		}
		b.Starts = append(b.Starts, time.Since(begin).Seconds())
	}
	begin, machine := time.Now(), machineTime()
	for _, w := range workers {
		w.begin()
	}
	for _, w := range workers {
		done, err := w.end()
		if err != nil {
			return b, err
		}
		b.Results, b.Used = append(b.Results, done.Results...), b.Used.Plus(done.Used, 1)
	}
	b.Seconds = time.Since(begin).Seconds()
	b.Machine = (machineTime() - machine) / b.Seconds / float64(runtime.NumCPU())
	b.Used = b.Used.Plus(p.meter.Total(), 1)
	return b, p.checkBackfill(ctx, b.Results)
}

// machineTime is how many seconds the cores of this machine have been busy
// together: the first line of /proc/stat (proc(5)), all but idle and iowait.
func machineTime() float64 {
	stat := must(os.ReadFile("/proc/stat"))
	line, _, _ := strings.Cut(string(stat), "\n")
	const ticksASecond = 100 // USER_HZ
	busy := 0.0
	for i, field := range strings.Fields(line)[1:] {
		if i != 3 && i != 4 && i < 8 { // the last two are counted in the first two already
			busy += must(strconv.ParseFloat(field, 64))
		}
	}
	return busy / ticksASecond
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
	progress := bifrost.Progress{
		Partition:    partition,
		ClusterID:    clusterID,
		TopicID:      topics[0].ID,
		Generation:   "1",
		Status:       bifrost.StatusFencing,
		PlannedEpoch: -1,
	}
	ledger := dynamoledger.New(p.watchedConfig(p.Dynamo.Config()), p.Tables)
	if err := errors.Join(ledger.CreateProgress(ctx, progress), ledger.OpenProgress(ctx, progress)); err != nil {
		return nil, err
	}
	var rows []bifrost.Row
	for n := range int64(p.Ranges) {
		rows = append(rows, bifrost.Row{
			Partition: partition,
			Range:     bifrost.Range{Start: n * p.Length, End: (n + 1) * p.Length},
			TopicID:   topics[0].ID,
			State:     bifrost.StatePlanned,
			PlannedAt: time.Now(),
		})
	}
	seen := bifrost.Observation{LastStable: p.end(), HighWatermark: p.end(), At: time.Now()}
	write := bifrost.PlanWrite{
		Progress:      progress,
		Rows:          rows,
		PlannedOffset: seen.LastStable,
		PlannedEpoch:  -1,
		Observation:   seen,
	}
	if err := ledger.Plan(ctx, write); err != nil {
		return nil, err
	}
	for i := range slots {
		if rows[i], err = ledger.Lease(ctx, rows[i], "", rows[i].Attempts+1, time.Now().Add(time.Hour)); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// end is the first offset behind the ranges.
func (p parts) end() int64 { return int64(p.Ranges) * p.Length }

// checkBackfill makes sure that what was measured was the whole partition.
func (p parts) checkBackfill(ctx context.Context, results []bifrost.RangeResult) error {
	progress, err := dynamoledger.New(p.Dynamo.Config(), p.Tables).Progress(ctx, bifrost.Partition{Name: pathTopic})
	if err != nil {
		return err
	}
	if progress.NextOffset != p.end() || progress.Totals.Records != progress.NextOffset {
		return fmt.Errorf("archived to offset %d with %d records: %+v",
			progress.NextOffset, progress.Totals.Records, results)
	}
	return nil
}

// oneCore is this program again, as a process of its own that is held to one core.
type oneCore struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

// startOneCore starts one with the parts in a variable, which says what it is, and waits
// until it is ready.
func (p parts) startOneCore(variable string) (*oneCore, error) {
	description, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), variable+"="+string(description), "GOMAXPROCS=1")
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err := errors.Join(err, err2, command.Start()); err != nil {
		return nil, err
	}
	c := &oneCore{command, input, bufio.NewReader(output)}
	_, err = c.output.ReadString('\n') // ready
	return c, err
}

// A slot is a worker in a process of its own.
type slot struct{ *oneCore }

// slotProcess is the variable that makes this program a slot.
const slotProcess = "BIFROST_BENCH_SLOT"

func (p parts) startSlot() (*slot, error) {
	process, err := p.startOneCore(slotProcess)
	return &slot{process}, err
}

func (s *slot) begin() { s.input.Close() }

// slotDone is what the process of a slot says in the end.
type slotDone struct {
	Results []bifrost.RangeResult
	Used    usage
}

func (s *slot) end() (done slotDone, err error) {
	err = json.NewDecoder(s.output).Decode(&done)
	return done, errors.Join(err, s.command.Wait())
}

// runSlot is what the process of a slot does.
func runSlot(description string) {
	var p parts
	check(json.Unmarshal([]byte(description), &p))
	p.meter = &meter{}
	worker := must(p.newWorker())
	must(worker.Archiver.Source.ClusterID(context.Background())) // as a warm function is connected already
	fmt.Println("ready")
	must(io.ReadAll(os.Stdin))
	results, err := worker.Work(context.Background(), p.Task, time.Now().Add(time.Hour))
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(slotDone{results, p.meter.Total()}))
}
