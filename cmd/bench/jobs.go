// How fast jobs replay with workers in processes of their own, on one core each.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

var jobBenchmarks = []benchmark{
	{"jobs/replay", benchJobReplay},
	{"jobs/far", benchJobFar},
	{"jobs/state", benchJobState},
	{"jobs/play", benchJobPlay},
}

const (
	jobRecords    = 160_000    // of an object: about 80 MB of keys and values
	jobWorkers    = 8          // at most
	jobHeld       = 10_000_000 // bytes a second that each is held to
	jobFarDelay   = 50 * time.Millisecond
	jobFarObjects = 40 // of the one partition that is far away
	jobTopic      = "views"
)

// jobProcess is the variable that makes this program a worker of jobs.
const jobProcess = "BIFROST_BENCH_JOB"

// jobRunner does the steps of jobs as the job function does.
func (p parts) jobRunner(fetched *atomic.Int64) *job.Runner {
	options := []kgo.Opt{kgo.SeedBrokers(p.Brokers), kgo.Dialer(dialer(p.Delay)), kgo.WithHooks(fetchedBytes{fetched})}
	return &job.Runner{
		Files:      job.Files{Group: p.Group, Bucket: s3store.New(p.watchedConfig(p.S3.Config()), p.Bucket)},
		BucketName: p.Bucket, Tables: dynamoledger.New(p.watchedConfig(p.Dynamo.Config()), p.Tables),
		Connect:    func(context.Context, *job.Target) ([]kgo.Opt, error) { return options, nil },
		Executions: func(context.Context) (int, error) { return 1000, nil },
		Requests: func() (r job.Requests) {
			if p.meter != nil {
				used := p.meter.Total()
				r = job.Requests{Puts: used.Puts, Gets: used.Gets, ReadUnits: used.ReadUnits}
			}
			return r
		},
		Cores: 1, Memory: 1769 << 20, Now: time.Now, NewID: func() string { return fmt.Sprint(time.Now().UnixNano()) },
	}
}

// fetchedBytes counts what brokers answer to fetches.
type fetchedBytes struct{ sum *atomic.Int64 }

// OnBrokerRead implements kgo.HookBrokerRead.
func (f fetchedBytes) OnBrokerRead(_ kgo.BrokerMetadata, key int16, bytes int, _, _ time.Duration, _ error) {
	const fetch = 1 // key of the request (Kafka protocol guide)
	if key == fetch {
		f.sum.Add(int64(bytes))
	}
}

// jobArchive starts the real parts, and archives the topic: one partition of several
// objects, and as many of one object as there are workers.
func jobArchive(ctx context.Context, large int) (p parts, stop func() error, err error) {
	if p, stop, err = startParts(ctx); err != nil {
		return p, stop, err
	}
	started := stop
	if p, err = p.withFreshTables(ctx, "bench"); err != nil {
		return p, stop, errors.Join(err, started())
	}
	dir, err := os.MkdirTemp("", "bifrost-bench-")
	if err != nil {
		return p, stop, errors.Join(err, started())
	}
	stop = func() error { return errors.Join(started(), os.RemoveAll(dir)) }
	a := &cliArchive{
		dir: dir, store: s3store.New(p.S3.Config(), p.Bucket), ledger: dynamoledger.New(p.Dynamo.Config(), p.Tables),
	}
	records := pageViews(jobRecords, 1)
	for n := range int32(jobWorkers + 1) {
		objects := 1
		if n == 0 {
			objects = large
		}
		if err := a.archive(ctx, bifrost.Partition{Name: jobTopic, Number: n}, records, objects); err != nil {
			return p, stop, errors.Join(err, stop())
		}
		for i := range records {
			records[i].Offset -= int64(objects) * jobRecords
		}
	}
	return p, stop, nil
}

// jobRun is what workers did together.
type jobRun struct {
	Records, Bytes int64 // of keys and values
	Seconds        float64
	Cores          float64 // that the workers used
	Machine        float64 // share of all cores that was busy
	Used           usage
	Stored         float64 // bytes of the target's partitions
}

func (r jobRun) speed() float64 { return float64(r.Bytes) / 1e6 / r.Seconds }

// cores says who used the processor.
func (r jobRun) cores() string {
	others := r.Machine*float64(runtime.NumCPU()) - r.Cores
	return fmt.Sprintf("%.2f cores with the worker, %.2f with the broker, S3 and whatever else ran", r.Cores, others)
}

// jobReply is what a worker says of an item.
type jobReply struct {
	Answer    job.Answer
	Processor float64 // seconds
}

