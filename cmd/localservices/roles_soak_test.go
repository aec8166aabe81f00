//go:build soak

package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/job"
)

// notMissed are the actions that these works do without, by policy, statement and
// action, each with the reason. internal/templates compares them with the code all
// the same.
var notMissed = map[string]string{
	"discover/KeepProgress/dynamodb:GetItem":              "only for a hole among the rows that are still to be settled",
	"discover/KeepProgress/dynamodb:DeleteItem":           "only for a hole among the rows that are still to be settled",
	"discover/KeepProgress/dynamodb:ConditionCheckItem":   "only a plan that one transaction does not hold",
	"discover/PlanRanges/dynamodb:GetItem":                "only for rows that a worker settled without moving progress on",
	"discover/WriteCaptures/s3:PutObject":                 "a capture that fails fails no tick; the end-to-end test looks at one",
	"archive/WriteObjects/s3:AbortMultipartUpload":        "only an upload that fails half way is aborted",
	"archive/SeeMissingObjects/s3:ListBucket":             "the local S3 says what is not there in any case; the real one does not",
	"archive/CommitRange/dynamodb:PutItem":                "only a range that ends early has a rest to plan",
	"archive/FindNextRange/dynamodb:Query":                "the next tick starts what a worker did not find",
	"archive/SeeFunctions/dynamodb:Query":                 "only a worker that goes on past ranges that others have in hand",
	"archive/AdvanceProgress/dynamodb:GetItem":            "the next tick moves progress on, too",
	"archive/AdvanceProgress/dynamodb:UpdateItem":         "the next tick moves progress on, too",
	"job/ReadProgress/dynamodb:GetItem":                   "only a replay and a restore look for one partition",
	"job/ReadRanges/dynamodb:GetItem":                     "only a verification of ranges that change meanwhile",
	"job/FindOpenRanges/dynamodb:Query":                   "only a verification",
	"job/ListObjects/s3:ListBucket":                       "the local S3 says what is not there in any case; the real one does not",
	"job/WriteExports/s3:AbortMultipartUpload":            "only an upload that fails half way is aborted",
	"job/SeeLimitsOfTheAccount/lambda:GetAccountSettings": "the local AWS lets everybody ask; the real one does not",
	"job/ReadJobSecrets/secretsmanager:GetSecretValue":    "only a job that writes into a cluster with a secret",
	"job/DecryptJobSecrets/kms:Decrypt":                   "only a job that writes into a cluster with a secret",
}

// lambdasOwn are prefixes of actions that are none of the code.
var lambdasOwn = []string{"logs:", "sqs:", "ec2:"}

func reasonNotToTry(policy string, action granted) string {
	for _, prefix := range lambdasOwn {
		if strings.HasPrefix(action.name, prefix) {
			return "Lambda's own"
		}
	}
	return notMissed[policy+"/"+action.String()]
}

// TestRolesAreNoLargerThanNeeded takes each action away from the deployed roles,
// one by one, and expects the deployed stack to fail at its work: a new topic; a
// topic whose rows were lost, with an unfinished upload of an old worker; an object
// that was written and not recorded.
func TestRolesAreNoLargerThanNeeded(t *testing.T) {
	e := newEndToEnd(t)
	// A function that may not write leaves its lease behind, and with it a slot.
	e.startStack(map[string]string{"MaxInFlight": "64"})
	r := &roles{endToEnd: e}
	if err := r.work(); err != nil {
		t.Fatalf("with all that the roles allow: %v", err)
	}
	for function, policy := range map[string]string{"DiscoverFunction": "discover", "ArchiveFunction": "archive"} {
		r.missesEachAction(t, function, policy, r.work)
	}
	if err := r.work(); err != nil {
		t.Errorf("with all that the roles allow, again: %v", err)
	}
}

// TestRolesAreNoLargerThanNeededForExports does so with the role of jobs, and exports.
func TestRolesAreNoLargerThanNeededForExports(t *testing.T) {
	e := newEndToEnd(t)
	e.startStack(exportParameters())
	e.makeExportBucket()
	r := &roles{endToEnd: e}
	topic := r.topic("exported")
	r.check(makeTopic(t.Context(), r.admin, topic, 1, nil))
	r.produce(topic, 100)
	r.check(r.archived(topic, 100))
	export := func() error { return r.export(topic, 100) }
	if err := export(); err != nil {
		t.Fatalf("with all that the role allows: %v", err)
	}
	r.missesEachAction(t, "JobFunction", "job", export)
	if err := export(); err != nil {
		t.Errorf("with all that the role allows, again: %v", err)
	}
}

