package templates

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/config"
)

// parameterOf is the parameter that sets a variable: the same words, in the other
// spelling, but for these.
func parameterOf(variable string) any {
	switch variable {
	case "BIFROST_KAFKA_SECRET":
		return ref("KafkaSecretArn")
	case "BIFROST_ARCHIVE_TIMEOUT_SECONDS":
		return ref("ArchiveTimeout")
	case "BIFROST_STACK":
		return ref("AWS::StackName")
	case "BIFROST_ARCHIVE_FUNCTION":
		return ref("ArchiveFunction")
	case "BIFROST_BUCKET", "BIFROST_PROGRESS_TABLE", "BIFROST_OBJECTS_TABLE":
		return map[string]any{"Fn::GetAtt": []any{"Data", "Outputs." + camel(variable)}}
	}
	return ref(camel(variable))
}

// camel writes BIFROST_MAX_IN_FLIGHT as MaxInFlight.
func camel(variable string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(strings.TrimPrefix(variable, "BIFROST_"), "_") {
		name.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return name.String()
}

// Each variable is set from the parameter, the resource or the output that it is
// named after, and a nested stack's parameter from the one of the same name.
func TestEveryVariableComesFromItsParameter(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	set := map[string]any{}
	for _, from := range []any{template.Get("Globals", "Function"), template.Resources("")["DiscoverFunction"].Properties} {
		variables, _ := Get(from, "Environment", "Variables").(map[string]any)
		maps.Copy(set, variables)
	}
	for _, v := range config.Variables {
		if want := parameterOf(v.Name); !reflect.DeepEqual(set[v.Name], want) {
			t.Errorf("%s is set from %v, want %v", v.Name, set[v.Name], want)
		}
	}
	other := map[string]any{
		"Name": ref("AWS::StackName"), "DeadLetters": map[string]any{"Fn::GetAtt": []any{"DeadLetters", "QueueName"}},
		"JobFunction": map[string]any{"Fn::GetAtt": []any{"JobFunction", "Arn"}}, "JobMachine": map[string]any{"Fn::GetAtt": []any{"Jobs", "Outputs.Machine"}},
		"BucketArn": map[string]any{"Fn::GetAtt": []any{"Data", "Outputs.BucketArn"}},
	}
	for name, stack := range template.Resources("AWS::CloudFormation::Stack") {
		given, _ := stack.Get("Parameters").(map[string]any)
		for parameter, value := range given {
			want, ok := other[parameter]
			if !ok {
				want = ref(parameter)
			}
			if !reflect.DeepEqual(value, want) {
				t.Errorf("%s: %s is given %v, want %v", name, parameter, value, want)
			}
		}
	}
	outputs, _ := load(t, "infra/data.yaml").Get("Outputs").(map[string]any)
	for output, resource := range map[string]string{
		"ProgressTable": "ProgressTable", "ObjectsTable": "ObjectsTable", "ProgressTableArn": "ProgressTable", "ObjectsTableArn": "ObjectsTable",
	} {
		if value := fmt.Sprint(Get(outputs[output], "Value")); !strings.Contains(value, resource) {
			t.Errorf("the output %s is %s", output, value)
		}
	}
}

// Globals reach every function only as long as none sets a variable of its own.
func TestOnlyDiscoverHasAVariableOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, f := range load(t, "template.yaml").Resources("AWS::Serverless::Function") {
		want := map[string]any{"DiscoverFunction": map[string]any{"BIFROST_ARCHIVE_FUNCTION": ref("ArchiveFunction")}}[name]
		if got := f.Get("Environment", "Variables"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s sets %v, want %v", name, got, want)
		}
	}
}

