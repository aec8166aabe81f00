// How a capture waits for transactions that are being committed.

package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// How long the end of transactions is waited for, and how often they are listed
// meanwhile. Kafka takes milliseconds, unless a broker is gone.
const (
	transactionPatience = 10 * time.Second
	transactionPause    = 50 * time.Millisecond
)

// awaitTransactions waits for transactions whose offsets the groups may count and
// whose output is not stable yet: Kafka ends a transaction in one partition after the
// other. It is called between the groups and the ends of the logs. Whatever began to
// be committed after the groups were read is in no position, and is not waited for.
// docs/decisions/0021-transactions-that-are-being-committed.md has the reasons.
func (r *reading) awaitTransactions(ctx context.Context) error {
	patience := transactionPatience
	if deadline, limited := ctx.Deadline(); limited {
		patience = min(patience, time.Until(deadline)/2) // the ends of the logs take time as well
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := r.cluster.SeesTransactions(waiting)
	if err != nil {
		r.lacks(PartTransactions, err, "")
	}
	if errors.Is(err, ErrNone) {
		return ctx.Err()
	}
	left, err := r.committing(waiting)
	for err == nil && len(left) > 0 {
		if pause(waiting) != nil {
			break
		}
		var now []string
		if now, err = r.committing(waiting); err == nil {
			left = slices.DeleteFunc(left, func(id string) bool { return !slices.Contains(now, id) })
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(left) == 0 && err != nil {
		r.lacks(PartTransactions, fmt.Errorf("which transactions were being committed: %w", err), "")
	}
	for _, id := range left {
		r.lacks(PartTransactions, errStillCommitting, id)
	}
	return nil
}

// errStillCommitting is about a transaction of which the capture may have one half.
var errStillCommitting = errors.New("the transaction was still being committed when its end had been waited for: " +
	"groups may have its offsets, and its output may be beyond the ends of the logs")

// committing lists until all brokers have answered, or there is no time left.
func (r *reading) committing(ctx context.Context) ([]string, error) {
	for {
		ids, err := r.cluster.CommittingTransactions(ctx)
		if err == nil || errors.Is(err, ErrDenied) || errors.Is(err, ErrNone) || pause(ctx) != nil {
			return ids, err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(transactionPause):
		return nil
	}
}
