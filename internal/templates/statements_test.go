package templates

import (
	"fmt"
	"go/constant"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Each statement of a role is there when what it is about is, and no other time: one that hangs on
// another condition fails in the stacks alone that have the one and not the other.
func TestStatementsComeWithWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // all others are always there
		"WriteCaptures": "Captures", "CaptureMskCluster": "CapturesMsk", "CaptureMskGroups": "CapturesMsk",
		"CaptureMskTransactions": "CapturesMsk", "ReadKafkaSecret": "HasKafkaSecret", "DecryptKafkaSecret": "HasKafkaSecretKey",
		"LogInToMsk": "HasMskCluster", "ReadMskTopics": "HasMskCluster", "HaveAGroupOnPaper": "HasMskCluster",
		"JoinNetwork": "InVpc", "KeepCodeOffTheNetwork": "InVpc",
		"ReadJobSecrets": "HasJobSecrets", "DecryptJobSecrets": "HasJobSecretKeys", "LogInToJobMsk": "HasJobMskCluster",
		"WriteJobMskTopics": "HasJobMskCluster", "BeJobMskProducers": "HasJobMskCluster", "MoveJobMskGroups": "HasJobMskCluster",
		"WriteExports": "HasJobExportBucket", "RefuseOverwrittenExports": "HasJobExportBucket", "ListExports": "HasJobExportBucket",
		"UseExportKey": "HasJobExportKey", "DecryptItems": "HasKey",
		"RefuseOtherEncryption": "MakesBucketWithKey", "RefuseOtherKeys": "MakesBucketWithKey",
	}
	met := map[string]bool{}
	for _, path := range []string{"template.yaml", "infra/jobs.yaml", "infra/data.yaml"} {
		for name, r := range load(t, path).Resources("") {
			for _, list := range valuesOf(r.Properties, "Statement") {
				for _, item := range list.([]any) {
					condition := ""
					if choice, ok := Get(item, "Fn::If").([]any); ok {
						condition, item = choice[0].(string), choice[1]
					}
					sid := fmt.Sprint(Get(item, "Sid"))
					met[sid] = true
					if condition != want[sid] {
						t.Errorf("%s: %s: %s is there under %q, want %q", path, name, sid, condition, want[sid])
					}
				}
			}
		}
	}
	for sid := range want {
		if !met[sid] {
			t.Errorf("there is no statement %s", sid)
		}
	}
}

// valuesOf are what stands under a name, wherever it is.
func valuesOf(in any, name string) (found []any) {
	switch v := in.(type) {
	case map[string]any:
		for key, inner := range v {
			if key == name {
				found = append(found, inner)
			}
			found = append(found, valuesOf(inner, name)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, valuesOf(inner, name)...)
		}
	}
	return found
}

// The roles may use the operator's key through each service that keeps something under it.
func TestTheKeyIsUsedThroughWhatItEncrypts(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, r := range load(t, "infra/data.yaml").Resources("") {
		service := strings.ToLower(strings.Split(r.Type, "::")[1])
		if text := fmt.Sprint(r.Properties); strings.Contains(text, "KmsKeyArn") && r.Type != "AWS::S3::BucketPolicy" {
			want["${AWS::Region}.amazonaws.com of "+service] = true
		}
	}
	got := map[string]bool{}
	policies := load(t, "template.yaml").Resources("AWS::IAM::Policy")
	for _, via := range valuesOf(policies["KeyPolicy"].Properties, "kms:ViaService") {
		for _, service := range via.([]any) {
			name, host, _ := strings.Cut(fmt.Sprint(Get(service, "Fn::Sub")), ".")
			got[host+" of "+name] = true
		}
	}
	if !maps.Equal(got, want) || len(want) != 2 {
		t.Errorf("the key is used through %v, and encrypts what %v keep", got, want)
	}
}

