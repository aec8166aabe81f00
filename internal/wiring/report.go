package wiring

import (
	"context"
	"log/slog"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// LogTick writes what a tick did. The answer of a scheduled run is seen by nobody,
// the line can be found and counted.
func LogTick(ctx context.Context, log *slog.Logger, summary bifrost.TickSummary) {
	log.LogAttrs(ctx, slog.LevelInfo, "tick", slog.Any(bifrost.LogTick, summary))
}

// LogRanges writes a line for each range that a worker brought to its end. What
// failed is in the error that the function answers, which Lambda logs.
func LogRanges(ctx context.Context, log *slog.Logger, results []bifrost.RangeResult) {
	for _, r := range results {
		log.LogAttrs(ctx, slog.LevelInfo, "range", r.LogAttrs()...)
	}
}
