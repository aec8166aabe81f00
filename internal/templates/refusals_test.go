package templates

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	secretARN  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:kafka-Ab12Cd"
	clusterARN = "arn:aws:kafka:eu-central-1:123456789012:cluster/orders/0a1b-2"
)

// What would fail in the middle of a first deployment, when there is a data stack
// that would be left behind, is refused before.
func TestRefusedBeforeThereIsData(t *testing.T) {
	t.Parallel()
	for _, parameters := range []string{
		"SecurityProtocol=SASL_SSL",
		"SecurityProtocol=SASL_PLAINTEXT",
		"SaslMechanism=PLAIN KafkaSecretArn=" + secretARN,
		"SecurityProtocol=SSL SaslMechanism=PLAIN KafkaSecretArn=" + secretARN,
		"SecurityProtocol=SASL_SSL SaslMechanism=SCRAM-SHA-512",
		"SecurityProtocol=SASL_PLAINTEXT SaslMechanism=AWS_MSK_IAM MskClusterArn=" + clusterARN,
		"SecurityProtocol=SASL_SSL SaslMechanism=AWS_MSK_IAM",
		"Brokers=b-1:9092,b-2:9092,b-3",
		"Brokers=b-1:9092, b-2:9092",
		"SubnetIds=subnet-0a",
		"SecurityGroupIds=sg-0a",
		"SubnetIds=subnet-0a,subnet-0b",
		"SubnetIds=vpc-0a SecurityGroupIds=sg-0a",
		"SubnetIds=subnet-0a SecurityGroupIds=default",
		"ArchiveMemory=3009", // Lambda refuses it in a new account
		"DiscoverMemory=10240",
		"JobExportBucket=my-lake JobExportPrefix=bifrost", // the group by default
		"JobExportBucket=my-lake Group=lake",
		"JobExportBucket=lake JobExportPrefix=bifrost/exports",
		"JobExportBucket=s3://lake",
		"JobExportBucket=lake JobExportPrefix=",
		"JobExportKeyArn=alias/lake",
		"TransitionClass=STANDARD_IA TransitionDays=1",
		"TransitionClass=STANDARD_IA TransitionDays=07",
		"TransitionClass=STANDARD_IA TransitionDays=29",
		"KmsKeyArn=arn:aws-cn:kms:cn-north-1:123456789012:key/a",
		"MskClusterArn=arn:aws-iso:kafka:us-iso-east-1:123456789012:cluster/a/b",
		"AthenaExports=s3://my-lake/kafka",
		"AthenaResults=s3://my-lake/athena",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/kafka",
		"AthenaExports=s3://my-lake/kafka/ AthenaResults=s3://my-lake/athena",
		"AthenaExports=my-lake/kafka AthenaResults=s3://my-lake/athena",
		"AthenaExports=s3://my-lake/${topic} AthenaResults=s3://my-lake/athena",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/athena AthenaDatabase=my-lake",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/athena AthenaDates=2026-01-01",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/athena AthenaDates=2026/01/01,NOW",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/athena AthenaDates=NOW-3YEARS,NOW+",
		"PermissionsBoundary=developers",
		"PermissionsBoundary=arn:aws:iam::123456789012:role/developers",
		"PermissionsBoundary=arn:aws-cn:iam::123456789012:policy/developers",
		"Brokers=" + strings.Repeat("b-1.example.com:9092,", 100) + "b-1:9092",
		"IncludeTopics=" + strings.Repeat("topic,", 200) + "topic",
		"TopicOverrides=" + strings.Repeat("a:max_age_seconds=1;", 100) + "b:max_age_seconds=1",
	} {
		if s := deployed(t, strings.Fields(parameters)...); len(s.refusals()) == 0 {
			t.Errorf("%.80s: nothing is refused", parameters)
		}
	}
	for _, parameters := range []string{
		"",
		"Brokers=b-1:9092,b-2:9092,b-3:9092,b-4:9092",
		"SecurityProtocol=SSL",
		"SecurityProtocol=SASL_PLAINTEXT SaslMechanism=SCRAM-SHA-256 KafkaSecretArn=" + secretARN,
		"SecurityProtocol=SASL_SSL SaslMechanism=PLAIN KafkaSecretArn=" + secretARN,
		"SecurityProtocol=SASL_SSL SaslMechanism=AWS_MSK_IAM MskClusterArn=" + clusterARN,
		"SubnetIds=subnet-0a,subnet-0b SecurityGroupIds=sg-0a",
		"ArchiveMemory=3008 DiscoverMemory=3008",
		"JobExportBucket=my-lake JobExportPrefix=kafka",
		"JobExportBucket=my-lake",
		"Group=lake",
		"TransitionClass=STANDARD_IA TransitionDays=0",
		"TransitionClass=STANDARD_IA TransitionDays=30",
		"TransitionClass=GLACIER_IR TransitionDays=1",
		"TransitionClass=INTELLIGENT_TIERING TransitionDays=7",
		"PermissionsBoundary=arn:aws:iam::123456789012:policy/teams/developers",
		"PermissionsBoundary=arn:aws-us-gov:iam::aws:policy/PowerUserAccess",
		"KmsKeyArn=arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/a",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/athena",
		"AthenaExports=s3://my-lake AthenaResults=s3://another.one/a/b=c AthenaDatabase=bifrost_2",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/athena AthenaDates=2020-01-01,2030-12-31",
		"AthenaExports=s3://my-lake/kafka AthenaResults=s3://my-lake/athena AthenaDates=NOW-3YEARS,NOW",
	} {
		if why := deployed(t, strings.Fields(parameters)...).refusals(); len(why) > 0 {
			t.Errorf("%s: %v", parameters, why)
		}
	}
}