// What a policy takes for a key of the tables is the one that the code writes.
func TestPoliciesNameTheKeysOfRows(t *testing.T) {
	t.Parallel()
	var written string
	for _, p := range loadProgram(t, "functions/archive").packages {
		if strings.HasSuffix(p.Path(), "/internal/dynamoledger") {
			written = constant.StringVal(p.Scope().Lookup("invocationsKey").(*types.Const).Val())
		}
	}
	found := 0
	for _, r := range load(t, "template.yaml").Resources("AWS::IAM::Role") {
		for _, keys := range valuesOf(r.Properties, "dynamodb:LeadingKeys") {
			found++
			if !slices.Equal(texts(keys), []string{written}) {
				t.Errorf("%s may read the rows of %v, the code writes %q", r.Name, keys, written)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d policies name keys of rows", found)
	}
}

// A role that a service takes without code of ours is taken for this account alone, and may do
// no more and no less than that service does with it.
func TestRolesOfServices(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"ScheduleRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
		"MachineRole": {"kms:Decrypt", "lambda:InvokeFunction", "s3:GetObject", "states:DescribeExecution",
			"states:StartExecution", "states:StopExecution"},
	}
	found := map[string]bool{}
	for _, path := range []string{"template.yaml", "infra/jobs.yaml"} {
		for name, r := range load(t, path).Resources("AWS::IAM::Role") {
			trust := fmt.Sprint(r.Get("AssumeRolePolicyDocument"))
			if strings.Contains(trust, "lambda.amazonaws.com") {
				continue
			}
			found[name] = true
			if !strings.Contains(trust, "aws:SourceAccount:map[Ref:AWS::AccountId]") {
				t.Errorf("%s can be had for another account: %s", name, trust)
			}
			var may []string
			for _, action := range valuesOf(r.Get("Policies"), "Action") {
				may = append(may, texts(action)...)
			}
			if slices.Sort(may); !slices.Equal(may, want[name]) {
				t.Errorf("%s may %v, want %v", name, may, want[name])
			}
		}
	}
	if len(found) != len(want) {
		t.Errorf("roles %v", found)
	}
	policies := fmt.Sprint(load(t, "infra/jobs.yaml").Resources("AWS::IAM::Role")["MachineRole"].Get("Policies"))
	for _, part := range []string{
		"${BucketArn}/${Group}/~jobs/*/items.jsonl", "kms:ViaService:map[Fn::Sub:s3.${AWS::Region}.amazonaws.com]",
		":stateMachine:${Name}-job]", ":execution:${Name}-job/*]", // of the children of a Map, which have its label behind a slash
	} {
		if !strings.Contains(policies, part) {
			t.Errorf("the machine needs %s, and its policies are %s", part, policies)
		}
	}
}

// What a stack gives is what it keeps, whoever made it.
func TestOutputsOfData(t *testing.T) {
	t.Parallel()
	template := load(t, "infra/data.yaml")
	either := func(ours, theirs any) any { return map[string]any{"Fn::If": []any{"MakesBucket", ours, theirs}} }
	arn := func(of string) any { return map[string]any{"Fn::GetAtt": []any{of, "Arn"}} }
	for name, want := range map[string]any{
		"Bucket":        either(ref("Bucket"), ref("ExistingBucket")),
		"BucketArn":     either(arn("Bucket"), sub("arn:${AWS::Partition}:s3:::${ExistingBucket}")),
		"ProgressTable": ref("ProgressTable"), "ProgressTableArn": arn("ProgressTable"),
		"ObjectsTable": ref("ObjectsTable"), "ObjectsTableArn": arn("ObjectsTable"),
	} {
		if got := template.Get("Outputs", name, "Value"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// Each output leads an operator to what it is named after: names, the URL of the queue, and links that
// open the table, the objects and the log. A link to a log has the name of its group escaped twice.
func TestOutputsLeadToWhatTheyName(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	of := func(resource, attribute string) any { return map[string]any{"Fn::GetAtt": []any{resource, attribute}} }
	for name, want := range map[string]any{
		"DiscoverFunction": ref("DiscoverFunction"), "ArchiveFunction": ref("ArchiveFunction"), "JobFunction": ref("JobFunction"),
		"DeadLetters": ref("DeadLetters"), "JobMachine": of("Jobs", "Outputs.Machine"), "Bucket": of("Data", "Outputs.Bucket"),
		"ProgressTable": of("Data", "Outputs.ProgressTable"), "ObjectsTable": of("Data", "Outputs.ObjectsTable"),
	} {
		if got := template.Get("Outputs", name, "Value"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	log := fmt.Sprint(template.Resources("")["DiscoverLogs"].Get("LogGroupName", "Fn::Sub"))
	for name, end := range map[string]string{
		"ProgressConsole":  "/dynamodbv2/home?region=${AWS::Region}#item-explorer?table=${Data.Outputs.ProgressTable}",
		"ArchiveConsole":   "/s3/buckets/${Data.Outputs.Bucket}?region=${AWS::Region}&prefix=${Group}/",
		"DashboardConsole": "/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${AWS::StackName}",
		"LogConsole":       "/cloudwatch/home?region=${AWS::Region}#logsV2:log-groups/log-group/" + strings.ReplaceAll(log, "/", "$252F"),
	} {
		link, _ := template.Get("Outputs", name, "Value", "Fn::Sub").([]any)
		if len(link) != 2 || !strings.HasSuffix(fmt.Sprint(link[0]), end) {
			t.Errorf("%s leads to %v, want %s", name, link, end)
		}
	}
}

// No call of the code tells what Amazon MSK or another bucket asks of a role: these are all of it, and
// each is an error of somebody's stack when it is left out.
func TestRolesMayDoWhatNoCallTells(t *testing.T) {
	t.Parallel()
	reads := []string{"AlterGroup", "Connect", "DescribeGroup", "DescribeTopic", "DescribeTopicDynamicConfiguration", "ReadData"}
	captures := []string{"DescribeCluster", "DescribeClusterDynamicConfiguration", "DescribeTransactionalId"}
	writes := []string{"AlterCluster", "AlterTransactionalId", "CreateTopic", "DeleteTopic", "WriteData"}
	exports := []string{"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"}
	for role, want := range map[string][]string{
		"DiscoverRole": slices.Concat(reads, captures), "ArchiveRole": reads, "JobRole": slices.Concat(reads, captures, writes),
	} {
		may := map[string]bool{}
		for _, s := range statements(t, role) {
			for _, action := range s.actions {
				if name, kafka := strings.CutPrefix(action, "kafka-cluster:"); kafka {
					may[name] = true
				}
			}
			if slices.Sort(s.actions); s.sid == "WriteExports" && !slices.Equal(s.actions, exports) {
				t.Errorf("%s may %v in the bucket of exports, want %v", role, s.actions, exports)
			}
		}
		if slices.Sort(want); !slices.Equal(slices.Sorted(maps.Keys(may)), want) {
			t.Errorf("%s may %v in Amazon MSK, want %v", role, slices.Sorted(maps.Keys(may)), want)
		}
	}
}

// The code of a function has no way into the network but its own, and that is said of the function itself.
func TestRolesKeepTheirOwnFunctionOffTheNetwork(t *testing.T) {
	t.Parallel()
	resources := load(t, "template.yaml").Resources("")
	for role, function := range map[string]string{"DiscoverRole": "DiscoverFunction", "ArchiveRole": "ArchiveFunction", "JobRole": "JobFunction"} {
		name := fmt.Sprint(resources[function].Get("FunctionName", "Fn::Sub"))
		arns := valuesOf(resources[role].Properties, "lambda:SourceFunctionArn")
		if len(arns) != 1 || !strings.HasSuffix(fmt.Sprint(Get(arns[0], "Fn::Sub")), ":function:"+name) {
			t.Errorf("%s keeps %v off the network, want %s", role, arns, name)
		}
	}
}
