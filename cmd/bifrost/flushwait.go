// How a flush waits.

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// waiting is what a flush waits for.
type waiting struct {
	begun   bool
	offsets int64     // left after the first tick
	told    time.Time // until when others have their ranges, as was said last
}

// noteLeft keeps what was left after the first tick.
func (w *waiting) noteLeft(left map[bifrost.TopicPartition]int64) {
	if !w.begun {
		w.begun, w.offsets = true, sumOffsets(left)
	}
}

func sumOffsets(left map[bifrost.TopicPartition]int64) (sum int64) {
	for _, n := range left {
		sum += n
	}
	return sum
}

// pollOthers is how often to look whether others have finished their ranges.
const pollOthers = time.Second

// waitForWorker returns when the workers have ended, or after a while: somebody
// else may be at work on what is left.
func (f *flush) waitForWorker(ctx context.Context) error {
	select {
	case <-f.done:
	case <-time.After(pollOthers):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	f.workers.Wait()
	return nil
}

// tellWaiting says for which ranges of others it waits, when it begins to, and again when
// the time that it said is over.
func (f *flush) tellWaiting(ctx context.Context, left map[bifrost.TopicPartition]int64) error {
	now := f.Now()
	if now.Before(f.waiting.told) {
		return nil
	}
	rows, err := f.ledger.ListPlanned(ctx)
	if err != nil {
		return err
	}
	invocations, err := f.ledger.ListInvocations(ctx)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r bifrost.Row) bool {
		return left[bifrost.TopicPartition{Topic: r.Topic(), Partition: r.Number}] == 0
	})
	held := bifrost.FindHeld(rows, invocations, f.lease, now)
	if held.InHand > 0 {
		f.Say("Waits for %d ranges that other workers have in hand, the last until %s, or longer if that worker is "+
			"alive.", held.InHand, human.Moment(held.Until))
	} else if held.Paused > 0 {
		f.Say("Waits for %d ranges that failed, or whose workers died, to be tried again at %s at the latest.",
			held.Paused, human.Moment(held.Until))
	}
	f.waiting.told = held.Until
	return nil
}

// countPatience is how long a flush that was told to end may take to count what is left.
const countPatience = 10 * time.Second

// endEarly is the end of a flush whose time is over, or that was interrupted. Its workers bring
// their ranges to their end first, so that what it says is left is left.
func (f *flush) endEarly(ctx context.Context) error {
	f.workers.Stop()
	f.workers.Wait()
	cause := context.Cause(ctx)
	if f.targets == nil {
		return fmt.Errorf("%w: it ended before it knew up to where to archive: %w", errUnfinished, cause)
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), countPatience)
	defer cancel()
	behind, err := f.countBehind(asking)
	if err != nil {
		return fmt.Errorf("%w: how many offsets are left is not known (%w): %w", errUnfinished, err, cause)
	}
	left := human.Count(sumOffsets(behind)) + " offsets are left"
	if n := len(f.unlisted); n > 0 {
		left += fmt.Sprintf(", and of %d partitions nobody knows how many", n)
	} else if len(behind) == 0 {
		return fmt.Errorf("it ended when nothing was left of what it had to archive: %w", cause)
	}
	return fmt.Errorf("%w: %s: %w", errUnfinished, left, cause)
}