// replayJob replays these partitions into a topic of this name, each by a worker of its own.
func (p parts) replayJob(ctx context.Context, name string, partitions []int32, rate int64) (run jobRun, err error) {
	return p.replayJobInto(ctx, name, name, partitions, rate)
}

func (p parts) replayJobInto(
	ctx context.Context, topic, name string, partitions []int32, rate int64,
) (run jobRun, err error) {
	var fetched atomic.Int64
	runner := p.jobRunner(&fetched)
	spec := job.Spec{ID: name, Kind: job.KindReplay, Topics: []string{jobTopic + ":" + topic},
		To: &job.Target{Brokers: p.Brokers}, Replay: &job.Replay{Create: true, Partitions: partitions}}
	input, err := json.Marshal(spec)
	if err != nil {
		return run, err
	}
	execution := "bench:" + name
	plan := job.Event{Step: "plan", Job: input, Execution: execution, Workers: len(partitions)}
	if _, err := runner.Plan(ctx, plan); err != nil {
		return run, err
	}
	items, err := runner.Items(ctx, name)
	if err != nil {
		return run, err
	}
	workers := make([]*jobWorker, len(items))
	for i := range workers {
		if workers[i], err = p.startJobWorker(); err != nil {
			return run, err
		}
	}
	begin, machine := time.Now(), machineTime()
	replies, failures := make([]jobReply, len(items)), make([]error, len(items))
	var all sync.WaitGroup
	for i, w := range workers {
		all.Go(func() {
			replies[i], failures[i] = w.work(job.Event{Step: "work", ID: name, Item: &items[i], BytesPerSecond: rate})
		})
	}
	all.Wait()
	run.Seconds = time.Since(begin).Seconds()
	run.Machine = (machineTime() - machine) / run.Seconds / float64(runtime.NumCPU())
	if err := errors.Join(failures...); err != nil {
		return run, err
	}
	for _, r := range replies {
		run.Cores += r.Processor / run.Seconds
		spent := r.Answer.Spent
		run.Used = run.Used.Plus(usage{Puts: spent.Puts, Gets: spent.Gets, ReadUnits: spent.ReadUnits}, 1)
	}
	finish := job.Event{Step: "finish", Job: fmt.Appendf(nil, `{"id":%q}`, name), Execution: execution}
	report, err := runner.Finish(ctx, finish)
	if err != nil {
		return run, err
	}
	expected := int64(0)
	for _, item := range items {
		expected += item.Records
	}
	if run.Records, run.Bytes = report.Records, report.Bytes; run.Records != expected {
		return run, fmt.Errorf("job %s wrote %d records, want %d", name, run.Records, expected)
	}
	run.Stored, err = p.sizeOf(ctx, topic)
	return run, err
}

// jobWorker is a job function in a process of its own.
type jobWorker struct{ *oneCore }

func (p parts) startJobWorker() (*jobWorker, error) {
	process, err := p.startOneCore(jobProcess)
	return &jobWorker{process}, err
}

// work does an item, and ends the process.
func (w *jobWorker) work(e job.Event) (reply jobReply, err error) {
	err = json.NewEncoder(w.input).Encode(e)
	if err == nil {
		err = json.NewDecoder(w.output).Decode(&reply)
	}
	err = errors.Join(err, w.input.Close(), w.command.Wait())
	if err == nil && !reply.Answer.Done {
		err = fmt.Errorf("item %d is not done", e.Item.Number)
	}
	return reply, err
}

// runJobWorker is what the process does.
func runJobWorker(description string) {
	var p parts
	check(json.Unmarshal([]byte(description), &p))
	p.meter = &meter{}
	var fetched atomic.Int64
	runner := p.jobRunner(&fetched)
	fmt.Println("ready")
	var e job.Event
	check(json.NewDecoder(os.Stdin).Decode(&e))
	processor := processorSeconds()
	answer, err := runner.Work(context.Background(), e, time.Time{})
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(jobReply{answer, processorSeconds() - processor}))
}

func partitionsFrom(first, count int32) (numbers []int32) {
	for n := range count {
		numbers = append(numbers, first+n)
	}
	return numbers
}