// The longest name that the stack gives is tried before the data stack is made.
func TestNamesAreTriedBeforeThereIsData(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	resources := template.Resources("")
	before, _ := resources["Data"].Attributes["DependsOn"].([]any)
	for _, free := range []any{"DiscoverLogs", "ArchiveLogs", "JobLogs", "DeadLetters"} {
		if !slices.Contains(before, free) {
			t.Errorf("%s needs no data and may fail after it", free)
		}
	}
	if !slices.Contains(before, any("NameFits")) {
		t.Fatalf("before the data, %v tries no name", before)
	}
	name, _ := resources["NameFits"].Get("Name", "Fn::Sub").(string)
	tried, ok := strings.CutPrefix(name, "${AWS::StackName}")
	if !ok {
		t.Fatalf("before the data, the name %q is tried", name)
	}
	// All of these may have 64 characters, and the group of schedules as many.
	for _, r := range resources {
		for _, property := range []string{"FunctionName", "Name", "RoleName"} {
			given, _ := r.Get(property, "Fn::Sub").(string)
			if suffix, ours := strings.CutPrefix(given, "${AWS::StackName}"); ours && len(suffix) > len(tried) {
				t.Errorf("%s: %s is longer than what is tried", r.Name, given)
			}
		}
	}
}

// Lambda keeps 4 KB of variables for a function (AWS Lambda Developer Guide,
// "Lambda quotas"), which the parameters, however long they may be, do not exceed.
func TestVariablesFitTheirFunction(t *testing.T) {
	t.Parallel()
	const kept, margin = 4096, 6 // a variable, as JSON has it, has six characters more
	template := load(t, "template.yaml")
	variables := map[string]any{}
	for _, from := range []any{template.Get("Globals", "Function"), template.Resources("")["DiscoverFunction"].Properties} {
		more, _ := Get(from, "Environment", "Variables").(map[string]any)
		maps.Copy(variables, more)
	}
	all := 0
	for name, value := range variables {
		all += len(name) + margin + longest(t, template, value)
	}
	t.Logf("%d variables with at most %d of %d characters", len(variables), all, kept)
	if all > kept {
		t.Errorf("the variables of a function may have %d characters, Lambda takes %d: shorten a MaxLength", all, kept)
	}
}

// longest is how long the value of a variable may be.
func longest(t *testing.T, template Template, value any) int {
	t.Helper()
	if attribute, ok := Get(value, "Fn::GetAtt").([]any); ok {
		return map[string]int{"Outputs.Bucket": 63, "Outputs.ProgressTable": 255, "Outputs.ObjectsTable": 255}[attribute[1].(string)]
	}
	name, _ := Get(value, "Ref").(string)
	if name == "AWS::StackName" || name == "ArchiveFunction" {
		return 64
	}
	definition := template.Get("Parameters", name)
	if most, ok := Get(definition, "MaxLength").(int); ok {
		return most
	}
	if most := Get(definition, "MaxValue"); most != nil {
		return len(fmt.Sprint(most))
	}
	if bound := regexp.MustCompile(`\{0,(\d+)\}\$$`).FindStringSubmatch(fmt.Sprint(Get(definition, "AllowedPattern"))); bound != nil {
		var n int
		fmt.Sscan(bound[1], &n)
		return n + 1
	}
	allowed, _ := Get(definition, "AllowedValues").([]any)
	if len(allowed) == 0 {
		t.Errorf("%v may be as long as it likes: give it a MaxLength", value)
		return 0
	}
	return len(fmt.Sprint(slices.MaxFunc(allowed, func(a, b any) int { return len(fmt.Sprint(a)) - len(fmt.Sprint(b)) })))
}

