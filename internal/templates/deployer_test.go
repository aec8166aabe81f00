package templates

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// typeActions are what CloudFormation does in the deployer's name to make, change
// and delete a resource of a type, with the properties that are used here (the
// handlers' permissions in the registry of CloudFormation, and the Service
// Authorization Reference). A type that is missing has to be thought about.
var typeActions = map[string][]string{
	"AWS::CloudFormation::Stack": {"cloudformation:CreateStack", "cloudformation:UpdateStack", "cloudformation:DeleteStack", "cloudformation:DescribeStacks"},
	"AWS::S3::Bucket": {"s3:CreateBucket", "s3:PutEncryptionConfiguration", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutBucketPublicAccessBlock",
		"s3:PutBucketOwnershipControls", "s3:PutBucketObjectLockConfiguration"},
	"AWS::S3::BucketPolicy":            {"s3:PutBucketPolicy", "s3:GetBucketPolicy"},
	"AWS::DynamoDB::Table":             {"dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:UpdateContinuousBackups", "dynamodb:DescribeContinuousBackups"},
	"AWS::Serverless::Function":        {"lambda:CreateFunction", "lambda:GetFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:DeleteFunction", "lambda:PutFunctionConcurrency", "lambda:PutFunctionEventInvokeConfig", "lambda:DeleteFunctionEventInvokeConfig", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs", "iam:PassRole", "s3:GetObject"},
	"AWS::IAM::Role":                   {"iam:CreateRole", "iam:GetRole", "iam:DeleteRole", "iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"},
	"AWS::IAM::Policy":                 {"iam:PutRolePolicy", "iam:DeleteRolePolicy"},
	"AWS::Scheduler::Schedule":         {"scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule", "iam:PassRole"},
	"AWS::Scheduler::ScheduleGroup":    {"scheduler:CreateScheduleGroup", "scheduler:GetScheduleGroup", "scheduler:DeleteScheduleGroup"},
	"AWS::StepFunctions::StateMachine": {"states:CreateStateMachine", "states:DescribeStateMachine", "states:UpdateStateMachine", "states:DeleteStateMachine", "iam:PassRole"},
	"AWS::SQS::Queue":                  {"sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes", "sqs:DeleteQueue"},
	"AWS::Logs::LogGroup":              {"logs:CreateLogGroup", "logs:DescribeLogGroups", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"},
	"AWS::CloudWatch::Alarm":           {"cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"},
	"AWS::CloudWatch::Dashboard":       {"cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"},
	"AWS::Glue::Database":              {"glue:CreateDatabase", "glue:GetDatabase", "glue:UpdateDatabase", "glue:DeleteDatabase"},
	"AWS::Glue::Table":                 {"glue:CreateTable", "glue:GetTable", "glue:UpdateTable", "glue:DeleteTable"},
	"AWS::Athena::WorkGroup":           {"athena:CreateWorkGroup", "athena:GetWorkGroup", "athena:UpdateWorkGroup", "athena:DeleteWorkGroup", "athena:TagResource"},
	"AWS::Athena::NamedQuery":          {"athena:CreateNamedQuery", "athena:GetNamedQuery", "athena:DeleteNamedQuery"},
}

// otherActions are those that the templates do not tell: what sam itself asks, and
// what a key of the owner's needs for tables (Amazon DynamoDB Developer Guide,
// "DynamoDB encryption at rest usage notes").
var otherActions = []string{
	"cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:ExecuteChangeSet", "cloudformation:DescribeStackEvents",
	"cloudformation:GetTemplateSummary", "s3:PutObject", "kms:CreateGrant", "kms:DescribeKey",
}

// The policies for deployers let them do what a deployment does, on resources of
// stacks called bifrost, and never as somebody else than the services that need it.
func TestDeployersMayDeploy(t *testing.T) {
	t.Parallel()
	checkDeployer(t, "infra/deployer.json", otherActions,
		"template.yaml", "infra/data.yaml", "infra/observability.yaml", "infra/jobs.yaml")
	checkDeployer(t, "infra/deployer-athena.json", nil, "infra/athena.yaml")
}

// checkDeployer expects of a policy that it allows what the templates and the other actions need.
func checkDeployer(t *testing.T, path string, others []string, deployed ...string) {
	t.Helper()
	text, err := os.ReadFile(root + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Statement []map[string]any }
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	// A managed policy may have 6,144 characters, white space aside (IAM User Guide, quotas).
	if n := len(strings.Join(strings.Fields(string(text)), "")); n > 6144 {
		t.Errorf("%s has %d characters, IAM takes 6144", path, n)
	}
	allowed := map[string]bool{}
	for _, s := range policy.Statement {
		for _, action := range texts(s["Action"]) {
			allowed[action] = true
			if strings.Contains(action, "*") {
				t.Errorf("%v: action %s has a wildcard", s["Sid"], action)
			}
		}
		for _, resource := range texts(s["Resource"]) {
			narrow := strings.Contains(resource, "bifrost") || strings.Contains(resource, "sam-cli-managed-default") || strings.Contains(resource, ":aws:transform/")
			// AWS Glue asks for the catalog as well as for what is in it.
			narrow = narrow || strings.HasPrefix(resource, "arn:aws:glue:") && strings.HasSuffix(resource, ":catalog")
			reads := !slices.ContainsFunc(texts(s["Action"]), func(a string) bool { return !readOnly(a) })
			if !narrow && !reads && s["Condition"] == nil {
				t.Errorf("%v changes what is not of a stack called bifrost: %s", s["Sid"], resource)
			}
		}
	}
	need := slices.Clone(others)
	passed := map[string]bool{}
	for _, s := range policy.Statement {
		for _, services := range valuesOf(s, "iam:PassedToService") {
			for _, service := range texts(services) {
				passed[service] = true
			}
		}
	}
	for _, template := range deployed {
		for _, r := range load(t, template).Resources("") {
			for _, principal := range valuesOf(r.Get("AssumeRolePolicyDocument"), "Service") {
				if service := fmt.Sprint(principal); !passed[service] {
					t.Errorf("%s: a deployer may not give %s to %s", path, r.Name, service)
				}
			}
			actions, known := typeActions[r.Type]
			if !known {
				t.Errorf("%s: this test does not know what a deployer needs for %s", template, r.Type)
			}
			need = append(need, actions...)
		}
	}
	for _, action := range need {
		if !allowed[action] {
			t.Errorf("%s: a deployer may not do %s", path, action)
		}
	}
	t.Log(path, len(allowed), "actions")
}

// readOnly tells by its name an action that changes nothing.
func readOnly(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	return slices.ContainsFunc([]string{"Describe", "Get", "List", "Validate"}, func(verb string) bool { return strings.HasPrefix(name, verb) })
}
