// How the templates are deployed to the local AWS.

package localservices

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// artifacts is the bucket that sam deploy uploads the functions to.
const artifacts = "bifrost-artifacts"

// sam runs the SAM command line at the root of the repository.
func sam(ctx context.Context, env []string, args ...string) ([]byte, error) {
	program, err := Tool("sam")
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	// The reader's samconfig.toml is for the reader's own account.
	nothing, err := emptyFile("samconfig.toml")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, append(args, "--config-file", nothing)...)
	cmd.Dir = root
	cmd.Env = append(withoutAWS(os.Environ()), append(env, "SAM_CLI_TELEMETRY=0")...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("localservices: sam %s: %w\n%s%s",
			args[0], err, tail(out.String(), 4000), tail(problems.String(), 4000))
	}
	return out.Bytes(), nil
}

// emptyFile makes an empty file below .local/run unless it is there.
func emptyFile(name string) (string, error) {
	path, err := local("run", name)
	if err != nil {
		return "", err
	}
	file, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return "", fmt.Errorf("localservices: %w", err)
	}
	return path, file.Close()
}

// withoutAWS returns an environment without the reader's own account, which must
// have no say in a local deployment.
func withoutAWS(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		return strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "SAM_")
	})
}

// buildEnv makes Go build as Lambda runs it: without C, without the RPC mode of old
// runtimes and without what only a debugger reads; the same bytes on every machine.
var buildEnv = []string{"CGO_ENABLED=0", "GOFLAGS=-tags=lambda.norpc -ldflags=-s -buildvcs=false"}

const versionVariable = "github.com/bifrost-archive/bifrost/internal/wiring.Version"

// A build is what sam build makes of a source tree.
type build struct {
	source       string // its root, with template.yaml
	architecture string // as Lambda calls it
	version      string // what the functions call themselves; empty for what the source says
}

// Build builds the functions of this repository into a folder, for a processor as
// Lambda calls it: arm64 or x86_64. The built template there names the same one.
func Build(ctx context.Context, dir, architecture string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	if err := Install(ctx, nil, PartSAM); err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	_, err = build{source: root, architecture: architecture}.into(ctx, dir)
	return err
}

// into builds into a folder and returns the built template.
func (b build) into(ctx context.Context, dir string) (template string, err error) {
	env := buildEnv
	if b.version != "" {
		env = append(env, "GOFLAGS=-tags=lambda.norpc -buildvcs=false -ldflags=-X="+versionVariable+"="+b.version)
	}
	templates, err := runDir("template")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(templates)
	if err := b.writeTemplates(templates); err != nil {
		return "", err
	}
	_, err = sam(ctx, env, "build", "--template-file", filepath.Join(templates, "template.yaml"),
		"--base-dir", b.source, "--build-dir", dir)
	if err != nil {
		return "", errors.Join(err, b.compile(ctx))
	}
	return filepath.Join(dir, "template.yaml"), nil
}

// writeTemplates copies the templates, with the processor in its place.
func (b build) writeTemplates(dir string) error {
	text, err := os.ReadFile(filepath.Join(b.source, "template.yaml"))
	if err != nil {
		return fmt.Errorf("localservices: %w", err)
	}
	text, err = forArchitecture(text, b.architecture)
	if err != nil {
		return err
	}
	return errors.Join(
		os.CopyFS(filepath.Join(dir, "infra"), os.DirFS(filepath.Join(b.source, "infra"))),
		os.WriteFile(filepath.Join(dir, "template.yaml"), text, 0o644),
	)
}

// architectures are the processors that Lambda has, the template's own first.
var architectures = []string{"arm64", "x86_64"}

// forArchitecture is a template for another processor. It is a fact of the build and
// no parameter: sam build would not know what the deployment is told later.
func forArchitecture(template []byte, architecture string) ([]byte, error) {
	if !slices.Contains(architectures, architecture) {
		return nil, fmt.Errorf("localservices: build for %q: Lambda has %v", architecture, architectures)
	}
	const line = "Architectures: [%s]\n"
	ours := fmt.Appendf(nil, line, architectures[0])
	if n := bytes.Count(template, ours); n != 1 {
		return nil, fmt.Errorf("localservices: the template says %d times %q, want once", n, bytes.TrimSpace(ours))
	}
	return bytes.Replace(template, ours, fmt.Appendf(nil, line, architecture), 1), nil
}

// compile builds the functions to nowhere. Where sam build only says that it
// failed, the error of the compiler says why.
func (b build) compile(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "vet", "./functions/...")
	cmd.Dir, cmd.Env = b.source, append(os.Environ(), buildEnv...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go vet ./functions/...: %w\n%s", err, out)
	}
	return nil
}

