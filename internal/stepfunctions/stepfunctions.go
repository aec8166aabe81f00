// Package stepfunctions starts, looks at and stops executions of a state machine of AWS
// Step Functions: those of jobs. The command uses it; no function does.
package stepfunctions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// ErrGone says that Step Functions knows no such execution, as 90 days after its end.
var ErrGone = errors.New("no such execution: Step Functions keeps them for 90 days after their end")

// Client asks Step Functions.
type Client struct{ client *sfn.Client }

// New returns a client of the account. It does not use the network.
func New(cfg aws.Config) Client { return Client{sfn.NewFromConfig(cfg)} }

// Execution is how one stands.
type Execution struct {
	ARN    string
	Status string // RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED
	Begun  time.Time
	Ended  time.Time // zero while it runs
	Error  string    // why it failed: the message of a function's error; of others the name, and the cause
}

// Running reports whether it does.
func (e Execution) Running() bool { return e.Status == string(types.ExecutionStatusRunning) }

// Start starts an execution of a state machine by its ARN and returns its own. An
// execution of the same name and input that runs is that one.
func (c Client) Start(ctx context.Context, machine, name, input string) (string, error) {
	answer, err := c.client.StartExecution(ctx,
		&sfn.StartExecutionInput{StateMachineArn: &machine, Name: &name, Input: &input})
	if err != nil {
		return "", fmt.Errorf("start the execution %s of %s: %w", name, machine, err)
	}
	return aws.ToString(answer.ExecutionArn), nil
}

// Describe asks how an execution stands.
func (c Client) Describe(ctx context.Context, arn string) (Execution, error) {
	answer, err := c.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	var gone *types.ExecutionDoesNotExist
	if errors.As(err, &gone) {
		return Execution{}, fmt.Errorf("%w: %s", ErrGone, arn)
	}
	if err != nil {
		return Execution{}, fmt.Errorf("ask for the execution %s: %w", arn, err)
	}
	e := Execution{
		ARN:    arn,
		Status: string(answer.Status),
		Begun:  aws.ToTime(answer.StartDate),
		Ended:  aws.ToTime(answer.StopDate),
	}
	e.Error = explainError(aws.ToString(answer.Error), aws.ToString(answer.Cause))
	return e, nil
}

// explainError says why an execution failed. The cause that AWS Lambda gives is JSON, of which a person wants
// the message: its type is a name of Go (AWS Lambda Developer Guide, "Function errors in Go").
func explainError(name, cause string) string {
	var function struct{ ErrorMessage string }
	switch {
	case name == "" || cause == "":
		return name
	case json.Unmarshal([]byte(cause), &function) == nil && function.ErrorMessage != "":
		return function.ErrorMessage
	}
	return name + ": " + cause
}

// Stop ends an execution. The functions that it has called go on until their own end.
func (c Client) Stop(ctx context.Context, arn, why string) error {
	if _, err := c.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn, Cause: &why}); err != nil {
		return fmt.Errorf("stop the execution %s: %w", arn, err)
	}
	return nil
}