// missesEachAction takes each action away from the role of a function, and expects the work to
// fail without it.
func (r *roles) missesEachAction(t *testing.T, function, policy string, work func() error) {
	role := r.roleOf(function)
	whole := r.policy(role, policy)
	for _, action := range whole.actions() {
		t.Run(policy+"/"+action.String(), func(t *testing.T) {
			if reason := reasonNotToTry(policy, action); reason != "" {
				t.Logf("not tried: %s", reason)
				return
			}
			r.setPolicy(role, policy, whole.without(action))
			r.recycle(function)
			if err := work(); err == nil {
				t.Errorf("nobody misses %s", action)
			} else {
				t.Logf("missed: %.300s", err.Error())
			}
			r.setPolicy(role, policy, whole)
			r.recycle(function)
		})
	}
}

// export exports a topic by a job, into a place that is empty.
func (r *roles) export(topic string, records int64) error {
	r.Helper()
	r.exports++
	id := fmt.Sprintf("roles-%d", r.exports)
	control := r.jobControl()
	execution, err := control.Start(r.Context(), job.Spec{
		ID: id, Kind: job.KindExport, Topics: []string{topic}, Export: &job.Export{To: "s3://" + exportBucket + "/lake/" + id},
	})
	r.check(err)
	status := r.followJob(control, id, execution)
	if !status.Complete || status.Report.Records != records {
		return fmt.Errorf("job %+v, report %+v", status, status.Report)
	}
	return nil
}

// roles is a deployed stack whose roles change.
type roles struct {
	*endToEnd
	topics  int
	changes int
	exports int
}

// A document is an IAM policy.
type document struct {
	Version   string
	Statement []map[string]any
}

// A granted is one action of one statement.
type granted struct {
	statement int
	sid, name string
}

func (g granted) String() string { return g.sid + "/" + g.name }

func (d document) actions() []granted {
	var all []granted
	for i, s := range d.Statement {
		if s["Effect"] == "Allow" {
			for _, name := range actionNames(s["Action"]) {
				all = append(all, granted{i, fmt.Sprint(s["Sid"]), name})
			}
		}
	}
	return all
}

func actionNames(v any) []string {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	var all []string
	for _, name := range v.([]any) {
		all = append(all, name.(string))
	}
	return all
}

// without is the policy less one action.
func (d document) without(g granted) document {
	var kept []map[string]any
	for i, s := range d.Statement {
		if i != g.statement {
			kept = append(kept, s)
			continue
		}
		rest := slices.DeleteFunc(actionNames(s["Action"]), func(name string) bool { return name == g.name })
		if len(rest) == 0 {
			continue
		}
		changed := map[string]any{"Action": rest}
		for name, value := range s {
			if name != "Action" {
				changed[name] = value
			}
		}
		kept = append(kept, changed)
	}
	return document{d.Version, kept}
}

// roleOf names the role of a deployed function.
func (r *roles) roleOf(function string) string {
	r.Helper()
	out, err := lambda.NewFromConfig(r.stack.AWS.Config()).GetFunctionConfiguration(r.Context(), &lambda.GetFunctionConfigurationInput{
		FunctionName: aws.String(r.stack.Outputs[function]),
	})
	r.check(err)
	return path.Base(*out.Role)
}

// recycle changes a function's memory, so that its next invocation starts a
// new process, without anything kept in memory.
func (r *roles) recycle(function string) {
	r.Helper()
	r.changes++
	_, err := lambda.NewFromConfig(r.stack.AWS.Config()).UpdateFunctionConfiguration(r.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String(r.stack.Outputs[function]), MemorySize: aws.Int32(int32(1024 + r.changes)),
	})
	r.check(err)
}

func (r *roles) iam(values url.Values) []byte {
	r.Helper()
	values.Set("Version", "2010-05-08")
	answer, err := request{service: "iam", form: values}.text(r.Context(), r.stack.AWS)
	r.check(err)
	return answer
}

func (r *roles) policy(role, name string) document {
	r.Helper()
	answer := r.iam(url.Values{"Action": {"GetRolePolicy"}, "RoleName": {role}, "PolicyName": {name}})
	var parsed struct {
		Document string `xml:"GetRolePolicyResult>PolicyDocument"`
	}
	r.check(xml.Unmarshal(answer, &parsed))
	text, err := url.QueryUnescape(parsed.Document)
	r.check(err)
	var d document
	r.check(json.Unmarshal([]byte(text), &d))
	if len(d.Statement) == 0 {
		r.Fatalf("role %s has an empty policy: %s", role, answer)
	}
	return d
}

func (r *roles) setPolicy(role, name string, d document) {
	r.Helper()
	text, err := json.Marshal(d)
	r.check(err)
	r.iam(url.Values{"Action": {"PutRolePolicy"}, "RoleName": {role}, "PolicyName": {name}, "PolicyDocument": {string(text)}})
}