// benchJobReplay measures from one worker to eight: held, so that neither cores nor the
// broker bind, and not held.
func benchJobReplay(report func(figure)) error {
	ctx := context.Background()
	p, stop, err := jobArchive(ctx, 1)
	if err != nil {
		return err
	}
	defer func() { check(stop()) }()
	if _, err := p.replayJob(ctx, "warm", partitionsFrom(0, 1), 0); err != nil { // the broker compiles what it runs
		return err
	}
	held, free := map[int32]jobRun{}, map[int32]jobRun{}
	for _, n := range []int32{1, 2, 4, jobWorkers} {
		if held[n], err = p.replayJob(ctx, fmt.Sprintf("held-%d", n), partitionsFrom(1, n), jobHeld); err != nil {
			return err
		}
		r := held[n]
		report(figure{Name: fmt.Sprintf("jobs/replay/held/%d", n), Value: r.speed(), Unit: "MB/s",
			Note: fmt.Sprintf("workers held to %d MB/s each; %.2f cores with them, "+
				"the machine's %d cores busy %.0f %% of the time",
				jobHeld/1_000_000, r.Cores, runtime.NumCPU(), 100*r.Machine)})
	}
	report(figure{Name: "jobs/replay/held/ratio", Value: held[jobWorkers].speed() / held[1].speed(), Unit: "times",
		Target: "at least 6", Note: fmt.Sprintf("%d workers to one", jobWorkers)})
	for _, n := range []int32{1, 2, 4, jobWorkers} {
		if free[n], err = p.replayJob(ctx, fmt.Sprintf("free-%d", n), partitionsFrom(1, n), 0); err != nil {
			return err
		}
		r := free[n]
		report(figure{Name: fmt.Sprintf("jobs/replay/free/%d", n), Value: r.speed(), Unit: "MB/s",
			Note: fmt.Sprintf("what binds is %s: its %d cores were busy %.0f %% of the time, "+
				"%.2f of them with the workers, the rest with the broker, S3 and whatever else ran; %.1f GET for each 100 MB",
				binds(r.Machine), runtime.NumCPU(), 100*r.Machine, r.Cores, r.Used.Gets/(float64(r.Bytes)/1e8))})
	}
	one := free[1]
	reportCore(report, one)
	return nil
}

// reportCore tells what a worker does for each second of a processor.
func reportCore(report func(figure), one jobRun) {
	report(figure{Name: "jobs/replay/core", Value: float64(one.Bytes) / 1e6 / (one.Cores * one.Seconds),
		Unit: "MB a core-second", Note: "of a worker's processor, from S3 to the broker"})
	report(figure{Name: "jobs/replay/stored", Value: one.Stored / float64(one.Bytes), Unit: "of the bytes",
		Note: "that a broker keeps of keys and values, compressed as its topic says"})
}

// benchJobFar replays one partition into a broker that is far away, from an S3 that is as
// far.
func benchJobFar(report func(figure)) error {
	ctx := context.Background()
	p, stop, err := jobArchive(ctx, jobFarObjects)
	if err != nil {
		return err
	}
	defer func() { check(stop()) }()
	if _, err := p.replayJob(ctx, "warm", partitionsFrom(1, 1), 0); err != nil {
		return err
	}
	var near, short, far jobRun
	if near, err = p.replayJob(ctx, "near", partitionsFrom(0, 1), 0); err != nil {
		return err
	}
	p.Delay = jobFarDelay
	if short, err = p.replayJob(ctx, "short", partitionsFrom(1, 1), 0); err != nil {
		return err
	}
	if far, err = p.replayJob(ctx, "far", partitionsFrom(0, 1), 0); err != nil {
		return err
	}
	compressed := func(r jobRun) float64 { return r.Stored / 1e6 / r.Seconds }
	report(figure{Name: "jobs/far/near", Value: compressed(near), Unit: "MB/s compressed",
		Note: fmt.Sprintf("%.0f MB/s of keys and values, no delay added; %s", near.speed(), near.cores())})
	report(figure{Name: "jobs/far/50ms", Value: compressed(far), Unit: "MB/s compressed", Target: "at least 100",
		Note: fmt.Sprintf("%.0f MB/s of keys and values in %.1f s, with its beginning and its end; %s",
			far.speed(), far.Seconds, far.cores())})
	report(figure{Name: "jobs/far/begun", Value: (far.Stored - short.Stored) / 1e6 / (far.Seconds - short.Seconds),
		Unit: "MB/s compressed", Target: "at least 100",
		Note: fmt.Sprintf("the same without the %.1f s that %.0f MB take, nearly all of which are round trips of its "+
			"begin", short.Seconds, short.Stored/1e6)})
	report(figure{Name: "jobs/far/core", Value: compressed(far) / far.Cores, Unit: "MB compressed a core-second",
		Note: "of the worker's processor: what one partition gets at most"})
	return nil
}
