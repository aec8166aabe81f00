// Command archive is the function that discover starts for a range of offsets.
// Its event is a bifrost.Task (events/archive.json), its answer a
// bifrost.RangeResult for each range that it archived.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func open() (*wiring.Parts, error) { return wiring.OpenFromEnvironment(config.Archiver) }

func handle(
	ctx context.Context, open func() (*wiring.Parts, error), event json.RawMessage,
) ([]bifrost.RangeResult, error) {
	task, err := bifrost.ParseTask(event)
	if err != nil {
		return nil, err
	}
	parts, err := open()
	if err != nil {
		return nil, err
	}
	results, err := parts.Worker().Work(ctx, task, wiring.Deadline(ctx))
	parts.ReportRanges(ctx, results, err)
	return results, err
}

func main() {
	wiring.LimitMemory()
	kept := wiring.OpenOnce(open)
	lambda.Start(func(ctx context.Context, event json.RawMessage) ([]bifrost.RangeResult, error) {
		return handle(ctx, kept, event)
	})
}