// architecture returns this machine's processor as Lambda calls it.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// samDeploy deploys a built template, or updates what is deployed.
func samDeploy(ctx context.Context, at Endpoint, stack, template string, parameters map[string]string) error {
	if err := makeBucket(ctx, at, artifacts); err != nil {
		return err
	}
	args := []string{"deploy", "--template-file", template, "--stack-name", stack, "--s3-bucket", artifacts,
		"--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar",
		"--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--parameter-overrides"}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		args = append(args, fmt.Sprintf("ParameterKey=%s,ParameterValue=%q", name, parameters[name]))
	}
	_, err := sam(ctx, at.Env(), args...)
	return err
}

// samOutputs returns the outputs of a deployed stack.
func samOutputs(ctx context.Context, at Endpoint, stack string) (map[string]string, error) {
	out, err := sam(ctx, at.Env(), "list", "stack-outputs", "--stack-name", stack, "--output", "json")
	if err != nil {
		return nil, err
	}
	var list []struct{ OutputKey, OutputValue string }
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("localservices: outputs of stack %s: %w\n%s", stack, err, out)
	}
	outputs := make(map[string]string, len(list))
	for _, o := range list {
		outputs[o.OutputKey] = o.OutputValue
	}
	return outputs, nil
}

// functionSettings are the variables of Bifrost that a deployed function has and that are not
// empty.
func functionSettings(ctx context.Context, at Endpoint, function string) (map[string]string, error) {
	answer, err := lambda.NewFromConfig(at.Config()).GetFunctionConfiguration(ctx,
		&lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		return nil, fmt.Errorf("localservices: ask for the settings of function %s: %w", function, err)
	}
	settings := map[string]string{}
	for name, value := range answer.Environment.Variables {
		if strings.HasPrefix(name, "BIFROST_") && value != "" {
			settings[name] = value
		}
	}
	return settings, nil
}

// completeStorage sets what the template says of the bucket and the tables and the local AWS
// takes from requests alone: the rule for unfinished uploads, recovery to a point in time, and
// protection from deletion, which it would answer as the template's text, and not as a boolean.
func completeStorage(ctx context.Context, at Endpoint, outputs map[string]string, protected bool) error {
	_, err := s3.NewFromConfig(at.Config()).PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: aws.String(outputs["Bucket"]),
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID:     aws.String("abort-unfinished-uploads"),
			Status: types.ExpirationStatusEnabled,
			Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{
				DaysAfterInitiation: aws.Int32(7),
			},
		}}},
	})
	if err != nil {
		return fmt.Errorf("localservices: set the lifecycle of %s: %w", outputs["Bucket"], err)
	}
	tables := dynamodb.NewFromConfig(at.Config())
	for _, table := range []string{outputs["ProgressTable"], outputs["ObjectsTable"]} {
		_, err := tables.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
			TableName: aws.String(table),
			PointInTimeRecoverySpecification: &dynamotypes.PointInTimeRecoverySpecification{
				PointInTimeRecoveryEnabled: aws.Bool(true),
			},
		})
		if err != nil {
			return fmt.Errorf("localservices: set the recovery of %s: %w", table, err)
		}
		_, err = tables.UpdateTable(ctx, &dynamodb.UpdateTableInput{
			TableName: aws.String(table), DeletionProtectionEnabled: aws.Bool(protected),
		})
		if err != nil {
			return fmt.Errorf("localservices: set the protection of %s: %w", table, err)
		}
	}
	return nil
}

// makeBucket makes a bucket unless it is there.
func makeBucket(ctx context.Context, at Endpoint, name string) error {
	client := s3.NewFromConfig(at.Config())
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(name)}); err == nil {
		return nil
	}
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: aws.String(name),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(at.Region),
		},
	})
	if err != nil {
		return fmt.Errorf("localservices: make the bucket %s: %w", name, err)
	}
	return nil
}

// keepSecret makes a secret and returns its ARN.
func keepSecret(ctx context.Context, at Endpoint, text string) (arn string, err error) {
	made, err := secretsmanager.NewFromConfig(at.Config()).CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String("bifrost-kafka"), SecretString: aws.String(text),
	})
	if err != nil {
		return "", fmt.Errorf("localservices: make a secret: %w", err)
	}
	return *made.ARN, nil
}

// RemoteInvoke sends a file of the folder events to a function, named as in the
// template, by sam remote invoke, and returns the answer.
func RemoteInvoke(ctx context.Context, s *Stack, function, event string) ([]byte, error) {
	return sam(ctx, s.AWS.Env(), "remote", "invoke", function, "--stack-name", stackName,
		"--event-file", filepath.Join("events", event))
}
