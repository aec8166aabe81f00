// The speed of cat beside zcat, of replay beside a bare producer.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

var cliBenchmarks = []benchmark{
	{"cli/cat", benchCat},
	{"cli/replay", benchReplay},
	{"cli/restore", benchRestore},
	{"cli/export", benchExport},
}

const (
	cliRounds     = 5
	catObjects    = 16
	catRecords    = 265_000 // of an object: 128 MiB of frames
	replayRecords = 400_000 // of a partition
	replayParts   = 4
	replayWarm    = 2 // rounds before those that count
)

// cliArchive is an archive on real parts, and the binary that reads it.
type cliArchive struct {
	dir    string // of the binary and of files
	env    []string
	store  *s3store.Store
	ledger *dynamoledger.Ledger
	parts  []*localservices.Server
	raw    int64 // bytes of frames archived
}

// newCLIArchive builds the command line and starts DynamoDB Local and versitygw.
func newCLIArchive(ctx context.Context) (a *cliArchive, err error) {
	a = &cliArchive{}
	defer func() {
		if err != nil {
			a.stop()
		}
	}()
	if a.dir, err = os.MkdirTemp("", "bifrost-bench-"); err != nil {
		return a, err
	}
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(a.dir, "bifrost"), "./cmd/bifrost")
	if out, err := build.CombinedOutput(); err != nil {
		return a, fmt.Errorf("build bifrost: %w\n%s", err, out)
	}
	type starter = func(context.Context) (*localservices.Server, error)
	for _, start := range []starter{localservices.StartDynamoDB, localservices.StartS3} {
		server, err := start(ctx)
		if err != nil {
			return a, err
		}
		a.parts = append(a.parts, server)
	}
	db, storage := a.parts[0].Endpoint, a.parts[1].Endpoint
	tables, bucket := dynamoledger.Tables{Progress: "progress", Objects: "objects"}, "bench"
	if err := dynamoledger.CreateTables(ctx, db.Config(), tables); err != nil {
		return a, err
	}
	input := &s3.CreateBucketInput{Bucket: &bucket}
	if _, err := s3.NewFromConfig(storage.Config()).CreateBucket(ctx, input); err != nil {
		return a, err
	}
	a.store, a.ledger = s3store.New(storage.Config(), bucket), dynamoledger.New(db.Config(), tables)
	a.env = append(os.Environ(), storage.Env()...)
	a.env = append(a.env, "AWS_ENDPOINT_URL_DYNAMODB="+db.URL, "BIFROST_GROUP=bench", "BIFROST_BUCKET="+bucket,
		"BIFROST_PROGRESS_TABLE="+tables.Progress, "BIFROST_OBJECTS_TABLE="+tables.Objects)
	return a, nil
}

func (a *cliArchive) stop() {
	for _, part := range a.parts {
		check(part.Remove())
	}
	check(os.RemoveAll(a.dir))
}

// archive adds a partition of so many objects, each with the records at later
// offsets, by the steps that a worker takes.
func (a *cliArchive) archive(ctx context.Context, p bifrost.Partition, records []baldr.Record, objects int) error {
	progress := bifrost.Progress{
		Partition:    p,
		ClusterID:    "bench",
		Generation:   "1",
		Status:       bifrost.StatusFencing,
		PlannedEpoch: -1,
	}
	if err := a.ledger.CreateProgress(ctx, progress); err != nil {
		return err
	}
	if err := a.ledger.OpenProgress(ctx, progress); err != nil {
		return err
	}
	n := int64(len(records))
	for i := range int64(objects) {
		progress.PlannedOffset, progress.Status = i*n, bifrost.StatusOpen
		row := bifrost.Row{
			Partition: p,
			Range:     bifrost.Range{Start: i * n, End: (i + 1) * n},
			State:     bifrost.StatePlanned,
		}
		plan := bifrost.PlanWrite{
			Progress:      progress,
			Rows:          []bifrost.Row{row},
			PlannedOffset: row.End,
			PlannedEpoch:  -1,
			Observation:   bifrost.Observation{LastStable: row.End, At: time.Now()},
		}
		if err := a.ledger.Plan(ctx, plan); err != nil {
			return err
		}
		facts, err := a.object(ctx, row, records)
		if err != nil {
			return err
		}
		if err := a.ledger.Commit(ctx, bifrost.CommitWrite{
			Row:        row,
			Facts:      facts,
			ArchivedAt: time.Now(),
		}); err != nil {
			return err
		}
		row.State, row.Facts = bifrost.StateArchived, facts
		if err := a.ledger.Advance(ctx, bifrost.AdvanceWrite{
			Partition:  p,
			Generation: "1",
			From:       row.Start,
			To:         row.End,
			Row:        row,
		}); err != nil {
			return err
		}
		for j := range records {
			records[j].Offset += n
		}
	}
	return nil
}

