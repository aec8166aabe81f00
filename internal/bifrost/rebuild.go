package bifrost

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Rebuilder makes both tables from the bucket alone.
type Rebuilder struct {
	Group         string // first element of every key
	Ledger        Ledger
	Store         Store
	Shelf         Shelf
	Topics        TopicFilter
	Sizing        Sizing // of the ranges planned where objects are missing
	Now           func() time.Time
	NewGeneration func() string // a value never given before
	Parallel      int           // objects looked at side by side; 0 or 1 uses no goroutine
	Log           *slog.Logger
}

// RebuildSummary is what a rebuild found and did.
type RebuildSummary struct {
	Partitions int           `json:"partitions"` // of the bucket
	Made       int           `json:"made"`       // progress rows made, or made anew because rows were missing
	Adopted    int           `json:"adopted"`    // rows settled by an object that was there
	Planned    int           `json:"planned"`    // rows left PLANNED where no object is
	Failed     []TickFailure `json:"failed"`     // what went wrong, at most MaxReportedFailures of them
	Failures   int           `json:"failures"`   // how many partitions failed in all
}

// Rebuild brings the tables in line with what the bucket holds. It takes the
// steps that discover takes for a partition without a row, so it may run while
// the stack runs, twice at once, or stop anywhere and be run again.
func (r *Rebuilder) Rebuild(ctx context.Context) (RebuildSummary, error) {
	return RebuildSummary{}, errors.New("rebuild: not implemented yet")
}
