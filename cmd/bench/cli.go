// An archive on real parts, which the commands of the other files read.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

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

// cliRounds is how often each command runs, after those that warm up.
const cliRounds = 5

// cliArchive is an archive on real parts, and the binary that reads it.
type cliArchive struct {
	dir    string // of the binary and of files
	env    []string
	store  *s3store.Store
	ledger *dynamoledger.Ledger
	parts  []*localservices.Server
	reads  *exec.Cmd // the server that objects are read from
	raw    int64     // bytes of frames archived
}

// benchBucket is the bucket of the archive.
const benchBucket = "bench"

// objectServerProcess is the variable that makes this program a server of objects, in front
// of the S3 server whose URL it has.
const objectServerProcess = "BIFROST_BENCH_OBJECTS_OF"

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
	tables, bucket := dynamoledger.Tables{Progress: "progress", Objects: "objects"}, benchBucket
	if err := dynamoledger.CreateTables(ctx, db.Config(), tables); err != nil {
		return a, err
	}
	input := &s3.CreateBucketInput{Bucket: &bucket}
	if _, err := s3.NewFromConfig(storage.Config()).CreateBucket(ctx, input); err != nil {
		return a, err
	}
	a.store, a.ledger = s3store.New(storage.Config(), bucket), dynamoledger.New(db.Config(), tables)
	if storage.URL, err = a.startObjectServer(storage.URL); err != nil {
		return a, err
	}
	a.env = append(os.Environ(), storage.Env()...)
	a.env = append(a.env, "AWS_ENDPOINT_URL_DYNAMODB="+db.URL, "BIFROST_GROUP=bench", "BIFROST_BUCKET="+bucket,
		"BIFROST_PROGRESS_TABLE="+tables.Progress, "BIFROST_OBJECTS_TABLE="+tables.Objects)
	return a, nil
}

// objectFiles is the directory of the objects as files, by bucket and key.
func (a *cliArchive) objectFiles() string { return filepath.Join(a.dir, "objects") }

// startObjectServer starts the server that the programs read from and returns its URL.
func (a *cliArchive) startObjectServer(upstream string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(a.objectFiles(), 0o755); err != nil {
		return "", err
	}
	a.reads = exec.Command(self)
	a.reads.Dir, a.reads.Env = a.objectFiles(), append(os.Environ(), objectServerProcess+"="+upstream)
	a.reads.Stderr = os.Stderr
	if _, err := a.reads.StdinPipe(); err != nil { // it ends with this process
		return "", err
	}
	out, err := a.reads.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := a.reads.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("start the server of objects: %w", err)
	}
	return strings.TrimSpace(line), nil
}

func (a *cliArchive) stop() {
	if a.reads != nil && a.reads.Process != nil {
		check(a.reads.Process.Kill())
		_ = a.reads.Wait() // killed
	}
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

// object writes one object to the bucket, and beside it to a file: for zcat, and under its
// key for the server of objects.
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
	if err != nil {
		return bifrost.Facts{}, err
	}
	served := filepath.Join(a.objectFiles(), benchBucket, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(served), 0o755); err != nil {
		return bifrost.Facts{}, err
	}
	if err := os.Link(file.Name(), served); err != nil {
		return bifrost.Facts{}, err
	}
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
	}, nil
}
