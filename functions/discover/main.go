// Command discover is the function that the schedule starts: one tick. Its event
// is {} (events/discover.json), its answer a bifrost.TickSummary.
package main

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// discoverer is made once and kept from one invocation to the next.
var discoverer = sync.OnceValues(func() (*bifrost.Discoverer, error) {
	c, err := config.FromEnvironment(config.Discoverer)
	if err != nil {
		return nil, err
	}
	parts, err := wiring.Open(context.Background(), c)
	if err != nil {
		return nil, err
	}
	return parts.Discoverer(nil), nil
})

func handle(ctx context.Context, event json.RawMessage) (bifrost.TickSummary, error) {
	if err := bifrost.ParseTick(event); err != nil {
		return bifrost.TickSummary{}, err
	}
	d, err := discoverer()
	if err != nil {
		return bifrost.TickSummary{}, err
	}
	summary, err := d.Tick(ctx, wiring.Deadline(ctx))
	if err == nil {
		wiring.LogTick(ctx, d.Log, summary)
	}
	return summary, err
}

func main() { lambda.Start(handle) }
