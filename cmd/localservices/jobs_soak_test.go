//go:build real && soak

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestJobs runs jobs on a deployed stack with its roles enforced: a deep verification of
// an archive that is whole, and of one that is damaged; and a replay whose functions are
// killed and doubled, which is stopped in the middle and continued; and an export likewise.
func TestJobs(t *testing.T) {
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	o := newOperations(t, broker.Addr())
	e := o.endToEnd
	const records = 60_000
	e.producePlain(e.topic("plain"), records)
	e.create(e.topic("empty"), nil)
	parameters := exportParameters()
	parameters["TargetBytes"] = "1048576"
	e.startPlainStack(parameters)
	e.archive()
	j := newJobs(o)

	t.Run("verify", func(t *testing.T) {
		status := j.execute(t, job.Spec{ID: "whole", Kind: job.KindVerify})
		if r := status.Report; !status.Complete || r.Verify.Violations != 0 || r.Verify.DecodedObjects == 0 || r.Verify.Records != records {
			t.Errorf("status %+v, report %+v", status, r)
		}
	})
	t.Run("replay", func(t *testing.T) { j.replay(t, records) })
	t.Run("export", func(t *testing.T) { j.export(t, records) })
	t.Run("restore without records", j.restoreEmpty)
	t.Run("secret", func(t *testing.T) { j.secret(t, records) })
	t.Run("rights", j.rights)
	t.Run("damage", func(t *testing.T) {
		lost := e.objects()[0]
		_, err := s3.NewFromConfig(e.stack.AWS.Config()).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(e.stack.Outputs["Bucket"]), Key: &lost.key})
		e.check(err)
		j.execute(t, job.Spec{ID: "damaged", Kind: job.KindVerify})
		var found []string
		e.check(j.control.EachDone(t.Context(), "damaged", func(d job.Done) error {
			for _, v := range d.Violations {
				found = append(found, string(v.Kind)+" "+v.Key)
			}
			return nil
		}))
		if want := []string{"object_missing " + lost.key}; !slices.Equal(found, want) {
			t.Errorf("found %q, want %q", found, want)
		}
		var unhealthy *exec.ExitError
		out, err := o.run("verify", "--deep", "--as-job")
		if !errors.As(err, &unhealthy) || unhealthy.ExitCode() != 3 || !strings.Contains(out, "object_missing") || !strings.Contains(out, lost.key) {
			t.Errorf("the command: %v\n%s", err, out)
		}
		if out := o.must("jobs"); strings.Count(out, "complete") != 7 {
			t.Errorf("jobs\n%s", out)
		}
	})
}

type jobs struct {
	*operations
	control *job.Control
}

