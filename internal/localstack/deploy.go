package localstack

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
		return nil, fmt.Errorf("localstack: sam %s: %w\n%s%s", args[0], err, tail(out.String(), 4000), tail(problems.String(), 4000))
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
		return "", fmt.Errorf("localstack: %w", err)
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

// buildEnv makes Go build as make deploy does for AWS: without C and without
// what only a debugger reads.
var buildEnv = []string{"CGO_ENABLED=0", "GOFLAGS=-tags=lambda.norpc -ldflags=-s -buildvcs=false"}

const versionVariable = "github.com/bifrost-archive/bifrost/internal/wiring.Version"

// samBuild builds the functions into a folder, for this machine's processor, as
// the version, or as what the source says when it is empty. It returns the built
// template.
func samBuild(ctx context.Context, dir, version string) (template string, err error) {
	env := buildEnv
	if version != "" {
		env = append(env, "GOFLAGS=-tags=lambda.norpc -buildvcs=false -ldflags=-X="+versionVariable+"="+version)
	}
	_, err = sam(ctx, env, "build", "--template-file", "template.yaml", "--build-dir", dir,
		"--parameter-overrides", "Architecture="+architecture())
	if err != nil {
		return "", errors.Join(err, compile(ctx))
	}
	return filepath.Join(dir, "template.yaml"), nil
}

// compile builds the functions to nowhere. Where sam build only says that it
// failed, the error of the compiler says why.
func compile(ctx context.Context) error {
	root, err := Root()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "vet", "./functions/...")
	cmd.Dir, cmd.Env = root, append(os.Environ(), buildEnv...)
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
		return nil, fmt.Errorf("localstack: outputs of stack %s: %w\n%s", stack, err, out)
	}
	outputs := make(map[string]string, len(list))
	for _, o := range list {
		outputs[o.OutputKey] = o.OutputValue
	}
	return outputs, nil
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
		return fmt.Errorf("localstack: make the bucket %s: %w", name, err)
	}
	return nil
}

// keepSecret makes a secret and returns its ARN.
func keepSecret(ctx context.Context, at Endpoint, text string) (arn string, err error) {
	made, err := secretsmanager.NewFromConfig(at.Config()).CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String("bifrost-kafka"), SecretString: aws.String(text),
	})
	if err != nil {
		return "", fmt.Errorf("localstack: make a secret: %w", err)
	}
	return *made.ARN, nil
}

// RemoteInvoke sends a file of the folder events to a function, named as in the
// template, by sam remote invoke, and returns the answer.
func RemoteInvoke(ctx context.Context, s *Stack, function, event string) ([]byte, error) {
	return sam(ctx, s.AWS.Env(), "remote", "invoke", function, "--stack-name", stackName,
		"--event-file", filepath.Join("events", event))
}
