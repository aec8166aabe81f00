package templates

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// actionsOf says which actions an operation needs (AWS Service Authorization
// Reference). What is not listed fails, so that a new call has to be thought about.
var actionsOf = map[string][]string{
	"s3.PutObject":               {"s3:PutObject"},
	"s3.CreateMultipartUpload":   {"s3:PutObject"},
	"s3.UploadPart":              {"s3:PutObject"},
	"s3.CompleteMultipartUpload": {"s3:PutObject"},
	"s3.AbortMultipartUpload":    {"s3:AbortMultipartUpload"},
	"s3.ListMultipartUploads":    {"s3:ListBucketMultipartUploads"},
	"s3.ListObjectsV2":           {"s3:ListBucket"},
	// Without s3:ListBucket S3 answers "forbidden" for a key that is not there.
	"s3.GetObject":  {"s3:GetObject", "s3:ListBucket"},
	"s3.HeadObject": {"s3:GetObject", "s3:ListBucket"},
	"s3.Options":    nil, // asks nobody

	"dynamodb.GetItem":              {"dynamodb:GetItem"},
	"dynamodb.PutItem":              {"dynamodb:PutItem"},
	"dynamodb.UpdateItem":           {"dynamodb:UpdateItem"},
	"dynamodb.DeleteItem":           {"dynamodb:DeleteItem"},
	"dynamodb.Query":                {"dynamodb:Query"},
	"dynamodb.Scan":                 {"dynamodb:Scan"},
	"dynamodb.BatchGetItem":         {"dynamodb:BatchGetItem"},
	"dynamodb.TransactWriteItems":   nil, // what is in it says
	"dynamodb.Options":              nil, // asks nobody
	"dynamodb.types.Put":            {"dynamodb:PutItem"},
	"dynamodb.types.Update":         {"dynamodb:UpdateItem"},
	"dynamodb.types.Delete":         {"dynamodb:DeleteItem"},
	"dynamodb.types.ConditionCheck": {"dynamodb:ConditionCheckItem"},

	"lambda.Invoke":                 {"lambda:InvokeFunction"},
	"lambda.GetAccountSettings":     {"lambda:GetAccountSettings"},
	"secretsmanager.GetSecretValue": {"secretsmanager:GetSecretValue"},
}

// notByTheCode are actions that something else takes in the role's name.
var notByTheCode = map[string]string{
	"logs:CreateLogStream": "the runtime, for the log", "logs:PutLogEvents": "the runtime, for the log",
	"sqs:SendMessage": "Lambda, for events that failed",
	"kms:Decrypt":     "Secrets Manager, for a secret under the owner's key",
	// S3 takes these for objects under the owner's key; a part of an upload is both (Amazon S3
	// User Guide, "Using server-side encryption with AWS KMS keys").
	"kms:GenerateDataKey":                             "S3, for objects under the owner's key",
	"ec2:CreateNetworkInterface":                      "Lambda, in a VPC",
	"ec2:DescribeNetworkInterfaces":                   "Lambda, in a VPC",
	"ec2:DescribeSubnets":                             "Lambda, in a VPC",
	"ec2:DeleteNetworkInterface":                      "Lambda, in a VPC",
	"ec2:AssignPrivateIpAddresses":                    "Lambda, in a VPC",
	"ec2:UnassignPrivateIpAddresses":                  "Lambda, in a VPC",
	"kafka-cluster:Connect":                           "Amazon MSK, for what the Kafka client asks",
	"kafka-cluster:DescribeTopic":                     "Amazon MSK, for what the Kafka client asks",
	"kafka-cluster:DescribeTopicDynamicConfiguration": "Amazon MSK, for what the Kafka client asks",
	"kafka-cluster:ReadData":                          "Amazon MSK, for what the Kafka client asks",
	"kafka-cluster:AlterGroup":                        "nobody; Amazon MSK wants it beside ReadData",
	"kafka-cluster:DescribeGroup":                     "Amazon MSK, beside AlterGroup, and for what captures ask",

	"kafka-cluster:CreateTopic":          "Amazon MSK, for topics that a job makes",
	"kafka-cluster:WriteData":            "Amazon MSK, for what a job writes",
	"kafka-cluster:DeleteTopic":          "Amazon MSK, for a topic that a job has made and may not write",
	"kafka-cluster:AlterTransactionalId": "Amazon MSK, for the producers of replays",
	"kafka-cluster:AlterCluster":         "Amazon MSK, for ACLs that a restore adds",

	"kafka-cluster:DescribeCluster":                     "Amazon MSK, for what the Kafka client asks",
	"kafka-cluster:DescribeClusterDynamicConfiguration": "Amazon MSK, for what the Kafka client asks",
	"kafka-cluster:DescribeTransactionalId":             "Amazon MSK, for what captures ask, and for producers of replays",
}

