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
	failure error         // of whoever had the writer, behind which nothing is written or committed
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
		for {
			select {
			case <-clock.C:
				if err := s.commitOverdue(ctx, w); err != nil {
					cancel(err)
					return
				}
			case <-s.stopped:
				cancel(nil)
				return
			}
		}
	}()
	return inner, s
}

// takeTurn has the writer do something, unless something has failed before: a batch that
// was refused is missing in the transaction, and what is left of it must not be committed.
func (s *silence) takeTurn(do func() error) error {
	s.writer.Lock()
	defer s.writer.Unlock()
	if s.failure == nil {
		s.failure = do()
	}
	return s.failure
}

// commitOverdue commits a transaction that has taken its time.
func (s *silence) commitOverdue(ctx context.Context, w *writer) error {
	return s.takeTurn(func() error {
		if w.open && time.Since(w.begun) > w.longest {
			return w.commitTransaction(ctx)
		}
		return nil
	})
}

// end waits for a commit that is under way, and answers what has failed first.
func (s *silence) end() error {
	close(s.stopped)
	<-s.ended
	return s.failure
}