// newJobs controls the jobs of a stack that is deployed.
func newJobs(o *operations) *jobs { return &jobs{o, o.jobControl()} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// execute starts a job and waits for its end.
func (j *jobs) execute(t *testing.T, spec job.Spec) job.Status {
	t.Helper()
	execution, err := j.control.Start(t.Context(), spec)
	must(t, err)
	return j.follow(t, spec.ID, execution)
}

func (j *jobs) follow(t *testing.T, id, execution string) job.Status {
	t.Helper()
	return j.followJob(j.control, id, execution)
}

// followToTheEnd continues the job after its execution until it is complete, ten times at most.
func (j *jobs) followToTheEnd(t *testing.T, id, execution string) job.Status {
	t.Helper()
	status := j.follow(t, id, execution)
	for n := 0; !status.Complete && n < 10; n++ {
		time.Sleep(time.Second) // the name of an execution has the second
		execution, err := j.control.Continue(t.Context(), id)
		must(t, err)
		status = j.follow(t, id, execution)
	}
	return status
}

// killWorkers kills the job functions that run now.
func (j *jobs) killWorkers() (killed int) {
	for _, pid := range j.processesOf("JobFunction") {
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// replay kills the functions again and again, calls some once more at the same time, then stops
// the job and continues it.
func (j *jobs) replay(t *testing.T, records int) {
	target := strings.ReplaceAll(j.prefix, "plain", "copy") + "target"
	execution, err := j.control.Start(t.Context(), job.Spec{
		ID: "replay", Kind: job.KindReplay, Topics: []string{j.topic("plain") + ":" + target}, BytesPerSecond: 1_000_000,
		To: &job.Target{Brokers: j.brokers}, Replay: &job.Replay{Create: true},
	})
	must(t, err)
	item := j.firstItem(t, "replay", execution) // a plan that is killed three times fails its execution
	for kills, looks := 0, 0; kills < 6 && looks < 60; looks++ {
		kills += j.killWorkers()
		j.callWorker("replay", item)
		time.Sleep(2 * time.Second) // to kill them at other places each time
		if status, err := j.control.Status(t.Context(), "replay"); err == nil && !status.Running() {
			break
		}
	}
	if n, err := j.control.Stop(t.Context(), "replay"); err != nil {
		t.Fatalf("stopped %d: %v", n, err)
	}
	status := j.followToTheEnd(t, "replay", execution)
	if !status.Complete || status.Report.Records != int64(records) {
		t.Fatalf("status %+v, report %+v", status, status.Report)
	}
	t.Logf("%d executions; report %+v", status.Runs, *status.Report)
	for p := range int32(partitionsEach) {
		got, want := j.valuesOf(target, p), j.valuesOf(j.topic("plain"), p)
		if !slices.Equal(got, want) {
			t.Errorf("partition %d has %d records, want %d, or they are in another order", p, len(got), len(want))
		}
	}
}

// export kills functions again and again, calls all items once more at the same time, and
// exports by the command beside them, into the same place.
func (j *jobs) export(t *testing.T, records int) {
	j.makeExportBucket()
	topic, to := j.topic("plain"), "s3://"+exportBucket+"/lake"
	execution, err := j.control.Start(t.Context(), job.Spec{
		ID: "export", Kind: job.KindExport, Topics: []string{topic}, Export: &job.Export{To: to},
	})
	must(t, err)
	j.firstItem(t, "export", execution)
	command := make(chan error, 1)
	go func() {
		out, err := j.run("export", topic, "--to", to)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		command <- err
	}()
	kills := 0
	for looks := 0; kills < 6 && looks < 200; looks++ {
		kills += j.killWorkers()
		time.Sleep(300 * time.Millisecond) // to kill them at other places each time
		if status, err := j.control.Status(t.Context(), "export"); err == nil && !status.Running() {
			break
		}
	}
	j.doubleItems(j.control, "export", execution)
	status := j.followToTheEnd(t, "export", execution)
	must(t, <-command)
	if !status.Complete || status.Report.Records != int64(records) || kills == 0 {
		t.Fatalf("%d kills, status %+v, report %+v", kills, status, status.Report)
	}
	want, got := j.fromKafka(), j.exported("lake/", topic)
	for p := range int32(partitionsEach) {
		partition := fmt.Sprintf("%s/%d", topic, p)
		if got[partition] != want[partition] || got[partition].Records == 0 {
			t.Errorf("%s: files have %+v, Kafka has %+v", partition, got[partition], want[partition])
		}
	}
}

// restoreEmpty brings a topic back that has no records.
func (j *jobs) restoreEmpty(t *testing.T) {
	other := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	out, err := j.run("restore", "--at", "latest", "--to-brokers", other.Addr(), "--topics", j.topic("empty"), "--yes", "--as-job")
	if err != nil || !strings.Contains(out, "restore: complete") {
		t.Errorf("%v\n%s", err, out)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(other.Addr()))
	must(t, err)
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), j.topic("empty"))
	if err != nil || len(topics[j.topic("empty")].Partitions) != partitionsEach {
		t.Errorf("topics %v, error %v", topics, err)
	}
}

// secret replays into a cluster that wants a password. The job reads it from a secret once a
// parameter of the stack names that, and says it nowhere.
func (j *jobs) secret(t *testing.T, records int) {
	const password = "password-of-a-target"
	other := localservices.SecureKafkaForTest(t)
	must(t, other.SetPassword(t.Context(), kafkaUser, password))
	must(t, other.Allow(t.Context(), "User:"+kafkaUser, kadm.OpAll))
	must(t, other.AllowTransactions(t.Context(), "User:"+kafkaUser, "bifrost-replay-", kadm.OpWrite, kadm.OpDescribe))
	made, err := secretsmanager.NewFromConfig(j.stack.AWS.Config()).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("of-the-target"), SecretString: aws.String(string(encode(map[string]any{"username": kafkaUser, "password": password}))),
	})
	must(t, err)
	spec := job.Spec{ID: "secret", Kind: job.KindReplay, Topics: []string{j.topic("plain")}, Replay: &job.Replay{Create: true}, To: &job.Target{
		Brokers: other.Listener(localservices.ListenerScram), SecurityProtocol: "SASL_PLAINTEXT", SaslMechanism: "SCRAM-SHA-512", Secret: *made.ARN,
	}}
	if status := j.execute(t, spec); status.State != "FAILED" || !strings.Contains(status.Error, "AccessDenied") {
		t.Errorf("with a secret that no parameter names: %+v", status)
	}
	j.update(map[string]string{"JobSecretArns": *made.ARN})
	time.Sleep(time.Second) // the name of an execution has the second
	status := j.execute(t, spec)
	if !status.Complete || status.Report.Records != int64(records) {
		t.Fatalf("status %+v, report %+v", status, status.Report)
	}
	if cost := status.Report.Cost; cost.Gets == 0 || cost.Puts == 0 || cost.ReadUnits == 0 {
		t.Errorf("cost %+v", cost)
	}
	said := j.said(t, "secret", status.Execution)
	if !strings.Contains(said, *made.ARN) || strings.Contains(said, password) {
		t.Errorf("the job's files, history and log hold the ARN: %v; the password: %v", strings.Contains(said, *made.ARN), strings.Contains(said, password))
	}
}

