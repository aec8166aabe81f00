package wiring

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// LogOf is the log of one invocation of a function: its lines have the request ID
// that the lines of Lambda itself have.
func (p *Parts) LogOf(ctx context.Context) *slog.Logger {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return p.Log.With(bifrost.LogRequestID, invocation.AwsRequestID)
	}
	return p.Log
}

// ReportTick writes what a tick did, as a line of the log and as metrics. The
// answer of a scheduled run is seen by nobody, the lines can be found and counted.
func (p *Parts) ReportTick(ctx context.Context, summary bifrost.TickSummary) {
	log := p.LogOf(ctx)
	log.LogAttrs(ctx, slog.LevelInfo, "tick", slog.Any(bifrost.LogTick, summary))
	warn(ctx, log, p.metrics.Tick(summary))
}

// ReportRanges writes a line for each range that a worker brought to its end, and
// the metrics of the run. What failed is in the error that the function answers,
// which Lambda logs.
func (p *Parts) ReportRanges(ctx context.Context, results []bifrost.RangeResult, failed error) {
	log := p.LogOf(ctx)
	for _, r := range results {
		log.LogAttrs(ctx, slog.LevelInfo, "range", r.LogAttrs()...)
	}
	warn(ctx, log, p.metrics.Ranges(results, failed != nil))
}

// warn is for what must not fail the work that it tells of.
func warn(ctx context.Context, log *slog.Logger, err error) {
	if err != nil {
		log.WarnContext(ctx, err.Error())
	}
}