// object writes one object to the bucket, and beside it to a file for zcat.
func (a *cliArchive) object(ctx context.Context, row bifrost.Row, records []baldr.Record) (bifrost.Facts, error) {
	key := bifrost.ObjectKey("bench", row.Partition, row.Start, 0)
	upload, err := a.store.Create(ctx, key)
	if err != nil {
		return bifrost.Facts{}, err
	}
	file, err := os.Create(filepath.Join(a.dir, fmt.Sprintf("%d-%020d.gz", row.Number, row.Start)))
	if err != nil {
		return bifrost.Facts{}, err
	}
	defer file.Close()
	w := baldr.NewWriter(io.MultiWriter(upload, file), baldr.Options{Workers: 2})
	for i := range records {
		if err := w.WriteRecord(&records[i]); err != nil {
			return bifrost.Facts{}, err
		}
	}
	s, err := w.Close(baldr.Summary{
		ClusterID:       "bench",
		Topic:           row.Topic(),
		Partition:       row.Number,
		Start:           row.Start,
		End:             row.End,
		LastLeaderEpoch: -1,
	})
	if err != nil {
		return bifrost.Facts{}, err
	}
	stored, err := upload.Complete(ctx)
	a.raw += s.RawBytes
	return bifrost.Facts{
		Key:            key,
		Range:          row.Range,
		Records:        s.Records,
		RawBytes:       s.RawBytes,
		StoredBytes:    stored.Size,
		Checksum:       stored.Checksum,
		FirstTimestamp: s.FirstTimestamp,
		LastTimestamp:  s.LastTimestamp,
		LeaderEpoch:    -1,
	}, err
}

// runProgram runs a command that writes much and says what it cost. Its output goes
// through a pipe to a reader that throws it away: what /dev/null would hide.
func (a *cliArchive) runProgram(args ...string) (cost, int64, error) {
	command := exec.Command(args[0], args[1:]...)
	command.Env, command.Dir = a.env, a.dir
	var talk bytes.Buffer
	command.Stderr = &talk
	out, err := command.StdoutPipe()
	if err != nil {
		return cost{}, 0, err
	}
	begin := time.Now()
	if err := command.Start(); err != nil {
		return cost{}, 0, err
	}
	peak := make(chan int64, 1)
	go func() { peak <- watchPeak(command.Process.Pid) }()
	if _, err := io.Copy(io.Discard, out); err != nil {
		return cost{}, 0, err
	}
	if err := command.Wait(); err != nil {
		return cost{}, 0, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, talk.String())
	}
	return cost{time.Since(begin).Seconds(), childSeconds(command)}, <-peak, nil
}