// A stack that is deployed as it is does what the program does as it is, and refuses
// what the program would refuse.
func TestParametersAreThoseOfTheVariables(t *testing.T) {
	t.Parallel()
	template := load(t, "template.yaml")
	bounds := regexp.MustCompile(`^(\d+) to (\d+)$`)
	words := regexp.MustCompile("`([^`]+)`")
	for _, v := range config.Variables {
		parameter, ok := Get(parameterOf(v.Name), "Ref").(string)
		declared, _ := template.Get("Parameters", parameter).(map[string]any)
		if !ok || declared == nil {
			continue // an output or a resource
		}
		byDefault := map[string]string{"BIFROST_GROUP": "bifrost"}[v.Name] // which a program has to be told
		if v.Default != "" {
			byDefault = v.Default
		}
		if got, set := declared["Default"]; set && fmt.Sprint(got) != byDefault {
			t.Errorf("%s is %v by default, %s %q", parameter, got, v.Name, byDefault)
		}
		if limits := bounds.FindStringSubmatch(v.Allowed); limits != nil {
			least := map[string]string{"ArchiveTimeout": "60"}[parameter] // less is for tests
			if least == "" {
				least = limits[1]
			}
			if fmt.Sprint(declared["MinValue"]) != least || fmt.Sprint(declared["MaxValue"]) != limits[2] {
				t.Errorf("%s is %v to %v, %s %s", parameter, declared["MinValue"], declared["MaxValue"], v.Name, v.Allowed)
			}
		}
		if allowed, ok := declared["AllowedValues"].([]any); ok {
			var told, known []string
			for _, value := range allowed {
				if value != "" {
					told = append(told, fmt.Sprint(value))
				}
			}
			for _, word := range words.FindAllStringSubmatch(v.Allowed, -1) {
				known = append(known, word[1])
			}
			if !slices.Equal(told, known) {
				t.Errorf("%s is one of %q, %s one of %q", parameter, told, v.Name, known)
			}
		}
	}
}

// numbersIn lists the numbers of a part of a template by where they stand.
func numbersIn(at string, part any, into map[string]string) {
	switch v := part.(type) {
	case map[string]any:
		for name, inner := range v {
			numbersIn(at+"."+name, inner, into)
		}
	case []any:
		for i, inner := range v {
			numbersIn(fmt.Sprintf("%s.%d", at, i), inner, into)
		}
	case int, float64:
		into[at] = fmt.Sprint(v)
	}
}

