package bifrost

import (
	"context"
	"fmt"
	"time"
)

// blockedAfter is how long a transaction may be open before its partition counts
// as blocked: the longest that brokers let a producer ask for, by default
// (transaction.max.timeout.ms). They abort a longer one, unless it is hanging
// (KIP-664): then it stays until somebody aborts it by hand.
const blockedAfter = 15 * time.Minute

// watchStable looks for a last stable offset that stands still below the high
// watermark. What the progress row says of them is as old as its last plan, so
// that alone proves nothing about the time between. A row that shows the same
// last stable offset, and shows a transaction open above it, does: that one
// transaction has been open ever since. So the first sight of an open transaction
// on a partition with nothing else to write is noted, in one write, and a later
// tick counts from there.
func (t *tick) watchStable(ctx context.Context, s *sighting) error {
	p := s.progress
	open := s.seen.HighWatermark > s.seen.LastStable
	stands := open && s.seen.LastStable == p.LastStable
	switch {
	case !stands && p.Status == StatusBlocked:
		return ignoreConflict(t.writeObservation(ctx, s, StatusOpen, ""))
	case !stands:
		return nil
	case p.Status == StatusBlocked:
		return t.countBlocked(s)
	case p.HighWatermark <= p.LastStable:
		return ignoreConflict(t.writeObservation(ctx, s, p.Status, p.Error))
	case s.seen.At.Sub(p.At) < blockedAfter:
		return nil
	}
	since := fmt.Sprintf("a transaction has been open at offset %d since %s or longer", p.LastStable, p.At.UTC().Format(time.RFC3339))
	if err := t.writeObservation(ctx, s, StatusBlocked, since); err != nil {
		return ignoreConflict(err)
	}
	return t.countBlocked(s)
}

// writeObservation writes what the tick sees, and the status that follows from it.
func (t *tick) writeObservation(ctx context.Context, s *sighting, status Status, message string) error {
	w := StatusWrite{Progress: *s.progress, Status: status, Error: message, Observation: s.seen}
	if err := t.Ledger.ChangeStatus(ctx, w); err != nil {
		return fmt.Errorf("set status %s: %w", status, err)
	}
	s.progress.Status, s.progress.Error, s.progress.Observation = status, message, s.seen
	return nil
}

func (t *tick) countBlocked(s *sighting) error {
	t.mutex.Lock()
	t.summary.Blocked++
	t.mutex.Unlock()
	return inRow{fmt.Errorf("BLOCKED: a transaction at offset %d does not end, and %d offsets wait behind it; "+
		"find its producer with kafka-transactions.sh find-hanging, and end it with its abort",
		s.seen.LastStable, s.seen.HighWatermark-s.seen.LastStable)}
}
