// The twin of the queue of invocations.

package bifrosttest

import (
	"context"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var _ bifrost.Dispatcher = (*Lambda)(nil)

// Lambda is the queue of asynchronous invocations. It runs nothing by itself:
// whoever takes a task decides when it runs, and how often.
type Lambda struct{ queue []bifrost.Task }

// Dispatch implements bifrost.Dispatcher.
func (l *Lambda) Dispatch(ctx context.Context, t bifrost.Task) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.queue = append(l.queue, t)
	return nil
}

// Waiting returns the tasks in the queue, the oldest first.
func (l *Lambda) Waiting() []bifrost.Task { return slices.Clone(l.queue) }

// Take removes the task at index i and returns it.
func (l *Lambda) Take(i int) bifrost.Task {
	t := l.queue[i]
	l.queue = slices.Delete(l.queue, i, i+1)
	return t
}