// Every number of the templates stands here once more, with what it rests on where
// that is not the parameter itself. What tests elsewhere compare with the code is
// left out: parameters of variables.
func TestNumbers(t *testing.T) {
	t.Parallel()
	variables := map[string]bool{}
	for _, v := range config.Variables {
		parameter, _ := Get(parameterOf(v.Name), "Ref").(string)
		variables[parameter] = true
	}
	for path, expected := range map[string]map[string]string{
		"template.yaml": {
			// One processor of Lambda has 1,769 MB; the planner's memory is measured in docs/scale.md.
			"Parameters.ArchiveMemory": "Default 1769 MaxValue 3008 MinValue 512", "Parameters.DiscoverMemory": "Default 512 MaxValue 3008 MinValue 512",
			"Parameters.DeadLettersAllowed": "Default 5 MaxValue 100000 MinValue 0", "Parameters.LogRetentionDays": "Default 30",
			"Parameters.ObjectLockDays": "Default 30 MaxValue 36500 MinValue 1", "Parameters.ReservedConcurrency": "Default 0 MaxValue 1000 MinValue 0",
			"Parameters.CaptureDays": "Default 90 MaxValue 36500 MinValue 0",
			// A Distributed Map has at most 10,000 children at once (AWS Step Functions Developer Guide, quotas).
			"Parameters.JobWorkers": "Default 50 MaxValue 10000 MinValue 1", "Parameters.JobBytesPerSecond": "Default 0 MaxValue 1000000000000 MinValue 0",
			"Parameters.JobMemory":       "Default 1769 MaxValue 3008 MinValue 512",
			"Parameters.JobExportPrefix": "MaxLength 100",
			"Parameters.TransitionDays":  "Default 0 MaxValue 36500 MinValue 0",
			// The ledger is what repeats; an event that is older than a tick is worth nothing.
			"Resources.ArchiveFunction.Properties.EventInvokeConfig":  "MaximumEventAgeInSeconds 60 MaximumRetryAttempts 0",
			"Resources.DiscoverFunction.Properties.EventInvokeConfig": "MaximumEventAgeInSeconds 60 MaximumRetryAttempts 0",
			"Resources.Schedule.Properties.Target.RetryPolicy":        "MaximumEventAgeInSeconds 60 MaximumRetryAttempts 0",
			"Resources.DiscoverFunction.Properties":                   "Timeout 300",
			"Resources.JobFunction.Properties.EventInvokeConfig":      "MaximumEventAgeInSeconds 60 MaximumRetryAttempts 0",
			"Resources.JobFunction.Properties":                        "Timeout 900",                    // the longest
			"Resources.DeadLetters.Properties":                        "MessageRetentionPeriod 1209600", // two weeks, the longest
		},
		"infra/data.yaml": {
			"Parameters.ObjectLockDays": "Default 30", "Parameters.TransitionDays": "Default 0", "Parameters.CaptureDays": "Default 90",
			"Resources.Bucket.Properties.LifecycleConfiguration.Rules.4.Fn::If.1.NoncurrentVersionExpiration": "NoncurrentDays 30",
			"Resources.Bucket.Properties.LifecycleConfiguration.Rules.0.AbortIncompleteMultipartUpload":       "DaysAfterInitiation 7",
			"Resources.Bucket.Properties.LifecycleConfiguration.Rules.2.Fn::If.1.NoncurrentVersionExpiration": "NoncurrentDays 30",
		},
		"infra/observability.yaml": {
			"Resources.DiscoverFails.Properties":     "EvaluationPeriods 1 Period 900 Threshold 0.5",
			"Resources.JobsFail.Properties":          "EvaluationPeriods 1 Period 300 Threshold 0",
			"Resources.NearToLoss.Properties":        "EvaluationPeriods 1 Period 300",
			"Resources.NoTicks.Properties":           "EvaluationPeriods 1 Threshold 1",
			"Resources.NothingArchived.Properties":   "EvaluationPeriods 1",
			"Resources.PartitionBlocked.Properties":  "EvaluationPeriods 1 Period 300 Threshold 0",
			"Resources.PartitionDiverged.Properties": "EvaluationPeriods 1 Period 300 Threshold 0",
			"Resources.RecordsLost.Properties":       "EvaluationPeriods 1 Period 300 Threshold 0",
			"Resources.NothingCaptured.Properties":   "EvaluationPeriods 1 Period 7200 Threshold 1",
			"Resources.RunsFail.Properties":          "EvaluationPeriods 1 Period 900",
		},
		"infra/network.yaml": {
			"Resources.BrokersLetFunctionsIn.Properties.FromPort.Fn::Select": "0 0", "Resources.BrokersLetFunctionsIn.Properties.ToPort.Fn::Select": "0 1",
			"Resources.FunctionGroup.Properties.SecurityGroupEgress.0.FromPort.Fn::Select": "0 0",
			"Resources.FunctionGroup.Properties.SecurityGroupEgress.0.ToPort.Fn::Select":   "0 1",
			"Resources.FunctionGroup.Properties.SecurityGroupEgress.1":                     "FromPort 443 ToPort 443",
			"Resources.EndpointGroup.Properties.SecurityGroupIngress.0":                    "FromPort 443 ToPort 443",
		},
	} {
		numbers, found := map[string]string{}, map[string]string{}
		for _, section := range []string{"Parameters", "Globals", "Resources"} {
			numbersIn(section, load(t, path).Get(section), numbers)
		}
		for _, at := range slices.Sorted(maps.Keys(numbers)) {
			place, name := at[:strings.LastIndex(at, ".")], at[strings.LastIndex(at, ".")+1:]
			if strings.HasSuffix(place, "AllowedValues") || variables[strings.TrimPrefix(place, "Parameters.")] {
				continue
			}
			found[place] = strings.TrimSpace(found[place] + " " + name + " " + numbers[at])
		}
		for place := range found {
			if found[place] != expected[place] {
				t.Errorf("%s: %s is %q, want %q", path, place, found[place], expected[place])
			}
			delete(expected, place)
		}
		for place, want := range expected {
			t.Errorf("%s: %s is nothing, want %q", path, place, want)
		}
	}
}