// writesKafka are actions that change a cluster.
var writesKafka = []string{"kafka-cluster:CreateTopic", "kafka-cluster:WriteData", "kafka-cluster:DeleteTopic",
	"kafka-cluster:AlterTransactionalId", "kafka-cluster:AlterCluster"}

// TestRolesGrantWhatTheCodeCalls compares each role with the source of its
// function, both ways.
func TestRolesGrantWhatTheCodeCalls(t *testing.T) {
	t.Parallel()
	for role, path := range map[string]string{"DiscoverRole": "functions/discover", "ArchiveRole": "functions/archive", "JobRole": "functions/job"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			needed := map[string][]string{}
			for operation := range loadProgram(t, path).calls() {
				actions, known := actionsOf[operation]
				if !known && !strings.Contains(operation, ".types.") {
					t.Errorf("%s calls %s, of which this test does not know what it needs", path, operation)
				}
				for _, action := range actions {
					needed[action] = append(needed[action], operation)
				}
			}
			granted := actionsGranted(statements(t, role))
			for action, operations := range needed {
				if !granted[action] {
					t.Errorf("%s may not do %s, which the code needs for %v", role, action, operations)
				}
			}
			for action := range granted {
				if needed[action] == nil && notByTheCode[action] == "" {
					t.Errorf("%s may do %s, which the code never does", role, action)
				}
			}
			t.Logf("%d actions: %v", len(needed), slices.Sorted(maps.Keys(needed)))
		})
	}
}

// What nobody may do, whatever the code calls.
func TestRolesKeepTheirHandsOff(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"DiscoverRole", "ArchiveRole", "JobRole", "ScheduleRole"} {
		for _, s := range statements(t, role) {
			for _, action := range s.actions {
				if strings.Contains(action, "*") {
					t.Errorf("%s, %s: action %s has a wildcard", role, s.sid, action)
				}
				if role == "JobRole" && strings.HasPrefix(action, "dynamodb:") && !slices.Contains([]string{"dynamodb:Scan", "dynamodb:Query", "dynamodb:GetItem"}, action) {
					t.Errorf("JobRole, %s: %s: a job must not write a row", s.sid, action)
				}
				if role == "JobRole" && strings.HasPrefix(action, "s3:") && !slices.Contains([]string{"s3:GetObject", "s3:ListBucket", "s3:PutObject"}, action) &&
					!(s.sid == "WriteExports" && action == "s3:AbortMultipartUpload") {
					t.Errorf("JobRole, %s: %s: a job reads the bucket and writes files of jobs and of exports", s.sid, action)
				}
				if role == "ArchiveRole" && strings.Contains(action, "Delete") && action != "ec2:DeleteNetworkInterface" {
					t.Errorf("%s, %s: %s: archive must not delete", role, s.sid, action)
				}
				if role != "JobRole" && slices.Contains(writesKafka, action) {
					t.Errorf("%s, %s: %s: only a job writes into Kafka", role, s.sid, action)
				}
				if strings.HasPrefix(action, "s3:Delete") || strings.HasPrefix(action, "s3:Bypass") || strings.HasPrefix(action, "s3:PutBucket") {
					t.Errorf("%s, %s: %s: nobody deletes objects or changes the bucket", role, s.sid, action)
				}
			}
			if s.resource == "*" && s.sid != "JoinNetwork" && s.sid != "SeeLimitsOfTheAccount" {
				t.Errorf("%s, %s is about every resource", role, s.sid)
			}
			checkNarrow(t, role, s)
		}
	}
}

