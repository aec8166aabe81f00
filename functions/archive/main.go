// Command archive is the function that discover starts for a range of offsets.
// Its event is a bifrost.Task (events/archive.json), its answer a
// bifrost.RangeResult for each range that it archived.
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

// worker is made once and kept from one invocation to the next.
var worker = sync.OnceValues(func() (*bifrost.Worker, error) {
	c, err := config.FromEnvironment(config.Archiver)
	if err != nil {
		return nil, err
	}
	parts, err := wiring.Open(context.Background(), c)
	if err != nil {
		return nil, err
	}
	return parts.Worker(), nil
})

func handle(ctx context.Context, event json.RawMessage) ([]bifrost.RangeResult, error) {
	task, err := bifrost.ParseTask(event)
	if err != nil {
		return nil, err
	}
	w, err := worker()
	if err != nil {
		return nil, err
	}
	return w.Work(ctx, task, wiring.Deadline(ctx))
}

func main() { lambda.Start(handle) }