// watchPeak returns the peak of resident memory, in bytes, that a process had
// when last seen. What the system tells of a process that has ended counts the
// memory of this one, from which it was forked.
func watchPeak(pid int) (peak int64) {
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, found := strings.Cut(string(status), "VmHWM:")
		if err != nil || !found {
			return peak
		}
		var kilobytes int64
		if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
			peak = kilobytes << 10
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// benchCat compares cat with zcat on the same objects: cat from S3, zcat from files.
func benchCat(report func(figure)) error {
	ctx := context.Background()
	a, err := newCLIArchive(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	if err := a.archive(ctx, bifrost.Partition{Name: "views"}, pageViews(catRecords, 1), catObjects); err != nil {
		return err
	}
	subjects := map[string][]string{
		"zcat": {"taskset", "-c", "0", "sh", "-c", "zcat *.gz"},
		"one":  {"taskset", "-c", "0", "./bifrost", "cat", "views", "--format", "value"},
		"two":  {"taskset", "-c", "0,1", "./bifrost", "cat", "views", "--format", "value"},
	}
	costs, memory := map[string][]cost{}, int64(0)
	for range cliRounds {
		for _, name := range []string{"zcat", "one", "two"} {
			c, peak, err := a.runProgram(subjects[name]...)
			if err != nil {
				return err
			}
			costs[name] = append(costs[name], c)
			if name != "zcat" {
				memory = max(memory, peak)
			}
		}
	}
	note := fmt.Sprintf("%.1f GB raw in %d objects on a local S3", float64(a.raw)/1e9, catObjects)
	report(figure{Name: "cli/cat/zcat", Value: megabytes(a.raw, costs["zcat"], wall), Unit: "MB/s", Note: note})
	report(figure{Name: "cli/cat/one-core", Value: megabytes(a.raw, costs["one"], wall), Unit: "MB/s"})
	report(figure{Name: "cli/cat/two-cores", Value: megabytes(a.raw, costs["two"], wall), Unit: "MB/s"})
	report(figure{
		Name:   "cli/cat/ratio",
		Value:  ratio(costs["one"], costs["zcat"], wall),
		Unit:   "of zcat, one core",
		Target: "at least 0.8",
	})
	report(figure{
		Name:  "cli/cat/ratio-processor",
		Value: ratio(costs["one"], costs["zcat"], processor),
		Unit:  "of zcat, by processor time",
	})
	report(figure{
		Name:   "cli/cat/scaling",
		Value:  ratio(costs["two"], costs["one"], wall),
		Unit:   "of one core",
		Target: "above 1",
		Note:   fmt.Sprintf("%d cores, the S3 server on them too", runtime.NumCPU()),
	})
	report(figure{Name: "cli/cat/memory", Value: float64(memory) / (1 << 20), Unit: "MiB", Target: "under 200"})
	return nil
}

// benchReplay compares replay with a bare producer of the same records.
func benchReplay(report func(figure)) error {
	ctx := context.Background()
	a, err := newCLIArchive(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	broker, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
	if err != nil {
		return err
	}
	defer func() { check(broker.Remove()) }()
	records := pageViews(replayRecords, 1)
	for p := range int32(replayParts) {
		if err := a.archive(ctx, bifrost.Partition{Name: "views", Number: p}, records, 1); err != nil {
			return err
		}
		for i := range records {
			records[i].Offset -= replayRecords
		}
	}
	var bare, replayed []cost
	for n := range replayWarm + cliRounds {
		syscall.Sync() // or a run waits for the disk that an earlier one fills
		topic := fmt.Sprintf("bare-%d", n)
		producer, err := measure(func() error { return produceBare(ctx, broker.Addr(), topic, records) })
		if err != nil {
			return err
		}
		syscall.Sync()
		replay, err := a.replay(ctx, broker.Addr(), fmt.Sprintf("replayed-%d", n))
		if err != nil {
			return err
		}
		if n >= replayWarm { // in the first rounds the broker compiles what it runs, more of it for transactions
			bare, replayed = append(bare, producer), append(replayed, replay)
		}
	}
	note := fmt.Sprintf("%d records of 500 bytes in %d partitions", replayRecords*replayParts, replayParts)
	report(figure{
		Name:  "cli/replay/producer",
		Value: replayRate(bare, wall),
		Unit:  "records/s",
		Note:  "a bare franz-go producer, records in memory; " + note,
	})
	report(figure{
		Name:  "cli/replay/replay",
		Value: replayRate(replayed, wall),
		Unit:  "records/s",
		Note:  "the whole command: from S3, in transactions that carry the position",
	})
	report(figure{
		Name:   "cli/replay/ratio",
		Value:  ratio(replayed, bare, wall),
		Unit:   "of the producer",
		Target: "at least 0.7",
		Note:   fmt.Sprintf("%d cores, the broker and the S3 server on them too", runtime.NumCPU()),
	})
	report(figure{
		Name:  "cli/replay/producer-processor",
		Value: replayRate(bare, processor),
		Unit:  "records a core-second",
	})
	report(figure{
		Name:  "cli/replay/replay-processor",
		Value: replayRate(replayed, processor),
		Unit:  "records a core-second",
		Note:  "inflating and decoding included",
	})
	return nil
}

// replayRate is the median of records a second.
func replayRate(costs []cost, clock func(cost) float64) float64 {
	return megabytes(replayRecords*replayParts*1e6, costs, clock)
}

// replay runs one replay and says what the whole process cost.
func (a *cliArchive) replay(ctx context.Context, brokers, topic string) (cost, error) {
	if err := makeTopic(ctx, brokers, topic); err != nil {
		return cost{}, err
	}
	return a.runWriter("replay", "views:"+topic, "--to-brokers", brokers, "--json")
}

// runWriter runs a command that writes all records into a cluster.
func (a *cliArchive) runWriter(args ...string) (cost, error) {
	command := exec.Command(filepath.Join(a.dir, "bifrost"), args...)
	command.Env = a.env
	var talk bytes.Buffer
	command.Stderr = &talk
	begin := time.Now()
	out, err := command.Output()
	took := time.Since(begin).Seconds()
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", args[0], err, talk.String())
	}
	var answer struct{ Records int64 }
	if err := json.Unmarshal(out, &answer); err != nil {
		return cost{}, err
	}
	if answer.Records != replayRecords*replayParts {
		return cost{}, fmt.Errorf("%s wrote %d records, want %d", args[0], answer.Records, replayRecords*replayParts)
	}
	return cost{took, childSeconds(command)}, nil
}

// childSeconds is what a process that has ended used of all cores.
func childSeconds(command *exec.Cmd) float64 {
	return (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds()
}

// produceBare sends the records to every partition as fast as franz-go does by
// itself: idempotent, its own defaults, no transactions.
func produceBare(ctx context.Context, brokers, topic string, records []baldr.Record) error {
	if err := makeTopic(ctx, brokers, topic); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(200_000))
	if err != nil {
		return err
	}
	defer client.Close()
	promise := kgo.AbortingFirstErrPromise(client)
	for i := range records {
		for p := range int32(replayParts) {
			r := &records[i]
			client.Produce(ctx, &kgo.Record{
				Topic:     topic,
				Partition: p,
				Timestamp: time.UnixMilli(r.Timestamp),
				Key:       r.Key,
				Value:     r.Value,
			}, promise.Promise())
		}
	}
	return promise.Err()
}

func makeTopic(ctx context.Context, brokers, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		return err
	}
	defer client.Close()
	response, err := kadm.NewClient(client).CreateTopic(ctx, replayParts, 1, map[string]*string{
		"retention.ms": kadm.StringPtr("-1"),
	}, topic)
	if err == nil {
		err = response.Err
	}
	return err
}