// checkNarrow looks at the resources of statements that matter most: what is
// written to the bucket, and which secrets are read.
func checkNarrow(t *testing.T, role string, s statement) {
	t.Helper()
	resource, _ := s.resource.(map[string]any)
	switch {
	case slices.Contains(s.actions, "s3:PutObject"):
		want := map[string]string{
			"DiscoverRole ClaimTopics":   "${Data.Outputs.BucketArn}/${Group}/*/_bifrost.json",
			"DiscoverRole WriteCaptures": "${Data.Outputs.BucketArn}/" + capture.CapturesPrefix("${Group}") + "*",
			"JobRole WriteJobs":          "${Data.Outputs.BucketArn}/" + bifrost.JobsPrefix("${Group}") + "*",
			"JobRole WriteExports":       "arn:${AWS::Partition}:s3:::${JobExportBucket}/${JobExportPrefix}/*",
			"ArchiveRole WriteObjects":   "${Data.Outputs.BucketArn}/${Group}/*/partition=*/*.baldr.gz",
		}[role+" "+s.sid]
		if resource["Fn::Sub"] != want {
			t.Errorf("%s, %s: writes to %v, want only %s", role, s.sid, s.resource, want)
		}
	case slices.Contains(s.actions, "secretsmanager:GetSecretValue"):
		want := "KafkaSecretArn"
		if role == "JobRole" {
			want = "JobSecretArns"
		}
		if resource["Ref"] != want {
			t.Errorf("%s, %s: reads %v, want only %s", role, s.sid, s.resource, want)
		}
	case slices.Contains(s.actions, "kafka-cluster:AlterTransactionalId"):
		if producers, _ := resource["Fn::Sub"].([]any); len(producers) != 2 || producers[0] != "${Producers}/bifrost-replay-*" {
			t.Errorf("%s, %s: may be the producers %v, want only those of replays", role, s.sid, s.resource)
		}
	case strings.HasPrefix(s.actions[0], "kafka-cluster:") && role == "JobRole":
		if text := fmt.Sprint(s.resource); !strings.Contains(text, "JobMskClusterArn") {
			t.Errorf("%s, %s: is about %s, want only the cluster of JobMskClusterArn", role, s.sid, text)
		}
	case slices.Contains(s.actions, "kafka-cluster:AlterGroup"):
		if group, _ := resource["Fn::Sub"].([]any); len(group) != 2 || group[0] != "${Groups}/${AWS::StackName}" {
			t.Errorf("%s, %s: may join %v, want only a group that nobody joins", role, s.sid, s.resource)
		}
	case slices.Contains(s.actions, "dynamodb:DeleteItem"):
		if role != "DiscoverRole" || !slices.Equal(resource["Fn::GetAtt"].([]any), []any{"Data", "Outputs.ProgressTableArn"}) {
			t.Errorf("%s, %s: deletes rows of %v, want only discover of progress", role, s.sid, s.resource)
		}
	}
}