// said is all that anybody can read of a job: its files, the histories of its execution and
// of the children that do its items, and the log of its function.
func (j *jobs) said(t *testing.T, id, execution string) string {
	var all strings.Builder
	prefix := bifrost.JobPrefix(j.stack.Group, id)
	files, after := j.control.Bucket, ""
	for {
		page, err := files.List(t.Context(), prefix, after, 1000)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, key := range page {
			object, err := files.Open(t.Context(), key)
			must(t, err)
			content, err := io.ReadAll(io.NewSectionReader(object, 0, object.Stored().Size))
			must(t, err)
			all.Write(content)
		}
		after = page[len(page)-1]
	}
	if all.Len() == 0 {
		t.Error("the job has no files")
	}
	machine := sfn.NewFromConfig(j.stack.AWS.Config())
	executions := append(j.childrenOf(t, machine, execution), execution)
	if len(executions) != 1+partitionsEach {
		t.Errorf("the job has %d children, want one for each of %d partitions", len(executions)-1, partitionsEach)
	}
	for _, of := range executions {
		history := sfn.NewGetExecutionHistoryPaginator(machine,
			&sfn.GetExecutionHistoryInput{ExecutionArn: &of, IncludeExecutionData: aws.Bool(true)})
		for history.HasMorePages() {
			page, err := history.NextPage(t.Context())
			must(t, err)
			all.Write(encode(map[string]any{"events": page.Events}))
		}
		described, err := machine.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &of})
		must(t, err)
		all.Write(encode(map[string]any{"input": described.Input, "output": described.Output, "cause": described.Cause}))
	}
	log := j.log("JobFunction")
	if log == "" {
		t.Error("the job function has no log")
	}
	return all.String() + log
}

// childrenOf are the executions of the items.
func (j *jobs) childrenOf(t *testing.T, machine *sfn.Client, execution string) (children []string) {
	t.Helper()
	for runs := sfn.NewListMapRunsPaginator(machine, &sfn.ListMapRunsInput{ExecutionArn: &execution}); runs.HasMorePages(); {
		page, err := runs.NextPage(t.Context())
		must(t, err)
		for _, run := range page.MapRuns {
			for all := sfn.NewListExecutionsPaginator(machine, &sfn.ListExecutionsInput{MapRunArn: run.MapRunArn}); all.HasMorePages(); {
				page, err := all.NextPage(t.Context())
				must(t, err)
				for _, child := range page.Executions {
					children = append(children, *child.ExecutionArn)
				}
			}
		}
	}
	return children
}

// valuesOf are the values that a consumer sees.
func (j *jobs) valuesOf(topic string, partition int32) []string {
	return j.valuesAt(j.brokers, topic, partition)
}

func (j *jobs) valuesAt(brokers, topic string, partition int32) (values []string) {
	for record, err := range consumed(j.Context(), []string{brokers}, topic, partition) {
		j.check(err)
		values = append(values, fmt.Sprintf("%t %s", record.Value == nil, record.Value))
	}
	return values
}

// firstItem waits until the job is planned.
func (j *jobs) firstItem(t *testing.T, id, execution string) job.Item {
	t.Helper()
	for {
		items, err := j.control.Items(t.Context(), id)
		if err == nil {
			return items[0]
		}
		if run, runErr := j.control.Machine.Describe(t.Context(), execution); runErr != nil || run.State != job.StateRunning {
			t.Fatalf("job %s ended before it was planned: %+v, error %v; %v", id, run, runErr, err)
		}
		must(t, pause(t.Context()))
	}
}

