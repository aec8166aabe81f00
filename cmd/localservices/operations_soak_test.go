//go:build real && soak

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestOperations does, on one deployed stack, what docs/operations.md says that
// people do, in the order of the page.
func TestOperations(t *testing.T) {
	o := newOperations(t, localservices.Kafka(t))
	o.producePlain(o.topic("operated"), 2000)
	o.startPlainStack(map[string]string{})
	o.archive()
	o.verify()
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"the log leads from a tick to an object", o.followTick},
		{"runs fail", o.readDeadLetter},
		{"discover fails", o.loseKafka},
		{"pause", o.pause},
		{"records lost", o.loseRecords},
		{"raise the limits and resume", o.resume},
		{"upgrade and roll back", o.upgrade},
		{"restore after the tables are lost", o.restore},
		{"move to another bucket", o.move},
		{"delete everything", o.deleteEverything},
	} {
		t.Run(step.name, func(t *testing.T) {
			o.T = t // what fails, fails in its step
			step.do()
		})
	}
}

type operations struct {
	*endToEnd
	bifrost string // the command
}

// newOperations builds the command. The stack is still to be started.
func newOperations(t *testing.T, brokers string) *operations {
	t.Helper()
	o := &operations{endToEnd: plainEndToEnd(t, brokers), bifrost: filepath.Join(t.TempDir(), "bifrost")}
	if out, err := exec.Command("go", "build", "-o", o.bifrost, "../bifrost").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return o
}

// run runs the command line with the settings of the stack.
func (o *operations) run(args ...string) (string, error) { return o.runProgram(o.bifrost, args...) }