// What is not a number and yet decides one.
func TestLimitsComeFromTheirParameters(t *testing.T) {
	t.Parallel()
	template, alarms := load(t, "template.yaml"), load(t, observability)
	resources := template.Resources("")
	for parameter, places := range map[string][][]string{
		"ArchiveTimeout":   {{"ArchiveFunction", "Timeout"}},
		"ArchiveMemory":    {{"ArchiveFunction", "MemorySize"}},
		"DiscoverMemory":   {{"DiscoverFunction", "MemorySize"}},
		"JobMemory":        {{"JobFunction", "MemorySize"}},
		"LogRetentionDays": {{"DiscoverLogs", "RetentionInDays"}, {"ArchiveLogs", "RetentionInDays"}, {"JobLogs", "RetentionInDays"}},
		"ScheduleRate":     {{"Schedule", "ScheduleExpression"}},
		"ScheduleState":    {{"Schedule", "State"}},
		"DiscoverLogs":     {{"DiscoverFunction", "LoggingConfig", "LogGroup"}},
		"ArchiveLogs":      {{"ArchiveFunction", "LoggingConfig", "LogGroup"}},
		"JobLogs":          {{"JobFunction", "LoggingConfig", "LogGroup"}},
	} {
		for _, place := range places {
			want(t, resources[place[0]], ref(parameter), place[1:]...)
		}
	}
	arn := func(resource string) map[string]any { return map[string]any{"Fn::GetAtt": []any{resource, "Arn"}} }
	want(t, resources["Schedule"], arn("DiscoverFunction"), "Target", "Arn")
	want(t, resources["Schedule"], arn("ScheduleRole"), "Target", "RoleArn")
	want(t, resources["Schedule"], "{}", "Target", "Input")
	want(t, resources["DiscoverFunction"], arn("DiscoverRole"), "Role")
	want(t, resources["ArchiveFunction"], arn("ArchiveRole"), "Role")
	want(t, resources["JobFunction"], arn("JobRole"), "Role")
	want(t, resources["JobFunction"], "functions/job", "CodeUri")
	want(t, resources["DiscoverFunction"], "functions/discover", "CodeUri")
	want(t, resources["ArchiveFunction"], "functions/archive", "CodeUri")
	if got := fmt.Sprintf("%v %v", template.Get("Globals", "Function", "Runtime"), template.Get("Globals", "Function", "Handler")); got != "provided.al2023 bootstrap" {
		t.Errorf("functions run as %s", got)
	}
	indexes, _ := load(t, "infra/data.yaml").Resources("")["ObjectsTable"].Get("GlobalSecondaryIndexes").([]any)
	if len(indexes) != 1 || Get(indexes[0], "IndexName") != "open" || Get(indexes[0], "Projection", "ProjectionType") != "ALL" {
		t.Errorf("indexes %v, want one that holds whole rows", indexes)
	}
	for _, name := range []string{"NothingArchived", "NoTicks"} {
		want(t, alarms.Resources("")[name], ref("StalledSeconds"), "Period")
	}
	if got := template.Get("Parameters", "ScheduleRate", "Default"); got != "rate(1 minute)" {
		t.Errorf("ticks at %v", got)
	}
	if got := template.Get("Parameters", "ScheduleState", "Default"); got != "ENABLED" {
		t.Errorf("a new stack is %v", got)
	}
}

// Each condition is about the parameter that it is named after.
func TestConditions(t *testing.T) {
	t.Parallel()
	not := func(a, b any) any {
		return map[string]any{"Fn::Not": []any{map[string]any{"Fn::Equals": []any{a, b}}}}
	}
	equals := func(a, b any) any { return map[string]any{"Fn::Equals": []any{a, b}} }
	under := map[string]string{"NoTicks": "Runs", "KeyPolicy": "HasKey", "Athena": "HasAthena"}
	for _, path := range []string{"template.yaml", observability} {
		for name, r := range load(t, path).Resources("") {
			if got, _ := r.Attributes["Condition"].(string); got != under[name] {
				t.Errorf("%s is made under %q, want %q", name, got, under[name])
			}
		}
	}
	for path, expected := range map[string]map[string]any{
		"template.yaml": {
			"ReservesConcurrency": not(ref("ReservedConcurrency"), 0), "HasKafkaSecret": not(ref("KafkaSecretArn"), ""), "HasKafkaSecretKey": not(ref("KafkaSecretKeyArn"), ""),
			"HasMskCluster": not(ref("MskClusterArn"), ""), "HasKey": not(ref("KmsKeyArn"), ""),
			"Captures": not(ref("CaptureMinutes"), 0), "CapturesMsk": map[string]any{"Fn::And": []any{map[string]any{"Condition": "Captures"}, map[string]any{"Condition": "HasMskCluster"}}},
			"HasJobSecrets": not(map[string]any{"Fn::Join": []any{"", ref("JobSecretArns")}}, ""),
			"HasJobSecretKeys": map[string]any{"Fn::And": []any{map[string]any{"Condition": "HasJobSecrets"},
				not(map[string]any{"Fn::Join": []any{"", ref("JobSecretKeyArns")}}, "")}},
			"HasJobMskCluster":   not(ref("JobMskClusterArn"), ""),
			"HasJobExportBucket": not(ref("JobExportBucket"), ""),
			"HasJobExportKey":    map[string]any{"Fn::And": []any{map[string]any{"Condition": "HasJobExportBucket"}, not(ref("JobExportKeyArn"), "")}},
			"HasAthena":          not(ref("AthenaExports"), ""),
			"IsBounded":          not(ref("PermissionsBoundary"), ""),
			"InVpc":              not(map[string]any{"Fn::Join": []any{"", ref("SubnetIds")}}, ""),
		},
		"infra/data.yaml": {
			"MakesBucket": equals(ref("ExistingBucket"), ""), "HasKey": not(ref("KmsKeyArn"), ""), "Locks": not(ref("ObjectLockMode"), "NONE"),
			"CapturesExpire": not(ref("CaptureDays"), 0), "Moves": not(ref("TransitionDays"), 0), "Expires": not(ref("ExpirationDays"), 0),
			"MakesBucketWithKey": map[string]any{"Fn::And": []any{map[string]any{"Condition": "MakesBucket"}, map[string]any{"Condition": "HasKey"}}},
		},
		observability: {"TellsSomebody": not(ref("AlarmTopic"), ""), "Runs": equals(ref("ScheduleState"), "ENABLED")},
	} {
		found, _ := load(t, path).Get("Conditions").(map[string]any)
		if !reflect.DeepEqual(found, expected) {
			t.Errorf("%s: conditions\n%v, want\n%v", path, found, expected)
		}
	}
}