// A condition is true or false for everybody. The first element of a list that is
// empty is neither.
func TestConditionsHoldWithoutParameters(t *testing.T) {
	t.Parallel()
	for _, parameters := range []string{"", "SubnetIds=subnet-0a,subnet-0b SecurityGroupIds=sg-0a"} {
		s := deployed(t, strings.Fields(parameters)...)
		conditions, _ := s.template.Get("Conditions").(map[string]any)
		for name := range conditions {
			if value := s.eval(map[string]any{"Condition": name}); name == "InVpc" && value != (parameters != "") {
				t.Errorf("with %q %s is %v", parameters, name, value)
			}
			for _, selected := range used(conditions[name], "Fn::Select") {
				if err, failed := s.eval(selected).(error); failed {
					t.Errorf("with %q %s asks for %v", parameters, name, err)
				}
			}
		}
	}
}

// used are all places at which an expression uses a function.
func used(in any, function string) (found []any) {
	switch v := in.(type) {
	case map[string]any:
		for name, argument := range v {
			if name == function {
				found = append(found, v)
			}
			found = append(found, used(argument, function)...)
		}
	case []any:
		for _, item := range v {
			found = append(found, used(item, function)...)
		}
	}
	return found
}

// Functions that only rules have are documented without a short form, and sam alone
// reads one: a template that is deployed as it is has to do without.
func TestRuleFunctionsAreWrittenOut(t *testing.T) {
	t.Parallel()
	for _, path := range everyTemplate(t) {
		text, err := os.ReadFile(root + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		if short := regexp.MustCompile(`!(Contains|EachMember\w+|RefAll|ValueOf\w*)\b`).Find(text); short != nil {
			t.Errorf("%s has the short form %s", path, short)
		}
	}
}

// The processor is said once, in words and not by a parameter: the build reads the
// template, and nobody tells it what the deployment will be told.
func TestWhatIsBuiltIsWhatIsDeployed(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	if got := fmt.Sprint(template.Get("Globals", "Function", "Architectures")); got != "[arm64]" {
		t.Errorf("the processor is %s", got)
	}
	for name, f := range template.Resources("AWS::Serverless::Function") {
		if f.Get("Architectures") != nil {
			t.Errorf("%s has a processor of its own", name)
		}
	}
}

// One spelling for each name of AWS, wherever it is: "aws" and "aws-us-gov" share
// amazonaws.com, and each has its own console. China has neither.
func TestPartitions(t *testing.T) {
	t.Parallel()
	for _, path := range everyTemplate(t) {
		text := fmt.Sprint(load(t, path).root)
		if strings.Contains(text, "AWS::URLSuffix") || strings.Contains(text, "arn:aws:") {
			t.Errorf("%s spells names of AWS in two ways", path)
		}
		if strings.Contains(text, "arn:aws[a-z-]*") {
			t.Errorf("%s takes ARNs of partitions that do not work", path)
		}
	}
	template := load(t, "template.yaml")
	consoles := map[string]any{
		"aws":        map[string]any{"Console": "console.aws.amazon.com"},
		"aws-us-gov": map[string]any{"Console": "console.amazonaws-us-gov.com"},
	}
	if got := template.Get("Mappings", "Partitions"); fmt.Sprint(got) != fmt.Sprint(consoles) {
		t.Errorf("partitions %v", got)
	}
	outputs, _ := template.Get("Outputs").(map[string]any)
	found := 0
	for name, output := range outputs {
		if !strings.HasSuffix(name, "Console") {
			continue
		}
		found++
		link, _ := Get(output, "Value", "Fn::Sub").([]any)
		if len(link) != 2 || !strings.HasPrefix(fmt.Sprint(link[0]), "https://${Console}/") || len(used(link[1], "Fn::FindInMap")) != 1 {
			t.Errorf("%s leads to %v", name, Get(output, "Value"))
		}
	}
	if found != 4 {
		t.Errorf("%d links to the console", found)
	}
}