// runProgram runs the command line of any version.
func (o *operations) runProgram(program string, args ...string) (string, error) {
	cmd := exec.CommandContext(o.Context(), program, args...)
	cmd.Env = append(os.Environ(), o.stack.Env()...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (o *operations) must(args ...string) string {
	o.Helper()
	out, err := o.run(args...)
	if err != nil {
		o.Fatalf("bifrost %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (o *operations) verify() { o.Helper(); o.must("verify", "--deep") }

func (o *operations) update(parameters map[string]string) {
	o.Helper()
	o.check(o.stack.Update(o.Context(), parameters))
}

// more writes records and archives them.
func (o *operations) more() {
	o.Helper()
	o.produceMore(200)
	o.archive()
}

func (o *operations) produceMore(records int) {
	o.Helper()
	for i := range records {
		r := &kgo.Record{Topic: o.topics[0], Partition: int32(i % partitionsEach), Value: fmt.Appendf(nil, "more %d", i)}
		o.check(o.client.ProduceSync(o.Context(), r).FirstErr())
	}
}

// readDeadLetter lets a run fail and finds it where failed runs go.
func (o *operations) readDeadLetter() {
	_, err := lambda.NewFromConfig(o.stack.AWS.Config()).Invoke(o.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(o.stack.Outputs["ArchiveFunction"]), InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(`{"topic":"broken"}`),
	})
	o.check(err)
	o.eventually("the failed run is not in the queue", func() bool {
		return slices.ContainsFunc(o.receive(), func(body string) bool { return strings.Contains(body, "broken") })
	})
	_, err = request{service: "sqs", target: "AmazonSQS.PurgeQueue", body: map[string]any{"QueueUrl": o.stack.Outputs["DeadLetters"]}}.text(o.Context(), o.stack.AWS)
	o.check(err)
}

// receive takes up to ten dead letters that nobody took for ten minutes.
func (o *operations) receive() (bodies []string) {
	o.Helper()
	var answer struct{ Messages []struct{ Body string } }
	o.check(request{service: "sqs", target: "AmazonSQS.ReceiveMessage", body: map[string]any{
		"QueueUrl": o.stack.Outputs["DeadLetters"], "MaxNumberOfMessages": 10, "VisibilityTimeout": 600,
	}}.send(o.Context(), o.stack.AWS, &answer))
	for _, m := range answer.Messages {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// A status is what bifrost status --json says, as far as tests ask for it.
type status struct {
	Healthy    bool
	Partitions []struct {
		Topic      string
		Partition  int
		Status     string
		Lag        int64
		Records    int64
		NextOffset int64 `json:"next_offset"`
	}
}

func (o *operations) status() (s status) {
	o.Helper()
	o.check(json.Unmarshal([]byte(o.must("status", "--json")), &s))
	return s
}

// loseKafka gives the stack brokers that are not there: ticks fail, doctor says
// why, and the next tick after the repair is well.
func (o *operations) loseKafka() {
	o.update(map[string]string{"Brokers": "127.0.0.1:1"})
	if _, err := tick(o.Context(), o.stack); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		o.Errorf("a tick without a broker: error %v", err)
	}
	if out, err := o.run("doctor", "--brokers", "127.0.0.1:1"); err == nil || !strings.Contains(out, "127.0.0.1:1") {
		o.Errorf("doctor: error %v\n%s", err, out)
	}
	o.update(map[string]string{"Brokers": o.brokers})
	o.archive()
}

// schedule is the state of the schedule.
func (o *operations) schedule() string {
	o.Helper()
	var answer struct{ State string }
	o.check(request{service: "scheduler", path: "schedules/bifrost-discover"}.send(o.Context(), o.stack.AWS, &answer))
	return answer.State
}

func (o *operations) pause() {
	if state := o.schedule(); state != "ENABLED" {
		o.Errorf("the schedule is %s", state)
	}
	o.update(map[string]string{"ScheduleState": "DISABLED"})
	if state := o.schedule(); state != "DISABLED" {
		o.Errorf("the paused schedule is %s", state)
	}
}

// loseRecords lets Kafka delete records while the stack is paused. The gap is on
// record and is counted for the alarm, and all else is archived.
func (o *operations) loseRecords() {
	const each = 10
	o.produceMore(each * partitionsEach)
	ends, err := o.admin.ListEndOffsets(o.Context(), o.topics[0])
	o.check(err)
	end, _ := ends.Lookup(o.topics[0], 0)
	var cut kadm.Offsets
	cut.AddOffset(o.topics[0], 0, end.Offset-3, -1)
	_, err = o.admin.DeleteRecords(o.Context(), cut)
	o.check(err)
	o.archive()
	if out := o.must("verify", "--gaps"); !strings.Contains(out, "retention") {
		o.Errorf("verify shows no gap:\n%s", out)
	}
	o.eventually("no gap is counted", func() bool { return o.metric("ArchiveFunction", "Gaps") == 1 })
	if lost := o.metric("ArchiveFunction", "LostOffsets"); lost != each-3 {
		o.Errorf("%v offsets are counted as lost, want %d", lost, each-3)
	}
}

func (o *operations) resume() {
	o.produceMore(100)
	o.update(map[string]string{"ScheduleState": "ENABLED", "MaxInFlight": "3", "ArchiveMemory": "2048"})
	if state := o.schedule(); state != "ENABLED" {
		o.Errorf("the resumed schedule is %s", state)
	}
	function, err := lambda.NewFromConfig(o.stack.AWS.Config()).GetFunctionConfiguration(o.Context(), &lambda.GetFunctionConfigurationInput{
		FunctionName: aws.String(o.stack.Outputs["ArchiveFunction"])})
	o.check(err)
	if in := function.Environment.Variables["BIFROST_MAX_IN_FLIGHT"]; in != "3" || aws.ToInt32(function.MemorySize) != 2048 {
		o.Errorf("%s in flight, %d MB", in, aws.ToInt32(function.MemorySize))
	}
	o.archive()
	o.verify()
}

// upgrade lets a stack at work go to another version of the functions and back.
func (o *operations) upgrade() {
	for _, version := range []string{"next", ""} {
		o.check(o.stack.Upgrade(o.Context(), version))
		o.more()
		want := "bifrost " + version
		if version == "" {
			want = "bifrost devel"
		}
		if writer := o.lastWriter(); writer != want {
			o.Errorf("the newest object is by %q, want %q", writer, want)
		}
	}
	o.verify()
}

// lastWriter is who wrote the newest object of the first partition.
func (o *operations) lastWriter() string {
	o.Helper()
	objects, err := listObjects(o.Context(), o.stack, o.topics[0], 0)
	o.check(err)
	dir := o.TempDir()
	key := objects[len(objects)-1].key
	o.download(dir, key)
	content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(key)))
	o.check(err)
	file, err := baldr.Open(bytes.NewReader(content), int64(len(content)), baldr.ReaderOptions{})
	o.check(err)
	return file.Summary().Writer
}

// restore loses all rows of both tables and builds them anew from the bucket.
func (o *operations) restore() {
	before := o.objects()
	o.update(map[string]string{"ScheduleState": "DISABLED"})
	db := dynamodb.NewFromConfig(o.stack.AWS.Config())
	lost := 0
	for table, key := range map[string][]string{"ProgressTable": {"topic", "partition"}, "ObjectsTable": {"partition_key", "start_offset"}} {
		name := aws.String(o.stack.Outputs[table])
		for pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: name}); pages.HasMorePages(); {
			page, err := pages.NextPage(o.Context())
			o.check(err)
			for _, item := range page.Items {
				_, err := db.DeleteItem(o.Context(), &dynamodb.DeleteItemInput{TableName: name,
					Key: map[string]dynamodbtypes.AttributeValue{key[0]: item[key[0]], key[1]: item[key[1]]}})
				o.check(err)
				lost++
			}
		}
	}
	o.must("rebuild")
	o.verify()
	o.archive()
	if after := o.objects(); !slices.Equal(before, after) {
		o.Errorf("after %d rows were lost, the objects changed from %v to %v", lost, before, after)
	}
	o.Logf("%d rows lost and built anew", lost)
}

// move copies the archive to another bucket and goes on there, with the same tables.
// The command archives and not the functions: the local AWS cannot update a nested
// stack of tables, so it never comes to ExistingBucket.
func (o *operations) move() {
	const bucket = "bifrost-moved"
	store := s3.NewFromConfig(o.stack.AWS.Config())
	_, err := store.CreateBucket(o.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(o.stack.AWS.Region)}})
	o.check(err)
	o.copyAll(store, o.stack.Outputs["Bucket"], bucket)
	o.must("verify", "--deep", "--bucket", bucket)
	o.produceMore(200)
	o.must("flush", o.topics[0], "--bucket", bucket)
	o.must("verify", "--deep", "--bucket", bucket)
	if out, err := o.run("verify"); err == nil {
		o.Errorf("the old bucket is said to have what was written to the new one:\n%s", out)
	}
}

