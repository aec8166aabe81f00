//go:build real || soak

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/parquet-go/parquet-go"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/s3store"
	"github.com/bifrost-archive/bifrost/internal/stepfunctions"
)

// jobControl controls the jobs of the stack that is deployed.
func (e *endToEnd) jobControl() *job.Control {
	account := e.stack.AWS.Config()
	return &job.Control{
		Files:   job.Files{Group: e.stack.Group, Bucket: s3store.New(account, e.stack.Outputs["Bucket"])},
		Machine: deployedMachine{stepfunctions.New(account), e.stack.Outputs["JobMachine"]}, Now: time.Now,
	}
}

// deployedMachine is the state machine of the stack.
type deployedMachine struct {
	stepfunctions.Client
	arn string
}

func (m deployedMachine) Start(ctx context.Context, name, input string) (string, error) {
	return m.Client.Start(ctx, m.arn, name, input)
}

func (m deployedMachine) Describe(ctx context.Context, arn string) (job.Execution, error) {
	e, err := m.Client.Describe(ctx, arn)
	return job.Execution{State: e.Status, Ended: e.Ended, Error: e.Error}, err
}

// exportBucket is where jobs of the test may export to, below lake/.
const exportBucket = "bifrost-lake"

// exportParameters let jobs export, and leave archiving its executions in a small account.
func exportParameters() map[string]string {
	return map[string]string{"JobExportBucket": exportBucket, "JobWorkers": "4"}
}

func (e *endToEnd) makeExportBucket() {
	e.Helper()
	account := e.stack.AWS.Config()
	_, err := s3.NewFromConfig(account).CreateBucket(e.Context(), &s3.CreateBucketInput{
		Bucket:                    aws.String(exportBucket),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(account.Region)},
	})
	e.check(err)
}

// checkExport exports a topic by a job, under its role, while some call its function beside
// the workflow: each record is in one file, and it is what a consumer sees. It is asked for
// once more, and a place that is not the stack's is refused.
func (e *endToEnd) checkExport(topic string) {
	e.Helper()
	e.makeExportBucket()
	spec := job.Spec{ID: "export", Kind: job.KindExport, Topics: []string{topic}, Export: &job.Export{To: "s3://" + exportBucket + "/lake"}}
	control := e.jobControl()
	first := e.exportTwice(control, spec)
	records := 0
	want := e.fromKafka()
	got := e.exported("lake/", topic)
	for p := range int32(partitionsEach) {
		partition := fmt.Sprintf("%s/%d", topic, p)
		records += want[partition].Records
		if got[partition] != want[partition] {
			e.Errorf("%s: files have %+v, Kafka has %+v", partition, got[partition], want[partition])
		}
	}
	r := first.Report
	if !first.Complete || r.Records != int64(records) || r.Bytes == 0 || r.Export == nil || r.Export.Files < partitionsEach || r.Cost.Puts == 0 {
		e.Errorf("status %+v, report %+v", first, r)
	}
	e.Logf("exported by %d items, report %+v of %+v", first.Items, *r, *r.Export)
	spec.ID = "export-again"
	if again := e.exportTwice(control, spec); !again.Complete || *again.Report.Export != *r.Export || again.Report.Records != r.Records {
		e.Errorf("once more: %+v, %+v", again, again.Report)
	}
	elsewhere := spec
	elsewhere.ID, elsewhere.Export = "elsewhere", &job.Export{To: "s3://" + exportBucket + "/attic"}
	execution, err := control.Start(e.Context(), elsewhere)
	e.check(err)
	if status := e.followJob(control, elsewhere.ID, execution); status.State != "FAILED" || !strings.Contains(status.Error, "JobExportPrefix") {
		e.Errorf("elsewhere: %+v", status)
	}
}

// exportTwice runs a job, and calls the function for each of its items at the same time.
func (e *endToEnd) exportTwice(control *job.Control, spec job.Spec) job.Status {
	e.Helper()
	execution, err := control.Start(e.Context(), spec)
	e.check(err)
	e.doubleItems(control, spec.ID, execution)
	return e.followJob(control, spec.ID, execution)
}

// doubleItems waits until the job has items, and calls the function once more for each.
func (e *endToEnd) doubleItems(control *job.Control, id, execution string) {
	e.Helper()
	for {
		items, err := control.Items(e.Context(), id)
		for _, item := range items {
			e.callWorker(id, item)
		}
		run, runErr := control.Machine.Describe(e.Context(), execution)
		e.check(runErr)
		if err == nil || run.State != job.StateRunning {
			return
		}
		e.check(pause(e.Context()))
	}
}

// callWorker calls the function for an item that a child may have in hand, and does not wait for it.
func (e *endToEnd) callWorker(id string, item job.Item) {
	e.Helper()
	payload, err := json.Marshal(job.Event{Step: "work", ID: id, Item: &item})
	e.check(err)
	_, err = lambda.NewFromConfig(e.stack.AWS.Config()).Invoke(e.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(e.stack.Outputs["JobFunction"]), InvocationType: "Event", Payload: payload,
	})
	e.check(err)
}

func (e *endToEnd) followJob(control *job.Control, id, execution string) job.Status {
	e.Helper()
	ctx, stop := context.WithTimeout(e.Context(), patience)
	defer stop()
	status, err := control.Follow(ctx, id, execution, pause, func(job.Status) {})
	e.check(err)
	e.Logf("job %s: %s, %d of %d items; %s", id, status.State, status.Done, status.Items, status.Error)
	if status.Report != nil {
		for _, f := range status.Report.Failures {
			e.Logf("item %d: %s", f.Item, f.Error)
		}
	}
	return status
}

// exportedRecord are the columns that tell one record from another.
type exportedRecord struct {
	Partition int32  `parquet:"partition"`
	Offset    int64  `parquet:"offset"`
	Value     []byte `parquet:"value,optional"`
}

// exported is what the files of a topic hold, in the order of offsets, as fromKafka has it. An
// offset that is there twice counts twice.
func (e *endToEnd) exported(prefix, topic string) map[string]digest {
	e.Helper()
	lake := s3store.New(e.stack.AWS.Config(), exportBucket)
	of := map[string][]exportedRecord{}
	keys := bifrost.KeyWalk{Bucket: lake, Prefix: prefix + "topic=" + topic + "/"}
	for {
		page, err := keys.Below(e.Context(), "")
		e.check(err)
		if len(page) == 0 {
			break
		}
		for _, key := range page {
			object, err := lake.Open(e.Context(), key)
			e.check(err)
			content, err := io.ReadAll(io.NewSectionReader(object, 0, object.Stored().Size))
			e.check(err)
			rows, err := parquet.Read[exportedRecord](bytes.NewReader(content), int64(len(content)))
			e.check(err)
			for _, r := range rows {
				partition := fmt.Sprintf("%s/%d", topic, r.Partition)
				of[partition] = append(of[partition], r)
			}
		}
	}
	found := map[string]digest{}
	for partition, records := range of {
		slices.SortFunc(records, func(a, b exportedRecord) int { return int(a.Offset - b.Offset) })
		all := sha256.New()
		for _, r := range records {
			one := sha256.Sum256(r.Value)
			all.Write(one[:])
		}
		found[partition] = digest{len(records), hex.EncodeToString(all.Sum(nil))}
	}
	return found
}