// The bucket that jobs export into is somebody else's, so the role itself refuses to replace
// what is there: for every key, with the condition of the archive's own bucket.
func TestJobsOverwriteNoExport(t *testing.T) {
	t.Parallel()
	archive := map[string]any{}
	list, _ := load(t, "infra/data.yaml").Resources("")["BucketPolicy"].Get("PolicyDocument", "Statement").([]any)
	for _, s := range list {
		if Get(s, "Sid") == "RefuseOverwrites" {
			archive, _ = Get(s, "Condition").(map[string]any)
		}
	}
	policies, _ := load(t, "template.yaml").Resources("AWS::IAM::Role")["JobRole"].Get("Policies").([]any)
	found := 0
	for _, policy := range policies {
		statements, _ := Get(policy, "PolicyDocument", "Statement").([]any)
		for _, s := range statements {
			choice, conditional := Get(s, "Fn::If").([]any)
			if !conditional || Get(choice[1], "Effect") != "Deny" || Get(choice[1], "Sid") == "KeepCodeOffTheNetwork" {
				continue
			}
			found++
			refusal := choice[1]
			if choice[0] != "HasJobExportBucket" || !slices.Equal(texts(Get(refusal, "Action")), []string{"s3:PutObject"}) ||
				Get(refusal, "Resource", "Fn::Sub") != "arn:${AWS::Partition}:s3:::${JobExportBucket}/*" {
				t.Errorf("under %v: %v", choice[0], refusal)
			}
			if condition := Get(refusal, "Condition"); len(archive) != 2 || !reflect.DeepEqual(condition, archive) {
				t.Errorf("refuses under %v, the archive's bucket under %v", condition, archive)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d refusals", found)
	}
}

// What one policy allows to several roles, it allows to that of every function: one that is left
// out fails at its first request, and in the stacks alone that have the policy's condition.
func TestPoliciesAreOfEveryFunction(t *testing.T) {
	t.Parallel()
	template, roles, found := load(t, "template.yaml"), map[string]bool{}, 0
	for _, f := range template.Resources("AWS::Serverless::Function") {
		role, _ := f.Get("Role", "Fn::GetAtt").([]any)
		roles[fmt.Sprint(role[0])] = true
	}
	for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"} {
		for name, policy := range template.Resources(kind) {
			found++
			of := map[string]bool{}
			list, _ := policy.Get("Roles").([]any)
			for _, role := range list {
				of[fmt.Sprint(Get(role, "Ref"))] = true
			}
			if !maps.Equal(of, roles) || len(list) != len(of) {
				t.Errorf("%s is of %v, want the roles of all functions, %v", name, of, roles)
			}
		}
	}
	if found == 0 || len(roles) != 3 {
		t.Errorf("%d policies, roles %v", found, roles)
	}
}

// Whoever reads a statement reads its reason: the comment is on the line above, but
// for the condition that the statement depends on.
func TestEveryStatementHasItsReason(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"template.yaml", "infra/data.yaml", "infra/jobs.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		above, found := "", 0
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if line == "- !If" || condition.MatchString(line) {
				continue
			}
			if sid, ok := strings.CutPrefix(line, "- Sid: "); ok {
				found++
				if !strings.HasPrefix(above, "#") {
					t.Errorf("%s: statement %s has no reason above it", path, sid)
				}
			}
			above = line
		}
		if found == 0 {
			t.Errorf("%s has no statements", path)
		}
	}
}

// condition is the line of an If that names what it depends on.
var condition = regexp.MustCompile(`^- [A-Z][A-Za-z]+$`)

// A statement is what a role is allowed.
type statement struct {
	sid      string
	actions  []string
	resource any
}

// statements are those of a role that allow, with every condition of the
// template true.
func statements(t *testing.T, role string) []statement {
	t.Helper()
	template := load(t, "template.yaml")
	var all []statement
	policies, _ := template.Resources("AWS::IAM::Role")[role].Get("Policies").([]any)
	for _, policy := range policies {
		list, _ := Get(policy, "PolicyDocument", "Statement").([]any)
		for _, item := range list {
			if choice, ok := Get(item, "Fn::If").([]any); ok {
				item = choice[1]
			}
			if Get(item, "Effect") != "Allow" {
				continue
			}
			all = append(all, statement{Get(item, "Sid").(string), texts(Get(item, "Action")), Get(item, "Resource")})
		}
	}
	if len(all) == 0 {
		t.Fatalf("template.yaml has no role %s that may do anything", role)
	}
	return all
}

func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{v.(string)}
	}
	var all []string
	for _, item := range list {
		all = append(all, item.(string))
	}
	return all
}

func actionsGranted(all []statement) map[string]bool {
	granted := map[string]bool{}
	for _, s := range all {
		for _, action := range s.actions {
			granted[action] = true
		}
	}
	return granted
}
