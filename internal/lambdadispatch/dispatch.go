// Package lambdadispatch starts archive functions with asynchronous invocations
// of AWS Lambda: the bifrost.Dispatcher of the deployed stack.
package lambdadispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// ErrThrottled says that Lambda accepts no more events at the moment, for this function
// or for the whole account. Nothing is wrong with the event.
var ErrThrottled = errors.New("throttled by Lambda")

// maxAttempts and maxPause limit the retries of one invocation to a few seconds: the
// caller has others to dispatch, and comes back. An event that was accepted although the
// answer got lost is then accepted twice, which workers tolerate.
const (
	maxAttempts = 5
	maxPause    = 500 * time.Millisecond
)

// Dispatcher invokes one function.
type Dispatcher struct {
	client   *lambda.Client
	function string // name or ARN
}

var _ bifrost.Dispatcher = (*Dispatcher)(nil)

// New returns a Dispatcher of the function, given by name or ARN. It does not use the
// network.
func New(cfg aws.Config, function string) *Dispatcher {
	client := lambda.NewFromConfig(cfg, func(o *lambda.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = maxAttempts, maxPause
		})
	})
	return &Dispatcher{client: client, function: function}
}

// Dispatch implements bifrost.Dispatcher. Lambda has accepted the event when it returns
// nil; it may run twice, or hours late (AWS Lambda Developer Guide, "How Lambda handles
// errors and retries with asynchronous invocation").
func (d *Dispatcher) Dispatch(ctx context.Context, t bifrost.Task) error {
	event, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write the event for %s %s: %w", t.Key(), t.Range(), err)
	}
	_, err = d.client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName:   aws.String(d.function),
		InvocationType: types.InvocationTypeEvent,
		Payload:        event,
	})
	if err != nil {
		return fmt.Errorf("invoke function %s for topic %s partition %d range %s: %w",
			d.function, t.Name, t.Partition, t.Range(), explain(err))
	}
	return nil
}

// explain says what Lambda's answer means to the reader of the error.
func explain(err error) error {
	if _, ok := errors.AsType[*types.TooManyRequestsException](err); ok {
		return fmt.Errorf("%w: %w", ErrThrottled, err)
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return fmt.Errorf("the function (BIFROST_ARCHIVE_FUNCTION) does not exist in this account and region: %w", err)
	}
	return err
}

// Executions asks how many functions the account runs at the same time, for all that it
// has not reserved.
func Executions(ctx context.Context, cfg aws.Config) (int, error) {
	settings, err := lambda.NewFromConfig(cfg).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return 0, fmt.Errorf("ask Lambda for the limits of the account: %w", err)
	}
	if settings.AccountLimit == nil {
		return 0, errors.New("ask Lambda for the limits of the account: the answer has none")
	}
	return int(aws.ToInt32(settings.AccountLimit.UnreservedConcurrentExecutions)), nil
}