// A step of a workflow waits for its function until that has ended by itself, and a
// little longer, for the answer: one that gives up earlier counts as failed what goes on.
// It fails sooner than never, whoever the function is.
func TestStepsOutlastTheirFunctions(t *testing.T) {
	t.Parallel()
	const margin = 60
	template := load(t, "template.yaml")
	steps := 0
	for _, path := range []string{"infra/jobs.yaml", "infra/data.yaml", "infra/network.yaml", observability} {
		for name, machine := range load(t, path).Resources("AWS::StepFunctions::StateMachine") {
			text, _ := machine.Get("DefinitionString", "Fn::Sub").(string)
			var definition any
			// What is put in for a parameter is a number, or stands in a text.
			text = regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(text, "1")
			if err := json.Unmarshal([]byte(text), &definition); err != nil {
				t.Fatalf("%s: %s: %v", path, name, err)
			}
			for _, kind := range append(valuesOf(definition, "ExecutionType"), machine.Get("StateMachineType")) {
				if kind != "STANDARD" {
					t.Errorf("%s: %s has executions of type %v, which end after five minutes", path, name, kind)
				}
			}
			for at, state := range tasksOf(name, definition) {
				steps++
				limit, _ := template.Resources("")["JobFunction"].Get("Timeout").(int)
				if waits, _ := state["TimeoutSeconds"].(float64); limit != 900 || int(waits) != limit+margin {
					t.Errorf("%s: %s waits for %v s, and its function for %d: want %d more", path, at, waits, limit, margin)
				}
				if _, set := state["HeartbeatSeconds"]; set {
					t.Errorf("%s: %s waits for heartbeats that no function sends", path, at)
				}
				if retries, _ := state["Retry"].([]any); len(retries) != 2 {
					t.Errorf("%s: %s is tried again for %d reasons, want two", path, at, len(retries))
				}
				numbers := map[string]string{}
				numbersIn("", state["Retry"], numbers)
				want := map[string]string{ // the first outlast a minute without executions
					".0.IntervalSeconds": "2", ".0.MaxAttempts": "7", ".0.BackoffRate": "2", ".0.MaxDelaySeconds": "300",
					".1.IntervalSeconds": "10", ".1.MaxAttempts": "2", ".1.BackoffRate": "2", ".1.MaxDelaySeconds": "60",
				}
				if !maps.Equal(numbers, want) {
					t.Errorf("%s: %s is tried again by %v, want %v", path, at, numbers, want)
				}
			}
		}
	}
	if steps != 3 {
		t.Errorf("%d steps were looked at, want plan, work and finish", steps)
	}
}

// tasksOf finds the states that call a function, wherever in a definition they are.
func tasksOf(at string, part any) map[string]map[string]any {
	found := map[string]map[string]any{}
	switch v := part.(type) {
	case map[string]any:
		if v["Type"] == "Task" {
			found[at] = v
		}
		for name, inner := range v {
			maps.Copy(found, tasksOf(at+"."+name, inner))
		}
	case []any:
		for i, inner := range v {
			maps.Copy(found, tasksOf(fmt.Sprintf("%s.%d", at, i), inner))
		}
	}
	return found
}
