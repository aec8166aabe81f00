// What functions write into their logs.

package wiring

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// LogOf is the log of one invocation of a function: its lines have the same request ID as
// Lambda's own lines.
func (p *Parts) LogOf(ctx context.Context) *slog.Logger {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return p.Log.With(bifrost.LogRequestID, invocation.AwsRequestID)
	}
	return p.Log
}

// ReportTick writes what a tick did, as a line of the log and as metrics. Nobody sees the
// result of a scheduled run; the lines can be found and counted.
func (p *Parts) ReportTick(ctx context.Context, summary bifrost.TickSummary) {
	log := p.LogOf(ctx)
	log.LogAttrs(ctx, slog.LevelInfo, "tick", slog.Any(bifrost.LogTick, summary))
	warn(ctx, log, p.metrics.Tick(summary))
}

// ReportRanges writes a line for each range that a worker finished, and the metrics of
// the run. What failed is in the error that the function returns, which Lambda logs.
func (p *Parts) ReportRanges(ctx context.Context, results []bifrost.RangeResult, failed error) {
	log := p.LogOf(ctx)
	for _, r := range results {
		log.LogAttrs(ctx, slog.LevelInfo, "range", r.LogAttrs()...)
	}
	warn(ctx, log, p.metrics.Ranges(results, failed != nil))
}

// warn reports what must not make the work itself fail.
func warn(ctx context.Context, log *slog.Logger, err error) {
	if err != nil {
		log.WarnContext(ctx, err.Error())
	}
}
