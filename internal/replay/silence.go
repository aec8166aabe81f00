// What stands open while the source gives no records.

package replay

import (
	"context"
	"sync"
	"time"
)

// silence commits in time although no record comes: the archive may be slow, or have much
// between two records that are asked for. The writer belongs to one at a time, to the run
// while it has a record in hand, or to the clock.
type silence struct {
	writer  sync.Mutex
	failure error         // of the clock's commit, behind which nothing may be written
	stopped chan struct{} // no more records are awaited
	ended   chan struct{} // the clock does nothing any more
}

// commitInSilence begins to look at the clock. What it answers ends with a commit that
// fails, so that nobody waits for further records.
func (w *writer) commitInSilence(ctx context.Context) (context.Context, *silence) {
	inner, cancel := context.WithCancelCause(ctx)
	s := &silence{stopped: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		clock := time.NewTicker(w.options.silence)
		defer clock.Stop()
		for s.failure == nil {
			select {
			case <-clock.C:
				s.commitOverdue(ctx, w)
			case <-s.stopped:
				cancel(nil)
				return
			}
		}
		cancel(s.failure)
	}()
	return inner, s
}

// commitOverdue commits a transaction that has taken its time.
func (s *silence) commitOverdue(ctx context.Context, w *writer) {
	s.writer.Lock()
	defer s.writer.Unlock()
	if w.open && time.Since(w.begun) > w.longest {
		s.failure = w.commitTransaction(ctx)
	}
}

// end waits for a commit that is under way, and answers why one has failed.
func (s *silence) end() error {
	close(s.stopped)
	<-s.ended
	return s.failure
}
