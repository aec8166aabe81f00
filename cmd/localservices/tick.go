// How the demo lets the stack archive all there is.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// patience is how long the stack may take to archive all there is.
const patience = 10 * time.Minute

// A summary is what a tick answers. It is read here as a stranger would read it,
// from its JSON.
type summary struct {
	Topics     int   `json:"topics"`
	Planned    int   `json:"planned"`
	Dispatched int   `json:"dispatched"`
	InFlight   int   `json:"in_flight"`
	Lag        int64 `json:"lag"` // offsets
	Failures   int   `json:"failures"`
	Unfinished int   `json:"unfinished"` // partitions left to the next tick
	Diverged   int   `json:"diverged"`   // partitions that wait for a person
	Blocked    int   `json:"blocked"`    // partitions behind a transaction that does not end

	text string // the whole of it
}

// done reports whether all there is has been archived.
func (s summary) done() bool {
	return s.Lag == 0 && s.InFlight == 0 && s.Unfinished == 0 && s.Failures == 0
}

// tick invokes the discover function with {} and waits for its summary.
func tick(ctx context.Context, s *localservices.Stack) (summary, error) {
	out, err := lambda.NewFromConfig(s.AWS.Config()).Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(s.Outputs["DiscoverFunction"]),
		Payload:      []byte("{}"),
	})
	if err != nil {
		return summary{}, fmt.Errorf("tick: %w", err)
	}
	if out.FunctionError != nil {
		return summary{}, fmt.Errorf("tick: %s: %s", *out.FunctionError, out.Payload)
	}
	answer := summary{text: string(out.Payload)}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return summary{}, fmt.Errorf("tick: summary: %w: %s", err, out.Payload)
	}
	return answer, nil
}

// archiveAll ticks until the lag is zero and nobody is at work. Whoever wants to
// watch is told of each tick.
func archiveAll(ctx context.Context, s *localservices.Stack, watch func(summary)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		answer, err := tick(ctx, s)
		if err != nil {
			return err
		}
		watch(answer)
		if answer.done() {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("not all is archived after %v: %s: %w", patience, answer.text, err)
		}
	}
}
