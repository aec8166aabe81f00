package bifrost_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// tickAndWork runs a tick, and then those of the waiting workers that the indices
// pick, one after the other, as long as there are so many.
func (s *stack) tickAndWork(which ...int) bifrost.TickSummary {
	s.Helper()
	summary := s.tick()
	for _, i := range which {
		if i >= len(s.lambda.Waiting()) {
			break
		}
		if _, err := s.archiver().Archive(context.Background(), s.lambda.Take(i), time.Time{}); err != nil {
			s.log = append(s.log, err.Error())
		}
	}
	return summary
}

// TestTickBetweenARestoreAndItsRebuild is the execution in which
// TestRebuildThroughFaults met an overlap: a backup is restored, the rebuild
// breaks off, and a tick runs before the next.
func TestTickBetweenARestoreAndItsRebuild(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.maxRaw = 30
	payments := s.kafka.CreateTopic("payments", 1).Logs[0]
	s.kafka.CreateTopic("orders", 2)
	s.tick()
	payments.Produce(s.lengthening(5)...)
	payments.Produce(s.lengthening(13)...)
	s.tickAndWork(0)
	s.tickAndWork(2, 1, 1, 0)
	backup := s.ledger.Backup()
	s.tickAndWork(0)
	payments.Produce(s.lengthening(11)...)
	s.tickAndWork(2, 1)
	payments.Produce(s.lengthening(13)...)
	payments.End(payments.Begin("one", "two"), true)
	objects := s.objects()
	s.ledger.Restore(backup)

	broken := errors.New("injected fault")
	calls := 0
	r := s.rebuilder()
	r.Anew, r.Bucket = true, flaky{Ledger: s.ledger, Bucket: s.store, fate: func() (error, error) {
		calls++
		return nil, broken
	}}
	if _, err := r.Rebuild(t.Context()); !errors.Is(err, broken) || calls != 1 {
		t.Fatalf("error %v after %d calls", err, calls)
	}
	if summary := s.tickAndWork(1, 1, 1); !summary.Older || summary.Planned+summary.Dispatched > 0 || summary.Failures == 0 || summary.Lag == 0 {
		t.Errorf("summary %+v: want a tick that sees that the tables are older, and what waits meanwhile", summary)
	}
	r = s.rebuilder()
	r.Anew = true
	if summary, err := r.Rebuild(t.Context()); err != nil || summary.Failures > 0 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	s.sound(verify.Options{})
	s.settle()
	s.ended()
	for key, content := range objects {
		if got := s.store.Versions(key); len(got) != 1 || !slices.Equal(got[0], []byte(content)) {
			t.Errorf("%s was written %d times", key, len(got))
		}
	}
}

// lengthening is what live produces: values of growing length.
func (s *stack) lengthening(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = strings.Repeat("x", i%7)
	}
	return values
}

// series is that of the stack's marks.
func (s *stack) series() string {
	s.Helper()
	mark, err := s.ledger.Mark(context.Background())
	if err != nil {
		s.Fatalf("%v", err)
	}
	return mark.Series
}