// rights takes the credentials of a function that is there, and tries what a job must
// not do. What it may do shows that they are good. It runs behind secret, so that the role
// has a secret that it may read.
func (j *jobs) rights(t *testing.T) {
	pids := j.processesOf("JobFunction")
	if len(pids) == 0 {
		t.Fatal("no job function is there to take credentials from")
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pids[0]))
	must(t, err)
	of := map[string]string{}
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		of[name] = value
	}
	account := j.stack.AWS.Config()
	account.Credentials = credentials.NewStaticCredentialsProvider(of["AWS_ACCESS_KEY_ID"], of["AWS_SECRET_ACCESS_KEY"], of["AWS_SESSION_TOKEN"])
	bucket, tables, files := aws.String(j.stack.Outputs["Bucket"]), dynamodb.NewFromConfig(account), s3.NewFromConfig(account)
	putInto := func(into *string, key string, once *string) error {
		_, err := files.PutObject(t.Context(), &s3.PutObjectInput{Bucket: into, Key: &key, IfNoneMatch: once, Body: strings.NewReader("x")})
		return err
	}
	put := func(key string, once *string) error { return putInto(bucket, key, once) }
	_, err = secretsmanager.NewFromConfig(j.stack.AWS.Config()).CreateSecret(t.Context(),
		&secretsmanager.CreateSecretInput{Name: aws.String("of-somebody-else"), SecretString: aws.String("hunter2")})
	must(t, err)
	archived := j.objects()[0].key
	number := func(n string) dynamotypes.AttributeValue { return &dynamotypes.AttributeValueMemberN{Value: n} }
	partition := &dynamotypes.AttributeValueMemberS{Value: j.topic("plain")}
	keys := map[string]map[string]dynamotypes.AttributeValue{ // of a row that is there
		"ObjectsTable":  {"partition_key": &dynamotypes.AttributeValueMemberS{Value: j.topic("plain") + "/0"}, "start_offset": number("0")},
		"ProgressTable": {"topic": partition, "partition": number("0")},
	}
	named := func(name string) error {
		_, err := secretsmanager.NewFromConfig(account).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &name})
		return err
	}
	forbidden := map[string]func() error{
		"write an archive key":                 func() error { return put(strings.Replace(archived, ".baldr.gz", "~1.baldr.gz", 1), aws.String("*")) },
		"write into the bucket beside exports": func() error { return putInto(aws.String(exportBucket), "attic/x", aws.String("*")) },
		"delete an export": func() error {
			_, err := files.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(exportBucket), Key: aws.String("lake/_bifrost/options.json")})
			return err
		},
		"write a marker": func() error { return put(j.stack.Group+"/x/_bifrost.json", aws.String("*")) },
		"delete an object": func() error {
			_, err := files.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: &archived})
			return err
		},
		"overwrite an object": func() error { return put(archived, nil) },
		"copy an object": func() error {
			_, err := files.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: bucket, CopySource: aws.String(*bucket + "/" + archived),
				Key: aws.String(strings.Replace(archived, ".baldr.gz", "~1.baldr.gz", 1))})
			return err
		},
		"begin an object in parts": func() error {
			_, err := files.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: &archived})
			return err
		},
		"write beside the group": func() error { return put("elsewhere/x", aws.String("*")) },
		"delete a file of a job": func() error {
			_, err := files.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String(j.stack.Group + "/~jobs/whole/job.json")})
			return err
		},
		"read a secret that was not named": func() error { return named("of-somebody-else") },
		"start a job": func() error {
			_, err := sfn.NewFromConfig(account).StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(j.stack.Outputs["JobMachine"])})
			return err
		},
		"call a function": func() error {
			_, err := lambda.NewFromConfig(account).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(j.stack.Outputs["ArchiveFunction"])})
			return err
		},
	}
	for output, key := range keys {
		table := aws.String(j.stack.Outputs[output])
		forbidden["write a row of "+output] = func() error {
			_, err := tables.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: key})
			return err
		}
		forbidden["change a row of "+output] = func() error {
			_, err := tables.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: table, Key: key})
			return err
		}
		forbidden["delete a row of "+output] = func() error {
			_, err := tables.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: table, Key: key})
			return err
		}
		forbidden["write rows together of "+output] = func() error {
			_, err := tables.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
				TransactItems: []dynamotypes.TransactWriteItem{{Put: &dynamotypes.Put{TableName: table, Item: key}}}})
			return err
		}
		forbidden["write a batch of rows of "+output] = func() error {
			_, err := tables.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]dynamotypes.WriteRequest{
				*table: {{PutRequest: &dynamotypes.PutRequest{Item: key}}}}})
			return err
		}
	}
	for what, try := range forbidden {
		var refused smithy.APIError
		if err := try(); !errors.As(err, &refused) || !strings.Contains(refused.ErrorCode(), "AccessDenied") {
			t.Errorf("a job may %s: %v", what, err)
		}
	}
	if err := named("of-the-target"); err != nil {
		t.Errorf("a job may not read the secret that JobSecretArns names: %v", err)
	}
	// That it overwrites none, the bucket's policy sees to; the local S3 does not know its condition.
	if err := put(j.stack.Group+"/~jobs/whole/rights.txt", aws.String("*")); err != nil {
		t.Errorf("a job may not write a file of its own: %v", err)
	}
	if err := putInto(aws.String(exportBucket), "lake/rights.txt", aws.String("*")); err != nil {
		t.Errorf("a job may not write where exports go: %v", err)
	}
}
