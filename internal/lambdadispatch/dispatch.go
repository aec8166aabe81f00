// Package lambdadispatch starts archive functions with asynchronous invocations
// of AWS Lambda: the bifrost.Dispatcher of the deployed stack.
package lambdadispatch

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Dispatcher invokes one function.
type Dispatcher struct {
	client   *lambda.Client
	function string // name or ARN
}

var _ bifrost.Dispatcher = (*Dispatcher)(nil)

// New returns a Dispatcher of the function, given by name or ARN.
func New(cfg aws.Config, function string) *Dispatcher {
	return &Dispatcher{client: lambda.NewFromConfig(cfg), function: function}
}

// Dispatch implements bifrost.Dispatcher. Lambda has taken the event when it
// returns nil; it may run twice, or hours late (AWS Lambda Developer Guide,
// "How Lambda handles errors and retries with asynchronous invocation").
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
		return fmt.Errorf("invoke function %s for topic %s partition %d range %s: %w", d.function, t.Topic, t.Partition, t.Range(), err)
	}
	return nil
}
