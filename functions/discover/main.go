// Command discover is the function that the schedule starts: one tick, and with
// the time that it leaves a capture of the cluster, if one is due. Its event is {}
// (events/discover.json), its answer a bifrost.TickSummary.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// started is what is made once and kept from one invocation to the next: the
// discoverer remembers what it learned of topics, the capturer what is captured.
type started struct {
	parts      *wiring.Parts
	discoverer *bifrost.Discoverer
	capturer   *capture.Capturer
}

func start() (started, error) {
	parts, err := wiring.OpenFromEnvironment(config.Discoverer)
	if err != nil {
		return started{}, err
	}
	return started{parts, parts.Discoverer(nil), parts.Capturer()}, nil
}

func handle(ctx context.Context, start func() (started, error), event json.RawMessage) (bifrost.TickSummary, error) {
	if err := bifrost.ParseTick(event); err != nil {
		return bifrost.TickSummary{}, err
	}
	s, err := start()
	if err != nil {
		return bifrost.TickSummary{}, err
	}
	d := *s.discoverer
	d.Log = s.parts.LogOf(ctx)
	deadline := wiring.Deadline(ctx)
	summary, err := d.Tick(ctx, deadline)
	if err == nil {
		summary.Capture = s.capturer.CaptureDue(ctx, deadline)
		s.parts.ReportTick(ctx, summary)
	}
	return summary, err
}

func main() {
	wiring.LimitMemory()
	kept := wiring.OpenOnce(start)
	lambda.Start(func(ctx context.Context, event json.RawMessage) (bifrost.TickSummary, error) {
		return handle(ctx, kept, event)
	})
}