func (o *operations) copyAll(store *s3.Client, from, to string) {
	o.Helper()
	for pages := s3.NewListObjectsV2Paginator(store, &s3.ListObjectsV2Input{Bucket: aws.String(from)}); pages.HasMorePages(); {
		page, err := pages.NextPage(o.Context())
		o.check(err)
		for _, object := range page.Contents {
			_, err := store.CopyObject(o.Context(), &s3.CopyObjectInput{Bucket: aws.String(to), Key: object.Key,
				CopySource: aws.String(from + "/" + url.PathEscape(*object.Key))})
			o.check(err)
		}
	}
}

// deleteEverything deletes the stack, which leaves the data, and then the data.
func (o *operations) deleteEverything() {
	outputs := o.stack.Outputs
	_, err := request{service: "cloudformation", form: url.Values{"Action": {"DeleteStack"}, "StackName": {"bifrost"}, "Version": {"2010-05-15"}}}.text(o.Context(), o.stack.AWS)
	o.check(err)
	functions := lambda.NewFromConfig(o.stack.AWS.Config())
	o.eventually("the function is still there", func() bool {
		_, err := functions.GetFunction(o.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(outputs["DiscoverFunction"])})
		return err != nil
	})
	db := dynamodb.NewFromConfig(o.stack.AWS.Config())
	for _, output := range []string{"ProgressTable", "ObjectsTable"} {
		name := aws.String(outputs[output])
		_, err := db.UpdateTable(o.Context(), &dynamodb.UpdateTableInput{TableName: name, DeletionProtectionEnabled: aws.Bool(false)})
		o.check(err)
		_, err = db.DeleteTable(o.Context(), &dynamodb.DeleteTableInput{TableName: name})
		o.check(err)
	}
	store := s3.NewFromConfig(o.stack.AWS.Config())
	bucket := aws.String(outputs["Bucket"])
	versions, err := store.ListObjectVersions(o.Context(), &s3.ListObjectVersionsInput{Bucket: bucket})
	o.check(err)
	if len(versions.Versions) == 0 {
		o.Error("the archive went with the stack")
	}
	for _, v := range versions.Versions {
		_, err := store.DeleteObject(o.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: v.Key, VersionId: v.VersionId})
		o.check(err)
	}
	_, err = store.DeleteBucket(o.Context(), &s3.DeleteBucketInput{Bucket: bucket})
	o.check(err)
}