// probeTicks is how many ticks the stack may take for one step of the work. It is
// far more than it takes when it may do all it has to. They are ticks and not
// seconds, because the local AWS now and then forgets to answer a request, which
// is then asked again after a minute.
const probeTicks = 30

// work has the stack do all kinds of work on a topic of its own.
func (r *roles) work() error {
	r.Helper()
	r.topics++
	topic := r.topic(fmt.Sprintf("roles-%d", r.topics))
	r.check(makeTopic(r.Context(), r.admin, topic, 1, nil))
	defer func() {
		_, err := r.admin.DeleteTopic(context.WithoutCancel(r.Context()), topic)
		r.check(err)
	}()
	for _, step := range []struct {
		what string
		do   func()
		end  int64 // of the log, after the step
	}{
		{"a new topic", func() { r.produce(topic, 100) }, 100},
		{"a topic all of whose rows are lost", func() { r.unfinishedUpload(topic); r.forget(topic, true) }, 100},
		{"a topic of which only progress is left", func() { r.forget(topic, false); r.produce(topic, 50) }, 150},
	} {
		step.do()
		if err := r.archived(topic, step.end); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func (r *roles) produce(topic string, records int) {
	r.Helper()
	var all []*kgo.Record
	for i := range records {
		all = append(all, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(i))})
	}
	r.check(r.client.ProduceSync(r.Context(), all...).FirstErr())
}

// archived ticks until the rows of a topic say that all of it is archived, and no
// tick or function complains.
func (r *roles) archived(topic string, end int64) error {
	for ticks := 1; ; ticks++ {
		answer, err := tick(r.Context(), r.stack)
		if err != nil {
			return err
		}
		if strings.Contains(answer.text, "AccessDenied") {
			return fmt.Errorf("the tick says %s", answer.text)
		}
		row, err := r.row(r.Context(), topic)
		if err != nil {
			return err
		}
		if row.NextOffset == end && row.Records == end && row.Error == "" {
			return nil
		}
		if ticks == probeTicks {
			return fmt.Errorf("not archived: row %+v, tick %s", row, answer.text)
		}
		if err := pause(r.Context()); err != nil {
			return err
		}
	}
}

func (r *roles) row(ctx context.Context, topic string) (row progressRow, err error) {
	out, err := dynamodb.NewFromConfig(r.stack.AWS.Config()).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(r.stack.Outputs["ProgressTable"]), ConsistentRead: aws.Bool(true),
		Key: progressKey(topic),
	})
	if err != nil {
		return row, err
	}
	return row, attributevalue.UnmarshalMap(out.Item, &row)
}

// unfinishedUpload leaves what a worker leaves that dies as it writes.
func (r *roles) unfinishedUpload(topic string) {
	r.Helper()
	key := fmt.Sprintf("%s/%s/partition=0/%020d.baldr.gz", r.stack.Group, topic, 1_000_000)
	_, err := s3.NewFromConfig(r.stack.AWS.Config()).CreateMultipartUpload(r.Context(), &s3.CreateMultipartUploadInput{
		Bucket: aws.String(r.stack.Outputs["Bucket"]), Key: aws.String(key),
	})
	r.check(err)
}

// forget removes the rows of a topic's ranges, and its progress too if asked.
func (r *roles) forget(topic string, progress bool) {
	r.Helper()
	client, table := dynamodb.NewFromConfig(r.stack.AWS.Config()), aws.String(r.stack.Outputs["ObjectsTable"])
	out, err := client.Scan(r.Context(), &dynamodb.ScanInput{TableName: table, ConsistentRead: aws.Bool(true)})
	r.check(err)
	for _, item := range out.Items {
		if key, ok := item["partition_key"].(*dynamotypes.AttributeValueMemberS); !ok || key.Value != topic+"/0" {
			continue
		}
		_, err := client.DeleteItem(r.Context(), &dynamodb.DeleteItemInput{TableName: table, Key: map[string]dynamotypes.AttributeValue{
			"partition_key": item["partition_key"], "start_offset": item["start_offset"],
		}})
		r.check(err)
	}
	if progress {
		_, err := client.DeleteItem(r.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(r.stack.Outputs["ProgressTable"]), Key: progressKey(topic)})
		r.check(err)
	}
}

func progressKey(topic string) map[string]dynamotypes.AttributeValue {
	return map[string]dynamotypes.AttributeValue{
		"topic": &dynamotypes.AttributeValueMemberS{Value: topic}, "partition": &dynamotypes.AttributeValueMemberN{Value: "0"},
	}
}
