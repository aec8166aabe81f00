package templates

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// root is that of the module; a test of the tests gives a copy with a mistake in it.
var root = cmp.Or(os.Getenv("BIFROST_TEST_ROOT"), "../..")

func load(t *testing.T, path string) Template {
	t.Helper()
	template, err := Load(root + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// everyTemplate is the paths of all templates that may be deployed, below root.
func everyTemplate(t *testing.T) []string {
	t.Helper()
	nested, err := filepath.Glob(root + "/infra/*.yaml")
	if err != nil || len(nested) == 0 {
		t.Fatalf("templates %v, error %v", nested, err)
	}
	paths := []string{"template.yaml"}
	for _, path := range nested {
		paths = append(paths, "infra/"+filepath.Base(path))
	}
	return paths
}

func ref(name string) map[string]any { return map[string]any{"Ref": name} }

func sub(text string) map[string]any { return map[string]any{"Fn::Sub": text} }

// when is !If with nothing in the other case.
func when(condition string, v any) map[string]any {
	return map[string]any{"Fn::If": []any{condition, v, ref("AWS::NoValue")}}
}

// want compares a part of a resource.
func want(t *testing.T, r Resource, expected any, path ...string) {
	t.Helper()
	if got := r.Get(path...); !reflect.DeepEqual(got, expected) {
		t.Errorf("%s: %v is\n%v, want\n%v", r.Name, path, got, expected)
	}
}

// Nothing that holds data goes when a stack is deleted or a property changes that
// makes it anew.
func TestDataOutlivesItsStack(t *testing.T) {
	t.Parallel()
	resources := load(t, "infra/data.yaml").Resources("")
	resources["Data"] = load(t, "template.yaml").Resources("")["Data"]
	if len(resources) != 5 {
		t.Errorf("resources %v; a new one needs its place here", resources)
	}
	for name, r := range resources {
		if r.Attributes["DeletionPolicy"] != "Retain" || r.Attributes["UpdateReplacePolicy"] != "Retain" {
			t.Errorf("%s is not retained", name)
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	tables := load(t, "infra/data.yaml").Resources("AWS::DynamoDB::Table")
	if len(tables) != 2 {
		t.Errorf("tables %v", tables)
	}
	for _, table := range tables {
		want(t, table, map[string]any{"PointInTimeRecoveryEnabled": true}, "PointInTimeRecoverySpecification")
		want(t, table, map[string]any{"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": when("HasKey", ref("KmsKeyArn"))}, "SSESpecification")
		want(t, table, ref("DeletionProtection"), "DeletionProtectionEnabled")
		want(t, table, "PAY_PER_REQUEST", "BillingMode")
		// A row is the record of what was archived: none may expire.
		want(t, table, nil, "TimeToLiveSpecification")
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	bucket := load(t, "infra/data.yaml").Resources("")["Bucket"]
	if bucket.Attributes["Condition"] != "MakesBucket" {
		t.Errorf("made under %v", bucket.Attributes["Condition"])
	}
	for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		want(t, bucket, true, "PublicAccessBlockConfiguration", block)
	}
	want(t, bucket, []any{map[string]any{"ObjectOwnership": "BucketOwnerEnforced"}}, "OwnershipControls", "Rules")
	want(t, bucket, "Enabled", "VersioningConfiguration", "Status")
	want(t, bucket, []any{map[string]any{"Fn::If": []any{"HasKey",
		map[string]any{"BucketKeyEnabled": true, "ServerSideEncryptionByDefault": map[string]any{"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": ref("KmsKeyArn")}},
		map[string]any{"ServerSideEncryptionByDefault": map[string]any{"SSEAlgorithm": "AES256"}},
	}}}, "BucketEncryption", "ServerSideEncryptionConfiguration")
	want(t, bucket, when("Locks", true), "ObjectLockEnabled")
	want(t, bucket, when("Locks", map[string]any{"ObjectLockEnabled": "Enabled", "Rule": map[string]any{
		"DefaultRetention": map[string]any{"Mode": ref("ObjectLockMode"), "Days": ref("ObjectLockDays")}}}), "ObjectLockConfiguration")
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	bucket := load(t, "infra/data.yaml").Resources("")["Bucket"]
	want(t, bucket, []any{
		map[string]any{"Id": "abort-unfinished-uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": map[string]any{"DaysAfterInitiation": 7}},
		when("Moves", map[string]any{"Id": "move-old-objects", "Status": "Enabled", "Prefix": sub("${Group}/"),
			"Transitions": []any{map[string]any{"TransitionInDays": ref("TransitionDays"), "StorageClass": ref("TransitionClass")}}}),
		when("Expires", map[string]any{"Id": "delete-old-objects", "Status": "Enabled", "Prefix": sub("${Group}/"), "ObjectSizeGreaterThan": "400",
			"ExpirationInDays": ref("ExpirationDays"), "NoncurrentVersionExpiration": map[string]any{"NoncurrentDays": 30}}),
		when("Expires", map[string]any{"Id": "tidy-after-deletion", "Status": "Enabled", "Prefix": sub("${Group}/"), "ExpiredObjectDeleteMarker": true}),
		when("CapturesExpire", map[string]any{"Id": "delete-old-captures", "Status": "Enabled", "Prefix": sub("${Group}/~clusters/"),
			"ExpirationInDays": ref("CaptureDays"), "NoncurrentVersionExpiration": map[string]any{"NoncurrentDays": 30}}),
		when("CapturesExpire", map[string]any{"Id": "tidy-after-captures", "Status": "Enabled", "Prefix": sub("${Group}/~clusters/"), "ExpiredObjectDeleteMarker": true}),
	}, "LifecycleConfiguration", "Rules")
}

// What the bucket refuses, whoever asks: a Deny for everybody each.
func TestBucketPolicy(t *testing.T) {
	t.Parallel()
	policy := load(t, "infra/data.yaml").Resources("")["BucketPolicy"]
	statements, _ := policy.Get("PolicyDocument", "Statement").([]any)
	conditions := map[string]any{}
	for _, s := range statements {
		if choice, ok := Get(s, "Fn::If").([]any); ok {
			if choice[0] != "MakesBucketWithKey" {
				t.Errorf("under %v", choice[0])
			}
			s = choice[1]
		}
		if Get(s, "Effect") != "Deny" || Get(s, "Principal") != "*" {
			t.Errorf("%v is no refusal for everybody", s)
		}
		conditions[fmt.Sprint(Get(s, "Sid"))] = Get(s, "Condition")
	}
	null := func(key, value string) map[string]any { return map[string]any{key: value} }
	expected := map[string]any{
		"RefusePlainHTTP":  map[string]any{"Bool": null("aws:SecureTransport", "false")},
		"RefuseOverwrites": map[string]any{"Null": null("s3:if-none-match", "true"), "Bool": null("s3:ObjectCreationOperation", "true")},
		"RefuseOtherEncryption": map[string]any{"StringNotEquals": null("s3:x-amz-server-side-encryption", "aws:kms"),
			"Null": null("s3:x-amz-server-side-encryption", "false")},
		"RefuseOtherKeys": map[string]any{"StringNotEquals": map[string]any{"s3:x-amz-server-side-encryption-aws-kms-key-id": ref("KmsKeyArn")},
			"Null": null("s3:x-amz-server-side-encryption-aws-kms-key-id", "false")},
		"RefuseKeysOfTheWriter": map[string]any{"Null": null("s3:x-amz-server-side-encryption-customer-algorithm", "false")},
	}
	if !reflect.DeepEqual(conditions, expected) {
		t.Errorf("refuses\n%v, want\n%v", conditions, expected)
	}
}

// Each parameter of a nested stack is given, and each that is given exists.
func TestNestedStacksGetTheirParameters(t *testing.T) {
	t.Parallel()
	for name, stack := range load(t, "template.yaml").Resources("AWS::CloudFormation::Stack") {
		inner, _ := load(t, fmt.Sprint(stack.Get("TemplateURL"))).Get("Parameters").(map[string]any)
		given, _ := stack.Get("Parameters").(map[string]any)
		for parameter := range inner {
			if given[parameter] == nil {
				t.Errorf("%s: %s is not given", name, parameter)
			}
		}
		for parameter := range given {
			if inner[parameter] == nil {
				t.Errorf("%s: %s is given and not known", name, parameter)
			}
		}
	}
}

// The classes of storage answer at once: objects are read to adopt, to verify and
// to build tables anew.
func TestColderStorageAnswersAtOnce(t *testing.T) {
	t.Parallel()
	classes := []any{"STANDARD_IA", "GLACIER_IR", "INTELLIGENT_TIERING"}
	for _, path := range []string{"template.yaml", "infra/data.yaml"} {
		if got := load(t, path).Get("Parameters", "TransitionClass", "AllowedValues"); !slices.Equal(got.([]any), classes) {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// A reserved concurrency fails the deployment in a new account, which has ten
// executions in all, so there is none unless asked for; the planner holds the
// limit. Retries are the ledger's work.
func TestFunctions(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	functions := template.Resources("AWS::Serverless::Function")
	if len(functions) != 3 {
		t.Errorf("functions %v", functions)
	}
	for _, f := range functions {
		want(t, f, 0, "EventInvokeConfig", "MaximumRetryAttempts")
		want(t, f, "JSON", "LoggingConfig", "LogFormat")
		if f.Get("EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination") == nil {
			t.Errorf("%s: an event that failed goes nowhere", f.Name)
		}
	}
	want(t, functions["DiscoverFunction"], nil, "ReservedConcurrentExecutions")
	want(t, functions["JobFunction"], nil, "ReservedConcurrentExecutions") // a plan looks that its workers fit
	want(t, functions["ArchiveFunction"], when("ReservesConcurrency", ref("ReservedConcurrency")), "ReservedConcurrentExecutions")
	if byDefault := template.Get("Parameters", "ReservedConcurrency", "Default"); byDefault != 0 {
		t.Errorf("%v executions are reserved by default", byDefault)
	}
	for name, group := range template.Resources("AWS::Logs::LogGroup") {
		if group.Get("RetentionInDays") == nil {
			t.Errorf("%s is kept for ever", name)
		}
		function := fmt.Sprint(functions[strings.TrimSuffix(name, "Logs")+"Function"].Get("FunctionName", "Fn::Sub"))
		want(t, group, sub("/aws/lambda/"+function), "LogGroupName")
	}
	schedule := template.Resources("AWS::Scheduler::Schedule")["Schedule"]
	want(t, schedule, 0, "Target", "RetryPolicy", "MaximumRetryAttempts")
	want(t, schedule, ref("ScheduleState"), "State")
	want(t, schedule, nil, "ScheduleExpressionTimezone") // a rate has none
	queue := template.Resources("AWS::SQS::Queue")["DeadLetters"]
	want(t, queue, true, "SqsManagedSseEnabled")
}
