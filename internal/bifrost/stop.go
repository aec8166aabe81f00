package bifrost

import (
	"context"
	"errors"
	"fmt"
)

// leastStopped is how much a range must have read, in bytes of frames, to be
// archived up to where it stopped at once. Less of it would make small objects of
// every broker that is away for a moment.
const leastStopped = 1 << 20

// stoppedError says that the source could not be read on from an offset.
type stoppedError struct {
	at    int64 // all below was read
	cause error
}

func (s *stoppedError) Error() string {
	return fmt.Sprintf("read from Kafka at offset %d: %v", s.at, s.cause)
}

func (s *stoppedError) Unwrap() error { return s.cause }

// stoppedAt is the offset at which an attempt that failed could not read on; 0 if
// it failed for another reason, or had read nothing.
func stoppedAt(failure error, start int64) int64 {
	var stopped *stoppedError
	if !errors.As(failure, &stopped) || stopped.at <= start {
		return 0
	}
	return stopped.at
}

// settles reports whether the range is archived up to where it stopped instead of
// being tried again as a whole. What stopped it may last for ever: a segment in
// tiered storage that nobody can read, a batch that is damaged or too large. Then
// all that lies before it would be read at every attempt and archived at none,
// until Kafka deletes it. So much is archived at the first stop if it is worth an
// object, at the second stop at the same offset, and at any if Kafka may delete it
// soon. The rest of the row is a range of its own.
func (a *attempt) settles(row Row, position, rawBytes int64, failure error) bool {
	if stoppedAt(failure, row.Start) == 0 {
		return false
	}
	var outside *OutOfRangeError
	if errors.As(failure, &outside) || errors.Is(failure, ErrWrongTopicID) {
		return true // nobody can read the rest of it any more
	}
	return rawBytes >= leastStopped || row.StoppedAt == position || timeToLoss(row.LossAt, a.Now()) < a.NearLoss
}

// untilDeadline is a context for the answers of the source: one that comes after
// the deadline finds nobody to archive it.
func (a *attempt) untilDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, a.deadline.Sub(a.Now()), errTimeIsUp)
}

// errTimeIsUp is the cause of a context that ended with the deadline of the range.
var errTimeIsUp = errors.New("the time for this range is up")
